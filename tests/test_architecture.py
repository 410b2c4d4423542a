"""The layout holds: imports point one way, names are ours, the clock and the environment are read in one place."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest

from api import VERSION

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "models": set(),
    "kb_admin": {"models"},
    "retrieval": {"models"},
    "ingest": {"models", "retrieval"},
    "api": {"models", "kb_admin", "retrieval", "ingest"},
    "benchmarks": {"models", "kb_admin", "retrieval", "ingest", "api"},
}
INSTALLED = tuple(name for name in MAY_IMPORT if name != "benchmarks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    ours = {*MAY_IMPORT, "tests"}
    for path in _files(package):
        reached = _imported(path) & ours - {package}
        assert reached <= MAY_IMPORT[package], path.relative_to(ROOT)


def test_the_package_list_names_every_package_and_no_other() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in INSTALLED
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["project"]["version"] == VERSION


def test_only_the_settings_read_the_environment() -> None:
    readers = [p for package in INSTALLED for p in _files(package) if _mentions(p, {"environ", "getenv"})]
    assert readers == []  # pydantic-settings reads it for api/settings.py


def test_only_one_place_reads_the_clock() -> None:
    readers = [p for package in INSTALLED for p in _files(package) if _mentions(p, {"now", "today", "utcnow", "time"})]
    assert [p.relative_to(ROOT).as_posix() for p in readers] == ["api/clock.py"]


@pytest.mark.parametrize("package", INSTALLED)
def test_no_other_distribution_brings_a_package_of_our_name(package: str) -> None:
    assert set(packages_distributions().get(package, ())) <= {"zhida"}


def test_our_names_resolve_inside_our_tree_from_a_folder_full_of_the_same_names(tmp_path: Path) -> None:
    try:
        distribution("zhida")
    except PackageNotFoundError:
        pytest.skip("zhida is not installed in this environment; make setup installs it")
    for package in INSTALLED:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('a stranger of our name')")
    program = f"import {', '.join(INSTALLED)}\nfor m in ({', '.join(INSTALLED)}): print(m.__file__)"
    said = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    found = [Path(line) for line in said.stdout.splitlines()]
    assert found == [ROOT / package / "__init__.py" for package in INSTALLED]


def _files(package: str) -> Iterator[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    yield from files


def _imported(path: Path) -> set[str]:
    """Top-level names that the file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").partition(".")[0])
    return names


def _mentions(path: Path, attributes: set[str]) -> bool:
    """Whether the file uses one of the attributes of ``os``, ``datetime``, ``date`` or ``time``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in attributes
        and isinstance(node.value, ast.Name)
        and node.value.id in {"os", "datetime", "date", "time"}
        for node in ast.walk(tree)
    )

"""The layout holds: imports point one way, names are ours, the clock and the environment are read in one place."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Match
from typer.main import get_command

from api import VERSION, cli
from benchmarks.cli import app as bench

ROOT = Path(__file__).parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "models": set(),
    "kb_admin": {"models"},
    "retrieval": {"models"},
    "ingest": {"models", "retrieval"},
    "api": {"models", "kb_admin", "retrieval", "ingest"},
    "benchmarks": {"models", "kb_admin", "retrieval", "ingest", "api"},
}
CLOCKS = {"now", "today", "utcnow", "time", "time_ns", "localtime", "gmtime"}
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
    readers = [
        p for package in INSTALLED for p in _files(package) if _mentions(p.read_text("utf-8"), {"environ", "getenv"})
    ]
    assert readers == []  # pydantic-settings reads it for api/settings.py


def test_only_one_place_reads_the_clock() -> None:
    readers = [p for package in INSTALLED for p in _files(package) if _mentions(p.read_text("utf-8"), CLOCKS)]
    assert [p.relative_to(ROOT).as_posix() for p in readers] == ["api/clock.py"]


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("from datetime import datetime\ndatetime.now()", True),
        ("import datetime as dt\ndt.datetime.now()", True),
        ("import time\ntime.time()", True),
        ("import time as t\nt.time_ns()", True),
        ("from time import time\ntime()", True),
        ("from time import perf_counter, sleep\nperf_counter()", False),
        ("import time\ntime.perf_counter()", False),
        ("import datetime\ndatetime.time(8, 30)", False),
        ("question.time()", False),
    ],
)
def test_a_reading_of_the_clock_is_seen_however_it_is_written(source: str, reads: bool) -> None:
    assert _mentions(source, CLOCKS) is reads


@pytest.mark.parametrize("package", INSTALLED)
def test_no_other_distribution_brings_a_package_of_our_name(package: str) -> None:
    assert set(packages_distributions().get(package, ())) <= {"zhida"}


def test_our_names_resolve_inside_our_tree_from_a_folder_full_of_the_same_names(tmp_path: Path) -> None:
    try:
        distribution("zhida")
    except PackageNotFoundError:
        if os.environ.get("CI") == "true":
            raise
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


DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
MAKE = re.compile(r"(?<![\w./-])make((?: +[A-Z]+=\S+)*)((?: +[a-z][a-z-]*)*)")
ZHIDA = re.compile(r"(?<![\w/-])(?<!-[du] )(?:\.venv/bin/)?zhida((?: +[a-z][a-z-]*)+)")
ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1:\d+|zhida\.example[a-z.]*)(/[\w./-]+)|`(/[\w./{}-]+)`")
OF_THE_MACHINE = ("/backup", "/etc", "/opt", "/srv", "/tmp", "/usr", "/var")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_each_make_target_in_the_documents_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {word for piece in _code(path) for found in MAKE.findall(piece) for word in found[1].split()[:1]}
    assert named <= targets


def test_an_installation_for_real_work_holds_no_demonstration() -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", "install"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "requirements/runtime.txt" in recipe
    assert "model fetch" in recipe
    assert "--demo" not in recipe


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_each_command_in_the_documents_exists(path: Path) -> None:
    for piece in _code(path):
        for words in ZHIDA.findall(piece):
            command = get_command(cli.app)
            for word in words.split():
                inner = getattr(command, "commands", None)
                if inner is None:
                    break  # an argument
                assert word in inner, f"zhida{words}"
                command = get_command(bench) if word == "bench" else inner[word]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_each_address_in_the_documents_exists(path: Path, application: FastAPI) -> None:
    named = {one or other for piece in _code(path) for one, other in ADDRESS.findall(piece)}
    unknown = {a for a in named if not a.startswith(OF_THE_MACHINE) and not _leads_somewhere(application, a)}
    assert unknown == set()


def _code(path: Path) -> list[str]:
    return CODE.findall(path.read_text(encoding="utf-8"))


def _leads_somewhere(application: FastAPI, address: str) -> bool:
    scope = {"type": "http", "method": "GET", "path": address, "root_path": ""}
    return any(route.matches(scope)[0] is not Match.NONE for route in application.routes)


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


def _mentions(source: str, names: set[str]) -> bool:
    """Whether it takes one of the names from ``os`` or ``time``, or from the classes of ``datetime``."""
    tree = ast.parse(source)
    modules = {"os", "time"}
    classes = {"datetime", "date"}
    called = {name: name for name in modules | classes}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            called |= {alias.asname: alias.name for alias in node.names if alias.asname and alias.name in called}
        if isinstance(node, ast.ImportFrom) and node.module in modules and names & {a.name for a in node.names}:
            return True
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in names
        and (base := called.get(_last_name(node.value)))
        and not (base == "datetime" and node.attr == "time")  # the class datetime.time
        for node in ast.walk(tree)
    )


def _last_name(node: ast.expr) -> str:
    """``datetime`` of ``dt.datetime``, ``time`` of ``time``."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""

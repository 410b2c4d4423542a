"""Code knows no city: their names, limits and thresholds stand in kb_admin/rulebooks, in docs and in tests only.

A docstring may cite the article behind a rule ("清远 art. 4(2)"): it says why, and decides nothing.
"""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from kb_admin.limits import LimitUnit
from kb_admin.rulebook_files import SHIPPED, load_shipped

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "kb_admin", "retrieval", "ingest", "api", "benchmarks")
CITIES = tuple(name for name in SHIPPED if name != "default")
NAMES = ("济源", "梅州", "清远", "庆阳", "庆政办", "历城", "济区数", "济管办", "梅市府办", *CITIES)
"""Names of the cities, their numbers of documents, and their pinyin."""
LIMIT = re.compile(rf"\d+ ({'|'.join(unit.value.removesuffix('s') for unit in LimitUnit)})s?")
WRITTEN = ("api/templates/**/*.html", "api/static/*.js", "api/static/*.css")


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def names_in(text: str) -> list[str]:
    return [name for name in NAMES if name in text.lower()]


def docstrings(tree: ast.AST) -> set[ast.Constant]:
    """Strings that stand by themselves: of modules, classes, functions, and of what is named just above."""
    return {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def words(path: Path) -> Iterator[tuple[int, str]]:
    """Everything that is written in a file but its docstrings: names, literals and comments, each with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spared = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in spared:
            yield node.lineno, node.value
        elif isinstance(node, ast.Name | ast.Attribute | ast.FunctionDef | ast.ClassDef | ast.arg | ast.keyword):
            said = (getattr(node, part, None) for part in ("id", "attr", "name", "arg"))
            yield getattr(node, "lineno", 0), " ".join(word for word in said if isinstance(word, str))
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def numbers(path: Path) -> Iterator[tuple[int, str]]:
    """Limits and shares that are written out in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spared = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in spared:
            if LIMIT.fullmatch(node.value.strip()):
                yield node.lineno, node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            figures = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if node.func.id in ("Limit", "Fraction") and any(figure not in (0, 1) for figure in figures):
                yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_city_is_named_in_code(package: str) -> None:
    assert [
        (where(path), line, text) for path in sources(package) for line, text in words(path) if names_in(text)
    ] == []


@pytest.mark.parametrize("kind", WRITTEN)
def test_no_city_is_named_on_a_page(kind: str) -> None:
    pages = sorted(ROOT.glob(kind))
    assert pages
    assert [(where(path), names) for path in pages if (names := names_in(path.read_text(encoding="utf-8")))] == []


@pytest.mark.parametrize("package", ["kb_admin", "api"])
def test_no_limit_and_no_share_of_a_city_is_written_in_code(package: str) -> None:
    own = [path for path in sources(package) if path.parent.name == package]
    assert [(where(path), *found) for path in own for found in numbers(path)] == []


def test_the_search_finds_what_it_should(tmp_path: Path) -> None:
    """A file with every kind of offence, and a docstring that may stand."""
    path = tmp_path / "bad.py"
    path.write_text('"""济源 art. 9."""\nLIMIT = "5 working_days"  # 清远\nX = Fraction(4, 5)\ndef meizhou(): ...\n')
    assert [line for line, text in words(path) if names_in(text)] == [4, 2]
    assert [line for line, _ in numbers(path)] == [2, 3]


def test_every_number_of_the_cities_is_in_their_files() -> None:
    """The five do differ: what one constant in code would get wrong."""
    told = {name: str(load_shipped(name).clock("update_after_change").limit) for name in CITIES}
    assert set(told.values()) == {"2 working_days", "5 working_days"}

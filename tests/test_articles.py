"""docs/articles.md leaves out no article, no key that an article is behind, and names tests that exist."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kb_admin.articles import in_chinese
from kb_admin.rulebook_files import SHIPPED, shipped_text
from kb_admin.rulebook_text import read_text

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "articles.md"
ARTICLES = {"JY": 15, "MZD": 8, "MZ": 11, "QY": 6, "QA": 37, "LC": 16}
"""How many articles each document has."""
ANNEXES = {"LCA": "考核内容", "LCS": "督办时限"}
WITHOUT_KEY = ("不设键：", "后续：")


@dataclass(frozen=True)
class Row:
    said: str
    keys: tuple[str, ...]
    explained: bool
    """Why there is no key, or where the matter belongs."""
    tests: tuple[str, ...]


def _rows() -> dict[str, dict[str, Row]]:
    """By document and article."""
    found: dict[str, dict[str, Row]] = {}
    document: dict[str, Row] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## (\w+) ", line):
            document = found.setdefault(heading[1], {})
        elif line.startswith("| ") and not line.startswith("| 条 "):
            article, said, keys, tests = (cell.strip() for cell in line.strip("|").split("|"))
            assert article not in document, article
            explained = keys.startswith(WITHOUT_KEY) or "；" in keys
            document[article] = Row(said, _quoted(keys), explained, _quoted(tests))
    return found


def _quoted(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


ROWS: Mapping[str, Mapping[str, Row]] = _rows()
ALL = [(document, article, row) for document, rows in ROWS.items() for article, row in rows.items()]


@pytest.mark.parametrize(("document", "last"), ARTICLES.items())
def test_every_article_is_named(document: str, last: int) -> None:
    """By itself, or by its parts."""
    wanted = {f"第{in_chinese(number)}条" for number in range(1, last + 1)}
    named = {match[0] for article in ROWS[document] if (match := re.match("第[^条]+条", article))}
    assert wanted == named
    assert set(ROWS) == {*ARTICLES, *ANNEXES}
    assert {document: list(ROWS[document]) for document in ANNEXES} == {key: [said] for key, said in ANNEXES.items()}


def test_every_row_says_what_the_article_says_and_has_a_key_or_a_reason() -> None:
    assert [(document, article) for document, article, row in ALL if not row.said] == []
    assert [(document, article) for document, article, row in ALL if not row.keys and not row.explained] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_key_that_an_article_is_behind_stands_in_its_row(name: str) -> None:
    lacking = []
    for key, source in read_text(shipped_text(name)).sources.items():
        for article in source.article.split("、") if source.document else ():
            row = ROWS[source.document].get(article)
            if row is None or not any(key == told or key.startswith(f"{told}.") for told in row.keys):
                lacking.append((source.document, article, key))
    assert lacking == []


def test_every_key_of_the_table_is_in_the_rulebook_with_that_article() -> None:
    """A row never claims what the file does not say."""
    sources = {}
    for name in SHIPPED:
        for key, source in read_text(shipped_text(name)).sources.items():
            for article in source.article.split("、"):
                sources.setdefault((source.document, article), set()).add(key)
    wrong = [
        (document, article, told)
        for document, article, row in ALL
        for told in row.keys
        if not any(key == told or key.startswith(f"{told}.") for key in sources.get((document, article), ()))
    ]
    assert wrong == []


def test_every_key_row_has_a_test_and_every_test_exists() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")}
    missing = []
    for _, _, row in ALL:
        for told in row.tests:
            file, _, function = told.partition("::")
            if file not in files or (function and f"\ndef {function}(" not in files[file]):
                missing.append(told)
    assert missing == []
    assert [(document, article) for document, article, row in ALL if row.keys and not row.tests] == []

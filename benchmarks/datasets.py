"""Bases and questions from files, as the quality runs use them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import FileRefused, Problem
from models.values import Publicity
from retrieval.documents import Document


@dataclass(frozen=True)
class Query:
    """One test question. ``exclude``: entries hidden from the search for this question alone."""

    id: str
    text: str
    relevant: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    answerable: bool = True
    about: str = ""
    """The entry it was written about: the one that answers it, or just does not."""
    kind: str = ""
    """How it is put (colloquial, keywords, story …), or why nothing answers it (near_miss, out_of_scope, hidden)."""
    split: str = ""
    """'train', 'dev' or 'held', by entry: the reader is trained on the first, nothing is tuned on the last."""


@dataclass(frozen=True)
class Corpus:
    """A base: documents numbered from 0 in the order of the file, and their ids in it."""

    name: str
    ids: tuple[str, ...]
    documents: tuple[Document, ...]


def read_corpus(*paths: Path, name: str = "") -> Corpus:
    """A base from JSON lines ``{"id","question","answer","similar"?,"keywords"?,"places"?}``; 'code' may be 'id'.

    Raises FileRefused with line and field.
    """
    ids: dict[str, None] = {}
    documents: list[Document] = []
    for path in paths:
        for line, row in _lines(path):
            key = _text(row, "code" if "code" in row and "id" not in row else "id", path, line)
            if key in ids:
                raise FileRefused(str(Problem(path.name, line, "id", f"与前面的条目重复：{key}")))
            ids[key] = None
            number = len(documents)
            documents.append(
                Document(
                    entry_id=number,
                    version_id=number,
                    question=_text(row, "question", path, line),
                    similar=_texts(row, "similar", path, line),
                    keywords=_texts(row, "keywords", path, line),
                    answer="\n".join(filter(None, (_optional(row, key, path, line) for key in ("spoken", "answer")))),
                    publicity=Publicity.PUBLIC,
                    places=_texts(row, "places", path, line),
                )
            )
    return Corpus(name or paths[0].parent.name, tuple(ids), tuple(documents))


def read_queries(*paths: Path) -> list[Query]:
    """Test questions from JSON lines ``{"id","text","relevant"?,"exclude"?,"answerable"?}``."""
    queries = []
    for path in paths:
        for line, row in _lines(path):
            relevant = frozenset(_texts(row, "relevant", path, line))
            queries.append(
                Query(
                    id=_text(row, "id", path, line),
                    text=_text(row, "text", path, line),
                    relevant=relevant,
                    exclude=frozenset(_texts(row, "exclude", path, line)),
                    answerable=bool(row.get("answerable", bool(relevant))),
                    about=str(row.get("about", "")),
                    kind=str(row.get("kind", "")),
                    split=str(row.get("split", "")),
                )
            )
    return queries


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileRefused(f"读不了 {path}：{error}。请给出 UTF-8 编码的 JSON 行文件。") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise FileRefused(str(Problem(path.name, number, "", f"不是一行完整的 JSON（{error.msg}）"))) from error
        if not isinstance(row, dict):
            raise FileRefused(str(Problem(path.name, number, "", "应是一个 JSON 对象")))
        yield number, row


def _text(row: dict[str, Any], key: str, path: Path, line: int) -> str:
    value = row.get(key)
    if not isinstance(value, str | int) or not str(value).strip():
        raise FileRefused(str(Problem(path.name, line, key, "缺少内容")))
    return str(value)


def _optional(row: dict[str, Any], key: str, path: Path, line: int) -> str:
    value = row.get(key) or ""
    if not isinstance(value, str):
        raise FileRefused(str(Problem(path.name, line, key, "应是文本")))
    return value


def _texts(row: dict[str, Any], key: str, path: Path, line: int) -> tuple[str, ...]:
    value = row.get(key) or []
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        raise FileRefused(str(Problem(path.name, line, key, "应是文本列表")))
    return tuple(str(item) for item in value if str(item).strip())

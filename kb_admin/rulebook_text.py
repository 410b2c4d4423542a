"""The text of a rulebook as single values, each with its source; and back."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from kb_admin.articles import DEFAULT, read_source, written_source
from kb_admin.rulebook import Document, Source
from kb_admin.rulebook_keys import ITEMS, KEYS, NAMES, REPLACED_WHOLE, SECTIONS, TITLED, fits, key_of
from models.errors import Invalid

ABOUT_SOURCE = ("source", "why", "note")
HEAD_KEYS = ("name", "title", "complete")


@dataclass
class Written:
    """What a file says: every value as it is understood, under its dotted key."""

    name: str = ""
    title: str = ""
    complete: bool = False
    """Whether collections stand as they are, without more from the defaults."""
    documents: dict[str, Document] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """"key：what is wrong"; what is at fault is not among the values."""

    def items(self, path: str) -> tuple[str, ...]:
        """Names of the items below a path, in the order of the file."""
        start = f"{path}."
        keys = (*self.values, *(f"{title}." for title in self.titles))
        return tuple(dict.fromkeys(key[len(start) :].split(".")[0] for key in keys if key.startswith(start)))


def read_text(text: str) -> Written:
    """What the text says, faults included. Raises Invalid for a text that is no TOML at all."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"不是有效的 TOML：{error}") from error
    written = Written()
    _read_head(content.pop("rulebook", {}), written)
    _read_documents(content.pop("documents", {}), written)
    for section, table in content.items():
        if section not in SECTIONS:
            written.faults.append(f"{section}：没有这一节{_nearest(section, SECTIONS)}")
        else:
            _read_table(section, table, None, written)
    return written


def completed(own: Written, defaults: Written) -> Written:
    """The file with everything that it does not say taken from the defaults."""
    kept = [key for key in defaults.values if not _given(key, own)]
    titles = {path: title for path, title in defaults.titles.items() if not _given(path, own)}
    return Written(
        name=own.name,
        title=own.title,
        complete=own.complete,
        documents=own.documents,
        titles=titles | own.titles,
        values=_in_order({key: defaults.values[key] for key in kept} | own.values, defaults.values),
        sources={key: defaults.sources[key] for key in kept} | own.sources,
        faults=own.faults,
    )


def missing(written: Written) -> Iterator[str]:
    """Keys and titles that a complete rulebook needs and this one lacks, as faults."""
    for known in KEYS:
        for path in _places(known.pattern, written):
            if path not in written.values:
                yield f"{path}：没有写（{known.label}）"
    for pattern in TITLED:
        for path in _places(pattern, written):
            if path not in written.titles:
                yield f"{path}.title：没有写名称"


def toml_of(written: Written) -> str:
    """The text, every key given, every value with its source."""
    head = {"name": written.name, "title": written.title}
    lines = ["[rulebook]", *(f"{key} = {_toml(value)}" for key, value in head.items()), "complete = true"]
    for key, document in written.documents.items():
        lines += ["", f"[documents.{key}]", f"title = {_toml(document.title)}", f"number = {_toml(document.number)}"]
    for table in dict.fromkeys(key.rpartition(".")[0] for key in written.values):
        lines += ["", f"[{table}]"]
        lines += [f"title = {_toml(written.titles[table])}"] if table in written.titles else []
        lines += [_line(key, written) for key in written.values if key.rpartition(".")[0] == table]
    return "\n".join(lines) + "\n"


def _read_head(head: Any, written: Written) -> None:
    if not isinstance(head, dict):
        head = {}
    for key in head:
        if key not in HEAD_KEYS:
            written.faults.append(f"rulebook.{key}：没有这个键{_nearest(key, HEAD_KEYS)}")
    for key in ("name", "title"):
        if not isinstance(head.get(key), str) or not head[key].strip():
            written.faults.append(f"rulebook.{key}：没有写{'规则的代号' if key == 'name' else '规则的名称'}")
    written.name, written.title = str(head.get("name", "")), str(head.get("title", ""))
    written.complete = head.get("complete", False) is True


def _read_documents(documents: Any, written: Written) -> None:
    for key, document in documents.items() if isinstance(documents, dict) else ():
        known = isinstance(document, dict) and set(document) == {"title", "number"}
        if not known or not all(isinstance(part, str) for part in document.values()) or not document["title"].strip():
            written.faults.append(f"documents.{key}：应写 title（文件名称）和 number（文号，没有的写空）两项")
        elif not (key.isascii() and key.isalnum() and key.isupper() and key[0].isalpha()):
            written.faults.append(f"documents.{key}：文件代号应是大写字母，可以带数字，如 JY")
        else:
            written.documents[key] = Document(document["title"].strip(), document["number"].strip())


def _read_table(path: str, table: Any, inherited: Source | None, written: Written) -> None:
    """One table and all below it. A value without a source of its own takes that of the nearest table around it."""
    if not isinstance(table, dict):
        written.faults.append(f"{path}：应是一节（表），写的是 {table!r}")
        return
    source = _source(path, table, written) or inherited
    for name, content in table.items():
        key = f"{path}.{name}"
        if name in ABOUT_SOURCE:
            continue
        if name == "title" and any(fits(pattern, path) for pattern in TITLED):
            _read_title(path, content, written)
        elif key_of(key) is not None:
            _read_value(key, content, source, written)
        elif isinstance(content, dict) and "value" not in content and _leads_on(key):
            _read_table(key, content, source, written)
        else:
            written.faults.append(f"{key}：没有这个键{_nearest_key(key)}")


def _read_title(path: str, content: Any, written: Written) -> None:
    if isinstance(content, str) and content.strip():
        written.titles[path] = content.strip()
    else:
        written.faults.append(f"{path}.title：应写名称，写的是 {content!r}")


def _read_value(key: str, content: Any, inherited: Source | None, written: Written) -> None:
    source, value = inherited, content
    if isinstance(content, dict):
        for unknown in [name for name in content if name not in ("value", *ABOUT_SOURCE)]:
            written.faults.append(f"{key}.{unknown}：没有这个键{_nearest(unknown, ('value', *ABOUT_SOURCE))}")
        if "value" not in content:
            written.faults.append(f"{key}：没有写 value")
            return
        source, value = _source(key, content, written) or inherited, content["value"]
    names = NAMES.get(key.rpartition(".")[0])
    if names is not None and key.rpartition(".")[2] not in names:
        written.faults.append(f"{key}：没有这个名称，可写：{'、'.join(names)}")
        return
    _keep(key, value, source, written)


def _keep(key: str, value: Any, source: Source | None, written: Written) -> None:
    known = key_of(key)
    assert known is not None
    if source is None:
        written.faults.append(f"{key}：没有写出处（source）")
        return
    try:
        written.values[key] = known.kind.read(value)
    except Invalid as error:
        written.faults.append(f"{key}（{known.label}）：{error}")
        return
    written.sources[key] = source


def _source(path: str, table: Mapping[str, Any], written: Written) -> Source | None:
    """The source that a table or a value names; None when it names none, or a wrong one, which is a fault."""
    given = {name: table[name] for name in ABOUT_SOURCE if name in table}
    if not given:
        return None
    wrong = [name for name, words in given.items() if not isinstance(words, str) or not words.strip()]
    if wrong:
        written.faults.append(f"{path}.{wrong[0]}：应写文字，写的是 {given[wrong[0]]!r}")
        return _UNKNOWN
    if "source" not in given:
        written.faults.append(f"{path}：写了 {'、'.join(given)}，没有写出处（source）")
        return _UNKNOWN
    if given["source"] == DEFAULT:
        return _default_source(path, given, written)
    if "why" in given:
        written.faults.append(f"{path}.why：出自条文的不写 why；要说明怎样理解条文，请写 note")
    try:
        source = read_source(given["source"], note=given.get("note", ""))
    except Invalid as error:
        written.faults.append(f"{path}.source：{error}")
        return _UNKNOWN
    if source.document not in written.documents:
        written.faults.append(f"{path}.source：没有代号为“{source.document}”的文件，请写进 documents")
    return source


def _default_source(path: str, given: Mapping[str, str], written: Written) -> Source:
    if "note" in given:
        written.faults.append(f"{path}.note：default 的理由请写 why")
    if "why" not in given:
        written.faults.append(f"{path}：出处是 default 的，要写明为什么（why）")
        return _UNKNOWN
    return Source(why=given["why"].strip())


_UNKNOWN = Source(why="？")
"""Stands in for a source that is at fault, so that each fault is told once."""


def _leads_on(path: str) -> bool:
    """Whether any key lies below a table of that path."""
    names = NAMES.get(path.rpartition(".")[0])
    return bool(_may_follow(path)) and (names is None or path.rpartition(".")[2] in names)


def _may_follow(path: str) -> set[str]:
    """What may stand directly below a table of that path; a star for a name of one's own."""
    depth = path.count(".") + 1
    patterns = [known.pattern.split(".") for known in KEYS]
    return {parts[depth] for parts in patterns if len(parts) > depth and fits(".".join(parts[:depth]), path)}


def _given(key: str, own: Written) -> bool:
    """Whether the file itself says what stands under this key of the defaults, or leaves it out on purpose."""
    section = key.split(".", maxsplit=1)[0]
    if own.complete and any(_below(key, items) for items in ITEMS):
        return True
    if any(_below(key, whole) and own.items(whole) for whole in REPLACED_WHOLE):
        return True
    return section == "routes" and key.split(".")[1] in own.items("routes")


def _below(key: str, path: str) -> bool:
    return key.startswith(f"{path}.")


def _in_order(values: dict[str, Any], model: Iterable[str]) -> dict[str, Any]:
    """Section by section as people read them, then as the defaults have them, what is new after what is known."""
    sections = {section: place for place, section in enumerate(SECTIONS)}
    known = {key: place for place, key in enumerate(model)}
    given = {key: place for place, key in enumerate(values)}
    return {
        key: values[key]
        for key in sorted(
            values, key=lambda key: (sections[key.split(".")[0]], known.get(key, len(known) + given[key]))
        )
    }


def _places(pattern: str, written: Written) -> list[str]:
    """The paths at which a key of that pattern must stand: one for each item that there is, or must be."""
    paths = [""]
    for part in pattern.split("."):
        if part != "*":
            paths = [f"{path}.{part}" if path else part for path in paths]
            continue
        paths = [
            f"{path}.{name}" for path in paths for name in (NAMES[path] if path == "notices" else written.items(path))
        ]
    return paths


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"，是不是 {near[0]}？" if near else f"，可写：{'、'.join(known)}"


def _nearest_key(key: str) -> str:
    """What may stand there instead, the nearest first."""
    path, _, last = key.rpartition(".")
    return _nearest(last, sorted(_may_follow(path) - {"*"} | set(NAMES.get(path, ()))))


def _line(key: str, written: Written) -> str:
    known, source = key_of(key), written.sources[key]
    assert known is not None
    about = f"source = {_toml(written_source(source))}"
    if source.why:
        about += f", {'why' if source.is_default else 'note'} = {_toml(source.why)}"
    return f"{key.rpartition('.')[2]} = {{ value = {_toml(known.kind.plain(written.values[key]))}, {about} }}"


def _toml(value: Any) -> str:
    """JSON writes words, numbers, true and lists as TOML does, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

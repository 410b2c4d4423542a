"""The same question twice in the base: in one unit a duplicate, in two units perhaps two different answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb_admin.remarks import Remark, quoted
from models.values import EntryContent, EntryField

NEAR = 0.85
"""Likeness from which two questions are taken for one. Of the 511 entries of the demonstration base, which holds no
duplicate, the nearest two without a known contrast (电表 and 管道燃气) reach 0.83; the same question with its words in
another order, or with 请问 before it, reaches 0.9 and more."""
SAME = 1.0


@dataclass(frozen=True)
class Neighbour:
    """An entry of the base that asks nearly the same, which the writer may know of."""

    code: str
    unit: str
    question: str
    """Its standard question."""
    phrasing: str
    """That of its phrasings which is alike."""
    asked: str
    """That of the draft's phrasings to which it is alike."""
    likeness: float
    """0..1; 1: the same words."""
    spoken: str
    answer: str
    live: bool
    """Whether it answers now; else it is on its way."""
    internal: bool = False
    """Of an internal entry the answer is not quoted: opening it goes into the audit log, writing beside it does not."""


def duplicate_remarks(content: EntryContent, neighbours: Sequence[Neighbour]) -> Iterator[Remark]:
    """Entries of this or another unit that ask the same and say the same, or would be taken for one another."""
    for neighbour in neighbours:
        if neighbour.likeness >= NEAR and not _contradicts(content, neighbour):
            how = "相同" if neighbour.likeness >= SAME else "几乎相同"
            yield Remark(
                _field(content, neighbour),
                f"{quoted(neighbour.asked)}与{_named(neighbour, content)}{how}。",
                "是同一件事，请改那一条；不是，请把两条标准问的差别写出来。",
                _place(content, neighbour),
                code=neighbour.code,
            )


def contradiction_remarks(content: EntryContent, neighbours: Sequence[Neighbour]) -> Iterator[Remark]:
    """Entries of another unit that answer the same question otherwise."""
    for neighbour in neighbours:
        if neighbour.likeness >= NEAR and _contradicts(content, neighbour):
            said = "" if neighbour.internal else f"：{quoted(neighbour.spoken or neighbour.answer)}"
            yield Remark(
                _field(content, neighbour),
                f"{_named(neighbour, content)}答的是同一个问题，答案不同{said}。",
                "请与该单位核对口径；确属两家分管，请在标准问里写明各管什么。",
                _place(content, neighbour),
                code=neighbour.code,
            )


def _contradicts(content: EntryContent, neighbour: Neighbour) -> bool:
    if neighbour.unit == content.unit:
        return False
    return (_bare(content.answer), _bare(content.spoken)) != (_bare(neighbour.answer), _bare(neighbour.spoken))


def _named(neighbour: Neighbour, content: EntryContent) -> str:
    whose = "本单位" if neighbour.unit == content.unit else neighbour.unit
    state = "" if neighbour.live else "（尚未发布）"
    return f"{whose}条目 {neighbour.code}{state}的{quoted(neighbour.phrasing)}"


def _field(content: EntryContent, neighbour: Neighbour) -> EntryField:
    return EntryField.SIMILAR if neighbour.asked in content.similar else EntryField.QUESTION


def _place(content: EntryContent, neighbour: Neighbour) -> int:
    return content.similar.index(neighbour.asked) if neighbour.asked in content.similar else 0


def _bare(text: str) -> str:
    return re.sub(r"[^\w]+", "", text)

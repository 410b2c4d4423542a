"""Notices as printed forms: which boxes each kind has, and what stands in them.

The supervision notice has the boxes of 历城 annex 3; the regulations print no form of the others, so theirs follow it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from api import dates
from kb_admin.limits import Limit
from models.errors import NotFound
from models.knowledge import Version
from models.notices import Clock, Notice
from models.values import NoticeKind

SIGNATURE = "承办单位\n负责人签字\n（盖章）"
ROUND = str.maketrans("〔〕", "（）")
"""The annex prints the year in round brackets."""


@dataclass(frozen=True)
class Box:
    label: str
    text: str = ""


@dataclass(frozen=True)
class Row:
    """One box over the whole width, or two beside each other."""

    boxes: tuple[Box, ...]
    tall: bool = False
    """Room to write by hand."""


@dataclass(frozen=True)
class PrintedForm:
    title: str
    rows: tuple[Row, ...]


def printed(notice: Notice) -> PrintedForm:
    """The form of the notice. Raises NotFound for a kind that has none."""
    form = _FORMS.get(notice.kind)
    if form is None:
        raise NotFound(f"“{notice.kind.label}”没有印制的格式。")
    return form(notice)


def has_form(kind: NoticeKind) -> bool:
    """Whether the kind is printed."""
    return kind in _FORMS


def _supervision(notice: Notice) -> PrintedForm:
    rows = (
        _pair(Box("编　号", notice.number.translate(ROUND)), Box("督办时限", _limit(notice) or "　　天")),
        _row("下达时间", _moment(notice.dispatched_at)),
        _row("承办单位", notice.unit.name),
        _row("督办内容", notice.content or notice.title, tall=True),
        _row("办理结果", notice.result, tall=True),
        _row(SIGNATURE, tall=True),
    )
    return PrintedForm(f"（{notice.unit.name}）部门督办通知", rows)


def _collection(notice: Notice) -> PrintedForm:
    signed = f"{notice.signed_by.name}　{dates.moment(notice.signed_at)}" if notice.signed_by else ""
    rows = (
        *_head(notice),
        _row("采集事项", notice.title),
        _row("具体要求", notice.content, tall=True),
        _row("签收", signed),
        _row("办理结果", notice.result, tall=True),
        *_foot(notice),
    )
    return PrintedForm(NoticeKind.COLLECTION.label, rows)


def _correction(notice: Notice) -> PrintedForm:
    rows = (
        *_head(notice),
        _row("整改条目", _subject(notice)),
        _row("有误之处", notice.content or notice.title, tall=True),
        _row("整改结果", notice.result, tall=True),
        *_foot(notice),
    )
    return PrintedForm(NoticeKind.CORRECTION.label, rows)


def _confirmation(notice: Notice) -> PrintedForm:
    version = notice.version
    rows = (
        *_head(notice),
        _row("标准问", version.question if version else notice.title),
        _row("答复口径", version.spoken if version else notice.content),
        _row("答案", version.answer if version else "", tall=True),
        _row("依据", _bases(version) if version else ""),
        _row("确认意见", notice.result, tall=True),
        *_foot(notice),
    )
    return PrintedForm(notice.kind.label, rows)


_FORMS: Mapping[NoticeKind, Callable[[Notice], PrintedForm]] = {
    NoticeKind.SUPERVISION: _supervision,
    NoticeKind.COLLECTION: _collection,
    NoticeKind.CORRECTION: _correction,
    NoticeKind.CONFIRMATION: _confirmation,
    NoticeKind.AMENDMENT: _confirmation,
}


def _head(notice: Notice) -> tuple[Row, ...]:
    limits = "；".join(f"{c.title}：{Limit.parse(c.limit).words}（{dates.moment(c.due_at)} 前）" for c in notice.clocks)
    return (
        _pair(Box("编　号", notice.number), Box("派发时间", _moment(notice.dispatched_at))),
        _row("承办单位", notice.unit.name),
        _row("时　限", limits),
    )


def _foot(notice: Notice) -> tuple[Row, ...]:
    return _row(SIGNATURE, tall=True), _row("热线办\n查看记录", notice.remark, tall=True)


def _limit(notice: Notice) -> str:
    """How long, as the form says it: its own limit, else that of its clock."""
    clocks: list[Clock] = notice.clocks
    limit = notice.limit or (clocks[0].limit if clocks else "")
    return Limit.parse(limit).words if limit else ""


def _subject(notice: Notice) -> str:
    code = notice.entry.code if notice.entry else ""
    return f"{code}　{notice.version.question}" if notice.version else code or notice.title


def _bases(version: Version) -> str:
    return "\n".join(
        f"{basis.document}{f'（{basis.number}）' if basis.number else ''}"
        f"{f'，附件 {basis.attachment_count} 个' if basis.attachment_count else ''}"
        for basis in version.bases
    )


def _moment(at: datetime | None) -> str:
    return dates.moment(at) if at else ""


def _row(label: str, text: str = "", *, tall: bool = False) -> Row:
    return Row((Box(label, text),), tall)


def _pair(left: Box, right: Box) -> Row:
    return Row((left, right))

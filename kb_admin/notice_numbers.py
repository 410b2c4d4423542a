"""编号 of notices, counted for each kind and year without a gap and never twice."""

from datetime import datetime

from sqlalchemy.orm import Session

from kb_admin.upserts import insert_into
from models.notices import NoticeNumbers
from models.values import CHINA, NoticeKind

K = NoticeKind
WORDS: dict[NoticeKind, str] = {
    K.COLLECTION: "采集",
    K.CONFIRMATION: "确认",
    K.AMENDMENT: "审定",
    K.CORRECTION: "整改",
    K.QUESTION: "提问",
    K.UPDATE: "更新",
    K.STAFF: "名单",
    K.REVIEW: "回顾",
    K.AFTER_CHECK: "后审",
    K.SUPERVISION: "督",
}
"""督（年）号 is the form of 历城 annex 3; the others follow it."""


def take_turn(session: Session, kind: NoticeKind, at: datetime) -> None:
    """Wait until nobody else is making a notice of the kind, and keep others waiting until this transaction ends."""
    _count(session, kind, at, by=0)


def give(session: Session, kind: NoticeKind, at: datetime) -> str:
    """The next number: "采集〔2026〕12号"."""
    return f"{WORDS[kind]}〔{_year(at)}〕{_count(session, kind, at, by=1)}号"


def _count(session: Session, kind: NoticeKind, at: datetime, *, by: int) -> int:
    first = insert_into(session, NoticeNumbers).values(kind=kind, year=_year(at), last=by)
    onward = {"last": NoticeNumbers.last + by}
    counted = first.on_conflict_do_update(index_elements=["kind", "year"], set_=onward).returning(NoticeNumbers.last)
    return session.execute(counted.execution_options(synchronize_session=False)).scalar_one()


def _year(at: datetime) -> int:
    return at.astimezone(CHINA).year

"""知识需求: what the office does with a group of questions without a good answer, and how one is closed once it is
answered.

Groups are the office's alone; a unit hears of one by the notice that it gets. What the office has put together or taken
apart stays so: questions that have their group are never moved by the grouping.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kb_admin import audit, notices, proposals
from kb_admin.notifications import holders, tell
from kb_admin.permissions import Action, grants_of, require
from kb_admin.wording import readable
from models.errors import Conflict, Invalid, NotFound
from models.improvement import GapGroup, GapItem, Proposal
from models.knowledge import Entry, Version
from models.notices import Notice
from models.organisation import Person, Unit
from models.values import GapSignal, GapStatus, NoticeKind, Role

S = GapStatus
ASKED_OF_UNITS = frozenset({NoticeKind.COLLECTION, NoticeKind.QUESTION})
WAITING = frozenset({S.OPEN, S.SENT, S.PROPOSED})
"""Not settled yet: a publication may answer them."""
CLOSED = frozenset({S.ANSWERED, S.DISMISSED})
STRONG = frozenset({GapSignal.RECORDED, GapSignal.JUDGED_WRONG, GapSignal.NO_ANSWER})
"""Signs that leave no doubt: a group that counted as answered is open again."""
LONGEST_REMARK = 500
LONGEST_QUESTION = 200
SHOWN_EVIDENCE = 50
"""Questions named as evidence of a proposal."""


def send_notice(
    session: Session,
    group: GapGroup,
    unit: Unit,
    *,
    kind: NoticeKind,
    title: str,
    content: str,
    major: bool = False,
    actor: Person,
    now: datetime,
) -> Notice:
    """Ask the unit for the knowledge: a collection notice or a question, dispatched at once.

    Raises Invalid for another kind, Conflict when the group is settled or has been sent already.
    """
    _require(actor)
    if kind not in ASKED_OF_UNITS:
        raise Invalid("知识需求只能用知识库采集通知单或知识提问派发。")
    notice = notices.open_notice(
        session,
        kind=kind,
        unit=unit,
        title=title,
        content=content,
        major=major,
        dispatched=True,
        actor=actor,
        now=now,
    )
    said = {"notice_id": notice.id, "unit_id": unit.id, "remark": ""}
    _move(session, group, {S.OPEN, S.PROPOSED}, S.SENT, actor=actor, now=now, **said)
    _record(session, group, "send", {"notice": notice.number, "unit": unit.name}, actor=actor, now=now)
    return notice


def propose_similar(
    session: Session, group: GapGroup, entry: Entry, text: str, *, actor: Person, now: datetime
) -> Proposal:
    """Suggest the group's question as another way of asking for the entry; its editor or the office decides.

    Raises Conflict when the group is settled or the entry is found by these words already.
    """
    _require(actor)
    of_group = select(GapItem.question_id).where(GapItem.group_id == group.id, GapItem.question_id.is_not(None))
    question_ids = list(session.scalars(of_group.order_by(GapItem.id.desc()).limit(SHOWN_EVIDENCE)))
    proposal = proposals.propose_similar(
        session,
        entry,
        text,
        evidence={"from": "gap", "gap_group": group.id, "question_ids": question_ids},
        support=count_items(session, group),
        actor=actor,
        now=now,
    )
    _move(session, group, {S.OPEN, S.PROPOSED, S.SENT}, S.PROPOSED, actor=actor, now=now, entry_id=entry.id)
    _record(session, group, "propose", {"entry": entry.code, "text": proposal.text}, actor=actor, now=now)
    return proposal


def dismiss(session: Session, group: GapGroup, reason: str, *, actor: Person, now: datetime) -> None:
    """不予采编, with the reason; further questions of the kind join the group and stay dismissed with it."""
    _require(actor)
    why = readable(reason, name="原因", longest=LONGEST_REMARK)
    if not why:
        raise Invalid("不予采编时请写明原因。")
    _move(session, group, WAITING, S.DISMISSED, actor=actor, now=now, closed_at=now, remark=why)
    _record(session, group, "dismiss", {"reason": why}, actor=actor, now=now)


def reopen(session: Session, group: GapGroup, *, actor: Person, now: datetime) -> None:
    """Back to 待处理, whatever became of it; a notice that was sent goes on by itself."""
    _require(actor)
    before = group.status
    _move(session, group, frozenset(S) - {S.OPEN}, S.OPEN, actor=actor, now=now, closed_at=None, remark="")
    _record(session, group, "reopen", {"before": before.value}, actor=actor, now=now)


def describe(
    session: Session, group: GapGroup, *, unit: Unit | None, question: str, actor: Person, now: datetime
) -> None:
    """The unit that should answer and the question as it could stand in the base, in the office's words."""
    _require(actor)
    words = readable(question, name="标准问", longest=LONGEST_QUESTION)
    if not words:
        raise Invalid("请写下标准问。")
    group.unit_id, group.standard_question = unit.id if unit else None, words
    session.flush()
    _record(session, group, "describe", {"question": words, "unit": unit.name if unit else ""}, actor=actor, now=now)


def merge(session: Session, group: GapGroup, other: GapGroup, *, actor: Person, now: datetime) -> None:
    """The questions of ``other`` belong to ``group`` from now on, and ``other`` is gone.

    Raises Conflict when ``other`` has been sent to a unit or is settled: what was said of it would be lost; and when
    ``group`` is settled: the questions would be settled with it unseen.
    """
    _require(actor)
    if group.id == other.id:
        raise Invalid("请选择另一组需求。")
    _lock(session, group, other)
    if other.status is not S.OPEN:
        raise Conflict(f"“{other.label}”现为“{other.status.label}”，只有待处理的需求可以并入别的需求。")
    if group.status in CLOSED:
        raise Conflict(f"“{group.label}”现为“{group.status.label}”，要并入别的需求，请先退回待处理。")
    session.execute(update(GapItem).where(GapItem.group_id == other.id).values(group_id=group.id))
    group.vector, group.encoder, group.changed_at = None, "", now
    words = other.label
    session.delete(other)
    session.flush()
    _record(session, group, "merge", {"label": words}, actor=actor, now=now)


def take_out(session: Session, group: GapGroup, item: GapItem, *, actor: Person, now: datetime) -> GapGroup:
    """A group of its own for the question, with all that were asked in the same words.

    Raises NotFound when it does not stand in the group, Conflict when nothing would be left.
    """
    _require(actor)
    _lock(session, group)
    if item.group_id != group.id:
        raise NotFound("这组需求中没有这个问题，可能刚刚被移出。")
    same = (GapItem.group_id == group.id, GapItem.text == item.text)
    others = select(func.count()).where(GapItem.group_id == group.id, GapItem.text != item.text)
    if not session.scalar(others):
        raise Conflict("这组需求只有这一种问法，不用移出。")
    alone = GapGroup(status=S.OPEN, label=item.text, created_at=group.created_at, changed_at=now, unit_id=group.unit_id)
    session.add(alone)
    session.flush()
    session.execute(update(GapItem).where(*same).values(group_id=alone.id))
    group.vector, group.encoder, group.changed_at = None, "", now
    session.flush()
    _record(session, group, "take_out", {"text": item.text}, actor=actor, now=now)
    return alone


def close_answered(session: Session, group: GapGroup, version: Version, *, now: datetime) -> bool:
    """已能解答, by the entry: the office is told. Whether it was still waiting; somebody may have been quicker."""
    entry = version.entry
    try:
        _move(session, group, WAITING, S.ANSWERED, actor=None, now=now, closed_at=now, entry_id=entry.id, remark="")
    except Conflict:
        return False
    told = f"知识需求“{group.label}”现已能解答，用的是 {entry.code}“{version.question}”。"
    people = holders(session, Role.CITY_OFFICE)
    tell(session, people, f"gap:{group.id}:answered:{version.id}", told, f"/gaps/{group.id}", now)
    _record(session, group, "answered", {"entry": entry.code}, actor=None, now=now)
    return True


def asked_again(session: Session, group: GapGroup, *, now: datetime) -> None:
    """A question came in that leaves no doubt, after the group counted as answered: it is open again."""
    values = {"closed_at": None, "remark": "关闭后又有人问到，没有得到答案。"}
    _move(session, group, {S.ANSWERED}, S.OPEN, actor=None, now=now, **values)
    _record(session, group, "asked_again", {}, actor=None, now=now)


def count_items(session: Session, group: GapGroup) -> int:
    """How many questions stand in the group."""
    return session.scalar(select(func.count()).where(GapItem.group_id == group.id)) or 0


def _move(
    session: Session,
    group: GapGroup,
    before: Collection[GapStatus],
    to: GapStatus,
    *,
    actor: Person | None,
    now: datetime,
    **values: Any,
) -> None:
    """The only writer of a group's status. Raises Conflict when it stands elsewhere or somebody was quicker."""
    handled = {} if actor is None else {"handled_by_id": actor.id}
    moved = session.execute(
        update(GapGroup)
        .where(GapGroup.id == group.id, GapGroup.status.in_(before))
        .values(status=to, changed_at=now, **handled, **values)
        .returning(GapGroup.id),
        execution_options={"synchronize_session": False},
    ).all()
    session.refresh(group)
    if not moved:
        if group.status is to:
            raise Conflict(f"这组需求已经是“{to.label}”，不用再办一次。请刷新后再看。")
        raise Conflict(f"这组需求现为“{group.status.label}”，不能改为“{to.label}”。请刷新后再看。")


def _lock(session: Session, *groups: GapGroup) -> None:
    """In the order of their ids, so that two who do it wait for each other only in turn. Raises NotFound for one that
    is gone."""
    for group_id in sorted(group.id for group in groups):
        held = update(GapGroup).where(GapGroup.id == group_id).values(status=GapGroup.status)
        if not session.execute(held.returning(GapGroup.id), execution_options={"synchronize_session": False}).all():
            raise NotFound("这组需求刚刚被并入别的需求，请返回列表。")
    for group in groups:
        session.refresh(group)


def _require(actor: Person) -> None:
    require(grants_of(actor), Action.HANDLE_GAPS)


def _record(
    session: Session, group: GapGroup, act: str, details: dict[str, str], *, actor: Person | None, now: datetime
) -> None:
    said = {"label": group.label, **details}
    audit.record(session, actor=actor, act=f"gap.{act}", subject=f"gap:{group.id}", details=said, now=now)

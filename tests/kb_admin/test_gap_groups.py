"""What the office does with groups of unanswered questions, who may not, and what stays of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import gap_groups, gap_list, notices
from kb_admin.gap_list import Order, Standing, Wanted
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.improvement import GapGroup, GapItem, Proposal
from models.incoming import IncomingCall
from models.knowledge import Version
from models.messages import Notification
from models.notices import Notice
from models.usage import Gap, Question
from models.values import GapSignal, GapStatus, NoticeKind, Outcome, ProposalKind
from tests.cast import LOST_CARD, NOW, Cast, published

DAY = timedelta(days=1)
S = GapStatus
TITLE, CONTENT = "社会保障卡异地补领", "来电人这样问：外地能补社保卡吗"


def make_group(session: Session, cast: Cast, *texts: str, days: tuple[int, ...] = (), calls: bool = True) -> GapGroup:
    """An open group of these texts, each asked in a call of its own so many days ago."""
    group = GapGroup(status=S.OPEN, label=texts[0], created_at=NOW - 60 * DAY, changed_at=NOW)
    session.add(group)
    session.flush()
    for place, text in enumerate(texts):
        at = NOW - (days[place] if days else 0) * DAY
        add_question(session, cast, group, text, at=at, in_call=calls)
    session.commit()
    return group


def add_question(session: Session, cast: Cast, group: GapGroup | None, text: str, **when: object) -> GapItem:
    at = when.get("at", NOW)
    call = IncomingCall(person_id=cast.agent.id, started_at=at, ended_at=at) if when.get("in_call", True) else None
    if call is not None:
        session.add(call)
        session.flush()
    question = Question(text=text, person_id=cast.agent.id, asked_at=at, outcome=Outcome.NONE, took_ms=1.0, call=call)
    session.add(question)
    session.flush()
    item = GapItem(question_id=question.id, signal=GapSignal.NO_ANSWER, text=text, at=at, lost_seconds=60)
    item.group_id = group.id if group else None
    session.add(item)
    session.flush()
    return item


@pytest.fixture
def group(session: Session, cast: Cast) -> GapGroup:
    return make_group(session, cast, "外地能补社保卡吗", "异地补办社保卡", "外地能补社保卡吗")


@pytest.fixture
def version(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD, code="SB-001")


def send(session: Session, cast: Cast, group: GapGroup, kind: NoticeKind = NoticeKind.COLLECTION) -> Notice:
    return gap_groups.send_notice(
        session, group, cast.unit, kind=kind, title=TITLE, content=CONTENT, actor=cast.office, now=NOW
    )


@pytest.mark.parametrize("kind", [NoticeKind.COLLECTION, NoticeKind.QUESTION])
def test_one_step_sends_it_to_the_unit(session: Session, cast: Cast, group: GapGroup, kind: NoticeKind) -> None:
    notice = send(session, cast, group, kind)
    assert (notice.kind, notice.unit) == (kind, cast.unit)
    assert notice.status in notices.OPEN
    assert (group.status, group.notice, group.unit, group.handled_by) == (S.SENT, notice, cast.unit, cast.office)
    with pytest.raises(Conflict, match="已派单位"):
        send(session, cast, group, kind)


def test_only_what_asks_for_knowledge_can_be_sent(session: Session, cast: Cast, group: GapGroup) -> None:
    with pytest.raises(Invalid):
        send(session, cast, group, NoticeKind.CORRECTION)
    assert session.scalars(select(Notice)).all() == []


def test_it_is_suggested_as_a_similar_question_and_nothing_more(
    session: Session, cast: Cast, group: GapGroup, version: Version
) -> None:
    made = gap_groups.propose_similar(session, group, version.entry, "外地能补社保卡吗", actor=cast.office, now=NOW)
    assert (made.kind, made.support, made.entry) == (ProposalKind.SIMILAR, 3, version.entry)
    assert (group.status, group.entry) == (S.PROPOSED, version.entry)
    assert version.similar == LOST_CARD.similar
    assert session.scalars(select(Proposal)).one().evidence["gap_group"] == group.id


def test_it_is_dismissed_with_a_reason_and_opened_again(session: Session, cast: Cast, group: GapGroup) -> None:
    with pytest.raises(Invalid, match="原因"):
        gap_groups.dismiss(session, group, "  ", actor=cast.office, now=NOW)
    gap_groups.dismiss(session, group, "不属本市事项", actor=cast.office, now=NOW)
    assert (group.status, group.remark, group.closed_at) == (S.DISMISSED, "不属本市事项", NOW)
    with pytest.raises(Conflict):
        send(session, cast, group)
    gap_groups.reopen(session, group, actor=cast.office, now=NOW)
    assert (group.status, group.remark, group.closed_at) == (S.OPEN, "", None)
    with pytest.raises(Conflict):
        gap_groups.reopen(session, group, actor=cast.office, now=NOW)


def test_two_groups_become_one(session: Session, cast: Cast, group: GapGroup) -> None:
    other = make_group(session, cast, "在外省怎么补社保卡")
    gap_groups.merge(session, group, other, actor=cast.office, now=NOW)
    session.commit()
    assert session.scalars(select(GapGroup)).all() == [group]
    assert gap_groups.count_items(session, group) == 4


def test_what_was_sent_is_not_sent_again_from_an_old_page(session: Session, cast: Cast, group: GapGroup) -> None:
    send(session, cast, group)
    with pytest.raises(Conflict, match="已经是“已派单位”"):
        send(session, cast, group)


def test_what_was_sent_is_not_swallowed(session: Session, cast: Cast, group: GapGroup) -> None:
    other = make_group(session, cast, "在外省怎么补社保卡")
    send(session, cast, other)
    with pytest.raises(Conflict, match="已派单位"):
        gap_groups.merge(session, group, other, actor=cast.office, now=NOW)
    with pytest.raises(Invalid):
        gap_groups.merge(session, group, group, actor=cast.office, now=NOW)


def test_nothing_is_put_away_with_what_is_settled(session: Session, cast: Cast, group: GapGroup) -> None:
    other = make_group(session, cast, "在外省怎么补社保卡")
    gap_groups.dismiss(session, group, "没有这项业务", actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="退回待处理"):
        gap_groups.merge(session, group, other, actor=cast.office, now=NOW)
    assert other.status is S.OPEN


def test_a_question_is_taken_out_with_all_that_say_the_same(session: Session, cast: Cast, group: GapGroup) -> None:
    item = session.scalars(select(GapItem).where(GapItem.text == "外地能补社保卡吗")).first()
    assert item is not None
    alone = gap_groups.take_out(session, group, item, actor=cast.office, now=NOW)
    assert (gap_groups.count_items(session, alone), gap_groups.count_items(session, group)) == (2, 1)
    last = session.scalars(select(GapItem).where(GapItem.group_id == group.id)).one()
    with pytest.raises(Conflict, match="只有这一种问法"):
        gap_groups.take_out(session, group, last, actor=cast.office, now=NOW)
    with pytest.raises(NotFound):
        gap_groups.take_out(session, group, item, actor=cast.office, now=NOW)


def test_unit_and_question_are_the_offices_to_write(session: Session, cast: Cast, group: GapGroup) -> None:
    gap_groups.describe(session, group, unit=cast.other_unit, question=TITLE, actor=cast.office, now=NOW)
    assert (group.unit, group.standard_question) == (cast.other_unit, TITLE)
    with pytest.raises(Invalid):
        gap_groups.describe(session, group, unit=None, question=" ", actor=cast.office, now=NOW)


def test_the_office_is_told_of_the_answer_once(session: Session, cast: Cast, group: GapGroup, version: Version) -> None:
    send(session, cast, group)
    assert gap_groups.close_answered(session, group, version, now=NOW)
    assert not gap_groups.close_answered(session, group, version, now=NOW)
    assert (group.status, group.entry, group.closed_at) == (S.ANSWERED, version.entry, NOW)
    told = session.scalars(select(Notification).where(Notification.address == f"/gaps/{group.id}")).all()
    assert [message.person_id for message in told] == [cast.office.id]
    assert "SB-001" in told[0].text


ACTS: dict[str, Callable[[Session, Cast, GapGroup, GapGroup, Version], object]] = {
    "send": lambda s, c, g, _o, _v: gap_groups.send_notice(
        s, g, c.other_unit, kind=NoticeKind.QUESTION, title="问", content="", actor=c.stranger, now=NOW
    ),
    "propose": lambda s, c, g, _o, v: gap_groups.propose_similar(s, g, v.entry, "问", actor=c.editor, now=NOW),
    "dismiss": lambda s, c, g, _o, _v: gap_groups.dismiss(s, g, "没有用", actor=c.analyst, now=NOW),
    "reopen": lambda s, c, g, _o, _v: gap_groups.reopen(s, g, actor=c.county_office, now=NOW),
    "describe": lambda s, c, g, _o, _v: gap_groups.describe(s, g, unit=None, question="问", actor=c.agent, now=NOW),
    "merge": lambda s, c, g, o, _v: gap_groups.merge(s, g, o, actor=c.analyst, now=NOW),
    "take_out": lambda s, c, g, _o, _v: gap_groups.take_out(
        s, g, s.scalars(select(GapItem)).first(), actor=c.administrator, now=NOW
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_strangers_are_refused(session: Session, cast: Cast, group: GapGroup, version: Version, act: str) -> None:
    other = make_group(session, cast, "在外省怎么补社保卡")
    with pytest.raises(Forbidden):
        ACTS[act](session, cast, group, other, version)


def test_groups_are_ranked_by_calls_by_what_grows_and_by_time_lost(session: Session, cast: Cast) -> None:
    often = make_group(session, cast, *["很多人问"] * 6, days=(8, 9, 15, 16, 22, 23))
    grows = make_group(session, cast, *["最近才问"] * 4, days=(0, 1, 2, 2))
    slow = make_group(session, cast, "问了很久", days=(40,))
    session.scalars(select(GapItem).where(GapItem.group_id == slow.id)).one().lost_seconds = 600
    session.commit()

    def labels(order: Order) -> list[str]:
        return [line.group.label for line in gap_list.list_groups(session, Wanted(order=order), NOW)]

    assert labels(Order.CALLS) == [often.label, grows.label, slow.label]
    assert labels(Order.TREND) == [grows.label, slow.label, often.label]
    assert labels(Order.LOST) == [slow.label, often.label, grows.label]
    assert labels(Order.LATEST) == [grows.label, often.label, slow.label]
    line = gap_list.line_of(session, grows, NOW)
    assert line is not None
    assert (line.calls, line.this_week, line.weekly_before, line.lost_seconds, line.grows) == (4, 4, 0, 240, True)
    line = gap_list.line_of(session, often, NOW)
    assert line is not None
    assert (line.this_week, line.weekly_before, line.grows) == (0, 1.5, False)


def test_a_call_that_asked_twice_is_one_call_and_a_question_without_one_is_one_more(
    session: Session, cast: Cast
) -> None:
    group = make_group(session, cast, "补卡")
    first = session.scalars(select(Question)).one()
    again = add_question(session, cast, group, "卡怎么补")
    session.get_one(Question, again.question_id).call_id = first.call_id
    gap = Gap(text="补卡", person_id=cast.agent.id, at=NOW)
    session.add(gap)
    session.flush()
    session.add(GapItem(gap_id=gap.id, group_id=group.id, signal=GapSignal.RECORDED, text="补卡", at=NOW))
    session.commit()
    line = gap_list.line_of(session, group, NOW)
    assert line is not None
    assert (line.calls, line.questions) == (2, 3)
    assert gap_list.signals_of(session, group) == {GapSignal.RECORDED: 1, GapSignal.NO_ANSWER: 2}
    assert [(one.item.text, one.count) for one in gap_list.examples(session, group, limit=9)] == [
        ("补卡", 2),
        ("卡怎么补", 1),
    ]


def test_the_filters_leave_what_they_say(session: Session, cast: Cast, group: GapGroup) -> None:
    other = make_group(session, cast, "停机坪怎么预约")
    gap_groups.dismiss(session, other, "不属本市事项", actor=cast.office, now=NOW)
    group.unit_id = cast.unit.id
    session.commit()

    def found(wanted: Wanted) -> list[str]:
        lines = gap_list.list_groups(session, wanted, NOW)
        assert len(lines) == gap_list.count_groups(session, wanted, NOW)
        return [line.group.label for line in lines]

    assert found(Wanted()) == [group.label]
    assert found(Wanted(status=S.DISMISSED)) == [other.label]
    assert len(found(Wanted(status=None))) == 2
    assert found(Wanted(text="异地")) == [group.label]
    assert found(Wanted(text="%")) == []
    assert found(Wanted(unit_id=cast.other_unit.id)) == []
    assert found(replace(Wanted(status=Standing.WAITING), unit_id=cast.unit.id)) == [group.label]
    assert gap_list.units_with_groups(session) == [(cast.unit.id, cast.unit.name)]

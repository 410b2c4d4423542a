"""Missing knowledge as the office works it: groups looked through, sent to units, written by them, and closed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api import gap_grouping
from benchmarks.simulation.city import House
from benchmarks.simulation.quarter_callers import IntentKind
from benchmarks.simulation.quarter_truth import GapSent
from benchmarks.simulation.quarter_world import Quarter
from benchmarks.simulation.quarter_writing import on_its_way, write_entry
from benchmarks.simulation.world import HOUR, person
from kb_admin import gap_groups, notices, proposals
from models.errors import Conflict, Invalid
from models.improvement import GapGroup, GapItem, Proposal
from models.knowledge import Entry, Version
from models.notices import Notice
from models.organisation import Unit
from models.usage import Gap, Question
from models.values import GapStatus, Level, NoticeKind, NoticeStatus, VersionStatus

MOST_A_DAY = 12
"""Groups that the office gets through on a day, those of the most calls first."""
FEWEST = 3
"""Questions below which a group is left to grow."""
EXAMPLES = 10
"""Questions of a group that the office reads."""
SENDS_NEVER_HELD = 0.4
"""How often the office asks a unit for what no entry was ever written on; else it dismisses the group."""
KNOWS_THE_UNIT = 0.8
"""How often the office sees that the suggested unit is not the one in charge."""
PROPOSES = 0.7
"""How often the office, where the base has an entry that was not found, proposes the callers' words as one of its
questions; else it dismisses the group."""
ACCEPTS = 4 * HOUR
"""Working seconds until the unit's editor accepts a proposal, about."""
SIGNS, WRITES = "1 working_day", "2 working_days"
"""Units get to a collection notice as to what has such limits."""
AT_ONCE = 100_000


@dataclass(frozen=True)
class Matter:
    """What most of the questions read of a group ask for."""

    kind: IntentKind
    about: str


def group_questions(quarter: Quarter, now: datetime) -> None:
    """What the service does in the background: new questions into their groups, and groups now answered closed."""
    with quarter.acting() as session:
        gap_grouping.group_new(quarter.services, session, now, limit=AT_ONCE)
    with quarter.acting() as session:
        gap_grouping.rerun(quarter.services, session, now)


def look_at_groups(quarter: Quarter, now: datetime) -> None:
    """The office reads the groups of the most questions, and sends or dismisses each."""
    for group_id in _largest(quarter):
        with quarter.acting() as session:
            group = session.get_one(GapGroup, group_id)
            _deal_with(quarter, session, group, _matter_of(quarter, session, group_id), now)


def _largest(quarter: Quarter) -> Sequence[int]:
    count = func.count(GapItem.id)
    query = (
        select(GapGroup.id)
        .join(GapItem, GapItem.group_id == GapGroup.id)
        .where(GapGroup.status == GapStatus.OPEN)
        .group_by(GapGroup.id)
        .having(count >= FEWEST)
        .order_by(count.desc(), GapGroup.id)
        .limit(MOST_A_DAY)
    )
    with quarter.services.open_session() as session:
        return session.scalars(query).all()


def _matter_of(quarter: Quarter, session: Session, group_id: int) -> Matter:
    """The office understands what callers meant."""
    question_id = func.coalesce(GapItem.question_id, Gap.question_id)
    calls = (
        select(Question.call_id)
        .select_from(GapItem)
        .outerjoin(Gap, Gap.id == GapItem.gap_id)
        .join(Question, Question.id == question_id)
        .where(GapItem.group_id == group_id)
        .order_by(GapItem.at.desc(), GapItem.id.desc())
        .limit(EXAMPLES)
    )
    meant = Counter(quarter.meant(call_id) for call_id in session.scalars(calls) if call_id is not None)
    (kind, about), _ = meant.most_common(1)[0]
    return Matter(kind, about)


def _deal_with(quarter: Quarter, session: Session, group: GapGroup, matter: Matter, now: datetime) -> None:
    chance = quarter.chance_of("gap office")
    office = person(session, quarter.world.city.city_office[0])
    missing = matter.kind is IntentKind.MATTER and _is_missing(quarter, matter.about)
    if missing and matter.about not in quarter.collecting:
        _send(quarter, session, group, matter, now, kind=NoticeKind.COLLECTION)
    elif missing:
        _join_sent(quarter, session, group, matter.about, now)
    elif matter.kind is IntentKind.NEAR_MISS and chance.random() < SENDS_NEVER_HELD:
        _send(quarter, session, group, matter, now, kind=NoticeKind.QUESTION)
    elif (
        matter.kind is IntentKind.MATTER
        and chance.random() < PROPOSES
        and _propose(quarter, session, group, matter, now)
    ):
        return
    else:
        gap_groups.dismiss(session, group, "库中已有答案，或不属于知识库的内容", actor=office, now=now)


def _send(
    quarter: Quarter, session: Session, group: GapGroup, matter: Matter, now: datetime, *, kind: NoticeKind
) -> None:
    """To the unit in charge, or to the suggested one where the office does not know better."""
    office = person(session, quarter.world.city.city_office[0])
    in_charge = session.scalars(select(Unit).where(Unit.name == quarter.truth.original[matter.about].unit)).one()
    suggested = session.get(Unit, group.unit_id) if group.unit_id else None
    knows = quarter.chance_of("gap office").random() < KNOWS_THE_UNIT
    unit = in_charge if knows or suggested is None or suggested.level is Level.COUNTY else suggested
    title, content = f"市民问到的事项没有答案：{group.label}"[:200], "请核实后补充条目。"
    if unit.level is Level.CITY:
        notice = gap_groups.send_notice(
            session, group, unit, kind=kind, title=title, content=content, actor=office, now=now
        )
    else:  # the county's own office sends it
        county = person(session, quarter.world.city.of("own_office", quarter.world.city.house(unit.id)))
        notice = notices.open_notice(
            session, kind=kind, unit=unit, title=title, content=content, dispatched=True, actor=county, now=now
        )
        gap_groups.dismiss(session, group, f"已转{unit.region.name}热线办派发", actor=office, now=now)
    quarter.gaps_sent.append(
        GapSent(notice.id, now, matter.kind, matter.about, on_missing=_is_missing(quarter, matter.about))
    )
    if unit.id == in_charge.id and _is_missing(quarter, matter.about):
        quarter.collecting.add(matter.about)
    house = quarter.world.city.house(unit.id)
    if notice.status is NoticeStatus.DISPATCHED:
        quarter.world.at(quarter.within(now, SIGNS, house), lambda at: _sign(quarter, notice.id, house, at))
    else:
        _plan_answer(quarter, notice.id, house, now)


def _join_sent(quarter: Quarter, session: Session, group: GapGroup, about: str, now: datetime) -> None:
    """The same matter was sent to its unit before: the office puts the questions together. One that was
    sent itself, and opened again by a further question, waits for its unit."""
    office = person(session, quarter.world.city.city_office[0])
    sent = [sent.notice_id for sent in quarter.gaps_sent if sent.about == about]
    others = select(GapGroup).where(GapGroup.notice_id.in_(sent), GapGroup.id != group.id)
    before = session.scalar(others.order_by(GapGroup.id.desc()).limit(1))
    if before is not None:
        gap_groups.merge(session, before, group, actor=office, now=now)


def _propose(quarter: Quarter, session: Session, group: GapGroup, matter: Matter, now: datetime) -> bool:
    """The callers' words as a question of the entry that they did not find; whether they may stand there."""
    office = person(session, quarter.world.city.city_office[0])
    entry = session.scalars(
        select(Entry)
        .join(Version)
        .where(Version.status == VersionStatus.PUBLISHED, Entry.id == quarter.entry_of(matter.about))
    ).first()
    if entry is None:  # taken off at this moment
        return False
    try:
        with session.begin_nested():
            words = group.standard_question or group.label
            proposal = gap_groups.propose_similar(session, group, entry, words, actor=office, now=now)
    except (Conflict, Invalid):  # it is there already, or names somebody's number
        return False
    quarter.proposed += 1
    house = quarter.world.city.house(entry.unit_id)
    quarter.world.at(quarter.at_slot(now, ACCEPTS, house), lambda at: _accept(quarter, proposal.id, house, at))
    return True


def _accept(quarter: Quarter, proposal_id: int, house: House, now: datetime) -> None:
    """The unit's editor takes the words in, once nothing else of the entry is on its way."""
    with quarter.acting() as session:
        proposal = session.get_one(Proposal, proposal_id)
        if proposal.entry_id in quarter.busy:
            quarter.world.at(quarter.at_slot(now, ACCEPTS, house), lambda at: _accept(quarter, proposal_id, house, at))
            return
        editor = person(session, house.people["editor"])
        try:
            with session.begin_nested():
                version = proposals.accept(session, proposal, actor=editor, now=now)
        except Conflict:  # the entry has the words by now
            return
    on_its_way(quarter, house, version, now)


def _sign(quarter: Quarter, notice_id: int, house: House, now: datetime) -> None:
    with quarter.acting() as session:
        notice = session.get_one(Notice, notice_id)
        if notice.status is not NoticeStatus.DISPATCHED:
            return
        notices.sign(session, notice, actor=person(session, house.people["editor"]), now=now)
    _plan_answer(quarter, notice_id, house, now)


def _plan_answer(quarter: Quarter, notice_id: int, house: House, now: datetime) -> None:
    quarter.world.at(quarter.within(now, WRITES, house), lambda at: _answer(quarter, notice_id, house, at))


def _answer(quarter: Quarter, notice_id: int, house: House, now: datetime) -> None:
    """The unit in charge writes the entry; another, or one that has nothing to say, says so."""
    sent = next(sent for sent in quarter.gaps_sent if sent.notice_id == notice_id)
    in_charge = quarter.truth.original[sent.about].unit == house.name
    if not (sent.on_missing and in_charge and sent.about in quarter.collecting):
        result = "目前没有这方面的规定，请按工单转办。" if in_charge else "不属于本单位职责，请改派。"
        _complete(quarter, notice_id, house, result, now)
        return

    def told(session: Session, version: Version) -> None:
        notices.answer_with(session, session.get_one(Notice, notice_id), version)
        quarter.published[version.entry_id] = lambda at: _complete(quarter, notice_id, house, "条目已发布。", at)

    write_entry(quarter, house, sent.about, quarter.truth.right(sent.about, now), now, told)


def _complete(quarter: Quarter, notice_id: int, house: House, result: str, now: datetime) -> None:
    """The unit is done with it; where no entry came the office looks at the group anew some time later."""
    with quarter.acting() as session:
        notice = session.get_one(Notice, notice_id)
        if notice.status in notices.OPEN:
            notices.complete(session, notice, result, actor=person(session, house.people["editor"]), now=now)
    sent = next(sent for sent in quarter.gaps_sent if sent.notice_id == notice_id)
    if sent.on_missing and sent.about not in quarter.collecting:
        quarter.world.at(quarter.at_slot(now, HOUR), lambda at: _look_again(quarter, notice_id, at))


def _look_again(quarter: Quarter, notice_id: int, now: datetime) -> None:
    """The office had sent it to a unit that is not in charge."""
    with quarter.acting() as session:
        office = person(session, quarter.world.city.city_office[0])
        group = session.scalar(select(GapGroup).where(GapGroup.notice_id == notice_id))
        if group is not None and group.status is GapStatus.SENT:
            gap_groups.reopen(session, group, actor=office, now=now)


def _is_missing(quarter: Quarter, code: str) -> bool:
    """Whether the base has no entry on it because one was withheld."""
    return code not in quarter.truth.shown and code not in quarter.truth.mended

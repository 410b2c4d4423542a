"""Adding a city is one file: an invented one lives from chenghu.toml alone, with types, gates and clocks of its own."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kb_admin import lifecycle, notices
from kb_admin.advance import advance
from kb_admin.routes import route_for
from kb_admin.rulebook import Scope
from kb_admin.rulebook_files import SHIPPED, read
from kb_admin.rules_in_force import adopt, rules_of_unit
from kb_admin.worktime import Limit, due_at
from models.errors import Forbidden, Invalid
from models.organisation import Person
from models.values import ClockEventKind, EntryContent, NoticeKind, Origin, Role, VersionStatus
from tests.cast import COUNTY, COUNTY_SOCIAL_SECURITY, DAY, LOST_CARD, NOW, Cast

TEXT = (Path(__file__).parent / "chenghu.toml").read_text(encoding="utf-8")
QUESTION = replace(LOST_CARD, info_type="问答")
S = VersionStatus


@pytest.fixture
def city(session: Session, cast: Cast) -> Cast:
    """The cast, in a city that follows the new file."""
    adopt(session, cast.city, TEXT, effective_from=NOW - DAY, actor=None, now=NOW - DAY * 2)
    session.commit()
    return cast


def test_its_file_is_not_among_the_shipped_and_is_sound() -> None:
    rulebook = read(TEXT, file="chenghu.toml")
    assert rulebook.name not in SHIPPED
    assert rulebook.cite(rulebook.clock("read_back").source) == "澄政办发〔2026〕9号第十条"
    assert rulebook.correction.threshold == Fraction(37, 40)
    assert rulebook.extension.longest == Fraction(1, 3)
    assert rulebook.rights.sees[Role.REVIEWER] == {Scope.OWN}
    assert rulebook.rights.sees[Role.EDITOR] == {Scope.OWN, Scope.COUNTERPART}
    assert [(duty.name, duty.every_months) for duty in rulebook.duties] == [("monthly_review", 3)]


def test_an_entry_goes_its_way_leader_then_office(session: Session, city: Cast) -> None:
    version = written(session, city.editor, QUESTION)
    lifecycle.submit(session, version, actor=city.editor, now=NOW)
    refused_to_all_but(session, version, city, city.leader)
    lifecycle.approve(session, version, actor=city.leader, now=NOW)
    refused_to_all_but(session, version, city, city.office)
    amended = lifecycle.amend(
        session, version, replace(QUESTION, spoken="带身份证到网点补领。"), actor=city.office, now=NOW
    )
    lifecycle.approve(session, amended, ticked=["能不能一口气读完"], actor=city.office, now=NOW)
    assert amended.status is S.CHECKED
    lifecycle.publish(session, amended, actor=city.office, now=NOW)
    session.commit()
    assert amended.status is S.PUBLISHED
    rules = [transition.rule for transition in amended.transitions]
    assert any("澄政办发〔2026〕9号第六条" in rule for rule in rules)


def test_a_county_unit_is_checked_and_published_by_its_county_s_office(session: Session, city: Cast) -> None:
    content = replace(QUESTION, unit=COUNTY_SOCIAL_SECURITY, region=COUNTY)
    version = lifecycle.create_entry(session, content, actor=None, now=NOW)
    lifecycle.submit(session, version, actor=None, now=NOW)
    lifecycle.approve(session, version, actor=None, now=NOW)
    with pytest.raises(Forbidden):
        lifecycle.approve(session, version, actor=city.office, now=NOW)
    lifecycle.approve(session, version, actor=city.county_office, now=NOW)
    lifecycle.publish(session, version, actor=city.county_office, now=NOW)
    assert version.status is S.PUBLISHED


def test_an_announcement_is_live_at_once_when_the_reviewer_writes_it(session: Session, city: Cast) -> None:
    version = written(session, city.reviewer, replace(LOST_CARD, info_type="通告"))
    with pytest.raises(Forbidden):
        lifecycle.submit(session, version, actor=city.editor, now=NOW)
    lifecycle.submit(session, version, actor=city.reviewer, now=NOW)
    assert version.status is S.PUBLISHED


def test_its_own_emergency_type_is_published_first_and_gone_on_the_second(session: Session, city: Cast) -> None:
    flood = replace(LOST_CARD, info_type="水情", question="滨湖路能不能走", valid_from=None, valid_to=None)
    with pytest.raises(Invalid, match="下架时间"):
        lifecycle.submit(session, written(session, city.editor, flood), actor=city.editor, now=NOW)
    version = written(session, city.editor, replace(flood, valid_to=NOW + DAY))
    lifecycle.submit(session, version, actor=city.editor, now=NOW)
    session.commit()
    assert (version.status, version.emergency) == (S.PUBLISHED, True)
    advance(session, NOW + DAY)
    session.commit()
    assert version.status is S.EXPIRED


def test_what_it_demands_is_demanded_and_what_it_does_not_know_is_refused(session: Session, city: Cast) -> None:
    silent = written(session, city.editor, replace(QUESTION, spoken=""))
    with pytest.raises(Invalid, match="口径"):
        lifecycle.submit(session, silent, actor=city.editor, now=NOW)
    rulebook = rules_of_unit(session, city.unit, NOW).rulebook
    with pytest.raises(Invalid, match="没有规定“办事指南”类信息按“单位采编”怎样采编"):
        route_for(rulebook, info_type="办事指南", origin=Origin.UNIT, first=True)


def test_its_clock_runs_in_its_own_office_hours(session: Session, city: Cast) -> None:
    """Offices are open from Tuesday to Saturday, 08:30–12:00 and 14:00–18:00. A question of Sunday, 22 November 2026,
    is due 45 working minutes after Tuesday's opening: on the 24th at 09:15, and warned of at 09:00."""
    sunday = datetime(2026, 11, 22, 2, tzinfo=UTC)
    notice = notices.open_notice(
        session, kind=NoticeKind.QUESTION, unit=city.unit, title="补卡多少钱", actor=city.office, now=sunday
    )
    notices.dispatch(session, notice, actor=city.office, now=sunday)
    session.commit()
    [clock] = notice.clocks
    assert (clock.name, clock.rule) == ("read_back", "澄政办发〔2026〕9号第十条")
    assert clock.due_at == datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
    assert clock.warn_at == datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    advance(session, datetime(2026, 11, 30, tzinfo=UTC))
    session.commit()
    fell = {event.kind: event.at for event in clock.events}
    assert fell[ClockEventKind.EXPIRED] == fell[ClockEventKind.CALL_LIST] == clock.due_at


def test_its_holiday_and_its_counting_of_the_first_day(session: Session, city: Cast) -> None:
    """9 working days from Tuesday, 24 November 2026, which counts: 24–28 are 5, 1–4 December are 9; with one more, the
    festival of Saturday, 5 December, is passed over, and Sunday and Monday are off: Tuesday, the 8th."""
    rules = rules_of_unit(session, city.unit, NOW)
    rule = rules.rulebook.clock("complete_collection")
    start = datetime(2026, 11, 24, 2, tzinfo=UTC)
    due = due_at(start, rule.limit, rules.calendar, start_day_counts=rule.start_day_counts)
    assert due == datetime(2026, 12, 4, 10, tzinfo=UTC)
    longer = due_at(start, Limit.parse("10 working_days"), rules.calendar, start_day_counts=True)
    assert longer == datetime(2026, 12, 8, 10, tzinfo=UTC)


def written(session: Session, person: Person, content: EntryContent) -> lifecycle.Version:
    """A draft of that person; the categories stand already."""
    version = lifecycle.create_entry(session, content, origin=Origin.UNIT, actor=None, now=NOW)
    version.created_by = person
    session.flush()
    return version


def refused_to_all_but(session: Session, version: lifecycle.Version, cast: Cast, one: Person) -> None:
    """Everybody of the cast but one may not approve."""
    for person in (value for value in vars(cast).values() if isinstance(value, Person) and value is not one):
        with pytest.raises(Forbidden):
            lifecycle.approve(session, version, actor=person, now=NOW)

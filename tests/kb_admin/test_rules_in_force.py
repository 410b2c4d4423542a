"""Which rulebook holds where and when; and that what began under one ends under it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import notices
from kb_admin.calendar_years import add_year, added_years
from kb_admin.published_years import PublishedYear
from kb_admin.rulebook_files import load_shipped, shipped_text, whole_text
from kb_admin.rules_in_force import (
    adopt,
    adoptions_of,
    city_rules,
    ensure_adopted,
    rules_by_id,
    rules_of,
    rules_of_unit,
    unpublished_year,
)
from kb_admin.worktime import CalendarNotPublished, Limit, due_at
from models.audit import AuditRecord
from models.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from models.notices import Notice
from models.organisation import Region
from models.rules import Adoption, RulebookText
from models.values import EARLIEST, EntryContent, Level, NoticeKind
from tests.cast import DAY, LOST_CARD, NOW, Cast, published

TOMORROW = NOW + DAY


def test_a_city_follows_the_default_until_it_takes_its_own(session: Session, cast: Cast) -> None:
    assert rules_of(session, cast.city.id, NOW).rulebook == load_shipped("default")
    assert rules_of(session, cast.city.id, EARLIEST).rulebook.name == "default"
    adopt(session, cast.city, shipped_text("jiyuan"), effective_from=TOMORROW, actor=cast.office, now=NOW)
    session.commit()
    assert city_rules(session, NOW).rulebook.name == "default"
    assert city_rules(session, TOMORROW).rulebook == load_shipped("jiyuan")


def test_a_county_inherits_its_city_s_rulebook_until_it_takes_its_own(session: Session, cast: Cast) -> None:
    adopt(session, cast.city, shipped_text("meizhou"), effective_from=TOMORROW, actor=cast.office, now=NOW)
    adopt(session, cast.county, shipped_text("licheng"), effective_from=TOMORROW + DAY, actor=cast.office, now=NOW)
    assert [rules_of_unit(session, cast.county_unit, NOW + DAY * days).rulebook.name for days in (0, 1, 2)] == [
        "default",
        "meizhou",
        "licheng",
    ]
    assert rules_of_unit(session, cast.unit, NOW + DAY * 2).rulebook.name == "meizhou"
    assert city_rules(session, NOW + DAY * 2).rulebook.name == "meizhou"


def test_what_began_under_the_old_rule_ends_under_it(session: Session, cast: Cast) -> None:
    """A correction notice of 2 working days is dispatched; the city then takes rules that give 5. 2026-11-20 is a
    Friday: 2 working days end on Tuesday, 24 November; those of a notice of Monday, 23 November, on the 30th."""
    first = _correction(session, cast, LOST_CARD, NOW)
    adopt(session, cast.city, shipped_text("licheng"), effective_from=TOMORROW, actor=cast.office, now=NOW)
    session.commit()
    second = _correction(session, cast, replace(LOST_CARD, question="社会保障卡怎样激活"), NOW + DAY * 3)
    assert [clock.due_at for clock in first.clocks] == [datetime(2026, 11, 24, 9, 30, tzinfo=UTC)]
    assert [clock.due_at for clock in second.clocks] == [datetime(2026, 11, 30, 9, 30, tzinfo=UTC)]
    assert rules_by_id(session, first.rulebook_id).rulebook.clock("rectify").limit == Limit.parse("2 working_days")
    assert rules_by_id(session, second.rulebook_id).rulebook.notices[NoticeKind.CORRECTION].complete == (
        "rectify_reported_fault"
    )


def _correction(session: Session, cast: Cast, content: EntryContent, now: datetime) -> Notice:
    entry = published(session, content).entry
    notice = notices.open_notice(
        session, kind=NoticeKind.CORRECTION, unit=cast.unit, title="整改", entry=entry, actor=cast.office, now=now
    )
    notices.dispatch(session, notice, actor=cast.office, now=now)
    session.commit()
    return notice


def test_the_text_is_kept_whole_and_once(session: Session, cast: Cast) -> None:
    for days in (1, 2):
        adopt(session, cast.city, shipped_text("jiyuan"), effective_from=NOW + DAY * days, actor=cast.office, now=NOW)
    kept = session.scalars(select(RulebookText).where(RulebookText.name == "jiyuan")).one()
    assert kept.text == whole_text("jiyuan")
    session.commit()
    records = session.scalars(select(AuditRecord).where(AuditRecord.act == "rulebook.adopt"))
    assert [each.subject for each in records] == [f"region:{cast.city.name}"] * 3


def test_only_the_office_decides_which_rules_hold(session: Session, cast: Cast) -> None:
    strangers = (cast.agent, cast.editor, cast.reviewer, cast.leader, cast.county_office, cast.administrator)
    for person in (*strangers, cast.stranger):
        with pytest.raises(Forbidden, match="可以操作的岗位：市热线办"):
            adopt(session, cast.city, shipped_text("jiyuan"), effective_from=TOMORROW, actor=person, now=NOW)
    assert len(adoptions_of(session, cast.city.id)) == 1


def test_rules_are_not_changed_backwards(session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid, match="生效时间 2026-11-19 10:30 已经过去"):
        adopt(session, cast.city, shipped_text("jiyuan"), effective_from=NOW - DAY, actor=cast.office, now=NOW)


def test_a_faulty_text_is_not_adopted(session: Session, cast: Cast) -> None:
    text = shipped_text("jiyuan").replace("[extension]", "[extention]")
    with pytest.raises(Invalid, match="“安澜市”要采用的规则 有 1 处错误"):
        adopt(session, cast.city, text, effective_from=TOMORROW, actor=cast.office, now=NOW)
    assert len(adoptions_of(session, cast.city.id)) == 1


def test_what_is_still_to_come_can_be_replaced_and_what_holds_cannot(session: Session, cast: Cast) -> None:
    for name in ("jiyuan", "meizhou"):
        adopt(session, cast.city, shipped_text(name), effective_from=TOMORROW, actor=cast.office, now=NOW)
    assert [each.rulebook.name for each in adoptions_of(session, cast.city.id)] == ["meizhou", "default"]
    adopt(session, cast.city, shipped_text("jiyuan"), effective_from=NOW, actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="“安澜市”在 2026-11-20 10:30 已经采用了一份规则"):
        adopt(session, cast.city, shipped_text("meizhou"), effective_from=NOW, actor=cast.office, now=NOW)


def test_a_city_is_given_the_default_once(session: Session, cast: Cast) -> None:
    session.add(Region(name="新市", level=Level.CITY))
    session.flush()
    assert [ensure_adopted(session, now=NOW) for _ in range(2)] == [1, 0]
    assert session.scalars(select(Adoption.region_id).where(Adoption.region_id == cast.county.id)).all() == []


def test_without_rules_the_administrator_is_told_what_to_do(session: Session) -> None:
    with pytest.raises(Unavailable, match="zhida organisation"):
        city_rules(session, NOW)
    city = Region(name="新市", level=Level.CITY)
    session.add(city)
    session.flush()
    with pytest.raises(Unavailable, match=r"“新市”还没有采用任何规则.*zhida rulebook adopt default --region 新市"):
        rules_of(session, city.id, NOW)
    with pytest.raises(NotFound, match="没有编号为 77 的规则"):
        rules_by_id(session, 77)


def test_a_year_that_is_added_counts_at_once(session: Session, cast: Cast) -> None:
    """2149-12-31 is a Wednesday; 1 January is off, so the first working day after it is Friday, 2 January."""
    start, limit = datetime(2149, 12, 31, 2, tzinfo=UTC), Limit.parse("1 working_day")
    with pytest.raises(CalendarNotPublished):
        due_at(start, limit, city_rules(session, NOW).calendar)
    for year in (2149, 2150):
        added = PublishedYear.of_dates(year, [f"{year}-01-01"], [], "通知")
        assert add_year(session, added, actor=cast.administrator, now=NOW)
    session.commit()
    assert due_at(start, limit, city_rules(session, NOW).calendar) == datetime(2150, 1, 2, 9, 30, tzinfo=UTC)
    changed = PublishedYear.of_dates(2150, ["2150-01-01", "2150-01-02"], [], "更正通知")
    assert not add_year(session, changed, actor=cast.administrator, now=NOW)
    assert due_at(start, limit, city_rules(session, NOW).calendar) == datetime(2150, 1, 5, 9, 30, tzinfo=UTC)
    assert added_years(session)[2150] == replace(changed, source="更正通知")


def test_a_year_nobody_has_added_is_told_a_month_before_a_clock_can_reach_it(session: Session, cast: Cast) -> None:
    """The longest limit is 5 working days: from Thursday, 24 December 2150 it reaches into 2151."""
    for year in (2150, 2149):
        add_year(
            session, PublishedYear.of_dates(year, [f"{year}-01-01"], [], "通知"), actor=cast.administrator, now=NOW
        )
    assert unpublished_year(session, datetime(2150, 11, 1, tzinfo=UTC)) is None
    assert unpublished_year(session, datetime(2150, 11, 28, tzinfo=UTC)) == 2151
    add_year(session, PublishedYear.of_dates(2151, ["2151-01-01"], [], "通知"), actor=cast.administrator, now=NOW)
    assert unpublished_year(session, datetime(2150, 11, 28, tzinfo=UTC)) is None

"""Places of units: ties, too few cases, which direction is better; and what the bulletin's words mean."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from kb_admin import lifecycle, notices
from kb_admin.bulletins import bulletin
from kb_admin.definitions import definition
from kb_admin.figures import Figure
from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.ranking import FEWEST_CASES, ranked
from kb_admin.rates import Rate, published_name
from kb_admin.reports import UnitRow, report
from kb_admin.rulebook_files import SHIPPED, load_shipped
from kb_admin.unit_cases import UNIT_FIGURES
from models.values import NoticeKind
from tests.cast import DAY, LOST_CARD, NOW, Cast, published

MONTH = Period.month(date(2026, 11, 20))
ALL = Reach(everything=True)


def unit(number: int, *, added: int = 0, answered: int = 0, calls: int = 0) -> UnitRow:
    figures = {name: Figure(definition(name), 0, period=MONTH) for name in UNIT_FIGURES}
    counted = {"unit_entries_added": added, "unit_sent_back": added}
    figures |= {name: Figure(definition(name), count, period=MONTH) for name, count in counted.items()}
    rate = Rate(definition("direct_answer_rate"), answered, calls, 0, {}, MONTH) if calls else None
    on_time = Figure(definition("notices_on_time_rate"), 0, 0, period=MONTH)
    return UnitRow(number, f"单位{number}", rate, on_time, figures)


def places(rows: list[UnitRow], name: str) -> list[tuple[int | None, int]]:
    return [(one.place, one.row.unit_id) for one in ranked(rows, name)]


def test_equal_units_share_a_place_and_the_next_counts_them_all() -> None:
    rows = [unit(1, added=3), unit(2, added=5), unit(3, added=5), unit(4, added=1)]
    assert places(rows, "unit_entries_added") == [(1, 2), (1, 3), (3, 1), (4, 4)]


def test_of_what_should_be_few_the_fewest_come_first() -> None:
    assert places([unit(1, added=3), unit(2, added=0)], "unit_sent_back") == [(1, 2), (2, 1)]


def test_a_share_of_few_cases_has_no_place() -> None:
    few, enough = FEWEST_CASES - 1, FEWEST_CASES
    rows = [unit(1, answered=few, calls=few), unit(2, answered=1, calls=enough), unit(3)]
    assert places(rows, "direct_answer_rate") == [(1, 2), (None, 1), (None, 3)]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_section_and_fault_of_every_rulebook_is_told_or_admitted(session: Session, cast: Cast, name: str) -> None:
    rulebook = load_shipped(name)
    found = bulletin(session, report(session, published_name(session, NOW), MONTH, ALL, NOW), rulebook, ALL)
    assert [one.title for one in found.sections] == list(rulebook.bulletin)
    assert all(section.figures or section.remark for section in found.sections)
    assert [one.title for one in found.faults] == list(rulebook.accountability)
    assert all(one.evidence or not one.units for one in found.faults)


def test_repeated_slips_name_a_unit_only_when_they_are_repeated(session: Session, cast: Cast) -> None:
    def send_back(question: str, reason: str) -> None:
        version = lifecycle.create_entry(session, replace(LOST_CARD, question=question), actor=None, now=NOW)
        lifecycle.submit(session, version, actor=None, now=NOW)
        lifecycle.send_back(session, version, reason, actor=None, now=NOW)

    def named(title: str) -> list[tuple[str, int]]:
        rulebook = replace(load_shipped("default"), accountability=(title,))
        made = report(session, published_name(session, NOW), MONTH, ALL, NOW)
        (fault,) = bulletin(session, made, rulebook, ALL).faults
        return [(one.unit, one.count) for one in fault.units]

    send_back("社保卡怎样挂失", "错别字")
    assert named("多次出现错别字") == []
    send_back("社保卡怎样解挂", "还有错别字")
    assert named("多次出现错别字") == [(cast.unit.name, 2)]
    assert named("关键词不准确") == []


def test_a_late_notice_is_evidence_and_what_is_not_in_the_base_is_not(session: Session, cast: Cast) -> None:
    from kb_admin.advance import advance

    begun = MONTH.start + timedelta(days=1)
    version = published(session, LOST_CARD, now=begun - DAY)
    notices.open_notice(
        session,
        kind=NoticeKind.CORRECTION,
        unit=cast.unit,
        title="核实补领材料",
        entry=version.entry,
        actor=None,
        now=begun,
        dispatched=True,
    )
    while advance(session, NOW).total:
        session.flush()
    made = report(session, published_name(session, NOW), MONTH, ALL, NOW)
    rulebook = replace(load_shipped("default"), accountability=("更新不及时", "转派工单处理不及时不到位"))
    late, orders = bulletin(session, made, rulebook, ALL).faults
    assert [one.unit for one in late.units] == [cast.unit.name]
    assert (orders.units, orders.evidence) == ((), "")

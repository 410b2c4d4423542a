"""The worked examples that clerks check with a calendar (docs/working-time.md) are what the program counts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path

import pytest

from kb_admin.published_years import library_year, read_year
from kb_admin.time_words import explain_due, moment_words
from kb_admin.worktime import Calendar, Limit, LimitUnit, OfficeHours, due_at, lead, time_left
from models.values import CHINA

DOCUMENT = (Path(__file__).parents[2] / "docs" / "working-time.md").read_text(encoding="utf-8")
USUAL = OfficeHours(frozenset(range(5)), ((time(9), time(12)), (time(13, 30), time(17, 30))))
START_DAY_COUNTS = "工作日：起算当天算第 1 个"
OTHER_HOURS = {
    "周一至周五 09:00–17:00，中午不休息": replace(USUAL, spans=((time(9), time(17)),)),
    "周六也上班": replace(USUAL, weekdays=frozenset(range(6))),
    "2026-11-18 本地放假一天": replace(USUAL, holidays=frozenset({date(2026, 11, 18)})),
    "2026-11-22、2026-10-07 本地上班": replace(USUAL, workdays=frozenset({date(2026, 11, 22), date(2026, 10, 7)})),
    "不按法定节假日": replace(USUAL, statutory=False),
    "每天 24 小时": OfficeHours(frozenset(range(7)), ((time(0), time(0)),), statutory=False),
}
WEEKDAYS = "一二三四五六日"


@dataclass(frozen=True)
class Example:
    """One row of a table: the section that it stands in, and its cells between number and explanation."""

    section: str
    number: int
    cells: tuple[str, ...]


def _examples() -> Iterator[Example]:
    section = ""
    for line in DOCUMENT.splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
        elif row := re.fullmatch(r"\| (\d+) \| (.+) \|", line):
            *cells, explanation = row[2].split(" | ")
            assert explanation.strip()
            yield Example(section, int(row[1]), tuple(cells))


EXAMPLES = tuple(_examples())
LEADS, LEFT = "提前多久", "还剩多久"
DUE = tuple(example for example in EXAMPLES if example.section not in (LEADS, LEFT))


def _name(example: Example) -> str:
    return f"{example.number}-{'-'.join(example.cells)}"


def _moment(cell: str) -> datetime:
    text, _, weekday = cell.rpartition(" 周")
    moment = datetime.fromisoformat(text).replace(tzinfo=CHINA)
    assert WEEKDAYS[moment.weekday()] == weekday, cell
    return moment


def _limit(words: str) -> Limit:
    count, _, label = words.partition(" ")
    limit = Limit(int(count), next(unit for unit in LimitUnit if unit.label == label))
    assert limit.words == words
    return limit


def _calendar(section: str) -> Calendar:
    return Calendar(OTHER_HOURS.get(section.removeprefix("办公时间不同："), USUAL))


def test_the_examples_are_numbered_and_many() -> None:
    assert [example.number for example in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
    assert len(DUE) >= 80
    assert {s.removeprefix("办公时间不同：") for s in (e.section for e in DUE) if "办公时间不同" in s} == set(
        OTHER_HOURS
    )


@pytest.mark.parametrize("example", DUE, ids=_name)
def test_a_limit_ends_when_the_example_says(example: Example) -> None:
    start, limit, due = _moment(example.cells[0]), _limit(example.cells[1]), _moment(example.cells[2])
    calendar, counts = _calendar(example.section), example.section == START_DAY_COUNTS
    assert due_at(start, limit, calendar, start_day_counts=counts) == due
    assert moment_words(due) in explain_due(start, limit, calendar, start_day_counts=counts)[-1]


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.section == LEADS], ids=_name)
def test_so_long_before_lies_where_the_example_says(example: Example) -> None:
    due, limit, moment = _moment(example.cells[0]), _limit(example.cells[1]), _moment(example.cells[2])
    assert lead(due, limit, Calendar(USUAL)) == moment


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.section == LEFT], ids=_name)
def test_what_is_left_is_told_as_in_the_example(example: Example) -> None:
    now, due, kind, words = example.cells
    unit = {"工作时间": LimitUnit.WORKING_DAYS, "自然时间": LimitUnit.HOURS}[kind]
    assert time_left(_moment(now), _moment(due), Calendar(USUAL), unit).words == words


def test_the_file_shown_for_a_year_is_that_years_calendar() -> None:
    shown = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    year, known = read_year(shown, name="2026.toml"), library_year(2026)
    assert (year.holidays, year.workdays) == (known.holidays, known.workdays)


def test_the_working_that_the_document_shows_is_what_the_program_says() -> None:
    shown = re.search(r"```text\n(.*?)```", DOCUMENT, re.DOTALL)[1].splitlines()
    start = datetime(2026, 9, 29, 16, 40, tzinfo=CHINA)
    limit = Limit.parse("5 working_days")
    due = due_at(start, limit, Calendar(USUAL)).astimezone(CHINA)
    assert shown == [due.isoformat(), *explain_due(start, limit, Calendar(USUAL))]

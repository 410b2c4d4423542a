"""Years that the State Council has published, those that it has not, and the file that an administrator adds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time

import pytest

from kb_admin.calendars import Calendar, CalendarNotPublished, OfficeHours
from kb_admin.published_years import PublishedYear, library_year, read_year
from kb_admin.worktime import Limit, due_at, lead, missing_calendar, time_left, working_seconds
from models.errors import FileRefused
from models.values import CHINA

USUAL = OfficeHours(frozenset(range(5)), ((time(9), time(12)), (time(13, 30), time(17, 30))))
UNKNOWN = 2035
"""Far enough ahead that no library of ours knows it; its 1 January is a Monday."""
TEXT = """
year = 2035
document = "国务院办公厅关于2035年部分节假日安排的通知"
number = "国办发明电〔2034〕9号"

[[holiday]]
name = "元旦"
from = 2034-12-30
to = 2035-01-01
workdays = [2035-01-07]

[[holiday]]
name = "劳动节"
from = 2035-05-01
to = 2035-05-03

[[holiday]]
name = "国庆节"
from = 2035-10-01
to = 2035-10-07
workdays = []
"""
KNOWN_BEFORE = PublishedYear.of_dates(UNKNOWN - 1, [], [])
"""As if the year before had no holidays at all."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def calendar_with(*years: PublishedYear) -> Calendar:
    return Calendar(USUAL, {year.year: year for year in years})


ADDED = calendar_with(KNOWN_BEFORE, read_year(TEXT, name="2035.toml"))
NOT_ADDED = calendar_with(KNOWN_BEFORE)


def test_a_file_states_the_days_of_its_year_and_their_document() -> None:
    year = read_year(TEXT, name="2035.toml")
    assert year.year == UNKNOWN
    assert year.source == "国务院办公厅关于2035年部分节假日安排的通知（国办发明电〔2034〕9号）"
    assert len(year.holidays) == 3 + 3 + 7
    assert year.workdays == {date(2035, 1, 7): "元旦"}


def test_a_clock_that_crosses_into_an_unknown_year_says_which_file_to_add() -> None:
    start, limit = at("2034-12-28T10:00"), Limit.parse("5 working_days")  # a Thursday
    with pytest.raises(CalendarNotPublished, match=r"2035 年.*2035\.toml.*docs/working-time\.md.*zhida calendar add"):
        due_at(start, limit, NOT_ADDED)
    # 29 December; then off until 1 January; 2, 3, 4, 5 January
    assert due_at(start, limit, ADDED) == at("2035-01-05T17:30")


@pytest.mark.parametrize(
    "count",
    [
        lambda calendar: due_at(at("2034-12-29T16:59"), Limit.parse("1 working_hour"), calendar),
        lambda calendar: lead(at("2035-01-03T10:00"), Limit.parse("1 working_hour"), calendar),
        lambda calendar: working_seconds(at("2034-12-29T10:00"), at("2035-01-02T10:00"), calendar),
        lambda calendar: time_left(at("2034-12-29T10:00"), at("2035-01-02T10:00"), calendar),
        lambda calendar: calendar.is_working_day(date(2035, 1, 6)),
        lambda calendar: calendar.kind(date(2035, 1, 6)),
    ],
)
def test_whatever_needs_the_unknown_year_says_so(count: Callable[[Calendar], object]) -> None:
    with pytest.raises(CalendarNotPublished) as refused:
        count(NOT_ADDED)
    assert refused.value.year == UNKNOWN
    count(ADDED)


@pytest.mark.parametrize(
    ("start", "limit", "due"),
    [
        ("2034-12-28T10:00", "1 working_day", "2034-12-29T17:30"),
        ("2034-12-29T16:30", "1 working_hour", "2034-12-29T17:30"),
        ("2034-12-31T23:00", "22 hours", "2035-01-01T21:00"),
        ("2034-12-31T23:00", "3 months", "2035-03-31T23:00"),
    ],
)
def test_what_does_not_need_it_is_counted(start: str, limit: str, due: str) -> None:
    assert due_at(at(start), Limit.parse(limit), NOT_ADDED) == at(due)


def test_working_time_up_to_midnight_does_not_need_the_year_that_begins() -> None:
    assert working_seconds(at("2034-12-29T16:30"), at("2035-01-01T00:00"), NOT_ADDED) == 3600
    assert working_seconds(at("2034-12-31T18:00"), at("2035-01-01T08:00"), NOT_ADDED) == 0


def test_who_does_not_follow_the_state_council_needs_no_year() -> None:
    own = Calendar(replace(USUAL, statutory=False))
    assert due_at(at("2034-12-29T10:00"), Limit.parse("1 working_day"), own) == at("2035-01-01T17:30")
    assert missing_calendar(at("2034-12-31T10:00"), own) is None


def test_days_of_december_in_the_new_years_notice_count_in_the_old_year() -> None:
    year = read_year(TEXT.replace("from = 2034-12-30", "from = 2034-12-29"), name="2035.toml")  # a Friday
    assert not calendar_with(KNOWN_BEFORE, year).is_working_day(date(2034, 12, 29))
    assert NOT_ADDED.is_working_day(date(2034, 12, 29))
    assert ADDED.kind(date(2034, 12, 30)) == "元旦放假"
    assert NOT_ADDED.kind(date(2034, 12, 30)) == "周末"


def test_a_year_that_was_added_goes_before_the_librarys() -> None:
    changed = replace(library_year(2026), holidays={date(2026, 9, 3): "纪念日"}, workdays={})
    calendar = calendar_with(changed)
    assert calendar.kind(date(2026, 9, 3)) == "纪念日放假"
    assert calendar.is_working_day(date(2026, 10, 1))


def test_days_kept_without_names_are_told_without_names() -> None:
    year = PublishedYear.of_dates(UNKNOWN, ["2035-01-01"], ["2035-01-07"])
    calendar = calendar_with(year)
    assert calendar.kind(date(2035, 1, 1)) == "法定节假日放假"
    assert calendar.kind(date(2035, 1, 7)) == "调休上班"
    assert calendar.is_working_day(date(2035, 1, 7))


@pytest.mark.parametrize(
    ("now", "year"),
    [
        ("2034-11-30T23:59:59", None),
        ("2034-12-01T00:00:00", UNKNOWN),
        ("2034-12-31T23:59:59", UNKNOWN),
        ("2035-01-01T00:00:00", UNKNOWN),
        ("2035-06-01T00:00:00", UNKNOWN),
    ],
)
def test_the_warning_comes_a_month_before_the_year(now: str, year: int | None) -> None:
    assert missing_calendar(at(now), NOT_ADDED) == year
    assert missing_calendar(at(now), ADDED) is None


def test_with_the_longest_limit_the_warning_comes_a_month_before_the_first_error() -> None:
    longest = Limit.parse("5 working_days")
    # 25 to 29 December 2034 are the last five working days: what starts on the 25th has only four after it
    assert missing_calendar(at("2034-11-22T17:29:59"), NOT_ADDED, longest=longest) is None
    assert missing_calendar(at("2034-11-22T17:30:00"), NOT_ADDED, longest=longest) == UNKNOWN
    assert due_at(at("2034-12-22T17:30"), longest, NOT_ADDED) == at("2034-12-29T17:30")
    with pytest.raises(CalendarNotPublished):
        due_at(at("2034-12-25T09:00"), longest, NOT_ADDED)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("year = 2035", "year = ", "不是有效的 TOML"),
        ("year = 2035", 'year = "2035"', "year 应是年份"),
        ("year = 2035", "", "year 应是年份"),
        ("year = 2035", "year = 20350", "year 应是年份"),
        ("year = 2035", "year = 2036", "2034-12-30 不属于 2036 年"),
        ("document = ", "title = ", "不认识的项“title”"),
        ('document = "国务院办公厅关于2035年部分节假日安排的通知"', "", "没有 document"),
        ('number = "国办发明电〔2034〕9号"', "number = 9", "没有 document"),
        ('name = "劳动节"', "", r"第 2 个 \[\[holiday\]\] 没有 name"),
        ('name = "劳动节"', 'named = "劳动节"', "不认识的项“named”"),
        ("from = 2035-05-01", 'from = "2035-05-01"', "的 from 应是日期"),
        ("from = 2035-05-01", "from = 2035-05-01T00:00:00", "的 from 应是日期"),
        ("from = 2035-05-01", "", "的 from 应是日期"),
        ("to = 2035-05-03", "to = 2035-04-30", "to 不能早于 from"),
        ("to = 2035-05-03", "to = 2035-06-03", "也不会超过 31 天"),
        ("to = 2035-05-03", "to = 2035-05-03\nworkdays = 2035-05-06", "日期的清单"),
        ("workdays = [2035-01-07]", "workdays = [2035-01-08]", "2035-01-08 不是周六或周日"),
        ("workdays = [2035-01-07]", "workdays = [2036-01-05]", "2036-01-05 不属于 2035 年"),
        ("workdays = [2035-01-07]", "workdays = [2035-01-07, 2035-01-07]", "已在“元旦”中写过"),
        ("workdays = [2035-01-07]", "workdays = [2034-12-31]", "2034-12-31 既放假又上班"),
        ("from = 2035-05-01", "from = 2035-05-02", "5月1日没有放假"),
        ("from = 2035-10-01", "from = 2035-05-03", "也不会超过 31 天"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(FileRefused, match=says):
        read_year(TEXT.replace(old, new, 1), name="2035.toml")


@pytest.mark.parametrize("text", ["", "year = 2035", 'year = 2035\ndocument = "通知"\nholiday = [1]'])
def test_a_file_without_holidays_is_refused(text: str) -> None:
    with pytest.raises(FileRefused, match=r"2035\.toml"):
        read_year(text, name="2035.toml")

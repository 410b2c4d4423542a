"""Counting working time: laws that hold for every start and limit, a slow recount, and what is refused."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kb_admin.calendars import Calendar, OfficeHours
from kb_admin.limits import LARGEST_COUNT, Limit, LimitUnit
from kb_admin.time_words import duration_words, explain_due, explain_left, hours_words
from kb_admin.worktime import TimeLeft, due_at, lead, time_left, working_seconds
from models.errors import Invalid
from models.values import CHINA

USUAL = OfficeHours(frozenset(range(5)), ((time(9), time(12)), (time(13, 30), time(17, 30))))
HOURS = (
    USUAL,
    replace(USUAL, spans=((time(8, 30), time(17, 0, 30)),), weekdays=frozenset(range(6))),
    replace(USUAL, holidays=frozenset({date(2025, 3, 5)}), workdays=frozenset({date(2025, 3, 8), date(2025, 10, 1)})),
    OfficeHours(frozenset(range(7)), ((time(0), time(0)),), statutory=False),
    OfficeHours(frozenset({1, 3}), ((time(22), time(22, 30)), (time(23), time(0)))),
)
CALENDARS = tuple(map(Calendar, HOURS))
STEP = timedelta(seconds=1)

calendars = st.sampled_from(CALENDARS)
FIRST = datetime(2024, 6, 1, tzinfo=CHINA).astimezone(UTC)
moments = st.integers(0, 366 * 86_400).map(lambda seconds: FIRST + seconds * STEP)
"""A year of starts: the longest limits, at three working hours a week, still end within the published years."""
limits = st.builds(Limit, st.integers(1, 40), st.sampled_from(LimitUnit))
in_hours = st.builds(Limit, st.integers(1, 90), st.sampled_from([LimitUnit.WORKING_HOURS, LimitUnit.WORKING_MINUTES]))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def seconds_in(limit: Limit) -> int:
    return limit.count * {LimitUnit.WORKING_HOURS: 3600, LimitUnit.WORKING_MINUTES: 60}[limit.unit]


@given(moments, moments, limits, calendars, st.booleans())
def test_who_starts_later_is_not_due_earlier(
    one: datetime, other: datetime, limit: Limit, calendar: Calendar, counts: bool
) -> None:
    first, last = sorted((one, other))
    due = [due_at(start, limit, calendar, start_day_counts=counts) for start in (first, last)]
    assert due == sorted(due)
    assert due[0] > first


@given(moments, limits, calendars, st.booleans())
def test_a_longer_limit_ends_later(start: datetime, limit: Limit, calendar: Calendar, counts: bool) -> None:
    longer = replace(limit, count=limit.count + 1)
    due, later = (due_at(start, each, calendar, start_day_counts=counts) for each in (limit, longer))
    assert due < later


@given(moments, in_hours, in_hours, calendars)
def test_working_hours_add_up(start: datetime, one: Limit, other: Limit, calendar: Calendar) -> None:
    minutes = (seconds_in(one) + seconds_in(other)) // 60
    together = due_at(start, Limit(minutes, LimitUnit.WORKING_MINUTES), calendar)
    assert due_at(due_at(start, one, calendar), other, calendar) == together


@given(moments, st.integers(1, 20), st.integers(1, 20), calendars)
def test_working_days_add_up(start: datetime, one: int, other: int, calendar: Calendar) -> None:
    days = LimitUnit.WORKING_DAYS
    if calendar.closes == 86_400:  # its close is the next day's midnight
        return
    first = due_at(start, Limit(one, days), calendar)
    assert due_at(first, Limit(other, days), calendar) == due_at(start, Limit(one + other, days), calendar)


@given(moments, moments, moments, calendars)
def test_working_time_between_moments_adds_up(a: datetime, b: datetime, c: datetime, calendar: Calendar) -> None:
    whole = working_seconds(a, c, calendar)
    assert working_seconds(a, b, calendar) + working_seconds(b, c, calendar) == whole
    assert working_seconds(c, a, calendar) == -whole


@given(moments, in_hours, calendars)
def test_working_time_until_due_is_the_limit(start: datetime, limit: Limit, calendar: Calendar) -> None:
    due = due_at(start, limit, calendar)
    assert working_seconds(start, due, calendar) == seconds_in(limit)
    assert working_seconds(start, due - STEP, calendar) == seconds_in(limit) - 1  # and it is the first such second


@given(moments, in_hours, calendars)
def test_as_long_before_it_is_due_so_much_is_left(due: datetime, limit: Limit, calendar: Calendar) -> None:
    before = lead(due, limit, calendar)
    assert working_seconds(before, due, calendar) == seconds_in(limit)
    assert working_seconds(before + STEP, due, calendar) == seconds_in(limit) - 1  # and it is the last such second


@given(moments, in_hours, calendars)
def test_before_and_after_undo_each_other(start: datetime, limit: Limit, calendar: Calendar) -> None:
    due = due_at(start, limit, calendar)
    assert lead(due, limit, calendar) >= start
    assert due_at(lead(due, limit, calendar), limit, calendar) == due


@given(moments, st.integers(1, 20), calendars)
def test_so_many_days_before_leave_so_many_whole_days(due: datetime, days: int, calendar: Calendar) -> None:
    before = lead(due, Limit(days, LimitUnit.WORKING_DAYS), calendar)
    assert working_seconds(before, due, calendar) == days * calendar.day_seconds


@given(moments, st.integers(1, 20))
def test_what_is_due_at_a_close_was_given_out_so_many_days_before(start: datetime, days: int) -> None:
    limit, calendar = Limit(days, LimitUnit.WORKING_DAYS), CALENDARS[0]
    due = due_at(start, limit, calendar)
    assert due_at(lead(due, limit, calendar), limit, calendar) == due


@given(moments, limits, calendars)
def test_a_fraction_of_a_second_does_not_count(start: datetime, limit: Limit, calendar: Calendar) -> None:
    late = start + timedelta(microseconds=999_999)
    assert due_at(late, limit, calendar) == due_at(start, limit, calendar)
    assert working_seconds(start, late, calendar) == 0


@given(moments, limits, calendars)
def test_the_zone_in_which_a_moment_is_written_does_not_count(
    start: datetime, limit: Limit, calendar: Calendar
) -> None:
    due = due_at(start, limit, calendar)
    for zone in (CHINA, ZoneInfo("America/New_York")):
        assert due_at(start.astimezone(zone), limit, calendar) == due
    assert due.tzinfo is UTC


# A slow recount that knows the State Council's days from the notices, and walks.

OFF = {  # 国办发明电〔2023〕7号, 〔2024〕12号, 〔2025〕7号: first and last day of each holiday
    *(("2024-01-01", "2024-01-01"), ("2024-02-10", "2024-02-17"), ("2024-04-04", "2024-04-06")),
    *(("2024-05-01", "2024-05-05"), ("2024-06-10", "2024-06-10"), ("2024-09-15", "2024-09-17")),
    *(("2024-10-01", "2024-10-07"), ("2025-01-01", "2025-01-01"), ("2025-01-28", "2025-02-04")),
    *(("2025-04-04", "2025-04-06"), ("2025-05-01", "2025-05-05"), ("2025-05-31", "2025-06-02")),
    *(("2025-10-01", "2025-10-08"), ("2026-01-01", "2026-01-03"), ("2026-02-15", "2026-02-23")),
    *(("2026-04-04", "2026-04-06"), ("2026-05-01", "2026-05-05"), ("2026-06-19", "2026-06-21")),
    *(("2026-09-25", "2026-09-27"), ("2026-10-01", "2026-10-07")),
}
MADE_UP = {
    *("2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11", "2024-09-14", "2024-09-29", "2024-10-12"),
    *("2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"),
    *("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"),
}


def works(day: date, hours: OfficeHours) -> bool:
    written = day.isoformat()
    if day in hours.workdays or day in hours.holidays:
        return day in hours.workdays
    if hours.statutory and written in MADE_UP:
        return True
    if hours.statutory and any(first <= written <= last for first, last in OFF):
        return False
    return day.weekday() in hours.weekdays


def open_minutes(start: datetime, hours: OfficeHours) -> Iterator[datetime]:
    """Each working minute from the start on, by walking over every minute. For hours that begin on whole minutes."""
    minute = start
    while True:
        ends = [(begin, end if end > begin else time.max) for begin, end in hours.spans]
        if works(minute.date(), hours) and any(begin <= minute.time() < end for begin, end in ends):
            yield minute
        minute += timedelta(minutes=1)


def test_the_library_holds_the_days_of_the_notices() -> None:
    day = date(2024, 1, 1)
    while day <= date(2026, 12, 31):
        assert CALENDARS[0].is_working_day(day) is works(day, USUAL), day
        day += timedelta(days=1)


@settings(max_examples=60, deadline=None)
@given(moments, st.integers(1, 900), st.sampled_from([0, 2, 3, 4]))
def test_working_minutes_agree_with_a_walk_over_every_minute(start: datetime, count: int, which: int) -> None:
    whole = start.astimezone(CHINA).replace(second=0, tzinfo=None)
    walk = open_minutes(whole, HOURS[which])
    last = [next(walk) for _ in range(count)][-1] + timedelta(minutes=1)
    due = due_at(whole.replace(tzinfo=CHINA), Limit(count, LimitUnit.WORKING_MINUTES), CALENDARS[which])
    assert due.astimezone(CHINA).replace(tzinfo=None) == last


@settings(deadline=None)
@given(moments, st.integers(1, 60), st.sampled_from([0, 1, 2]), st.booleans())
def test_working_days_agree_with_a_walk_over_every_day(start: datetime, count: int, which: int, counts: bool) -> None:
    hours = HOURS[which]
    local = start.astimezone(CHINA)
    day, close = local.date(), hours.spans[-1][1]
    left = count - 1 if counts and works(day, hours) and local.time() < close else count
    while left:
        day += timedelta(days=1)
        left -= works(day, hours)
    due = due_at(start, Limit(count, LimitUnit.WORKING_DAYS), CALENDARS[which], start_day_counts=counts)
    assert due == datetime.combine(day, close, CHINA)


@settings(deadline=None)
@given(moments, limits, calendars, st.booleans())
def test_the_working_shown_ends_with_the_answer(
    start: datetime, limit: Limit, calendar: Calendar, counts: bool
) -> None:
    steps = explain_due(start, limit, calendar, start_day_counts=counts)
    due = due_at(start, limit, calendar, start_day_counts=counts).astimezone(CHINA)
    assert f"{due.year}年{due.month}月{due.day}日" in steps[-1]
    if limit.unit is LimitUnit.WORKING_DAYS:
        assert f"{limit.count} 个" in steps[-2]
    elif limit.unit.is_working:
        assert steps[-2].endswith(f"累计 {duration_words(seconds_in(limit))}。")


def test_the_working_of_hours_names_each_day_and_why_it_does_not_count() -> None:
    assert explain_left(at("2026-02-13T18:40"), at("2026-02-25T11:00"), CALENDARS[0])[2:] == (
        "2月13日（周五）：已过下班时间，不计。",
        "2月14日（周六）：春节调休上班，09:00–12:00、13:30–17:30，7 小时，累计 7 小时。",
        "2月15日（周日）至2月23日（周一）：春节放假，不计。",
        "2月24日（周二）：09:00–12:00、13:30–17:30，7 小时，累计 14 小时。",
        "2月25日（周三）：09:00–11:00，2 小时，累计 16 小时。",
        "合计：16 小时工作时间，还剩 2 个工作日 2 小时。",
    )


def test_the_first_line_tells_when_the_city_works() -> None:
    assert hours_words(CALENDARS[4]) == (
        "办公时间：周二、周四，22:00–22:30、23:00–24:00，一个工作日 1 小时 30 分；"
        "法定节假日和调休按国务院办公厅的通知。"
    )
    assert "不按法定节假日和调休" in hours_words(CALENDARS[3])
    assert hours_words(CALENDARS[2]).endswith("，另有本地安排。")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (TimeLeft(1, 3, 20, False, 37_200), "还剩 1 个工作日 3 小时"),
        (TimeLeft(0, 3, 0, False, 10_800), "还剩 3 个工作小时"),
        (TimeLeft(0, 2, 0, True, -7_200), "已超 2 个工作小时"),
        (TimeLeft(0, 0, 5, False, 300), "还剩 5 工作分钟"),
        (TimeLeft(2, 0, 0, True, -172_800, natural=True), "已超 2 天"),
    ],
)
def test_time_left_is_told_as_people_say_it(left: TimeLeft, words: str) -> None:
    assert left.words == words


def test_overdue_begins_with_the_due_moment_itself() -> None:
    due = at("2026-11-20T17:30")
    assert not time_left(due - STEP, due, CALENDARS[0]).overdue
    assert time_left(due, due, CALENDARS[0]).overdue


@pytest.mark.parametrize("text", ["5 working_days", "1 months", "22 hours", "30 working_minutes", "99999 minutes"])
def test_a_limit_reads_as_it_is_written(text: str) -> None:
    assert str(Limit.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "words"), [("1 working_day", "1 个工作日"), ("3 month", "3 个月"), (" 30  minutes ", "30 分钟")]
)
def test_a_limit_may_be_written_in_the_singular(text: str, words: str) -> None:
    assert Limit.parse(text).words == words


@pytest.mark.parametrize(
    "text", ["", "5", "working_days", "5working_days", "5 天", "-1 days", "1.5 hours", "5 weeks", "５ days", "五 days"]
)
def test_what_is_no_limit_is_refused_with_the_units_there_are(text: str) -> None:
    with pytest.raises(Invalid, match=r"看不懂.*working_days（个工作日）"):
        Limit.parse(text)


@pytest.mark.parametrize("text", ["0 days", f"{LARGEST_COUNT + 1} days", f"{10**30} months"])
def test_a_count_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=str(LARGEST_COUNT)):
        Limit.parse(text)


@pytest.mark.parametrize("unit", [LimitUnit.DAYS, LimitUnit.MONTHS, LimitUnit.WORKING_DAYS])
def test_a_limit_past_all_years_is_refused_in_words(unit: LimitUnit) -> None:
    with pytest.raises(Invalid, match="请核对数字"):
        due_at(at("2026-11-20T10:00"), Limit(LARGEST_COUNT, unit), CALENDARS[3])


def test_months_before_all_years_are_refused_in_words() -> None:
    with pytest.raises(Invalid, match="请核对数字"):
        lead(at("2026-11-20T10:00"), Limit(LARGEST_COUNT, LimitUnit.MONTHS), CALENDARS[3])


def test_a_moment_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        due_at(datetime(2026, 11, 20, 10), Limit.parse("1 hour"), CALENDARS[0])  # noqa: DTZ001


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weekdays": frozenset()}, "每周工作日"),
        ({"weekdays": frozenset({7})}, "每周工作日"),
        ({"spans": ()}, "上下班时间"),
        ({"spans": ((time(12), time(9)),)}, "下班应晚于上班"),
        ({"spans": ((time(9), time(9)),)}, "下班应晚于上班"),
        ({"spans": ((time(13), time(17)), (time(9), time(12)))}, "先后排列"),
        ({"spans": ((time(9), time(12)), (time(11), time(17)))}, "先后排列"),
        ({"spans": ((time(9), time(12, 0, 0, 5)),)}, "精确到秒"),
        ({"holidays": frozenset({date(2026, 1, 5)}), "workdays": frozenset({date(2026, 1, 5)})}, "既写作"),
    ],
)
def test_office_hours_that_contradict_themselves_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(USUAL, **change)  # type: ignore[arg-type]

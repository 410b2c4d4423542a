"""The State Council's holidays and make-up days of a year: from the library, or from a file that is added."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Self

from chinese_calendar import constants

from models.errors import FileRefused
from models.values import EARLIEST, LATEST

FIXED_HOLIDAYS = ((1, 1), (5, 1), (10, 1))
"""元旦, 劳动节, 国庆节: off in every year (全国年节及纪念日放假办法 art. 2). A file without one is half written."""
LONGEST_HOLIDAY = 31
"""Days; a longer one is a slip in a date."""
FILE_KEYS = {"year", "document", "number", "holiday"}
HOLIDAY_KEYS = {"name", "from", "to", "workdays"}


@dataclass(frozen=True)
class PublishedYear:
    """放假安排 of one year: its holidays and its make-up days, each with the name of the festival, "" when not known.

    New Year's holiday can reach into the December before; those days belong to the year whose notice names them.
    """

    year: int
    holidays: Mapping[date, str] = field(default_factory=dict)
    workdays: Mapping[date, str] = field(default_factory=dict)
    source: str = ""
    """The document that announced it."""

    @classmethod
    def of_dates(cls, year: int, holidays: Iterable[str], workdays: Iterable[str], source: str = "") -> Self:
        """From ISO dates alone, as ``models.rules.CalendarYear`` keeps them."""
        off, worked = ({date.fromisoformat(day): "" for day in days} for days in (holidays, workdays))
        return cls(year, off, worked, source)


def library_year(year: int) -> PublishedYear | None:
    """What chinesecalendar holds for the year; None when it does not know it."""
    holidays, workdays = (_named(days, year) for days in (constants.holidays, constants.workdays))
    return PublishedYear(year, holidays, workdays) if holidays else None


def _named(days: Mapping[date, str], year: int) -> dict[date, str]:
    return {day: constants.Holiday(name).chinese for day, name in days.items() if day.year == year}


def read_year(text: str, *, name: str) -> PublishedYear:
    """The year that a file such as 2027.toml states; its form is shown in docs/working-time.md.

    Raises FileRefused, naming the file and the key, for anything that is not exactly of that form.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileRefused(f"{name} 不是有效的 TOML 文件：{error}。样例见 docs/working-time.md。") from error
    _only(content, FILE_KEYS, name)
    year, holidays = content.get("year"), content.get("holiday")
    if type(year) is not int or not EARLIEST.year <= year < LATEST.year:
        raise FileRefused(f"{name} 中的 year 应是年份，如 year = 2027。")
    source = _source(content, name)
    if not isinstance(holidays, list) or not holidays:
        raise FileRefused(f"{name} 中没有 [[holiday]]：请逐个写出通知中的节日。")
    off: dict[date, str] = {}
    worked: dict[date, str] = {}
    for number, holiday in enumerate(holidays, start=1):
        place = f"{name} 第 {number} 个 [[holiday]] "
        festival = _festival(holiday, place)
        _add(off, _days_off(holiday, place), festival, place, year)
        _add(worked, _make_up_days(holiday, place), festival, place, year)
    _check_whole(name, year, off, worked)
    return PublishedYear(year, off, worked, source)


def _source(content: dict[str, object], name: str) -> str:
    document, number = content.get("document"), content.get("number", "")
    if not isinstance(document, str) or not document.strip() or not isinstance(number, str):
        raise FileRefused(f"{name} 中没有 document：请写通知的名称，文号写在 number 中，都加引号。")
    return f"{document.strip()}（{number.strip()}）" if number.strip() else document.strip()


def _festival(holiday: object, place: str) -> str:
    if not isinstance(holiday, dict):
        raise FileRefused(f"{place}写法不对，样例见 docs/working-time.md。")
    _only(holiday, HOLIDAY_KEYS, place)
    name = holiday.get("name")
    if not isinstance(name, str) or not name.strip():
        raise FileRefused(f'{place}没有 name：请写节日名称，如 name = "春节"。')
    return name.strip()


def _days_off(holiday: dict[str, object], place: str) -> Iterator[date]:
    first, last = (_day(holiday.get(key), f"{place}的 {key} ") for key in ("from", "to"))
    if not 0 <= (last - first).days < LONGEST_HOLIDAY:
        raise FileRefused(f"{place}从 {first} 到 {last}：to 不能早于 from，一个假期也不会超过 {LONGEST_HOLIDAY} 天。")
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _make_up_days(holiday: dict[str, object], place: str) -> Iterator[date]:
    days = holiday.get("workdays", [])
    if not isinstance(days, list):
        raise FileRefused(f"{place}的 workdays 应是日期的清单，如 workdays = [2027-02-14]；没有调休写 []。")
    for given in days:
        day = _day(given, f"{place}的 workdays ")
        if day.weekday() < 5:
            raise FileRefused(f"{place}的 workdays 中 {day} 不是周六或周日，请对照通知核对。")
        yield day


def _day(given: object, place: str) -> date:
    if isinstance(given, datetime) or not isinstance(given, date):
        raise FileRefused(f"{place}应是日期，写成 2027-10-01 的样子，不加引号。")
    return given


def _add(days: dict[date, str], new: Iterator[date], festival: str, place: str, year: int) -> None:
    for day in new:
        if not date(year - 1, 12, 1) <= day <= date(year, 12, 31):
            raise FileRefused(f"{place}中的 {day} 不属于 {year} 年。")
        if day in days:
            raise FileRefused(f"{place}中的 {day} 已在“{days[day]}”中写过。")
        days[day] = festival


def _check_whole(name: str, year: int, off: dict[date, str], worked: dict[date, str]) -> None:
    for day in sorted(off.keys() & worked.keys()):
        raise FileRefused(f"{name} 中 {day} 既放假又上班，请对照通知核对。")
    for month, number in FIXED_HOLIDAYS:
        if date(year, month, number) not in off:
            raise FileRefused(f"{name} 中 {month}月{number}日没有放假，内容不全。请按通知写全一年的节日。")


def _only(table: dict[str, object], allowed: set[str], place: str) -> None:
    for key in table.keys() - allowed:
        raise FileRefused(f"{place.strip()} 中有不认识的项“{key}”，可以写的是 {'、'.join(sorted(allowed))}。")

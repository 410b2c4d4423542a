"""Dates as files write them. They are read and written in Asia/Shanghai; the base holds UTC.

下架时间 given as a day means through that day: 2026-06-30 is stored as 2026-07-01 00:00 and written as 2026-06-30.
"""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
YEARS = range(1949, 2200)
PATTERN = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T\s]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?"
)
ISO_WITH_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[T ].*(Z|[+-]\d{2}:?\d{2})")


class NotADate(ValueError):
    """The text is no date that we read."""


def read_start(value: str | datetime) -> datetime:
    """The moment from which an entry holds: the beginning of the day when only a day is given."""
    moment, _ = _read(value)
    return moment


def read_end(value: str | datetime) -> datetime:
    """The moment at which an entry is gone: the end of the day when only a day is given."""
    moment, day_only = _read(value)
    if day_only:
        return _utc(moment.astimezone(CHINA).replace(tzinfo=None) + timedelta(days=1))
    return moment


def write_start(moment: datetime | None) -> str:
    """What ``read_start`` reads back as the same moment."""
    if moment is None:
        return ""
    local = moment.astimezone(CHINA)
    return f"{local:%Y-%m-%d}" if local.time() == time() else _full(local)


def write_end(moment: datetime | None) -> str:
    """What ``read_end`` reads back as the same moment."""
    if moment is None:
        return ""
    local = moment.astimezone(CHINA)
    return f"{local.date() - timedelta(days=1):%Y-%m-%d}" if local.time() == time() else _full(local)


def _full(local: datetime) -> str:
    return local.replace(tzinfo=None).isoformat(sep=" ")


def _read(value: str | datetime) -> tuple[datetime, bool]:
    """The moment, and whether only a day was given."""
    if isinstance(value, datetime):
        return _utc(value), value.time() == time()
    text = value.strip()
    if ISO_WITH_ZONE.fullmatch(text):
        return _iso(text), False
    match = PATTERN.fullmatch(text)
    if match is None or int(match[1]) not in YEARS:
        raise NotADate(f"“{text[:30]}”不是日期，请写成 2025-01-31 或 2025-01-31 16:30。")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    microsecond = int((match[7] or "0").ljust(6, "0"))
    try:
        naive = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001 - zone follows
    except ValueError:
        raise NotADate(f"没有“{text[:30]}”这一天或这一刻，请核对。") from None
    return _utc(naive), match[4] is None


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotADate(f"“{text[:40]}”不是日期，请写成 2025-01-31 或 2025-01-31 16:30。") from None


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=CHINA).astimezone(UTC)

"""Dates as files write them. They are read and written in Asia/Shanghai; the base holds UTC.

下架时间 given as a day means through that day: 2026-06-30 is stored as 2026-07-01 00:00 and written as 2026-06-30.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

from models.values import CHINA, EARLIEST, LATEST

NO_END = date(9999, 12, 31)
"""What other programs write for 长期: the last day that they can."""
DAY = timedelta(days=1)
PATTERN = re.compile(
    r"(\d{4})\s*+[-/.年]\s*+(\d{1,2})\s*+[-/.月]\s*+(\d{1,2})(?:\s*+日)?+"
    r"(?:(?:T|\s++T?+)\s*+(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?)?"
)
"""Possessive, so that no run of blanks is ever divided in two ways."""
LONGEST = 40
"""Characters; the longest date anyone writes, with microseconds and zone, has 32."""
ISO_WITH_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[T ].*(Z|[+-]\d{2}:?\d{2})")


class NotADate(ValueError):
    """The text is no date that we read, or one that the base does not hold."""


def read_start(value: str | datetime) -> datetime:
    """The moment from which an entry holds: the beginning of the day when only a day is given."""
    written, _ = _read(value)
    return _stored(written)


def read_end(value: str | datetime) -> datetime | None:
    """The moment at which an entry is gone: the end of the day when only a day is given; None for 9999-12-31."""
    written, day_only = _read(value)
    if written.date() == NO_END:
        return None
    return _stored(written, DAY if day_only else timedelta())


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
    return f"{local.date() - DAY:%Y-%m-%d}" if local.time() == time() else _full(local)


def _full(local: datetime) -> str:
    return local.replace(tzinfo=None).isoformat(sep=" ")


def _read(value: str | datetime) -> tuple[datetime, bool]:
    """The moment as it is written, and whether only a day was given."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=CHINA), value.time() == time()
    text = value.strip()
    if len(text) > LONGEST:
        raise NotADate(f"“{text[:30]}…”不是日期，请写成 2025-01-31 或 2025-01-31 16:30。")
    if ISO_WITH_ZONE.fullmatch(text):
        return _iso(text), False
    match = PATTERN.fullmatch(text)
    if match is None:
        raise NotADate(f"“{text[:30]}”不是日期，请写成 2025-01-31 或 2025-01-31 16:30。")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    microsecond = int((match[7] or "0").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, CHINA), match[4] is None
    except ValueError:
        raise NotADate(f"没有“{text[:30]}”这一天或这一刻，请核对。") from None


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise NotADate(f"“{text[:40]}”不是日期，请写成 2025-01-31 或 2025-01-31 16:30。") from None


def _stored(written: datetime, plus: timedelta = timedelta()) -> datetime:
    """In UTC, once it is known to lie in years in which that can be computed."""
    if not EARLIEST <= written <= LATEST - plus:
        raise NotADate(f"{written.year} 年不在 {EARLIEST.year} 至 {LATEST.year - 1} 年之间，请核对；长期有效请留空。")
    return (written + plus).astimezone(UTC)

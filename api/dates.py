"""Moments and spans as people here read them: Asia/Shanghai, 2026-11-21 16:30, 还剩 3 天."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.validity import is_ahead, is_over

CHINA = ZoneInfo("Asia/Shanghai")
THIN = "\u2009"
"""Sets numbers off from the characters around them."""
SOON = timedelta(days=30)
"""Validity that ends within a month is shown as 临期: editors review monthly (梅州 art. 8(3))."""


@dataclass(frozen=True)
class Validity:
    """Until when an entry holds, in words, and the state that colours them."""

    text: str
    state: str
    """``open``, ``soon``, ``over`` or ``ahead``."""
    label: str
    """The state as one word; empty when there is nothing to notice."""


def moment(at: datetime | None) -> str:
    """2026-11-21 16:30; a dash for none."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if at else "—"


def clock_time(at: datetime) -> str:
    """16:30, for what happened in this shift."""
    return at.astimezone(CHINA).strftime("%H:%M")


def second_time(at: datetime) -> str:
    """16:30:05, for what happened in a call."""
    return at.astimezone(CHINA).strftime("%H:%M:%S")


def day(at: datetime | None) -> str:
    """2026-11-21; a dash for none."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d") if at else "—"


def last_moment(valid_to: datetime) -> str:
    """The last day that holds; an entry that ends at midnight held through the day before."""
    local = valid_to.astimezone(CHINA)
    if (local.hour, local.minute) == (0, 0):
        return (local - timedelta(days=1)).strftime("%Y-%m-%d")
    return local.strftime("%Y-%m-%d %H:%M")


def time_left(until: datetime, now: datetime) -> str:
    """还剩 39 天, 还剩 5 小时, or 已过 3 天."""
    span = abs(until - now)
    if span >= timedelta(days=1):
        amount = f"{span.days}{THIN}天"
    elif span >= timedelta(hours=1):
        amount = f"{span.seconds // 3600}{THIN}小时"
    else:
        amount = f"{max(1, span.seconds // 60)}{THIN}分钟"
    return f"{'还剩' if until > now else '已过'}{THIN}{amount}"


def age(at: datetime, now: datetime) -> str:
    """今天, 昨天, 21 天前, by calendar days."""
    days = (_local_day(now) - _local_day(at)).days
    if days <= 0:
        return "今天"
    return "昨天" if days == 1 else f"{days}{THIN}天前"


def validity(valid_from: datetime | None, valid_to: datetime | None, now: datetime) -> Validity:
    """What the quiet line of an answer says of its dates."""
    start = f"{day(valid_from)}{THIN}起" if valid_from else ""
    if is_ahead(valid_from, now):
        return Validity(f"{day(valid_from)}{THIN}起生效", "ahead", "未生效")
    if valid_to is None:
        return Validity(f"{start}长期有效" if start else "长期有效", "open", "")
    end = (
        f"{day(valid_from)}{THIN}至{THIN}{last_moment(valid_to)}" if valid_from else f"至{THIN}{last_moment(valid_to)}"
    )
    if is_over(valid_to, now):
        return Validity(f"{end}（{time_left(valid_to, now)}）", "over", "已到期")
    if valid_to - now <= SOON:
        return Validity(f"{end}（{time_left(valid_to, now)}）", "soon", "临期")
    return Validity(end, "open", "")


def _local_day(at: datetime) -> date:
    return at.astimezone(CHINA).date()

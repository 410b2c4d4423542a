"""A time limit as the rules state it: so many minutes, hours, days or months, natural or working (期限)."""

import re
from dataclasses import dataclass
from typing import Self

from models.errors import Invalid
from models.values import Choice

LARGEST_COUNT = 99_999
"""Beyond every limit in use, and small enough that no sum leaves the years that a date can hold."""
FORM = re.compile(r"([0-9]+) +([a-z_]+)")


class LimitUnit(Choice):
    """What a limit counts. Natural units run through nights and holidays; working units stand still then."""

    MINUTES = "minutes", "分钟"
    HOURS = "hours", "小时"
    DAYS = "days", "天"
    MONTHS = "months", "个月"
    WORKING_MINUTES = "working_minutes", "工作分钟"
    WORKING_HOURS = "working_hours", "个工作小时"
    WORKING_DAYS = "working_days", "个工作日"

    @property
    def is_working(self) -> bool:
        """Whether the calendar and the office hours count."""
        return self.value.startswith("working_")


@dataclass(frozen=True, order=False)
class Limit:
    """A number of units. Two limits of different units have no order: a month is not so many working days."""

    count: int
    unit: LimitUnit

    def __post_init__(self) -> None:
        if not 1 <= self.count <= LARGEST_COUNT:
            raise Invalid(f"期限的数字是 {self.count}，应在 1 至 {LARGEST_COUNT} 之间。")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "5 working_days" or "1 working_day". Raises Invalid."""
        match = FORM.fullmatch(text.strip())
        unit = _unit_named(match[2]) if match else None
        if match is None or unit is None:
            raise Invalid(f"期限“{text}”看不懂。请写一个数字、一个空格和一个单位，如 5 working_days；{_all_units()}。")
        if len(match[1]) > len(str(LARGEST_COUNT)):
            raise Invalid(f"期限“{text}”的数字太大，最多 {LARGEST_COUNT}。")
        return cls(int(match[1]), unit)

    def __str__(self) -> str:
        return f"{self.count} {self.unit.value}"

    @property
    def words(self) -> str:
        """As people read it: "5 个工作日"."""
        return f"{self.count} {self.unit.label}"


def _unit_named(name: str) -> LimitUnit | None:
    return next((unit for unit in LimitUnit if name in (unit.value, unit.value.removesuffix("s"))), None)


def _all_units() -> str:
    return "单位有 " + "、".join(f"{unit.value}（{unit.label}）" for unit in LimitUnit)

"""Kinds of value in a rulebook: how a file writes each, what it becomes, and how people read it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, time
from fractions import Fraction
from typing import Any

from kb_admin.worktime import Limit
from models.errors import Invalid
from models.values import Choice

NONE = "none"
"""How a file says that there is none: TOML has no word for it."""
WEEKDAYS = "一二三四五六日"
SPECIAL_TYPES = {"rest": "其他流程没有列出的类型", "all": "全部类型", "ordinary": "非紧急类型", "emergency": "紧急类型"}
"""Words that stand for a set of info types; which of them a key takes, its kind says."""
Plain = Any
"""What TOML holds."""


@dataclass(frozen=True)
class Kind:
    """One kind of value. ``read`` raises Invalid with the sentence that says what is expected."""

    read: Callable[[Plain], Any]
    plain: Callable[[Any], Plain]
    """Back to what the file holds."""
    words: Callable[[Any], str]


def flag() -> Kind:
    """是 or 否."""
    return Kind(lambda given: _expect(given, bool, "true 或 false"), lambda value: value, lambda v: "是" if v else "否")


def count(smallest: int, unit: str = "", *, optional: bool = False) -> Kind:
    """A whole number, not below ``smallest``; ``unit`` follows it in words."""
    expected = f"不小于 {smallest} 的整数"

    def read(given: Plain) -> int | None:
        if optional and given == NONE:
            return None
        if type(given) is not int or given < smallest:
            raise Invalid(f"应写{expected}{'，或 none（不限）' if optional else ''}，写的是 {given!r}")
        return given

    return Kind(read, lambda value: NONE if value is None else value, lambda v: "不限" if v is None else f"{v}{unit}")


def text() -> Kind:
    """A sentence."""

    def read(given: Plain) -> str:
        if not isinstance(given, str) or not given.strip():
            raise Invalid(f"应写一句话，写的是 {given!r}")
        return given.strip()

    return Kind(read, str, str)


def word(kind: type[Choice], *, optional: bool = False, none: str = "无") -> Kind:
    """One word of a choice; ``none`` is how people read that there is none."""

    def read(given: Plain) -> Choice | None:
        return None if optional and given == NONE else _choice(kind, given, optional=optional)

    return Kind(read, lambda v: NONE if v is None else str(v.value), lambda v: none if v is None else v.label)


def words_of(kind: type[Choice]) -> Kind:
    """Several words of a choice, each once."""

    def read(given: Plain) -> tuple[Choice, ...]:
        return tuple(_choice(kind, each) for each in _once_each(given))

    return Kind(read, lambda values: [str(v.value) for v in values], lambda values: "、".join(v.label for v in values))


def texts() -> Kind:
    """Several words of one's own, each once."""

    def read(given: Plain) -> tuple[str, ...]:
        return tuple(text().read(each) for each in _once_each(given))

    return Kind(read, list, "、".join)


def names(labels: dict[str, str]) -> Kind:
    """Several of the given words, each once."""

    def read(given: Plain) -> tuple[str, ...]:
        for each in _once_each(given):
            if each not in labels:
                raise Invalid(f"没有“{each}”，可写：{_listed(labels)}")
        return tuple(given)

    return Kind(read, list, lambda values: "、".join(labels[value] for value in values))


def name(*, optional: bool = False) -> Kind:
    """Name of another item of the same file; whether it is there is checked with the whole book."""

    def read(given: Plain) -> str | None:
        if not isinstance(given, str) or not given:
            raise Invalid(f"应写名称{'或 none' if optional else ''}，写的是 {given!r}")
        return None if optional and given == NONE else given

    return Kind(read, lambda value: NONE if value is None else value, lambda value: "无" if value is None else value)


def limit(*, optional: bool = False) -> Kind:
    """期限: "5 working_days"."""

    def read(given: Plain) -> Limit | None:
        if optional and given == NONE:
            return None
        return Limit.parse(_expect(given, str, "期限，如 5 working_days"))

    return Kind(read, lambda v: NONE if v is None else str(v), lambda v: "不提醒" if v is None else v.words)


def share(
    smallest: Fraction, largest: Fraction | None, *, percent: bool, unit: str = "", optional: bool = False
) -> Kind:
    """An exact number: "80%", "4/5" or "0.8"; never a floating one. ``unit`` follows it in words."""

    def read(given: Plain) -> Fraction | None:
        if optional and given == NONE:
            return None
        value = _fraction(given)
        if value < smallest or (largest is not None and value > largest):
            upper = "" if largest is None else f"、不大于 {_told(largest, percent=percent)}"
            raise Invalid(f"应不小于 {_told(smallest, percent=percent)}{upper}，写的是 {given}")
        return value

    def words(value: Fraction | None) -> str:
        return "不限" if value is None else f"{_told(value, percent=percent)}{unit}"

    return Kind(read, lambda v: NONE if v is None else _told(v, percent=percent), words)


def info_types(*specials: str) -> Kind:
    """A set of info types: by name, or one of the given words for a set."""

    def read(given: Plain) -> str | tuple[str, ...]:
        if isinstance(given, str):
            if given not in specials:
                raise Invalid(f"没有“{given}”，应写类型的列表，或 {_listed({s: SPECIAL_TYPES[s] for s in specials})}")
            return given
        found = tuple(text().read(each) for each in _once_each(given))
        if not found:
            raise Invalid("至少写一个信息类型")
        return found

    def words(value: str | tuple[str, ...]) -> str:
        return SPECIAL_TYPES[value] if isinstance(value, str) else "、".join(value)

    return Kind(read, lambda value: value if isinstance(value, str) else list(value), words)


def weekdays() -> Kind:
    """Days of the week, 1 is Monday; as a value 0 is."""

    def read(given: Plain) -> frozenset[int]:
        if any(type(day) is not int or not 1 <= day <= 7 for day in _once_each(given)):
            raise Invalid("应写 1（周一）至 7（周日）的整数，如 [1, 2, 3, 4, 5]")
        return frozenset(day - 1 for day in given)

    return Kind(
        read,
        lambda value: [day + 1 for day in sorted(value)],
        lambda value: "、".join(f"周{WEEKDAYS[day]}" for day in sorted(value)),
    )


def spans() -> Kind:
    """Spans of a day: "09:00-12:00"."""

    def read(given: Plain) -> tuple[tuple[time, time], ...]:
        return tuple(_span(each) for each in _once_each(given))

    def plain(value: Iterable[tuple[time, time]]) -> list[str]:
        return [f"{start:%H:%M}-{end:%H:%M}" for start, end in value]

    return Kind(read, plain, lambda value: "、".join(plain(value)).replace("-", "–"))


def days() -> Kind:
    """Dates: "2026-10-10"."""

    def read(given: Plain) -> frozenset[date]:
        return frozenset(_day(each) for each in _once_each(given))

    def plain(value: Iterable[date]) -> list[str]:
        return [day.isoformat() for day in sorted(value)]

    return Kind(read, plain, lambda value: "、".join(plain(value)) or "无")


def _expect(given: Plain, kind: type, expected: str) -> Any:
    if type(given) is not kind:
        raise Invalid(f"应写{expected}，写的是 {given!r}")
    return given


def _once_each(given: Plain) -> list[Any]:
    if not isinstance(given, list):
        raise Invalid(f"应写列表（方括号），写的是 {given!r}")
    for place, each in enumerate(given):
        if each in given[:place]:
            raise Invalid(f"“{each}”写了两遍")
    return given


def _choice(kind: type[Choice], given: Plain, *, optional: bool = False) -> Choice:
    found = {str(member.value): member for member in kind}.get(given) if isinstance(given, str) else None
    if found is None:
        labels = {str(member.value): member.label for member in kind} | ({NONE: "无"} if optional else {})
        raise Invalid(f"没有 {given!r}，可写：{_listed(labels)}")
    return found


def _listed(labels: dict[str, str]) -> str:
    return "、".join(f"{key}（{label}）" for key, label in labels.items())


def _fraction(given: Plain) -> Fraction:
    try:
        if not isinstance(given, str):
            raise ValueError  # a floating number is not exact: 0.8 is a little more than 4/5
        return Fraction(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except (ValueError, ZeroDivisionError) as error:
        raise Invalid(f'应写带引号的数，如 "80%"、"4/5"、"0.8"，写的是 {given!r}') from error


def _told(value: Fraction, *, percent: bool) -> str:
    """Exact: as a percentage where it has one of few places, as a fraction otherwise."""
    scaled = value * 100 if percent else value
    hundredths = scaled * 100
    if hundredths.denominator != 1:
        return str(value)
    whole, rest = divmod(int(hundredths), 100)
    return f"{whole}{f'.{rest:02d}'.rstrip('0') if rest else ''}{'%' if percent else ''}"


def _span(given: Plain) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(part.strip()) for part in given.split("-"))
    except (AttributeError, ValueError) as error:
        raise Invalid(f'应写如 "09:00-12:00" 的时段，写的是 {given!r}') from error
    return start, end


def _day(given: Plain) -> date:
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError) as error:
        raise Invalid(f'应写如 "2026-10-10" 的日期，写的是 {given!r}') from error

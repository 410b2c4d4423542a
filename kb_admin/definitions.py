"""指标定义: what every figure means, from the files in ``definitions/``; docs/definitions.md shows their form.

A figure never stands without its definition, so a name without one cannot be shown. Reading is strict: a file with a
single fault is refused whole, each fault told with its place.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from models.errors import Invalid, NotFound
from models.values import Choice, Ending, Matter

FOLDER = files("kb_admin").joinpath("definitions")
MOST_REPEAT_DAYS = 365
UNSAID_ENDING, UNKNOWN_CALLER = "没有记录结束方式", "不知道来电人"
UNSAID_MATTER = "没有注明诉求类别"
Kind = TypeVar("Kind", bound=Choice)


class Measure(Choice):
    """What a figure is counted in."""

    PERCENT = "percent", "%"
    CALLS = "calls", "通"
    GROUPS = "groups", "组"
    ENTRIES = "entries", "条"
    NOTICES = "notices", "份"
    WORKING_HOURS = "working_hours", "工作小时"


class Timing(Choice):
    """Which time a figure tells of."""

    PERIOD = "period", "所选期间"
    MOMENT = "moment", "查看的时刻"


class Repeat(Choice):
    """What a later call of the same caller on the same matter does to a call."""

    IGNORED = "ignored", "不看是否再次来电"
    RULEBOOK = "rulebook", "规则所定的日数内再次来电的不算解答"


@dataclass(frozen=True)
class CallRule:
    """Which calls a rate counts, and which of these it counts as achieved: the definition as a computer reads it."""

    matters: frozenset[Matter]
    matter_unsaid: bool
    """Whether calls of which nobody said the matter count."""
    endings: frozenset[Ending]
    ending_unsaid: bool
    caller_unknown: bool
    """Whether calls of an unknown caller count."""
    achieved: frozenset[Ending]
    from_base: bool
    """Achieved only with an entry that it was answered with."""
    repeat: Repeat | int
    """A number: so many days, whatever the rulebook says."""


@dataclass(frozen=True)
class Definition:
    """One figure: what is counted, by what it is divided, what is left out, and why so."""

    name: str
    title: str
    unit: Measure
    timing: Timing
    numerator: str
    denominator: str
    """Empty for a count."""
    exclusions: tuple[str, ...]
    source: str
    """What the regulations say of it."""
    why: str
    calls: CallRule | None = None
    """For rates over calls."""

    @property
    def address(self) -> str:
        """Where people read it."""
        return f"/definitions#{self.name}"


def definition(name: str) -> Definition:
    """The definition of that name. Raises NotFound, naming those that there are."""
    found = all_definitions().get(name)
    if found is None:
        raise NotFound(f"没有名为“{name}”的指标。已有的指标：{'、'.join(all_definitions())}。")
    return found


@cache
def all_definitions() -> Mapping[str, Definition]:
    """Every figure by its name, in the order of the files and in them. Raises Invalid with every fault."""
    found: dict[str, Definition] = {}
    for file in sorted((entry for entry in FOLDER.iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name):
        for name, one in read(file.read_text(encoding="utf-8"), file=file.name).items():
            if name in found:
                raise Invalid(f"指标定义文件 {file.name}：“{name}”在另一个文件里已经有了。")
            found[name] = one
    return found


def call_rates() -> tuple[Definition, ...]:
    """The rates over calls, those that a rulebook can name as published among them."""
    return tuple(one for one in all_definitions().values() if one.calls is not None)


def read(text: str, *, file: str) -> dict[str, Definition]:
    """What one file says. Raises Invalid with every fault and its place."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"指标定义文件 {file} 不是有效的 TOML：{error}") from error
    faults: list[str] = []
    found = {name: _definition(name, table, faults) for name, table in content.items()}
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise Invalid(f"指标定义文件 {file} 有 {len(faults)} 处错误：{listed}")
    return {name: one for name, one in found.items() if one is not None}


TEXTS = ("title", "numerator", "source", "why")
DEFINITION_KEYS = {*TEXTS, "unit", "timing", "denominator", "exclusions", "calls"}


def _definition(name: str, table: Any, faults: list[str]) -> Definition | None:
    before = len(faults)
    if not isinstance(table, dict):
        faults.append(f"{name}：应是一节（表）")
        return None
    for key in table.keys() - DEFINITION_KEYS:
        faults.append(f"{name}.{key}：没有这个键，可写：{'、'.join(sorted(DEFINITION_KEYS))}")
    texts = {key: _text(name, key, table, faults) for key in TEXTS}
    unit = _one_of(name, "unit", table, Measure, faults)
    timing = _one_of(name, "timing", table, Timing, faults)
    denominator = _text(name, "denominator", table, faults) if "denominator" in table else ""
    exclusions = _list(name, "exclusions", table, faults)
    rule = _call_rule(f"{name}.calls", table["calls"], faults) if "calls" in table else None
    if unit is Measure.PERCENT and not denominator:
        faults.append(f"{name}.denominator：比率要写分母")
    if unit is not None and unit is not Measure.PERCENT and denominator:
        faults.append(f"{name}.denominator：单位是“{unit.label}”的不是比率，没有分母")
    if rule is not None:
        faults += [f"{name}.exclusions：{fault}" for fault in untold(rule, exclusions)]
    if len(faults) > before or unit is None or timing is None:
        return None
    return Definition(
        name=name, unit=unit, timing=timing, denominator=denominator, exclusions=exclusions, calls=rule, **texts
    )


def untold(rule: CallRule, exclusions: tuple[str, ...]) -> Iterator[str]:
    """What the data leaves out and the words do not name: the two must not drift apart."""
    said = "".join(exclusions)
    left_out = [ending.label for ending in Ending if ending not in rule.endings]
    left_out += [matter.label for matter in Matter if matter not in rule.matters]
    left_out += [UNSAID_ENDING] if not rule.ending_unsaid else []
    left_out += [UNSAID_MATTER] if not rule.matter_unsaid else []
    left_out += [UNKNOWN_CALLER] if not rule.caller_unknown else []
    for word in left_out:
        if word not in said:
            yield f"口径数据不计“{word}”，除外说明里没有写到"


MATTERS = {matter.value: matter for matter in Matter}
ENDINGS = {ending.value: ending for ending in Ending}
REPEATS = {repeat.value: repeat for repeat in Repeat}
RULE_KEYS: dict[str, Callable[[Any], bool]] = {
    "matters": lambda value: _names(value, Matter),
    "matter_unsaid": lambda value: isinstance(value, bool),
    "endings": lambda value: _names(value, Ending),
    "ending_unsaid": lambda value: isinstance(value, bool),
    "caller_unknown": lambda value: isinstance(value, bool),
    "achieved": lambda value: _names(value, Ending),
    "from_base": lambda value: isinstance(value, bool),
    "repeat": lambda value: value in REPEATS or _is_days(value),
}
EXPECTED = {
    "matters": f"应是诉求类别的列表，可写：{'、'.join(Matter)}",
    "endings": f"应是结束方式的列表，可写：{'、'.join(Ending)}",
    "achieved": f"应是结束方式的列表，可写：{'、'.join(Ending)}",
    "repeat": f"应是 ignored、rulebook，或 1 至 {MOST_REPEAT_DAYS} 的日数",
}


def _call_rule(path: str, table: Any, faults: list[str]) -> CallRule | None:
    before = len(faults)
    if not isinstance(table, dict):
        faults.append(f"{path}：应是一节（表）")
        return None
    faults += [f"{path}.{key}：没有这个键，可写：{'、'.join(RULE_KEYS)}" for key in table.keys() - RULE_KEYS.keys()]
    for key, fits in RULE_KEYS.items():
        if key not in table:
            faults.append(f"{path}.{key}：没有写")
        elif not fits(table[key]):
            faults.append(f"{path}.{key}：{EXPECTED.get(key, '应是 true 或 false')}，写的是 {table[key]!r}")
    if len(faults) > before:
        return None
    rule = CallRule(
        matters=frozenset(MATTERS[value] for value in table["matters"]),
        matter_unsaid=table["matter_unsaid"],
        endings=frozenset(ENDINGS[value] for value in table["endings"]),
        ending_unsaid=table["ending_unsaid"],
        caller_unknown=table["caller_unknown"],
        achieved=frozenset(ENDINGS[value] for value in table["achieved"]),
        from_base=table["from_base"],
        repeat=REPEATS[table["repeat"]] if table["repeat"] in REPEATS else table["repeat"],
    )
    if not rule.achieved <= rule.endings:
        faults.append(f"{path}.achieved：分子里的结束方式都应在 endings 里，否则比率会超过 100%")
    if rule.from_base and rule.achieved - {Ending.ANSWERED}:
        faults.append(
            f"{path}.from_base：只有“{Ending.ANSWERED.label}”记下条目，achieved 只能写 {Ending.ANSWERED.value}"
        )
    if rule.repeat is not Repeat.IGNORED and rule.caller_unknown:
        faults.append(f"{path}.caller_unknown：要看是否再次来电，不知道来电人的就不能计入，应写 false")
    return rule if len(faults) == before else None


def _text(name: str, key: str, table: Mapping[str, Any], faults: list[str]) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        faults.append(f"{name}.{key}：没有写")
        return ""
    return value.strip()


def _list(name: str, key: str, table: Mapping[str, Any], faults: list[str]) -> tuple[str, ...]:
    value = table.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
        faults.append(f"{name}.{key}：应是句子的列表，至少一句")
        return ()
    return tuple(one.strip() for one in value)


def _one_of(name: str, key: str, table: Mapping[str, Any], kind: type[Kind], faults: list[str]) -> Kind | None:
    found = next((one for one in kind if one.value == table.get(key)), None)
    if found is None:
        faults.append(f"{name}.{key}：可写：{'、'.join(kind)}")
    return found


def _names(value: Any, kind: type[Choice]) -> bool:
    known = [one.value for one in kind]
    return isinstance(value, list) and bool(value) and all(one in known for one in value)


def _is_days(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_REPEAT_DAYS

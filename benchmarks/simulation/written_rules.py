"""A rulebook's values as its file has them, read in the plainest way: the recount must not lean on the program's own
reading. What a city's file leaves unsaid stands in the defaults; a route is said whole or not at all."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from fractions import Fraction
from pathlib import Path
from typing import Any

from models.errors import NotFound

FOLDER = Path(__file__).resolve().parents[2] / "kb_admin" / "rulebooks"
NONE = "none"


@dataclass(frozen=True)
class Gate:
    name: str
    by: str
    amends: bool
    notice: str
    """Kind of the notice that opens with it; empty: none."""


@dataclass(frozen=True)
class Route:
    name: str
    title: str
    origin: str
    info_types: tuple[str, ...] | None
    """None: what no other route names."""
    applies: str
    emergency: bool
    writes: str
    gates: tuple[Gate, ...]
    """Of emergency information the check afterwards, also where the file names none."""
    publishes: str
    """Empty: it is live with the last step."""


@dataclass(frozen=True)
class Clock:
    name: str
    title: str
    limit: str
    starts: str
    start_day_counts: bool
    warn_before: str
    """Empty: nobody is reminded."""
    on_expiry: tuple[str, ...]


@dataclass(frozen=True)
class Hours:
    weekdays: frozenset[int]
    """0 = Monday."""
    spans: tuple[tuple[time, time], ...]
    statutory: bool
    holidays: frozenset[date]
    workdays: frozenset[date]


@dataclass(frozen=True)
class Extension:
    kinds: tuple[str, ...]
    lead: str
    consent: str
    decides: str
    longest: Fraction | None


@dataclass(frozen=True)
class WrittenRules:
    """Those values of a rulebook that decide what happens in a month."""

    name: str
    title: str
    text: str
    """The file as it was written."""
    hours: Hours
    types: tuple[str, ...]
    emergency_types: tuple[str, ...]
    routes: Mapping[str, Route]
    clocks: Mapping[str, Clock]
    notices: Mapping[str, tuple[str, str, str]]
    """Kind → clocks for signing, completing, completing a major matter; empty: none."""
    extension: Extension
    review_every_months: int

    def route_of(self, origin: str, info_type: str, *, first: bool) -> Route | None:
        """The route of a version of that origin and type; None where the rulebook has none."""
        same = [r for r in self.routes.values() if r.origin == origin and self._applies(r, first)]
        named = {
            name for r in self.routes.values() if r.info_types and r.origin in (origin, "sync") for name in r.info_types
        }
        for route in same:
            if route.info_types is not None and info_type in route.info_types:
                return route
        for route in same:
            if route.info_types is None and (info_type not in named or origin == "sync"):
                return route
        return None

    def route_for_writer(
        self, origins: Sequence[str], info_type: str, parties: Collection[str], *, first: bool
    ) -> Route | None:
        """Of the routes for these ways of writing the first on which the writer writes; None where there is none.

        No parties: the system, which writes on any.
        """
        found = [route for origin in origins if (route := self.route_of(origin, info_type, first=first))]
        return next((route for route in found if not parties or route.writes in parties), None)

    def clocks_of(self, kind: str, *, major: bool, limit: str) -> tuple[tuple[Clock, str], ...]:
        """The clocks that run on a notice, each with its limit: that for signing first, that for completing last."""
        sign, complete, complete_major = self.notices[kind]
        last = self.clocks[(complete_major if major else "") or complete or kind]
        first = ((self.clocks[sign], self.clocks[sign].limit),) if sign else ()
        return (*first, (last, limit or last.limit))

    @staticmethod
    def _applies(route: Route, first: bool) -> bool:
        return route.applies == "any" or (route.applies == "first") is first


def read_rules(name: str) -> WrittenRules:
    """The shipped rulebook of that name, or the file at that path. Raises NotFound."""
    path = FOLDER / f"{name}.toml" if (FOLDER / f"{name}.toml").is_file() else Path(name)
    if not path.is_file():
        known = "、".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
        raise NotFound(f"没有名为“{name}”的规则，也没有这个文件。随程序提供的有：{known}。")
    text = path.read_text(encoding="utf-8")
    own = tomllib.loads(text)
    defaults = tomllib.loads((FOLDER / "default.toml").read_text(encoding="utf-8"))
    whole = own if own["rulebook"].get("complete") else _over(defaults, own)
    plain = _plain(whole)
    return WrittenRules(
        name=own["rulebook"]["name"],
        title=own["rulebook"]["title"],
        text=text,
        hours=_hours(plain["hours"]),
        types=tuple(plain["info"]["types"]),
        emergency_types=tuple(plain["info"]["emergency_types"]),
        routes={name: _route(name, table, plain["info"]) for name, table in plain["routes"].items()},
        clocks={name: _clock(name, table) for name, table in plain["clocks"].items()},
        notices={
            kind: (_word(table["sign"]), _word(table["complete"]), _word(table["complete_major"]))
            for kind, table in plain["notices"].items()
        },
        extension=_extension(plain["extension"]),
        review_every_months=max(
            (int(duty["every_months"]) for duty in plain["duties"].values() if duty["notice"] == "review"), default=0
        ),
    )


def ways_to_write(origin: str) -> tuple[str, ...]:
    """How new versions of an entry may come to be written: its own way, then as its unit or the office does."""
    return ("sync",) if origin == "sync" else tuple(dict.fromkeys((origin, "unit", "office")))


def _over(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The defaults with what the city's own file says laid over them, key by key; routes one by one."""
    whole: dict[str, Any] = _laid_over(defaults, own)
    whole["routes"] = {**defaults.get("routes", {}), **own.get("routes", {})}
    return whole


def _laid_over(under: Any, over: Any) -> Any:
    if not isinstance(under, dict) or not isinstance(over, dict) or "value" in over or "value" in under:
        return over
    return {
        key: _laid_over(under[key], over[key]) if key in under and key in over else (over.get(key, under.get(key)))
        for key in (*under, *(key for key in over if key not in under))
    }


def _plain(table: Any) -> Any:
    """Without the sources."""
    if isinstance(table, dict):
        if "value" in table:
            return table["value"]
        return {key: _plain(value) for key, value in table.items() if key not in ("source", "why", "note")}
    return table


def _word(value: Any) -> str:
    return "" if value in (NONE, None) else str(value)


def _hours(table: dict[str, Any]) -> Hours:
    spans = tuple(tuple(time.fromisoformat(edge) for edge in span.split("-")) for span in table["spans"])
    return Hours(
        weekdays=frozenset(day - 1 for day in table["weekdays"]),
        spans=tuple((begins, ends) for begins, ends in spans),
        statutory=bool(table["statutory"]),
        holidays=frozenset(map(_day, table["holidays"])),
        workdays=frozenset(map(_day, table["workdays"])),
    )


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _route(name: str, table: dict[str, Any], info: dict[str, Any]) -> Route:
    gates = [
        Gate(gate, words["by"], bool(words["amends"]), _word(words["notice"]))
        for gate, words in table.get("gates", {}).items()
    ]
    if table["emergency"] and not gates:
        gates = [Gate("after_check", "reviewer", False, "after_check")]
    types: Any = table["info_types"]
    sets = {"rest": None, "emergency": info["emergency_types"], "ordinary": info["types"]}
    types = sets[types] if isinstance(types, str) else types
    return Route(
        name=name,
        title=table["title"],
        origin=table["origin"],
        info_types=None if types is None else tuple(types),
        applies=table["applies"],
        emergency=bool(table["emergency"]),
        writes=table["writes"],
        gates=tuple(gates),
        publishes=_word(table["publishes"]),
    )


def _clock(name: str, table: dict[str, Any]) -> Clock:
    return Clock(
        name=name,
        title=table["title"],
        limit=table["limit"],
        starts=table["starts"],
        start_day_counts=bool(table["start_day_counts"]),
        warn_before=_word(table["warn_before"]),
        on_expiry=tuple(table["on_expiry"]),
    )


def _extension(table: dict[str, Any]) -> Extension:
    longest = _word(table["longest"])
    return Extension(
        kinds=tuple(table["kinds"]),
        lead=table["lead"],
        consent=table["consent"],
        decides=table["decides"],
        longest=Fraction(longest) if longest else None,
    )

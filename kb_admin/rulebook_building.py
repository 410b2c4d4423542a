"""A rulebook from the single values of a file, and the single values from a rulebook."""

from collections.abc import Iterable
from typing import Any

from kb_admin.rulebook import (
    ChecklistItem,
    ClockRule,
    CorrectionRule,
    Duty,
    ExtensionRule,
    Gate,
    NoticeRule,
    OrderRule,
    RatingRule,
    Required,
    RightsRule,
    Route,
    Rulebook,
    Source,
    StatisticsRule,
)
from kb_admin.rulebook_keys import SECTIONS
from kb_admin.rulebook_text import Written
from kb_admin.worktime import OfficeHours
from models.errors import Invalid
from models.values import EntryField, NoticeKind, Role

KINDS = {kind.value: kind for kind in NoticeKind}
FIELDS = {field.value: field for field in EntryField}
ROLES = {role.value: role for role in Role}
RATINGS = ("link_days", "most_a_day_agent", "most_a_day_citizen")
STATISTICS = ("direct_answer", "near", "unused_days", "unverified_days", "repeat_days")


def build(written: Written) -> Rulebook:
    """The rulebook that a complete file without faults says. Raises Invalid for office hours that make no sense."""
    value, source = written.values, written.sources
    return Rulebook(
        name=written.name,
        title=written.title,
        documents=dict(written.documents),
        hours=_hours(value),
        info_types=(*value["info.types"], *value["info.emergency_types"]),
        emergency_types=value["info.emergency_types"],
        routes=tuple(_route(written, name) for name in written.items("routes")),
        notices={KINDS[name]: _notice(written, name) for name in written.items("notices")},
        clocks={name: _clock(written, name) for name in written.items("clocks")},
        extension=ExtensionRule(
            kinds=frozenset(value["extension.kinds"]),
            lead=value["extension.lead"],
            consent=value["extension.consent"],
            decides=value["extension.decides"],
            longest=value["extension.longest"],
            source=source["extension.lead"],
        ),
        required=tuple(_required(written, name) for name in written.items("required")),
        checks={name: value[f"checks.{name}"] for name in written.items("checks")},
        checklist=tuple(
            ChecklistItem(name, value[f"checklist.{name}.text"], source[f"checklist.{name}.text"])
            for name in written.items("checklist")
        ),
        duties=tuple(_duty(written, name) for name in written.items("duties")),
        ratings=RatingRule(**{name: value[f"ratings.{name}"] for name in RATINGS}, source=source["ratings.link_days"]),
        correction=CorrectionRule(
            threshold=value["correction.threshold"],
            minimum_ratings=value["correction.minimum_ratings"],
            window_days=value["correction.window_days"],
            weights={name: value[f"correction.weights.{name}"] for name in written.items("correction.weights")},
            dispatch=value["correction.dispatch"],
            source=source["correction.threshold"],
        ),
        rights=_rights(written),
        categories_by=value["categories.by"],
        keywords_by=value["keywords.by"],
        order_precedence=tuple(
            OrderRule(name, value[f"orders.precedence.{name}"]) for name in written.items("orders.precedence")
        ),
        order_extension_longest=value["orders.extension_longest"],
        statistics=StatisticsRule(
            **{name: value[f"statistics.{name}"] for name in STATISTICS}, source=source["statistics.direct_answer"]
        ),
        reports=value["reports.periods"],
        bulletin=value["reports.bulletin"],
        accountability=value["reports.accountability"],
        sources=dict(source),
    )


def written_of(rulebook: Rulebook) -> Written:
    """Its single values; ``build`` gives the same rulebook again. Raises Invalid for a value without a source."""
    values = dict(_values(rulebook))
    fallback = dict(_item_sources(rulebook))
    return Written(
        name=rulebook.name,
        title=rulebook.title,
        complete=True,
        documents=dict(rulebook.documents),
        titles=dict(_titles(rulebook)),
        values=values,
        sources={key: _source_of(key, rulebook, fallback) for key in values},
    )


def _hours(value: dict[str, Any]) -> OfficeHours:
    return OfficeHours(
        weekdays=value["hours.weekdays"],
        spans=value["hours.spans"],
        holidays=value["hours.holidays"],
        workdays=value["hours.workdays"],
        statutory=value["hours.statutory"],
    )


def _route(written: Written, name: str) -> Route:
    at = f"routes.{name}"
    value = written.values
    return Route(
        name=name,
        title=written.titles[at],
        origin=value[f"{at}.origin"],
        info_types=_types(value[f"{at}.info_types"], value),
        applies=value[f"{at}.applies"],
        emergency=value[f"{at}.emergency"],
        writes=value[f"{at}.writes"],
        gates=tuple(_gate(written, f"{at}.gates.{gate}", gate) for gate in written.items(f"{at}.gates")),
        publishes=value[f"{at}.publishes"],
        source=written.sources[f"{at}.writes"],
    )


def _gate(written: Written, at: str, name: str) -> Gate:
    return Gate(
        name=name,
        title=written.titles[at],
        by=written.values[f"{at}.by"],
        amends=written.values[f"{at}.amends"],
        notice=written.values[f"{at}.notice"],
        source=written.sources[f"{at}.by"],
    )


def _types(said: str | tuple[str, ...], value: dict[str, Any]) -> frozenset[str] | None:
    """The info types that a file's word stands for; None: "rest" and "all"."""
    if not isinstance(said, str):
        return frozenset(said)
    sets = {"ordinary": value["info.types"], "emergency": value["info.emergency_types"]}
    return frozenset(sets[said]) if said in sets else None


def _clock(written: Written, name: str) -> ClockRule:
    at, value = f"clocks.{name}", written.values
    return ClockRule(
        name=name,
        title=written.titles[at],
        limit=value[f"{at}.limit"],
        starts=value[f"{at}.starts"],
        start_day_counts=value[f"{at}.start_day_counts"],
        warn_before=value[f"{at}.warn_before"],
        on_expiry=value[f"{at}.on_expiry"],
        source=written.sources[f"{at}.limit"],
    )


def _notice(written: Written, name: str) -> NoticeRule:
    at, value = f"notices.{name}", written.values
    return NoticeRule(
        kind=KINDS[name],
        sign=value[f"{at}.sign"],
        complete=value[f"{at}.complete"],
        complete_major=value[f"{at}.complete_major"],
        source=written.sources[f"{at}.complete"],
    )


def _required(written: Written, name: str) -> Required:
    at, value = f"required.{name}", written.values
    types = _types(value[f"{at}.info_types"], value)
    return Required(FIELDS[name], types, value[f"{at}.level"], written.sources[f"{at}.level"])


def _duty(written: Written, name: str) -> Duty:
    at, value = f"duties.{name}", written.values
    source = written.sources[f"{at}.every_months"]
    return Duty(name, written.titles[at], value[f"{at}.notice"], value[f"{at}.every_months"], source)


def _rights(written: Written) -> RightsRule:
    value = written.values
    return RightsRule(
        sees={ROLES[role]: frozenset(value[f"rights.sees.{role}"]) for role in written.items("rights.sees")},
        sharing=value["rights.sharing"],
        sharing_needs_consent=value["rights.sharing_needs_consent"],
        sharing_longest_days=value["rights.sharing_longest_days"],
        release=value["rights.release"],
        source=written.sources["rights.sharing"],
    )


def _values(rulebook: Rulebook) -> Iterable[tuple[str, Any]]:
    """Every single value under its key, section by section."""
    r = rulebook
    by_section = {
        "hours": {name: getattr(r.hours, name) for name in ("weekdays", "spans", "statutory", "holidays", "workdays")},
        "info": {"types": r.ordinary_types, "emergency_types": r.emergency_types},
        "routes": {f"{route.name}.{key}": value for route in r.routes for key, value in _route_values(route, r)},
        "required": {
            f"{each.field.value}.{key}": value
            for each in r.required
            for key, value in (("level", each.level), ("info_types", _said(each.info_types, r, none="all")))
        },
        "checks": dict(r.checks),
        "checklist": {f"{item.name}.text": item.text for item in r.checklist},
        "clocks": _of_each(r.clocks, ("limit", "starts", "start_day_counts", "warn_before", "on_expiry")),
        "notices": _of_each({k.value: n for k, n in r.notices.items()}, ("sign", "complete", "complete_major")),
        "extension": {
            "kinds": tuple(kind for kind in NoticeKind if kind in r.extension.kinds),
            **{name: getattr(r.extension, name) for name in ("lead", "consent", "decides", "longest")},
        },
        "duties": _of_each({duty.name: duty for duty in r.duties}, ("notice", "every_months")),
        "ratings": {name: getattr(r.ratings, name) for name in RATINGS},
        "correction": {
            **{
                name: getattr(r.correction, name)
                for name in ("threshold", "minimum_ratings", "window_days", "dispatch")
            },
            **{f"weights.{name}": weight for name, weight in r.correction.weights.items()},
        },
        "rights": {
            **{name: getattr(r.rights, name) for name in RIGHTS},
            **{f"sees.{role.value}": _ordered(scopes) for role, scopes in r.rights.sees.items()},
        },
        "categories": {"by": r.categories_by},
        "keywords": {"by": r.keywords_by},
        "orders": {
            "extension_longest": r.order_extension_longest,
            **{f"precedence.{rule.when}": rule.clock for rule in r.order_precedence},
        },
        "statistics": {name: getattr(r.statistics, name) for name in STATISTICS},
        "reports": {"periods": r.reports, "bulletin": r.bulletin, "accountability": r.accountability},
    }
    return ((f"{section}.{key}", value) for section in SECTIONS for key, value in by_section[section].items())


RIGHTS = ("sharing", "sharing_needs_consent", "sharing_longest_days", "release")


def _route_values(route: Route, rulebook: Rulebook) -> Iterable[tuple[str, Any]]:
    yield "origin", route.origin
    yield "info_types", _said(route.info_types, rulebook, none="rest")
    yield "applies", route.applies
    yield "emergency", route.emergency
    yield "writes", route.writes
    yield "publishes", route.publishes
    for gate in route.gates:
        yield f"gates.{gate.name}.by", gate.by
        yield f"gates.{gate.name}.amends", gate.amends
        yield f"gates.{gate.name}.notice", gate.notice


def _of_each(items: dict[str, Any] | Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {f"{item}.{name}": getattr(rule, name) for item, rule in items.items() for name in names}


def _said(types: frozenset[str] | None, rulebook: Rulebook, *, none: str) -> str | tuple[str, ...]:
    """The word or list that a file would have for these types."""
    if types is None:
        return none
    if types == frozenset(rulebook.emergency_types):
        return "emergency"
    if none == "all" and types == frozenset(rulebook.ordinary_types):
        return "ordinary"
    known = [name for name in rulebook.info_types if name in types]
    return (*known, *sorted(types - set(known)))


def _ordered(scopes: Iterable[Any]) -> tuple[Any, ...]:
    """In the order of their definition: a set has none."""
    given = list(scopes)
    return tuple(scope for scope in type(given[0]) if scope in given) if given else ()


def _titles(rulebook: Rulebook) -> Iterable[tuple[str, str]]:
    for route in rulebook.routes:
        yield f"routes.{route.name}", route.title
        for gate in route.gates:
            yield f"routes.{route.name}.gates.{gate.name}", gate.title
    for clock in rulebook.clocks.values():
        yield f"clocks.{clock.name}", clock.title
    for duty in rulebook.duties:
        yield f"duties.{duty.name}", duty.title


def _item_sources(rulebook: Rulebook) -> Iterable[tuple[str, Source]]:
    """Sources of whole items: what was put in by a program has no others."""
    for route in rulebook.routes:
        yield f"routes.{route.name}", route.source
        for gate in route.gates:
            yield f"routes.{route.name}.gates.{gate.name}", gate.source
    for name, clock in rulebook.clocks.items():
        yield f"clocks.{name}", clock.source
    for kind, notice in rulebook.notices.items():
        yield f"notices.{kind.value}", notice.source
    for required in rulebook.required:
        yield f"required.{required.field.value}", required.source
    for item in rulebook.checklist:
        yield f"checklist.{item.name}", item.source
    for duty in rulebook.duties:
        yield f"duties.{duty.name}", duty.source


def _source_of(key: str, rulebook: Rulebook, fallback: dict[str, Source]) -> Source:
    found = rulebook.sources.get(key) or fallback.get(key.rpartition(".")[0])
    if found is None:
        raise Invalid(f"规则“{rulebook.title}”的 {key} 没有出处。")
    return found

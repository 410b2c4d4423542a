"""What cannot all be true at once in one rulebook, key by key."""

from collections.abc import Iterator
from itertools import combinations

from kb_admin.definitions import call_rates
from kb_admin.rulebook import Applies, ClockRule, Expiry, Party, Route, Rulebook, Scope
from kb_admin.worktime import Limit, LimitUnit
from models.values import NoticeKind, Role

OFFICES = frozenset({Party.OWN_OFFICE, Party.CITY_OFFICE})
UNIT_ROLES = frozenset({Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER})
DEEMED = frozenset({Expiry.DEEMED_ACCEPTED, Expiry.DEEMED_SATISFIED})
HOUR, DAY = 3600, 86_400
SECONDS = {
    LimitUnit.MINUTES: 60,
    LimitUnit.HOURS: HOUR,
    LimitUnit.DAYS: DAY,
    LimitUnit.MONTHS: 28 * DAY,
    LimitUnit.WORKING_MINUTES: 60,
    LimitUnit.WORKING_HOURS: HOUR,
    LimitUnit.WORKING_DAYS: DAY,
}
"""At the least, to tell which of two limits is shorter; among working hours a working day is a day's office hours."""


def contradictions(rulebook: Rulebook) -> Iterator[str]:
    """Each as "key：sentence"; nothing when the rulebook is sound."""
    yield from _of_types(rulebook)
    for one, other in combinations(rulebook.routes, 2):
        yield from _between_routes(one, other)
    for route in rulebook.routes:
        yield from _of_route(route, rulebook)
    yield from _of_required(rulebook)
    for clock in rulebook.clocks.values():
        yield from _of_clock(clock, rulebook)
    yield from _of_notices(rulebook)
    yield from _of_extension(rulebook)
    yield from _of_duties(rulebook)
    yield from _of_correction(rulebook)
    yield from _of_statistics(rulebook)
    yield from _of_rights(rulebook)
    yield from _of_orders(rulebook)


def _of_types(rulebook: Rulebook) -> Iterator[str]:
    twice = {name for name in rulebook.info_types if rulebook.info_types.count(name) > 1}
    for name in sorted(twice):
        yield f"info.emergency_types：“{name}”同时写在 info.types 里，请只写一处"
    if not rulebook.ordinary_types:
        yield "info.types：至少写一个信息类型"
    routed = {name for route in rulebook.routes for name in route.info_types or rulebook.ordinary_types}
    for name in rulebook.info_types:
        if name not in routed:
            yield f"info.types：信息类型“{name}”没有流程可走，请在 routes 中写明"


def _between_routes(one: Route, other: Route) -> Iterator[str]:
    if one.origin is not other.origin or not _meet(one.applies, other.applies):
        return
    if one.info_types is None or other.info_types is None:
        shared = "其余类型" if one.info_types is other.info_types else ""
    else:
        shared = "、".join(sorted(one.info_types & other.info_types))
    if shared:
        yield f"routes.{other.name}.info_types：与 routes.{one.name} 都适用于“{one.origin.label}”的{shared}，只能有一条"


def _meet(one: Applies, other: Applies) -> bool:
    return one is other or Applies.ANY in (one, other)


def _of_route(route: Route, rulebook: Rulebook) -> Iterator[str]:
    at = f"routes.{route.name}"
    for name in sorted((route.info_types or frozenset()) - set(rulebook.info_types)):
        yield f"{at}.info_types：信息类型“{name}”不在 info 的类型中"
    if route.applies is not Applies.ANY and not _has_twin(route, rulebook):
        missing = Applies.LATER if route.applies is Applies.FIRST else Applies.FIRST
        yield f"{at}.applies：只写了“{route.applies.label}”，同类信息的“{missing.label}”没有流程"
    for gate in route.gates:
        if gate.notice is None:
            continue
        rule = rulebook.notices.get(gate.notice)
        if rule is None or rule.complete is None:
            key = f"notices.{gate.notice.value}.complete"
            yield f"{at}.gates.{gate.name}.notice：“{gate.notice.label}”没有办结时限，见 {key}"
        if gate.by in OFFICES:
            yield f"{at}.gates.{gate.name}.notice：通知单发给单位，这一步却由{gate.by.label}审核"
    if route.emergency:
        yield from _of_emergency(route, rulebook)
    elif route.info_types is not None and route.info_types & set(rulebook.emergency_types):
        yield f"{at}.emergency：适用于紧急信息类型，却不是先发布后审核"


def _has_twin(route: Route, rulebook: Rulebook) -> bool:
    return any(
        other.origin is route.origin and other.info_types == route.info_types and other.applies is not route.applies
        for other in rulebook.routes
    )


def _of_emergency(route: Route, rulebook: Rulebook) -> Iterator[str]:
    at = f"routes.{route.name}"
    if route.gates or route.publishes is not None:
        yield f"{at}.emergency：先发布后审核的流程不设事前审核，由谁发布应写 none"
    if route.info_types is None or not route.info_types <= set(rulebook.emergency_types):
        yield f"{at}.info_types：先发布后审核只适用于 info.emergency_types 中的类型"
    if NoticeKind.AFTER_CHECK not in rulebook.notices or rulebook.notices[NoticeKind.AFTER_CHECK].complete is None:
        yield f"{at}.emergency：先发布后审核的流程要有事后审核的时限，见 notices.after_check.complete"


def _of_required(rulebook: Rulebook) -> Iterator[str]:
    for required in rulebook.required:
        for name in sorted((required.info_types or frozenset()) - set(rulebook.info_types)):
            yield f"required.{required.field.value}.info_types：信息类型“{name}”不在 info 的类型中"


def _of_clock(clock: ClockRule, rulebook: Rulebook) -> Iterator[str]:
    at = f"clocks.{clock.name}"
    if clock.warn_before is not None and not _shorter(clock.warn_before, clock.limit, rulebook):
        yield f"{at}.warn_before：提前 {clock.warn_before.words}提醒，应短于期限 {clock.limit.words}"
    if not clock.on_expiry:
        yield f"{at}.on_expiry：没有写期满怎样处理"
    deemed = DEEMED & set(clock.on_expiry)
    if deemed and len(clock.on_expiry) > 1:
        yield f"{at}.on_expiry：“{next(iter(deemed)).label}”不能与其他处理并用"
    if not deemed and clock.on_expiry and Expiry.OVERDUE not in clock.on_expiry:
        yield f"{at}.on_expiry：再次通知、列入联系清单的，应先记为超期（overdue）"


def _of_notices(rulebook: Rulebook) -> Iterator[str]:
    for kind, rule in rulebook.notices.items():
        for key in ("sign", "complete", "complete_major"):
            name = getattr(rule, key)
            if name is not None and name not in rulebook.clocks:
                yield f"notices.{kind.value}.{key}：没有名为“{name}”的时限"
        if rule.complete is None and rule.complete_major is not None:
            yield f"notices.{kind.value}.complete：写了重大事项的办结时限，没有写一般的"
        if rule.complete is None and kind is not NoticeKind.SUPERVISION:
            yield f"notices.{kind.value}.complete：没有写办结时限；只有督办通知的时限由通知单自己写明"


def _of_extension(rulebook: Rulebook) -> Iterator[str]:
    rule = rulebook.extension
    for kind in NoticeKind:
        notice = rulebook.notices.get(kind)
        if kind not in rule.kinds or notice is None:
            continue
        for name in (notice.complete, notice.complete_major):
            clock = rulebook.clocks.get(name or "")
            if clock is not None and not _shorter(rule.lead, clock.limit, rulebook):
                yield (
                    f"extension.lead：至少提前 {rule.lead.words}申请，"
                    f"“{kind.label}”的期限却只有 {clock.limit.words}（clocks.{clock.name}.limit）"
                )
    if rule.consent in OFFICES:
        yield f"extension.consent：应由单位的人同意，写的是{rule.consent.label}"
    if rule.decides not in OFFICES:
        yield f"extension.decides：应由热线办决定，写的是{rule.decides.label}"
    if rule.longest is not None and rule.longest <= 0:
        yield "extension.longest：应大于 0；不准延期的，把 extension.kinds 写成空列表"


def _of_duties(rulebook: Rulebook) -> Iterator[str]:
    for duty in rulebook.duties:
        rule = rulebook.notices.get(duty.notice)
        if rule is None or rule.complete is None:
            yield f"duties.{duty.name}.notice：“{duty.notice.label}”没有办结时限"


def _of_correction(rulebook: Rulebook) -> Iterator[str]:
    if rulebook.correction.threshold <= 0:
        yield "correction.threshold：应大于 0、不大于 100%"
    if not any(rulebook.correction.weights.values()):
        yield "correction.weights：话务员和市民的权重不能都是 0"


def _of_statistics(rulebook: Rulebook) -> Iterator[str]:
    known = [one.name for one in call_rates()]
    if rulebook.statistics.direct_answer not in known:
        named = f"没有名为“{rulebook.statistics.direct_answer}”的来电比率"
        yield f"statistics.direct_answer：{named}，可写：{'、'.join(known)}"


def _of_rights(rulebook: Rulebook) -> Iterator[str]:
    for role, scopes in rulebook.rights.sees.items():
        at = f"rights.sees.{role.value}"
        if role is not Role.COUNTY_OFFICE and Scope.COUNTY in scopes:
            yield f"{at}：“{Scope.COUNTY.label}”只用于{Role.COUNTY_OFFICE.label}"
        if role not in UNIT_ROLES and scopes & {Scope.OWN, Scope.COUNTERPART}:
            yield f"{at}：“{role.label}”不属于哪个单位，不能写本单位或对口单位"
        if role in UNIT_ROLES and not scopes & {Scope.OWN, Scope.ALL}:
            yield f"{at}：单位的人至少要看得到本单位的信息"
    if Scope.ALL not in rulebook.rights.sees.get(Role.CITY_OFFICE, frozenset()):
        yield "rights.sees.city_office：市热线办管理全部信息，应写 all"


def _of_orders(rulebook: Rulebook) -> Iterator[str]:
    for rule in rulebook.order_precedence:
        if rule.clock not in rulebook.clocks:
            yield f"orders.precedence.{rule.when}：没有名为“{rule.clock}”的时限"
    whens = [rule.when for rule in rulebook.order_precedence]
    if whens[-1:] != ["other"]:
        yield "orders.precedence：最后一行应是 other，前面各行都不符合的按它"
    if rulebook.order_extension_longest <= 0:
        yield "orders.extension_longest：应大于 0"


def _shorter(one: Limit, other: Limit, rulebook: Rulebook) -> bool:
    return _length(one, other, rulebook) < _length(other, one, rulebook)


def _length(limit: Limit, beside: Limit, rulebook: Rulebook) -> int:
    if limit.unit is LimitUnit.WORKING_DAYS and beside.unit.is_working:
        edges = [
            (start.hour * 60 + start.minute, end.hour * 60 + end.minute or 24 * 60)
            for start, end in rulebook.hours.spans
        ]
        return limit.count * 60 * sum(end - start for start, end in edges)
    return limit.count * SECONDS[limit.unit]

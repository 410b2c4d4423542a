"""采集—审核—发布: which route a version takes, and the one table of the moves that each route allows. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kb_admin.rulebook import Applies, Gate, Party, Route, Rulebook, Source
from models.errors import Invalid
from models.values import Choice, NoticeKind, Origin, VersionStatus

S = VersionStatus


class MoveName(Choice):
    """What may happen to a version."""

    SUBMIT = "submit", "提交审核"
    RECALL = "recall", "撤回提交"
    APPROVE = "approve", "审核通过"
    AMEND = "amend", "修改审定"
    SEND_BACK = "send_back", "退回"
    PUBLISH = "publish", "发布"
    DISCARD = "discard", "作废"
    WITHDRAW = "withdraw", "下架"
    MARK_INVALID = "mark_invalid", "标注失效"
    RESTORE = "restore", "恢复发布"
    TAKE_EFFECT = "take_effect", "到时生效"
    EXPIRE = "expire", "到期下架"
    SUPERSEDE = "supersede", "由新版替代"
    SET_KEYWORDS = "set_keywords", "设置关键字"
    LOAD = "load", "批量导入"
    PASS = "pass", "系统发布"


BY_SYSTEM: frozenset[Party] = frozenset()
"""No person makes such a move: it follows from another act, from the time, or from an import."""
OFFICES = frozenset({Party.OWN_OFFICE, Party.CITY_OFFICE})
TAKE_DOWN = Source(why="规定未写由谁下架：发布的一方、所属热线办和市热线办都可以下架")
MARKING = Source(why="规定未写由谁标注失效：由信息所属单位的审核员或所属热线办标注")
PUTTING_BACK = Source(why="规定未写由谁恢复：下架、失效的条目由所属热线办或市热线办恢复")
OF_TIME = Source(why="到条目载明的时间，由系统执行")
FOLLOWS = Source(why="每个条目只有一版在用，由系统执行")
SETTING = Source(why="关键字由热线办设置，内容不变，不再审核")
LOADING = Source(why="市热线办批量导入，不经逐条审核")
PASSING = Source(why="由系统载入，不经审核环节")
AFTERWARDS = Gate(
    name="after_check",
    title="事后审核",
    by=Party.REVIEWER,
    amends=False,
    notice=NoticeKind.AFTER_CHECK,
    source=Source(why="应急信息先发布，再由单位审核员审核；规则没有另写由谁审核"),
)
"""The check of emergency information on a route that names none."""


@dataclass(frozen=True)
class Move:
    """One line of the table."""

    name: MoveName
    label: str
    """What was done, in the words of the route: "单位审核通过"."""
    before: VersionStatus
    to: VersionStatus
    """PUBLISHED also stands for: CHECKED until its moment, where another version answers and the time lies ahead."""
    gate: Gate | None
    """Only while the version waits at this gate; None: wherever it stands."""
    by: frozenset[Party]
    """Who makes it; nobody: the system."""
    needs_reason: bool
    source: Source


def route_for(rulebook: Rulebook, *, info_type: str, origin: Origin, first: bool) -> Route:
    """The route of a version of that type and origin; ``first``: nothing of its entry has been published yet.

    A route that names its types goes before one that takes all others. Those others are what neither another route of
    the same origin names, nor one for what is imported from another system (审批信息). Raises Invalid when the
    rulebook has no such route.
    """
    fitting = [r for r in rulebook.routes if r.origin is origin and _applies(r, first)]
    for route in fitting:
        if route.info_types is not None and info_type in route.info_types:
            return route
    named = {
        name for r in rulebook.routes if r.info_types and r.origin in (origin, Origin.SYNC) for name in r.info_types
    }
    for route in fitting:
        if route.info_types is None and (info_type not in named or origin is Origin.SYNC):
            return route
    kind = f"“{info_type}”类" if info_type else "未写信息类型的"
    raise Invalid(f"规则“{rulebook.title}”没有规定{kind}信息按“{origin.label}”怎样采编，请核对信息类型。")


def moves_of(route: Route) -> tuple[Move, ...]:
    """The whole table of a route."""
    return (*_before_publication(route), *_after_publication(route), *_of_the_system())


def open_moves(route: Route, status: VersionStatus, gates_passed: int) -> tuple[Move, ...]:
    """What people may do with a version that stands so on its route, each move by its parties."""
    gate = gate_at(route, gates_passed)
    return tuple(
        move
        for move in moves_of(route)
        if move.by and move.before is status and (move.gate is None or move.gate == gate)
    )


def gates_of(route: Route) -> tuple[Gate, ...]:
    """The checks on the route, one after the other; for emergency information at least one, afterwards."""
    return route.gates or ((AFTERWARDS,) if route.emergency else ())


def gate_at(route: Route, gates_passed: int) -> Gate | None:
    """The gate at which such a version waits; None when all are passed."""
    gates = gates_of(route)
    return gates[gates_passed] if gates_passed < len(gates) else None


def system_move(name: MoveName, before: VersionStatus) -> Move:
    """The move of that name from there that no person makes; the same on every route. Raises KeyError."""
    return _SYSTEM[name, before]


def waiting(move: Move) -> Move:
    """The same move where the version's time lies ahead: it waits beside the one that answers."""
    return replace(move, to=S.CHECKED)


def publishers(route: Route) -> frozenset[Party]:
    """Whose act makes a version live: who publishes, else who checks last, else who writes."""
    if route.publishes is not None:
        return frozenset({route.publishes})
    if route.emergency:
        return frozenset({route.writes, *(gate.by for gate in gates_of(route))})
    return frozenset({route.gates[-1].by if route.gates else route.writes})


def _applies(route: Route, first: bool) -> bool:
    return route.applies is Applies.ANY or (route.applies is Applies.FIRST) is first


def _landing(route: Route, gates_passed: int) -> VersionStatus:
    """Where a version comes to stand when it has passed so many gates."""
    if route.emergency:
        return S.PUBLISHED
    if gates_passed < len(route.gates):
        return S.SUBMITTED
    return S.PUBLISHED if route.publishes is None else S.CHECKED


def _before_publication(route: Route) -> Iterator[Move]:
    writers, source = frozenset({route.writes}), route.source
    first = _landing(route, 0)
    label = "直接发布" if first is S.PUBLISHED else MoveName.SUBMIT.label
    yield Move(MoveName.SUBMIT, label, S.DRAFT, first, None, writers, False, source)
    yield Move(MoveName.DISCARD, MoveName.DISCARD.label, S.DRAFT, S.INVALID, None, writers, True, source)
    if first is not S.PUBLISHED:
        gate = gate_at(route, 0)
        yield Move(MoveName.RECALL, MoveName.RECALL.label, first, S.DRAFT, gate, writers, False, source)
    for passed, gate in enumerate(gates_of(route)):
        if route.emergency:
            yield from _afterwards(gate)
        else:
            yield from _at_gate(gate, S.SUBMITTED, _landing(route, passed + 1))
    if route.publishes is not None:
        by = frozenset({route.publishes})
        yield Move(MoveName.PUBLISH, MoveName.PUBLISH.label, S.CHECKED, S.PUBLISHED, None, by, False, source)
    back = MoveName.SEND_BACK
    yield Move(back, back.label, S.CHECKED, S.DRAFT, None, publishers(route), True, source)


def _at_gate(gate: Gate, here: VersionStatus, onward: VersionStatus) -> Iterator[Move]:
    by = frozenset({gate.by})
    yield Move(MoveName.APPROVE, f"{gate.title}通过", here, onward, gate, by, False, gate.source)
    yield Move(MoveName.SEND_BACK, f"{gate.title}退回", here, S.DRAFT, gate, by, True, gate.source)
    if gate.amends:
        yield Move(MoveName.AMEND, f"{gate.title}修改", here, here, gate, by, False, gate.source)


def _afterwards(gate: Gate) -> Iterator[Move]:
    """Emergency information is live when it is checked, or its time is over already: it is found right, or taken
    down."""
    for status in (S.PUBLISHED, S.EXPIRED):
        yield Move(
            MoveName.APPROVE, f"{gate.title}通过", status, status, gate, frozenset({gate.by}), False, gate.source
        )


def _after_publication(route: Route) -> Iterator[Move]:
    down, mark, back = MoveName.WITHDRAW, MoveName.MARK_INVALID, MoveName.RESTORE
    yield Move(down, down.label, S.PUBLISHED, S.WITHDRAWN, None, publishers(route) | OFFICES, True, TAKE_DOWN)
    by = frozenset({Party.REVIEWER, Party.OWN_OFFICE})
    yield Move(mark, mark.label, S.PUBLISHED, S.INVALID, None, by, True, MARKING)
    for status in (S.WITHDRAWN, S.INVALID):
        yield Move(back, back.label, status, S.PUBLISHED, None, OFFICES, False, PUTTING_BACK)


def _of_the_system() -> Iterator[Move]:
    yield from _SYSTEM.values()


def _by_system(name: MoveName, before: VersionStatus, to: VersionStatus, source: Source) -> Move:
    return Move(name, name.label, before, to, None, BY_SYSTEM, False, source)


_SYSTEM = {
    (move.name, move.before): move
    for move in (
        _by_system(MoveName.TAKE_EFFECT, S.CHECKED, S.PUBLISHED, OF_TIME),
        _by_system(MoveName.EXPIRE, S.PUBLISHED, S.EXPIRED, OF_TIME),
        *(
            _by_system(MoveName.SUPERSEDE, before, S.SUPERSEDED, FOLLOWS)
            for before in (S.DRAFT, S.SUBMITTED, S.CHECKED, S.PUBLISHED)
        ),
        *(_by_system(MoveName.SET_KEYWORDS, here, here, SETTING) for here in (S.SUBMITTED, S.CHECKED, S.PUBLISHED)),
        *(_by_system(MoveName.LOAD, before, S.PUBLISHED, LOADING) for before in (S.DRAFT, S.SUBMITTED, S.CHECKED)),
        *(_by_system(MoveName.PASS, before, S.PUBLISHED, PASSING) for before in (S.SUBMITTED, S.CHECKED)),
    )
}

"""The base held against what must have become of everything. Only reads; every difference is told in words."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.simulation.city import City
from benchmarks.simulation.expected import Expected, NoticeLife, VersionLife
from benchmarks.simulation.expected_clocks import UNIT_PEOPLE, ClockLife, clocks_of, too_late
from benchmarks.simulation.ledger import Act, Ledger
from benchmarks.simulation.plain_time import PlainCalendar
from benchmarks.simulation.written_rules import WrittenRules
from kb_admin import audit
from models.knowledge import Transition, Version
from models.messages import Notification
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.values import CHINA, NoticeKind

MADE_BY_ITSELF = (NoticeKind.CONFIRMATION, NoticeKind.AMENDMENT, NoticeKind.AFTER_CHECK, NoticeKind.REVIEW)
"""The simulation learns of these from nobody: the recount must foretell them."""
Key = tuple[object, ...]


@dataclass(frozen=True)
class Played:
    """What was played, as the recount needs to know it."""

    ledger: Ledger
    rules: WrittenRules
    city: City
    months: tuple[datetime, ...]
    """First moments of the months that began meanwhile."""
    ends: datetime


def differences(session: Session, played: Played) -> list[str]:
    """All that differs between the base and the recount; empty when they agree."""
    expected = Expected(played.rules, played.months)
    expected.replay(played.ledger.deeds, played.ends)
    recount = _Recount(session, expected, played)
    return [
        *expected.faults,
        *recount.versions(),
        *recount.notices(),
        *recount.clocks(),
        *recount.messages(),
        *recount.extensions(),
        *recount.calls(),
        *_audit(session),
    ]


class _Recount:
    def __init__(self, session: Session, expected: Expected, played: Played) -> None:
        self.session, self.expected, self.played = session, expected, played
        self.rules, self.city = played.rules, played.city
        self.calendar = PlainCalendar(played.rules.hours)
        self.stored = {_key_of(notice): notice for notice in session.scalars(select(Notice).order_by(Notice.id))}
        self.foretold = {_key(life): life for life in expected.notices}
        self.lives = {
            key: clocks_of(life, self.rules, self.calendar, played.ends) for key, life in self.foretold.items()
        }

    def versions(self) -> Iterator[str]:
        """Every status explained by what people and time did, on the route that the rules give."""
        history: dict[int, list[tuple[str | None, str, datetime]]] = {}
        moves = select(Transition.version_id, Transition.from_status, Transition.to_status, Transition.at)
        for version_id, before, to, at in self.session.execute(moves.order_by(Transition.id)).tuples():
            history.setdefault(version_id, []).append((before.value if before else None, to.value, at))
        columns = (Version.id, Version.status, Version.route, Version.gates_passed, Version.published_at)
        stored = {row.id: row for row in self.session.execute(select(*columns))}
        yield from _only_one_side("版本", set(stored), set(self.expected.versions))
        for version_id in sorted(set(stored) & set(self.expected.versions)):
            life, row = self.expected.versions[version_id], stored[version_id]
            yield from _differ(f"第 {version_id} 号版本的状态", row.status.value, life.status)
            yield from _differ(f"第 {version_id} 号版本的流转", _said(history.get(version_id, [])), _said(life.history))
            yield from _differ(f"第 {version_id} 号版本的流程", row.route, life.route.name if life.route else "")
            yield from _differ(f"第 {version_id} 号版本通过的环节", row.gates_passed, life.passed)
            yield from _differ(f"第 {version_id} 号版本的发布时间", _when(row.published_at), _published(life))

    def notices(self) -> Iterator[str]:
        """Each notice once, with its dates."""
        count = self.session.scalar(select(func.count()).select_from(Notice))
        yield from _differ("通知单总数", count, len(self.expected.notices))
        yield from _only_one_side("通知单", set(self.stored), set(self.foretold))
        for key, notice, life in self._both():
            status = "completed" if notice.status.value == "seen" else notice.status.value
            yield from _differ(f"{notice.number} 的状态", status, life.status)
            yield from _differ(f"{notice.number} 的派发", _when(notice.dispatched_at), _when(life.dispatched_at))
            yield from _differ(f"{notice.number} 的签收", _when(notice.signed_at), _when(life.signed_at))
            done = life.ended_at if life.status == "completed" else None
            yield from _differ(f"{notice.number} 的办结", _when(notice.completed_at), _when(done))
            yield from _differ(f"{notice.number} 的时限个数", len(notice.clocks), len(self.lives[key]))

    def clocks(self) -> Iterator[str]:
        """Each clock: when it began, was due and stopped, and all that befell it."""
        events: dict[int, list[tuple[str, int, datetime]]] = {}
        rows = select(ClockEvent.clock_id, ClockEvent.kind, ClockEvent.ordinal, ClockEvent.at)
        for clock_id, kind, ordinal, at in self.session.execute(rows).tuples():
            events.setdefault(clock_id, []).append((kind.value, ordinal, at))
        tasks: dict[int, list[tuple[str, int, datetime]]] = {}
        for task in self.session.scalars(select(CallTask)):
            tasks.setdefault(task.clock_id, []).append(("call_list", task.ordinal, task.created_at))
        for name, clock, life in self._clocks():
            yield from _differ(f"{name}的起算", _when(clock.started_at), _when(life.started_at))
            yield from _differ(f"{name}的时限", _when(clock.due_at), _when(life.due_at))
            yield from _differ(f"{name}原来的时限", _when(clock.first_due_at), _when(life.first_due_at))
            yield from _differ(f"{name}的停止", _when(clock.stopped_at), _when(life.stopped_at))
            yield from _differ(f"{name}的经过", _in_order(events.get(clock.id, [])), _in_order(life.events))
            calls = [event for event in life.events if event[0] == "call_list"]
            yield from _differ(f"{name}的联系清单", _in_order(tasks.get(clock.id, [])), _in_order(calls))

    def messages(self) -> Iterator[str]:
        """Everybody who had to be told of a notice or its clocks was, once, and nobody else."""
        about = Notification.event.startswith("clock:") | Notification.event.startswith("notice:")
        query = select(Notification.person_id, Notification.event, Notification.at).where(about)
        told = Counter((who, event, at) for who, event, at in self.session.execute(query).tuples())
        due = Counter(self._to_be_told())
        for (who, event, at), times in sorted((told - due).items(), key=str):
            yield f"第 {who} 号人员多收到 {times} 次“{event}”（{_when(at)}）"
        for (who, event, at), times in sorted((due - told).items(), key=str):
            yield f"第 {who} 号人员少收到 {times} 次“{event}”（{_when(at)}）"
        twice = select(Notification.person_id, Notification.event).group_by(Notification.person_id, Notification.event)
        for who, event in self.session.execute(twice.having(func.count() > 1)).tuples():
            yield f"第 {who} 号人员重复收到“{event}”"

    def extensions(self) -> Iterator[str]:
        """More time was refused as too late exactly when it was."""
        for life in self.foretold.values():
            for wish in life.wishes:
                late = too_late(life, self.rules, self.calendar, wish.at)
                yield from _differ(f"第 {life.id} 号通知单 {_when(wish.at)} 申请延期是否已晚", wish.too_late, late)

    def calls(self) -> Iterator[str]:
        """As many calls were recorded as the offices made."""
        made = sum(deed.act is Act.CALLED for deed in self.played.ledger.deeds)
        stored = self.session.scalar(select(func.count()).where(CallTask.called_at.is_not(None)))
        yield from _differ("已联系的次数", stored, made)

    def _both(self) -> Iterator[tuple[Key, Notice, NoticeLife]]:
        for key in sorted(set(self.stored) & set(self.foretold), key=str):
            yield key, self.stored[key], self.foretold[key]

    def _clocks(self) -> Iterator[tuple[str, Clock, ClockLife]]:
        for key, notice, _ in self._both():
            for clock, life in zip(notice.clocks, self.lives[key], strict=False):
                yield f"{notice.number}“{clock.title}”", clock, life

    def _to_be_told(self) -> Iterator[tuple[int, str, datetime]]:
        for key, notice, life in self._both():
            house = self.city.house(life.unit)
            unit = [house.people[party] for party in UNIT_PEOPLE]
            office = sorted(self.city.all_of("own_office", house))
            if life.dispatched_at is not None:
                yield from ((who, f"notice:{notice.id}:dispatched", life.dispatched_at) for who in unit)
            if life.ended_at is not None and (life.status == "completed" or life.dispatched_at is not None):
                people = office if life.status == "completed" else unit
                yield from ((who, f"notice:{notice.id}:{life.status}", life.ended_at) for who in people)
            for clock, clock_life in zip(notice.clocks, self.lives[key], strict=False):
                for what, ordinal, at, parties in clock_life.told:
                    people = [person for party in parties for person in sorted(self.city.all_of(party, house))]
                    yield from ((who, f"clock:{clock.id}:{what}:{ordinal}", at) for who in people)


def _key(life: NoticeLife) -> Key:
    """How a notice is told from all others: by its number, or by what it is about and when it came."""
    return (life.id,) if life.id else (life.kind, life.unit, life.entry, life.dispatched_at)


def _key_of(notice: Notice) -> Key:
    if notice.kind in MADE_BY_ITSELF:
        return (notice.kind.value, notice.unit_id, notice.entry_id or 0, notice.dispatched_at)
    return (notice.id,)


def _audit(session: Session) -> Iterator[str]:
    verified = audit.verify(session)
    if verified.broken_at is not None:
        yield f"审计记录从第 {verified.broken_at} 条起不完整：{verified.fault}"


def _only_one_side(what: str, stored: set[object] | set[int] | set[Key], foretold: object) -> Iterator[str]:
    assert isinstance(foretold, set)
    for key in sorted(stored - foretold, key=str):
        yield f"{what} {_readable(key)} 库中有，重算没有"
    for key in sorted(foretold - stored, key=str):
        yield f"{what} {_readable(key)} 重算有，库中没有"


def _differ(what: str, stored: object, foretold: object) -> Iterator[str]:
    if stored != foretold:
        yield f"{what}：库中为 {stored}，重算为 {foretold}"


def _in_order(events: list[tuple[str, int, datetime]]) -> list[str]:
    return [f"{what}/{ordinal}@{_when(at)}" for what, ordinal, at in sorted(events, key=lambda e: (e[2], e[0], e[1]))]


def _said(history: list[tuple[str | None, str, datetime]]) -> list[str]:
    return [f"{before}→{to}@{_when(at)}" for before, to, at in history]


def _published(life: VersionLife) -> str:
    return _when(life.published_at)


def _when(moment: datetime | None) -> str:
    return moment.astimezone(CHINA).isoformat() if moment else "无"


def _readable(key: object) -> str:
    if isinstance(key, tuple):
        return " ".join(_when(part) if isinstance(part, datetime) else str(part) for part in key)
    return str(key)

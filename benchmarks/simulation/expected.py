"""What must have become of everything: the ledger replayed in order, by the rulebook's file and plain counting.

Knows the rules a second time, in the plainest words, and no worker: what time does is done on its moment.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.simulation.ledger import Act, Deed
from benchmarks.simulation.written_rules import Gate, Route, WrittenRules, ways_to_write
from models.values import CHINA

OPEN = ("dispatched", "signed")
UNFINISHED = ("draft", *OPEN)
EFFECT, EXPIRY, MONTH = 0, 1, 2
"""What time does at one moment, in this order."""


@dataclass
class VersionLife:
    """One version as it must stand."""

    id: int
    entry: int
    unit: int
    number: int
    origin: str
    info_type: str
    valid_from: datetime | None
    valid_to: datetime | None
    status: str = "draft"
    passed: int = 0
    route: Route | None = None
    takes_effect_at: datetime | None = None
    published_at: datetime | None = None
    history: list[tuple[str | None, str, datetime]] = field(default_factory=list)


@dataclass
class NoticeLife:
    """One notice as it must stand."""

    kind: str
    unit: int
    entry: int = 0
    version: int = 0
    id: int = 0
    """0: made by the system, or at a gate; told from others by what it is about and when it came."""
    major: bool = False
    starts_at: datetime | None = None
    limit: str = ""
    status: str = "draft"
    dispatched_at: datetime | None = None
    signed_at: datetime | None = None
    ended_at: datetime | None = None
    answers: list[int] = field(default_factory=list)
    extensions: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When more time was given, and until when."""
    wishes: list[Deed] = field(default_factory=list)
    """For more time, and what the leader said to them."""


class Expected:
    """The whole month as it must have gone. ``faults``: what the ledger itself says that the rules do not allow."""

    def __init__(self, rules: WrittenRules, months: tuple[datetime, ...]) -> None:
        self.rules = rules
        self.versions: dict[int, VersionLife] = {}
        self.notices: list[NoticeLife] = []
        self.faults: list[str] = []
        self._by_id: dict[int, NoticeLife] = {}
        self._of_entry: dict[int, list[VersionLife]] = {}
        self._of_unit: dict[int, list[VersionLife]] = {}
        self._looked_at: set[tuple[int, str]] = set()
        self._ahead: list[tuple[datetime, int, int]] = [(month, MONTH, 0) for month in months]
        heapq.heapify(self._ahead)
        self._acts: dict[Act, Callable[[Deed], None]] = {
            Act.LOADED: self._load,
            Act.DRAFTED: self._draft,
            Act.SUBMITTED: self._submit,
            Act.RECALLED: self._recall,
            Act.APPROVED: self._approve,
            Act.AMENDED: self._amend,
            Act.SENT_BACK: self._send_back,
            Act.PUBLISHED: self._publish,
            Act.DISCARDED: lambda deed: self._move(self.versions[deed.version], "invalid", deed.at),
            Act.WITHDRAWN: lambda deed: self._take_off(deed, "withdrawn"),
            Act.MARKED_INVALID: lambda deed: self._take_off(deed, "invalid"),
            Act.RESTORED: lambda deed: self._go_live(self.versions[deed.version], deed.at),
            Act.LOOKED_AT: self._look_at,
            Act.OPENED: self._open,
            Act.DISPATCHED: lambda deed: self._dispatch(self._by_id[deed.notice], deed.at),
            Act.SIGNED: self._sign,
            Act.ANSWERED: lambda deed: self._by_id[deed.notice].answers.append(deed.version),
            Act.COMPLETED: lambda deed: self._end(self._by_id[deed.notice], "completed", deed.at),
            Act.CANCELLED: lambda deed: self._end(self._by_id[deed.notice], "cancelled", deed.at),
            Act.ASKED_FOR_TIME: lambda deed: self._by_id[deed.notice].wishes.append(deed),
            Act.CONSENTED: lambda deed: self._by_id[deed.notice].wishes.append(deed),
            Act.GIVEN_TIME: self._extend,
        }

    def replay(self, deeds: list[Deed], ends: datetime) -> None:
        """Go through everything in order, up to and with the end."""
        for deed in deeds:
            self._let_pass(deed.at)
            if deed.act in self._acts:
                self._acts[deed.act](deed)
        self._let_pass(ends)

    def _let_pass(self, now: datetime) -> None:
        while self._ahead and self._ahead[0][0] <= now:
            moment, what, version_id = heapq.heappop(self._ahead)
            if what == MONTH:
                self._begin_month(moment)
                continue
            version = self.versions[version_id]
            if what == EFFECT and version.status == "checked" and version.takes_effect_at == moment:
                self._make_live(version, moment)
            elif what == EXPIRY and version.status == "published":
                self._move(version, "expired", moment)

    # versions

    def _load(self, deed: Deed) -> None:
        self._draft(deed)
        self._make_live(self.versions[deed.version], deed.at)

    def _draft(self, deed: Deed) -> None:
        version = self._new(deed)
        version.history.append((None, "draft", deed.at))
        if deed.replaces:
            before = self.versions[deed.replaces]
            for notice in self.notices:
                if before.id in notice.answers and notice.status in OPEN:
                    notice.answers.append(version.id)
            self._move(before, "superseded", deed.at)

    def _submit(self, deed: Deed) -> None:
        version = self.versions[deed.version]
        first = all(other.published_at is None for other in self._of_entry[version.entry])
        ways = ways_to_write(version.origin)
        version.route = self.rules.route_for_writer(ways, version.info_type, deed.parties, first=first)
        if version.route is None:
            self.faults.append(f"第 {version.id} 号版本提交时没有可走的流程")
            return
        version.passed = 0
        self._land(version, deed.at)

    def _land(self, version: VersionLife, now: datetime) -> None:
        """Come to stand where the gates passed so far allow."""
        route = _route(version)
        if route.emergency:
            self._go_live(version, now)
        elif version.passed < len(route.gates):
            self._move(version, "submitted", now)
        elif route.publishes:
            self._move(version, "checked", now)
        else:
            self._go_live(version, now)
        self._arrive(version, now)

    def _arrive(self, version: VersionLife, now: datetime) -> None:
        gate = self._gate(version)
        if gate is None or not gate.notice:
            return
        notice = NoticeLife(kind=gate.notice, unit=version.unit, entry=version.entry, version=version.id)
        self.notices.append(notice)
        self._dispatch(notice, now)

    def _gate(self, version: VersionLife) -> Gate | None:
        route = version.route
        waits = route and (version.status == "submitted" or (version.status == "published" and route.emergency))
        return route.gates[version.passed] if route and waits and version.passed < len(route.gates) else None

    def _leave(self, version: VersionLife, now: datetime, *, status: str = "completed") -> None:
        for notice in self.notices:
            at_a_gate = notice.id == 0 and notice.version == version.id
            if at_a_gate and notice.status in OPEN:
                self._end(notice, status, now)

    def _recall(self, deed: Deed) -> None:
        version = self.versions[deed.version]
        self._leave(version, deed.at, status="cancelled")
        self._move(version, "draft", deed.at)

    def _approve(self, deed: Deed) -> None:
        version = self.versions[deed.version]
        route = _route(version)
        gate = route.gates[version.passed]
        if gate.by not in deed.parties:
            self.faults.append(f"第 {version.id} 号版本的“{gate.name}”由 {deed.parties} 通过，应由 {gate.by}")
        self._leave(version, deed.at)
        version.passed += 1
        if route.emergency:
            self._move(version, version.status, deed.at)
        else:
            self._land(version, deed.at)

    def _amend(self, deed: Deed) -> None:
        before, version = self.versions[deed.replaces], self._new(deed)
        version.route, version.passed, version.status = before.route, before.passed, before.status
        version.history.append((None, before.status, deed.at))
        self._move(before, "superseded", deed.at)
        for notice in self.notices:
            if notice.status in OPEN and notice.id == 0 and notice.version == before.id:
                notice.version = version.id
            if notice.status in OPEN and before.id in notice.answers:
                notice.answers.append(version.id)

    def _send_back(self, deed: Deed) -> None:
        version = self.versions[deed.version]
        self._leave(version, deed.at)
        version.passed = 0
        self._move(version, "draft", deed.at)

    def _publish(self, deed: Deed) -> None:
        version = self.versions[deed.version]
        if _route(version).publishes not in deed.parties:
            self.faults.append(f"第 {version.id} 号版本由 {deed.parties} 发布，应由 {_route(version).publishes}")
        self._go_live(version, deed.at)

    def _take_off(self, deed: Deed, to: str) -> None:
        version = self.versions[deed.version]
        self._leave(version, deed.at)
        self._move(version, to, deed.at)

    def _go_live(self, version: VersionLife, now: datetime) -> None:
        """Live now; or at its moment, where another answers until then."""
        live = self._live(version.entry)
        if live is not None and version.valid_from is not None and version.valid_from > now:
            version.takes_effect_at = version.valid_from
            self._move(version, "checked", now)
            heapq.heappush(self._ahead, (version.valid_from, EFFECT, version.id))
        else:
            self._make_live(version, now)

    def _make_live(self, version: VersionLife, now: datetime) -> None:
        if version.route and not version.route.emergency and version.passed < len(version.route.gates):
            self.faults.append(f"第 {version.id} 号版本没有通过全部审核就发布了")
        live = self._live(version.entry)
        if live is not None:
            self._move(live, "superseded", now)
        version.takes_effect_at, version.published_at = None, now
        self._move(version, "published", now)
        if version.valid_to is not None:
            heapq.heappush(self._ahead, (max(version.valid_to, now), EXPIRY, version.id))
        for notice in self.notices:
            self._answered_by(notice, version, now)

    def _answered_by(self, notice: NoticeLife, version: VersionLife, now: datetime) -> None:
        """A correction is done with the entry's next version, a question with what was written in answer."""
        corrected = notice.kind == "correction" and notice.entry == version.entry and notice.status in UNFINISHED
        if corrected and version.number > self.versions[notice.version].number:
            self._end(notice, "cancelled" if notice.status == "draft" else "completed", now)
        if notice.kind == "question" and notice.status in OPEN and version.id in notice.answers:
            self._end(notice, "completed", now)

    def _new(self, deed: Deed) -> VersionLife:
        siblings = self._of_entry.setdefault(deed.entry, [])
        version = VersionLife(
            id=deed.version,
            entry=deed.entry,
            unit=deed.unit,
            number=len(siblings) + 1,
            origin=deed.origin,
            info_type=deed.info_type,
            valid_from=deed.valid_from,
            valid_to=deed.valid_to,
        )
        siblings.append(version)
        self._of_unit.setdefault(deed.unit, []).append(version)
        self.versions[version.id] = version
        return version

    def _live(self, entry: int) -> VersionLife | None:
        return next((version for version in self._of_entry[entry] if version.status == "published"), None)

    @staticmethod
    def _move(version: VersionLife, to: str, now: datetime) -> None:
        version.history.append((version.status, to, now))
        version.status = to

    # notices

    def _open(self, deed: Deed) -> None:
        notice = NoticeLife(
            kind=deed.kind,
            unit=deed.unit,
            entry=deed.entry,
            version=deed.version,
            id=deed.notice,
            major=deed.major,
            starts_at=deed.starts_at,
            limit=deed.limit,
        )
        self.notices.append(notice)
        self._by_id[notice.id] = notice

    def _dispatch(self, notice: NoticeLife, now: datetime) -> None:
        signs, _, _ = self.rules.notices[notice.kind]
        notice.dispatched_at, notice.status = now, "dispatched" if signs else "signed"

    def _sign(self, deed: Deed) -> None:
        notice = self._by_id[deed.notice]
        notice.signed_at, notice.status = deed.at, "signed"

    @staticmethod
    def _end(notice: NoticeLife, status: str, now: datetime) -> None:
        notice.status, notice.ended_at = status, now

    def _extend(self, deed: Deed) -> None:
        assert deed.until is not None
        self._by_id[deed.notice].extensions.append((deed.at, deed.until))

    # what a unit looks at each month

    def _begin_month(self, begins: datetime) -> None:
        every = self.rules.review_every_months
        local = begins.astimezone(CHINA)
        if not every or (local.year * 12 + local.month - 1) % every:
            return
        for unit in sorted({version.unit for version in self.versions.values() if version.status == "published"}):
            notice = NoticeLife(kind="review", unit=unit, starts_at=begins)
            self.notices.append(notice)
            self._dispatch(notice, begins)

    def _look_at(self, deed: Deed) -> None:
        """With the last of its live entries a unit is done for the month."""
        version, month = self.versions[deed.version], f"{deed.at.astimezone(CHINA):%Y-%m}"
        self._looked_at.add((version.entry, month))
        live = [other for other in self._of_unit[version.unit] if other.status == "published"]
        if any((other.entry, month) not in self._looked_at for other in live):
            return
        for notice in self.notices:
            begun = notice.starts_at and f"{notice.starts_at.astimezone(CHINA):%Y-%m}" == month
            if notice.kind == "review" and notice.unit == version.unit and begun and notice.status in OPEN:
                self._end(notice, "completed", deed.at)


def _route(version: VersionLife) -> Route:
    assert version.route is not None
    return version.route

"""Time passes once, in order, and is made up for after a stop."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from kb_admin import duties, extensions, lifecycle, notices
from kb_admin.advance import Advanced, advance, waiting_since
from kb_admin.deliveries import WAYS_OUT
from models.database import open_engine, sessions
from models.errors import ZhidaError
from models.knowledge import Entry, Transition, Version
from models.messages import Delivery, Notification
from models.notices import CallTask, Clock, ClockEvent, Notice
from models.values import Channel, ClockEventKind, NoticeKind, NoticeStatus
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, assemble, published
from tests.kb_admin.test_clocks import at, history

K, S = NoticeKind, NoticeStatus
MINUTE = timedelta(minutes=1)


def run(session: Session, now: datetime, *, limit: int = 200) -> int:
    """All that is due by then; how many things were done."""
    total = 0
    while done := advance(session, now, limit=limit).total:
        total += done
        session.commit()
    session.commit()
    return total


def reviews(session: Session) -> list[tuple[str, str, datetime | None, datetime]]:
    """Unit, title, dispatch and end of each review notice."""
    found = session.scalars(select(Notice).where(Notice.kind == K.REVIEW).order_by(Notice.id))
    return [(n.unit.name, n.title, n.dispatched_at, n.clocks[0].due_at) for n in found]


class TestMonthlyReview:
    """梅州 art. 8(3): each unit looks through its entries every month."""

    @pytest.fixture(autouse=True)
    def _base(self, session: Session, cast: Cast) -> None:  # noqa: ARG002 - the cast's units must be there
        published(session, LOST_CARD)

    def test_a_new_base_begins_with_the_next_month(self, session: Session) -> None:
        run(session, NOW)
        run(session, at("11-30 23:59:59"))
        assert reviews(session) == []

    def test_it_opens_at_the_first_moment_for_units_with_entries(self, session: Session, cast: Cast) -> None:
        run(session, NOW)
        run(session, at("12-01 00:00"))
        title = "每月回顾检查本单位知识（2026年12月）"
        assert reviews(session) == [
            (cast.unit.name, title, at("12-01 00:00"), datetime.fromisoformat("2027-01-01T00:00:00+08:00"))
        ]
        assert run(session, at("12-01 00:00:01")) == 0
        assert session.scalars(select(Notice.once)).all() == [f"review:{cast.unit.id}:2026-12"]

    def test_a_base_whose_first_look_is_at_that_moment_has_it(self, session: Session) -> None:
        run(session, at("12-01 00:00"))
        assert len(reviews(session)) == 1

    def test_months_that_began_during_a_stop_are_made_up_for(self, session: Session, cast: Cast) -> None:
        """The other unit's first entry came on 5 December: it has no December, but a January."""
        run(session, NOW)
        published(session, RESIDENCE_PERMIT, now=at("12-05 10:00"))
        run(session, datetime.fromisoformat("2027-01-05T10:00:00+08:00"), limit=1)
        units = [
            (unit, sent.astimezone(at("01-01 00:00").tzinfo).month) for unit, _, sent, _ in reviews(session) if sent
        ]
        assert units == [(cast.unit.name, 12), (cast.unit.name, 1), (cast.other_unit.name, 1)]
        december = session.scalars(select(Notice).where(Notice.once == f"review:{cast.unit.id}:2026-12")).one()
        assert history(session, december)[-1][1] is ClockEventKind.EXPIRED

    def test_what_was_taken_off_before_the_month_is_not_looked_through(self, session: Session) -> None:
        run(session, NOW)
        version = session.scalars(select(Version)).one()
        lifecycle.withdraw(session, version, "停办", actor=None, now=at("11-25 10:00"))
        run(session, at("12-02 10:00"))
        assert reviews(session) == []

    def test_what_was_taken_off_in_the_month_was_there_at_its_beginning(self, session: Session) -> None:
        run(session, NOW)
        version = session.scalars(select(Version)).one()
        lifecycle.withdraw(session, version, "停办", actor=None, now=at("12-02 10:00"))
        run(session, at("12-03 10:00"))
        assert len(reviews(session)) == 1


def test_a_missing_calendar_holds_up_the_duties_and_nothing_else(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kb_admin.worktime import CalendarNotPublished

    def missing(*_args: object, **_kwargs: object) -> int:
        raise CalendarNotPublished(2027)

    monkeypatch.setattr(duties, "open_periodic", missing)
    notice = notices.open_notice(
        session, kind=K.QUESTION, unit=cast.unit, title="缴费", dispatched=True, actor=cast.office, now=NOW
    )
    done = advance(session, at("11-24 17:30"))
    assert (done.clocks, done.waiting_for_year) == (1, 2027)
    assert history(session, notice)[-1] == ("answer_question", ClockEventKind.EXPIRED, at("11-24 17:30"))


def test_nothing_due_is_nothing_done(session: Session, cast: Cast) -> None:
    assert advance(session, NOW) == Advanced()


def test_how_long_something_has_waited_for_a_worker(session: Session, cast: Cast) -> None:
    notices.open_notice(
        session, kind=K.QUESTION, unit=cast.unit, title="缴费", dispatched=True, actor=cast.office, now=NOW
    )
    published(session, replace(LOST_CARD, valid_to=at("11-25 00:00")))
    assert waiting_since(session, at("11-24 13:29:59")) is None
    assert waiting_since(session, at("11-24 18:00")) == at("11-24 13:30")  # the reminder, four working hours before
    run(session, at("11-24 18:00"))
    assert waiting_since(session, at("11-25 08:00")) == at("11-25 00:00")
    run(session, at("11-25 08:00"))
    assert waiting_since(session, at("12-01 08:00")) is None


def test_what_took_effect_during_a_stop_stopped_its_clock_in_time(session: Session, cast: Cast) -> None:
    """The correction is due on the 24th at 17:30; its new version takes effect at noon, and nobody looks for a week."""
    live = published(session, LOST_CARD)
    notice = notices.open_notice(
        session,
        kind=K.CORRECTION,
        unit=cast.unit,
        title="费用有误",
        entry=live.entry,
        dispatched=True,
        actor=cast.office,
        now=NOW,
    )
    content = replace(LOST_CARD, spoken="工本费二十元。", valid_from=at("11-24 12:00"))
    version = lifecycle.add_version(session, live.entry, content, actor=None, now=NOW)
    lifecycle.submit(session, version, actor=None, now=NOW)
    lifecycle.publish(session, version, actor=None, now=NOW)
    session.commit()
    run(session, at("12-01 09:00"), limit=1)
    session.refresh(notice)
    assert (notice.status, notice.completed_at) == (S.COMPLETED, at("11-24 12:00"))
    assert ClockEventKind.EXPIRED not in {kind for _, kind, _ in history(session, notice)}


Row = tuple[object, ...]
Script = list[tuple[datetime, Callable[["World"], None]]]


class World:
    """A base of its own, in which things happen at given moments."""

    def __init__(self, engine: Engine) -> None:
        open_session = sessions(engine)
        open_session.configure(info={WAYS_OUT: frozenset(Channel)})
        self.session = open_session()
        self.cast = assemble(self.session)
        for person in (self.cast.editor, self.cast.office):
            person.mail = f"{person.login}@example.com"
        self.session.commit()

    def act(self, what: Callable[["World"], object]) -> None:
        """Somebody tries something; what is refused leaves no trace."""
        try:
            what(self)
            self.session.commit()
        except ZhidaError:
            self.session.rollback()

    def rows(self) -> dict[str, list[Row]]:
        """All that time and people left, without the numbers that rows happen to have."""
        self.session.expire_all()
        every = self.session.scalars
        names = {f"clock:{c.id}:": f"{c.notice.number}/{c.name}:" for c in every(select(Clock))}
        names |= {f"notice:{n.id}:": f"{n.number}:" for n in every(select(Notice))}

        def named(event: str) -> str:
            head, _, tail = event.partition(":")
            number, _, rest = tail.partition(":")
            return names.get(f"{head}:{number}:", f"{head}:{number}:") + rest

        found: dict[str, list[Row]] = {
            "notices": [
                (n.number, n.status, n.unit.name, n.dispatched_at, n.signed_at, n.completed_at, n.result)
                for n in every(select(Notice))
            ],
            "clocks": [
                (c.notice.number, c.name, c.started_at, c.due_at, c.first_due_at, c.stopped_at, c.next_at is None)
                for c in every(select(Clock))
            ],
            "events": [
                (e.clock.notice.number, e.clock.name, e.kind, e.ordinal, e.at, e.actor_id)
                for e in every(select(ClockEvent))
            ],
            "calls": [(t.clock.notice.number, t.clock.name, t.ordinal, t.created_at) for t in every(select(CallTask))],
            "messages": [(m.person_id, named(m.event), m.text, m.at) for m in every(select(Notification))],
            "outbox": [
                (d.channel, named(d.event), d.recipient, d.body["text"], d.created_at) for d in every(select(Delivery))
            ],
            "moves": [(t.version_id, t.from_status, t.to_status, t.at) for t in every(select(Transition))],
        }
        return {name: sorted(rows, key=repr) for name, rows in found.items()}


@pytest.fixture
def worlds(_migrated_file: Path, tmp_path: Path) -> Iterator[tuple[World, World]]:
    engines = []
    for name in ("ticking", "stopped"):
        file = tmp_path / f"{name}.db"
        file.write_bytes(_migrated_file.read_bytes())
        engines.append(open_engine(f"sqlite:///{file}"))
    yield World(engines[0]), World(engines[1])
    for engine in engines:
        engine.dispose()


def a_script(chance: random.Random) -> Script:
    """Three weeks of notices, of what units and offices do with them, and of entries that come and go."""
    moments = sorted(NOW + chance.random() * 21 * DAY for _ in range(80))
    return [(moment.replace(microsecond=0), something(chance, moment.replace(microsecond=0))) for moment in moments]


def something(chance: random.Random, now: datetime) -> Callable[[World], object]:
    """One thing that somebody does, by chance."""
    kind = chance.choice([K.COLLECTION, K.QUESTION, K.SUPERVISION, K.UPDATE, K.CORRECTION])
    nth, days, late = chance.randrange(6), chance.randrange(1, 6), chance.random() < 0.3

    def open_one(world: World) -> object:
        return notices.open_notice(
            world.session,
            kind=kind,
            unit=world.cast.unit,
            title=f"第 {nth} 件",
            entry=nth_of(world, Entry, nth) if kind is K.CORRECTION else None,
            limit=f"{days} days" if kind is K.SUPERVISION else "",
            starts_at=now - 9 * DAY if kind is K.UPDATE and late else None,
            dispatched=True,
            actor=world.cast.office,
            now=now,
        )

    def on_notice(act: Callable[[World, Notice], object]) -> Callable[[World], object]:
        def do(world: World) -> object:
            notice = nth_of(world, Notice, -1 - nth)
            return act(world, notice) if notice else None

        return do

    def extend(world: World, notice: Notice) -> None:
        given = {"reason": "等文件", "until": notice.clocks[-1].due_at + days * DAY, "now": now}
        wish = extensions.ask(world.session, notice, actor=world.cast.editor, **given)
        extensions.consent(world.session, wish, actor=world.cast.leader, now=now)
        extensions.decide(world.session, wish, granted=not late, answer="可", actor=world.cast.office, now=now)

    def publish(world: World) -> None:
        """A new entry, sometimes with an end and a version that will replace it before; or another again."""
        again = nth_of(world, Entry, nth)
        content = replace(LOST_CARD, question=f"第 {nth} 问", answer=f"{now}")
        if late:
            ends = replace(content, valid_to=now + 2 * days * DAY)
            scheduled = replace(ends, spoken="以后的口径。", valid_from=now + days * DAY)
            live = go_live(world, lifecycle.create_entry(world.session, ends, actor=None, now=now))
            go_live(world, lifecycle.add_version(world.session, live.entry, scheduled, actor=None, now=now))
        elif again is None:
            go_live(world, lifecycle.create_entry(world.session, content, actor=None, now=now))
        else:
            go_live(world, lifecycle.add_version(world.session, again, content, actor=None, now=now))

    def go_live(world: World, version: Version) -> Version:
        lifecycle.submit(world.session, version, actor=None, now=now)
        lifecycle.publish(world.session, version, actor=None, now=now)
        return version

    things: list[Callable[[World], object]] = [
        open_one,
        open_one,
        on_notice(lambda w, n: notices.sign(w.session, n, actor=w.cast.editor, now=now)),
        on_notice(lambda w, n: notices.sign(w.session, n, actor=w.cast.reviewer, now=now)),
        on_notice(lambda w, n: notices.complete(w.session, n, "已办", actor=w.cast.editor, now=now)),
        on_notice(lambda w, n: notices.cancel(w.session, n, "重复", actor=w.cast.office, now=now)),
        on_notice(extend),
        publish,
    ]
    return chance.choice(things)


T = TypeVar("T", Notice, Entry)


def nth_of(world: World, table: type[T], nth: int) -> T | None:
    """Some row of the table, the same in both worlds; none where there are too few.

    Not what time itself brings or takes: while no worker runs, people see it as it was.
    """
    timed = select(Version.entry_id).where(Version.valid_to.is_not(None))
    untouched = Notice.kind != K.REVIEW if table is Notice else Entry.id.not_in(timed)
    rows = world.session.scalars(select(table).where(untouched).order_by(table.id)).all()
    return rows[nth] if -len(rows) <= nth < len(rows) else None


@pytest.mark.parametrize("seed", range(6))
def test_a_worker_that_slept_leaves_the_same_as_one_that_looked_all_the_time(
    worlds: tuple[World, World], seed: int
) -> None:
    ticking, stopped = worlds
    chance = random.Random(seed)
    script = a_script(chance)
    end = NOW + 21 * DAY
    for world in worlds:
        run(world.session, NOW)
    for (moment, thing), (following, _) in pairwise([*script, (end, lambda _world: None)]):
        for world in worlds:
            run(world.session, moment) if world is ticking else None
            world.act(thing)
        for tick in range(1, int((following - moment) / (20 * MINUTE)) + 1):
            run(ticking.session, moment + tick * 20 * MINUTE)
        if chance.random() < 0.1:
            run(stopped.session, moment)
    for world in worlds:
        run(world.session, end)
    expected = ticking.rows()
    assert len(expected["events"]) > 40
    assert stopped.rows() == expected

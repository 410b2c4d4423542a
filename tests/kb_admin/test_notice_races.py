"""Two people, or two workers, at the same moment: one does it, the other is told, and nothing happens twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from kb_admin import calls, clocks, extensions, notices
from kb_admin.advance import advance
from models.database import sessions
from models.errors import Conflict, ZhidaError
from models.messages import Notification
from models.notices import Application, CallTask, Clock, ClockEvent, Notice
from models.organisation import Person
from models.values import ApplicationStatus, ClockEventKind, NoticeKind, NoticeStatus
from tests.cast import LOST_CARD, NOW, Cast, published
from tests.kb_admin.test_clocks import at, collection, correction

Result = TypeVar("Result")
Twice = Callable[[Callable[[Session], Result]], list[Result | ZhidaError]]


@pytest.fixture
def twice(engine: Engine) -> Twice[object]:
    """Does the same in two transactions that begin at the same moment; what each came to, errors last."""

    def run(what: Callable[[Session], object]) -> list[object | ZhidaError]:
        together = threading.Barrier(2, timeout=10)

        def one() -> object:
            with sessions(engine)() as session:
                together.wait()
                try:
                    result = what(session)
                    session.commit()
                except ZhidaError as error:
                    session.rollback()
                    return error
                return result

        with ThreadPoolExecutor(2) as pool:
            results = [future.result() for future in [pool.submit(one), pool.submit(one)]]
        return sorted(results, key=lambda result: isinstance(result, ZhidaError))

    return run


def person(session: Session, login: str) -> Person:
    return session.scalars(select(Person).where(Person.login == login)).one()


def events(session: Session) -> list[ClockEventKind]:
    return list(session.scalars(select(ClockEvent.kind).order_by(ClockEvent.at, ClockEvent.id)))


def test_two_workers_at_once_write_what_fell_due_once(session: Session, cast: Cast, twice: Twice[int]) -> None:
    for _ in range(5):
        correction(session, cast)
    session.commit()
    before = session.scalar(select(func.count()).select_from(Notification)) or 0
    moved = twice(lambda other: clocks.run_due(other, at("11-24 17:30")))
    assert sum(n for n in moved if isinstance(n, int)) == 5
    assert events(session).count(ClockEventKind.CALL_LIST) == 5
    assert session.scalar(select(func.count()).select_from(CallTask)) == 5
    told = (session.scalar(select(func.count()).select_from(Notification)) or 0) - before
    assert told == 5 * (3 + 3 + 1)  # the reminder and the second notice to three people, the call to one


def test_two_whole_steps_at_once(session: Session, cast: Cast, twice: Twice[int]) -> None:
    published(session, LOST_CARD)
    correction(session, cast)
    session.commit()
    advance(session, NOW)
    session.commit()
    twice(lambda other: advance(other, at("12-01 09:00")).total)
    while advance(session, at("12-01 09:00")).total:
        session.commit()
    reviews = select(func.count()).select_from(Notice).where(Notice.kind == NoticeKind.REVIEW)
    assert session.scalar(reviews) == 1
    assert events(session).count(ClockEventKind.EXPIRED) == 1


def test_two_who_sign_at_once(session: Session, cast: Cast, twice: Twice[None]) -> None:
    notice = collection(session, cast)
    session.commit()

    def sign(other: Session) -> None:
        mine = other.get_one(Notice, notice.id)
        notices.sign(other, mine, actor=person(other, cast.editor.login), now=at("11-23 09:00"))

    done, refused = twice(sign)
    assert done is None
    assert isinstance(refused, Conflict)
    assert events(session).count(ClockEventKind.STOPPED) == 1


def test_a_worker_and_a_late_completion_at_once(session: Session, cast: Cast, twice: Twice[object]) -> None:
    """Whoever comes first: it ran out once, and it was completed."""
    notice = correction(session, cast)
    session.commit()
    turns = iter([True, False])

    def one_of_both(other: Session) -> object:
        if next(turns):
            return clocks.run_due(other, at("11-25 09:00"))
        mine = other.get_one(Notice, notice.id)
        return notices.complete(other, mine, "已整改", actor=person(other, cast.editor.login), now=at("11-25 09:00"))

    assert not [result for result in twice(one_of_both) if isinstance(result, ZhidaError)]
    session.refresh(notice)
    assert notice.status is NoticeStatus.COMPLETED
    assert sorted(events(session)) == sorted(
        [
            ClockEventKind.STARTED,
            ClockEventKind.WARNED,
            ClockEventKind.EXPIRED,
            ClockEventKind.SECOND_NOTICE,
            ClockEventKind.CALL_LIST,
            ClockEventKind.STOPPED,
        ]
    )
    clock = session.scalars(select(Clock)).one()
    assert (clock.stopped_at, clock.next_at) == (at("11-25 09:00"), None)


def test_numbers_given_at_once_differ(session: Session, cast: Cast, twice: Twice[str]) -> None:
    def open_one(other: Session) -> str:
        office = person(other, cast.office.login)
        unit = other.get_one(type(cast.unit), cast.unit.id)
        return notices.open_notice(
            other, kind=NoticeKind.COLLECTION, unit=unit, title="甲", actor=office, now=NOW
        ).number

    assert sorted(str(number) for number in twice(open_one)) == ["采集〔2026〕1号", "采集〔2026〕2号"]
    assert session.scalars(select(Notice.status)).all() == [NoticeStatus.DRAFT] * 2


def test_two_corrections_of_an_entry_at_once(session: Session, cast: Cast, twice: Twice[str]) -> None:
    entry = published(session, LOST_CARD).entry

    def open_one(other: Session) -> str:
        mine = other.get_one(type(entry), entry.id)
        return notices.open_notice(
            other,
            kind=NoticeKind.CORRECTION,
            unit=mine.unit,
            title="错",
            entry=mine,
            actor=person(other, cast.office.login),
            now=NOW,
        ).number

    first, second = twice(open_one)
    assert first == "整改〔2026〕1号"
    assert isinstance(second, Conflict)


def test_what_there_is_one_of_is_made_once(session: Session, cast: Cast, twice: Twice[str]) -> None:
    def open_once(other: Session) -> str:
        unit = other.get_one(type(cast.unit), cast.unit.id)
        return notices.open_notice(
            other, kind=NoticeKind.REVIEW, unit=unit, title="甲", once="review:1:2026-12", actor=None, now=NOW
        ).number

    assert twice(open_once) == ["回顾〔2026〕1号"] * 2
    assert session.scalar(select(func.count()).select_from(Notice)) == 1


def test_two_decisions_on_one_extension(session: Session, cast: Cast, twice: Twice[None]) -> None:
    notice = collection(session, cast)
    wish = extensions.ask(
        session, notice, reason="等文件", until=at("12-02 17:30"), actor=cast.editor, now=at("11-23 09:00")
    )
    extensions.consent(session, wish, actor=cast.leader, now=at("11-23 09:05"))
    session.commit()

    def grant(other: Session) -> None:
        mine = other.get_one(Application, wish.id)
        office = person(other, cast.office.login)
        extensions.decide(other, mine, granted=True, actor=office, now=at("11-23 10:00"))

    done, refused = twice(grant)
    assert done is None
    assert isinstance(refused, Conflict)
    session.refresh(wish)
    assert wish.status is ApplicationStatus.GRANTED
    assert events(session).count(ClockEventKind.EXTENDED) == 1


def test_two_records_of_one_call(session: Session, cast: Cast, twice: Twice[None]) -> None:
    correction(session, cast)
    clocks.run_due(session, at("11-24 17:30"))
    session.commit()
    task_id = session.scalars(select(CallTask.id)).one()

    def call(other: Session) -> None:
        office = person(other, cast.office.login)
        calls.record_call(other, other.get_one(CallTask, task_id), "已联系", actor=office, now=at("11-25 09:00"))

    done, refused = twice(call)
    assert done is None
    assert isinstance(refused, Conflict)

"""Two verdicts at the same moment: together they take the entry below the threshold, and one notice is made of it."""

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from kb_admin import corrections, defences, feedback, lifecycle, notices
from models.database import open_engine, sessions
from models.errors import Conflict, ZhidaError
from models.improvement import Defence
from models.knowledge import Version
from models.notices import Notice
from models.organisation import Person
from models.usage import Verdict
from models.values import FaultReason, NoticeKind, NoticeStatus
from tests.cast import LOST_CARD, NOW, Cast, published
from tests.kb_admin.raters import RIGHT, WRONG, agents, asked, judged

ROUNDS = 3
START = 30
"""Seconds in which the other process must have come up."""
BEFORE_COMMIT = 0.5
"""Seconds in which the other one would have counted, were it not kept waiting."""
Asked = tuple[int, int, int]
"""Question, version, agent."""


@pytest.fixture
def entry(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD)


def find_wrong(session: Session, wanted: Asked) -> Verdict:
    question_id, version_id, person_id = wanted
    return feedback.judge(
        session,
        question_id=question_id,
        version_id=version_id,
        judgement=WRONG,
        reason=FaultReason.OTHER,
        note="",
        actor=session.get_one(Person, person_id),
        now=NOW,
    )


def two_questions(session: Session, version: Version, *, start: int) -> list[Asked]:
    return [(asked(session, p, version, NOW).id, version.id, p.id) for p in agents(session, 2, start=start)]


def corrections_made(session: Session) -> int:
    return session.scalar(select(func.count()).where(Notice.kind == NoticeKind.CORRECTION)) or 0


def _process(url: str, barrier: Barrier, wanted: list[Asked]) -> None:
    engine = open_engine(url)
    for each in wanted:
        with sessions(engine)() as session:
            barrier.wait(START)
            find_wrong(session, each)
            session.commit()
    engine.dispose()


def test_two_processes_at_once_miss_nothing(session: Session, cast: Cast, database_url: str) -> None:
    """Four have found each entry right. One more who finds it wrong makes 80 %, two make 4/6: whoever comes second
    must see the first."""
    entries = [published(session, replace(LOST_CARD, question=f"第 {n} 问", similar=())) for n in range(ROUNDS)]
    wanted = []
    for n, entry in enumerate(entries):
        judged(session, entry, [RIGHT] * 4, NOW, start=100 * n + 1)
        wanted.append(two_questions(session, entry, start=100 * n + 50))
    session.commit()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    mine = [[pair[side] for pair in wanted] for side in (0, 1)]
    processes = [context.Process(target=_process, args=(database_url, barrier, each)) for each in mine]
    for process in processes:
        process.start()
    for process in processes:
        process.join(3 * START)
    assert [process.exitcode for process in processes] == [0, 0]
    made = session.scalars(
        select(Notice.entry_id).where(Notice.kind == NoticeKind.CORRECTION).order_by(Notice.entry_id)
    )
    assert made.all() == [entry.entry_id for entry in entries]
    assert session.scalar(select(func.count()).select_from(Verdict)) == 6 * ROUNDS


def test_both_have_written_before_either_counts(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at the worst moment, in every run: without waiting for the entry both would count before either commits,
    and neither would see the other's verdict. SQLite has one writer, so there it cannot be."""
    from tests.cast import assemble

    engine = open_engine(postgresql_url)
    with sessions(engine)() as session:
        assemble(session)
        entry = published(session, LOST_CARD)
        judged(session, entry, [RIGHT] * 4, NOW)
        wanted = two_questions(session, entry, start=50)
        session.commit()
    together, real = threading.Barrier(2, timeout=10), corrections.after_verdict

    def slowly(session: Session, version: Version, **when: object) -> Notice | None:
        together.wait()
        made = real(session, version, **when)  # type: ignore[arg-type]
        time.sleep(BEFORE_COMMIT)
        return made

    monkeypatch.setattr(corrections, "after_verdict", slowly)
    _at_once(engine, [lambda other, each=each: find_wrong(other, each) for each in wanted])
    with sessions(engine)() as session:
        assert corrections_made(session) == 1
    engine.dispose()


def test_two_that_would_each_trigger_make_one_notice(
    session: Session, cast: Cast, entry: Version, engine: Engine
) -> None:
    judged(session, entry, [RIGHT] * 3 + [WRONG], NOW)
    wanted = two_questions(session, entry, start=50)
    session.commit()
    results = _at_once(engine, [lambda other, each=each: find_wrong(other, each) for each in wanted])
    assert not [result for result in results if isinstance(result, ZhidaError)]
    assert corrections_made(session) == 1


def test_one_who_presses_twice_gives_one_verdict(session: Session, cast: Cast, entry: Version, engine: Engine) -> None:
    question = asked(session, cast.agent, entry, NOW)
    wanted = (question.id, entry.id, cast.agent.id)
    session.commit()
    results = _at_once(engine, [lambda other: find_wrong(other, wanted)] * 2)
    assert not [result for result in results if isinstance(result, ZhidaError)]
    assert session.scalar(select(func.count()).select_from(Verdict)) == 1


def test_a_verdict_and_a_publication_at_once_leave_no_notice_on_what_was_replaced(
    session: Session, cast: Cast, entry: Version, engine: Engine
) -> None:
    judged(session, entry, [RIGHT] * 3 + [WRONG], NOW)
    [wanted, _] = two_questions(session, entry, start=50)
    new = lifecycle.add_version(session, entry.entry, replace(LOST_CARD, answer="新。"), actor=None, now=NOW)
    lifecycle.submit(session, new, actor=None, now=NOW)
    session.commit()
    _at_once(
        engine,
        [
            lambda other: find_wrong(other, wanted),
            lambda other: lifecycle.publish(other, other.get_one(Version, new.id), actor=None, now=NOW),
        ],
    )
    unfinished = (Notice.kind == NoticeKind.CORRECTION, Notice.status.in_(notices.UNFINISHED))
    assert session.scalars(select(Notice).where(*unfinished)).all() == []
    assert session.scalar(select(Version.id).where(Version.status == "published")) == new.id


def test_two_decisions_on_one_defence(session: Session, cast: Cast, entry: Version, engine: Engine) -> None:
    judged(session, entry, [WRONG] * 5, NOW)
    notice = corrections.under_correction(session, [entry.entry_id])[entry.entry_id]
    notices.dispatch(session, notice, actor=cast.office, now=NOW)
    defence = defences.defend(session, notice, "有依据。", actor=cast.editor, now=NOW)
    session.commit()

    def decide(other: Session) -> None:
        office, mine = other.get_one(Person, cast.office.id), other.get_one(Defence, defence.id)
        defences.decide(other, mine, granted=True, answer="", actor=office, now=NOW)

    done, refused = _at_once(engine, [decide, decide])
    assert done is None
    assert isinstance(refused, Conflict)
    session.refresh(notice)
    assert notice.status is NoticeStatus.COMPLETED


def _at_once(engine: Engine, acts: list[Callable[[Session], object]]) -> list[object]:
    """What each of them came to in a transaction of its own, all begun at the same moment; errors last."""
    together = threading.Barrier(len(acts), timeout=10)

    def one(act: Callable[[Session], object]) -> object:
        with sessions(engine)() as session:
            together.wait()
            try:
                result = act(session)
                session.commit()
            except ZhidaError as error:
                session.rollback()
                return error
            return result

    with ThreadPoolExecutor(len(acts)) as pool:
        results = [future.result() for future in [pool.submit(one, act) for act in acts]]
    return sorted(results, key=lambda result: isinstance(result, ZhidaError))

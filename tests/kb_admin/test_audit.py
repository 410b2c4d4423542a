"""The audit log: a chain that shows every change, and takes in nothing that did not happen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from kb_admin import audit
from models.audit import AuditHead, AuditRecord
from models.database import sessions
from models.organisation import Person
from tests.cast import NOW

Tamper = Callable[[Session], None]


@pytest.fixture
def clerk(session: Session) -> Person:
    """Somebody in a base in which nothing has been recorded yet."""
    person = Person(login="lu", name="陆记", password_hash="-")
    session.add(person)
    session.commit()
    return person


def test_a_new_log_is_whole_and_empty(session: Session) -> None:
    assert audit.verify(session) == audit.Verified(0, None, "", audit.NOTHING_BEFORE)


def test_records_stand_in_the_log_after_the_commit_in_the_order_of_writing(session: Session, clerk: Person) -> None:
    audit.record(session, actor=clerk, act="release", subject="entry:A", details={"b": 1, "a": "甲"}, now=NOW)
    audit.record(session, actor=None, act="expire", subject="entry:B", now=NOW + timedelta(microseconds=1))
    assert session.scalar(select(func.count(AuditRecord.seq))) == 0
    session.commit()
    first, second = session.scalars(select(AuditRecord).order_by(AuditRecord.seq))
    assert (first.seq, first.actor_id, first.act, first.subject) == (1, clerk.id, "release", "entry:A")
    assert first.details == {"a": "甲", "b": 1}
    assert (second.seq, second.actor_id, second.previous) == (2, None, first.hash)
    assert audit.verify(session) == audit.Verified(2, None, "", second.hash)


def test_what_is_rolled_back_was_never_recorded(session: Session, clerk: Person) -> None:
    _write(session, "gone")
    session.rollback()
    _write(session, "kept")
    with pytest.raises(ZeroDivisionError), session.begin_nested():
        _write(session, "gone with its savepoint")
        _ = 1 / 0
    with session.begin_nested():
        _write(session, "kept with its savepoint")
    session.commit()
    _write(session, "gone with the session")
    session.close()
    session.commit()
    assert session.scalars(select(AuditRecord.act).order_by(AuditRecord.seq)).all() == [
        "kept",
        "kept with its savepoint",
    ]
    assert audit.verify(session).broken_at is None


def test_many_writers_leave_one_chain_without_a_gap(engine: Engine, session: Session, clerk: Person) -> None:
    open_session = sessions(engine)

    def write(name: int) -> None:
        for turn in range(10):
            with open_session() as own:
                audit.record(own, actor=None, act="view", subject=f"{name}:{turn}", now=NOW)
                own.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert audit.verify(session).count == 40
    assert audit.verify(session).broken_at is None


@pytest.mark.parametrize("statement", ["UPDATE audit_records SET act = 'x'", "DELETE FROM audit_records"])
def test_the_database_itself_refuses_to_change_the_log(statement: str, session: Session, clerk: Person) -> None:
    _write(session, "view")
    session.commit()
    with pytest.raises(DBAPIError, match="only ever added to"):
        session.execute(text(statement))


def _change(column: str, value: object) -> Tamper:
    return lambda session: session.execute(update(AuditRecord).where(AuditRecord.seq == 3).values({column: value}))


def _swap(session: Session) -> None:
    for before, after in ((3, 99), (4, 3), (99, 4)):
        session.execute(update(AuditRecord).where(AuditRecord.seq == before).values(seq=after))


def _remove(seq: int) -> Tamper:
    return lambda session: session.execute(text(f"DELETE FROM audit_records WHERE seq = {seq}"))


def _remove_all(session: Session) -> None:
    session.execute(text("DELETE FROM audit_records"))


def _append(session: Session) -> None:
    session.add(
        AuditRecord(seq=6, at=NOW, act="x", subject="x", details={}, previous="0" * 64, hash="1" * 64, actor_id=None)
    )


def _turn_back_head(session: Session) -> None:
    session.execute(update(AuditHead).values(seq=4))


TAMPERED: dict[str, tuple[Tamper, int, str]] = {
    "who": (_change("actor_id", None), 3, "被改动过"),
    "when": (_change("at", NOW + timedelta(seconds=1)), 3, "被改动过"),
    "what": (_change("act", "other"), 3, "被改动过"),
    "to what": (_change("subject", "entry:Z"), 3, "被改动过"),
    "the details": (_change("details", {"n": 9}), 3, "被改动过"),
    "the seal": (_change("hash", "f" * 64), 3, "被改动过"),
    "the seal before": (_change("previous", "f" * 64), 3, "没有接在"),
    "two changed places": (_swap, 3, "没有接在"),
    "one taken out": (_remove(3), 3, "缺少第 3 条"),
    "the first taken out": (_remove(1), 1, "缺少第 1 条"),
    "the last cut off": (_remove(5), 5, "末尾少了 1 条"),
    "all cut off": (_remove_all, 1, "末尾少了 5 条"),
    "one put on by hand": (_append, 6, "没有接在"),
    "the end moved": (_turn_back_head, 6, "标记不符"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_verifying_tells_where_the_chain_breaks(what: str, session: Session, clerk: Person) -> None:
    for n in range(5):
        audit.record(session, actor=clerk, act="view", subject=f"entry:{n}", details={"n": n}, now=NOW)
    session.commit()
    tamper, broken_at, fault = TAMPERED[what]
    _lift_triggers(session)
    tamper(session)
    session.commit()
    found = audit.verify(session)
    assert (found.count, found.broken_at) == (broken_at - 1, broken_at)
    assert fault in found.fault


def test_recording_keeps_what_else_the_transaction_did(session: Session, clerk: Person) -> None:
    _write(session, "view")
    clerk.name = "陆记二"
    session.commit()
    session.expire_all()
    assert session.get_one(Person, clerk.id).name == "陆记二"


def _write(session: Session, act: str) -> None:
    audit.record(session, actor=None, act=act, subject="entry:A", now=NOW)


def _lift_triggers(session: Session) -> None:
    """As somebody who owns the database could."""
    if session.get_bind().dialect.name == "sqlite":
        for name in ("audit_records_no_update", "audit_records_no_delete"):
            session.execute(text(f"DROP TRIGGER {name}"))
    else:
        session.execute(text("DROP TRIGGER audit_records_only_added_to ON audit_records"))

"""The audit log: who saw or did what. Records form a chain, so that none is changed, moved or taken out unseen.

Actions say ``record`` wherever something happens; the records of a transaction are sealed into the chain when it
commits, so that writers wait for each other only for that moment, and what is rolled back was never recorded.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy import event, insert, select, update
from sqlalchemy.orm import Session, SessionTransaction

from models.audit import AuditHead, AuditRecord
from models.errors import Unavailable
from models.organisation import Person

NOTHING_BEFORE = "0" * 64
"""What the first record stands on."""
READ_AT_ONCE = 1000
_UNSEALED = "audit_unsealed"


@dataclass(frozen=True)
class Verified:
    """What going through the whole chain found."""

    count: int
    """Records that are as they were written, from the first on."""
    broken_at: int | None
    """Number of the first record that is not; None: the chain is whole."""
    fault: str
    """What is wrong there, in words; empty when nothing is."""
    last_hash: str
    """Seal of the last good record. Who keeps it elsewhere can tell later whether the whole log was written anew."""


@dataclass(frozen=True)
class _Unsealed:
    at: datetime
    actor_id: int | None
    act: str
    subject: str
    details: dict[str, Any]
    within: tuple[SessionTransaction, ...]
    """The transaction and the savepoints in which it was recorded: when one is rolled back, this never was."""


def record(
    session: Session,
    *,
    actor: Person | None,
    act: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> None:
    """Write down an act; it stands in the log once the transaction has committed.

    ``subject`` names what it was done to: "entry:ZD-000012/v3", "notice:采集〔2026〕12号". ``details`` hold what JSON
    holds. ``actor`` None: the system, or a citizen.
    """
    record_by(session, actor.id if actor else None, act=act, subject=subject, details=details, now=now)


def record_by(
    session: Session,
    person_id: int | None,
    *,
    act: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> None:
    """The same for edges that know the person by id only."""
    if _UNSEALED not in session.info:
        session.info[_UNSEALED] = []
        event.listen(session, "before_commit", _seal)
        event.listen(session, "after_soft_rollback", _forget)
    plain = json.loads(_canonical(dict(details or {})))
    unsealed = _Unsealed(now.astimezone(UTC), person_id, act, subject, plain, _transactions(session))
    session.info[_UNSEALED].append(unsealed)


def verify(session: Session) -> Verified:
    """Go through the log from its first record and stop where it is not as it was written."""
    head = select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == 1).subquery()
    rows = session.execute(
        select(AuditRecord.__table__, head.c.seq.label("head_seq"), head.c.hash.label("head_hash"))
        .outerjoin(head, AuditRecord.seq > 0)
        .order_by(AuditRecord.seq)
        .execution_options(yield_per=READ_AT_ONCE)
    )
    previous, good = NOTHING_BEFORE, 0
    last: tuple[int | None, str | None] | None = None
    for row in rows:
        good += 1
        fault = _fault(row, good, previous)
        if fault:
            rows.close()
            return Verified(good - 1, good, fault, previous)
        previous, last = row.hash, (row.head_seq, row.head_hash)
    fault = _fault_of_end(last or _head(session), good, previous)
    return Verified(good, good + 1 if fault else None, fault, previous)


def _fault(row: Any, expected: int, previous: str) -> str:
    if row.seq != expected:
        return f"缺少第 {expected} 条，下一条是第 {row.seq} 条"
    if row.previous != previous:
        return f"第 {expected} 条没有接在第 {expected - 1} 条之后：被替换或调换过次序"
    if row.hash != _hash(row.previous, row.seq, row):
        return f"第 {expected} 条的内容被改动过"
    return ""


def _fault_of_end(head: tuple[int | None, str | None], good: int, last_hash: str) -> str:
    seq, sealed = head
    if seq is None:
        return "日志末尾的标记不见了"
    if seq > good:
        return f"末尾少了 {seq - good} 条（应有 {seq} 条）"
    if seq < good or sealed != last_hash:
        return f"第 {good} 条与日志末尾的标记不符"
    return ""


def _head(session: Session) -> tuple[int | None, str | None]:
    """Where the log ends, when it has no record that could tell."""
    found = session.execute(select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == 1)).tuples().one_or_none()
    return found or (None, None)


def _seal(session: Session) -> None:
    """Before a commit: put what the transaction recorded at the end of the chain.

    The head is written first: from there to the end of the commit no other writer can.
    """
    if session.in_nested_transaction():
        return
    root = session.get_transaction()
    unsealed: Sequence[_Unsealed] = [one for one in session.info[_UNSEALED] if root in one.within]
    session.info[_UNSEALED].clear()
    if not unsealed:
        return
    session.flush()
    grow = update(AuditHead).where(AuditHead.id == 1).values(seq=AuditHead.seq + len(unsealed))
    end = session.execute(grow.returning(AuditHead.seq, AuditHead.hash)).tuples().one_or_none()
    if end is None:
        raise Unavailable("审计日志末尾的标记不见了，不能再写入。请管理员运行 zhida audit verify 查看，并从备份恢复。")
    last, previous = end
    rows = []
    for seq, one in zip(count(last - len(unsealed) + 1), unsealed, strict=False):
        sealed = _hash(previous, seq, one)
        rows.append(
            {
                "seq": seq,
                "at": one.at,
                "actor_id": one.actor_id,
                "act": one.act,
                "subject": one.subject,
                "details": one.details,
                "previous": previous,
                "hash": sealed,
            }
        )
        previous = sealed
    session.execute(insert(AuditRecord), rows)
    session.execute(update(AuditHead).where(AuditHead.id == 1).values(hash=previous))


def _forget(session: Session, rolled_back: SessionTransaction) -> None:
    unsealed = session.info[_UNSEALED]
    unsealed[:] = [one for one in unsealed if rolled_back not in one.within]


def _transactions(session: Session) -> tuple[SessionTransaction, ...]:
    """The open ones, innermost first."""
    session.connection()
    innermost = session.get_nested_transaction() or session.get_transaction()
    chain: list[SessionTransaction] = []
    while innermost is not None:
        chain.append(innermost)
        innermost = innermost.parent
    return tuple(chain)


def _hash(previous: str, seq: int, said: Any) -> str:
    """SHA-256, in hex, over the seal before and all that the record says."""
    moment = said.at.astimezone(UTC).isoformat(timespec="microseconds")
    whole = _canonical([seq, moment, said.actor_id, said.act, said.subject, said.details])
    return hashlib.sha256(f"{previous}\n{whole}".encode()).hexdigest()


def _canonical(value: object) -> str:
    """One text for one value: sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

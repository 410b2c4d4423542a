"""Questions of the log whose right entries are known, for fitting the ranker's weights."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.learning import Confirmed
from kb_admin.learning_material import confirmed_since, off_topic_since
from models.knowledge import Version
from models.usage import Gap, Question
from models.values import VersionStatus


@dataclass(frozen=True)
class LoggedQuestion:
    """One text, however often it was asked."""

    text: str
    """As it was typed first."""
    asked_at: datetime
    """First."""
    entry_ids: frozenset[int]
    """Entries that answer it and are live; empty: nothing answers it."""

    @property
    def answerable(self) -> bool:
        return bool(self.entry_ids)


def logged_questions(
    session: Session, since: datetime, *, fold: Callable[[str], str], most: int
) -> list[LoggedQuestion]:
    """The newest texts with a known answer, or known to have none, oldest first.

    An entry answers a text if more askers confirmed than denied it; of one asker the last word counts. Nothing answers
    it if it was recorded as a gap, or if all that was said is that entries are not about it. A text whose confirmed
    entries are no longer live is left out.
    """
    live = frozenset(session.scalars(select(Version.entry_id).where(Version.status == VersionStatus.PUBLISHED)))
    confirmed: dict[str, list[Confirmed]] = defaultdict(list)
    for one in confirmed_since(session, since):
        confirmed[fold(one.text)].append(one)
    known = {one.question_id for said in confirmed.values() for one in said if one.right} | _unanswered(session, since)
    first: dict[str, tuple[datetime, str]] = {}
    asked = select(Question.id, Question.text, Question.asked_at).where(Question.asked_at >= since)
    for id_, text, at in session.execute(asked.order_by(Question.asked_at, Question.id)):
        if id_ in known and (folded := fold(text)):
            first.setdefault(folded, (at, text))
    found = []
    for folded, (at, text) in first.items():
        right = answering_entries(confirmed.get(folded, ()))
        if not right or right & live:
            found.append(LoggedQuestion(text, at, right & live))
    return found[-most:]


def answering_entries(told: Iterable[Confirmed]) -> frozenset[int]:
    """The entries that more askers confirmed than denied."""
    last: dict[tuple[int, str], bool] = {}
    for one in sorted(told, key=lambda one: (one.at, one.question_id)):
        last[one.entry_id, one.asker] = one.right
    balance: dict[int, int] = defaultdict(int)
    for (entry_id, _), right in last.items():
        balance[entry_id] += 1 if right else -1
    return frozenset(entry_id for entry_id, votes in balance.items() if votes > 0)


def _unanswered(session: Session, since: datetime) -> set[int]:
    """Questions for which a gap was recorded, or of which entries were judged not to be about them."""
    gaps = select(Gap.question_id).where(Gap.at >= since, Gap.question_id.is_not(None))
    recorded = {question_id for question_id in session.scalars(gaps) if question_id is not None}
    return recorded | {question_id for question_id, _ in off_topic_since(session, since)}

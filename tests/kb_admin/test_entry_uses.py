"""Uses of entries: recent ones count in full, older ones less, those of long ago not at all."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from kb_admin.entry_uses import ANSWERED_WITH, SHOWN_FIRST, use_counts
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.usage import Question, ShownAnswer
from models.values import Ending, Outcome, UseKind
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

DAY = timedelta(days=1)


@pytest.fixture
def versions(session: Session, cast: Cast) -> tuple[Version, Version]:
    return published(session, LOST_CARD), published(session, RESIDENCE_PERMIT)


def shown(session: Session, cast: Cast, at: datetime, outcome: Outcome, *versions: Version) -> Question:
    question = Question(
        text="怎样办理",
        person_id=cast.agent.id,
        asked_at=at,
        outcome=outcome,
        took_ms=1.0,
        shown=[ShownAnswer(rank=rank, version_id=v.id, score=0.5) for rank, v in enumerate(versions, 1)],
    )
    session.add(question)
    session.flush()
    return question


def test_nothing_recorded_counts_nothing(session: Session, versions: tuple[Version, Version]) -> None:
    assert use_counts(session, NOW) == {}


def test_what_was_opened_copied_answered_with_or_found_first_counts(
    session: Session, cast: Cast, versions: tuple[Version, Version]
) -> None:
    card, permit = versions
    shown(session, cast, NOW - DAY, Outcome.DIRECT, card, permit)  # the second was only shown
    question = shown(session, cast, NOW - DAY, Outcome.CHOOSE, permit, card)
    for kind in UseKind:
        session.add(AnswerUse(question_id=question.id, version_id=permit.id, kind=kind, at=NOW - DAY))
    session.add(
        IncomingCall(
            person_id=cast.agent.id,
            started_at=NOW - DAY,
            ended_at=NOW - DAY,
            ending=Ending.ANSWERED,
            version_id=card.id,
        )
    )
    session.flush()
    assert use_counts(session, NOW) == {card.entry_id: ANSWERED_WITH + SHOWN_FIRST, permit.entry_id: 2.0}


@pytest.mark.parametrize(("days", "share"), [(1, 1.0), (29, 1.0), (31, 0.5), (61, 0.25), (91, None), (-1, None)])
def test_each_month_counts_half_of_the_next(
    days: int, share: float | None, session: Session, cast: Cast, versions: tuple[Version, Version]
) -> None:
    shown(session, cast, NOW - days * DAY, Outcome.DIRECT, versions[0])
    expected = {} if share is None else {versions[0].entry_id: SHOWN_FIRST * share}
    assert use_counts(session, NOW) == expected

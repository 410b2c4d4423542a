"""Learning at the edge: how texts are compared, and the part of the process that learns once a day."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from api.clock import utc_now
from api.repeating import Repeating
from api.thesaurus import shipped
from ingest.thesaurus import thesaurus_of
from kb_admin.learning import Language
from kb_admin.learning_run import Learnt, learn, take_turn
from models.thesaurus import newest_versions
from retrieval.marks import kinds_named
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, stop_words

LOOK_SECONDS = 600.0
"""How often it is asked whether a day has passed; any process may be the one."""

log = logging.getLogger(__name__)


class Learner(Repeating):
    """Goes through the log once a day, in whichever process comes first."""

    def __init__(
        self,
        open_session: sessionmaker[Session],
        own_words: Sequence[str] = (),
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__("learning", self.learn_if_due, every_seconds=LOOK_SECONDS)
        self._open_session = open_session
        self._own_words = tuple(own_words)
        self._clock = clock

    def learn_if_due(self) -> Learnt | None:
        """None when it is not yet time, or another process is at it."""
        now = self._clock()
        with self._open_session() as session:
            if not take_turn(session, now):
                return None
            learnt = learn_now(session, self._own_words, now)
            session.commit()
        return learnt


def learn_now(session: Session, own_words: Sequence[str], now: datetime) -> Learnt:
    """Go through the log with the thesaurus as it stands; the caller commits."""
    tokeniser = Tokeniser(own_words, thesaurus_of(newest_versions(session)))
    return learn(session, language_of(tokeniser), shipped(), now)


def language_of(tokeniser: Tokeniser) -> Language:
    """How search compares texts, for what learns from them."""

    def words(text: str) -> tuple[str, ...]:
        return tuple(w for w in tokeniser.pieces(text) if not w.isspace() and w not in stop_words())

    def apart(one: str, other: str) -> bool:
        if tokeniser.places(one) and tokeniser.places(other):
            return True
        kinds = zip(kinds_named(normalise(one)), kinds_named(normalise(other)), strict=True)
        return any(a and b and not a & b for a, b in kinds)

    return Language(words, normalise, apart)

"""What is published, withdrawn and asked while freshness is measured."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from sqlalchemy.orm import Session

from api.clock import utc_now
from api.settings import Settings
from benchmarks import scale_base
from benchmarks.scale import UNITS, ScaleText
from kb_admin import lifecycle
from models.database import open_engine, sessions
from models.knowledge import Entry
from models.values import EntryContent
from retrieval.documents import Document

WITHDRAWALS_A_SECOND = 2.0
NEW_ENTRY = 0.5
"""Share of publications that are entries never seen before; the others replace a live version."""
SHORTEST_QUESTION = 6
BATCH = 50
QUESTIONS = 5000
SEED = 6

Work = list[tuple[float, int, bool]]
"""Of one publisher: seconds after the start, id of the version to publish or of the entry to withdraw, whether
withdrawn."""


@dataclass(frozen=True)
class Load:
    """What goes on while it is measured; rates for the whole machine."""

    seconds: float
    publications: float
    searches: float


class Material:
    """Documents beyond those of the base, and entries of the base that nothing has happened to yet."""

    def __init__(self, corpus: ScaleText, size: int) -> None:
        self._corpus = corpus
        self._size = size
        self._texts = [question.text for question in corpus.questions(size, QUESTIONS)]
        self.begin()

    def begin(self) -> None:
        """On a fresh copy of the base."""
        self._chance = random.Random(SEED)
        self._numbers = count(self._size + 1)
        self._untouched = self._chance.sample(range(1, self._size + 1), self._size)

    def plan(self, settings: Settings, load: Load, writers: int) -> list[Work]:
        """For each publisher what it does when: publications at an even rate, withdrawals among them. What is to be
        published waits for it in the base afterwards."""
        plan: list[Work] = [[] for _ in range(writers)]
        engine = open_engine(settings.database_url)
        with sessions(engine)() as session:
            for nth in range(int(load.seconds * load.publications)):
                plan[nth % writers].append((nth / load.publications, self._prepared(session), False))
                if nth % BATCH == 0:
                    session.commit()
                    session.expunge_all()
            session.commit()
        engine.dispose()
        for nth in range(int(load.seconds * WITHDRAWALS_A_SECOND)):
            plan[nth % writers].append(((nth + 0.5) / WITHDRAWALS_A_SECOND, self._take(), True))
        return [sorted(work) for work in plan]

    def asides(self, load: Load, processes: int) -> list[list[tuple[float, str]]]:
        """For each process the questions that make up the rate, beside those for what was published and withdrawn."""
        rate = max(1.0, load.searches / processes - load.publications - WITHDRAWALS_A_SECOND)
        starts = [number / processes / rate for number in range(processes)]
        asked = int(load.seconds * rate)
        return [[(start + nth / rate, self._chance.choice(self._texts)) for nth in range(asked)] for start in starts]

    def _prepared(self, session: Session) -> int:
        document = next(self._documents())
        entry_id = None if self._chance.random() < NEW_ENTRY else self._take(document.unit_id)
        return _prepare(session, document, entry_id)

    def _documents(self) -> Iterator[Document]:
        for document in map(self._corpus.document, self._numbers):
            if document.valid_to is None and len(document.question) >= SHORTEST_QUESTION:
                yield document

    def _take(self, unit_id: int | None = None) -> int:
        """An entry that holds today, of that unit; from now on it counts as touched."""
        place = next(
            place
            for place, number in enumerate(self._untouched)
            if number % 100 and unit_id in (None, 1 + number % UNITS)
        )
        return self._untouched.pop(place)


def _prepare(session: Session, document: Document, entry_id: int | None) -> int:
    """A version that waits for publication: of a new entry, or the next one of ``entry_id``; its id."""
    content = EntryContent(
        question=document.question,
        answer=document.answer,
        unit=f"演示单位{document.unit_id}",
        region=scale_base.CITY,
        similar=document.similar,
        keywords=document.keywords,
        publicity=document.publicity,
        info_type="办事指南",
    )
    now = utc_now()
    if entry_id is None:
        version = lifecycle.create_entry(session, content, actor=None, now=now)
    else:
        version = lifecycle.add_version(session, session.get_one(Entry, entry_id), content, actor=None, now=now)
    lifecycle.submit(session, version, actor=None, now=now)
    lifecycle.approve(session, version, actor=None, now=now)
    return version.id

"""Searching ahead: a second process, as a city may run one, answers the next half hour's questions by its own index.

Both indexes apply the same changes in the same batches, and a search depends on nothing but its index, the words, who
looks and the moment; so the other process finds, to the last digit, what this one would. An answer is taken only while
both stand at the same change of the base, and one in so many is searched here again and compared.
"""

import hashlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np

from api.settings import Settings
from api.wiring import Services, build, load_reader, thresholds_of
from ingest.follower import Follower
from models.errors import Conflict
from models.values import Viewer
from retrieval.answering import PairReader
from retrieval.documents import Result
from retrieval.embedded import EmbeddedIndex, TextEncoder, weights_for
from retrieval.ranker import Ranker
from retrieval.reader import Pair
from retrieval.vectors import Matrix

FOLLOW, END = "follow", "end"
COMPARED = 100
"""One prepared answer in so many is searched again."""


@dataclass(frozen=True)
class Search:
    """One search as the service will make it."""

    text: str
    viewer: Viewer
    now: datetime
    k: int


class RememberedVectors:
    """An encoder that remembers: a text has one vector, so the same text need not be encoded again."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, Matrix] = {}

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:
        """As the encoder's own."""
        if max_tokens is not None:
            return self._encoder.encode(texts, max_tokens=max_tokens)
        for text in texts:
            if text not in self._known:
                self._known[text] = self._encoder.encode([text])[0]
        return np.stack([self._known[text] for text in texts])


class RememberedReadings:
    """A reader that remembers what it said of a pair."""

    def __init__(self, reader: PairReader) -> None:
        self._reader = reader
        self._known: dict[bytes, float] = {}

    def read(self, pair: Pair) -> float:
        """As the reader's own."""
        key = hashlib.blake2b("\0".join(pair).encode(), digest_size=16).digest()
        if key not in self._known:
            self._known[key] = self._reader.read(pair)
        return self._known[key]


class PreparedIndex:
    """The index of this process, with answers that the other one has found already."""

    def __init__(self, index: EmbeddedIndex) -> None:
        self._index = index
        self._prepared: dict[Search, Result] = {}
        self._taken = 0

    def prepare(self, found: dict[Search, Result]) -> None:
        """These answers stand until the next call."""
        self._prepared = found

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10, *, literal: bool = False) -> Result:
        """As the index's own."""
        found = None if literal else self._prepared.pop(Search(query, viewer, now, k), None)
        if found is None:
            return self._index.search(query, viewer, now, k, literal=literal)
        self._taken += 1
        if self._taken % COMPARED == 1:
            _compare(query, found, self._index.search(query, viewer, now, k))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)


class SearchAhead:
    """The other process."""

    def __init__(self, settings: Settings) -> None:
        """Returns when its index holds what is published."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(settings, theirs), daemon=True)
        self._process.start()
        self._number = 0
        self._asked: list[Search] | None = None
        self.follow()

    def ask(self, searches: Sequence[Search]) -> None:
        """Begin to search; what was asked for before is given up."""
        self._number, self._asked = self._number + 1, list(searches)
        self._pipe.send((self._number, self._asked))

    def answers(self, searches: Sequence[Search], position: int) -> dict[Search, Result]:
        """The answers to these, as the base stands at that change."""
        if self._asked != list(searches):
            self.ask(searches)
        stood_at, found = self._receive()
        if stood_at != position:
            raise Conflict(f"两个进程的索引不在同一处：{stood_at}，{position}。")
        return dict(zip(searches, found, strict=True))

    def follow(self) -> None:
        """Let the other process apply what this one has just applied; returns when it has. What was asked for before
        is given up."""
        self._asked = None
        self._pipe.send(FOLLOW)
        while self._pipe.recv() != FOLLOW:
            pass

    def close(self) -> None:
        self._pipe.send(END)
        self._process.join(timeout=30)

    def _receive(self) -> tuple[int, list[Result]]:
        while True:
            number, stood_at, found = self._pipe.recv()
            if number == self._number:
                self._asked = None
                return stood_at, found


def with_memory(services: Services) -> Services:
    """The same services on an index that encodes no question twice and reads no pair twice."""
    if services.encoder is None:
        return replace(services, index=cast(EmbeddedIndex, PreparedIndex(cast(EmbeddedIndex, services.index))))
    reader = load_reader(services.settings)
    ranker = Ranker.load(weights_for(services.encoder, reader))
    index = EmbeddedIndex(
        RememberedVectors(services.encoder),
        memory=services.memory,
        reader=RememberedReadings(reader) if reader else None,
        tokeniser=services.tokeniser,
        ranker=ranker,
        thresholds=thresholds_of(services.settings, ranker),
    )
    prepared = cast(EmbeddedIndex, PreparedIndex(index))
    return replace(services, index=prepared, follower=Follower(services.open_session, index))


def _serve(settings: Settings, pipe: Connection) -> None:
    """Follow and search as told, until the end; a batch is given up when another word comes."""
    services = with_memory(build(settings))
    while (told := pipe.recv()) != END:
        if told == FOLLOW:
            services.follower.catch_up()
            pipe.send(FOLLOW)
            continue
        number, searches = told
        found: list[Result] = []
        for search in searches:
            if pipe.poll():
                break
            found.append(services.index.search(search.text, search.viewer, search.now, search.k))
        pipe.send((number, services.follower.position, found))
    services.close()


def _compare(query: str, prepared: Result, own: Result) -> None:
    """Raise Conflict unless both processes found the same, to the last digit."""
    said = [(r.outcome, [(h.entry_id, h.version_id, h.score, h.phrasing) for h in r.hits]) for r in (prepared, own)]
    if said[0] != said[1]:
        raise Conflict(f"两个进程对“{query}”的检索结果不同，模拟的结果不可信。")

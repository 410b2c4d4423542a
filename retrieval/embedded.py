"""The embedded index: a base of segments that may lie on disk, and what has changed since in this process.

Changes are visible when ``apply`` returns. Readers never wait for the writer: a search works on one state, made whole
before it takes the place of the last.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np

from models.values import Viewer
from retrieval.answering import CandidateRanker, Judges, PairReader, Stopwatch, answer
from retrieval.candidates import LookedUp, chosen, nominate
from retrieval.documents import Change, Document, Result, Suggestion
from retrieval.features import measure
from retrieval.generation import Generation, Part, Seen
from retrieval.question import Context, Understood, mend, understand
from retrieval.ranker import Ranker, Thresholds
from retrieval.segment import Segment
from retrieval.spelling import Speller
from retrieval.store import Base
from retrieval.suggesting import Uses, suggestions
from retrieval.tokens import Tokeniser, shipped_tokeniser
from retrieval.vectors import Matrix
from retrieval.vocabulary import Vocabularies, Vocabulary

SMALL = 500
"""Segments of so few entries together are always joined: it takes some milliseconds."""
GROWTH = 4
"""A segment keeps at least so many times the entries of the next newer one. Each entry is thus joined a few times in
its life, and a search looks into few segments. Segments of the base are joined by who writes it."""
ANSWER_TOKENS = 128
"""Tokens of an answer that its vector covers: the beginning says what it is about, the rest costs time."""


class TextEncoder(Protocol):
    """Texts to L2-normalised float32 vectors ``(n, dimension)``."""

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix: ...


def weights_for(encoder: TextEncoder | None, reader: PairReader | None) -> str:
    """The name of the weights that fit what the machine has."""
    if encoder is None:
        return "words"
    return "hybrid" if reader is None else "reader"


@dataclass(frozen=True)
class Means:
    """What an index searches with, beside its entries."""

    encoder: TextEncoder | None
    reader: PairReader | None
    ranker: CandidateRanker
    thresholds: Thresholds


@dataclass(frozen=True)
class _State:
    """All that a search reads of the entries, of one moment."""

    generation: Generation
    speller: Speller
    base_parts: int
    """So many of the generation's parts, the first, belong to the base."""


class EmbeddedIndex:
    """The segments of the base, a few of this process, and rows switched off in them."""

    def __init__(
        self,
        encoder: TextEncoder | None,
        *,
        memory: TextEncoder | None = None,
        reader: PairReader | None = None,
        tokeniser: Tokeniser | None = None,
        ranker: CandidateRanker | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        """Without ``encoder`` the index works on words alone. ``memory``: the same encoder, but one that remembers
        what it has encoded; used for entries, not for questions. ``reader``: reads the best few anew."""
        self._encoder = encoder
        self._entry_encoder = memory or encoder
        self._tokeniser = tokeniser or shipped_tokeniser()
        self._reader = reader
        self._ranker = ranker or Ranker.load(weights_for(encoder, reader))
        self._thresholds = thresholds or Thresholds(direct=self._ranker.direct_threshold())
        self._state = self._empty()
        self._uses = Uses()
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return len(self._state.generation)

    @property
    def generation(self) -> Generation:
        """What is searched now."""
        return self._state.generation

    @property
    def delta_entries(self) -> int:
        """Entries in the segments of this process alone, which a restart would read again."""
        state = self._state
        return sum(map(len, state.generation.parts[state.base_parts :]))

    @property
    def tokeniser(self) -> Tokeniser:
        """The one in use now."""
        return self._tokeniser

    @property
    def means(self) -> Means:
        """What is in use now."""
        return Means(self._encoder, self._reader, self._ranker, self._thresholds)

    def frozen(self, means: Means) -> "EmbeddedIndex":
        """The entries as they are at this moment, searched by these means; no later change reaches it.

        The vectors of the entries are those that are here: ``means`` has this encoder or none.
        """
        with self._writing:
            copy = EmbeddedIndex(
                means.encoder,
                reader=means.reader,
                tokeniser=self._tokeniser,
                ranker=means.ranker,
                thresholds=means.thresholds,
            )
            copy._state, copy._uses = self._state, self._uses
            return copy

    def use_weights(self, ranker: CandidateRanker, thresholds: Thresholds) -> None:
        """From the next question on; one that is being searched now is ranked by either."""
        with self._writing:
            self._ranker, self._thresholds = ranker, thresholds

    def use(self, tokeniser: Tokeniser) -> None:
        """From now on questions, and entries still to come, are cut and read by this one.

        Entries that are here already keep their cut: a question looks for a new word also by its parts.
        """
        with self._writing:
            self._state.speller.learn(tokeniser.thesaurus.words)
            self._tokeniser = tokeniser

    def use_counts(self, uses: Mapping[int, float]) -> None:
        """How often each entry was of use of late: of suggestions that fit alike the more used come first."""
        self._uses = Uses(uses)

    def leave_connections(self) -> None:
        """It has none: processes that are forked off share what is here."""

    def explain(self, text: str) -> Understood:
        """How a question is read, as ``search`` would read it, without its vectors."""
        state = self._state
        return understand(text, self._context(state.generation, state.generation.all_live(), state.speller))

    def apply(self, changes: Sequence[Change]) -> None:
        """Make the changes visible. The last change of an entry in the batch wins."""
        with self._writing:
            self._state = self._changed(self._state, changes)

    def use_base(self, base: Base | None, later: Sequence[Change]) -> None:
        """From now on search this base, or none, with ``later``, all that has changed since it was written, on top of
        it; nothing that was here before."""
        with self._writing:
            state = self._empty() if base is None else self._beginning_with(base)
            self._state = self._changed(state, later)

    def _beginning_with(self, base: Base) -> _State:
        parts = [Part(segment, np.flatnonzero(~live)) for segment, live in base.parts]
        tables = [part.segment.spellings for part in parts]
        speller = Speller.of(self._tokeniser.thesaurus.words, tables, base.vocabularies.words.tokens)
        return _State(Generation.of(parts, base.vocabularies), speller, len(base.parts))

    def _changed(self, state: _State, changes: Sequence[Change]) -> _State:
        latest = {change.entry_id: change.document for change in changes}
        if not latest:
            return state
        added = sorted((d for d in latest.values() if d is not None), key=lambda d: d.entry_id)
        segment = None
        vocabularies = state.generation.vocabularies
        if added:
            segment = Segment.build(added, self._tokeniser, vocabularies, encoded(added, self._entry_encoder))
            state.speller.learn(segment.title_words(vocabularies))
        generation = state.generation.changed(np.array(sorted(latest), np.int64), segment)
        base, delta = generation.parts[: state.base_parts], generation.parts[state.base_parts :]
        return replace(state, generation=generation.with_parts((*base, *_merged(delta))))

    def _empty(self) -> _State:
        vocabularies = Vocabularies(Vocabulary(), Vocabulary())
        return _State(Generation.of((), vocabularies), Speller.of(self._tokeniser.thesaurus.words), 0)

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10, *, literal: bool = False) -> Result:
        """The best ``k`` entries that ``viewer`` may see and that are valid at ``now``, and what to say of them.

        ``literal``: the words are taken as typed, slips are not mended.
        """
        watch = Stopwatch()
        state = self._state
        generation = state.generation
        visible = generation.visible(viewer, now)
        question = understand(query, self._context(generation, visible, None if literal else state.speller))
        watch.lap("words")
        question = self._with_vectors(question)
        watch.lap("encode")
        looked_up = [LookedUp.of(question, seen.segment) for seen in visible]
        rows = chosen(
            [nominate(question, found, generation, seen) for found, seen in zip(looked_up, visible, strict=True)]
        )
        found = list(zip(looked_up, rows, strict=True))
        watch.lap("candidates")
        measured = [measure(question, looked_up, rows, generation) for looked_up, rows in found if len(rows)]
        judges = Judges(self._ranker, self._reader, self._thresholds)
        return answer(question, measured, generation, judges, k=k, watch=watch)

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]:
        """Stored phrasings for what has been typed so far, at most one for each entry, same filters as ``search``.

        When they are few, those for what was probably meant (gjj, 公机金 → 公积金) follow.
        """
        state = self._state
        generation = state.generation
        visible = generation.visible(viewer, now)
        found = suggestions(typed, generation, visible, self._uses, k)
        if len(found) == k:
            return found
        meant, slips = mend(typed, self._context(generation, visible, state.speller))
        if not slips:
            return found
        held = {suggestion.entry_id for suggestion in found}
        more = suggestions(meant, generation, visible, self._uses, k)
        return (*found, *(suggestion for suggestion in more if suggestion.entry_id not in held))[:k]

    def _context(self, generation: Generation, visible: tuple[Seen, ...], speller: Speller | None) -> Context:
        return Context(self._tokeniser, generation, visible, speller)

    def _with_vectors(self, question: Understood) -> Understood:
        if self._encoder is None:
            return question
        vector = self._encoder.encode([question.to_encode])[0]
        focus_vector = self._encoder.encode([question.focus_to_encode])[0] if question.is_story else vector
        return replace(question, vector=vector, focus_vector=focus_vector)


def encoded(documents: Sequence[Document], encoder: TextEncoder | None) -> tuple[Matrix, Matrix] | None:
    """Vectors of all phrasings and of all answers; an empty answer has the zero vector. None without an encoder."""
    if encoder is None:
        return None
    phrases = encoder.encode([phrasing for document in documents for phrasing in document.phrasings])
    answers = np.zeros((len(documents), encoder.dimension), np.float32)
    spoken = [i for i, document in enumerate(documents) if document.answer.strip()]
    answers[spoken] = encoder.encode([documents[i].answer for i in spoken], max_tokens=ANSWER_TOKENS)
    return phrases, answers


def _merged(parts: Sequence[Part]) -> list[Part]:
    """The same live rows in few segments: the newest are joined until each is a good deal larger than the next."""
    merged = [part for part in parts if len(part)]
    while len(merged) > 1 and _too_alike(*map(len, merged[-2:])):
        segment = Segment.joined([(part.segment, part.live_rows) for part in merged[-2:]])
        merged[-2:] = [Part(segment, np.empty(0, np.int64))]
    return merged


def _too_alike(older: int, newer: int) -> bool:
    return older + newer <= SMALL or older < GROWTH * newer

"""The index for bases beyond one machine's memory: entries lie in Milvus, which nominates candidates under filters.

What a candidate is worth is decided here, by the code of the embedded index and with counts over the whole base, so
that answers agree. Whoever writes (``ingest.feeding``) hands the counts on; every process that searches follows them.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np

from models.values import Viewer
from retrieval.answering import CandidateRanker, Judges, Stopwatch, answer
from retrieval.candidates import PER_FIELD, LookedUp
from retrieval.counts import FIELDS, Counts, LiveCounts
from retrieval.documents import Result, Suggestion
from retrieval.embedded import Means, TextEncoder
from retrieval.features import measure
from retrieval.fetched import FetchedEntries
from retrieval.generation import Generation, Part, Seen
from retrieval.milvus_rows import asked_words, dimension_of
from retrieval.milvus_store import PATTERN_MARKS, Asked, MilvusStore, allowed_to
from retrieval.question import Context, Understood, mend, understand
from retrieval.ranker import Thresholds
from retrieval.sounds import syllables_of
from retrieval.spelling import Speller
from retrieval.suggesting import Uses, suggestions
from retrieval.text import normalise
from retrieval.tokens import Tokeniser, bigrams
from retrieval.vocabulary import Vocabularies, Vocabulary

_LETTERS = re.compile("[a-z]")
SUGGESTED = 100
"""Phrasings that each way of looking for suggestions may nominate."""


class MilvusIndex:
    """Keeps the contract of ``retrieval.documents.Index``; any number of processes search one Milvus."""

    def __init__(self, store: MilvusStore, means: Means, tokeniser: Tokeniser) -> None:
        self._store = store
        self._means = means
        self._tokeniser = tokeniser
        vocabularies = Vocabularies(Vocabulary(), Vocabulary())
        self._live = LiveCounts.none(vocabularies)
        self._speller = Speller.of(tokeniser.thesaurus.words)
        self._fetched = FetchedEntries(vocabularies, store.read)
        self._uses = Uses()
        self._writing = threading.Lock()

    def __len__(self) -> int:
        return self._live.entries

    @property
    def delta_entries(self) -> int:
        """None: everything lies in Milvus."""
        return 0

    @property
    def tokeniser(self) -> Tokeniser:
        """The one in use now."""
        return self._tokeniser

    @property
    def means(self) -> Means:
        """What is in use now."""
        return self._means

    def frozen(self, means: Means) -> "MilvusIndex":
        """The entries searched by these means. They lie elsewhere: a later change of an entry reaches this one too."""
        with self._writing:
            copy = MilvusIndex(self._store, means, self._tokeniser)
            copy._live, copy._speller, copy._fetched = self._live, self._speller, self._fetched
            copy._uses = self._uses
            return copy

    def use_weights(self, ranker: CandidateRanker, thresholds: Thresholds) -> None:
        """From the next question on; one that is being searched now is ranked by either."""
        with self._writing:
            self._means = replace(self._means, ranker=ranker, thresholds=thresholds)

    def use(self, tokeniser: Tokeniser) -> None:
        """From now on questions are cut and read by this one; entries keep their cut until they are written again."""
        with self._writing:
            self._speller.learn(tokeniser.thesaurus.words)
            self._tokeniser = tokeniser
            self._fetched.forget()

    def use_counts(self, uses: Mapping[int, float]) -> None:
        """How often each entry was of use of late: of suggestions that fit alike the more used come first."""
        self._uses = Uses(uses)

    def follow(self, change: Counts, written: int, *, whole: bool = False) -> None:
        """The base has changed so; ``whole``: it is so. ``written``: from now on no search is without what was written
        at that time of Milvus's clock."""
        with self._writing:
            before = LiveCounts.none(self._live.vocabularies) if whole else self._live
            self._live = before.changed(change)
            self._store.written = max(self._store.written, written)
            self._speller.learn({token for name in ("words", "keywords") for token in change.fields[name].tokens})

    def leave_connections(self) -> None:
        """Let go of them, as before processes are forked off: each opens its own."""
        self._store.close()

    def explain(self, text: str) -> Understood:
        """How a question is read, as ``search`` would read it, without its vectors."""
        return understand(text, self._context(self._generation(), "", self._speller))

    def search(self, query: str, viewer: Viewer, now: datetime, k: int = 10, *, literal: bool = False) -> Result:
        """The best ``k`` entries that ``viewer`` may see and that are valid at ``now``, and what to say of them.

        ``literal``: the words are taken as typed, slips are not mended.
        """
        watch = Stopwatch()
        means, generation, allowed = self._means, self._generation(), allowed_to(viewer, now)
        question = understand(query, self._context(generation, allowed, None if literal else self._speller))
        watch.lap("words")
        question = _with_vectors(question, means.encoder)
        watch.lap("encode")
        nominated = self._store.nominate(*_nominations(question, generation.vocabularies.words, generation), allowed)
        found = self._seen(nominated, viewer, now)
        watch.lap("candidates")
        measured = [
            measure(question, LookedUp.of(question, seen.segment), np.flatnonzero(seen.documents), generation)
            for seen in found
            if seen.documents.any()
        ]
        judges = Judges(means.ranker, means.reader, means.thresholds)
        return answer(question, measured, generation, judges, k=k, watch=watch)

    def suggest(self, typed: str, viewer: Viewer, now: datetime, k: int = 8) -> tuple[Suggestion, ...]:
        """Stored phrasings for what has been typed so far, at most one for each entry, same filters as ``search``.

        When they are few, those for what was probably meant (gjj, 公机金 → 公积金) follow.
        """
        allowed, generation = allowed_to(viewer, now), self._generation()
        found = self._suggested(typed, viewer, now, k)
        if len(found) == k:
            return found
        meant, slips = mend(typed, self._context(generation, allowed, self._speller))
        if not slips:
            return found
        held = {suggestion.entry_id for suggestion in found}
        more = self._suggested(meant, viewer, now, k)
        return (*found, *(suggestion for suggestion in more if suggestion.entry_id not in held))[:k]

    def _suggested(self, typed: str, viewer: Viewer, now: datetime, k: int) -> tuple[Suggestion, ...]:
        wanted = normalise(typed).replace(" ", "").translate(PATTERN_MARKS)
        if not wanted:
            return ()
        allowed = allowed_to(viewer, now)
        fields = _patterns(wanted)
        entries = self._store.phrasings_like([(name, f"{told}%") for name, told in fields], allowed, SUGGESTED)
        if len(entries) < k and (len(wanted) == 1 or len(fields) > 1):
            inside = [(name, f"%{told}%") for name, told in fields]
            entries |= self._store.phrasings_like(inside, allowed, SUGGESTED)
        if len(wanted) > 1:
            pairs = self._live.fields["pairs"]
            known = {pair: self._live.vocabularies.pairs.readings(pair) for pair in sorted(set(bigrams(typed)))}
            asked = {dimension_of(pair): pairs.idf(readings) for pair, readings in known.items() if readings}
            if asked:
                entries |= self._store.nominate([Asked("pairs", asked, SUGGESTED)], [], allowed)
        seen = self._seen(entries, viewer, now)
        generation = replace(self._generation(), parts=tuple(one.part for one in seen))
        return suggestions(typed, generation, seen, self._uses, k)

    def _generation(self) -> Generation:
        """The counts of the whole base, with none of its entries."""
        live = self._live
        words, pairs, answers, keywords = (live.fields[name] for name in FIELDS)
        return Generation((), live.vocabularies, words, pairs, answers, keywords)

    def _context(self, generation: Generation, allowed: str, speller: Speller | None) -> Context:
        holds = partial(self._store.title_holds, allowed=allowed)
        return _RemoteContext(self._tokeniser, generation, (), speller, holds)

    def _seen(self, wanted: Mapping[int, str], viewer: Viewer, now: datetime) -> tuple[Seen, ...]:
        """The wanted entries, looked at once more by what the fetched document itself says of rights and validity."""
        with_rows = self._fetched.parts(wanted, self._tokeniser)
        return tuple(_narrowed(part, rows, viewer, now) for part, rows in with_rows)


@dataclass(frozen=True)
class _RemoteContext(Context):
    """A base whose titles lie elsewhere."""

    holds: partial[bool]
    """Whether any title that the asker may see holds a word."""

    def use(self, word: str) -> int:
        return self.generation.use(self.vocabularies.words.known(word))

    def _titles(self, word: str) -> int:
        term = self.vocabularies.words.known(word)
        if term is None or not self.generation.in_titles(term) or not self.holds(word):
            return 0
        return self.generation.words.frequency(term) + self.generation.keywords.frequency(term)


def _patterns(typed: str) -> list[tuple[str, str]]:
    """What to look for in which field: what is typed; where letters are among it, also its sound and initials."""
    if not _LETTERS.search(typed):
        return [("text", typed)]
    spoken = syllables_of(typed)
    return [("text", typed), ("sound", "".join(spoken)), ("initials", "".join(s[0] for s in spoken))]


def _narrowed(part: Part, rows: np.ndarray, viewer: Viewer, now: datetime) -> Seen:
    documents = np.zeros(len(part.segment), np.bool_)
    documents[rows] = True
    documents &= part.segment.columns.visible(viewer, now)
    return Seen(part, documents, np.repeat(documents, np.diff(part.segment.phrase_start)))


def _nominations(
    question: Understood, vocabulary: Vocabulary, generation: Generation
) -> tuple[list[Asked], list[Asked]]:
    """The fields of ``retrieval.candidates``, of phrasings and of entries."""
    asked = [
        ("words", asked_words(question.slots, (s.weight for s in question.slots), vocabulary)),
        ("pairs", asked_words(question.pairs, (s.weight for s in question.pairs), generation.vocabularies.pairs)),
    ]
    if question.is_story:
        focused = question.focus_slots
        asked.append(("words", asked_words(focused, (s.weight for s in focused), vocabulary)))
    answers = asked_words(question.slots, (s.answer_weight for s in question.slots), vocabulary)
    vectors = [Asked("vector", vector.tolist(), PER_FIELD) for vector in question.vectors]
    of_phrasings = [Asked(name, vector, PER_FIELD) for name, vector in asked if vector]
    of_entries = [Asked("answer", answers, PER_FIELD)] if answers else []
    return [*of_phrasings, *vectors], [*of_entries, *vectors]


def _with_vectors(question: Understood, encoder: TextEncoder | None) -> Understood:
    if encoder is None:
        return question
    vector = encoder.encode([question.to_encode])[0]
    focus_vector = encoder.encode([question.focus_to_encode])[0] if question.is_story else vector
    return replace(question, vector=vector, focus_vector=focus_vector)

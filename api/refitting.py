"""Fitting the ranker's weights to the log: questions asked anew of the live base, divided, fitted, compared, kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from api.bench_indexes import Bench
from api.weights import fingerprint_of
from kb_admin.bench_comparison import difference
from kb_admin.learning import Language
from kb_admin.learning_material import LOOK_BACK
from kb_admin.ranker_fits import Ruling, in_force, keep, ruling
from kb_admin.ranker_log import LoggedQuestion, logged_questions
from models.errors import Invalid
from models.improvement import RankerFit
from models.organisation import Person
from models.values import Viewer
from retrieval.answering import CandidateRanker
from retrieval.embedded import weights_for
from retrieval.features import NAMES
from retrieval.fitting import PULL, Answer, Example, answers_of, divided, log_loss, refitted
from retrieval.postings import Floats
from retrieval.ranker import MOST_READ, Ranked, Ranker, Read
from retrieval.service_index import ServiceIndex

MOST_QUESTIONS = 5_000
"""The newest: some two minutes with the reader; more hardly move the weights."""
OLDER_SHARE = 0.7
"""Of the groups of questions, the oldest ones: to fit; the others to test."""
READ_AHEAD = MOST_READ + 3
"""Candidates read of each question: other weights may put any of them among the first."""
PROGRESS_EVERY = 500
ALL_SEEN = Viewer(everything=True)
WORD_FOR_WORD = NAMES.index("exact")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """Questions of the log as the live index sees them."""

    questions: tuple[LoggedQuestion, ...]
    examples: tuple[Example, ...]
    word_for_word: int
    """Left out: they are an entry's own question, which no weights change."""


@dataclass(frozen=True)
class Trial:
    """Weights fitted to the older part, tried on the newer one."""

    ranker: Ranker
    comparison: dict[str, Any]


def refit(
    bench: Bench, session: Session, language: Language, *, actor: Person | None, now: datetime, tell: Tell
) -> RankerFit:
    """Fit the weights to the log and keep them with the comparison; the caller commits. Nothing is promoted.

    Raises Invalid when the log holds no question to learn from.
    """
    bench.level()
    questions = logged_questions(session, now - LOOK_BACK, fold=language.fold, most=MOST_QUESTIONS)
    if not any(question.answerable for question in questions):
        raise Invalid("近期没有确认过答案的提问，不能拟合。话务员评价“正确”，或复制答案后登记“直接解答”，才有依据。")
    means = bench.index.means
    name = weights_for(means.encoder, means.reader)
    tell(f"重新检索 {len(questions)} 个问题")
    measured = measure(bench.index, questions, now, tell)
    held = in_force(session, name)
    trial = tried(measured, Ranker.load(name), means.ranker, language, direct_from=means.thresholds.direct)
    kept = {**trial.comparison, "against": held.id if held else None, "model": fingerprint_of(means.encoder)}
    return keep(session, name, trial.ranker.described(), kept, actor=actor, now=now)


def measure(
    index: ServiceIndex, questions: Sequence[LoggedQuestion], now: datetime, tell: Tell = lambda _: None
) -> Measured:
    """Ask each question of the index as it stands, and keep what is measured of all candidates."""
    means = index.means
    noting = Noting(means.ranker)
    asked = index.frozen(replace(means, ranker=noting))
    kept, examples = [], []
    for done, question in enumerate(questions, 1):
        noting.forget()
        asked.search(question.text, ALL_SEEN, now, 1)
        example = noting.example(question.entry_ids)
        if not (example.features[:, WORD_FOR_WORD] > 0).any():
            kept.append(question)
            examples.append(example)
        if done % PROGRESS_EVERY == 0:
            tell(f"已检索 {done} / {len(questions)}")
    return Measured(tuple(kept), tuple(examples), len(questions) - len(kept))


def tried(
    measured: Measured, prior: Ranker, now_used: CandidateRanker, language: Language, *, direct_from: float
) -> Trial:
    """Fit to the older questions, and hold the fitted weights against those in use on the newer ones.

    ``prior``: the weights that come with the product, toward which the fit is pulled.
    """
    words = [frozenset(language.words(question.text)) for question in measured.questions]
    asked = [int(question.asked_at.timestamp()) for question in measured.questions]
    older, newer = divided(words, asked, share=OLDER_SHARE)
    examples = measured.examples
    taught = [examples[i] for i in older]
    ranker = refitted(prior, taught)
    tested = [examples[i] for i in newer]
    before = answers_of(now_used, tested, direct_from=direct_from)
    after = answers_of(ranker, tested, direct_from=direct_from)
    return Trial(ranker, _comparison(measured, taught, [measured.questions[i] for i in newer], tested, before, after))


def _comparison(  # noqa: PLR0917 - both parts of the log, and what both weights made of one
    measured: Measured,
    taught: Sequence[Example],
    asked: Sequence[LoggedQuestion],
    tested: Sequence[Example],
    before: Sequence[Answer],
    after: Sequence[Answer],
) -> dict[str, Any]:
    """Both weights on the held-back part, as it is kept and shown."""
    pairs = list(zip(before, after, strict=True))
    confirmed = [pair for pair, example in zip(pairs, tested, strict=True) if example.answerable]
    first = difference([(a.right, b.right) for a, b in confirmed])
    direct = difference([(a.direct, b.direct) for a, b in pairs])
    old, new = figures(before), figures(after)
    fitted = sum(example.teaches for example in taught)
    ruled: Ruling = ruling(fitted, first, old["wrong_direct"], new["wrong_direct"])
    return {
        "better": ruled.better,
        "reason": ruled.reason,
        "pull": PULL,
        "questions": len(measured.questions),
        "word_for_word": measured.word_for_word,
        "fitted": fitted,
        "held": len(tested),
        "held_confirmed": len(confirmed),
        "passed_over": len(measured.questions) - len(taught) - len(tested),
        "held_from": asked[0].asked_at.isoformat() if asked else None,
        "before": old,
        "after": new,
        "first_place": asdict(first),
        "direct": asdict(direct),
    }


def figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Of one set of weights on the held-back part."""
    direct = [answer for answer in answers if answer.direct]
    return {
        "first": sum(answer.right for answer in answers),
        "direct": len(direct),
        "wrong_direct": sum(not answer.right for answer in direct),
        "log_loss": log_loss(answers),
    }


class Noting:
    """Ranks as another does, and keeps what it was given."""

    def __init__(self, ranker: CandidateRanker) -> None:
        self._ranker = ranker
        self.forget()

    def forget(self) -> None:
        """Before the next question: one without candidates is not ranked at all."""
        self._features: NDArray[np.float32] = np.empty((0, len(NAMES)), np.float32)
        self._entry_ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._read: Mapping[int, float] = {}

    def rank(self, features: Floats, entry_ids: NDArray[np.int64], read: Read | None = None) -> Ranked:
        ranked = self._ranker.rank(features, entry_ids)
        self._features, self._entry_ids = np.asarray(features, np.float32), entry_ids
        self._read = {int(row): read(int(row)) for row in ranked.rows[:READ_AHEAD]} if read is not None else {}
        return ranked

    def direct_threshold(self) -> float:
        return self._ranker.direct_threshold()

    def example(self, entry_ids: frozenset[int]) -> Example:
        """The last question, with the entries that answer it."""
        relevant = np.isin(self._entry_ids, list(entry_ids)) if entry_ids else np.zeros(len(self._entry_ids), np.bool_)
        return Example(self._features, self._entry_ids, relevant, bool(entry_ids), self._read)

"""One version of an entry as an answer card: everything that the template prints, decided beforehand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import dates
from api.asking import Asked, Found, HitRole, ShownEntry
from api.matching import Words, compare, question_words
from api.rendering import Section, asked_heading, highlight, mark, plain_text, split_answer
from api.said_before import SaidBefore
from kb_admin.feedback import TIME_TO_TAKE_BACK
from kb_admin.permissions import Action, Grant, may
from models.knowledge import Attachment, Version
from models.usage import Gap, Verdict
from models.values import BasisContent, EntryContent, Outcome, Publicity
from retrieval.documents import Facet, Mended, Result, Synonym
from retrieval.tokens import Tokeniser

ALL_OPEN_UP_TO = 90
"""Characters. A whole answer this short is shown unfolded; folding it would hide more than it saves."""
OPENING_LENGTH = 70
"""Characters of the spoken answer in the list of other candidates: two lines of it."""
MOST_MENDED = 3
"""Slips that are named; with more of them the question is better read than its repairs."""


WORDS_OF_ROLES = {HitRole.ANSWER: Outcome.DIRECT, HitRole.CANDIDATE: Outcome.CHOOSE, HitRole.HINT: Outcome.NONE}
"""The confidence word on a card."""


@dataclass(frozen=True)
class ShownSection:
    heading: str
    html: Markup
    preview: str
    asked: bool
    """The question asks for this part."""
    open: bool


@dataclass(frozen=True)
class Content:
    """What a version says, laid out."""

    version_id: int
    code: str
    question: Markup
    spoken: Markup
    copy_text: str
    """The spoken answer, or the whole answer as text when the unit has not written one."""
    sections: tuple[ShownSection, ...]
    bases: tuple[BasisContent, ...]
    validity: dates.Validity
    updated: str
    unit: str
    phone: str
    internal: bool

    @property
    def folds(self) -> bool:
        return any(section.heading for section in self.sections)


@dataclass(frozen=True)
class CardOrigin:
    """Where a card comes from, beside what it says."""

    version_id: int = 0
    """0: not stored yet."""
    code: str = ""
    phone: str = ""
    published_at: datetime | None = None


@dataclass(frozen=True)
class Card(Content):
    """The same as one of the answers to a question."""

    rank: int
    role: HitRole
    percent: int
    """Confidence in whole percent."""
    outcome: str
    outcome_label: str
    phrasing: Markup
    phrasing_kind: str
    matched: tuple[str, ...]
    """Words of the question in the entry's questions and keywords, the longest of those that overlap."""
    missing: tuple[str, ...]
    """Words of the question that the entry has nowhere."""
    synonyms: tuple[Synonym, ...]
    """Words of the question that the entry has as another word for the same."""
    untold: tuple[str, ...]
    """What the question asks about and the entry does not tell."""
    facet: str
    """What it is of the kinds that tell the candidates apart; empty when it says nothing of it."""
    opening: str
    """The first words of the answer, for the list of candidates."""
    caution: str
    """That people found it wrong and it is being looked at; empty when not."""
    judged: Verdict | None
    """What this person said of it before, for the same words."""
    question_id: int | None
    """The question that a verdict belongs to: the one judged before, else this one."""


@dataclass(frozen=True)
class Taken:
    """What was looked for, where it is not just what was typed."""

    mended: tuple[Mended, ...]
    focus: str
    """The part of a long story that was taken for the question."""
    literal: bool
    """Slips were left as typed, as the agent wished."""


@dataclass(frozen=True)
class AskedView:
    """A question, what was found, and what this person may do about it."""

    question_id: int | None
    """None: the question was not written down, so nothing can be said of its answers."""
    outcome: Outcome
    taken: Taken
    facet: tuple[str, tuple[str, ...]] | None
    """What tells the candidates apart: its name, and its values in their order."""
    cards: tuple[Card, ...]
    first: int
    """Rank of the card that the outcome opens; 0: the agent chooses first."""
    opened: int
    """Rank of the open card: ``first``, unless another was asked for."""
    said: str
    """One sentence for the live region."""
    may_judge: bool
    may_record_gap: bool
    asks_again: bool
    """This person could say something of the answers, had the question been asked from our own page."""
    gap: Gap | None
    """Already recorded for this question."""
    earlier_gap: Gap | None
    """Recorded when this person asked the same words before."""
    may_take_back: bool
    """The gap has only just been recorded."""

    @property
    def chooses(self) -> bool:
        """Several are close and none is open yet."""
        return self.outcome is Outcome.CHOOSE and not self.opened

    @property
    def hints(self) -> bool:
        """What is shown is near the question, and not its answer."""
        return self.outcome is Outcome.NONE


def view_of(
    found: Found,
    attachments: Mapping[int, Mapping[str, str]],
    question: str,
    *,
    opened: int | None,
    literal: bool,
    tokeniser: Tokeniser,
    before: SaidBefore,
    cautions: Mapping[int, str],
    grants: frozenset[Grant],
    now: datetime,
) -> AskedView:
    """Lay out the answers. ``opened``: the rank that was asked for, None to let the outcome decide; ``cautions``: see
    ``api.cautions``, by entry."""
    outcome = found.result.outcome
    searched = found.result.searched or question
    words = question_words(tokeniser, searched)
    question_id = found.question_id if isinstance(found, Asked) else None
    cards = tuple(
        _card(
            shown,
            rank,
            result=found.result,
            attachments=attachments.get(shown.version.id, {}),
            question=searched,
            beside=compare(words, searched, shown.version.content(), tokeniser),
            question_id=question_id,
            caution=cautions.get(shown.version.entry_id, ""),
            judged=before.verdicts.get(shown.version.id),
            now=now,
        )
        for rank, shown in enumerate(found.answers, start=1)
    )
    first = 1 if outcome is Outcome.DIRECT and cards else 0
    if opened is None or not 0 <= opened <= len(cards):
        opened = first
    written = isinstance(found, Asked)
    judges, records = may(grants, Action.JUDGE), may(grants, Action.RECORD_GAP)
    return AskedView(
        question_id=question_id,
        outcome=outcome,
        taken=_taken(found.result, literal=literal),
        facet=_values_in_order(found.result.facet, cards),
        cards=cards,
        first=first,
        opened=opened,
        said=_said(found.result, cards),
        may_judge=written and judges and outcome is not Outcome.NONE,
        may_record_gap=written and records,
        asks_again=not written and (judges or records),
        gap=before.gap,
        earlier_gap=before.earlier_gap,
        may_take_back=before.gap is not None and now - before.gap.at <= TIME_TO_TAKE_BACK,
    )


def content_of(
    version: Version,
    attachments: Mapping[str, str],
    *,
    question: str = "",
    aspects: Sequence[str] = (),
    words: Sequence[str] = (),
    now: datetime,
) -> Content:
    """Lay out one version; ``question``, ``aspects``, ``words``: what was asked, what about, and what of it matched."""
    return laid_out(
        version.content(),
        attachments,
        origin=CardOrigin(version.id, version.entry.code, version.entry.unit.phone, version.published_at),
        question=question,
        aspects=aspects,
        words=words,
        now=now,
    )


def laid_out(
    said: EntryContent,
    attachments: Mapping[str, str],
    *,
    origin: CardOrigin,
    question: str = "",
    aspects: Sequence[str] = (),
    words: Sequence[str] = (),
    now: datetime,
) -> Content:
    """Lay out what a version says, stored or still being written."""
    sections = _shown_sections(split_answer(said.answer, attachments), question, aspects)
    whole = " ".join(part for s in sections for part in (s.heading, plain_text(s.html)) if part)
    unfolded = len(whole) <= ALL_OPEN_UP_TO
    return Content(
        version_id=origin.version_id,
        code=origin.code,
        question=mark(said.question, words),
        spoken=mark(said.spoken, words),
        copy_text=said.spoken or whole,
        sections=tuple(replace(s, html=highlight(s.html, words), open=s.open or unfolded) for s in sections),
        bases=said.bases,
        validity=dates.validity(said.valid_from, said.valid_to, now),
        updated=f"{dates.day(origin.published_at)}{dates.THIN}更新（{dates.age(origin.published_at, now)}）"
        if origin.published_at
        else "",
        unit=said.unit,
        phone=origin.phone,
        internal=said.publicity is Publicity.INTERNAL,
    )


def attachments_of(session: Session, version_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """Version → its attachments, file name → SHA-256."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    wanted = select(Attachment).where(Attachment.version_id.in_(list(version_ids)))
    for attachment in session.scalars(wanted):
        found[attachment.version_id][attachment.filename] = attachment.sha256
    return found


def _shown_sections(sections: Sequence[Section], question: str, aspects: Sequence[str]) -> tuple[ShownSection, ...]:
    """The part that was asked for is open; when none was, the first one is."""
    headings = [section.heading for section in sections]
    asked = asked_heading(question, aspects, headings)
    first = next((heading for heading in headings if heading), "")
    return tuple(
        ShownSection(s.heading, s.html, s.preview, bool(asked) and s.heading == asked, s.heading == (asked or first))
        for s in sections
    )


def _card(
    shown: ShownEntry,
    rank: int,
    *,
    result: Result,
    attachments: Mapping[str, str],
    question: str,
    beside: Words,
    question_id: int | None,
    caution: str,
    judged: Verdict | None,
    now: datetime,
) -> Card:
    hit, version = shown.hit, shown.version
    content = content_of(version, attachments, question=question, aspects=result.aspects, words=hit.matched, now=now)
    word = WORDS_OF_ROLES[shown.role]
    opening = content.copy_text
    return Card(
        **vars(content),
        rank=rank,
        role=shown.role,
        percent=round(hit.score * 100),
        outcome=word.value,
        outcome_label=word.label,
        phrasing=mark(hit.phrasing, hit.matched),
        phrasing_kind="标准问" if hit.phrasing == version.question else "相似问",
        matched=beside.shared,
        missing=beside.missing,
        synonyms=tuple(synonym for synonym in hit.synonyms if synonym.found not in synonym.asked),
        untold=shown.untold,
        facet=result.facet.values.get(hit.entry_id, "") if result.facet else "",
        opening=opening if len(opening) <= OPENING_LENGTH else opening[:OPENING_LENGTH] + "…",
        caution=caution,
        judged=judged,
        question_id=judged.question_id if judged else question_id,
    )


def _taken(result: Result, *, literal: bool) -> Taken:
    """Of a story only the slips in the part that asks are told: that part stands beside them."""
    told = [slip for slip in result.mended if not result.focus or slip.meant in result.focus]
    return Taken(tuple(told[:MOST_MENDED]), result.focus.rstrip("，,；;、 "), literal)


def _values_in_order(facet: Facet | None, cards: Sequence[Card]) -> tuple[str, tuple[str, ...]] | None:
    if facet is None:
        return None
    return facet.name, tuple(dict.fromkeys(card.facet for card in cards if card.facet))


def _said(result: Result, cards: Sequence[Card]) -> str:
    if result.outcome is Outcome.DIRECT and cards:
        return f"可直接答复：{_title(cards[0])}"
    if result.outcome is Outcome.CHOOSE:
        return f"请核对，最相近的是：{_title(cards[0])}" if cards else "请核对"
    return "未找到，可按 Alt+G 记为知识缺失"


def _title(card: Card) -> str:
    caution = f"，{card.caution}" if card.caution else ""
    return f"{'（内部）' if card.internal else ''}{card.question.striptags()}{caution}"

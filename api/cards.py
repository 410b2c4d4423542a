"""One version of an entry as an answer card: everything that the template prints, decided beforehand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import dates
from api.asking import Asked, ShownEntry
from api.rendering import Section, asked_aspect, highlight, mark, plain_text, split_answer
from kb_admin.permissions import Action, Grant, may
from models.knowledge import Attachment, Version
from models.values import BasisContent, Outcome, Publicity

ALL_OPEN_UP_TO = 90
"""Characters. A whole answer this short is shown unfolded; folding it would hide more than it saves."""
OPENING_LENGTH = 70
"""Characters of the spoken answer in the list of other candidates: two lines of it."""


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
class Card(Content):
    """The same as one of the answers to a question."""

    rank: int
    percent: int
    """Confidence in whole percent."""
    outcome: str
    outcome_label: str
    phrasing: Markup
    phrasing_kind: str
    matched: tuple[str, ...]
    """Words of the question that the entry has, the longest of those that overlap."""
    opening: str
    """The first words of the answer, for the list of candidates."""


@dataclass(frozen=True)
class AskedView:
    """A question, what was found, and what this person may do about it."""

    question_id: int
    outcome: Outcome
    cards: tuple[Card, ...]
    opened: int
    """Rank of the open card; 0: the agent chooses first."""
    said: str
    """One sentence for the live region."""
    may_judge: bool
    may_record_gap: bool

    @property
    def chooses(self) -> bool:
        """Several are close and none is open yet."""
        return self.outcome is Outcome.CHOOSE and not self.opened


def view_of(
    asked: Asked,
    attachments: Mapping[int, Mapping[str, str]],
    question: str,
    *,
    opened: int | None,
    grants: frozenset[Grant],
    now: datetime,
) -> AskedView:
    """Lay out the answers. ``opened``: the rank that was asked for, None to let the outcome decide."""
    outcome = asked.result.outcome
    cards = tuple(
        _card(
            shown,
            rank,
            outcome=outcome,
            attachments=attachments.get(shown.version.id, {}),
            question=question,
            now=now,
        )
        for rank, shown in enumerate(asked.answers, start=1)
    )
    if opened is None or not 0 <= opened <= len(cards):
        opened = 1 if outcome is Outcome.DIRECT and cards else 0
    return AskedView(
        question_id=asked.question_id,
        outcome=outcome,
        cards=cards,
        opened=opened,
        said=_said(outcome, cards),
        may_judge=may(grants, Action.JUDGE),
        may_record_gap=may(grants, Action.RECORD_GAP),
    )


def content_of(
    version: Version,
    attachments: Mapping[str, str],
    *,
    question: str = "",
    words: Sequence[str] = (),
    now: datetime,
) -> Content:
    """Lay out one version; ``question`` and ``words``: what was asked and what of it matched."""
    said = version.content()
    sections = _shown_sections(split_answer(said.answer, attachments), question)
    whole = " ".join(part for s in sections for part in (s.heading, plain_text(s.html)) if part)
    unfolded = len(whole) <= ALL_OPEN_UP_TO
    return Content(
        version_id=version.id,
        code=version.entry.code,
        question=mark(said.question, words),
        spoken=mark(said.spoken, words),
        copy_text=said.spoken or whole,
        sections=tuple(replace(s, html=highlight(s.html, words), open=s.open or unfolded) for s in sections),
        bases=said.bases,
        validity=dates.validity(said.valid_from, said.valid_to, now),
        updated=f"{dates.day(version.published_at)}{dates.THIN}更新（{dates.age(version.published_at, now)}）"
        if version.published_at
        else "",
        unit=said.unit,
        phone=version.entry.unit.phone,
        internal=said.publicity is Publicity.INTERNAL,
    )


def attachments_of(session: Session, version_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """Version → its attachments, file name → SHA-256."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    wanted = select(Attachment).where(Attachment.version_id.in_(list(version_ids)))
    for attachment in session.scalars(wanted):
        found[attachment.version_id][attachment.filename] = attachment.sha256
    return found


def _shown_sections(sections: Sequence[Section], question: str) -> tuple[ShownSection, ...]:
    """The part that was asked for is open; when none was, the first one is."""
    headings = [section.heading for section in sections]
    asked = asked_aspect(question, headings) if question else ""
    first = next((heading for heading in headings if heading), "")
    return tuple(
        ShownSection(s.heading, s.html, s.preview, bool(asked) and s.heading == asked, s.heading == (asked or first))
        for s in sections
    )


def _card(
    shown: ShownEntry,
    rank: int,
    *,
    outcome: Outcome,
    attachments: Mapping[str, str],
    question: str,
    now: datetime,
) -> Card:
    hit, version = shown.hit, shown.version
    content = content_of(version, attachments, question=question, words=hit.matched, now=now)
    word = outcome if rank == 1 or outcome is Outcome.NONE else Outcome.CHOOSE
    opening = content.copy_text
    return Card(
        **vars(content),
        rank=rank,
        percent=round(hit.score * 100),
        outcome=word.value,
        outcome_label=word.label,
        phrasing=mark(hit.phrasing, hit.matched),
        phrasing_kind="标准问" if hit.phrasing == version.question else "相似问",
        matched=_longest(hit.matched),
        opening=opening if len(opening) <= OPENING_LENGTH else opening[:OPENING_LENGTH] + "…",
    )


def _longest(words: Sequence[str]) -> tuple[str, ...]:
    """Without the words that another one contains: 个体工商户 says all that 个体 and 工商 do."""
    return tuple(word for word in words if not any(word != other and word in other for other in words))


def _said(outcome: Outcome, cards: Sequence[Card]) -> str:
    if outcome is Outcome.DIRECT and cards:
        return f"可直接答复：{cards[0].question.striptags()}"
    if outcome is Outcome.CHOOSE:
        return f"请核对，最相近的是：{cards[0].question.striptags()}" if cards else "请核对"
    return "未找到，可按 Alt+G 记为知识缺失"

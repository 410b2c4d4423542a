"""What a correction notice says, so that the unit knows what is wrong: counts, reasons, and what the raters wrote."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.contents import batches
from kb_admin.correctness import Count, Tally, percent
from kb_admin.moving import fitting
from kb_admin.notice_moves import LONGEST_TITLE
from models.knowledge import Version
from models.usage import Verdict
from models.values import CHINA, FaultReason, Judgement

MOST_NOTES = 20
LONGEST_NOTE = 150
"""Characters. With so many notes of this length the content stays within what a printed form holds."""


def title(version: Version, count: Count) -> str:
    """ "正确率 60.0%，请核实：社会保障卡丢失后怎样补领"."""
    return fitting(f"正确率 {rate_words(count)}，请核实：{version.question}", LONGEST_TITLE)


def rate_words(count: Tally) -> str:
    """The rate as people read it; a dash where nobody has judged."""
    return "—" if count.result.rate is None else percent(count.result.rate)


def threshold_words(count: Count) -> str:
    """80%, or with what decimals it has."""
    return f"{float(count.rule.threshold * 100):g}%"


def content(session: Session, version: Version, count: Count, now: datetime) -> str:
    """The counts with the article, the reasons with how often each was given, and the notes, the newest first."""
    wrong = counted_verdicts(session, count, now, judgement=Judgement.INCORRECT)
    parts = [_counts(version, count), _reasons(wrong), *_notes(wrong)]
    parts.append("请核实。确有差错的，修改后按流程重新审核、发布；认为原答案无误的，写明理由提出申辩。")
    return "\n".join(part for part in parts if part)


def counted_verdicts(
    session: Session, count: Count, now: datetime, *, judgement: Judgement | None = None
) -> list[Verdict]:
    """The verdicts that count, the newest first."""
    found: list[Verdict] = []
    for ids in batches([rating.verdict_id for rating in count.counting(now)]):
        found += session.scalars(select(Verdict).where(Verdict.id.in_(ids)))
    kept = [verdict for verdict in found if judgement is None or verdict.judgement is judgement]
    return sorted(kept, key=lambda verdict: (verdict.at, verdict.id), reverse=True)


def weighted(count: Count) -> bool:
    """Whether raters weigh differently: then the rate is not the share of the raters."""
    return len(set(count.rule.weights.values())) > 1


def _counts(version: Version, count: Count) -> str:
    result, rule = count.result, count.rule
    by_weight = f"（加权后正确 {_number(result.correct)}、有误 {_number(result.incorrect)}）" if weighted(count) else ""
    article = "" if rule.source.is_default else f"（{count.rules.rulebook.cite(rule.source)}）"
    return (
        f"条目 {version.entry.code} 第 {version.number} 版有 {result.raters} 人评价：正确 {result.correct_raters} 人，"
        f"有误 {result.incorrect_raters} 人{by_weight}，正确率 {rate_words(count)}，"
        f"低于 {threshold_words(count)}{article}。"
    )


def _number(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):.2f}".rstrip("0")


def _reasons(wrong: Sequence[Verdict]) -> str:
    given = Counter(verdict.reason for verdict in wrong)
    told = [f"{reason.label} {given[reason]} 人" for reason in FaultReason if given[reason]]
    return f"判为有误的原因：{'，'.join(told)}。" if told else ""


def _notes(wrong: Sequence[Verdict]) -> list[str]:
    """Without names: the unit learns what is wrong, not who said so."""
    noted = [verdict for verdict in wrong if verdict.note][:MOST_NOTES]
    if not noted:
        return []
    return ["评价人的说明：", *(f"{place}. {_note(verdict)}" for place, verdict in enumerate(noted, start=1))]


def _note(verdict: Verdict) -> str:
    day = verdict.at.astimezone(CHINA)
    reason = f"（{verdict.reason.label}）" if verdict.reason else ""
    return f"{day:%Y-%m-%d} {verdict.rater.label}{reason}：{fitting(' '.join(verdict.note.split()), LONGEST_NOTE)}"

"""通报: what the regulations want to be made known of each unit's work, and the faults that they name, with the cases
on which each statement rests (济源 art. 13, 梅州 art. 10).

The rulebook names sections and faults in the regulation's own words; which figures speak to such words stands here.
Where the base holds nothing that speaks to them, the bulletin says so and leaves room.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from kb_admin.periods import Period
from kb_admin.permissions import Reach
from kb_admin.reports import Report
from kb_admin.rulebook import Rulebook
from kb_admin.unit_cases import Cases, cases_sql
from models.improvement import Defence
from models.knowledge import Transition
from models.notices import Notice
from models.usage import Verdict
from models.values import ApplicationStatus, FaultReason, NoticeStatus

ALL_WORK = ("unit_entries_added", "unit_entries_changed", "unit_notices_done", "unit_notices_expired")
SPOKEN_TO: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("报送", ("unit_entries_added",)),
    ("满意率", ()),
    ("更新", ("unit_entries_changed", "unit_entries_reviewed", "unit_notices_expired")),
    ("成效", ALL_WORK),
    ("管理", ALL_WORK),
    ("维护", ALL_WORK),
)
"""Words of a section's title, and the figures that speak to them; the first that fits."""
NO_SATISFACTION = "系统还没有满意率数据（满意率由回访得出）。知识库信息的正确率见本通报所附报表。"
NOTHING_KNOWN = "系统没有可以据以通报的数据，请热线办补充。"


@dataclass(frozen=True)
class Section:
    """One section of the bulletin."""

    title: str
    figures: tuple[str, ...]
    """Names of the figures, told unit by unit."""
    remark: str
    """What to say instead, where there are none."""


@dataclass(frozen=True)
class FaultyUnit:
    """A unit that is named for a fault."""

    unit_id: int
    unit: str
    count: int


@dataclass(frozen=True)
class NamedFault:
    """One of the rulebook's faults, and who is named for it."""

    title: str
    units: tuple[FaultyUnit, ...]
    evidence: str
    """What was counted; empty where nothing can be."""


@dataclass(frozen=True)
class Bulletin:
    report: Report
    sections: tuple[Section, ...]
    faults: tuple[NamedFault, ...]


def bulletin(session: Session, found: Report, rulebook: Rulebook, reach: Reach) -> Bulletin:
    """What the rulebook's bulletin tells of the report's period."""
    names = {row.unit_id: row.unit for row in found.units}
    return Bulletin(
        report=found,
        sections=tuple(map(_section, rulebook.bulletin)),
        faults=tuple(_fault(session, title, found.period, reach, names) for title in rulebook.accountability),
    )


def fault_cases(title: str, period: Period, reach: Reach) -> Cases | None:
    """The cases behind a fault, in the columns of ``cases_sql``; None where nothing in the base speaks to it."""
    evidence = _evidence(title)
    return evidence.cases(period, reach) if evidence else None


@dataclass(frozen=True)
class Evidence:
    """What speaks to a fault."""

    words: tuple[str, ...]
    told: str
    cases: Callable[[Period, Reach], Cases]


def _section(title: str) -> Section:
    figures = next((names for words, names in SPOKEN_TO if words in title), None)
    if figures is None:
        return Section(title, (), NOTHING_KNOWN)
    return Section(title, figures, "" if figures else NO_SATISFACTION)


def _fault(session: Session, title: str, period: Period, reach: Reach, names: dict[int, str]) -> NamedFault:
    evidence = _evidence(title)
    if evidence is None:
        return NamedFault(title, (), "")
    cases = evidence.cases(period, reach).subquery()
    counted = session.execute(select(cases.c.unit_id, func.count()).group_by(cases.c.unit_id)).tuples()
    units = [FaultyUnit(unit_id, names.get(unit_id, ""), count) for unit_id, count in counted]
    return NamedFault(title, tuple(sorted(units, key=lambda one: (-one.count, one.unit))), evidence.told)


WORK_ORDERS = "工单"
"""Faults in handling work orders: the knowledge base cannot tell of them."""


def _evidence(title: str) -> Evidence | None:
    if WORK_ORDERS in title:
        return None
    return next((one for one in EVIDENCE if any(word in title for word in one.words)), None)


def _corrected_for(*reasons: FaultReason) -> Callable[[Period, Reach], Cases]:
    """Corrections of the period, neither cancelled nor refuted, for which somebody gave one of these reasons."""

    def cases(period: Period, reach: Reach) -> Cases:
        said = exists().where(
            Verdict.version_id == Notice.version_id, Verdict.reason.in_(reasons), Verdict.at < period.end
        )
        refuted = exists().where(Defence.notice_id == Notice.id, Defence.status == ApplicationStatus.GRANTED)
        stands = Notice.status != NoticeStatus.CANCELLED
        return cases_sql("unit_corrections", period, reach).where(said, stands, ~refuted)

    return cases


def _sent_back_for(*words: str, twice: bool = False) -> Callable[[Period, Reach], Cases]:
    """Versions sent back with one of these words in the reason; ``twice``: only of units to which it happened again."""

    def cases(period: Period, reach: Reach) -> Cases:
        said = or_(*(Transition.reason.contains(word, autoescape=True) for word in words))
        found = cases_sql("unit_sent_back", period, reach).where(said)
        if not twice:
            return found
        once = found.subquery()
        again = select(once.c.unit_id).group_by(once.c.unit_id).having(func.count() > 1)
        every = aliased(once)
        return select(*every.c).where(every.c.unit_id.in_(again))

    return cases


def _late(period: Period, reach: Reach) -> Cases:
    return cases_sql("unit_notices_expired", period, reach)


EVIDENCE: Sequence[Evidence] = (
    Evidence(("及时",), "超过时限的通知单", _late),
    Evidence(("错别字",), "一再因错别字退回的条目", _sent_back_for("错别字", twice=True)),
    Evidence(("关键词", "关键字"), "因关键字退回的条目", _sent_back_for("关键字", "关键词")),
    Evidence(("格式",), "因格式退回的条目", _sent_back_for("格式")),
    Evidence(("重复",), "因重复退回的条目", _sent_back_for("重复")),
    Evidence(("不完整", "缺失"), "因内容不完整整改的条目", _corrected_for(FaultReason.INCOMPLETE)),
    Evidence(("过期", "失效", "废止", "新旧"), "因过期整改的条目", _corrected_for(FaultReason.OUTDATED)),
    Evidence(("不清",), "因表述不清整改的条目", _corrected_for(FaultReason.UNCLEAR)),
    Evidence(("不准确", "错漏", "矛盾"), "因答案不准确整改的条目", _corrected_for(FaultReason.INACCURATE)),
)
"""The first whose words stand in the fault's name speaks to it."""

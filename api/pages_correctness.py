"""正确率: the list of judged entries, and one entry's verdicts with the count of each of its versions."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from openpyxl import Workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from api import correctness_list, dates, files
from api.clock import utc_now
from api.correctness_list import CorrectnessLine, Trend, Wanted, interval_words, trend_of
from api.listing import PAGE_SIZE, Listing, offset_of
from api.notice_list import sees
from api.pages_agent import PageCaller
from api.pages_entries import Number, Word
from api.security import Caller
from api.templating import page
from api.wiring import UsingSession
from ingest.sheet_writing import Cell, write_table
from kb_admin.correction_words import rate_words
from kb_admin.corrections import under_correction
from kb_admin.correctness import Count, Standing, counts_of
from kb_admin.permissions import Action, require
from kb_admin.rules_in_force import city_rules
from kb_admin.verdict_outcomes import Outcome, outcomes
from models.errors import NotFound
from models.knowledge import Entry, Version
from models.usage import Verdict
from models.values import Rater, Role, VersionStatus

router = APIRouter(include_in_schema=False)
COLUMNS = (
    ("rate", "正确率"),
    ("code", "编号"),
    ("question", "标准问"),
    ("unit", "责任单位"),
    ("raters", "评价人数"),
    ("last", "最近评价"),
)
SHEET = "正确率"
SHEET_HEADERS = (
    *("编号", "标准问", "责任单位", "版本", "正确率", "状态", "判为正确（人）", "判为有误（人）", "95%置信区间"),
    *("一周来变化", "最近评价", "整改通知单", "整改状态"),
)
KNOWS_AGENTS = frozenset({Role.CITY_OFFICE, Role.ANALYST})
"""Who reads which agent judged: the unit that was found wrong does not."""


@dataclass(frozen=True)
class VersionLine:
    """The count of one version of the entry."""

    version: Version
    count: Count
    trend: Trend
    together_with: tuple[int, ...]
    """Numbers of the versions whose verdicts count with it."""

    @property
    def rate(self) -> str:
        return rate_words(self.count)

    @property
    def interval(self) -> str:
        return interval_words(self.count)


@dataclass(frozen=True)
class VerdictLine:
    """One verdict, and who gave it as far as the reader is told."""

    outcome: Outcome
    number: int
    who: str


@router.get("/correctness")
def correctness_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    unit: Number = None,
    standing: Word = "",
    mending: bool = False,
    sort: Word = "rate",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The judged entries of the units that this person answers for, the worst first."""
    require(caller.grants, Action.READ_VERDICTS)
    now = utc_now()
    wanted = _wanted(q, unit, standing, sort, mending=mending)
    within = correctness_list.reach(session, caller, now)
    hidden = caller.viewer.hidden_entry_ids
    found = correctness_list.find(session, wanted, within, now, hidden=hidden)
    whole = Wanted(unit_id=wanted.unit_id)
    everything = found if wanted == whole else correctness_list.find(session, whole, within, now, hidden=hidden)
    filters = _filters(wanted)
    context = {
        "lines": correctness_list.page_of(session, found, now, page=page_number),
        "listing": Listing("/correctness", filters, page_number, len(found)),
        "filters": filters,
        "columns": COLUMNS,
        "standings": correctness_list.standings(everything),
        "units": correctness_list.units_with_verdicts(session, within),
        "rulebook": city_rules(session, now).rulebook,
        "export": f"/correctness/export?{urlencode(filters)}",
        "sees": lambda notice: sees(caller.grants, notice),
    }
    return page(request, "correctness.html", caller, context)


@router.get("/correctness/export")
def export(
    *,
    session: UsingSession,
    caller: PageCaller,
    q: Annotated[str, Query(max_length=200)] = "",
    unit: Number = None,
    standing: Word = "",
    mending: bool = False,
    sort: Word = "rate",
) -> Response:
    """The filtered list as a workbook."""
    require(caller.grants, Action.READ_VERDICTS)
    now = utc_now()
    wanted, within = _wanted(q, unit, standing, sort, mending=mending), correctness_list.reach(session, caller, now)
    found = correctness_list.find(session, wanted, within, now, hidden=caller.viewer.hidden_entry_ids)
    book = Workbook(write_only=True)
    write_table(book, SHEET, SHEET_HEADERS, map(_cells, correctness_list.lines_of(session, found, now)))
    output = io.BytesIO()
    book.save(output)
    headers = {"Content-Disposition": f'attachment; filename="zhida-correctness-{dates.day(now)}.xlsx"'}
    return Response(output.getvalue(), media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


@router.get("/correctness/{code}")
def entry_correctness_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    code: str,
    version: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The counts of an entry's versions, and every verdict on them or on one of them."""
    require(caller.grants, Action.READ_VERDICTS)
    now = utc_now()
    entry = _entry(session, code, caller, now)
    versions = _judged(session, entry)
    lines = _version_lines(session, versions, now)
    chosen = next((each for each in versions if each.number == version), None)
    if version is not None and chosen is None:
        raise NotFound(f"条目“{code}”没有第 {version} 版的评价。")
    of_these = [chosen.id] if chosen else [each.id for each in versions]
    filters = {"version": str(version or "")}
    count = session.scalar(select(func.count()).where(Verdict.version_id.in_(of_these))) or 0
    live = next((each for each in versions if each.status is VersionStatus.PUBLISHED), None)
    notice = under_correction(session, [entry.id]).get(entry.id)
    context = {
        "entry": entry,
        "title": (live or versions[0]).question if versions else entry.code,
        "versions": lines,
        "verdicts": _verdict_lines(session, of_these, caller, now, page_number),
        "listing": Listing(f"/correctness/{code}", filters, page_number, count),
        "chosen": version,
        "notice": notice if notice is not None and sees(caller.grants, notice) else None,
        "rulebook": city_rules(session, now).rulebook,
    }
    return page(request, "correctness_entry.html", caller, context)


def _version_lines(session: Session, versions: Sequence[Version], now: datetime) -> list[VersionLine]:
    """Each with its count, the newest first."""
    counts, numbers = counts_of(session, [v.id for v in versions], now), {v.id: v.number for v in versions}
    return [
        VersionLine(
            version,
            counts[version.id],
            trend_of(counts[version.id], now),
            tuple(sorted(numbers[each] for each in counts[version.id].version_ids[1:] if each in numbers)),
        )
        for version in versions
    ]


def _entry(session: Session, code: str, caller: Caller, now: datetime) -> Entry:
    entry = session.scalar(select(Entry).where(Entry.code == code))
    within = correctness_list.reach(session, caller, now)
    if entry is None or not within.holds(entry.unit_id) or entry.id in caller.viewer.hidden_entry_ids:
        raise NotFound(f"没有编号为“{code}”的条目，或您无权查看它的评价。")
    return entry


def _judged(session: Session, entry: Entry) -> Sequence[Version]:
    """The live version and those that have verdicts, the newest first."""
    judged = select(Verdict.version_id).join(Version, Version.id == Verdict.version_id)
    either = Version.id.in_(judged.where(Version.entry_id == entry.id)) | (Version.status == VersionStatus.PUBLISHED)
    query = select(Version).where(Version.entry_id == entry.id, either).order_by(Version.number.desc())
    return session.scalars(query).all()


def _verdict_lines(
    session: Session, version_ids: Sequence[int], caller: Caller, now: datetime, page_number: int
) -> list[VerdictLine]:
    newest = (
        select(Verdict)
        .where(Verdict.version_id.in_(version_ids))
        .order_by(Verdict.at.desc(), Verdict.id.desc())
        .limit(PAGE_SIZE)
        .offset(offset_of(page_number))
        .options(joinedload(Verdict.person), joinedload(Verdict.version))
    )
    by_name = any(grant.role in KNOWS_AGENTS for grant in caller.grants)
    found = outcomes(session, session.scalars(newest).all(), now)
    return [VerdictLine(each, each.verdict.version.number, _who(each.verdict, by_name=by_name)) for each in found]


def _who(verdict: Verdict, *, by_name: bool) -> str:
    if verdict.rater is Rater.AGENT and by_name and verdict.person is not None:
        return verdict.person.name
    return verdict.rater.label


def _wanted(q: str, unit: int | None, standing: str, sort: str, *, mending: bool) -> Wanted:
    chosen = next((value for value in Standing if value == standing), None)
    return Wanted(q.strip(), unit, chosen, mending, sort)


def _filters(wanted: Wanted) -> dict[str, str]:
    return {
        "q": wanted.text,
        "unit": str(wanted.unit_id or ""),
        "standing": wanted.standing or "",
        "mending": "1" if wanted.mending else "",
        "sort": wanted.sort,
    }


def _cells(line: CorrectnessLine) -> list[Cell]:
    """In the order of SHEET_HEADERS."""
    found, result = line.found, line.found.count.result
    return [
        *(found.code, found.question, found.unit, found.number, result.rate, found.count.standing.label),
        *(result.correct_raters, result.incorrect_raters, line.interval),
        *(line.trend.words, dates.moment(found.last_at)),
        *((line.notice.number, line.notice.status.label) if line.notice else ("", "")),
    ]

"""报表: the report of a period as a page, on paper and as a workbook; the ranking of units, and each case behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api import files
from api.clock import utc_now
from api.figure_words import value_words
from api.listing import PAGE_SIZE, Listing, offset_of
from api.pages_agent import PageCaller
from api.pages_dashboard import Word, period_given
from api.pages_entries import Number
from api.report_calls import call_lines, count_calls
from api.report_entries import LISTED, count_lines, entries_behind, entries_workbook, entry_lines
from api.report_view import case_address, names_of_units, rate_cells, unit_heads, view_of
from api.report_workbook import workbook
from api.security import Caller
from api.templating import page
from api.wiring import UsingSession
from kb_admin.bulletins import bulletin, fault_cases
from kb_admin.definitions import definition
from kb_admin.figures import statistics_reach
from kb_admin.figures_entries import EntryRows
from kb_admin.periods import Period, Span
from kb_admin.permissions import Action, Reach, may
from kb_admin.ranking import FEWEST_CASES, LOWER_IS_BETTER, measures, ranked
from kb_admin.rates import Where, calls_behind, published_name
from kb_admin.reports import report, unit_rows
from kb_admin.rules_in_force import city_rules
from kb_admin.unit_cases import UNIT_FIGURES, Cases, cases_sql, read_cases
from models.errors import NotFound
from models.values import CHINA

router = APIRouter(include_in_schema=False)
Page = Annotated[int, Query(alias="page", ge=1, le=100_000)]
FAULT = "fault:"
"""How the name of a figure begins that is one of the rulebook's faults."""


@dataclass(frozen=True)
class Chosen:
    """Which period the address asks for."""

    period: Period

    @property
    def query(self) -> str:
        asked = {"span": self.period.span.value, "day": str(self.period.first)}
        if self.period.span is Span.DAYS:
            asked["until"] = str(self.period.last)
        return urlencode(asked)

    def address(self, path: str, period: Period | None = None, **more: str) -> str:
        """A page for this period, or for another."""
        query = self.query if period is None else Chosen(period).query
        return f"{path}?{query}{'&' + urlencode(more) if more else ''}"


@router.get("/reports")
def report_page(
    *, request: Request, session: UsingSession, caller: PageCaller, span: Word = "", day: Word = "", until: Word = ""
) -> HTMLResponse:
    """The report of a period; the last whole month where none is named. Prints on A4."""
    now = utc_now()
    reach = statistics_reach(session, caller.grants, now)
    chosen = Chosen(_period(span, day, until))
    rulebook = city_rules(session, now).rulebook
    found = view_of(session, report(session, published_name(session, now), chosen.period, reach, now))
    context = {
        "view": found,
        "report": found.report,
        "chosen": chosen,
        "spans": [one for one in Span if one.value in rulebook.reports or one is Span.DAYS],
        "unit_heads": unit_heads(UNIT_FIGURES),
        "unit_names": tuple(UNIT_FIGURES),
        "rate_cells": rate_cells,
        "bulletins": reach.everything,
    }
    return page(request, "report.html", caller, context)


@router.get("/reports/export")
def export(session: UsingSession, caller: PageCaller, span: Word = "", day: Word = "", until: Word = "") -> Response:
    """The same as a workbook."""
    now = utc_now()
    reach = statistics_reach(session, caller.grants, now)
    chosen = Chosen(_period(span, day, until))
    found = view_of(session, report(session, published_name(session, now), chosen.period, reach, now))
    name = f"zhida-report-{chosen.period.first}-{chosen.period.last}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(workbook(found), media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


@router.get("/reports/ranking")
def ranking_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    span: Word = "",
    day: Word = "",
    until: Word = "",
    by: Word = "",
) -> HTMLResponse:
    """Units in the order of one figure."""
    now = utc_now()
    reach = statistics_reach(session, caller.grants, now)
    chosen = Chosen(_period(span, day, until))
    published = published_name(session, now)
    by = by if by in measures(published) else published
    context = {
        "chosen": chosen,
        "by": definition(by),
        "measures": [definition(name) for name in measures(published)],
        "placed": ranked(unit_rows(session, published, chosen.period, reach), by),
        "cases_at": "/reports/cases/" if by in UNIT_FIGURES else "/reports/calls/" if definition(by).calls else "",
        "lower": by in LOWER_IS_BETTER,
        "fewest": FEWEST_CASES,
        "spans": list(Span),
        "value_words": value_words,
    }
    return page(request, "ranking.html", caller, context)


@router.get("/reports/cases/{name}")
def cases_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    name: str,
    span: Word = "",
    day: Word = "",
    until: Word = "",
    unit: Number = None,
    page_number: Page = 1,
) -> HTMLResponse:
    """Every single case behind a figure, of one unit or of all that one may read."""
    reach = statistics_reach(session, caller.grants, utc_now())
    chosen = Chosen(_period(span, day, until))
    units = names_of_units(session, reach)
    if unit is not None and unit not in units:
        raise NotFound("没有这个单位，或您不能查看它的统计。")
    within = reach if unit is None else Reach(unit_ids=frozenset({unit}))
    cases = _cases(session, name, chosen.period, within)
    count = session.scalar(select(func.count()).select_from(cases.subquery())) or 0
    context = {
        "chosen": chosen,
        "title": name.removeprefix(FAULT) if name.startswith(FAULT) else definition(name).title,
        "definition": None if name.startswith(FAULT) else definition(name),
        "unit": unit,
        "units": units,
        "cases": read_cases(session, cases, limit=PAGE_SIZE, offset=offset_of(page_number)),
        "address": case_address,
        "listing": Listing(f"/reports/cases/{name}", _filters(chosen, unit), page_number, count),
    }
    return page(request, "report_cases.html", caller, context)


@router.get("/reports/calls/{name}")
def calls_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    name: str,
    span: Word = "",
    day: Word = "",
    until: Word = "",
    unit: Number = None,
    page_number: Page = 1,
) -> HTMLResponse:
    """Every single call behind a rate, of one unit or of all that one may read."""
    reach = statistics_reach(session, caller.grants, utc_now())
    chosen = Chosen(_period(span, day, until))
    units = names_of_units(session, reach)
    if unit is not None and unit not in units:
        raise NotFound("没有这个单位，或您不能查看它的统计。")
    ids = reach.unit_ids if unit is None else frozenset({unit})
    where = Where() if reach.everything and unit is None else Where(unit_ids=ids)
    calls = calls_behind(session, name, chosen.period, where=where)
    context = {
        "chosen": chosen,
        "definition": definition(name),
        "unit": unit,
        "units": units,
        "lines": call_lines(session, calls, limit=PAGE_SIZE, offset=offset_of(page_number)),
        "reads_calls": reach.everything and may(caller.grants, Action.READ_INCOMING),
        "listing": Listing(f"/reports/calls/{name}", _filters(chosen, unit), page_number, count_calls(session, calls)),
    }
    return page(request, "report_calls.html", caller, context)


@router.get("/reports/entries/{name}")
def entries_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    name: str,
    unit: Number = None,
    page_number: Page = 1,
) -> HTMLResponse:
    """The entries behind a figure of the base: unused, outdated, never verified."""
    listed = _listed(session, caller, name, unit)
    filters = {"unit": str(unit or "")}
    context = {
        "definition": definition(name),
        "unit": unit,
        "units": listed.units,
        "lines": entry_lines(session, listed.rows, limit=PAGE_SIZE, offset=offset_of(page_number)),
        "listing": Listing(f"/reports/entries/{name}", filters, page_number, count_lines(session, listed.rows)),
        "others": [definition(each) for each in LISTED],
        "export": f"/reports/entries/{name}/export?{urlencode(filters)}",
    }
    return page(request, "report_entries.html", caller, context)


@router.get("/reports/entries/{name}/export")
def export_entries(session: UsingSession, caller: PageCaller, name: str, unit: Number = None) -> Response:
    """The same list, whole, as a workbook."""
    listed = _listed(session, caller, name, unit)
    content = entries_workbook(definition(name).title, entry_lines(session, listed.rows))
    headers = {"Content-Disposition": f'attachment; filename="zhida-{name}.xlsx"'}
    return Response(content, media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


@router.get("/reports/bulletin")
def bulletin_page(
    *, request: Request, session: UsingSession, caller: PageCaller, span: Word = "", day: Word = "", until: Word = ""
) -> HTMLResponse:
    """通报: the draft that the office prints, with what it adds by hand."""
    now = utc_now()
    reach = _whole_city(session, caller)
    chosen = Chosen(_period(span, day, until))
    rules = city_rules(session, now)
    found = report(session, published_name(session, now), chosen.period, reach, now)
    context = {
        "chosen": chosen,
        "bulletin": bulletin(session, found, rules.rulebook, reach),
        "source": rules.rulebook.cite(rules.rulebook.sources["reports.bulletin"]),
        "fault_source": rules.rulebook.cite(rules.rulebook.sources["reports.accountability"]),
        "title_of": lambda name: definition(name).title,
        "fault": FAULT,
        "spans": list(Span),
        "now": now,
    }
    return page(request, "bulletin.html", caller, context)


def _filters(chosen: Chosen, unit: int | None) -> dict[str, str]:
    """By the names that they have in the address."""
    period = chosen.period
    until = str(period.last) if period.span is Span.DAYS else ""
    return {"span": period.span.value, "day": str(period.first), "until": until, "unit": str(unit or "")}


@dataclass(frozen=True)
class _Listed:
    """Which entries to list, and the units that one may choose from."""

    rows: EntryRows
    units: Mapping[int, str]


def _listed(session: Session, caller: Caller, name: str, unit: int | None) -> _Listed:
    now = utc_now()
    reach = statistics_reach(session, caller.grants, now)
    units = names_of_units(session, reach)
    if unit is not None and unit not in units:
        raise NotFound("没有这个单位，或您不能查看它的统计。")
    within = reach if unit is None else Reach(unit_ids=frozenset({unit}))
    return _Listed(entries_behind(session, name, within, now), units)


def _whole_city(session: Session, caller: Caller) -> Reach:
    """Raises NotFound for who reads some units only: a bulletin names them all."""
    reach = statistics_reach(session, caller.grants, utc_now())
    if not reach.everything:
        raise NotFound("通报由市热线办编制，您可以查看本单位的报表。")
    return reach


def _cases(session: Session, name: str, period: Period, reach: Reach) -> Cases:
    if not name.startswith(FAULT):
        return cases_sql(name, period, reach)
    title = name.removeprefix(FAULT)
    named = title in city_rules(session, utc_now()).rulebook.accountability
    found = fault_cases(title, period, reach) if named else None
    if found is None:
        raise NotFound("系统没有可以说明这种情形的数据。")
    return found


def _period(span: str, day: str, until: str) -> Period:
    """The one that is named; otherwise the last whole month."""
    today = utc_now().astimezone(CHINA).date()
    if not span and not day:
        return Period.month(today).previous
    return period_given(span or Span.MONTH.value, day, until, today=today)

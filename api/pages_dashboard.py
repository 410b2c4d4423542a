"""看板: how well questions are answered and in which state the base is, for a period and the one before; and the page
that says what every figure means."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api.clock import utc_now
from api.dashboard_view import dashboard, unit_cells, unit_heads
from api.pages_agent import PageCaller
from api.templating import page
from api.wiring import UsingSession
from kb_admin.definition_words import rule_words
from kb_admin.definitions import all_definitions, call_rates, definition
from kb_admin.figures import statistics_reach
from kb_admin.periods import Period, Span
from kb_admin.permissions import Action, may, require
from kb_admin.rates import published_name
from kb_admin.rules_in_force import city_rules
from models.errors import Invalid
from models.values import CHINA

router = APIRouter(include_in_schema=False)
Word = Annotated[str, Query(max_length=64)]
MOST_DAYS = 366
"""Of a period that somebody chooses: a year, day by day."""


@dataclass(frozen=True)
class Chosen:
    """What the address asks for."""

    period: Period
    rate: str

    def address(self, period: Period) -> str:
        """The same page for another period."""
        return f"/dashboard?{urlencode({**_asked(period), 'rate': self.rate})}"

    def report(self, page_of_reports: str) -> str:
        """A page of reports for the same period."""
        return f"{page_of_reports}?{urlencode(_asked(self.period))}"


def _asked(period: Period) -> dict[str, str]:
    asked = {"span": period.span.value, "day": str(period.first)}
    return {**asked, "until": str(period.last)} if period.span is Span.DAYS else asked


@router.get("/dashboard")
def dashboard_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    span: Word = "",
    day: Word = "",
    until: Word = "",
    rate: Word = "",
) -> HTMLResponse:
    """For the office and the analysts; for a county's office and a unit's leader, the part that is theirs."""
    now = utc_now()
    reach = statistics_reach(session, caller.grants, now)
    published = published_name(session, now)
    chosen = Chosen(period_given(span, day, until, today=now.astimezone(CHINA).date()), rate or published)
    if definition(chosen.rate).calls is None:
        raise Invalid(f"“{definition(chosen.rate).title}”不是来电的比率，请另选。")
    board = dashboard(session, chosen.rate, chosen.period, reach, now)
    context = {
        "board": board,
        "drawings": [chart.drawing for chart in board.charts if chart.table.rows],
        "unit_heads": unit_heads(definition(chosen.rate)),
        "unit_rows": [unit_cells(one) for one in board.units],
        "chosen": chosen,
        "published": published,
        "rate_choices": call_rates(),
        "spans": list(Span),
        "everything": reach.everything,
        "now": now,
        "reads_gaps": may(caller.grants, Action.READ_GAPS),
    }
    return page(request, "dashboard.html", caller, context)


@router.get("/definitions")
def definitions_page(request: Request, session: UsingSession, caller: PageCaller) -> HTMLResponse:
    """Every figure that any page shows; for who reads figures."""
    require(caller.grants, Action.READ_STATISTICS)
    rule = city_rules(session, utc_now()).rulebook.statistics
    found = tuple(all_definitions().values())
    context = {
        "definitions": found,
        "published": definition(rule.direct_answer),
        "rules": {one.name: rule_words(one.calls, repeat_days=rule.repeat_days) if one.calls else () for one in found},
    }
    return page(request, "definitions.html", caller, context)


def period_given(span: str, day: str, until: str, *, today: date) -> Period:
    """The period that an address names; without one the week of ``today``. Raises Invalid for what is no date."""
    kind = next((one for one in Span if one.value == span), Span.WEEK)
    first = _date(day, "日期") or today
    if kind is not Span.DAYS:
        return Period.of(kind, first)
    last = _date(until, "截止日期") or first
    if last - first >= timedelta(days=MOST_DAYS):
        raise Invalid(f"自选的期间最多 {MOST_DAYS} 天，请缩短。")
    return Period.days(first, last)


def _date(text: str, name: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(f"{name}“{text[:20]}”不是日期，请写成 2026-11-21 的样子。") from None

"""学习建议: similar questions and synonyms that use suggests, accepted or not, one after the other by keyboard."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from openpyxl import Workbook
from sqlalchemy.orm import Session

from api import dates, files, proposal_list
from api.clock import utc_now
from api.errors import status_of
from api.listing import Listing
from api.pages_agent import PageCaller
from api.pages_entries import Number, Word
from api.proposal_list import ProposalLine, Wanted, evidence_of, line_of, next_proposal, read_proposal
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.thesaurus import shipped
from api.wiring import UsingSession
from ingest.sheet_writing import write_table
from kb_admin import proposals
from kb_admin.learning_run import last_run
from kb_admin.permissions import Action, may, require
from kb_admin.synonym_proposals import accept_synonym, undo_synonym
from models.errors import Conflict, Forbidden, Invalid
from models.improvement import Proposal
from models.organisation import Person
from models.values import Choice, ProposalKind, ProposalStatus

router = APIRouter(include_in_schema=False)
BASE = "/proposals"
QUICK = ("问的不是一件事", "与已有问法没有差别", "太笼统，别的条目也能答", "说的是个别情况")
QUICK_SYNONYM = ("不是一回事", "只在个别情况下相同", "词库另有更合适的写法")
SHEET_HEADERS = {
    ProposalKind.SIMILAR: (
        "编号",
        "标准问",
        "责任单位",
        "建议的相似问法",
        "支持",
        "反对",
        "状态",
        "原因",
        "办理人",
        "办理时间",
    ),
    ProposalKind.SYNONYM: ("来电人的说法", "知识库的说法", "支持", "反对", "状态", "原因", "办理人", "办理时间"),
}


class Decision(Choice):
    """What is done with a proposal."""

    ACCEPT = "accept", "采纳"
    REJECT = "reject", "不采纳"
    UNDO = "undo", "撤销采纳"
    REOPEN = "reopen", "重新考虑"


SAID = {
    (Decision.ACCEPT, ProposalKind.SIMILAR): "已采纳，形成新版本并提交，按该条目的流程审核、发布。",
    (Decision.ACCEPT, ProposalKind.SYNONYM): "已采纳，写入词库，通常一秒以内生效。",
    (Decision.REJECT, ProposalKind.SIMILAR): "已记为未采纳，以后不再建议。",
    (Decision.REJECT, ProposalKind.SYNONYM): "已记为未采纳，以后不再建议。",
    (Decision.UNDO, ProposalKind.SIMILAR): "已撤销。未发布的版本已作废；已发布的，去掉这一问法的新版本已提交。",
    (Decision.UNDO, ProposalKind.SYNONYM): "已撤销，词库恢复原样。",
    (Decision.REOPEN, ProposalKind.SIMILAR): "已恢复为待定。",
    (Decision.REOPEN, ProposalKind.SYNONYM): "已恢复为待定。",
}


@dataclass(frozen=True)
class View:
    """What of the list is seen, and which proposal is opened."""

    wanted: Wanted
    page: int = 1
    opened: int | None = None
    after: int | None = None
    """The one that was passed over or has just been decided."""
    said: str = ""


def wanted_part(
    *, kind: Word = "", q: Annotated[str, Query(max_length=200)] = "", status: Word = "open", unit: Number = None
) -> Wanted:
    """Dependency: the part of the list that the address asks for; "all" stands for any status."""
    return Wanted(
        kind=next((value for value in ProposalKind if value == kind), ProposalKind.SIMILAR),
        text=q.strip(),
        status=next((value for value in ProposalStatus if value == status), None),
        unit_id=unit,
    )


WantedPart = Annotated[Wanted, Depends(wanted_part)]


@router.get(BASE)
def proposals_page(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    wanted: WantedPart,
    opened: Annotated[Number, Query(alias="open")] = None,
    after: Number = None,
    did: Word = "",
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """The proposals that this person may see, with the next open one ready to be decided."""
    done = next((decision for decision in Decision if decision == did), None)
    said = SAID[done, wanted.kind] if done else ""
    return _shown(request, session, caller, View(wanted, page_number, opened, after, said))


@router.get(f"{BASE}/export")
def export(session: UsingSession, caller: PageCaller, wanted: WantedPart) -> Response:
    """The filtered list as a workbook."""
    _require(caller, wanted)
    book = Workbook(write_only=True)
    lines = proposal_list.list_proposals(session, wanted, caller, page=None)
    write_table(book, wanted.kind.label, SHEET_HEADERS[wanted.kind], map(list, map(_cells, lines)))
    output = io.BytesIO()
    book.save(output)
    name = f"zhida-proposals-{wanted.kind.value}-{dates.day(utc_now())}.xlsx"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(output.getvalue(), media_type=files.MEDIA_TYPES[files.FileFormat.XLSX], headers=headers)


@router.post(f"{BASE}/{{proposal_id}}", dependencies=[Depends(check_csrf)])
def decide(
    *,
    request: Request,
    session: UsingSession,
    caller: PageCaller,
    proposal_id: Id,
    decision: Annotated[Decision, Form()],
    remark: Annotated[str, Form(max_length=2000)] = "",
    q: Annotated[str, Form(max_length=200)] = "",
    status: Annotated[str, Form(max_length=32)] = "open",
    unit: Annotated[Number, Form()] = None,
) -> Response:
    """Accept, reject, or take either back; then the next one opens."""
    require(caller.grants, Action.READ_PROPOSALS)
    proposal = read_proposal(session, proposal_id, caller)
    wanted = wanted_part(kind=proposal.kind, q=q, status=status, unit=unit)
    try:
        _decide(session, proposal, decision, remark, person_of(session, caller))
    except (Invalid, Conflict, Forbidden) as error:
        session.rollback()
        return _shown(request, session, caller, View(wanted, opened=proposal_id), fault=error, remark=remark)
    session.commit()
    query = {**filters_of(wanted), "after": str(proposal_id), "did": decision.value}
    return RedirectResponse(f"{BASE}?{urlencode({name: value for name, value in query.items() if value})}", 303)


def _decide(session: Session, proposal: Proposal, decision: Decision, remark: str, actor: Person) -> None:
    now, synonym = utc_now(), proposal.kind is ProposalKind.SYNONYM
    if decision is Decision.REJECT:
        proposals.reject(session, proposal, remark, actor=actor, now=now)
    elif decision is Decision.REOPEN:
        proposals.reopen(session, proposal, actor=actor, now=now)
    elif decision is Decision.ACCEPT and synonym:
        accept_synonym(session, proposal, shipped(), actor=actor, now=now)
    elif decision is Decision.ACCEPT:
        proposals.accept(session, proposal, actor=actor, now=now)
    elif synonym:
        undo_synonym(session, proposal, shipped(), actor=actor, now=now)
    else:
        proposals.undo(session, proposal, actor=actor, now=now)


def _shown(
    request: Request,
    session: Session,
    caller: Caller,
    view: View,
    *,
    fault: Invalid | Conflict | Forbidden | None = None,
    remark: str = "",
) -> HTMLResponse:
    _require(caller, view.wanted)
    count = proposal_list.count_proposals(session, view.wanted, caller)
    proposal = _opened(session, caller, view)
    actor = person_of(session, caller)
    context = {
        "wanted": view.wanted,
        "filters": filters_of(view.wanted),
        "query": urlencode({name: value for name, value in filters_of(view.wanted).items() if value}),
        "listing": Listing(BASE, filters_of(view.wanted), view.page, count),
        "lines": proposal_list.list_proposals(session, view.wanted, caller, page=view.page),
        "counts": proposal_list.counts(session, caller),
        "units": proposal_list.visible_units(session, caller),
        "statuses": list(ProposalStatus),
        "opened": line_of(session, proposal) if proposal else None,
        "evidence": evidence_of(session, proposal) if proposal else (),
        "may_decide": proposal is not None and proposals.may_decide(session, proposal, actor, utc_now()),
        "quick": QUICK_SYNONYM if view.wanted.kind is ProposalKind.SYNONYM else QUICK,
        "longest_remark": proposals.LONGEST_REMARK,
        "last_run": last_run(session),
        "edits_thesaurus": may(caller.grants, Action.EDIT_THESAURUS),
        "said": view.said,
        "remark": remark,
        "fault": str(fault) if fault else "",
    }
    return page(request, "proposals.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _opened(session: Session, caller: Caller, view: View) -> Proposal | None:
    """The one asked for, else the next open one behind the one just left."""
    if view.opened is not None:
        return read_proposal(session, view.opened, caller)
    if view.wanted.status is not ProposalStatus.OPEN:
        return None
    before = session.get(Proposal, view.after) if view.after is not None else None
    return next_proposal(session, view.wanted, caller, after=before)


def _require(caller: Caller, wanted: Wanted) -> None:
    require(caller.grants, Action.READ_PROPOSALS)
    if wanted.kind is ProposalKind.SYNONYM:
        require(caller.grants, Action.EDIT_THESAURUS)


def filters_of(wanted: Wanted) -> dict[str, str]:
    """The filters by the names that they have in the address."""
    return {
        "kind": wanted.kind.value,
        "q": wanted.text,
        "status": wanted.status.value if wanted.status else "all",
        "unit": str(wanted.unit_id or ""),
    }


def _cells(line: ProposalLine) -> Iterator[str]:
    """In the order of SHEET_HEADERS."""
    proposal = line.proposal
    if proposal.entry is not None:
        yield from (proposal.entry.code, line.question, proposal.entry.unit.name, proposal.text)
    else:
        yield from (proposal.text, proposal.other)
    yield from (str(proposal.support), str(proposal.against), proposal.status.label, proposal.remark)
    yield proposal.decided_by.name if proposal.decided_by else ""
    yield dates.moment(proposal.decided_at) if proposal.decided_at else ""

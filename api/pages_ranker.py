"""排序权重: what was fitted to the log, how it compares, and putting it into use or taking it back."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.errors import status_of
from api.pages_agent import PageCaller
from api.pages_entries import Number, Word
from api.schemas import Id
from api.security import Caller, check_csrf, person_of
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from kb_admin import ranker_fits
from kb_admin.permissions import Action, may, require
from kb_admin.ranker_fits import FitState, fit_numbered, state_of
from models.errors import Conflict, Forbidden, Invalid
from models.improvement import RankerFit
from models.values import Choice
from retrieval.embedded import weights_for

router = APIRouter(include_in_schema=False)
BASE = "/ranker"
KINDS = {"words": "仅按词语", "hybrid": "语义模型", "reader": "语义模型和精读"}


class Act(Choice):
    PROMOTE = "promote", "采用"
    UNDO = "undo", "撤销"


@dataclass(frozen=True)
class FitLine:
    """One fit as it is shown."""

    fit: RankerFit
    state: FitState
    kind: str
    figures: tuple[tuple[str, str, str], ...]
    """What, by the weights that were in use, by the fitted ones; on the held-back questions."""

    @property
    def told(self) -> dict[str, Any]:
        return dict(self.fit.comparison)


@router.get(BASE)
def ranker_page(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    ask: Word = "",
    number: Number = None,
    did: Annotated[str, Query(max_length=16)] = "",
) -> HTMLResponse:
    """All fits, newest first; ``ask``: what is to be confirmed for which fit."""
    asked = next((act for act in Act if act == ask), None) if number is not None else None
    done = next((act for act in Act if act == did), None)
    return _shown(request, services, session, caller, asked=asked, number=number, done=done)


@router.post(f"{BASE}/{{number}}/{{act}}", dependencies=[Depends(check_csrf)])
def change_weights(
    *,
    request: Request,
    services: UsingServices,
    session: UsingSession,
    caller: PageCaller,
    number: Id,
    act: Act,
    sure: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Promote or undo; not without the confirmation."""
    require(caller.grants, Action.SET_WEIGHTS)
    fit = fit_numbered(session, number)
    if sure != "yes":
        return _shown(request, services, session, caller, asked=act, number=number)
    actor, now = person_of(session, caller), utc_now()
    try:
        if act is Act.PROMOTE:
            ranker_fits.promote(session, fit, actor=actor, now=now)
        else:
            ranker_fits.undo(session, fit, actor=actor, now=now)
    except (Invalid, Conflict, Forbidden) as error:
        session.rollback()
        return _shown(request, services, session, caller, fault=error)
    session.commit()
    services.weights.look()
    return RedirectResponse(f"{BASE}?did={act.value}", 303)


def _shown(
    request: Request,
    services: Services,
    session: Session,
    caller: Caller,
    *,
    asked: Act | None = None,
    number: int | None = None,
    done: Act | None = None,
    fault: Invalid | Conflict | Forbidden | None = None,
) -> HTMLResponse:
    if not may(caller.grants, Action.RUN_TESTS):
        require(caller.grants, Action.SET_WEIGHTS)
    means = services.index.means
    name = weights_for(means.encoder, means.reader)
    held = ranker_fits.in_force(session, name)
    context = {
        "lines": [_line(session, fit) for fit in ranker_fits.fits(session)],
        "in_force": held,
        "unusable": held is not None and services.weights.unusable == held.id,
        "kind": KINDS[name],
        "may_set": may(caller.grants, Action.SET_WEIGHTS),
        "asked": asked,
        "subject": _line(session, fit_numbered(session, number)) if asked is not None and number is not None else None,
        "done": done,
        "fault": str(fault) if fault else "",
    }
    return page(request, "ranker.html", caller, context, status=status_of(fault)[0] if fault else 200)


def _line(session: Session, fit: RankerFit) -> FitLine:
    kind = KINDS.get(fit.weights_name, fit.weights_name)
    return FitLine(fit, state_of(session, fit), kind, tuple(_figures(fit.comparison)))


def _figures(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    if "before" not in told:
        return []
    old, new = told["before"], told["after"]
    return [
        (
            "正确条目排在首位",
            _share(old["first"], told["held_confirmed"]),
            _share(new["first"], told["held_confirmed"]),
        ),
        ("直接答复", _share(old["direct"], told["held"]), _share(new["direct"], told["held"])),
        ("直接答错", _share(old["wrong_direct"], told["held"]), _share(new["wrong_direct"], told["held"])),
        ("对数损失（越小越好）", _number(old["log_loss"]), _number(new["log_loss"])),
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%（{part} / {whole}）" if whole else "—"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"

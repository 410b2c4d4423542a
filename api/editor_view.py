"""What the editor's page shows: the form, the card beside it, the findings, and what the chosen type asks for."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import dates
from api.cards import CardOrigin, Content, laid_out
from api.checking import Subject, categories_of, findings_of, route_of
from api.clock import utc_now
from api.entry_desk import Desk, Mode
from api.entry_form import EntryForm
from api.pages_agent import PageCaller
from api.security import Caller
from api.templating import page
from api.wiring import Services, UsingServices, UsingSession
from kb_admin.changes import FieldChange
from kb_admin.checks import STORABLE, Finding
from kb_admin.content_rules import Fault
from kb_admin.rulebook import Level, Party, Route, Rulebook, Source
from models.knowledge import Transition, Version
from models.notices import Notice
from models.organisation import Region, Unit
from models.values import EntryField, Publicity, VersionStatus
from models.values import Level as Rank

PLACES = {
    EntryField.BASIS: "f-basis",
    EntryField.BASIS_NUMBER: "f-basis",
    EntryField.BASIS_ATTACHMENTS: "f-basis",
}
"""Parts that stand in one place of the form; every other has a place of its own."""


@dataclass(frozen=True)
class Sitting:
    """One request to the editor's pages: who, when, and with what."""

    request: Request
    services: Services
    session: Session
    caller: Caller
    now: datetime


def sitting(request: Request, services: UsingServices, session: UsingSession, caller: PageCaller) -> Sitting:
    """Dependency: the clock is read here, once."""
    return Sitting(request, services, session, caller, utc_now())


UsingSitting = Annotated[Sitting, Depends(sitting, scope="function")]


@dataclass(frozen=True)
class Refusal:
    """Why what was sent was not saved."""

    message: str
    faults: Sequence[Fault] = ()
    status: int = 422
    differs: Sequence[FieldChange] = ()
    """Where the text is other than what somebody saved meanwhile."""
    closed: bool = False
    """The entry can no longer be written; the text is only kept to be copied."""


@dataclass(frozen=True)
class Beside:
    """What stands beside the text while it is being written."""

    card: Content
    findings: tuple[Finding, ...]
    route: Route | None
    blank: bool = False
    """Nothing has been written yet, so nothing is said of it."""

    @property
    def blocking(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.blocks)

    @property
    def confirmation(self) -> str:
        """What stands for these very warnings when somebody confirms that they have read them; empty for none."""
        said = "\n".join(f"{w.name} {w.field} {w.place} {w.message}" for w in self.warnings)
        return hashlib.sha256(said.encode()).hexdigest()[:16] if said else ""

    @property
    def said(self) -> str:
        """One sentence for the live region."""
        if self.blank:
            return "写了以后自动检查"
        counts = ((self.blocking, "必须改正"), (self.warnings, "提醒"))
        return (
            "，".join(f"{name}{dates.THIN}{len(some)}{dates.THIN}处" for some, name in counts if some) or "没有发现问题"
        )

    @property
    def steps(self) -> tuple[str, ...]:
        """What follows a submission, one after the other."""
        if self.route is None:
            return ()
        gates = tuple(gate.title for gate in self.route.gates)
        if self.route.emergency:
            return ("立即发布", "事后审核")
        return (*gates, f"{self.route.publishes.label}发布" if self.route.publishes else "即时发布")


@dataclass(frozen=True)
class Returned:
    """The draft came back from a check."""

    by: str
    at: datetime
    step: str
    reason: str


def beside(here: Sitting, desk: Desk, form: EntryForm) -> Beside:
    """Card, findings and route for what stands in the form."""
    content, unread = form.read(desk.unit.name)
    subject = Subject(content, desk.unit, desk.origin, desk.entry.id if desk.entry else None)
    grants = here.caller.grants
    found: tuple[Finding, ...] = ()
    if not form.is_blank:
        found = findings_of(here.services, here.session, subject, desk.rulebook, caller=here.caller, now=here.now)
    faults = [Finding(STORABLE, Level.BLOCK, f.field, f.reason, "请改正。") for f in unread]
    origin = CardOrigin(code=desk.code or "新条目", phone=desk.unit.phone)
    return Beside(
        card=laid_out(content, desk.attachments(here.session), origin=origin, now=here.now),
        findings=(*faults, *found),
        route=route_of(here.session, subject, desk.rulebook, grants),
        blank=form.is_blank,
    )


def editor_page(
    here: Sitting,
    desk: Desk,
    form: EntryForm,
    *,
    notice: Notice | None = None,
    refusal: Refusal | None = None,
    tried: bool = False,
    saved: bool = False,
    several: bool = False,
) -> HTMLResponse:
    """The whole page. ``tried``: it was to be submitted; ``several``: the person writes for other units, too."""
    asked = required_parts(desk.rulebook)
    context = {
        "desk": desk,
        "form": form,
        "beside": beside(here, desk, form),
        "notice": notice,
        "refusal": refusal,
        "tried": tried,
        "saved": saved,
        "several": several,
        "returned": _returned(here.session, desk),
        "asked": asked.get(form.info_type, asked[""]),
        "asked_of_types": asked,
        "categories": _categories(here.session, desk, form),
        "free_category": desk.rulebook.categories_by is Party.EDITOR,
        "categories_by": desk.rulebook.categories_by.label,
        "keywords_by": "" if desk.rulebook.keywords_by is Party.EDITOR else desk.rulebook.keywords_by.label,
        "regions": _regions(here.session, desk.unit, form.region),
        "publicities": list(Publicity),
        "info_types": _with_own(desk.rulebook.info_types, form.info_type),
        "files": sorted(desk.attachments(here.session)),
        "amends": desk.mode is Mode.AMEND,
        "verb": _verb(desk),
        "places": PLACES,
    }
    return page(here.request, "editor.html", here.caller, context, status=refusal.status if refusal else 200)


def beside_piece(here: Sitting, desk: Desk, form: EntryForm) -> HTMLResponse:
    """Only what stands beside the text."""
    context = {"beside": beside(here, desk, form), "places": PLACES, "verb": _verb(desk)}
    return page(here.request, "editor_beside.html", here.caller, context)


def required_parts(rulebook: Rulebook) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """For each information type, and for none: part → how much it is asked for (必填, 建议), and by which article."""
    always = {field.value: ("必填", "没有这一项，话务员无从答复") for field in (EntryField.QUESTION, EntryField.ANSWER)}
    asked = {name: dict(always) for name in ("", *rulebook.info_types)}
    for required in rulebook.required:
        if Level.OFF in (required.level, rulebook.checks.get("required")):
            continue
        word = "必填" if required.level is Level.BLOCK else "应填"
        for name in asked if required.info_types is None else required.info_types:
            asked.setdefault(name, dict(always))[required.field.value] = (word, _cited(rulebook, required.source))
    return asked


def _cited(rulebook: Rulebook, source: Source) -> str:
    return "系统默认，本地文件没有规定" if source.is_default else rulebook.cite(source)


def _verb(desk: Desk) -> str:
    """What follows the writing."""
    return "通过" if desk.mode is Mode.AMEND else "提交"


def _returned(session: Session, desk: Desk) -> Returned | None:
    """The last time that this wording, or the one before it, was sent back; None once something was published since."""
    if desk.entry is None or desk.mode is not Mode.DRAFT:
        return None
    moves = (
        select(Transition)
        .join(Version, Version.id == Transition.version_id)
        .where(Version.entry_id == desk.entry.id)
        .order_by(Transition.id.desc())
    )
    for move in session.scalars(moves):
        if move.to_status in (VersionStatus.PUBLISHED, VersionStatus.SUBMITTED):
            return None
        if move.to_status is VersionStatus.DRAFT and move.from_status is not None and move.reason:
            return Returned(move.actor.name if move.actor else "系统", move.at, move.step or "退回", move.reason)
    return None


def _categories(session: Session, desk: Desk, form: EntryForm) -> tuple[str, ...]:
    return _with_own(categories_of(session, desk.unit), form.category)


def _with_own(offered: Sequence[str], own: str) -> tuple[str, ...]:
    """What may be chosen, and what is chosen already."""
    return (*offered, own) if own and own not in offered else tuple(offered)


def _regions(session: Session, unit: Unit, own: str) -> tuple[str, ...]:
    """A city's unit writes for the whole city or one of its counties, a county's for its county."""
    here = unit.region
    wanted = select(Region.name).order_by(Region.id)
    within = (Region.id == here.id) | (Region.parent_id == here.id) if unit.level is Rank.CITY else Region.id == here.id
    return _with_own(tuple(session.scalars(wanted.where(within))), own)

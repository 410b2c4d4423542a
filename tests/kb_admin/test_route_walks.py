"""Every route of every shipped rulebook, walked from draft to publication and down again by the right people, while
everybody else is refused at each step: the unit's other posts, neighbouring units, the wrong offices, onlookers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.courses import course_ahead, origins_of, routes_open_to
from kb_admin.permissions import grants_of
from kb_admin.routes import Move, MoveName, gates_of, moves_of
from kb_admin.rulebook import Applies, Party, Route
from kb_admin.rulebook_files import DEFAULT, SHIPPED, load_shipped
from models.errors import Forbidden
from models.knowledge import Transition, Version
from models.notices import Notice
from models.organisation import Person
from models.values import EntryContent, NoticeStatus, Origin, VersionStatus
from tests.cast import NOW, Cast
from tests.conftest import DATABASES
from tests.kb_admin.crowd import Crowd, content_for, follow, gather, set_up_place

S = VersionStatus
M = MoveName
Act = Callable[[Session, Version, Person | None, datetime], object]
WALKS = [
    pytest.param(
        database, name, route.name, county, id=f"{database}-{name}-{route.name}-{'county' if county else 'city'}"
    )
    for name in SHIPPED
    for database in (DATABASES if name == DEFAULT else DATABASES[:1])
    for route in load_shipped(name).routes
    for county in (False, True)
]
"""All routes of the defaults on both databases; what the cities change are parties and gates, not the SQL."""
BETTER = "带身份证到就近网点，免费补领。"


def _amend(session: Session, version: Version, actor: Person | None, now: datetime) -> Version:
    return lifecycle.amend(session, version, replace(version.content(), answer=BETTER), actor=actor, now=now)


DOES: dict[MoveName, Act] = {
    M.SUBMIT: lambda s, v, actor, now: lifecycle.submit(s, v, actor=actor, now=now),
    M.RECALL: lambda s, v, actor, now: lifecycle.recall(s, v, actor=actor, now=now),
    M.DISCARD: lambda s, v, actor, now: lifecycle.discard(s, v, "重复", actor=actor, now=now),
    M.APPROVE: lambda s, v, actor, now: lifecycle.approve(s, v, actor=actor, now=now),
    M.AMEND: _amend,
    M.SEND_BACK: lambda s, v, actor, now: lifecycle.send_back(s, v, "缺少依据", actor=actor, now=now),
    M.PUBLISH: lambda s, v, actor, now: lifecycle.publish(s, v, actor=actor, now=now),
    M.WITHDRAW: lambda s, v, actor, now: lifecycle.withdraw(s, v, "已停止执行", actor=actor, now=now),
    M.MARK_INVALID: lambda s, v, actor, now: lifecycle.mark_invalid(s, v, "已失效", actor=actor, now=now),
    M.RESTORE: lambda s, v, actor, now: lifecycle.restore(s, v, actor=actor, now=now),
}


class Walk:
    """One version on its way; every step is first tried by all whose step it is not."""

    def __init__(self, session: Session, crowd: Crowd, route: Route) -> None:
        self.session, self.crowd, self.route = session, crowd, route
        self.refused = 0

    def draft(self, content: EntryContent, *, later: bool) -> Version:
        if later:
            before = lifecycle.create_entry(self.session, content, origin=self.route.origin, actor=None, now=NOW)
            lifecycle.submit(self.session, before, actor=None, now=NOW)
            if before.status is not S.PUBLISHED:
                lifecycle.publish(self.session, before, actor=None, now=NOW)
            changed = replace(content, answer="新的答案")
            writer = self.crowd.party(self.route.writes)
            return lifecycle.add_version(self.session, before.entry, changed, actor=writer, now=NOW)
        for person in self.crowd.others([self.route.writes]):
            with pytest.raises(Forbidden):
                lifecycle.create_entry(self.session, content, origin=self.route.origin, actor=person, now=NOW)
            self.refused += 1
        writer = self.crowd.party(self.route.writes)
        return lifecycle.create_entry(self.session, content, origin=self.route.origin, actor=writer, now=NOW)

    def step(self, version: Version, name: MoveName) -> Version:
        """The step, by the right person, when all others were refused for all that is possible from here."""
        moves = self.possible(version)
        for move in moves:
            for person in self.crowd.others(self.parties(version, move)):
                with pytest.raises(Forbidden):
                    DOES[move.name](self.session, version, person, NOW)
                assert move.name not in self.offered(version, person)
                self.refused += 1
        move = next(move for move in moves if move.name is name)
        right = self.crowd.party(*([self.route.writes] if name is M.SUBMIT else move.by))
        assert name in self.offered(version, right)
        following = DOES[name](self.session, version, right, NOW)
        self.session.commit()
        return following if isinstance(following, Version) else version

    def possible(self, version: Version) -> list[Move]:
        found = {
            move.name: move
            for person in self.crowd.people
            for move in lifecycle.possible_moves(self.session, version, grants_of(person), NOW)
        }
        return list(found.values())

    def parties(self, version: Version, move: Move) -> set[Party]:
        """A draft may be handed in by whoever writes on one of the routes open to it."""
        if move.before is not S.DRAFT:
            return set(move.by)
        book = course_ahead(self.session, version, None, NOW)
        first = self.route.applies is not Applies.LATER
        routes = routes_open_to(book.rulebook, version.info_type, origins_of(version.entry), first=first)
        return {route.writes for route in routes}

    def offered(self, version: Version, person: Person) -> set[MoveName]:
        return {move.name for move in lifecycle.possible_moves(self.session, version, grants_of(person), NOW)}


@pytest.mark.parametrize(("database_url", "rulebook", "name", "county"), WALKS, indirect=["database_url"])
def test_the_right_people_take_every_step_and_all_others_are_refused(
    rulebook: str, name: str, county: bool, session: Session, cast: Cast
) -> None:
    follow(session, cast, rulebook)
    book = load_shipped(rulebook)
    route = book.route(name)
    crowd = gather(session, cast, county=county)
    set_up_place(session, crowd.unit)
    content = content_for(book, route, crowd.unit)
    walk = Walk(session, crowd, route)
    if route.origin is Origin.SYNC:
        _only_imported(walk, content)
        return
    version = walk.draft(content, later=route.applies is Applies.LATER)
    version = walk.step(version, M.SUBMIT)
    assert version.route == name
    if version.status in (S.SUBMITTED, S.CHECKED):
        version = walk.step(version, M.RECALL)
        version = walk.step(version, M.SUBMIT)
    while version.status is S.SUBMITTED:
        gate = route.gates[version.gates_passed]
        assert _open_notices(session, version) == ([gate.notice] if gate.notice else [])
        if gate.amends:
            version = walk.step(version, M.AMEND)
            assert version.content().answer == BETTER
            assert _open_notices(session, version) == ([gate.notice] if gate.notice else [])
        version = walk.step(version, M.APPROVE)
    assert _open_notices(session, version) == ([gates_of(route)[0].notice] if route.emergency else [])
    if version.status is S.CHECKED:
        version = walk.step(version, M.PUBLISH)
    assert version.status is S.PUBLISHED
    if route.emergency:
        version = walk.step(version, M.APPROVE)
        assert _open_notices(session, version) == []
    version = walk.step(version, M.WITHDRAW)
    version = walk.step(version, M.RESTORE)
    version = walk.step(version, M.MARK_INVALID)
    assert walk.refused > 50
    _history_is_of_the_table(session, version, route)


@pytest.mark.parametrize(("database_url", "rulebook", "name", "county"), WALKS, indirect=["database_url"])
def test_from_every_gate_and_from_publication_it_can_be_sent_back(
    rulebook: str, name: str, county: bool, session: Session, cast: Cast
) -> None:
    follow(session, cast, rulebook)
    book = load_shipped(rulebook)
    route = book.route(name)
    if route.origin is Origin.SYNC or route.emergency or not (route.gates or route.publishes):
        pytest.skip("nothing waits on this route")
    crowd = gather(session, cast, county=county)
    set_up_place(session, crowd.unit)
    walk = Walk(session, crowd, route)
    version = walk.draft(content_for(book, route, crowd.unit), later=route.applies is Applies.LATER)
    for passed in range(len(route.gates) + (route.publishes is not None)):
        DOES[M.SUBMIT](session, version, crowd.party(route.writes), NOW)
        for gate in route.gates[:passed]:
            DOES[M.APPROVE](session, version, crowd.party(gate.by), NOW)
        version = walk.step(version, M.SEND_BACK)
        assert (version.status, version.gates_passed) == (S.DRAFT, 0)
        assert _open_notices(session, version) == []
    walk.step(version, M.DISCARD)


def _only_imported(walk: Walk, content: EntryContent) -> None:
    """审批信息 (清远 art. 3): nobody writes it here; what the system brings is live at once."""
    for person in walk.crowd.people:
        with pytest.raises(Forbidden):
            lifecycle.create_entry(walk.session, content, origin=Origin.SYNC, actor=person, now=NOW)
    version = lifecycle.create_entry(walk.session, content, origin=Origin.SYNC, actor=None, now=NOW)
    for person in walk.crowd.people:
        assert walk.offered(version, person) == set()
        for act in (
            DOES[M.SUBMIT],
            lambda s, v, actor, now: lifecycle.save_draft(s, v, content, actor=actor, now=now),
            lambda s, v, actor, now: lifecycle.add_version(s, v.entry, content, actor=actor, now=now),
        ):
            with pytest.raises(Forbidden, match=r"原系统|采编"):
                act(walk.session, version, person, NOW)
    lifecycle.submit(walk.session, version, actor=None, now=NOW)
    assert version.status is S.PUBLISHED


def _open_notices(session: Session, version: Version) -> list[object]:
    underway = (NoticeStatus.DISPATCHED, NoticeStatus.SIGNED)
    found = select(Notice.kind).where(Notice.version_id == version.id, Notice.status.in_(underway))
    return list(session.scalars(found))


def _history_is_of_the_table(session: Session, version: Version, route: Route) -> None:
    """From nothing to where it stands, each transition begins where the one before ended and is a line of the table."""
    lines = {(move.before, move.to, move.label) for move in moves_of(route)}
    moves = session.scalars(select(Transition).filter_by(version_id=version.id).order_by(Transition.id)).all()
    assert moves[0].from_status is None
    for earlier, later in pairwise(moves):
        assert later.from_status is earlier.to_status
        assert (later.from_status, later.to_status, later.step) in lines
        assert later.rule
    assert moves[-1].to_status is version.status

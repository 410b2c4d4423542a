"""The table of moves, for every route of every shipped rulebook; and which route a version takes."""

from collections.abc import Iterator

import pytest

from kb_admin.routes import MoveName, gates_of, moves_of, open_moves, route_for, system_move
from kb_admin.rulebook import Applies, Party, Route, Rulebook
from kb_admin.rulebook_files import SHIPPED, load_shipped
from models.errors import Invalid
from models.values import Origin, VersionStatus
from tests.kb_admin.crowd import type_of

S = VersionStatus
M = MoveName
ROUTES = [(name, route.name) for name in SHIPPED for route in load_shipped(name).routes]


def standings(route: Route) -> Iterator[tuple[VersionStatus, int]]:
    for status in S:
        for gates_passed in range(len(gates_of(route)) + 1):
            yield status, gates_passed


@pytest.mark.parametrize(("rulebook", "name"), ROUTES)
class TestEveryRoute:
    def test_open_moves_are_of_the_table_and_start_where_the_version_stands(self, rulebook: str, name: str) -> None:
        route = load_shipped(rulebook).route(name)
        table = moves_of(route)
        for status, gates_passed in standings(route):
            for move in open_moves(route, status, gates_passed):
                assert move in table
                assert move.before is status
                assert move.by
                assert move.gate is None or move.gate == gates_of(route)[gates_passed]

    def test_one_step_of_a_name_leads_from_each_standing(self, rulebook: str, name: str) -> None:
        route = load_shipped(rulebook).route(name)
        for status, gates_passed in standings(route):
            names = [move.name for move in open_moves(route, status, gates_passed)]
            assert len(set(names)) == len(names)

    def test_every_gate_must_be_passed_before_publication(self, rulebook: str, name: str) -> None:
        """Walk the table, approving only: the number of checks before an entry answers is that of the gates."""
        route = load_shipped(rulebook).route(name)
        submit = next(move for move in open_moves(route, S.DRAFT, 0) if move.name is M.SUBMIT)
        status, passed = submit.to, 0
        while status is S.SUBMITTED:
            approve = next(move for move in open_moves(route, status, passed) if move.name is M.APPROVE)
            assert approve.by == {route.gates[passed].by}
            status, passed = approve.to, passed + 1
        if status is S.CHECKED:
            (publish,) = [move for move in open_moves(route, status, passed) if move.name is M.PUBLISH]
            assert publish.by == {route.publishes}
            status = publish.to
        assert status is S.PUBLISHED
        assert passed == (0 if route.emergency else len(route.gates))

    def test_what_goes_back_or_comes_off_needs_a_reason(self, rulebook: str, name: str) -> None:
        back = {M.SEND_BACK, M.DISCARD, M.WITHDRAW, M.MARK_INVALID}
        for move in moves_of(load_shipped(rulebook).route(name)):
            assert move.needs_reason is (move.name in back)

    def test_a_version_of_its_kind_takes_it(self, rulebook: str, name: str) -> None:
        book = load_shipped(rulebook)
        route = book.route(name)
        first = route.applies is not Applies.LATER
        assert route_for(book, info_type=type_of(book, route), origin=route.origin, first=first) is route


def qingyuan() -> Rulebook:
    return load_shipped("qingyuan")


def test_basic_information_is_checked_the_first_time_and_then_updated_directly() -> None:
    """清远 art. 2."""
    first = route_for(qingyuan(), info_type="基本信息", origin=Origin.UNIT, first=True)
    assert [gate.by for gate in first.gates] == [Party.OWN_OFFICE]
    later = route_for(qingyuan(), info_type="基本信息", origin=Origin.UNIT, first=False)
    (submit,) = [move for move in open_moves(later, S.DRAFT, 0) if move.name is M.SUBMIT]
    assert (submit.to, submit.label, submit.by) == (S.PUBLISHED, "直接发布", {Party.EDITOR})


@pytest.mark.parametrize(
    ("origin", "writes", "checks"),
    [
        (Origin.WORK_ORDER, Party.OWN_OFFICE, [Party.REVIEWER, Party.OWN_OFFICE]),
        (Origin.UNIT, Party.EDITOR, [Party.OWN_OFFICE]),
        (Origin.OFFICE, Party.OWN_OFFICE, [Party.REVIEWER, Party.OWN_OFFICE]),
    ],
)
def test_common_information_has_three_sources(origin: Origin, writes: Party, checks: list[Party]) -> None:
    """清远 art. 4(1): who edits, who amends and approves, who checks; the city office takes it in."""
    route = route_for(qingyuan(), info_type="常用信息", origin=origin, first=True)
    assert (route.writes, [gate.by for gate in route.gates], route.publishes) == (writes, checks, Party.CITY_OFFICE)


def test_what_another_system_keeps_is_not_written_by_the_unit() -> None:
    """清远 art. 3: 审批信息."""
    with pytest.raises(Invalid, match="“审批信息”类信息按“单位采编”"):
        route_for(qingyuan(), info_type="审批信息", origin=Origin.UNIT, first=True)


def test_a_type_without_a_route_is_named() -> None:
    with pytest.raises(Invalid, match="“小道消息”类"):
        route_for(qingyuan(), info_type="小道消息", origin=Origin.UNIT, first=True)


def test_no_person_makes_the_moves_of_the_system() -> None:
    for name, before in ((M.EXPIRE, S.PUBLISHED), (M.TAKE_EFFECT, S.CHECKED), (M.LOAD, S.DRAFT)):
        assert system_move(name, before).by == frozenset()

"""架构类别: the unit asks for a place in its tree, whom the rulebook names sets it up."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from kb_admin import categories, lifecycle
from models.errors import Conflict, Forbidden, Invalid
from models.values import ApplicationStatus, VersionStatus
from tests.cast import LOST_CARD, NOW, Cast, published


def paths(session: Session, cast: Cast) -> list[tuple[str, bool, int]]:
    return [(place.path, place.active, place.live) for place in categories.tree(session, cast.unit)]


def test_the_tree_shows_what_lies_below_what_and_how_much_answers_from_there(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD)
    for path in ("社会保险", "劳动关系/合同", "社会保险-个人"):
        categories.add(session, cast.unit, path, actor=cast.office, now=NOW)
    tree = categories.tree(session, cast.unit)
    assert [(place.path, place.depth, place.name, place.live) for place in tree] == [
        ("劳动关系/合同", 1, "合同", 0),
        ("社会保险", 0, "社会保险", 0),
        ("社会保险/社会保障卡", 1, "社会保障卡", 1),
        ("社会保险-个人", 0, "社会保险-个人", 0),
    ]


def test_a_new_name_goes_for_all_that_lies_below(session: Session, cast: Cast) -> None:
    version = published(session, LOST_CARD)
    categories.rename(session, cast.unit, "社会保险/社会保障卡", "社保卡", actor=cast.office, now=NOW)
    assert version.content().category == "社会保险/社保卡"
    categories.add(session, cast.unit, "社会保险", actor=cast.office, now=NOW)
    categories.add(session, cast.unit, "便民", actor=cast.office, now=NOW)
    categories.move(session, cast.unit, "社会保险", "便民", actor=cast.office, now=NOW)
    assert version.content().category == "便民/社会保险/社保卡"
    with pytest.raises(Invalid, match="自己的下级"):
        categories.move(session, cast.unit, "便民", "便民/社会保险", actor=cast.office, now=NOW)


def test_two_places_do_not_get_one_name(session: Session, cast: Cast) -> None:
    categories.add(session, cast.unit, "社会保险/养老", actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="已有类别"):
        categories.rename(session, cast.unit, "社会保险/养老", "社会保障卡", actor=cast.office, now=NOW)


def test_a_closed_place_takes_no_new_version_until_it_is_opened_again(session: Session, cast: Cast) -> None:
    live = published(session, LOST_CARD)
    categories.close(session, cast.unit, "社会保险/社会保障卡", actor=cast.office, now=NOW)
    assert paths(session, cast) == [("社会保险/社会保障卡", False, 1)]
    changed = replace(LOST_CARD, answer="改了")
    version = lifecycle.add_version(session, live.entry, changed, actor=cast.editor, now=NOW)
    with pytest.raises(Invalid, match="类别"):
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    categories.add(session, cast.unit, "社会保险/社会保障卡", actor=cast.office, now=NOW)
    lifecycle.submit(session, version, actor=cast.editor, now=NOW)
    assert version.status is VersionStatus.SUBMITTED


def test_what_a_unit_asks_for_is_set_up_when_the_office_grants_it(session: Session, cast: Cast) -> None:
    application = categories.apply_for(session, cast.unit, "社会保险/失业", "新业务", actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="正在办理"):
        categories.apply_for(session, cast.unit, "社会保险/失业", "新业务", actor=cast.reviewer, now=NOW)
    with pytest.raises(Forbidden, match="市热线办"):
        categories.decide(session, application, granted=True, actor=cast.leader, now=NOW)
    categories.decide(session, application, granted=True, actor=cast.office, now=NOW)
    assert application.status is ApplicationStatus.GRANTED
    assert ("社会保险/失业", True, 0) in paths(session, cast)
    with pytest.raises(Conflict, match="可以直接使用"):
        categories.apply_for(session, cast.unit, "社会保险/失业", "新业务", actor=cast.editor, now=NOW)


def test_a_refusal_sets_nothing_up_and_an_application_may_be_taken_back(session: Session, cast: Cast) -> None:
    application = categories.apply_for(session, cast.unit, "杂项", "方便", actor=cast.editor, now=NOW)
    categories.decide(session, application, granted=False, answer="过于笼统", actor=cast.office, now=NOW)
    assert application.answer == "过于笼统"
    again = categories.apply_for(session, cast.unit, "杂项", "方便", actor=cast.editor, now=NOW)
    categories.take_back(session, again, actor=cast.editor, now=NOW)
    assert again.status is ApplicationStatus.CANCELLED
    assert "杂项" not in [path for path, *_ in paths(session, cast)]


@pytest.mark.parametrize("who", ["editor", "reviewer", "stranger", "county_office", "agent"])
def test_others_do_not_set_up_the_tree(who: str, session: Session, cast: Cast) -> None:
    person = getattr(cast, who)
    with pytest.raises(Forbidden, match="市热线办"):
        categories.add(session, cast.unit, "新类", actor=person, now=NOW)
    with pytest.raises(Forbidden, match="市热线办"):
        categories.close(session, cast.unit, "社会保险/社会保障卡", actor=person, now=NOW)


def test_a_stranger_does_not_ask_for_the_unit(session: Session, cast: Cast) -> None:
    with pytest.raises(Forbidden, match="类别设置申请"):
        categories.apply_for(session, cast.unit, "新类", "想要", actor=cast.stranger, now=NOW)


@pytest.mark.parametrize("path", ["", "社会保险//养老", " 养老", "养" * 257])
def test_a_path_that_cannot_stand_is_refused(path: str, session: Session, cast: Cast) -> None:
    with pytest.raises(Invalid):
        categories.add(session, cast.unit, path, actor=cast.office, now=NOW)

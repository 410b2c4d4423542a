"""What a file has no column for stays as it is in a known entry; what it empties is emptied, and said so."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.changes import changes
from kb_admin.importing import ImportPlan, apply_import, plan_import
from kb_admin.permissions import grants_of
from models.errors import Problem
from models.organisation import Person
from models.values import BasisContent, CandidateRow, EntryContent, Publicity
from models.values import EntryField as F
from tests.cast import CITY, COUNTY, LOST_CARD, NOW, POLICE, RESIDENCE_PERMIT, SOCIAL_SECURITY, Cast, published

FEW = frozenset({F.QUESTION, F.ANSWER})


def few(answer: str = "新答案。", *, code: str = "", given: frozenset[F] = FEW, **parts: Any) -> CandidateRow:
    """A row of a file with question and answer only; unit and region are what the person chose for such rows."""
    content = EntryContent(LOST_CARD.question, answer, SOCIAL_SECURITY, COUNTY)
    return CandidateRow("表", 2, replace(content, **parts), code, given)


def plan(session: Session, person: Person, *rows: CandidateRow) -> ImportPlan:
    return plan_import(session, rows, (), grants=grants_of(person), now=NOW)


@pytest.mark.parametrize("code", ["", "A-1"])
def test_what_the_file_has_no_column_for_stays(session: Session, cast: Cast, code: str) -> None:
    live = published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.office, few(code=code))
    assert [(c.field, c.cleared) for c in planned.changed[0].changes] == [(F.ANSWER, "")]
    apply_import(session, planned, all_or_nothing=True, publish=True, actor=cast.office, now=NOW)
    session.commit()
    assert live.entry.versions[-1].content() == replace(LOST_CARD, answer="新答案。")
    assert len(plan(session, cast.office, few(code=code)).unchanged) == 1


def test_no_answer_column_is_no_missing_answer(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    given = frozenset({F.CODE, F.QUESTION, F.SPOKEN})
    planned = plan(session, cast.office, few("", code="A-1", given=given, spoken="新口径。"))
    assert planned.changed[0].row.content == replace(LOST_CARD, spoken="新口径。")
    assert plan(session, cast.office, few("", question="新问题", given=given)).refused[0].column == "答案"


def test_of_several_entries_with_the_question_the_row_is_completed_for_the_one_it_says_the_same_as(
    session: Session, cast: Cast
) -> None:
    published(session, LOST_CARD, code="A-1")
    published(session, replace(LOST_CARD, answer="第二答案。", keywords=()), code="A-2")
    assert plan(session, cast.office, few("第二答案。")).unchanged[0].code == "A-2"
    assert "编号" in plan(session, cast.office, few("第三答案。")).refused[0].reason


def test_a_column_that_is_there_and_empty_clears(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.office, few(LOST_CARD.answer, given=FEW | {F.SIMILAR, F.BASIS}))
    assert planned.changed[0].row.content == replace(LOST_CARD, similar=(), bases=())
    assert [c.cleared for c in planned.changed[0].changes] == ["相似问法 2 条", "依据 1 件"]


def test_defaults_are_for_new_entries_only(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    assert len(plan(session, cast.office, few(LOST_CARD.answer)).unchanged) == 1
    moved = few(LOST_CARD.answer, code="A-1", unit=POLICE, publicity=Publicity.INTERNAL)
    assert len(plan(session, cast.office, moved).unchanged) == 1
    fresh = plan(session, cast.office, few(question="另一问", publicity=Publicity.PUBLIC)).new[0].row.content
    assert (fresh.region, fresh.publicity) == (COUNTY, Publicity.PUBLIC)


def test_a_key_that_the_line_has_not_is_taken_from_the_entry_with_its_code(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    given = frozenset({F.CODE, F.PUBLICITY})
    planned = plan(session, cast.office, few("", code="A-1", question="", unit="", region="", given=given))
    assert planned.changed[0].row.content == replace(LOST_CARD, publicity=Publicity.INTERNAL)
    report = apply_import(session, planned, all_or_nothing=True, publish=False, actor=cast.office, now=NOW)
    assert report.changed == 1


def test_the_live_version_is_the_ground_and_the_waiting_one_counts_as_the_same(session: Session, cast: Cast) -> None:
    live = published(session, LOST_CARD, code="A-1")
    waiting = replace(LOST_CARD, answer="待审核的新答案。", keywords=("新",))
    lifecycle.submit(
        session, lifecycle.add_version(session, live.entry, waiting, actor=None, now=NOW), actor=None, now=NOW
    )
    session.commit()
    third = plan(session, cast.office, few("第三种答案。")).changed[0]
    assert third.row.content == replace(LOST_CARD, answer="第三种答案。")
    assert [c.field for c in third.changes] == [F.ANSWER]
    assert len(plan(session, cast.office, few("待审核的新答案。")).pending) == 1
    same = plan(session, cast.office, few(LOST_CARD.answer))
    assert (len(same.unchanged), len(same.pending)) == (1, 0)


def test_without_the_columns_beside_it_a_document_keeps_its_number(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    listed = (BasisContent(LOST_CARD.bases[0].document), BasisContent("新办法"))
    planned = plan(session, cast.office, few(LOST_CARD.answer, given=FEW | {F.BASIS}, bases=listed))
    assert planned.changed[0].row.content.bases == (LOST_CARD.bases[0], listed[1])
    numbered = plan(session, cast.office, few(LOST_CARD.answer, given=FEW | {F.BASIS, F.BASIS_NUMBER}, bases=listed))
    assert numbered.changed[0].row.content.bases == listed


def test_a_similar_question_that_becomes_the_standard_one_is_not_kept_twice(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.office, few(LOST_CARD.answer, code="A-1", question=LOST_CARD.similar[0]))
    assert planned.changed[0].row.content.similar == LOST_CARD.similar[1:]


def test_what_is_kept_must_go_with_what_comes(session: Session, cast: Cast) -> None:
    published(session, replace(LOST_CARD, valid_from=NOW), code="A-1")
    planned = plan(session, cast.office, few(given=FEW | {F.VALID_TO}, valid_to=NOW))
    assert [problem.column for problem in planned.refused] == ["下架时间"]


def test_a_stranger_learns_nothing_of_another_units_entry(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.stranger, few(code="A-1", unit=POLICE, question="别的问题", region=CITY))
    assert len(planned.refused) == 1
    assert SOCIAL_SECURITY not in planned.refused[0].reason
    assert "其他单位" in planned.refused[0].reason


def test_the_forbidden_unit_is_told_with_the_unreadable_cell(session: Session, cast: Cast) -> None:
    row = CandidateRow("表", 2, replace(LOST_CARD, answer=""))
    found = [Problem("表", 2, "生效时间", "“昨天”不是日期。")]
    planned = plan_import(session, (), found, faulty=(row,), grants=grants_of(cast.stranger), now=NOW)
    assert [problem.column for problem in planned.refused] == ["生效时间", "答案", "责任单位"]
    assert planned.refused_rows == 1


def test_one_column_is_blamed_once(session: Session, cast: Cast) -> None:
    row = CandidateRow("表", 2, replace(LOST_CARD, answer=""))
    found = [Problem("表", 2, "答案", "单元格是公式。")]
    assert len(plan_import(session, (), found, faulty=(row,), grants=grants_of(cast.office), now=NOW).refused) == 1


def test_changes_say_old_and_new_shortened_around_the_difference() -> None:
    long = replace(LOST_CARD, answer="甲" * 500 + "旧" + "乙" * 500)
    (change,) = changes(long, replace(long, answer="甲" * 500 + "新" + "乙" * 500))
    assert (change.field, change.cleared) == (F.ANSWER, "")
    assert "旧" in change.before
    assert "新" in change.after
    assert max(len(change.before), len(change.after)) < 80
    assert changes(LOST_CARD, LOST_CARD) == ()


def test_changes_name_what_is_lost() -> None:
    bare = EntryContent(LOST_CARD.question, LOST_CARD.answer, LOST_CARD.unit, LOST_CARD.region)
    found = changes(LOST_CARD, bare)
    lost = ["相似问法 2 条", "口径", "关键字 2 个", "类目", "依据 1 件", "信息类型"]
    assert [c.cleared for c in found if c.cleared] == lost
    assert [(c.before, c.after) for c in found if c.field is F.PUBLICITY] == [("公开", "内部")]
    dated = changes(bare, replace(bare, valid_to=NOW))
    assert [(c.before, c.after) for c in dated] == [("", "2026-11-20 10:30")]


def test_a_document_that_only_gets_another_number_is_a_change() -> None:
    number = replace(LOST_CARD, bases=(replace(LOST_CARD.bases[0], number="第一号"),))
    assert [c.field for c in changes(LOST_CARD, number)] == [F.BASIS]


@pytest.mark.parametrize("content", [LOST_CARD, RESIDENCE_PERMIT])
def test_a_full_row_is_compared_as_it_stands(session: Session, cast: Cast, content: EntryContent) -> None:
    published(session, content, code="A-1")
    bare = replace(content, similar=(), keywords=())
    assert plan(session, cast.office, CandidateRow("表", 2, bare, "A-1")).changed[0].row.content == bare

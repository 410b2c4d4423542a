"""From rows to entries: what is new, changed, unchanged, refused; who may; all or nothing; nothing without asking."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.importing import ImportPlan, apply_import, plan_import
from kb_admin.permissions import grants_of
from models.audit import AuditRecord
from models.errors import Conflict, Forbidden, Invalid, Problem
from models.knowledge import ChangeLog, Entry, Version
from models.notices import Notice
from models.organisation import Person
from models.values import CandidateRow, EntryContent, EntryField, NoticeKind, Origin, VersionStatus
from tests.cast import COUNTY, DAY, LOST_CARD, NOW, POLICE, RESIDENCE_PERMIT, Cast, published
from tests.kb_admin.crowd import follow

OTHER = replace(LOST_CARD, question="社会保障卡怎样挂失", similar=("社保卡丢了先干啥",))


def rows(*contents: EntryContent, codes: tuple[str, ...] = ()) -> list[CandidateRow]:
    """Rows of one sheet, from the second on."""
    given = [*codes, *("" for _ in contents)]
    return [CandidateRow("表", i + 2, content, given[i]) for i, content in enumerate(contents)]


def plan(session: Session, person: Person, *contents: EntryContent, codes: tuple[str, ...] = ()) -> ImportPlan:
    return plan_import(session, rows(*contents, codes=codes), (), grants=grants_of(person), now=NOW)


def numbers(planned: ImportPlan) -> tuple[int, int, int, int]:
    return len(planned.new), len(planned.changed), len(planned.unchanged), planned.refused_rows


def carry_out(session: Session, planned: ImportPlan, person: Person, *, publish: bool = False) -> None:
    apply_import(session, planned, all_or_nothing=False, publish=publish, actor=person, now=NOW)
    session.commit()


def contents(session: Session, status: VersionStatus) -> list[EntryContent]:
    query = select(Version).where(Version.status == status).order_by(Version.id)
    return [version.content() for version in session.scalars(query)]


def test_new_rows_of_the_office_can_go_live_at_once(session: Session, cast: Cast) -> None:
    carry_out(
        session, plan(session, cast.office, LOST_CARD, RESIDENCE_PERMIT, codes=("A-1",)), cast.office, publish=True
    )
    assert contents(session, VersionStatus.PUBLISHED) == [LOST_CARD, RESIDENCE_PERMIT]
    assert session.scalars(select(Entry.code).order_by(Entry.id)).all() == ["A-1", "ZD-000001"]
    assert (
        session.scalars(select(ChangeLog.entry_id).order_by(ChangeLog.seq)).all()
        == session.scalars(select(Entry.id).order_by(Entry.id)).all()
    )


def test_the_history_of_an_imported_version_says_that_it_was_imported(session: Session, cast: Cast) -> None:
    carry_out(session, plan(session, cast.office, LOST_CARD), cast.office, publish=True)
    imported = session.scalars(select(Version).order_by(Version.id)).all()[-1]

    assert [(m.from_status, m.to_status, m.step, m.actor) for m in imported.transitions] == [
        (None, VersionStatus.DRAFT, "导入", cast.office),
        (VersionStatus.DRAFT, VersionStatus.PUBLISHED, "批量导入", cast.office),
    ]
    assert imported.published_at == NOW


def test_editors_rows_wait_for_review_and_change_nothing_that_answers(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    logged = session.scalar(select(func.count(ChangeLog.seq)))
    changed = replace(LOST_CARD, answer="新答案。")
    carry_out(session, plan(session, cast.editor, changed, OTHER), cast.editor)
    assert contents(session, VersionStatus.SUBMITTED) == [OTHER, changed]
    assert contents(session, VersionStatus.PUBLISHED) == [LOST_CARD]
    assert session.scalar(select(func.count(ChangeLog.seq))) == logged


def test_editor_may_not_publish(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.editor, LOST_CARD)
    with pytest.raises(Forbidden):
        apply_import(session, planned, all_or_nothing=False, publish=True, actor=cast.editor, now=NOW)


def test_stranger_is_refused_for_each_row_of_another_unit(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.stranger, LOST_CARD, RESIDENCE_PERMIT)
    assert numbers(planned) == (1, 0, 0, 1)
    assert (planned.refused[0].row, "您不能导入" in planned.refused[0].reason) == (2, True)


def test_stranger_cannot_take_over_an_entry_by_its_code(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.stranger, RESIDENCE_PERMIT, codes=("A-1",))
    assert numbers(planned) == (0, 0, 0, 1)
    assert "其他单位" in planned.refused[0].reason


@pytest.mark.parametrize("role", ["agent", "reviewer", "leader", "county_office", "analyst", "administrator"])
def test_who_may_not_import_is_told_at_once(session: Session, cast: Cast, role: str) -> None:
    with pytest.raises(Forbidden, match="信息采编员"):
        plan(session, getattr(cast, role), LOST_CARD)


def test_same_content_is_unchanged_by_code_and_by_question(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    assert numbers(plan(session, cast.office, LOST_CARD)) == (0, 0, 1, 0)
    assert numbers(plan(session, cast.office, LOST_CARD, codes=("A-1",))) == (0, 0, 1, 0)


def test_change_names_what_differs_and_becomes_the_next_version(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    changed = replace(LOST_CARD, question="社保卡丢失怎样补办", keywords=("补办",))
    planned = plan(session, cast.office, changed, codes=("A-1",))
    assert [c.field for c in planned.changed[0].changes] == [EntryField.QUESTION, EntryField.KEYWORDS]
    carry_out(session, planned, cast.office, publish=True)
    assert contents(session, VersionStatus.PUBLISHED) == [changed]
    assert contents(session, VersionStatus.SUPERSEDED) == [LOST_CARD]
    assert numbers(plan(session, cast.office, changed)) == (0, 0, 1, 0)


def test_live_wording_is_unchanged_although_a_newer_one_waits(session: Session, cast: Cast) -> None:
    live = published(session, LOST_CARD, code="A-1")
    waiting = replace(LOST_CARD, answer="待审核的新答案。")
    lifecycle.submit(
        session,
        lifecycle.add_version(session, live.entry, waiting, actor=cast.editor, now=NOW),
        actor=cast.editor,
        now=NOW,
    )
    session.commit()
    assert numbers(plan(session, cast.office, LOST_CARD, codes=("A-1",))) == (0, 0, 1, 0)
    assert numbers(plan(session, cast.office, waiting, codes=("A-1",))) == (0, 0, 1, 0)


def test_repeated_question_in_a_file_is_refused_naming_the_first_place(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.office, LOST_CARD, replace(LOST_CARD, answer="另一答案。"), LOST_CARD)
    assert numbers(planned) == (1, 0, 1, 1)
    assert "工作表“表”第 2 行" in planned.refused[0].reason
    assert "答案不同" in planned.refused[0].reason
    assert planned.unchanged[0].same_as == "工作表“表”第 2 行"


def test_repeated_code_is_refused(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.office, LOST_CARD, OTHER, codes=("A-1", "A-1"))
    assert numbers(planned) == (1, 0, 0, 1)
    assert "编号“A-1”与工作表“表”第 2 行重复" in planned.refused[0].reason


def test_same_question_of_two_units_is_two_entries(session: Session, cast: Cast) -> None:
    assert numbers(plan(session, cast.office, LOST_CARD, replace(LOST_CARD, unit=POLICE))) == (2, 0, 0, 0)


def test_known_question_under_a_new_code_is_refused_with_the_code_to_use(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.office, replace(LOST_CARD, answer="新"), codes=("B-1",))
    assert (planned.refused_rows, "编号 A-1" in planned.refused[0].reason) == (1, True)


def test_two_rows_cannot_change_one_entry(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    renamed, reworded = replace(LOST_CARD, question="补卡怎么办"), replace(LOST_CARD, answer="新")
    assert numbers(plan(session, cast.office, renamed, reworded, codes=("A-1",))) == (0, 1, 0, 1)


def test_refused_row_is_nobodys_first_place(session: Session, cast: Cast) -> None:
    assert numbers(plan(session, cast.office, replace(LOST_CARD, answer=""), LOST_CARD)) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("content", "column", "reason"),
    [
        (replace(LOST_CARD, question=""), "标准问", "缺少标准问"),
        (replace(LOST_CARD, answer=" \n"), "答案", "缺少答案"),
        (replace(LOST_CARD, unit=""), "责任单位", "缺少责任单位"),
        (replace(LOST_CARD, unit="没有这个局"), "责任单位", "没有名为“没有这个局”"),
        (replace(LOST_CARD, region="无名县"), "适用区域", "没有名为“无名县”"),
        (replace(LOST_CARD, question="问" * 501), "标准问", "有 501 个字，最多 500 个字"),
        (replace(LOST_CARD, keywords=("字" * 65,)), "关键字", "最多 64 个字"),
        (replace(LOST_CARD, valid_from=NOW, valid_to=NOW), "下架时间", "不晚于生效时间"),
        (replace(LOST_CARD, similar=("甲", "甲")), "相似问法", "重复"),
        (replace(LOST_CARD, category="社保//养老"), "类目", "空的一级"),
        (replace(LOST_CARD, answer="坏\x07字符"), "答案", "U+0007"),
        (replace(LOST_CARD, question="坏\x00字符"), "标准问", "U+0000"),
        (replace(LOST_CARD, question="坏\ud83d字符"), "标准问", "U+D83D"),
        (replace(LOST_CARD, spoken="坏\ufffd字符"), "口径", "U+FFFD"),
        (replace(LOST_CARD, unit="局\x00"), "责任单位", "没有名为“局\ufffd”"),
        (replace(LOST_CARD, valid_to=datetime(9999, 12, 31, tzinfo=UTC)), "下架时间", "1949 至 2199"),
        (replace(LOST_CARD, valid_from=datetime(1, 1, 1, tzinfo=UTC)), "生效时间", "1949 至 2199"),
    ],
)
def test_row_that_breaks_a_rule_is_refused_with_column_and_reason(
    session: Session, cast: Cast, content: EntryContent, column: str, reason: str
) -> None:
    planned = plan(session, cast.office, content)
    assert [(problem.row, problem.column) for problem in planned.refused] == [(2, column)]
    assert reason in planned.refused[0].reason


@pytest.mark.parametrize(
    "code", ["ZD-ABCDEF", "ZD-0000001", "zd-000001", "ZD-1234567890", "x" * 65, "a\tb", "a\ud83d", "\x00"]
)
def test_code_that_would_spoil_the_numbering_is_refused(session: Session, cast: Cast, code: str) -> None:
    assert plan(session, cast.office, LOST_CARD, codes=(code,)).refused[0].column == "编号"


@pytest.mark.parametrize("code", ["A/1", "..", ".a", "-1", "A 1", "A?b=1", "A#1", "A%2F", "Ａ１", "=1+1", "“甲”"])
def test_code_that_would_break_an_address_is_refused(session: Session, cast: Cast, code: str) -> None:
    refused = plan(session, cast.office, LOST_CARD, codes=(code,)).refused
    assert [(problem.column, "只能由汉字" in problem.reason) for problem in refused] == [("编号", True)]


@pytest.mark.parametrize("code", ["A-1", "SB_001.2", "社保-001", "0012"])
def test_usual_codes_are_taken(session: Session, cast: Cast, code: str) -> None:
    assert numbers(plan(session, cast.office, LOST_CARD, codes=(code,))) == (1, 0, 0, 0)


def test_all_or_nothing_imports_nothing_when_one_row_is_bad(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.office, LOST_CARD, replace(OTHER, answer=""))
    with pytest.raises(Invalid, match="有 1 行不能导入"):
        apply_import(session, planned, all_or_nothing=True, publish=False, actor=cast.office, now=NOW)
    assert session.scalar(select(func.count(Entry.id))) == 0
    report = apply_import(session, planned, all_or_nothing=False, publish=False, actor=cast.office, now=NOW)
    assert (report.new, report.refused, report.published) == (1, 1, False)


def test_problems_of_reading_stand_among_the_refused_in_order_of_the_file(session: Session, cast: Cast) -> None:
    found = [Problem("表", 3, "答案", "公式"), Problem("表", 3, "标准问", "公式")]
    given = [rows(replace(LOST_CARD, answer=""))[0], CandidateRow("表", 4, replace(OTHER, unit=""))]
    planned = plan_import(session, given, found, grants=grants_of(cast.office), now=NOW)
    assert [problem.row for problem in planned.refused] == [2, 3, 3, 4]
    assert (planned.refused_rows, planned.row_count) == (3, 3)


def test_system_codes_pass_by_those_that_the_file_gives(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.office, LOST_CARD, OTHER, RESIDENCE_PERMIT, codes=("", "ZD-000001"))
    carry_out(session, planned, cast.office)
    assert sorted(session.scalars(select(Entry.code))) == ["ZD-000001", "ZD-000002", "ZD-000003"]


def test_numbering_goes_on_after_the_highest_code_of_another_bases_export(session: Session, cast: Cast) -> None:
    moved = plan(session, cast.office, LOST_CARD, codes=("ZD-999999",))
    carry_out(session, moved, cast.office)
    carry_out(session, plan(session, cast.office, RESIDENCE_PERMIT, codes=("ZD-000007",)), cast.office)
    for question in "甲乙":
        carry_out(session, plan(session, cast.office, replace(LOST_CARD, question=question)), cast.office)
    assert set(session.scalars(select(Entry.code))) == {"ZD-000007", "ZD-999999", "ZD-1000000", "ZD-1000001"}


def test_a_base_that_numbers_itself_takes_no_system_code_that_it_did_not_give(session: Session, cast: Cast) -> None:
    carry_out(session, plan(session, cast.office, LOST_CARD), cast.office)
    planned = plan(session, cast.office, OTHER, codes=("ZD-999999",))
    assert (planned.refused[0].column, "不是本库给出的" in planned.refused[0].reason) == ("编号", True)
    assert numbers(plan(session, cast.office, replace(LOST_CARD, answer="新"), codes=("ZD-000001",))) == (0, 1, 0, 0)


@pytest.mark.parametrize("turned", [False, True])
def test_a_row_that_resembles_a_renamed_entry_is_refused_not_lost(session: Session, cast: Cast, turned: bool) -> None:
    published(session, LOST_CARD, code="A-1")
    renamed = CandidateRow("表", 3 if turned else 2, replace(LOST_CARD, question="补卡怎么办"), "A-1")
    old = CandidateRow("表", 2 if turned else 3, LOST_CARD)
    given = [old, renamed] if turned else [renamed, old]
    planned = plan_import(session, given, (), grants=grants_of(cast.office), now=NOW)
    assert [changed.code for changed in planned.changed] == ["A-1"]
    assert numbers(planned) == (0, 1, 0, 1)
    assert (planned.refused[0].row, "修改的是同一条目（编号 A-1）" in planned.refused[0].reason) == (old.row, True)


@pytest.mark.parametrize("turned", [False, True])
def test_two_rows_that_say_different_things_of_one_entry_are_found_in_either_order(
    session: Session, cast: Cast, turned: bool
) -> None:
    published(session, LOST_CARD, code="A-1")
    reworded = replace(LOST_CARD, answer="新")
    given = (LOST_CARD, reworded) if turned else (reworded, LOST_CARD)
    planned = plan(session, cast.office, *given, codes=("", "A-1") if turned else ("A-1", ""))
    assert numbers(planned) == (0, 1, 0, 1)


def test_publishing_takes_along_what_was_waiting_with_the_same_words(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    changed = replace(LOST_CARD, answer="新")
    carry_out(session, plan(session, cast.editor, changed, OTHER), cast.editor)
    lifecycle.create_entry(session, RESIDENCE_PERMIT, code="B-1", actor=None, now=NOW)
    session.commit()
    planned = plan(session, cast.office, changed, OTHER, RESIDENCE_PERMIT, RESIDENCE_PERMIT)
    assert (numbers(planned), len(planned.pending)) == ((0, 0, 4, 0), 3)
    report = apply_import(session, planned, all_or_nothing=True, publish=True, actor=cast.office, now=NOW)
    session.commit()
    assert (report.unchanged, report.pending, report.off, report.published) == (4, 3, 0, True)
    assert set(session.scalars(select(Version.status))) == {VersionStatus.PUBLISHED, VersionStatus.SUPERSEDED}
    live = select(Version.entry_id).where(Version.status == VersionStatus.PUBLISHED)
    assert set(session.scalars(live)) == set(session.scalars(select(ChangeLog.entry_id)))
    again = plan(session, cast.office, changed, OTHER, RESIDENCE_PERMIT)
    assert (numbers(again), again.pending) == ((0, 0, 3, 0), ())


def test_what_waits_is_counted_and_left_waiting_without_publishing(session: Session, cast: Cast) -> None:
    carry_out(session, plan(session, cast.editor, LOST_CARD), cast.editor)
    planned = plan(session, cast.editor, LOST_CARD)
    report = apply_import(session, planned, all_or_nothing=True, publish=False, actor=cast.editor, now=NOW)
    assert (report.unchanged, report.pending, report.published) == (1, 1, False)
    assert session.scalars(select(Version.status)).all() == [VersionStatus.SUBMITTED]


def test_what_was_taken_off_stays_off_and_is_said(session: Session, cast: Cast) -> None:
    lifecycle.withdraw(session, published(session, LOST_CARD), "已停止执行", actor=cast.office, now=NOW)
    session.commit()
    planned = plan(session, cast.office, LOST_CARD)
    report = apply_import(session, planned, all_or_nothing=True, publish=True, actor=cast.office, now=NOW)
    assert (report.unchanged, report.pending, report.off) == (1, 0, 1)
    assert session.scalars(select(Version.status)).all() == [VersionStatus.WITHDRAWN]


def test_of_two_imports_of_one_question_the_second_is_told(session: Session, cast: Cast) -> None:
    with Session(session.get_bind()) as other:
        first, second = plan(session, cast.office, LOST_CARD), plan(other, cast.office, LOST_CARD)
        carry_out(session, first, cast.office)
        with pytest.raises(Conflict, match="其他人"):
            apply_import(other, second, all_or_nothing=True, publish=False, actor=None, now=NOW)
    assert session.scalar(select(func.count(Entry.id))) == 1


@pytest.mark.parametrize("publish", [False, True])
def test_an_import_does_not_overwrite_what_somebody_published_since(
    session: Session, cast: Cast, publish: bool
) -> None:
    live = published(session, LOST_CARD, code="A-1")
    planned = plan(session, cast.office, replace(LOST_CARD, answer="文件中的"), OTHER)
    theirs = lifecycle.add_version(session, live.entry, replace(LOST_CARD, answer="别人的"), actor=None, now=NOW)
    lifecycle.submit(session, theirs, actor=None, now=NOW)
    lifecycle.publish(session, theirs, actor=None, now=NOW)
    session.commit()
    with pytest.raises(Conflict, match="没有导入任何一行"):
        apply_import(session, planned, all_or_nothing=True, publish=publish, actor=cast.office, now=NOW)
    session.rollback()
    assert [content.answer for content in contents(session, VersionStatus.PUBLISHED)] == ["别人的"]


def test_changes_elsewhere_do_not_stop_an_import(session: Session, cast: Cast) -> None:
    planned = plan(session, cast.office, LOST_CARD)
    published(session, RESIDENCE_PERMIT)
    published(session, replace(LOST_CARD, unit=POLICE))
    carry_out(session, planned, cast.office)
    assert session.scalar(select(func.count(Entry.id))) == 3


def test_plan_alone_writes_nothing(session: Session, cast: Cast) -> None:
    plan(session, cast.office, LOST_CARD, replace(LOST_CARD, region=COUNTY, question="另一问"))
    assert not session.new
    assert session.scalar(select(func.count(Entry.id))) == 0


class TestWhatAUnitHandsIn:
    """An editor's rows meet the demands of a submission, and take the route of one."""

    def test_each_row_waits_on_its_route_under_the_rules_of_today(self, session: Session, cast: Cast) -> None:
        carry_out(session, plan(session, cast.editor, LOST_CARD), cast.editor)
        version = session.scalars(select(Version)).one()
        assert (version.status, version.route, version.submitted_at) == (VersionStatus.SUBMITTED, "unit", NOW)
        lifecycle.approve(session, version, actor=cast.reviewer, now=NOW)
        lifecycle.publish(session, version, actor=cast.office, now=NOW)
        assert version.status is VersionStatus.PUBLISHED

    def test_a_category_that_is_not_set_up_is_refused_at_its_row(self, session: Session, cast: Cast) -> None:
        wished = replace(LOST_CARD, category="社会保险/新业务")
        planned = plan(session, cast.editor, wished, OTHER)
        assert [(p.row, p.column) for p in planned.refused] == [(2, "类目")]
        assert not plan(session, cast.office, wished).refused

    def test_what_the_rulebook_demands_is_asked_of_each_row(self, session: Session, cast: Cast) -> None:
        outage = replace(LOST_CARD, info_type="公共服务紧急临时信息")
        planned = plan(session, cast.editor, outage)
        assert {(p.column, "必须" in p.reason) for p in planned.refused} == {("下架时间", True)}

    def test_emergency_rows_are_live_at_once_and_checked_afterwards(self, session: Session, cast: Cast) -> None:
        outage = replace(LOST_CARD, info_type="公共服务紧急临时信息", valid_to=NOW + DAY)
        carry_out(session, plan(session, cast.editor, outage), cast.editor)
        version = session.scalars(select(Version)).one()
        assert (version.status, version.emergency) == (VersionStatus.PUBLISHED, True)
        assert session.scalars(select(Notice.kind)).all() == [NoticeKind.AFTER_CHECK]
        assert session.scalars(select(ChangeLog.entry_id)).all() == [version.entry_id]

    def test_a_second_time_basic_information_goes_live_directly(self, session: Session, cast: Cast) -> None:
        """清远 art. 2."""
        follow(session, cast, "qingyuan")
        basic = replace(LOST_CARD, info_type="基本信息", category="")
        carry_out(session, plan(session, cast.editor, basic), cast.editor)
        first = session.scalars(select(Version)).one()
        assert first.status is VersionStatus.SUBMITTED
        lifecycle.approve(session, first, actor=cast.office, now=NOW)
        carry_out(session, plan(session, cast.editor, replace(basic, answer="新地址")), cast.editor)
        live = lifecycle.live_version(session, first.entry_id)
        assert live and (live.answer, live.route) == ("新地址", "basic_later")
        assert first.status is VersionStatus.SUPERSEDED

    def test_what_another_system_keeps_only_the_office_changes(self, session: Session, cast: Cast) -> None:
        """清远 art. 3: 审批信息."""
        follow(session, cast, "qingyuan")
        permit = replace(LOST_CARD, info_type="审批信息")
        carry_out(session, plan(session, cast.office, permit), cast.office, publish=True)
        entry = session.scalars(select(Entry)).one()
        assert entry.origin is Origin.SYNC
        changed = replace(permit, answer="另一说法")
        refused = plan(session, cast.editor, changed).refused
        assert ["先在原系统中修改" in problem.reason for problem in refused] == [True]
        new = plan(session, cast.editor, replace(permit, question="新的审批")).refused
        assert [problem.column for problem in new] == ["信息类型"]
        carry_out(session, plan(session, cast.office, changed), cast.office, publish=True)
        live = lifecycle.live_version(session, entry.id)
        assert live and live.answer == "另一说法"

    def test_one_record_tells_of_the_whole_import(self, session: Session, cast: Cast) -> None:
        carry_out(session, plan(session, cast.office, LOST_CARD, OTHER), cast.office, publish=True)
        session.commit()
        acts = session.scalars(select(AuditRecord).where(AuditRecord.act == "import")).all()
        assert [(record.actor_id, record.details["new"]) for record in acts] == [(cast.office.id, 2)]

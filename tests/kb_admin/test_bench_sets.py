"""Test sets: read from files good and bad, compared with the base, drawn from the log; kept and deleted by who may."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ingest.bench_questions import NO_COLUMN, ReadingChoices, TestFile, read_test_file
from kb_admin import bench_runs, bench_sets
from kb_admin.bench_draws import draw, pool_of
from kb_admin.bench_runs import RunSettings
from kb_admin.bench_sets import NewCase, SetPlan, Sight
from kb_admin.permissions import Reach
from models.bench import TestCase, TestRun, TestSet
from models.errors import Conflict, FileRefused, Forbidden, Invalid, NotFound
from models.improvement import GapGroup, GapItem
from models.organisation import Person
from models.usage import Gap, Question, Verdict
from models.values import FaultReason, GapSignal, GapStatus, Judgement, Outcome, Rater, RunStatus, Viewer
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

ALL = Sight(Viewer(everything=True), Reach(everything=True))
PUBLIC = Sight(Viewer(), Reach())


def workbook(*rows: tuple[object, ...], title: str = "题目") -> bytes:
    book = Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def planned(session: Session, *rows: tuple[object, ...], sight: Sight = ALL) -> SetPlan:
    read = read_test_file(workbook(("问题", "应答条目"), *rows), "题.xlsx")
    return bench_sets.plan_set(session, read.rows, read.problems, sight=sight, now=NOW)


@pytest.fixture
def entries(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="SB-001")
    published(session, RESIDENCE_PERMIT, code="HJ-001")
    published(session, INTERNAL_CONTACT, code="HJ-002")


def test_codes_standard_questions_and_none_are_understood(session: Session, entries: None) -> None:
    plan = planned(
        session,
        ("社保卡丢了怎么办", "SB-001"),
        ("暂住证去哪办", "居住证怎样申领"),
        ("两个都行", "SB-001、HJ-001"),
        ("也可以换行", "SB-001\n居住证怎样申领"),
        ("火星在哪", None),
        ("冥王星呢", "无"),
    )
    assert plan.refused == ()
    assert [case.expected for case in plan.cases] == [
        *[("SB-001",), ("HJ-001",), ("SB-001", "HJ-001"), ("SB-001", "HJ-001"), (), ()]
    ]
    assert [case.number for case in plan.cases] == [2, 3, 4, 5, 6, 7]
    assert plan.unanswerable == 2


def test_each_bad_row_is_told_by_row_and_column(session: Session, entries: None) -> None:
    plan = planned(
        session,
        ("社保卡丢了怎么办", "SB-001"),
        ("社保卡丢了怎么办", "SB-001"),
        (None, "SB-001"),
        ("问", "XX-999"),
        ("一" * 2001, "SB-001"),
        ("=1+1", "SB-001"),
    )
    told = {problem.row: (problem.column, problem.reason) for problem in plan.refused}
    assert told[3] == ("问题", "与第 2 行是同一个问题，请删去一行。")
    assert told[4] == ("问题", "缺少问题。")
    assert told[5][0] == "应答条目"
    assert "“XX-999”" in told[5][1]
    assert "2001 字" in told[6][1]
    assert "公式" in told[7][1]
    assert len(plan.cases) == 1
    assert plan.row_count == 6


def test_what_one_may_not_see_cannot_be_named(session: Session, entries: None) -> None:
    assert planned(session, ("内部电话", "HJ-002")).refused == ()
    hidden = planned(session, ("内部电话", "HJ-002"), ("窗口电话", INTERNAL_CONTACT.question), sight=PUBLIC)
    unknown = planned(session, ("内部电话", "HJ-003"), sight=PUBLIC)
    assert len(hidden.refused) == 2
    assert hidden.refused[0].reason == unknown.refused[0].reason.replace("HJ-003", "HJ-002")


def test_one_standard_question_of_two_units_means_both_and_is_told(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="SB-001")
    published(session, replace(LOST_CARD, unit=cast.county_unit.name, region=cast.county.name), code="HD-001")
    plan = planned(session, ("社保卡丢了怎么办", LOST_CARD.question))
    assert plan.cases[0].expected == ("HD-001", "SB-001")
    assert "2 个条目" in plan.notices[0].reason


def test_columns_are_guessed_and_can_be_corrected() -> None:
    rows = (("序号", "市民怎么问", "对应"), (1, "社保卡丢了怎么办？", "SB-001"), (2, "居住证怎么办？", "HJ-001"))
    read = read_test_file(workbook(*rows), "题.xlsx", ReadingChoices(header=1))
    assert (read.question, read.expected) == ("B", "")
    assert "应答条目" in read.undecided
    assert read.rows == ()
    told = ReadingChoices(header=1, question="B", expected="C")
    assert [row.expected for row in read_test_file(workbook(*rows), "题.xlsx", told).rows] == ["SB-001", "HJ-001"]
    none = ReadingChoices(header=1, expected=NO_COLUMN)
    assert {row.expected for row in read_test_file(workbook(*rows), "题.xlsx", none).rows} == {""}
    for wrong in (
        ReadingChoices(question="Z"),
        ReadingChoices(question="B", expected="B"),
        ReadingChoices(sheet="没有"),
    ):
        with pytest.raises(Invalid):
            read_test_file(workbook(*rows), "题.xlsx", wrong)


def test_csv_and_jsonl_are_read_too() -> None:
    csv = read_test_file("问题,标准问\n社保卡丢了怎么办,社会保障卡丢失后怎样补领\n".encode("gb18030"), "题.csv")
    assert csv.rows[0].expected == "社会保障卡丢失后怎样补领"
    lines = '{"text": "社保卡丢了怎么办", "relevant": ["SB-001", "SB-002"]}\n不是\n'.encode()
    jsonl = read_test_file(lines, "题.jsonl")
    assert jsonl.rows[0].expected == "SB-001\nSB-002"
    assert jsonl.problems[0].row == 2


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 broken"])
def test_a_file_that_is_none_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(FileRefused, match=r"题\.xlsx"):
        read_test_file(content, "题.xlsx")


def test_an_empty_sheet_is_refused() -> None:
    with pytest.raises(FileRefused, match="没有内容"):
        read_test_file(workbook(), "题.xlsx")


def test_the_sheet_with_both_columns_is_taken() -> None:
    book = Workbook()
    book.active.append(("说明",))
    cases = book.create_sheet("题目")
    for row in (("问题", "编号"), ("社保卡丢了怎么办", "SB-001")):
        cases.append(row)
    output = io.BytesIO()
    book.save(output)
    read: TestFile = read_test_file(output.getvalue(), "题.xlsx")
    assert (read.sheet, len(read.rows)) == ("题目", 1)


def kept(session: Session, cast: Cast, name: str = "社保题", actor: Person | None = None) -> TestSet:
    cases = [NewCase(2, "社保卡丢了怎么办", ("SB-001",)), NewCase(3, "火星在哪", ())]
    return bench_sets.create_set(session, name, "题.xlsx", cases, actor=actor or cast.analyst, now=NOW)


def test_good_rows_are_kept_only_if_so_chosen(session: Session, cast: Cast, entries: None) -> None:
    plan = planned(session, ("社保卡丢了怎么办", "SB-001"), ("问", "XX-999"))
    act = {"actor": cast.analyst, "now": NOW}
    with pytest.raises(Invalid, match="1 行有误"):
        bench_sets.keep_plan(session, "题", "题.xlsx", plan, all_or_nothing=True, **act)
    assert session.scalar(select(func.count(TestSet.id))) == 0
    made = bench_sets.keep_plan(session, "题", "题.xlsx", plan, all_or_nothing=False, **act)
    assert bench_sets.count_cases(session, [made.id]) == {made.id: 1}


def test_a_name_is_taken_once(session: Session, cast: Cast) -> None:
    kept(session, cast)
    with pytest.raises(Conflict, match="社保题"):
        kept(session, cast)
    with pytest.raises(Invalid, match="名称"):
        kept(session, cast, name="  ")


@pytest.mark.parametrize("who", ["stranger", "agent", "editor", "leader", "county_office", "administrator"])
def test_others_keep_and_delete_nothing(session: Session, cast: Cast, who: str) -> None:
    person = getattr(cast, who)
    with pytest.raises(Forbidden):
        kept(session, cast, actor=person)
    made = kept(session, cast)
    with pytest.raises(Forbidden):
        bench_sets.drop_set(session, made, with_runs=True, actor=person)
    with pytest.raises(Forbidden):
        bench_runs.start(session, made, "", RunSettings(), actor=person, now=NOW)


def test_a_set_with_runs_goes_only_with_them(session: Session, cast: Cast) -> None:
    made = kept(session, cast)
    run = bench_runs.start(session, made, "", RunSettings(), actor=cast.analyst, now=NOW)
    with pytest.raises(Conflict, match="还没有结束"):
        bench_sets.drop_set(session, made, with_runs=True, actor=cast.office)
    bench_runs.stop(session, run, actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="1 次运行记录"):
        bench_sets.drop_set(session, made, with_runs=False, actor=cast.office)
    set_id = made.id
    bench_sets.drop_set(session, made, with_runs=True, actor=cast.office)
    session.commit()
    assert [session.scalar(select(func.count()).select_from(table)) for table in (TestSet, TestCase, TestRun)] == [
        0
    ] * 3
    with pytest.raises(NotFound):
        bench_sets.read_set(session, set_id)


# What was really asked


def asked(session: Session, cast: Cast, text: str, *, version_id: int | None, right: bool, day: int = 0) -> Question:
    at = NOW - day * DAY
    question = Question(text=text, person_id=cast.agent.id, asked_at=at, outcome=Outcome.DIRECT, took_ms=1)
    session.add(question)
    session.flush()
    if version_id is not None:
        session.add(
            Verdict(
                question_id=question.id,
                version_id=version_id,
                rater=Rater.AGENT,
                rater_key=f"person:{cast.agent.id}",
                occasion=f"question:{question.id}",
                person_id=cast.agent.id,
                judgement=Judgement.CORRECT if right else Judgement.INCORRECT,
                reason=None if right else FaultReason.OUTDATED,
                given_at=at,
                at=at,
            )
        )
        session.flush()
    return question


def gap(session: Session, cast: Cast, text: str, status: GapStatus | None = None) -> None:
    recorded = Gap(text=text, person_id=cast.agent.id, at=NOW)
    session.add(recorded)
    session.flush()
    if status is not None:
        closed = NOW if status is GapStatus.ANSWERED else None
        group = GapGroup(status=status, label=text, created_at=NOW, changed_at=NOW, closed_at=closed)
        session.add(group)
        session.flush()
        session.add(GapItem(group_id=group.id, gap_id=recorded.id, signal=GapSignal.RECORDED, text=text, at=NOW))
        session.flush()


def test_drawn_are_right_answers_and_open_gaps_of_the_period(session: Session, cast: Cast) -> None:
    card, permit = published(session, LOST_CARD, code="SB-001"), published(session, RESIDENCE_PERMIT, code="HJ-001")
    asked(session, cast, "卡丢了", version_id=card.id, right=True)
    asked(session, cast, " 卡丢了 ", version_id=permit.id, right=True)
    asked(session, cast, "卡坏了", version_id=card.id, right=True)
    asked(session, cast, "卡坏了", version_id=card.id, right=False)  # judged both ways: not known
    asked(session, cast, "没人评", version_id=None, right=True)
    asked(session, cast, "太早", version_id=card.id, right=True, day=40)
    asked(session, cast, "我是13912345678，卡丢了", version_id=card.id, right=True)
    gap(session, cast, "火星在哪")
    gap(session, cast, "卡丢了")  # answered after all
    gap(session, cast, "后来写了条目", GapStatus.ANSWERED)
    gap(session, cast, "还没人写", GapStatus.OPEN)
    pool = pool_of(session, NOW - timedelta(days=30), NOW + DAY, sight=ALL, now=NOW)
    assert pool.answered == {"卡丢了": ("HJ-001", "SB-001")}
    assert pool.gaps == ("火星在哪", "还没人写")
    assert pool.personal == 1


def test_a_draw_is_the_same_for_the_same_seed(session: Session, cast: Cast) -> None:
    card = published(session, LOST_CARD, code="SB-001")
    for number in range(40):
        asked(session, cast, f"卡丢了，第{number}种问法", version_id=card.id, right=True)
    pool = pool_of(session, NOW - DAY, NOW + DAY, sight=ALL, now=NOW)
    assert draw(pool, 10, 1) == draw(pool, 10, 1)
    assert draw(pool, 10, 1) != draw(pool, 10, 2)
    assert [case.number for case in draw(pool, 10, 1)] == list(range(1, 11))
    assert len(draw(pool, 500, 1)) == 40
    for size in (0, 20_001):
        with pytest.raises(Invalid, match="1 至 20000"):
            draw(pool, size, 1)
    with pytest.raises(Invalid, match="无题可抽"):
        draw(pool_of(session, NOW - 9 * DAY, NOW - 8 * DAY, sight=ALL, now=NOW), 10, 1)


def test_entries_that_one_may_not_see_are_not_drawn(session: Session, cast: Cast) -> None:
    internal = published(session, INTERNAL_CONTACT, code="HJ-002")
    asked(session, cast, "内部电话", version_id=internal.id, right=True)
    assert len(pool_of(session, NOW - DAY, NOW + DAY, sight=ALL, now=NOW)) == 1
    assert len(pool_of(session, NOW - DAY, NOW + DAY, sight=PUBLIC, now=NOW)) == 0


def test_settings_that_cannot_be_are_refused(session: Session, cast: Cast) -> None:
    made = kept(session, cast)
    for settings, word in (
        (RunSettings(direct=1.2), "直接答复阈值"),
        (RunSettings(direct=0.0), "直接答复阈值"),
        (RunSettings(direct=0.3, choose=0.4), "不能高于"),
        (RunSettings(moment=NOW + DAY), "不能晚于现在"),
        (RunSettings(weights="7"), "没有编号为“7”"),
        (RunSettings(weights="²"), "没有编号为“²”"),
    ):
        with pytest.raises(Invalid, match=word):
            bench_runs.start(session, made, "", settings, actor=cast.analyst, now=NOW)


def test_so_many_runs_may_wait(session: Session, cast: Cast) -> None:
    made = kept(session, cast)
    for _ in range(bench_runs.MOST_WAITING):
        bench_runs.start(session, made, "", RunSettings(), actor=cast.analyst, now=NOW)
    with pytest.raises(Conflict, match="20 次运行"):
        bench_runs.start(session, made, "", RunSettings(), actor=cast.analyst, now=NOW)


def test_settings_survive_being_stored(session: Session, cast: Cast) -> None:
    chosen = RunSettings(moment=NOW - DAY, model="none", reader=False, direct=0.55, choose=0.1)
    run = bench_runs.start(session, kept(session, cast), "", chosen, actor=cast.analyst, now=NOW)
    session.commit()
    assert RunSettings.of(run.settings) == chosen
    assert (
        run.name == "截至 2026-11-19 10:30 的知识库，话务员所见，仅按词语，不精读，直接答复阈值 0.55，请核对阈值 0.10"
    )
    assert (run.status, run.total) == (RunStatus.WAITING, 2)

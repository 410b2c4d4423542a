"""The thesaurus as a file, and on its way to search."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from ingest.follower import Follower
from ingest.thesaurus import (
    export_csv,
    export_xlsx,
    problems_xlsx,
    read_groups_file,
    shipped_groups,
    thesaurus_of,
)
from kb_admin import thesaurus, thesaurus_importing
from kb_admin.thesaurus import Shipped
from kb_admin.thesaurus_importing import GroupsPlan
from models.database import sessions
from models.errors import Conflict, FileRefused, Forbidden, Invalid
from models.thesaurus import GroupSaying, WordGroup, groups_in_force, newest_versions
from models.values import Viewer
from retrieval.embedded import EmbeddedIndex
from retrieval.tokens import Tokeniser
from tests.cast import LOST_CARD, NOW, Cast, published

ALLOWANCE = WordGroup("最低生活保障", (GroupSaying("低保"), GroupSaying("困难补助", 0.6, both_ways=False)), "民政")
CARD = WordGroup("社会保障卡", (GroupSaying("社保卡"),), "", "常问")
SHIPPED = Shipped((ALLOWANCE, CARD), str.casefold)
HEADER = ("主词", "说法", "方向", "权重", "领域", "备注")
WORD = st.text("低保医社卡证户口=+-'", min_size=1, max_size=6)
SAYINGS = st.lists(
    st.builds(GroupSaying, WORD, st.sampled_from([0.01, 0.65, 1.0]), st.booleans()),
    min_size=1,
    unique_by=lambda saying: saying.word,
)
GROUPS = st.lists(
    st.builds(WordGroup, WORD, SAYINGS.map(tuple), st.sampled_from(["", "民政"]), st.sampled_from(["", "备注，一句"])),
    min_size=1,
    unique_by=lambda group: group.head,
)


def sheet(*rows: Sequence[object], merge: str = "") -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    if merge:
        book.active.merge_cells(merge)
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def planned(session: Session, content: bytes, name: str = "词库.xlsx") -> GroupsPlan:
    read = read_groups_file(content, name)
    return thesaurus_importing.plan_groups(session, SHIPPED, read.rows, read.problems, read.faulty_heads)


def applied(session: Session, cast: Cast, plan: GroupsPlan, *, all_or_nothing: bool = True) -> dict[str, WordGroup]:
    thesaurus_importing.apply_groups(
        session,
        SHIPPED,
        plan,
        seen=plan.last_change,
        all_or_nothing=all_or_nothing,
        actor=cast.office,
        now=NOW,
    )
    session.commit()
    return {group.head: group for group in groups_in_force(SHIPPED.groups, newest_versions(session))}


@given(groups=GROUPS)
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_an_exported_file_reads_back_as_it_was_written(groups: list[WordGroup], kind: str) -> None:
    content = export_xlsx(groups) if kind == "xlsx" else export_csv(groups)
    read = read_groups_file(content, f"词库.{kind}")
    assert read.problems == ()
    rows = [(row.head, row.saying, row.field, row.note) for row in read.rows]
    assert rows == [(group.head, saying, group.field, group.note) for group in groups for saying in group.sayings]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_whole_shipped_thesaurus_imports_back_unchanged(session: Session, cast: Cast) -> None:
    shipped = Shipped(shipped_groups(), str.casefold)
    read = read_groups_file(export_xlsx(shipped.groups), "词库.xlsx")
    plan = thesaurus_importing.plan_groups(session, shipped, read.rows, read.problems, read.faulty_heads)
    assert (len(plan.coming), plan.unchanged) == (0, len(shipped.groups))


def test_a_file_adds_changes_and_leaves_alone(session: Session, cast: Cast) -> None:
    plan = planned(
        session,
        sheet(
            HEADER,
            ("住房公积金", "公积金", "双向", 1, "住房"),
            ("最低生活保障", "低保", "", "", "民政"),
            ("最低生活保障", "吃低保", "单向", 0.5),
        ),
    )
    assert [(c.group.head, c.added, c.dropped) for c in plan.coming] == [
        ("住房公积金", ("公积金",), ()),
        ("最低生活保障", ("吃低保",), ("困难补助",)),
    ]
    assert (plan.row_count, plan.unchanged, plan.refused) == (3, 0, ())
    after = applied(session, cast, plan)
    eats = GroupSaying("吃低保", 0.5, both_ways=False)
    assert after["最低生活保障"] == WordGroup("最低生活保障", (GroupSaying("低保"), eats), "民政")
    assert after["社会保障卡"] == CARD
    again = planned(session, export_xlsx(after.values()))
    assert (again.coming, again.unchanged) == ((), 3)


def test_a_bad_row_is_named_with_place_and_reason_and_keeps_its_whole_group_out(session: Session, cast: Cast) -> None:
    plan = planned(
        session,
        sheet(
            HEADER,
            ("住房公积金", "公积金"),
            ("住房公积金", "房补", "两边"),
            ("", "没有主词"),
            ("户口", "户籍", "", "很大"),
            ("医保", ""),
            ("居住证", "暂住证", "", 3),
            ("老人", "低保"),
            ("车", "车车", "", "", "交通"),
            ("车", "小车", "", "", "出行"),
            ("猫", "狗、鸟"),
            ("好组", "好词"),
            ("公式", "=1+1"),
        ),
    )
    told = [(p.row, p.column) for p in plan.refused]
    assert told == [
        *((2, "主词"), (3, "方向"), (4, "主词"), (5, "权重"), (6, "说法"), (7, "权重")),
        *((8, "说法"), (9, "主词"), (10, "领域"), (11, "说法"), (13, "说法")),
    ]
    reasons = {p.row: p.reason for p in plan.refused}
    assert "整组不导入" in reasons[2]
    assert "应写双向或单向" in reasons[3]
    assert "“低保”已在“最低生活保障”组中" in reasons[8]
    assert "公式" in reasons[13]
    with pytest.raises(Invalid, match="有 11 行不能导入"):
        applied(session, cast, plan)
    session.rollback()
    assert set(applied(session, cast, plan, all_or_nothing=False)) == {ALLOWANCE.head, CARD.head, "好组"}
    assert problems_xlsx(plan.refused).startswith(b"PK")


def test_a_word_may_move_from_one_group_to_another_in_one_file(session: Session, cast: Cast) -> None:
    rows = (("最低生活保障", "低保"), ("社会保障卡", "社保卡"), ("社会保障卡", "困难补助"))
    after = applied(session, cast, planned(session, sheet(HEADER, *rows)))
    assert [s.word for s in after["社会保障卡"].sayings] == ["社保卡", "困难补助"]
    plan = planned(session, sheet(HEADER, ("最低生活保障", "低保", "", 3), ("社会保障卡", "低保")))
    assert [p.row for p in plan.refused] == [2, 3]  # the first cannot let go of the word


def test_what_a_file_has_no_column_for_stays_and_what_it_leaves_empty_is_cleared(session: Session, cast: Cast) -> None:
    same = sheet(("说法", "主词"), ("低保", "最低生活保障"), ("困难补助", "最低生活保障"))
    assert (planned(session, same).coming, planned(session, same).unchanged) == ((), 1)
    empty = sheet(("主词", "说法", "备注"), ("社会保障卡", "社保卡", ""))
    assert applied(session, cast, planned(session, empty))["社会保障卡"].note == ""


def test_merged_heads_hold_for_all_their_rows(session: Session, cast: Cast) -> None:
    plan = planned(session, sheet(HEADER, ("户口", "户籍"), (None, "户口本"), merge="A2:A3"))
    assert [s.word for c in plan.coming for s in c.group.sayings] == ["户籍", "户口本"]


def test_a_plan_is_not_carried_out_on_another_thesaurus_than_was_seen(session: Session, cast: Cast) -> None:
    plan = planned(session, sheet(HEADER, ("户口", "户籍")))
    thesaurus.remove(session, SHIPPED, CARD.head, based_on=0, actor=cast.office, now=NOW)
    session.commit()
    with pytest.raises(Conflict, match="重新试算"):
        applied(session, cast, plan)


def test_a_stranger_imports_nothing(session: Session, cast: Cast) -> None:
    plan = planned(session, sheet(HEADER, ("户口", "户籍")))
    with pytest.raises(Forbidden):
        thesaurus_importing.apply_groups(
            session, SHIPPED, plan, seen=plan.last_change, all_or_nothing=True, actor=cast.stranger, now=NOW
        )


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (sheet(("标准问", "答案"), ("问", "答")), "知识.xlsx", "没有“主词”和“说法”两列"),
        (b'{"head": "a"}', "a.jsonl", "请用 .xlsx 或 .csv"),
        (b"not a workbook", "a.xlsx", "不是 .xlsx 工作簿"),
        (b"", "a.csv", "是空文件"),
    ],
)
def test_a_file_of_another_kind_is_refused_whole(content: bytes, name: str, said: str) -> None:
    with pytest.raises(FileRefused, match=said):
        read_groups_file(content, name)


def words_of(index: EmbeddedIndex, question: str) -> dict[str, tuple[str, ...]]:
    return {slot.word: slot.spellings[1:] for slot in index.explain(question).slots}


def test_each_change_reaches_the_index_of_every_process(engine: Engine, session: Session, cast: Cast) -> None:
    """Two followers stand for two processes; a third starts later."""
    indexes = [EmbeddedIndex(None) for _ in range(3)]
    followers = [Follower(sessions(engine), i, lambda t, i=i: i.use(Tokeniser((), t))) for i in indexes]
    card = published(session, LOST_CARD)
    for follower in followers[:2]:
        follower.catch_up()
    shipped = Shipped(shipped_groups(), str.casefold)
    group = WordGroup("社会保障卡", (GroupSaying("金蓝卡"),))
    held = thesaurus.standing(session, shipped, "社会保障卡")
    merged = WordGroup(held.group.head, (*held.group.sayings, *group.sayings), held.group.field)
    thesaurus.save(session, shipped, merged, based_on=0, actor=cast.office, now=NOW)
    session.commit()
    for follower, index in zip(followers, indexes, strict=True):
        follower.catch_up()
        assert follower.lag() == 0
        assert "社会保障卡" in words_of(index, "金蓝卡丢了")["金蓝卡"]
        hits = index.search("金蓝卡丢了怎么补", Viewer(everything=True), NOW).hits
        assert [hit.version_id for hit in hits] == [card.id]
    thesaurus.remove(session, shipped, "社会保障卡", based_on=1, actor=cast.office, now=NOW)
    session.commit()
    followers[0].catch_up()
    assert words_of(indexes[0], "社保卡丢了").get("社保卡", ()) == ()


def test_what_the_office_says_goes_before_what_is_shipped(session: Session, cast: Cast) -> None:
    """A later release may ship a word that the office already uses for something else."""
    later = Shipped((), str.casefold)
    own = WordGroup("本市一卡通", (GroupSaying("社保卡"),))
    thesaurus.save(session, later, own, based_on=None, actor=cast.office, now=NOW)
    held = thesaurus_of(newest_versions(session))
    assert [reading.word for reading in held.readings("社保卡")] == ["社保卡", "本市一卡通"]

"""The thesaurus in the office's hands: nothing overwritten, one word in one group, strangers refused."""

import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from kb_admin import thesaurus
from kb_admin.thesaurus import Origin, Shipped
from models.database import sessions
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.knowledge import ChangeLog
from models.organisation import Person
from models.thesaurus import GroupSaying, GroupVersion, WordGroup, groups_in_force, newest_versions
from models.usage import Question
from models.values import Outcome
from tests.cast import DAY, NOW, Cast

ALLOWANCE = WordGroup("最低生活保障", (GroupSaying("低保"), GroupSaying("困难补助", 0.6, both_ways=False)), "民政")
CARD = WordGroup("社会保障卡", (GroupSaying("社保卡"),))
SHIPPED = Shipped((ALLOWANCE, CARD), str.casefold)
WIDER = replace(ALLOWANCE, sayings=(*ALLOWANCE.sayings, GroupSaying("吃低保")))
FUND = WordGroup("住房公积金", (GroupSaying("公积金"),), "住房", "本市叫法")


def save(
    session: Session, group: WordGroup, actor: Person, based_on: int | None = 0, shipped: Shipped = SHIPPED
) -> int:
    number = thesaurus.save(session, shipped, group, based_on=based_on, actor=actor, now=NOW)
    session.commit()
    return number


def in_force(session: Session) -> dict[str, WordGroup]:
    return {group.head: group for group in groups_in_force(SHIPPED.groups, newest_versions(session))}


def test_a_saved_group_holds_and_the_shipped_one_is_kept_in_its_history(session: Session, cast: Cast) -> None:
    assert save(session, WIDER, cast.office) == 1
    assert in_force(session) == {ALLOWANCE.head: WIDER, CARD.head: CARD}
    past = thesaurus.history(session, SHIPPED, ALLOWANCE.head)
    assert [(held.number, held.group, held.by) for held in past] == [
        (1, WIDER, cast.office.name),
        (0, ALLOWANCE, ""),
    ]


def test_a_new_group_is_added(session: Session, cast: Cast) -> None:
    save(session, FUND, cast.office, None)
    assert in_force(session)[FUND.head] == FUND


def test_each_change_stands_in_the_change_log_and_saving_the_same_again_does_not(session: Session, cast: Cast) -> None:
    assert save(session, WIDER, cast.office) == 1
    assert save(session, WIDER, cast.office, 1) == 1
    assert session.scalars(select(ChangeLog.entry_id)).all() == [None]
    assert session.scalar(select(func.count(GroupVersion.id))) == 1


def test_a_removed_group_holds_no_longer_and_can_be_restored(session: Session, cast: Cast) -> None:
    save(session, WIDER, cast.office)
    assert thesaurus.remove(session, SHIPPED, WIDER.head, based_on=1, actor=cast.office, now=NOW) == 2
    session.commit()
    assert WIDER.head not in in_force(session)
    assert thesaurus.standing(session, SHIPPED, WIDER.head).origin is Origin.REMOVED
    thesaurus.restore(session, SHIPPED, WIDER.head, 0, based_on=2, actor=cast.office, now=NOW)
    session.commit()
    assert in_force(session)[WIDER.head] == ALLOWANCE
    assert [held.number for held in thesaurus.history(session, SHIPPED, WIDER.head)] == [3, 2, 1, 0]


def test_the_words_of_a_removed_group_are_free_and_then_it_cannot_come_back(session: Session, cast: Cast) -> None:
    thesaurus.remove(session, SHIPPED, CARD.head, based_on=0, actor=cast.office, now=NOW)
    save(session, WordGroup("社保卡", (GroupSaying("医保卡"),)), cast.office, None)
    with pytest.raises(Invalid, match="“社保卡”已是另一组的主词"):
        thesaurus.restore(session, SHIPPED, CARD.head, 0, based_on=1, actor=cast.office, now=NOW)


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (replace(FUND, head=" "), "请填写主词"),
        (replace(FUND, sayings=()), "请至少写一个说法"),
        (replace(FUND, sayings=(GroupSaying("低保"),)), "“低保”已在“最低生活保障”组中，一个词只能在一组里"),
        (replace(FUND, sayings=(GroupSaying("社会保障卡"),)), "“社会保障卡”已是另一组的主词"),
        (replace(FUND, head="社保卡"), "“社保卡”已在“社会保障卡”组中"),
        (replace(FUND, sayings=(GroupSaying("住房公积金"),)), "“住房公积金”重复"),
        (replace(FUND, sayings=(GroupSaying("APP"), GroupSaying("app"))), "“app”与“APP”在检索中没有区别"),
        (replace(FUND, sayings=(GroupSaying("公积金", 0),)), "“公积金”：权重应大于 0"),
        (replace(FUND, sayings=(GroupSaying("公积金", 1.2),)), "“公积金”：权重应大于 0"),
        (replace(FUND, sayings=(GroupSaying("公积金", float("nan")),)), "“公积金”：权重应大于 0"),
        (replace(FUND, sayings=(GroupSaying("公积金，房补"),)), "中间有“，”，一处只写一个词"),
        (replace(FUND, sayings=(GroupSaying("公积 金"),)), "中间有空白"),
        (replace(FUND, sayings=(GroupSaying("公" * 31),)), "有 31 字，一个词最多 30 字"),
        (replace(FUND, sayings=(GroupSaying("公\x07积"),)), "不可显示的字符"),
        (replace(FUND, field="住" * 31), "领域有 31 字"),
        (replace(FUND, note="记" * 501), "备注有 501 字"),
        (replace(FUND, sayings=tuple(GroupSaying(f"说法{n}") for n in range(101))), "一组最多 100 个"),
    ],
)
def test_a_group_that_cannot_stand_is_refused_in_words(
    session: Session, cast: Cast, group: WordGroup, said: str
) -> None:
    with pytest.raises(Invalid, match=said):
        thesaurus.save(session, SHIPPED, group, based_on=None, actor=cast.office, now=NOW)
    session.rollback()
    assert session.scalars(select(GroupVersion)).all() == []
    assert session.scalars(select(ChangeLog)).all() == []


def test_a_word_of_which_search_keeps_nothing_is_refused(session: Session, cast: Cast) -> None:
    shipped = Shipped((), lambda word: word.strip("！"))
    with pytest.raises(Invalid, match="没有可以检索的字"):
        save(session, replace(FUND, sayings=(GroupSaying("！！"),)), cast.office, None, shipped)


def test_who_saves_over_a_version_not_seen_is_told_and_nothing_is_lost(session: Session, cast: Cast) -> None:
    save(session, WIDER, cast.office)
    with pytest.raises(Conflict, match="由刘热线办改为第 1 版，您改的是第 0 版。没有保存"):
        save(session, replace(ALLOWANCE, note="另一人"), cast.office, 0)
    session.rollback()
    with pytest.raises(Conflict):
        thesaurus.remove(session, SHIPPED, WIDER.head, based_on=0, actor=cast.office, now=NOW)
    session.rollback()
    assert in_force(session)[WIDER.head] == WIDER


def test_a_new_group_does_not_replace_one_that_is_there(session: Session, cast: Cast) -> None:
    with pytest.raises(Conflict, match="已有，请在那一组里修改"):
        save(session, replace(CARD, note="新"), cast.office, None)


def test_what_is_not_there_is_said(session: Session, cast: Cast) -> None:
    with pytest.raises(NotFound, match="没有以“没有”为主词"):
        thesaurus.remove(session, SHIPPED, "没有", based_on=0, actor=cast.office, now=NOW)
    with pytest.raises(NotFound, match="没有第 7 版"):
        thesaurus.restore(session, SHIPPED, CARD.head, 7, based_on=0, actor=cast.office, now=NOW)
    with pytest.raises(NotFound):
        save(session, FUND, cast.office, 3)


@pytest.mark.parametrize(
    "who",
    ["agent", "editor", "reviewer", "leader", "county_office", "analyst", "administrator", "stranger"],
)
def test_only_the_city_office_changes_it(session: Session, cast: Cast, who: str) -> None:
    actor = getattr(cast, who)
    with pytest.raises(Forbidden, match="市热线办"):
        thesaurus.save(session, SHIPPED, WIDER, based_on=0, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        thesaurus.remove(session, SHIPPED, CARD.head, based_on=0, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        thesaurus.restore(session, SHIPPED, CARD.head, 0, based_on=0, actor=actor, now=NOW)


def test_two_who_write_the_same_word_at_once_do_not_both_succeed(engine: Engine, session: Session, cast: Cast) -> None:
    """Each would be allowed alone; the second sees what the first has written."""
    start, results = threading.Barrier(2), []

    def write(head: str) -> None:
        with sessions(engine)() as own:
            group = WordGroup(head, (GroupSaying("同一个词"),))
            start.wait()
            try:
                thesaurus.save(own, SHIPPED, group, based_on=None, actor=cast.office, now=NOW)
                own.commit()
                results.append("saved")
            except Invalid:
                results.append("refused")

    writers = [threading.Thread(target=write, args=(head,)) for head in ("甲", "乙")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(results) == ["refused", "saved"]


def test_search_finds_by_word_note_field_and_origin_exact_words_first(session: Session, cast: Cast) -> None:
    save(session, WIDER, cast.office)
    save(session, replace(FUND, sayings=(GroupSaying("保"),)), cast.office, None)
    groups = thesaurus.all_groups(session, SHIPPED)

    def found(**wanted: object) -> list[str]:
        held = thesaurus.chosen(groups, fold=SHIPPED.fold, **wanted)  # type: ignore[arg-type]
        return [h.group.head for h in held]

    assert found() == [FUND.head, ALLOWANCE.head, CARD.head]
    assert found(text="社保卡") == [CARD.head]
    assert found(text="保") == [FUND.head, ALLOWANCE.head, CARD.head]
    assert found(text="社会保障卡") == [CARD.head]
    assert found(text="本市叫法") == [FUND.head]
    assert found(field="民政") == [ALLOWANCE.head]
    assert found(origin=Origin.SHIPPED) == [CARD.head]
    assert found(text="没有这个词") == []


def test_the_preview_names_the_questions_with_a_word_the_group_has_or_had(session: Session, cast: Cast) -> None:
    for number, text in enumerate(("低保怎么办", "天气", "低保怎么办", "能吃低保吗", "困难补助")):
        asked_at = NOW - DAY * (9 - number)
        session.add(Question(text=text, person_id=cast.agent.id, asked_at=asked_at, outcome=Outcome.NONE, took_ms=1.0))
        session.flush()
    narrower = WordGroup(ALLOWANCE.head, (GroupSaying("吃低保"),))
    touched = thesaurus.touched(session, SHIPPED, narrower, before=ALLOWANCE)
    assert [(t.text, t.words) for t in touched] == [
        ("困难补助", ("困难补助",)),
        ("能吃低保吗", ("吃低保", "低保")),
        ("低保怎么办", ("低保",)),
    ]
    assert len(thesaurus.last_questions(session)) == 4


WORD = st.text("低保医社卡证户口学费车", min_size=1, max_size=6)
SAYINGS = st.lists(
    st.builds(GroupSaying, WORD, st.sampled_from([0.01, 0.3, 0.65, 1.0]), st.booleans()),
    min_size=1,
    max_size=8,
    unique_by=lambda saying: saying.word,
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(sayings=SAYINGS, field=WORD, note=WORD)
def test_what_is_saved_is_read_and_saving_what_was_read_changes_nothing(
    session: Session, cast: Cast, sayings: list[GroupSaying], field: str, note: str
) -> None:
    group = WordGroup("主词", tuple(sayings), field, note)
    shipped = Shipped((), str.casefold)
    newest = newest_versions(session).get("主词")
    based_on = newest.number if newest else None
    number = save(session, group, cast.office, based_on, shipped)
    read = thesaurus.standing(session, shipped, "主词")
    assert (read.group, read.number) == (group, number)
    assert save(session, read.group, cast.office, number, shipped) == number

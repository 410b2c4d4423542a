"""The 80 % loop: exactly when a correction notice is made, what it says, and how it ends."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from kb_admin import corrections, feedback, keywords, lifecycle, notices
from kb_admin.advance import advance
from kb_admin.correctness import (
    Count,
    Rating,
    Tally,
    correctness,
    correctness_of,
    counted_versions,
    counts_of,
    tallies_of,
)
from kb_admin.rulebook_files import shipped_text
from kb_admin.rules_in_force import adopt
from models.errors import Conflict
from models.knowledge import Version
from models.messages import Notification
from models.notices import Notice
from models.usage import Verdict
from models.values import FaultReason, Judgement, NoticeKind, NoticeStatus, VersionStatus
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.kb_admin.raters import RIGHT, WRONG, agents, judged, say, say_as_citizen

HOUR = timedelta(hours=1)


@pytest.fixture
def entry(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD)


def open_corrections(session: Session) -> list[Notice]:
    mine = (Notice.kind == NoticeKind.CORRECTION, Notice.status.in_(notices.UNFINISHED))
    return list(session.scalars(select(Notice).where(*mine).order_by(Notice.id)))


def said(correct: int, incorrect: int) -> list[Judgement]:
    """The wrong ones first, so that the last verdict never is what takes it below."""
    return [WRONG] * incorrect + [RIGHT] * correct


@pytest.mark.parametrize(
    ("correct", "incorrect", "triggers"),
    [
        (4, 1, False),  # 4 of 5 = 80 %
        (8, 2, False),  # 8 of 10 = 80 %, met from below on the way only while too few had judged
        (3, 2, True),  # 3 of 5 = 60 %
        (0, 5, True),
        (5, 0, False),
        (0, 4, False),  # four raters are too few
    ],
)
def test_the_boundary(
    *, correct: int, incorrect: int, triggers: bool, session: Session, cast: Cast, entry: Version
) -> None:
    order = said(correct, incorrect) if triggers else [*[RIGHT] * correct, *[WRONG] * incorrect]
    judged(session, entry, order, NOW)
    assert bool(open_corrections(session)) is triggers
    rate = correctness_of(session, entry, NOW).rate
    assert rate == Fraction(correct, correct + incorrect)


def test_79_of_99_triggers_and_80_of_100_does_not(session: Session, cast: Cast, entry: Version) -> None:
    """79/99 = 79.79… % < 80 %: written as verdicts of the day before, then the last one is said."""
    judged(session, entry, [RIGHT] * 79 + [WRONG] * 19, NOW)
    assert correctness_of(session, entry, NOW).rate == Fraction(79, 98)
    assert open_corrections(session) == []
    judged(session, entry, [WRONG], NOW, start=200)
    result = correctness_of(session, entry, NOW)
    assert (result.rate, result.below) == (Fraction(79, 99), True)
    [notice] = open_corrections(session)
    assert "正确 79 人，有误 20 人，正确率 79.7%，低于 80%" in notice.content


def test_one_rater_ten_times_is_one_rater(session: Session, cast: Cast, entry: Version) -> None:
    for n in range(10):
        say(session, cast.agent, entry, WRONG, NOW + n * HOUR / 10)
    result = correctness_of(session, entry, NOW + HOUR)
    assert (result.correct_raters, result.incorrect_raters, result.enough) == (0, 1, False)
    assert session.scalar(select(func.count()).select_from(Verdict)) == 10
    assert open_corrections(session) == []


def test_verdicts_on_an_old_version_count_for_it_alone(session: Session, cast: Cast, entry: Version) -> None:
    people = agents(session, 6)
    for person in people[:4]:
        say(session, person, entry, WRONG, NOW)
    new = _republish(session, entry, "新的答案。", NOW + HOUR)
    for person in people[4:]:
        say(session, person, entry, WRONG, NOW + 2 * HOUR)
    assert open_corrections(session) == []
    assert correctness_of(session, entry, NOW + 2 * HOUR).below
    assert correctness_of(session, new, NOW + 2 * HOUR).rate is None


def test_a_verdict_is_corrected_on_its_day_and_not_on_the_next(session: Session, cast: Cast, entry: Version) -> None:
    """20 November 10:30 in China; the day ends there at 16:00 UTC."""
    [*_, last] = judged(session, entry, [RIGHT] * 3 + [WRONG] * 1 + [RIGHT], NOW)
    again = {"question_id": last.question_id, "version_id": entry.id, "note": "", "actor": last.person}
    fault = {"judgement": WRONG, "reason": FaultReason.OUTDATED}
    evening, morning = (
        datetime.fromisoformat("2026-11-20T23:59+08:00"),
        datetime.fromisoformat("2026-11-21T00:00+08:00"),
    )
    with pytest.raises(Conflict, match="当天更正"):
        feedback.judge(session, **again, **fault, now=morning)
    assert open_corrections(session) == []
    changed = feedback.judge(session, **again, **fault, now=evening)
    assert (changed.id, changed.given_at, changed.at) == (last.id, NOW, evening)
    assert len(open_corrections(session)) == 1


def test_the_notice_tells_the_unit_what_is_wrong_and_who_said_so_to_nobody(
    session: Session, cast: Cast, entry: Version
) -> None:
    people = agents(session, 5)
    for person in people[:3]:
        say(session, person, entry, RIGHT, NOW)
    say(session, people[3], entry, WRONG, NOW, "工本费\n已取消")
    say_as_citizen(session, "caller:1", entry, WRONG, NOW, asker=people[0])
    [notice] = open_corrections(session)
    assert (notice.status, notice.unit_id, notice.entry_id, notice.version_id, notice.created_by_id) == (
        NoticeStatus.DRAFT,
        cast.unit.id,
        entry.entry_id,
        entry.id,
        None,
    )
    assert notice.title == "正确率 60.0%，请核实：社会保障卡丢失后怎样补领"
    assert notice.content.splitlines() == [
        f"条目 {entry.entry.code} 第 1 版有 5 人评价：正确 3 人，有误 2 人，正确率 60.0%，低于 80%。",
        "判为有误的原因：答案不准确 1 人，其他 1 人。",
        "评价人的说明：",
        "1. 2026-11-20 话务员（答案不准确）：工本费 已取消",
        "请核实。确有差错的，修改后按流程重新审核、发布；认为原答案无误的，写明理由提出申辩。",
    ]
    assert not [person.name for person in people if person.name in notice.content]
    [told] = session.scalars(select(Notification).where(Notification.event == f"notice:{notice.id}:drafted"))
    assert told.person_id == cast.office.id
    assert told.address == f"/notices/{notice.id}"


def test_the_article_stands_in_the_notice_of_a_city_that_has_one(session: Session, cast: Cast, entry: Version) -> None:
    _adopt(session, cast, shipped_text("jiyuan"))
    judged(session, entry, said(3, 2), NOW)
    assert "低于 80%（济区数〔2023〕4号第九条（三）1）" in open_corrections(session)[0].content


def test_an_entry_has_one_open_notice_whatever_more_is_said(session: Session, cast: Cast, entry: Version) -> None:
    judged(session, entry, said(3, 2), NOW)
    judged(session, entry, said(0, 3), NOW, start=50)
    assert len(open_corrections(session)) == 1
    assert session.scalar(select(func.count()).where(Notice.kind == NoticeKind.CORRECTION)) == 1


def test_where_the_rulebook_says_so_it_goes_out_by_itself(session: Session, cast: Cast, entry: Version) -> None:
    _adopt(session, cast, _changed(dispatch='"automatic"'))
    judged(session, entry, said(3, 2), NOW)
    [notice] = open_corrections(session)
    assert notice.status in notices.OPEN
    assert [clock.name for clock in notice.clocks] == ["rectify"]
    told = session.scalars(select(Notification.person_id).where(Notification.address == f"/notices/{notice.id}"))
    assert set(told) == {p.id for p in (cast.editor, cast.reviewer, cast.leader, cast.office)}


def test_a_county_s_entry_is_its_county_office_s_matter(session: Session, cast: Cast) -> None:
    entry = published(session, replace(LOST_CARD, unit=cast.county_unit.name, region=cast.county.name))
    judged(session, entry, said(3, 2), NOW)
    [notice] = open_corrections(session)
    told = session.scalars(select(Notification.person_id).where(Notification.event == f"notice:{notice.id}:drafted"))
    assert list(told) == [cast.county_office.id]


def test_raters_weigh_as_the_rulebook_says(session: Session, cast: Cast, entry: Version) -> None:
    """Four agents right with 3 each, two citizens wrong with 1 each: 12/14 = 85.7 %; unweighted 4/6 = 66.7 %."""
    _adopt(session, cast, _changed(agent='"3"'))
    people = agents(session, 4)
    for key in ("caller:1", "caller:2"):
        say_as_citizen(session, key, entry, WRONG, NOW, asker=people[0])
    for person in people:
        say(session, person, entry, RIGHT, NOW)
    assert correctness_of(session, entry, NOW).rate == Fraction(12, 14)
    assert open_corrections(session) == []


def test_a_window_moves_on_without_verdicts_and_the_sweep_sees_it(session: Session, cast: Cast, entry: Version) -> None:
    """Ten days: 20 right, then after nine days 5 wrong (20/25 = 80 %); on the tenth only the 5 are left."""
    _adopt(session, cast, _changed(window_days="10"))
    judged(session, entry, [RIGHT] * 20, NOW)
    judged(session, entry, [WRONG] * 5, NOW + 9 * DAY, start=50)
    assert correctness_of(session, entry, NOW + 9 * DAY).rate == Fraction(4, 5)
    assert corrections.sweep(session, NOW + 9 * DAY) == 0
    assert corrections.sweep(session, NOW + 10 * DAY) == 1
    assert correctness_of(session, entry, NOW + 10 * DAY).rate == 0
    assert len(open_corrections(session)) == 1


def test_the_sweep_comes_once_an_hour_and_goes_on_where_it_stopped(session: Session, cast: Cast) -> None:
    entries = [published(session, replace(LOST_CARD, question=f"第 {n} 问", similar=())) for n in range(3)]
    for n, entry in enumerate(entries):
        judged(session, entry, said(4, 1), NOW, start=10 * n + 1)
    assert corrections.sweep(session, NOW) == 0
    _adopt(session, cast, _changed(threshold='"81%"'), NOW + timedelta(minutes=1))
    assert corrections.sweep(session, NOW + timedelta(minutes=59)) == 0
    assert corrections.sweep(session, NOW + HOUR, limit=2) == 2
    assert advance(session, NOW + HOUR).corrections == 1
    assert advance(session, NOW + HOUR).corrections == 0
    assert {notice.entry_id for notice in open_corrections(session)} == {entry.entry_id for entry in entries}


def test_other_keywords_go_on_with_the_count_and_other_words_begin_anew(
    session: Session, cast: Cast, entry: Version
) -> None:
    people = agents(session, 5)
    for person in people[:2]:
        say(session, person, entry, WRONG, NOW)
    second = keywords.set_keywords(session, entry.entry, ["社保卡", "遗失"], actor=cast.office, now=NOW + HOUR)
    third = keywords.set_keywords(session, entry.entry, ["社保卡"], actor=cast.office, now=NOW + HOUR)
    assert counted_versions(session, third) == (third.id, second.id, entry.id)
    for person in people[2:4]:
        say(session, person, second, WRONG, NOW + HOUR)
    say(session, people[4], third, WRONG, NOW + HOUR)
    [notice] = open_corrections(session)
    assert notice.version_id == third.id
    fourth = _republish(session, third, "新的答案。", NOW + 2 * HOUR)
    assert counted_versions(session, fourth) == (fourth.id,)
    assert open_corrections(session) == []


def test_keywords_set_while_a_change_waits_go_on_with_what_was_live_then(
    session: Session, cast: Cast, entry: Version
) -> None:
    """Version 2 is handed in, 3 has other keywords than 1, 2 is published; then 4 has other keywords than 2."""
    content = replace(LOST_CARD, answer="新的答案。")
    waiting = lifecycle.add_version(session, entry.entry, content, actor=None, now=NOW)
    lifecycle.submit(session, waiting, actor=None, now=NOW)
    third = keywords.set_keywords(session, entry.entry, ["甲"], actor=cast.office, now=NOW)
    assert counted_versions(session, third) == (third.id, entry.id)
    lifecycle.publish(session, waiting, actor=None, now=NOW)
    fourth = keywords.set_keywords(session, entry.entry, ["乙"], actor=cast.office, now=NOW)
    assert counted_versions(session, fourth)[:2] == (fourth.id, waiting.id)


def test_who_finds_a_withdrawn_entry_wrong_triggers_nothing(session: Session, cast: Cast, entry: Version) -> None:
    lifecycle.withdraw(session, entry, "政策停止执行", actor=cast.office, now=NOW)
    judged(session, entry, said(0, 6), NOW)
    assert open_corrections(session) == []
    assert corrections.sweep(session, NOW) == 0


def test_a_draft_that_the_office_cancels_starts_the_count_anew(session: Session, cast: Cast, entry: Version) -> None:
    judged(session, entry, said(3, 2), NOW)
    notices.cancel(session, open_corrections(session)[0], "评价人看错了", actor=cast.office, now=NOW + HOUR)
    assert correctness_of(session, entry, NOW + HOUR).rate is None
    assert corrections.sweep(session, NOW + 2 * HOUR) == 0
    judged(session, entry, said(0, 4), NOW + 2 * HOUR, start=50)
    assert open_corrections(session) == []
    judged(session, entry, said(0, 1), NOW + 2 * HOUR, start=60)
    assert len(open_corrections(session)) == 1


def test_a_publication_ends_the_notice_and_the_new_version_counts_afresh(
    session: Session, cast: Cast, entry: Version
) -> None:
    judged(session, entry, said(3, 2), NOW)
    [notice] = open_corrections(session)
    notices.dispatch(session, notice, actor=cast.office, now=NOW)
    new = _republish(session, entry, "工本费已取消。", NOW + DAY)
    assert notice.status is NoticeStatus.COMPLETED
    assert correctness_of(session, new, NOW + DAY).rate is None
    assert correctness_of(session, entry, NOW + DAY).rate == Fraction(3, 5)
    judged(session, new, said(3, 2), NOW + DAY, start=50)
    assert [each.version_id for each in open_corrections(session)] == [new.id]


def test_the_unit_cannot_call_it_done_while_the_same_words_answer(session: Session, cast: Cast, entry: Version) -> None:
    judged(session, entry, said(3, 2), NOW)
    [notice] = open_corrections(session)
    notices.dispatch(session, notice, actor=cast.office, now=NOW)
    keywords.set_keywords(session, entry.entry, ["别的"], actor=cast.office, now=NOW)
    with pytest.raises(Conflict, match="新版发布后自动办结，不能手工办结。认为原答案无误的，请提出申辩"):
        notices.complete(session, notice, "已核实", actor=cast.editor, now=NOW)
    live = lifecycle.live_version(session, entry.entry_id)
    assert live is not None
    lifecycle.withdraw(session, live, "事项取消", actor=cast.office, now=NOW)
    notices.complete(session, notice, "事项已取消，条目已下架", actor=cast.editor, now=NOW)
    assert notice.status is NoticeStatus.COMPLETED


def test_a_rater_has_so_many_verdicts_a_day(session: Session, cast: Cast, entry: Version) -> None:
    _adopt(session, cast, _changed(most_a_day_agent="2", most_a_day_citizen="1"))
    say(session, cast.agent, entry, RIGHT, NOW)
    last = say(session, cast.agent, entry, RIGHT, NOW)
    with pytest.raises(Conflict, match="今天已评价 2 次，达到一天的上限"):
        say(session, cast.agent, entry, RIGHT, NOW)
    corrected = {"reason": FaultReason.OTHER, "note": "", "actor": cast.agent, "now": NOW + HOUR}
    feedback.judge(session, question_id=last.question_id, version_id=entry.id, judgement=WRONG, **corrected)
    say_as_citizen(session, "caller:1", entry, RIGHT, NOW, asker=cast.agent)
    with pytest.raises(Conflict, match="今天已评价 1 次"):
        say_as_citizen(session, "caller:1", entry, RIGHT, NOW, asker=cast.agent)
    say_as_citizen(session, "caller:2", entry, RIGHT, NOW, asker=cast.agent)
    say(session, cast.agent, entry, RIGHT, NOW + DAY)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_database_counts_as_one_counts_by_hand(seed: int, session: Session, cast: Cast) -> None:
    """Many versions at once and each by itself, with a window, weights and citizens of no weight or some."""
    chance = random.Random(seed)
    _adopt(session, cast, _changed(window_days="9", agent='"2/3"', citizen='"0"' if seed == 1 else '"5"'))
    versions = [published(session, replace(LOST_CARD, question=f"第 {n} 问", similar=())) for n in range(5)]
    people = agents(session, 6)
    for _ in range(150):
        version, said, at = chance.choice(versions), chance.choice([RIGHT, WRONG]), NOW - chance.randrange(15) * DAY
        if chance.random() < 0.3:
            say_as_citizen(session, f"caller:{chance.randrange(4)}", version, said, at, asker=cast.agent)
        else:
            say(session, chance.choice(people), version, said, at)
    first = Notice.version_id == versions[0].id
    session.execute(delete(Notice).where(~first))  # all but one are counted by the database
    session.execute(update(Notice).where(first).values(status=NoticeStatus.CANCELLED, cancelled_at=NOW - 5 * DAY))
    tallies, counts = (of(session, [v.id for v in versions], NOW) for of in (tallies_of, counts_of))
    assert tallies.keys() == counts.keys() == {version.id for version in versions}
    for version_id, count in counts.items():
        said_of_it = session.scalars(select(Verdict).where(Verdict.version_id == version_id).order_by(Verdict.id))
        ratings = [Rating(v.rater, v.rater_key, v.judgement, v.at) for v in said_of_it]
        assert count.result == correctness(ratings, count.rule, now=NOW, since=count.since)
        assert tallies[version_id].result == count.result
    assert [type(tallies[version.id]) for version in versions] == [Count, *[Tally] * 4]


def test_under_correction_names_the_open_notices_drafts_included(session: Session, cast: Cast, entry: Version) -> None:
    other = published(session, RESIDENCE_PERMIT)
    judged(session, entry, said(3, 2), NOW)
    found = corrections.under_correction(session, [entry.entry_id, other.entry_id])
    assert found == {entry.entry_id: open_corrections(session)[0]}


def test_a_notice_that_was_cancelled_before_moments_were_kept_counts_from_its_making(
    session: Session, cast: Cast, entry: Version
) -> None:
    judged(session, entry, said(3, 2), NOW)
    [notice] = open_corrections(session)
    notices.cancel(session, notice, "看错了", actor=cast.office, now=NOW + DAY)
    session.execute(update(Notice).values(cancelled_at=None))
    session.commit()
    assert correctness_of(session, entry, NOW + DAY).rate is None
    judged(session, entry, [RIGHT], NOW + HOUR, start=50)
    assert correctness_of(session, entry, NOW + DAY).rate == 1


def _republish(session: Session, version: Version, answer: str, now: datetime) -> Version:
    new = lifecycle.add_version(session, version.entry, replace(LOST_CARD, answer=answer), actor=None, now=now)
    lifecycle.submit(session, new, actor=None, now=now)
    lifecycle.publish(session, new, actor=None, now=now)
    assert new.status is VersionStatus.PUBLISHED
    return new


def _changed(**values: str) -> str:
    """The default rulebook with other values, each with a reason."""
    tables = {
        **dict.fromkeys(("most_a_day_agent", "most_a_day_citizen"), "ratings"),
        **dict.fromkeys(("agent", "citizen"), "correction.weights"),
    }
    lines = [
        f'{tables.get(key, "correction")}.{key} = {{ value = {value}, source = "default", why = "检验" }}'
        for key, value in values.items()
    ]
    lines += ["[rulebook]", 'name = "other"', 'title = "另一套规则"']
    return "\n".join(lines)


def _adopt(session: Session, cast: Cast, text: str, at: datetime = NOW - HOUR) -> None:
    adopt(session, cast.city, text, effective_from=at, actor=None, now=at)


def test_a_verdict_on_a_sound_entry_does_not_read_all_the_others(
    session: Session, cast: Cast, entry: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that thousands have judged is counted by the database."""
    judged(session, entry, [RIGHT] * 5, NOW)
    monkeypatch.setattr(corrections, "counts_of", None)
    judged(session, entry, [WRONG], NOW, start=50)
    assert open_corrections(session) == []

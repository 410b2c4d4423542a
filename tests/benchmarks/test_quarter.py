"""A short quarter with few calls, and the figures of its last line counted once more by other means."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import comb
from pathlib import Path
from random import Random
from statistics import median

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from benchmarks.simulation.cli import app, simulate_quarter
from benchmarks.simulation.plain_time import PlainCalendar, midnight
from benchmarks.simulation.quarter import play
from benchmarks.simulation.quarter_callers import Callers, IntentKind
from benchmarks.simulation.quarter_figures import figures
from benchmarks.simulation.quarter_report import QuarterOutcome, quarter_table
from benchmarks.simulation.quarter_truth import FaultKind, damage
from benchmarks.simulation.quarter_world import Quarter, QuarterPlan
from benchmarks.simulation.written_rules import read_rules
from ingest.demonstration import read_demonstration
from models.incoming import IncomingCall
from models.knowledge import Version
from models.notices import Notice
from models.usage import Question, ShownAnswer, Verdict
from models.values import CHINA, Ending, Matter, NoticeKind, VersionStatus

SMALL = QuarterPlan(
    seed=1, agents=30, calls=800, faults=0.4, first=date(2026, 7, 6), with_model=False, weeks=2, zipf=1.2
)
"""A few matters are asked so often that some of their faults are found within two weeks."""


@dataclass(frozen=True)
class Played:
    quarter: Quarter
    line: dict[str, object]
    said: list[str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """One quarter that the tests below only look at."""
    folder, said = tmp_path_factory.mktemp("quarter"), list[str]()
    quarter = play(SMALL, f"sqlite:///{folder / 'base.db'}", folder, said.append)
    with quarter.services.open_session() as session:
        found = figures(session, quarter)
    yield Played(quarter, json.loads(QuarterOutcome(SMALL, "", found, 1.0).as_json()), said)
    quarter.services.close()


@pytest.fixture
def session(played: Played) -> Iterator[Session]:
    with played.quarter.services.open_session() as opened:
        yield opened


def test_the_same_seed_gives_the_same_line(played: Played, tmp_path: Path) -> None:
    again = simulate_quarter(SMALL, f"sqlite:///{tmp_path / 'base.db'}", tmp_path, say=lambda _: None)
    assert {**json.loads(again.as_json()), "seconds": 1.0} == played.line
    assert f"| 合计 | {len(played.quarter.truth.faults)} |" in quarter_table(again)


def test_every_week_says_how_far_it_is(played: Played) -> None:
    assert [line.split("：")[0] for line in played.said] == ["第 1/2 周", "第 2/2 周"]
    assert f"来电 {SMALL.calls:,}" in played.said[-1]


def test_planted_found_and_mended_are_those_of_the_base(played: Played, session: Session) -> None:
    truth = played.quarter.truth
    found = _found_again(played.quarter, session)
    published = select(Version).where(Version.status == VersionStatus.PUBLISHED)
    live = {version.entry_id: (version.answer, version.spoken) for version in session.scalars(published)}
    mended = {
        code
        for entry_id, code in truth.codes.items()
        if (fault := truth.faults.get(code)) and live.get(entry_id) == (fault.right.answer, fault.right.spoken)
    }
    for kind in FaultKind:
        codes = {fault.code for fault in truth.of_kind(kind)}
        assert _of(played, "planted", kind) == len(codes)
        assert _of(played, "found", kind) == len(codes & found.keys())
        assert _of(played, "mended", kind) == len(codes & mended)
    assert played.line["recall"] == round(len(found) / len(truth.faults), 4)


def test_working_hours_to_find_are_those_of_the_calendar_on_the_wall(played: Played, session: Session) -> None:
    calendar = PlainCalendar(read_rules("default").hours)
    found = _found_again(played.quarter, session)
    assert found
    hours = [_worked(calendar, played.quarter.truth.faults[code].since, at) for code, at in found.items()]
    assert played.line["median_working_hours_to_find"]["all"] == pytest.approx(median(hours), abs=0.06)  # type: ignore[index]


def test_unjust_notices_are_those_on_entries_that_were_right(played: Played, session: Session) -> None:
    truth = played.quarter.truth
    corrections = session.scalars(select(Notice).where(Notice.kind == NoticeKind.CORRECTION)).all()
    unjust = 0
    for notice in corrections:
        assert notice.version is not None
        assert notice.entry_id is not None
        right = truth.right(truth.codes[notice.entry_id], notice.created_at)
        unjust += (notice.version.answer, notice.version.spoken) == (right.answer, right.spoken)
    assert (played.line["correction_notices"], played.line["unjust_notices"]) == (len(corrections), unjust)


def test_rates_are_those_of_the_calls(played: Played, session: Session) -> None:
    truth_of = {call.call_id: call for call in played.quarter.true_calls}
    counted = [
        call
        for call in session.scalars(select(IncomingCall).where(IncomingCall.matter == Matter.CONSULTATION))
        if call.ending not in (None, Ending.BROKEN_OFF, Ending.REFUSED)
    ]
    answered = [call for call in counted if call.ending is Ending.ANSWERED]
    right = [call for call in answered if truth_of[call.id].right]
    assert played.line["direct_answer_rate"]["after"] == round(len(answered) / len(counted), 4)  # type: ignore[index]
    assert played.line["true_direct_answer_rate"]["after"] == round(len(right) / len(counted), 4)  # type: ignore[index]
    assert played.line["wrong_answers"]["after"] == len(answered) - len(right)  # type: ignore[index]


def test_the_loop_finds_better_than_chance(played: Played) -> None:
    """With one's eyes shut one would hit faults as often as entries have them: binomial, below one in a hundred."""
    line = played.line
    corrections, gaps, never_held = (
        int(str(line[name])) for name in ("correction_notices", "gap_notices", "gap_notices_never_held")
    )
    notices = corrections + gaps - never_held
    right = round(float(str(line["precision"])) * notices)
    by_chance = sum(comb(notices, n) * 0.4**n * 0.6 ** (notices - n) for n in range(right, notices + 1))
    assert SMALL.faults == 0.4
    assert by_chance < 0.01


def test_calls_are_what_the_plan_says_and_each_is_ended(played: Played, session: Session) -> None:
    calls = session.scalars(select(IncomingCall)).all()
    assert len(calls) == SMALL.calls == len(played.quarter.true_calls)
    for call in calls:
        assert call.ended_at is not None
        assert 8 <= call.started_at.astimezone(CHINA).hour < 20
        assert call.team
    asked = session.scalars(select(Question)).all()
    assert all(question.call_id is not None for question in asked)
    assert len(asked) == played.line["questions"]


def test_nobody_judges_what_was_not_shown(session: Session) -> None:
    shown = set(session.execute(select(ShownAnswer.question_id, ShownAnswer.version_id)).tuples())
    judged = session.execute(select(Verdict.question_id, Verdict.version_id)).tuples().all()
    assert judged
    assert set(judged) <= shown


def test_damage_changes_facts_and_keeps_the_question() -> None:
    rows = read_demonstration().rows
    begins, ends = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 9, 30, tzinfo=UTC)
    truth = damage(rows, 0.2, begins, ends, Random(1))
    assert [len(truth.of_kind(kind)) for kind in FaultKind] == [41, 31, 30, 20]
    for fault in truth.faults.values():
        shown = truth.shown.get(fault.code)
        if fault.kind is FaultKind.MISSING:
            assert shown is None
            continue
        assert shown is not None
        assert (shown.answer, shown.spoken) != (fault.right.answer, fault.right.spoken)
        assert replace(shown, answer="", spoken="") == replace(fault.right, answer="", spoken="")
    later = truth.of_kind(FaultKind.LATER)[0]
    assert truth.right(later.code, later.since - timedelta(seconds=1)) == truth.original[later.code]
    assert truth.right(later.code, later.since) == later.right


def test_callers_ask_in_words_that_the_base_does_not_hold() -> None:
    rows = read_demonstration().rows
    held = {text for row in rows for text in (row.content.question, *row.content.similar)}
    callers = Callers(sorted(row.code for row in rows), {}, Random(1))
    wishes = [callers.next() for _ in range(500)]
    assert {wish.kind for wish in wishes} == set(IntentKind)
    assert not {text for wish in wishes for text in wish.texts} & held
    assert all(wish.codes for wish in wishes if wish.kind is IntentKind.MATTER)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "2026-7"), "2026-7"),
        (("--calls", "90000", "--weeks", "4", "--agents", "6", "--words"), "坐席接不了"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_options(options: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, ["quarter", *options])
    assert said in str(result.exception)


def _found_again(quarter: Quarter, session: Session) -> dict[str, datetime]:
    """By code the first correction notice drafted, or gap sent, while the fault was there."""
    truth, found = quarter.truth, dict[str, datetime]()
    corrections = select(Notice).where(Notice.kind == NoticeKind.CORRECTION).order_by(Notice.created_at)
    for notice in session.scalars(corrections):
        assert notice.version is not None
        code = truth.codes[notice.version.entry_id]
        fault = truth.faults.get(code)
        if fault and notice.created_at >= fault.since and notice.version.answer != fault.right.answer:
            found.setdefault(code, notice.created_at)
    for sent in quarter.gaps_sent:
        notice = session.get_one(Notice, sent.notice_id)
        assert notice.dispatched_at == sent.at
        if sent.about not in truth.shown:
            found.setdefault(sent.about, sent.at)
    return found


def _worked(calendar: PlainCalendar, start: datetime, end: datetime) -> float:
    """Working hours between, minute by minute through the office's days."""
    day, total = start.astimezone(CHINA).date(), timedelta(0)
    while midnight(day) < end:
        if calendar.works_on(day):
            for opens, closes in calendar.hours.spans:
                begins = max(datetime.combine(day, opens, CHINA), start)
                total += max(min(datetime.combine(day, closes, CHINA), end) - begins, timedelta(0))
        day += timedelta(days=1)
    return total.total_seconds() / 3600


def _of(played: Played, figure: str, kind: FaultKind) -> int:
    return played.line[figure][kind.value]  # type: ignore[index,no-any-return]

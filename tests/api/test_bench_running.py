"""Test runs are done: on the base as it is or was, by one process, and what becomes of them when it dies."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.bench_running import TestRunner
from api.clock import utc_now
from api.thesaurus import shipped
from api.wiring import Services
from ingest.snapshots import documents_at, live_version_ids
from kb_admin import bench_runs, bench_sets, lifecycle, thesaurus
from kb_admin.bench_runs import DEAD_AFTER, RunSettings
from kb_admin.bench_sets import NewCase
from kb_admin.taking_effect import expire_due
from models.bench import SeenAs, TestResult, TestRun, TestSet
from models.improvement import RankerFit
from models.knowledge import Entry
from models.thesaurus import GroupSaying, WordGroup
from models.values import Outcome, RunStatus
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES

CASES = (
    ("社会保障卡丢失后怎样补领", ("SB-001",)),
    ("居住证怎样申领", ("HJ-001",)),
    ("派出所户籍窗口内部联系方式", ("HJ-002",)),
    ("量子纠缠", ()),
)


@pytest.fixture
def entries(base: Session, people: Cast, services: Services) -> None:
    for code, content in (("SB-001", LOST_CARD), ("HJ-001", RESIDENCE_PERMIT), ("HJ-002", INTERNAL_CONTACT)):
        published(base, content, code=code)
    services.follower.catch_up()


@pytest.fixture
def test_set(base: Session, people: Cast) -> TestSet:
    cases = [NewCase(number, text, codes) for number, (text, codes) in enumerate(CASES, start=2)]
    kept = bench_sets.create_set(base, "题", "题.xlsx", cases, actor=people.analyst, now=NOW)
    base.commit()
    return kept


def started(base: Session, people: Cast, test_set: TestSet, settings: RunSettings | None = None) -> TestRun:
    run = bench_runs.start(base, test_set, "", settings or RunSettings(), actor=people.analyst, now=utc_now())
    base.commit()
    return run


def done(services: Services, base: Session, run: TestRun) -> TestRun:
    TestRunner(services.bench).catch_up()
    base.refresh(run)
    assert run.error == ""
    assert run.status is RunStatus.DONE
    return run


def outcomes(base: Session, run: TestRun) -> list[tuple[Outcome, int | None, list[str]]]:
    query = select(TestResult).where(TestResult.run_id == run.id).order_by(TestResult.case_id)
    return [(r.outcome, r.rank, [hit["code"] for hit in r.found]) for r in base.scalars(query)]


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_a_run_gives_what_an_agent_would_get(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    run = done(services, base, started(base, people, test_set))
    card, permit, _, stranger = outcomes(base, run)
    assert card[:2] == permit[:2] == (Outcome.DIRECT, 1)
    assert stranger[0] is Outcome.NONE
    assert run.done == run.total == 4
    assert run.summary["figures"]["n"] == 4
    assert run.summary["figures"]["told_none"] == 1.0
    assert run.summary["kinds"]["answerable"]["direct"] >= 2
    known = run.circumstances
    assert (known["entries"], known["absent"], known["weights"], known["changes_meanwhile"]) == (3, 0, "words", 0)


def test_the_public_sees_no_internal_entries(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    agent, public, everything = (
        outcomes(base, done(services, base, started(base, people, test_set, RunSettings(viewer=viewer))))[2]
        for viewer in SeenAs
    )
    assert agent[1] == everything[1] == 1
    assert public[1] is None
    assert "HJ-002" not in public[2]


def test_another_threshold_makes_direct_answers_fewer(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    plain = done(services, base, started(base, people, test_set))
    strict = done(services, base, started(base, people, test_set, RunSettings(direct=1.0)))
    assert strict.summary["figures"]["direct"] < plain.summary["figures"]["direct"]
    assert strict.circumstances["direct"] == 1.0
    point = bench_runs.curve_of(base, plain).at(1.0)
    assert point.direct == strict.summary["figures"]["direct"]


def test_cases_whose_entry_is_gone_are_counted(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    live = lifecycle.live_version(base, _entry_id(base, "HJ-001"))
    assert live is not None
    lifecycle.withdraw(base, live, "停止执行", actor=people.office, now=NOW)
    base.commit()
    run = done(services, base, started(base, people, test_set))
    assert (run.circumstances["entries"], run.circumstances["absent"]) == (2, 1)


# The base as it was


def test_a_snapshot_is_the_past(services: Services, base: Session, people: Cast) -> None:
    """Published on day 1, changed on day 3, taken down on day 5; another only from day 4, over by itself on day 6."""
    day = [NOW + n * DAY for n in range(8)]
    first = published(base, LOST_CARD, code="SB-001", now=day[1])
    changed = replace(LOST_CARD, question="社保卡遗失如何补办")
    second = lifecycle.add_version(base, first.entry, changed, actor=None, now=day[3])
    lifecycle.submit(base, second, actor=None, now=day[3])
    lifecycle.publish(base, second, actor=None, now=day[3])
    ending = published(base, replace(RESIDENCE_PERMIT, valid_to=day[6]), code="HJ-001", now=day[4])
    lifecycle.withdraw(base, second, "停止执行", actor=people.office, now=day[5])
    expire_due(base, day[7])
    base.commit()
    assert first.published_at == day[1]
    hours = timedelta(hours=12)
    assert _live(base, day[0] + hours) == []
    assert _live(base, day[1]) == _live(base, day[2] + hours) == [LOST_CARD.question]
    assert _live(base, day[3] + hours) == [changed.question]
    assert _live(base, day[4] + hours) == [changed.question, RESIDENCE_PERMIT.question]
    assert _live(base, day[5] + hours) == [RESIDENCE_PERMIT.question]
    assert _live(base, day[6] + hours) == []
    assert ending.entry_id != first.entry_id


def test_a_run_on_the_past_finds_what_was_there_then(
    services: Services, base: Session, people: Cast, test_set: TestSet
) -> None:
    published(base, RESIDENCE_PERMIT, code="HJ-001", now=NOW - 5 * DAY)
    card = published(base, LOST_CARD, code="SB-001", now=NOW - 3 * DAY)
    lifecycle.withdraw(base, card, "停止执行", actor=people.office, now=NOW - DAY)
    base.commit()
    services.follower.catch_up()
    past = done(services, base, started(base, people, test_set, RunSettings(moment=NOW - 2 * DAY)))
    now = done(services, base, started(base, people, test_set))
    assert outcomes(base, past)[0] == (Outcome.DIRECT, 1, ["SB-001", *outcomes(base, past)[0][2][1:]])
    assert outcomes(base, now)[0][1] is None
    assert (past.circumstances["entries"], now.circumstances["entries"]) == (2, 1)


def test_the_thesaurus_is_that_of_the_moment(services: Services, base: Session, people: Cast, entries: None) -> None:
    cases = [NewCase(2, "金蓝卡不见了哪里补", ("SB-001",))]
    kept = bench_sets.create_set(base, "词", "词.xlsx", cases, actor=people.analyst, now=NOW)
    base.commit()
    before = utc_now()
    _add_saying(base, people, "社会保障卡", "金蓝卡")
    services.follower.catch_up()
    now = done(services, base, started(base, people, kept))
    past = done(services, base, started(base, people, kept, RunSettings(moment=before)))
    assert outcomes(base, now)[0][1] == 1
    assert past.summary["figures"]["R@1"] <= now.summary["figures"]["R@1"]
    assert outcomes(base, past) != outcomes(base, now)


def test_a_live_run_does_not_see_what_is_published_while_it_goes_on(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    frozen = services.index.frozen(services.index.means)
    published(base, replace(LOST_CARD, question="社会保障卡怎样激活"), code="SB-009")
    services.follower.catch_up()
    assert (len(frozen), len(services.index)) == (3, 4)


# One process, and none


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_of_two_processes_one_takes_a_run(services: Services, base: Session, people: Cast, test_set: TestSet) -> None:
    runs = {started(base, people, test_set).id for _ in range(3)}
    together = threading.Barrier(2, timeout=10)

    def process(name: str) -> list[int]:
        taken = []
        together.wait()
        for _ in range(6):
            with services.open_session() as session:
                run = bench_runs.take(session, name, utc_now())
                taken += [run.id] if run else []
                session.commit()
        return taken

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(process, ("甲", "乙"))
    assert sorted(one + other) == sorted(runs)


def take(services: Services, name: str, now: datetime) -> int | None:
    with services.open_session() as session:
        run = bench_runs.take(session, name, now)
        taken = run.id if run else None
        session.commit()
        return taken


def some_results(services: Services, run_id: int, name: str, case_ids: list[int], now: datetime) -> bool:
    with services.open_session() as session:
        rows = [bench_runs.CaseOutcome(case, Outcome.NONE, None, [], 1.0) for case in case_ids]
        written = bench_runs.report(session, run_id, name, rows, now)
        session.commit()
        return written


def test_a_run_whose_process_died_is_done_again_from_the_beginning(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    run = started(base, people, test_set)
    long_ago = utc_now() - DEAD_AFTER - timedelta(seconds=1)
    assert take(services, "死去的进程", long_ago) == run.id
    assert some_results(services, run.id, "死去的进程", [test_set.cases[0].id], long_ago)
    assert take(services, "别的进程", long_ago + timedelta(seconds=60)) is None
    finished = done(services, base, run)
    assert finished.circumstances["tries"] == 2
    assert finished.done == len(outcomes(base, finished)) == 4
    assert not some_results(services, run.id, "死去的进程", [test_set.cases[1].id], utc_now())


def test_a_run_that_kills_its_process_twice_has_failed(
    services: Services, base: Session, people: Cast, test_set: TestSet
) -> None:
    run = started(base, people, test_set)
    now = utc_now()
    for turn in range(2):
        assert take(services, f"进程{turn}", now + turn * 2 * DEAD_AFTER) == run.id
    assert take(services, "进程2", now + 4 * DEAD_AFTER) is None
    base.refresh(run)
    assert run.status is RunStatus.FAILED
    assert "2 次意外停止" in run.error
    assert run.ended_at is not None


def test_a_stopped_run_is_no_longer_written_to(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    run = started(base, people, test_set)
    now = utc_now()
    assert take(services, "进程", now) == run.id
    base.refresh(run)
    bench_runs.stop(base, run, actor=people.office, now=now)
    base.commit()
    assert not some_results(services, run.id, "进程", [test_set.cases[0].id], now)
    assert base.scalar(select(func.count()).select_from(TestResult)) == 0
    assert take(services, "另一个", now + 2 * DEAD_AFTER) is None


def test_a_process_that_ends_in_good_order_leaves_the_run_to_another(
    services: Services, base: Session, people: Cast, entries: None, test_set: TestSet
) -> None:
    run = started(base, people, test_set)
    leaving = TestRunner(services.bench)
    assert take(services, leaving.name_of_process, utc_now()) == run.id
    leaving.stop()
    leaving.carry_out(run.id)
    base.refresh(run)
    assert (run.status, run.done, run.runner) == (RunStatus.WAITING, 0, "")
    done(services, base, run)


def test_a_model_that_is_gone_is_told(services: Services, base: Session, people: Cast, test_set: TestSet) -> None:
    run = started(base, people, test_set, RunSettings(model="没有的模型"))
    TestRunner(services.bench).catch_up()
    base.refresh(run)
    assert run.status is RunStatus.FAILED
    assert "没有名为“没有的模型”的模型" in run.error


def fitted(base: Session, *, name: str = "words", model: str = "") -> RankerFit:
    """The weights that come with the product, but for a confidence that is never high."""
    described = json.loads((files("retrieval") / "weights" / "words.json").read_text(encoding="utf-8"))
    described["confidence"] = {"intercept": -1.0}
    fit = RankerFit(weights_name=name, weights=described, comparison={"model": model}, made_at=NOW)
    base.add(fit)
    base.commit()
    return fit


def test_a_run_may_use_fitted_weights(services: Services, base: Session, people: Cast, entries: None) -> None:
    """A confidence of log odds -1 is 0.269, for any question that is not an entry's own."""
    cases = [NewCase(2, "社会保障卡掉了补领", ("SB-001",))]
    kept = bench_sets.create_set(base, "题", "题.xlsx", cases, actor=people.analyst, now=NOW)
    run = done(services, base, started(base, people, kept, RunSettings(weights=str(fitted(base).id))))
    found = base.scalars(select(TestResult).where(TestResult.run_id == run.id)).one()
    assert found.found[0]["score"] == pytest.approx(0.268941, abs=1e-6)
    assert run.name.endswith("次拟合的权重")


def test_weights_of_another_model_are_refused(
    services: Services, base: Session, people: Cast, test_set: TestSet
) -> None:
    for fit, word in ((fitted(base, name="hybrid"), "不能套用"), (fitted(base, model="别的"), "另一个语义模型")):
        run = started(base, people, test_set, RunSettings(weights=str(fit.id)))
        TestRunner(services.bench).catch_up()
        base.refresh(run)
        assert run.status is RunStatus.FAILED
        assert word in run.error


def _entry_id(base: Session, code: str) -> int:
    return base.scalars(select(Entry.id).where(Entry.code == code)).one()


def _live(base: Session, moment: datetime) -> list[str]:
    return [d.question for part in documents_at(base, live_version_ids(base, moment)) for d in part]


def _add_saying(base: Session, people: Cast, head: str, word: str) -> None:
    held = next(h for h in thesaurus.all_groups(base, shipped()) if h.group.head == head)
    group = WordGroup(head, (*held.group.sayings, GroupSaying(word)), held.group.field)
    thesaurus.save(base, shipped(), group, based_on=held.number, actor=people.office, now=utc_now())
    base.commit()

"""One quarter of a hotline's life: calls by the half hour, offices beside them, and what the loop made of the base."""

import gc
from bisect import bisect
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from pathlib import Path
from random import Random
from time import perf_counter
from typing import cast

from sqlalchemy import func, select

from benchmarks.simulation import quarter_offices
from benchmarks.simulation.plain_time import DAY, PlainCalendar
from benchmarks.simulation.quarter_callers import Callers
from benchmarks.simulation.quarter_calls import PlannedCall, take_call
from benchmarks.simulation.quarter_search import PreparedIndex, Search
from benchmarks.simulation.quarter_world import (
    FIRST_CALL,
    RULEBOOK,
    SLOT,
    Quarter,
    QuarterPlan,
    Say,
    open_quarter,
)
from benchmarks.simulation.world import WORKERS_FIRST
from benchmarks.simulation.written_rules import read_rules
from kb_admin.advance import advance
from models.errors import Invalid
from models.notices import Notice
from models.values import CHINA, NoticeKind

OPENS, CLOSES = 8, 20
"""Hours of the hotline, every day of the week."""
LOOKS_AT_THE_CLOCK = range(OPENS, CLOSES + 1, 3)
"""Hours at which the service's worker does its part; whenever it does, it dates all by when it fell due."""
BUSY = {8: 0.7, 9: 1.4, 10: 1.5, 11: 1.2, 12: 0.7, 13: 0.8, 14: 1.3, 15: 1.3, 16: 1.1, 17: 0.8, 18: 0.6, 19: 0.6}
"""How many calls come in an hour, beside an average one."""
WEEKEND = 0.6
OFF_DUTY = 3
"""Every third day a team is off."""
SHORTEST = timedelta(seconds=60)
"""An agent's calls of a slot last so long at least, one with the other."""
LONGEST_CALL = timedelta(minutes=6)
BATCH = 200
WEEK, LAST_WORD = timedelta(days=7), timedelta(minutes=1)


def play(plan: QuarterPlan, database_url: str, folder: Path, say: Say) -> Quarter:
    """Play it on an empty base. Raises Invalid where so few agents cannot take so many calls."""
    counts = _counts(plan)
    _check_load(plan, counts)
    quarter = open_quarter(plan, database_url, folder, say)
    try:
        hotline = Hotline(quarter, counts)
        hotline.plan_days()
        gc.freeze()  # what stands by now stays: looking through it again and again would take a tenth of the time
        quarter_offices.plan_work(quarter)
        quarter.world.play()
    finally:
        if quarter.ahead is not None:
            quarter.ahead.close()
    return quarter


class Hotline:
    """The calls of the quarter, half hour by half hour."""

    def __init__(self, quarter: Quarter, counts: Mapping[datetime, int]) -> None:
        self._quarter = quarter
        self._callers = Callers(
            sorted(quarter.truth.original),
            quarter.held_back,
            Random(f"{quarter.plan.seed}:callers"),
            zipf=quarter.plan.zipf,
        )
        self._counts = counts
        self._busy_slots = iter(self._counts.items())
        self._coming = self._next_calls()
        self._began = perf_counter()

    def plan_days(self) -> None:
        """Put every half hour into the world's order of things."""
        world, plan = self._quarter.world, self._quarter.plan
        begins = plan.begins
        while begins < plan.ends:
            local = begins.astimezone(CHINA)
            if local.hour in LOOKS_AT_THE_CLOCK and not local.minute:
                world.at(begins, self._pass_time, order=WORKERS_FIRST)
            if begins in self._counts:
                world.at(begins + FIRST_CALL, self._take_calls)
            begins += SLOT

        for week in range(1, plan.weeks + 1):
            world.at(plan.begins + week * WEEK - LAST_WORD, partial(self._tell, week))

    def _tell(self, week: int, now: datetime) -> None:  # noqa: ARG002 - told when it is over
        """How far it is."""
        quarter, plan = self._quarter, self._quarter.plan
        with quarter.services.open_session() as session:
            corrections = session.scalar(select(func.count()).where(Notice.kind == NoticeKind.CORRECTION)) or 0
        quarter.say(
            f"第 {week}/{plan.weeks} 周：来电 {quarter.taken:,}，整改通知单 {corrections}，缺失知识派单 "
            f"{len(quarter.gaps_sent)}，已改正 {len(quarter.truth.mended)}/{len(quarter.truth.faults)}，"
            f"用时 {perf_counter() - self._began:.0f} 秒"
        )

    def _pass_time(self, now: datetime) -> None:
        """What the service's worker does by the clock."""
        done = 1
        while done:
            with self._quarter.acting() as session:
                done = advance(session, now, limit=BATCH).total
        self._quarter.follow()

    def _take_calls(self, now: datetime) -> None:  # noqa: ARG002 - each call has its own moment
        """The calls of one half hour, all in the order in which they begin, in one transaction."""
        quarter, calls = self._quarter, self._coming
        self._prepare(calls)
        with quarter.acting() as session:
            for call in calls:
                quarter.true_calls.append(take_call(quarter, session, call))
            session.flush()
            quarter.on_screens.clear()

    def _prepare(self, calls: Sequence[PlannedCall]) -> None:
        """Have the first questions of these calls answered, and begin with those of the next half hour."""
        quarter, searches = self._quarter, self._searches(calls)
        self._coming = self._next_calls()
        if quarter.ahead is None:
            return
        found = quarter.ahead.answers(searches, quarter.services.follower.position)
        cast(PreparedIndex, quarter.services.index).prepare(found)
        quarter.ahead.ask(self._searches(self._coming))

    def _searches(self, calls: Sequence[PlannedCall]) -> list[Search]:
        most = self._quarter.services.settings.shown_answers
        return [
            Search(call.intent.texts[0].strip(), call.agent.caller.viewer, call.asked_at(0), most)
            for call in calls
            if call.intent.texts
        ]

    def _next_calls(self) -> list[PlannedCall]:
        """Each agent's calls of the next half hour follow one another; none goes on into the one after."""
        begins, calls = next(self._busy_slots, (self._quarter.plan.ends, 0))
        rng = self._quarter.chance_of("lines")
        on_duty = [self._quarter.agents[number] for number in _on_duty(self._quarter.plan, begins)]
        rng.shuffle(on_duty)
        turns = -(-calls // len(on_duty)) or 1
        space = (SLOT - FIRST_CALL) / turns
        room = min(space * 0.8, LONGEST_CALL)
        coming = []
        for number in range(calls):
            turn, place = divmod(number, len(on_duty))
            at = begins + FIRST_CALL + space * turn + (space - room) * rng.random()
            coming.append(PlannedCall(on_duty[place], self._callers.next(), at, room))
        return sorted(coming, key=lambda call: (call.at, call.agent.person_id))


def _counts(plan: QuarterPlan) -> dict[datetime, int]:
    """How many calls come in which half hour; all of them together are those of the plan."""
    calendar = PlainCalendar(read_rules(RULEBOOK).hours)
    weights: dict[datetime, float] = {}
    begins = plan.begins
    while begins < plan.ends:
        local = begins.astimezone(CHINA)
        if OPENS <= local.hour < CLOSES:
            weights[begins] = BUSY[local.hour] * (1.0 if calendar.works_on(local.date()) else WEEKEND)
        begins += SLOT
    slots, sums = list(weights), list(accumulate(weights.values()))
    rng, counts = Random(f"{plan.seed}:moments"), dict.fromkeys(slots, 0)
    for _ in range(plan.calls):
        counts[slots[bisect(sums, rng.random() * sums[-1])]] += 1
    return {begins: calls for begins, calls in counts.items() if calls}


def _check_load(plan: QuarterPlan, counts: Mapping[datetime, int]) -> None:
    for begins, calls in counts.items():
        on_duty = len(_on_duty(plan, begins))
        if (SLOT - FIRST_CALL) / -(-calls // on_duty) < SHORTEST:
            raise Invalid(
                f"{plan.agents} 名坐席接不了 {plan.calls} 个来电：{begins.astimezone(CHINA):%m-%d %H:%M} 起半小时内"
                f"有 {calls} 个，当班 {on_duty} 人。请增加坐席或减少来电。"
            )


def _on_duty(plan: QuarterPlan, begins: datetime) -> list[int]:
    """Which of the agents take calls on that day."""
    day = (begins.astimezone(CHINA).date() - plan.first) // DAY
    return [number for number in range(plan.agents) if (plan.team(number) + day) % OFF_DUTY]

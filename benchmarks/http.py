"""The service as agents meet it: over HTTP, logged in, with the client on the same machine."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from api.clock import utc_now
from api.security import SESSION_COOKIE, open_login_session
from api.settings import Settings
from benchmarks.http_client import SEARCH, SUGGEST, Agents, Load, Rates
from benchmarks.quality import Report
from benchmarks.scale import ScaleText
from benchmarks.scale_base import AGENTS, DATA, agent, base, environment
from models.database import open_engine, sessions
from models.organisation import Person

PROMISED_MS = 100.0
"""p95 of both kinds, below which a rate counts as held."""
STEP = 1.25
MOST_STEPS = 16
BEYOND = 3.0
"""The overload, as a multiple of the highest rate that was held."""
WARM_SECONDS = 3.0
READY_SECONDS = 900.0
QUESTIONS = 2000


@dataclass(frozen=True)
class Measured:
    """Everything of one run."""

    entries: int
    workers: int
    steady: Load
    steps: tuple[Load, ...]
    overload: Load
    after: Load

    @property
    def held(self) -> Load | None:
        """The highest rate that was held."""
        return max((s for s in (self.steady, *self.steps) if _holds(s)), key=lambda s: s.rates.search, default=None)


def run(
    entries: int, rates: Rates, seconds: float, *, workers: int, folder: Path, tell: Report, data: Path = DATA
) -> Measured:
    """Steady load; ever more until it is not held, or less until it is; too much; the steady load again."""
    settings = base(folder / f"base-{entries}", entries, tell=tell, data=data)
    questions = [asked.text for asked in ScaleText.read(data).questions(entries, QUESTIONS)]
    cookies = _logged_in(settings)
    with _service(settings, workers, tell) as port:
        loads = asyncio.run(_loads(Agents(port, cookies, questions), rates, seconds, tell))
    return Measured(entries, workers, *loads)


async def _loads(
    agents: Agents, rates: Rates, seconds: float, tell: Report
) -> tuple[Load, tuple[Load, ...], Load, Load]:
    """As ``Measured`` has them."""
    await agents.ask(rates, WARM_SECONDS)
    steady = await agents.ask(rates, seconds)
    tell(f"平稳：{_said(steady)}")
    short = min(20.0, max(3.0, seconds / 5))
    steps: list[Load] = []
    factor, change = 1.0, STEP if _holds(steady) else 1 / STEP
    while len(steps) < MOST_STEPS and (not steps or _holds(steps[-1]) is (change > 1)):
        factor *= change
        steps.append(await agents.ask(rates.times(factor), short))
        tell(f"{factor:.2f} 倍：{_said(steps[-1])}")
    held = factor / STEP if change > 1 else factor
    overload = await agents.ask(rates.times(BEYOND * held), short)
    tell(f"过载：{_said(overload)}")
    await asyncio.sleep(1.0)
    after = await agents.ask(rates, short)
    tell(f"过载之后：{_said(after)}")
    agents.close()
    return steady, tuple(steps), overload, after


def table(measured: Measured) -> str:
    """One line a stretch of time."""
    lines = [
        "| 情形 | 提问/秒 | 提示/秒 | 秒 | 提问 p50 | p95 | p99 ms | 提示 p50 | p95 | p99 ms | 503 | 出错 |",
        "|---|" + "---:|" * 11,
    ]
    named = [
        ("平稳", measured.steady),
        *(("加压" if step.rates.search > measured.steady.rates.search else "减压", step) for step in measured.steps),
    ]
    named += [("过载", measured.overload), ("过载之后", measured.after)]
    for name, load in named:
        figures = [
            f"{load.tallies[kind].percentile(percent):.1f}" for kind in (SEARCH, SUGGEST) for percent in (50, 95, 99)
        ]
        rates = (f"{load.rates.search:.0f}", f"{load.rates.suggest:.0f}", f"{load.seconds:.0f}")
        lines.append(f"| {' | '.join((name, *rates, *figures, str(load.refused), str(load.errors)))} |")
    return "\n".join(lines)


def summary(measured: Measured) -> str:
    """One JSON object."""
    held = measured.held
    return json.dumps(
        {
            "bench": "http",
            "entries": measured.entries,
            "workers": measured.workers,
            "steady": _figures(measured.steady),
            "held": {"search": held.rates.search, "suggest": held.rates.suggest} if held else None,
            "overload": _figures(measured.overload),
            "after": _figures(measured.after),
        },
        ensure_ascii=False,
    )


def _figures(load: Load) -> dict[str, object]:
    times = {
        f"{kind}_p{percent}_ms": round(load.tallies[kind].percentile(percent), 2)
        for kind in (SEARCH, SUGGEST)
        for percent in (50, 95, 99)
        if load.tallies[kind].ms
    }
    return {
        "search_per_s": load.rates.search,
        "suggest_per_s": load.rates.suggest,
        "seconds": load.seconds,
        "answered": sum(len(tally.ms) for tally in load.tallies.values()),
        "refused_503": load.refused,
        "errors": load.errors,
        **times,
    }


def _holds(load: Load) -> bool:
    return not load.errors and not load.refused and load.worst_p95 < PROMISED_MS


def _said(load: Load) -> str:
    search, suggest = load.tallies[SEARCH], load.tallies[SUGGEST]
    return (
        f"提问 {load.rates.search:.0f}/秒 p95 {search.percentile(95):.0f} ms，"
        f"提示 {load.rates.suggest:.0f}/秒 p95 {suggest.percentile(95):.0f} ms，"
        f"503 {load.refused}，出错 {load.errors}"
    )


def _logged_in(settings: Settings) -> list[str]:
    """A cookie for each agent."""
    engine, now = open_engine(settings.database_url), utc_now() - timedelta(seconds=1)
    logins = [agent(number) for number in range(1, AGENTS + 1)]
    with sessions(engine)() as session:
        people: Sequence[Person] = session.scalars(select(Person).where(Person.login.in_(logins))).all()
        tokens = [open_login_session(session, person, now, hours=24) for person in people]
        session.commit()
    engine.dispose()
    return [f"{SESSION_COOKIE}={token}" for token in tokens]


@contextmanager
def _service(settings: Settings, workers: int, tell: Report) -> Iterator[int]:
    """The service as a person starts it, ready; stopped afterwards. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "api.start", "serve", "--port", str(port), "--workers", str(workers)]
    log = (settings.data_folder / "bench-http.log").open("wb")
    began = time.perf_counter()
    service = subprocess.Popen(
        command, env={**os.environ, **environment(settings)}, stdout=subprocess.DEVNULL, stderr=log
    )
    try:
        while not _ready(port):
            if service.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                raise TimeoutError(f"服务没有准备好，请看 {log.name}。")
            time.sleep(0.05)
        tell(f"服务 {time.perf_counter() - began:.1f} 秒后可用")
        yield port
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
        log.close()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            return True
    except OSError:
        return False

"""How long a test run takes on a large base: through the real tables, the real runner, on real texts."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from time import perf_counter, process_time

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from api.bench_running import TestRunner
from api.clock import utc_now
from api.settings import Settings
from api.wiring import Services, build
from benchmarks.datasets import Corpus, Query, read_corpus
from benchmarks.quality import Report
from benchmarks.suite import demonstration_corpus, question_sets
from kb_admin import bench_runs, bench_sets
from kb_admin.bench_runs import RunSettings
from kb_admin.bench_sets import NewCase
from kb_admin.rules_in_force import ensure_adopted
from models.database import open_engine
from models.knowledge import ChangeLog, Entry, Phrasing, Transition, Version
from models.migrate import upgrade
from models.organisation import Person, Region, RoleGrant, Unit
from models.values import Level, PhrasingKind, Publicity, Role, RunStatus, VersionStatus
from retrieval.documents import Document

BATCH = 1000


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    entries: int
    questions: int
    seconds: float
    """From being started to its figures."""
    processor_seconds: float
    """Of all threads; the same as ``seconds`` where nothing else runs on the machine and one core is used."""
    reports: int
    """How often progress was told."""
    first_place: float | None
    direct: float | None


def run(entries: int, questions: int, data: Path, folder: Path | None, report: Report) -> Measured:
    """Make a base of so many entries, and a test set of so many questions; run it, and take the time.

    ``folder``: where base and vectors are made, and found again by the next measurement; None: nowhere lasting.
    """
    with tempfile.TemporaryDirectory() as passing:
        place = folder or Path(passing)
        place.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (place / "models").symlink_to(Settings().models_folder.resolve())
        settings = Settings(data_folder=place, database_url=f"sqlite:///{place / f'tests-{entries}.db'}", worker=False)
        engine = open_engine(settings.database_url)
        upgrade(engine)
        engine.dispose()
        with closing(build(settings)) as services, services.open_session() as session:
            _fill(session, entries, data, report)
            cases = list(islice(_cases(data), questions))
            actor = session.scalars(select(Person)).one()
            kept = bench_sets.create_set(session, f"{utc_now()}", "benchmarks", cases, actor=actor, now=utc_now())
            session.commit()
            report("载入检索库")
            started = perf_counter()
            services.follower.catch_up()
            report(f"载入用时 {perf_counter() - started:.0f} 秒")
            return _measure(services, session, kept.id, actor, report)


def _measure(services: Services, session: Session, set_id: int, actor: Person, report: Report) -> Measured:
    told = count()

    def tell(words: str) -> None:
        if next(told) % 10 == 0:
            report(words)

    started, used = perf_counter(), process_time()
    made = bench_runs.start(
        session, bench_sets.read_set(session, set_id), "", RunSettings(), actor=actor, now=utc_now()
    )
    TestRunner(services.bench).run_now(made, session, tell)
    seconds, processor = perf_counter() - started, process_time() - used
    session.refresh(made)
    if made.status is not RunStatus.DONE:
        raise RuntimeError(made.error)
    figures = made.summary["figures"]
    return Measured(
        entries=int(made.circumstances["entries"]),
        questions=made.done,
        seconds=round(seconds, 1),
        processor_seconds=round(processor, 1),
        reports=next(told),
        first_place=figures["R@1"],
        direct=figures["direct"],
    )


def _corpora(data: Path) -> list[Corpus]:
    files = sorted(data.glob("*/corpus.jsonl"))
    return [*(read_corpus(file) for file in files), demonstration_corpus()]


def _cases(data: Path) -> Iterator[NewCase]:
    """Questions of every set in turn, each with the codes that its entries have in the base."""
    known = {corpus.name: {key: _code(corpus.name, key, 0) for key in corpus.ids} for corpus in _corpora(data)}
    sets: list[tuple[str, list[Query]]] = [(corpus.name, queries) for corpus, queries in question_sets(data)]
    taken: set[str] = set()
    for place in range(max(len(queries) for _, queries in sets)):
        for name, queries in sets:
            query = queries[place] if place < len(queries) else None
            if query is None or query.text in taken or not query.text.strip():
                continue
            taken.add(query.text)
            codes = tuple(known[name][key] for key in sorted(query.relevant) if key in known[name])
            yield NewCase(len(taken), query.text, codes)


def _code(corpus: str, key: str, turn: int) -> str:
    return f"{turn}-{corpus}-{key}"[:64]


def _fill(session: Session, wanted: int, data: Path, report: Report) -> None:
    """Entries straight into their tables: what they say is real, and recurs for other units when it runs out."""
    if (session.scalar(select(func.count(Entry.id))) or 0) >= wanted:
        return
    city = Region(name="演示市", level=Level.CITY)
    session.add(city)
    session.add(Person(login="fenxi", name="分析员", password_hash="-", grants=[RoleGrant(role=Role.ANALYST)]))
    session.flush()
    ensure_adopted(session, now=utc_now())
    documents = [
        (corpus.name, key, d) for corpus in _corpora(data) for key, d in zip(corpus.ids, corpus.documents, strict=True)
    ]
    left, number = wanted, count(1)
    for turn in count():
        unit = Unit(name=f"演示单位{turn}", level=Level.CITY, region=city)
        session.add(unit)
        session.flush()
        some = documents[:left]
        for start in range(0, len(some), BATCH):
            _write(session, some[start : start + BATCH], turn, (unit.id, city.id), number)
        left -= len(some)
        report(f"写入 {wanted - left} 条")
        if not left:
            break
    session.commit()


def _write(
    session: Session,
    documents: Sequence[tuple[str, str, Document]],
    turn: int,
    place: tuple[int, int],
    number: "count[int]",
) -> None:
    now, (unit_id, region_id) = utc_now(), place
    rows = [(next(number), name, key, document) for name, key, document in documents]
    session.execute(
        insert(Entry),
        [{"id": i, "code": _code(name, key, turn), "unit_id": unit_id, "created_at": now} for i, name, key, _ in rows],
    )
    version = {
        **{"number": 1, "status": VersionStatus.PUBLISHED, "region_id": region_id, "publicity": Publicity.PUBLIC},
        **{"created_at": now, "published_at": now},
    }
    session.execute(insert(Version), [{**version, "id": i, "entry_id": i, "answer": d.answer} for i, _, _, d in rows])
    asked = [(i, place, text[:500]) for i, _, _, d in rows for place, text in enumerate(d.phrasings)]
    session.execute(
        insert(Phrasing),
        [
            {"version_id": i, "position": p, "text": t, "kind": PhrasingKind.SIMILAR if p else PhrasingKind.STANDARD}
            for i, p, t in asked
        ],
    )
    session.execute(
        insert(Transition), [{"version_id": i, "to_status": VersionStatus.PUBLISHED, "at": now} for i, *_ in rows]
    )
    session.execute(insert(ChangeLog), [{"entry_id": i, "at": now} for i, *_ in rows])

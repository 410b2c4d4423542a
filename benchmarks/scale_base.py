"""A database filled from the scale corpus, with people who may use it: what the service is measured on.

Entry and version ids are the numbers of the documents, codes are ZD- and the number.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.passwords import hash_password
from api.settings import Settings
from benchmarks.quality import Report
from benchmarks.scale import UNITS, ScaleText, texts_of
from ingest.searchable import plain_text
from kb_admin.rules_in_force import ensure_adopted
from models.base import Base
from models.database import open_engine, sessions
from models.errors import Conflict
from models.knowledge import ChangeLog, CodeNumbers, Entry, Keyword, Phrasing, Transition, Version
from models.migrate import upgrade
from models.organisation import ApiToken, Person, Region, RoleGrant, Unit
from models.values import Level, PhrasingKind, Role, VersionStatus
from retrieval.documents import Document
from retrieval.embedded import ANSWER_TOKENS
from retrieval.encoder import Encoder
from retrieval.model_files import ModelError
from retrieval.vector_store import VectorStore
from retrieval.vectors import Matrix

CITY = "演示市"
AGENTS = 100
PASSWORD = "measured-12345"
"""Of everybody here."""
OFFICE = "rexianban"
"""Login of somebody of the city's office, who publishes and withdraws."""
DATA = Path("../shared/data")
VECTORS = Path("var/bench/vectors.db")
"""Vectors of the corpus, encoded once for all measurements."""
BATCH = 2000
LONGEST_PHRASING = 500
TABLES: tuple[type[Base], ...] = (Entry, Version, Phrasing, Keyword, Transition, ChangeLog)


def base(
    folder: Path, entries: int, database_url: str | None = None, tell: Report = lambda _: None, *, data: Path = DATA
) -> Settings:
    """Settings of a service on entries 1 to ``entries``, filled unless it is there already.

    ``database_url`` None: SQLite in ``folder``. Models are linked, the vectors of the entries come along. Raises
    Conflict when the database holds another number of entries, OSError when the development data is not there.
    """
    place = folder.resolve()
    place.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (place / "models").symlink_to(Settings().models_folder.resolve())
    url = database_url or f"sqlite:///{place / 'zhida.db'}"
    settings = Settings(data_folder=place, database_url=url)
    engine = open_engine(url)
    try:
        upgrade(engine)
        held = _held(engine)
        if held and held < entries:
            raise Conflict(f"{folder} 中的库只有 {held} 条，不是 {entries} 条。请换一个目录，或先删除它。")
        vectors_lack = not (place / "vectors.db").is_file()
        if held and not vectors_lack:
            return settings
        corpus = ScaleText.read(data)
        if not held:
            _fill(engine, corpus, entries, tell)
        if vectors_lack:
            _bring_vectors(settings, corpus, entries, tell)
    finally:
        engine.dispose()
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """What a process must find in its environment to serve this base."""
    return {"ZHIDA_DATA_FOLDER": str(settings.data_folder), "ZHIDA_DATABASE_URL": settings.database_url}


def agent(number: int) -> str:
    """Login of an agent, from 1 to AGENTS."""
    return f"zuoxi{number:03d}"


def token(login: str) -> str:
    """The bearer token of an agent or of the office."""
    return f"measured-{login}"


def _held(engine: Engine) -> int:
    with sessions(engine)() as session:
        return session.scalar(select(func.count(Entry.id))) or 0


def _fill(engine: Engine, corpus: ScaleText, entries: int, tell: Report) -> None:
    """All or nothing: one transaction."""
    began, now = perf_counter(), utc_now()
    with sessions(engine)() as session:
        city_id = _people(session, now)
        documents = corpus.documents(entries)
        while batch := list(islice(documents, BATCH)):
            _write(session, batch, city_id, now)
            if batch[-1].entry_id % (10 * BATCH) == 0:
                tell(f"写入 {batch[-1].entry_id} 条")
        session.execute(update(CodeNumbers).values(last=entries, given=True))
        _count_on(session)
        session.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    tell(f"造库 {entries} 条，用时 {perf_counter() - began:.0f} 秒")


def _people(session: Session, now: datetime) -> int:
    """A city with its units and rulebook, agents and the office; returns the city's id."""
    city = Region(name=CITY, level=Level.CITY)
    session.add(city)
    session.flush()
    units = [Unit(id=number, name=f"演示单位{number}", level=Level.CITY, region=city) for number in range(1, UNITS + 1)]
    session.add_all(units)
    session.flush()
    hashed = hash_password(PASSWORD)
    roles = {agent(number): RoleGrant(role=Role.AGENT) for number in range(1, AGENTS + 1)}
    roles |= {
        OFFICE: RoleGrant(role=Role.CITY_OFFICE),
        "fenxi": RoleGrant(role=Role.ANALYST),
        "guanli": RoleGrant(role=Role.ADMINISTRATOR),
        "caibian": RoleGrant(role=Role.EDITOR, unit=units[0]),
        "shenhe": RoleGrant(role=Role.REVIEWER, unit=units[0]),
    }
    people = [Person(login=login, name=login, password_hash=hashed, grants=[role]) for login, role in roles.items()]
    session.add_all(people)
    session.flush()
    session.add_all(
        ApiToken(
            token_hash=hashlib.sha256(token(person.login).encode()).hexdigest(),
            person_id=person.id,
            name="测量",
            created_at=now,
        )
        for person in people
    )
    ensure_adopted(session, now=now)
    return city.id


def _write(session: Session, documents: Sequence[Document], city_id: int, now: datetime) -> None:
    """Published versions, in history and change log too."""
    rows: dict[type[Base], list[dict[str, Any]]] = {table: [] for table in TABLES}
    for document in documents:
        number = document.entry_id
        rows[Entry].append({"id": number, "code": f"ZD-{number:06d}", "unit_id": document.unit_id, "created_at": now})
        rows[Version].append(_version(document, city_id, now))
        rows[Phrasing] += _phrasings(document)
        rows[Keyword] += [
            {"version_id": number, "position": place, "text": word} for place, word in enumerate(document.keywords)
        ]
        rows[Transition].append({"version_id": number, "to_status": VersionStatus.PUBLISHED, "at": now})
        rows[ChangeLog].append({"entry_id": number, "at": now})
    for table, some in rows.items():
        session.execute(insert(table), some)


def _version(document: Document, city_id: int, now: datetime) -> dict[str, Any]:
    """An answer that would lose something as Markdown is written as the spoken one."""
    plain = plain_text(document.answer) == document.answer
    return {
        "id": document.version_id,
        "entry_id": document.entry_id,
        "number": 1,
        "status": VersionStatus.PUBLISHED,
        "region_id": city_id,
        "publicity": document.publicity,
        "answer": document.answer if plain else "",
        "spoken": "" if plain else document.answer,
        "valid_from": document.valid_from,
        "valid_to": document.valid_to,
        "created_at": now,
        "published_at": now,
    }


def _phrasings(document: Document) -> Iterator[dict[str, Any]]:
    for place, phrasing in enumerate(document.phrasings):
        yield {
            "version_id": document.version_id,
            "position": place,
            "kind": PhrasingKind.SIMILAR if place else PhrasingKind.STANDARD,
            "text": phrasing[:LONGEST_PHRASING],
        }


def _count_on(session: Session) -> None:
    """PostgreSQL numbers the next rows after those that were written with their numbers."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for table in ("units", "entries", "versions"):
        counted = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
        session.execute(text(counted))


class _Remembering:
    """The encoder, as the cache of the measurements remembers it."""

    def __init__(self, known: VectorStore, fingerprint: str) -> None:
        self._known = known
        self.dimension, self.fingerprint = known.dimension, fingerprint

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:
        return self._known.encode(texts, max_tokens=max_tokens)


def _bring_vectors(settings: Settings, corpus: ScaleText, entries: int, tell: Report) -> None:
    """The vectors of these entries into the cache of the service: it may drop there what it does not need."""
    try:
        encoder = Encoder.load(settings.models_folder / settings.model, threads=os.cpu_count() or 1)
    except ModelError:  # the service does without, too
        return
    began = perf_counter()
    kept = settings.data_folder / "vectors.db"
    unfinished = kept.with_name("vectors.unfinished")
    for file in (unfinished, unfinished.with_name("vectors.unfinished-wal")):
        file.unlink(missing_ok=True)
    with closing(VectorStore(VECTORS, encoder)) as known:
        remembering = _Remembering(known, encoder.fingerprint)
        with closing(VectorStore(unfinished, remembering)) as brought:
            documents = corpus.documents(entries)
            while batch := list(islice(documents, BATCH)):
                phrasings, answers = texts_of(batch)
                brought.encode(phrasings)
                brought.encode(answers, max_tokens=ANSWER_TOKENS)
                if batch[-1].entry_id % (10 * BATCH) == 0:
                    tell(f"取得 {batch[-1].entry_id} 条的向量")
    unfinished.rename(kept)
    tell(f"取得向量，用时 {perf_counter() - began:.0f} 秒")

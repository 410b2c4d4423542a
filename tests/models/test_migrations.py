"""The database is what the mapped classes say, on both kinds, from empty."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, insert, inspect, select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from models.base import Base
from models.database import open_engine
from models.knowledge import Attachment, Basis, ChangeLog, CodeNumbers, Entry, Phrasing, Version
from models.migrate import _config, differences, is_current, upgrade
from models.organisation import Region, RoleGrant, Unit
from models.tables import METADATA
from models.thesaurus import GroupVersion
from models.usage import Gap, Question, ShownAnswer, Verdict
from tests.cast import LOST_CARD, NOW, Cast, published


def test_migrating_from_empty_gives_exactly_the_mapped_tables(engine: Engine) -> None:
    assert is_current(engine)
    assert differences(engine) == ()


def test_check_constraints_are_those_of_the_mapped_tables(engine: Engine, tmp_path: Path) -> None:
    """Alembic does not compare them, so they are read back from a database made straight from the models."""
    made_from_models = open_engine(f"sqlite:///{tmp_path}/models.db")
    METADATA.create_all(made_from_models)
    for table in METADATA.tables:
        expected = {check["name"] for check in inspect(made_from_models).get_check_constraints(table)}
        assert {check["name"] for check in inspect(engine).get_check_constraints(table)} == expected
    made_from_models.dispose()


def test_upgrading_a_current_database_does_nothing(engine: Engine) -> None:
    assert upgrade(engine) is False


def test_an_interrupted_upgrade_leaves_nothing_and_can_be_run_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/half.db")
    with engine.begin() as connection:  # a table in the way of one of the last steps
        connection.exec_driver_sql("CREATE TABLE verdicts (id INTEGER)")
    with pytest.raises(Exception, match="verdicts already exists"):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["verdicts"]
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE verdicts")
    assert upgrade(engine) is True
    assert is_current(engine)
    engine.dispose()


def test_the_change_log_keeps_its_rows_and_its_count_when_it_opens_to_the_thesaurus(tmp_path: Path) -> None:
    """Followers stand at a ``seq``: none may be given twice, even after rows were deleted."""
    engine = open_engine(f"sqlite:///{tmp_path}/older.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(_config(connection), "0001")
        for seq in (1, 2, 7):
            connection.exec_driver_sql(f"INSERT INTO change_log VALUES ({seq}, 5, '2026-11-20 00:00:00')")
    assert upgrade(engine) is True
    with Session(engine) as session:
        session.add(ChangeLog(entry_id=None, at=NOW))
        session.commit()
        session.delete(session.scalars(select(ChangeLog).order_by(ChangeLog.seq.desc())).first())
        session.add(ChangeLog(entry_id=6, at=NOW))
        session.commit()
        rows = session.execute(select(ChangeLog.seq, ChangeLog.entry_id).order_by(ChangeLog.seq)).tuples().all()
    assert rows == [(1, 5), (2, 5), (7, 5), (9, 6)]
    engine.dispose()


GROUP: dict[str, object] = {
    "head": "社会保障卡",
    "number": 1,
    "sayings": [],
    "field": "",
    "note": "",
    "removed": False,
    "created_at": NOW,
}
IMPOSSIBLE: dict[str, tuple[type[Base], dict[str, object]]] = {
    "a county without a city": (Region, {"name": "无市县", "level": "county"}),
    "an unknown level": (Region, {"name": "某省", "level": "province"}),
    "two regions of one name": (Region, {"name": "安澜市", "level": "city"}),
    "an editor without a unit": (RoleGrant, {"person_id": 1, "role": "editor"}),
    "an agent of one unit": (RoleGrant, {"person_id": 1, "role": "agent", "unit_id": 1}),
    "an agent twice": (RoleGrant, {"person_id": 1, "role": "agent"}),
    "an editor of one unit twice": (RoleGrant, {"person_id": 2, "role": "editor", "unit_id": 1}),
    "one county's office twice": (RoleGrant, {"person_id": 6, "role": "county_office", "region_id": 2}),
    "a second count of codes": (CodeNumbers, {"id": 2, "last": 0, "given": False}),
    "a city unit with a counterpart": (
        Unit,
        {"name": "甲局", "level": "city", "region_id": 1, "counterpart_id": 1, "phone": ""},
    ),
    "an entry without a code": (Entry, {"code": "", "unit_id": 1, "created_at": NOW}),
    "an entry of no unit": (Entry, {"code": "X", "unit_id": 99, "created_at": NOW}),
    "an unknown status": (
        Version,
        {
            "entry_id": 1,
            "region_id": 1,
            "number": 2,
            "status": "gone",
            "answer": "",
            "publicity": "public",
            "created_at": NOW,
        },
    ),
    "a second live version": (
        Version,
        {
            "entry_id": 1,
            "region_id": 1,
            "number": 2,
            "status": "published",
            "answer": "",
            "publicity": "public",
            "created_at": NOW,
            "published_at": NOW,
        },
    ),
    "a published version without a moment": (
        Version,
        {
            "entry_id": 1,
            "region_id": 1,
            "number": 2,
            "status": "published",
            "answer": "",
            "publicity": "public",
            "created_at": NOW,
        },
    ),
    "a validity that ends before it begins": (
        Version,
        {
            "entry_id": 1,
            "region_id": 1,
            "number": 2,
            "status": "draft",
            "answer": "",
            "publicity": "public",
            "created_at": NOW,
            "valid_from": NOW,
            "valid_to": NOW,
        },
    ),
    "a second standard question": (
        Phrasing,
        {"version_id": 1, "kind": "standard", "position": 9, "text": "再问一遍"},
    ),
    "an empty phrasing": (Phrasing, {"version_id": 1, "kind": "similar", "position": 9, "text": ""}),
    "a basis without a document": (
        Basis,
        {"version_id": 1, "position": 9, "document": "", "number": "", "attachment_count": 0},
    ),
    "an attachment without its digest": (
        Attachment,
        {"version_id": 1, "filename": "a", "media_type": "b", "sha256": "c", "size_bytes": 1},
    ),
    "a score above one": (ShownAnswer, {"question_id": 1, "rank": 1, "version_id": 1, "score": 1.01}),
    "a fault without a reason": (
        Verdict,
        {
            "question_id": 1,
            "version_id": 1,
            "person_id": 1,
            "judgement": "incorrect",
            "reason": None,
            "note": "",
            "at": NOW,
        },
    ),
    "a group of words without a head": (GroupVersion, {**GROUP, "head": ""}),
    "a version of a group before the first": (GroupVersion, {**GROUP, "number": 0}),
    "one version of a group twice": (GroupVersion, GROUP),
    "a gap without words": (Gap, {"text": "", "note": "", "person_id": 1, "at": NOW}),
}


@pytest.mark.parametrize("year", [1, 1948, 2200, 9999])
def test_no_moment_is_stored_that_no_list_could_show(year: int, session: Session, cast: Cast) -> None:
    version = published(session, LOST_CARD)
    version.valid_to = datetime(year, 12, 31, tzinfo=UTC)
    with pytest.raises(StatementError, match="is not between 1949-01-01 and 2200-01-01"):
        session.flush()


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_the_database_refuses(what: str, session: Session, cast: Cast) -> None:
    published(session, LOST_CARD)
    session.add(Question(text="问", person_id=cast.agent.id, asked_at=NOW, outcome="none", took_ms=1.0))
    session.add(GroupVersion(**GROUP))
    session.commit()
    table, row = IMPOSSIBLE[what]
    with pytest.raises(IntegrityError):
        session.execute(insert(table.__table__), row)  # type: ignore[arg-type]

"""Who may take entries out, and that taking them out and in again changes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.export import export_csv, export_jsonl, export_xlsx
from ingest.rows import Defaults
from ingest.spreadsheets import read_file
from kb_admin import lifecycle
from kb_admin.exporting import Wanted, entries_to_export
from kb_admin.importing import apply_import, plan_import
from kb_admin.permissions import Action, Reach, grants_of
from kb_admin.visibility import reach_of
from models.errors import Forbidden
from models.organisation import Person, Unit
from models.values import ExportedEntry
from tests.cast import CITY, LOST_CARD, NOW, RESIDENCE_PERMIT, SOCIAL_SECURITY, Cast, published
from tests.kb_admin.test_visibility import QINGYUAN

MATERIAL = Path(__file__).parents[3] / "shared"


def taken_out(
    session: Session, who: Person, *, unit_ids: list[int] | None = None, wanted: Wanted = Wanted.LIVE
) -> tuple[ExportedEntry, ...]:
    grants = grants_of(who)
    allowed = reach_of(Action.EXPORT, grants, session.scalars(select(Unit)), QINGYUAN)
    return entries_to_export(session, grants=grants, allowed=allowed, unit_ids=unit_ids, wanted=wanted)


def test_a_file_holds_no_more_than_its_taker_may_read(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    for who in (cast.analyst, cast.editor):
        assert entries_to_export(session, grants=grants_of(who), allowed=Reach()) == ()
        with pytest.raises(Forbidden):
            entries_to_export(session, grants=grants_of(who), allowed=Reach(), unit_ids=[cast.unit.id])


def test_office_takes_everything_and_a_unit_only_its_own(session: Session, cast: Cast) -> None:
    published(session, LOST_CARD, code="A-1")
    published(session, RESIDENCE_PERMIT, code="B-1")
    assert [e.code for e in taken_out(session, cast.office)] == ["A-1", "B-1"]
    assert [e.code for e in taken_out(session, cast.editor)] == ["A-1"]
    assert [e.code for e in taken_out(session, cast.stranger)] == ["B-1"]
    with pytest.raises(Forbidden, match="本单位"):
        taken_out(session, cast.stranger, unit_ids=[cast.unit.id])


@pytest.mark.parametrize("role", ["agent", "leader", "county_office", "administrator"])
def test_who_may_not_export_is_told(session: Session, cast: Cast, role: str) -> None:
    with pytest.raises(Forbidden):
        taken_out(session, getattr(cast, role))


def test_live_wording_is_exported_unless_the_newest_is_wanted(session: Session, cast: Cast) -> None:
    live = published(session, LOST_CARD, code="A-1")
    lifecycle.add_version(session, live.entry, replace(LOST_CARD, answer="新"), actor=None, now=NOW)
    lifecycle.create_entry(session, RESIDENCE_PERMIT, code="B-1", actor=None, now=NOW)
    session.commit()
    assert [e.content.answer for e in taken_out(session, cast.office)] == [LOST_CARD.answer]
    newest = taken_out(session, cast.office, wanted=Wanted.NEWEST)
    assert [(e.code, e.content.answer) for e in newest] == [("A-1", "新"), ("B-1", RESIDENCE_PERMIT.answer)]


@pytest.mark.skipif(not MATERIAL.exists(), reason="the shared example files are not beside this checkout")
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        # rows below the headers; new; said before by another row or entry; refused
        ("documents/spreadsheets/QAPairs.xlsx", (2009, 1757, 252, 0)),
        ("documents/spreadsheets/FeiHushOnSite_知识库.xlsx", (26, 13, 1, 12)),
        ("documents/spreadsheets/knowledgeDataTemp.xlsx", (0, 0, 0, 0)),
        ("documents/spreadsheets/synonymWordDataTemp.xlsx", (0, 0, 0, 0)),
        ("documents/spreadsheets/correctWordDataTemp.xlsx", (0, 0, 0, 0)),
        ("data/shenzhen_power_kb/corpus.jsonl", (1746, 1746, 0, 0)),
        ("data/hsinchu1999_faq/corpus.jsonl", (315, 311, 0, 4)),
    ],
)
def test_real_files_import_with_their_true_numbers_and_export_changes_nothing(
    session: Session, cast: Cast, file: str, expected: tuple[int, int, int, int]
) -> None:
    office = grants_of(cast.office)
    read = read_file(MATERIAL / file, defaults=Defaults(unit=SOCIAL_SECURITY, region=CITY))
    plan = plan_import(session, read.rows, read.problems, grants=office, now=NOW)
    assert (read.row_count, len(plan.new), len(plan.unchanged), plan.refused_rows) == expected
    apply_import(session, plan, all_or_nothing=False, publish=True, actor=cast.office, now=NOW)
    session.commit()
    exported = taken_out(session, cast.office)
    assert len(exported) == expected[1]
    for write, suffix in ((export_xlsx, ".xlsx"), (export_csv, ".csv"), (export_jsonl, ".jsonl")):
        again = read_file(write(exported), f"again{suffix}") if exported else read
        plan = plan_import(session, again.rows, again.problems, grants=office, now=NOW)
        assert (len(plan.new), len(plan.changed), plan.refused_rows) == (0, 0, 0)
        assert len(plan.unchanged) == expected[1]

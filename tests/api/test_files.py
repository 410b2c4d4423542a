"""Files of entries through the API: tried first, then written, and out again unchanged."""

import io
import json
from dataclasses import replace
from datetime import date

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from ingest.export import export_xlsx
from models.knowledge import Entry, Version
from models.values import EntryContent, ExportedEntry, VersionStatus
from tests.cast import LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES, Visit

ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)
S = VersionStatus


@ON_BOTH
def test_the_office_tries_then_imports_then_publishes(visit: Visit, people: Cast, base: Session) -> None:
    office = visit(people.office)
    content = _workbook(LOST_CARD, RESIDENCE_PERMIT)
    tried = _import(office, content)
    assert (tried["applied"], tried["rows"], tried["new"], tried["refused"]) == (False, 2, 2, 0)
    assert base.scalar(select(func.count()).select_from(Entry)) == 0
    done = _import(office, content, dry_run="false", publish="true")
    assert (done["applied"], done["published"], done["new"]) == (True, True, 2)
    assert set(base.scalars(select(Version.status))) == {S.PUBLISHED}
    assert _import(office, content)["unchanged"] == 2


def test_what_an_editor_imports_waits_for_review(visit: Visit, people: Cast, base: Session) -> None:
    _import(visit(people.editor), _workbook(LOST_CARD), dry_run="false")
    assert base.scalars(select(Version.status)).all() == [S.SUBMITTED]


def test_an_editor_may_not_publish(visit: Visit, people: Cast, base: Session) -> None:
    files = {"file": ("条目.xlsx", _workbook(LOST_CARD))}
    reply = visit(people.editor).post("/api/v1/import", files=files, data={"dry_run": "false", "publish": "true"})
    assert reply.status_code == 403
    assert base.scalar(select(func.count()).select_from(Entry)) == 0


def test_a_strangers_rows_are_refused_one_by_one_with_place_and_reason(visit: Visit, people: Cast) -> None:
    tried = _import(visit(people.stranger), _workbook(LOST_CARD, RESIDENCE_PERMIT))
    assert (tried["new"], tried["refused"]) == (1, 1)
    (problem,) = tried["problems"]
    assert problem["row"] == 2
    assert LOST_CARD.unit in problem["reason"]


def test_all_or_nothing_or_the_good_rows_as_chosen(visit: Visit, people: Cast, base: Session) -> None:
    stranger = visit(people.stranger)
    files = {"file": ("条目.xlsx", _workbook(LOST_CARD, RESIDENCE_PERMIT))}
    refused = stranger.post("/api/v1/import", files=files, data={"dry_run": "false"})
    assert refused.status_code == 422
    assert base.scalar(select(func.count()).select_from(Entry)) == 0
    done = _import(stranger, _workbook(LOST_CARD, RESIDENCE_PERMIT), dry_run="false", all_or_nothing="false")
    assert (done["new"], done["refused"]) == (1, 1)
    assert base.scalar(select(func.count()).select_from(Entry)) == 1


def test_a_wrong_guess_of_a_column_can_be_corrected(visit: Visit, people: Cast) -> None:
    line = {"甲": LOST_CARD.question, "answer": LOST_CARD.answer, "unit": LOST_CARD.unit}
    content = json.dumps(line, ensure_ascii=False).encode()
    office = visit(people.office)
    assert _import(office, content, name="a.jsonl", mapping=["甲=question"])["new"] == 1
    reply = office.post("/api/v1/import", files={"file": ("a.jsonl", content)}, data={"mapping": ["甲=nothing"]})
    assert (reply.status_code, "标准问" in reply.json()["error"]["message"]) == (422, True)


def test_the_header_row_can_be_said(visit: Visit, people: Cast) -> None:
    rows = ("事项,怎么说,单位", *(f"社保卡丢了怎么办{n},到窗口补领,{LOST_CARD.unit}" for n in "12"))
    content = "\n".join(rows).encode()
    office = visit(people.office)
    columns = ["A=question", "B=answer", "C=unit"]
    guessed = _import(office, content, name="a.csv", mapping=columns)
    assert (guessed["tables"][0]["header_row"], guessed["rows"]) == (0, 3)
    told = _import(office, content, name="a.csv", mapping=columns, header=["a.csv=1"])
    assert (told["tables"][0]["header_row"], told["rows"], told["new"]) == (1, 2, 2)


@pytest.mark.parametrize("header", ["1", "a.csv=", "a.csv=二", "a.csv=-1", "a.csv=99999999", "b.csv=1", "a.csv=7"])
def test_a_header_row_that_cannot_be_is_refused(header: str, visit: Visit, people: Cast) -> None:
    files = {"file": ("a.csv", "问题,答案\n甲,乙".encode())}
    reply = visit(people.office).post("/api/v1/import", files=files, data={"header": [header]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")


def test_a_file_that_is_not_what_it_says_is_refused(visit: Visit, people: Cast) -> None:
    reply = visit(people.office).post("/api/v1/import", files={"file": ("条目.xlsx", b"<html></html>")})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "file_refused")


@pytest.mark.parametrize("who", ["agent", "reviewer", "leader", "county_office", "analyst"])
def test_who_does_not_edit_does_not_import(who: str, visit: Visit, people: Cast) -> None:
    browser = visit(getattr(people, who))
    reply = browser.post("/api/v1/import", files={"file": ("条目.xlsx", _workbook(LOST_CARD))})
    assert reply.status_code == 403
    assert browser.get("/api/v1/template.xlsx").status_code == 403


@ON_BOTH
@pytest.mark.parametrize("file_format", ["xlsx", "csv", "jsonl"])
def test_what_is_exported_imports_back_unchanged(file_format: str, visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD)
    published(base, replace(RESIDENCE_PERMIT, answer="=1+1\n- 甲,乙\t“丙”"))
    office = visit(people.office)
    reply = office.get("/api/v1/export", params={"format": file_format})
    assert reply.status_code == 200
    tried = _import(office, reply.content, name=f"a.{file_format}")
    assert (tried["unchanged"], tried["rows"]) == (2, 2)


def test_an_editor_exports_the_own_unit_only(visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD)
    published(base, RESIDENCE_PERMIT)
    editor = visit(people.editor)
    lines = editor.get("/api/v1/export", params={"format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["question"] for line in lines] == [LOST_CARD.question]
    assert editor.get("/api/v1/export", params={"unit": RESIDENCE_PERMIT.unit}).status_code == 403
    assert visit(people.agent).get("/api/v1/export").status_code == 403


def test_the_template_offers_this_bases_units(visit: Visit, people: Cast) -> None:
    reply = visit(people.editor).get("/api/v1/template.xlsx")
    book = load_workbook(io.BytesIO(reply.content))
    texts = {cell.value for sheet in book for row in sheet.iter_rows() for cell in row}
    assert {people.unit.name, people.county.name} <= texts
    assert _import(visit(people.editor), reply.content)["rows"] == 0


FEW = f"标准问,答案,备注\n{LOST_CARD.question},新答案。,".encode()
BLANK = f"标准问,答案,相似问法,依据\n{LOST_CARD.question},新答案。,,".encode()


@ON_BOTH
def test_a_file_with_few_columns_wipes_nothing(visit: Visit, people: Cast, base: Session) -> None:
    live = published(base, LOST_CARD)
    office, unit = visit(people.office), LOST_CARD.unit
    tried = _import(office, FEW, name="a.csv", unit=unit)
    (changed,) = tried["changed_entries"]
    assert (changed["row"], changed["code"], changed["question"]) == (2, live.entry.code, LOST_CARD.question)
    assert [(c["field"], c["after"], c["cleared"]) for c in changed["changes"]] == [("answer", "新答案。", "")]
    _import(office, FEW, name="a.csv", unit=unit, dry_run="false", publish="true")
    base.expire_all()
    assert live.entry.versions[-1].content() == replace(LOST_CARD, answer="新答案。")


def test_what_an_empty_column_would_wipe_is_said(visit: Visit, people: Cast, base: Session) -> None:
    published(base, LOST_CARD)
    office = visit(people.office)
    (changed,) = _import(office, BLANK, name="a.csv", unit=LOST_CARD.unit)["changed_entries"]
    assert [c["cleared"] for c in changed["changes"] if c["cleared"]] == ["相似问法 2 条", "依据 1 件"]
    trial = office.post("/import", files={"file": ("a.csv", BLANK)}).headers["location"]
    page = office.get(trial, params={"unit": LOST_CARD.unit}).text
    assert '<strong class="lost">将清空：相似问法 2 条、依据 1 件</strong>' in page
    assert "→ 新答案。" in page


def test_nothing_is_confirmed_before_somebody_says_where_the_header_is(
    visit: Visit, people: Cast, base: Session
) -> None:
    office = visit(people.office)
    content = "\n".join(f"社保卡丢了怎么办{n},到窗口补领新的社保卡。" for n in "123").encode()
    trial = office.post("/import", files={"file": ("a.csv", content)}).headers["location"]
    reading = {"unit": LOST_CARD.unit, "region": people.city.name}
    sentence = "没有认出表头，请先选择表头所在的行（或选“没有表头”）"
    page = office.get(trial, params=reading).text
    assert sentence in page
    assert 'class="primary" disabled' in page
    refused = office.post(f"{trial}/apply", data=reading)
    assert (refused.status_code, sentence in refused.text) == (422, True)
    page = office.get(trial, params={**reading, "header": "a.csv=0"}).text
    assert sentence not in page
    assert 'class="primary" disabled' not in page
    assert office.post(f"{trial}/apply", data={**reading, "header": "a.csv=0"}).status_code == 303
    assert base.scalar(select(func.count()).select_from(Entry)) == 3


def test_all_faults_of_a_row_are_told_at_once(visit: Visit, people: Cast) -> None:
    content = f"标准问,答案,生效时间,责任单位\n甲,,昨天,{LOST_CARD.unit}".encode()
    tried = _import(visit(people.stranger), content, name="a.csv")
    assert [problem["column"][:1] for problem in tried["problems"]] == ["C", "B", "D"]
    assert tried["refused"] == 1


@ON_BOTH
def test_what_other_programs_write_for_never_harms_no_list(visit: Visit, people: Cast, base: Session) -> None:
    office = visit(people.office)
    ends = ("9999-12-31T20:00:00Z", "9999-12-31", "2999-01-01", "2199-12-31")
    line = {"answer": "答", "unit": LOST_CARD.unit, "publicity": "公开"}
    lines = [{**line, "question": f"第 {n} 问", "valid_to": end} for n, end in enumerate(ends)]
    content = "\n".join(json.dumps(item, ensure_ascii=False) for item in lines).encode()
    done = _import(office, content, name="a.jsonl", dry_run="false", publish="true", all_or_nothing="false")
    assert (done["new"], done["refused"]) == (3, 1)
    ends = [json.loads(text)["valid_to"] for text in office.get("/api/v1/export?format=jsonl").text.splitlines()]
    assert ends == [None, None, "2199-12-31"]
    assert office.get("/entries").status_code == office.get("/entries/ZD-000003").status_code == 200
    dated = Workbook()
    dated.active.append(["标准问", "答案", "责任单位", "下架时间"])
    dated.active.append(["第 9 问", "答", LOST_CARD.unit, date(9999, 12, 31)])
    output = io.BytesIO()
    dated.save(output)
    assert _import(office, output.getvalue())["new"] == 1


@ON_BOTH
@pytest.mark.parametrize("bad", ["\ud83d", "\x00", "\x07"])
def test_a_character_that_nobody_can_store_costs_its_row_not_the_import(
    bad: str, visit: Visit, people: Cast, base: Session
) -> None:
    office = visit(people.office)
    good = {"question": "甲", "answer": "乙", "unit": LOST_CARD.unit}
    lines = [
        {**good, "question": f"丙{bad}"},
        {**good, "code": f"A{bad}"},
        {**good, "unit": f"局{bad}"},
        {**good, bad: 1},
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    tried = _import(office, content, name="a.jsonl")
    assert (tried["new"], [problem["row"] for problem in tried["problems"]]) == (1, [1, 2, 3])
    trial = office.post("/import", files={"file": ("a.jsonl", content)}).headers["location"]
    assert f"U+{ord(bad):04X}" in office.get(trial).text
    report = load_workbook(io.BytesIO(office.get(f"{trial}/refused.xlsx").content)).active
    assert "丙\ufffd" in {cell.value for cell in report[2]}
    done = office.post(f"{trial}/apply", data={"all_or_nothing": "false", "region": people.city.name})
    assert done.status_code == 303
    assert base.scalar(select(func.count()).select_from(Entry)) == 1


def test_half_a_character_in_a_workbook_is_shown_as_damaged(visit: Visit, people: Cast) -> None:
    book = Workbook()
    book.active.append(["标准问", "答案", "备注_xD83D_"])
    book.active.append(["甲_xD83D_", "乙_x0000_", "丙_x0007_"])
    output = io.BytesIO()
    book.save(output)
    office = visit(people.office)
    trial = office.post("/import", files={"file": ("a.xlsx", output.getvalue())}).headers["location"]
    assert "U+D83D" in office.get(trial).text
    assert office.get(f"{trial}/refused.xlsx").status_code == 200


def test_what_waits_is_published_along_and_the_pages_say_so(visit: Visit, people: Cast, base: Session) -> None:
    _import(visit(people.editor), _workbook(LOST_CARD), dry_run="false")
    office = visit(people.office)
    tried = _import(office, _workbook(LOST_CARD))
    assert (tried["unchanged"], tried["pending"], tried["off"]) == (1, 1, 0)
    trial = office.post("/import", files={"file": ("条目.xlsx", _workbook(LOST_CARD))}).headers["location"]
    assert "尚未发布的版本相同" in office.get(trial).text
    result = office.post(f"{trial}/apply", data={"publish": "true"}).headers["location"]
    assert "已随之发布" in office.get(result).text
    assert base.scalars(select(Version.status)).all() == [S.PUBLISHED]


def _workbook(*contents: EntryContent) -> bytes:
    return export_xlsx([ExportedEntry("", content) for content in contents])


def _import(
    browser: TestClient, content: bytes, *, name: str = "条目.xlsx", **form: str | list[str]
) -> dict[str, object]:
    reply = browser.post("/api/v1/import", files={"file": (name, content)}, data=form)
    assert reply.status_code == 200, reply.text
    return reply.json()

"""The import page: a file is tried, corrected, confirmed; whose it is, and what is refused."""

import io
import re
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.wiring import Services
from models.knowledge import Entry, Version
from models.values import VersionStatus
from tests.cast import CITY, POLICE, SOCIAL_SECURITY, Cast
from tests.conftest import DATABASES, Visit


def workbook(*rows: tuple[str, str, str]) -> bytes:
    """A file with question, answer and unit."""
    book = Workbook()
    for row in (("标准问", "答案", "责任单位"), *rows):
        book.active.append(row)
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def upload(browser: TestClient, content: bytes, filename: str = "知识.xlsx") -> str:
    """The address of the trial."""
    reply = browser.post("/import", files={"file": (filename, content)})
    assert reply.status_code == 303, reply.text
    return str(reply.headers["location"])


def figures_of(page: str) -> dict[str, str]:
    """The totals of a trial or a result."""
    return dict(re.findall(r"<dt>(\S+)</dt><dd>(\d+)</dd>", page))


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_a_file_is_tried_confirmed_and_deleted(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    browser = visit(people.office)
    good = ("失业金怎么领", "带身份证到窗口申领。", SOCIAL_SECURITY)
    trial = upload(browser, workbook(good, ("", "没有问题的行", SOCIAL_SECURITY)))
    page = browser.get(trial).text
    assert figures_of(page) == {"行": "2", "新增": "1", "有改动": "0", "无变化": "0", "拒绝": "1"}
    assert base.scalars(select(Entry)).all() == []
    region = {"region": "安澜市"}
    refused = browser.post(f"{trial}/apply", data={"all_or_nothing": "true", **region})
    assert refused.status_code == 422
    assert base.scalars(select(Entry)).all() == []
    done = browser.post(f"{trial}/apply", data={"all_or_nothing": "false", "publish": "true", **region})
    assert done.status_code == 303
    assert "已导入" in browser.get(done.headers["location"]).text
    assert base.scalars(select(Version)).one().status is VersionStatus.PUBLISHED
    assert browser.get(trial).status_code == 404
    report = browser.get(done.headers["location"] + "/refused.xlsx").content
    assert "没有问题的行" in {cell.value for row in load_workbook(io.BytesIO(report)).active for cell in row}
    assert len(list(services.settings.uploads_folder.glob("*.upload"))) == 1  # the report, until it is abandoned


def test_a_wrong_guess_of_a_column_can_be_corrected(visit: Visit, people: Cast) -> None:
    content = f"标准问,热线这样说,责任单位\n失业金怎么领,带身份证到窗口申领。,{SOCIAL_SECURITY}\n".encode()
    browser = visit(people.office)
    trial = upload(browser, content, "知识.csv")
    guessed = browser.get(trial).text
    assert figures_of(guessed)["拒绝"] == "1"
    sheet = re.search(r'aria-label="(\S+) 的列"', guessed)
    assert sheet is not None
    corrected = browser.get(trial, params={"column": f"{sheet[1]}!B=answer", "region": CITY}).text
    assert "由您指定" in corrected
    assert figures_of(corrected)["新增"] == "1"


def test_the_header_row_can_be_pointed_out_for_each_sheet(visit: Visit, people: Cast, base: Session) -> None:
    content = f"热线常用语\n事项,怎么说,归谁\n失业金怎么领,到窗口申领。,{SOCIAL_SECURITY}\n".encode()
    browser = visit(people.office)
    trial = upload(browser, content, "知识.csv")
    guessed = browser.get(trial).text
    assert "自动识别：没有表头" in guessed
    assert '<option value="知识.csv=2">第 2 行：事项 | 怎么说 | 归谁</option>' in guessed
    columns = [f"知识.csv!{column}" for column in ("A=question", "B=answer", "C=unit")]
    reading: dict[str, str | list[str]] = {"column": columns, "header": ["知识.csv=2"], "region": CITY}
    corrected = browser.get(trial, params=reading).text
    assert '<option value="知识.csv=2" selected>' in corrected
    assert figures_of(corrected) == {"行": "1", "新增": "1", "有改动": "0", "无变化": "0", "拒绝": "0"}
    assert '<input type="hidden" name="header" value="知识.csv=2">' in corrected
    assert browser.post(f"{trial}/apply", data=reading).status_code == 303
    assert base.scalars(select(Version)).one().question == "失业金怎么领"


def test_a_header_row_that_cannot_be_is_said_in_words(visit: Visit, people: Cast) -> None:
    browser = visit(people.office)
    trial = upload(browser, workbook(("问", "答", SOCIAL_SECURITY)))
    reply = browser.get(trial, params={"header": "Sheet=9"})
    assert reply.status_code == 422
    assert "“Sheet”的第 9 行没有内容" in reply.text


MATERIAL = Path(__file__).parents[3] / "shared" / "documents" / "spreadsheets"
with_material = pytest.mark.skipif(
    not MATERIAL.exists(), reason="the shared example files are not beside this checkout"
)


@with_material
def test_another_systems_export_with_unit_and_region_chosen(visit: Visit, people: Cast) -> None:
    browser = visit(people.office)
    trial = upload(browser, (MATERIAL / "FeiHushOnSite_知识库.xlsx").read_bytes(), "FeiHushOnSite_知识库.xlsx")
    page = browser.get(trial, params={"unit": SOCIAL_SECURITY, "region": CITY}).text
    assert figures_of(page) == {"行": "26", "新增": "13", "有改动": "0", "无变化": "1", "拒绝": "12"}
    assert re.findall(r"自动识别：第 (\d) 行", page) == ["2", "1"]


@with_material
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("knowledgeDataTemp.xlsx", "Sheet1：只有第 1 行的表头，下面没有条目。"),
        ("synonymWordDataTemp.xlsx", "Sheet：没有认出“标准问”列，看来不是知识条目"),
        ("correctWordDataTemp.xlsx", "Sheet：没有认出“标准问”列，看来不是知识条目"),
    ],
)
def test_a_file_without_entries_says_why_nothing_was_read(file: str, reason: str, visit: Visit, people: Cast) -> None:
    browser = visit(people.office)
    page = browser.get(upload(browser, (MATERIAL / file).read_bytes(), file)).text
    assert figures_of(page)["行"] == "0"
    assert reason in page
    assert "完全一致" not in page
    assert "确认导入&thinsp;" not in page


def test_an_uploaded_file_is_for_its_owner_alone(visit: Visit, people: Cast) -> None:
    trial = upload(visit(people.office), workbook(("问", "答", SOCIAL_SECURITY)))
    assert visit(people.editor).get(trial).status_code == 404
    assert visit(people.editor).post(f"{trial}/apply").status_code == 404
    assert visit(people.editor).post(f"{trial}/drop").status_code == 404
    assert visit(people.office).get(trial).status_code == 200
    assert visit(people.office).get("/import/..%2F..%2Fzhida").status_code == 404


def test_an_editor_imports_for_the_own_unit_only(visit: Visit, people: Cast, base: Session) -> None:
    browser = visit(people.editor)
    rows = (("失业金怎么领", "到窗口申领。", SOCIAL_SECURITY), ("身份证怎么补", "到派出所。", POLICE))
    trial = upload(browser, workbook(*rows))
    assert figures_of(browser.get(trial).text)["拒绝"] == "1"
    browser.post(f"{trial}/apply", data={"all_or_nothing": "false", "region": "安澜市", "publish": "true"})
    assert base.scalars(select(Version)).all() == []  # an editor may not publish
    browser.post(f"{trial}/apply", data={"all_or_nothing": "false", "region": "安澜市"})
    version = base.scalars(select(Version)).one()
    assert (version.question, version.status) == ("失业金怎么领", VersionStatus.SUBMITTED)


@pytest.mark.parametrize("who", ["agent", "reviewer", "analyst", "administrator"])
def test_import_is_for_editors_and_the_office(visit: Visit, people: Cast, who: str) -> None:
    browser = visit(getattr(people, who))
    assert browser.get("/import").status_code == 403
    assert browser.post("/import", files={"file": ("a.xlsx", b"x")}).status_code == 403
    assert 'href="/import"' not in browser.get("/").text


def test_a_file_that_is_not_what_its_name_says_is_refused_in_words(
    visit: Visit, people: Cast, services: Services
) -> None:
    browser = visit(people.office)
    reply = browser.get(upload(browser, b"<html>", "知识.xlsx"))
    assert reply.status_code == 422
    assert "知识.xlsx" in reply.text
    assert list(services.settings.uploads_folder.iterdir()) == []

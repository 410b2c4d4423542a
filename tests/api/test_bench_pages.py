"""The pages of the analysts' bench: upload, draw, run, compare, export, delete; and who is refused."""

import io
import re
from datetime import timedelta

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api import security
from api.bench_running import TestRunner
from api.clock import utc_now
from api.wiring import Services
from kb_admin import bench_runs
from kb_admin.visibility import NO_RIGHTS
from models.bench import TestCase, TestResult, TestRun, TestSet
from models.values import RunStatus
from tests.api.test_import_pages import figures_of
from tests.cast import INTERNAL_CONTACT, Cast, published
from tests.conftest import DATABASES, Visit

ROWS = (
    ("社会保障卡丢失后怎样补领", "SB-001"),
    ("居住证怎样申领", "居住证怎样申领"),
    ("量子纠缠", ""),
    ("暂住证在哪里办", "SB-001"),
)


def workbook(*rows: tuple[str, str]) -> bytes:
    book = Workbook()
    for row in (("问题", "应答条目"), *rows):
        book.active.append(row)
    output = io.BytesIO()
    book.save(output)
    return output.getvalue()


def upload(browser: TestClient, *rows: tuple[str, str], filename: str = "题.xlsx") -> str:
    reply = browser.post("/tests/import", files={"file": (filename, workbook(*rows))})
    assert reply.status_code == 303, reply.text
    return str(reply.headers["location"])


def kept(browser: TestClient, *rows: tuple[str, str], name: str = "社保题") -> str:
    """Address of a set."""
    trial = upload(browser, *rows)
    reply = browser.post(f"{trial}/keep", data={"name": name, "question": "A", "expected": "B", "header": "1"})
    assert reply.status_code == 303, reply.text
    return str(reply.headers["location"])


def run(browser: TestClient, services: Services, test_set: str, **settings: str) -> str:
    """Address of a run that is done."""
    reply = browser.post(f"{test_set}/run", data=settings)
    assert reply.status_code == 303, reply.text
    TestRunner(services.bench).catch_up()
    return str(reply.headers["location"])


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_upload_run_change_a_setting_run_and_compare(
    visit: Visit, people: Cast, entry: object, services: Services
) -> None:
    browser = visit(people.analyst)
    test_set = kept(browser, *ROWS)
    assert "量子纠缠" in browser.get(test_set).text
    first = run(browser, services, test_set)
    page = browser.get(first).text
    assert "首位正确率" in page
    assert "应答条目排在首位的题 ÷ 有答案的题" in page
    assert "<polyline" in page
    second = run(browser, services, test_set, direct="1", name="阈值 1")
    numbers = [address.rpartition("/")[2] for address in (first, second)]
    compared = browser.get("/tests/compare", params={"before": numbers[0], "after": numbers[1]}).text
    assert "变差" in compared
    assert "差别可能只是偶然" in compared
    case = re.search(r'href="(/tests/cases/\d+\?run=\d+&amp;run=\d+)">社会保障卡丢失', compared)
    assert case
    side_by_side = browser.get(case[1].replace("&amp;", "&")).text
    assert "阈值 1" in side_by_side
    assert 'class="is-right"' in side_by_side


BIG = 10**30


@pytest.mark.parametrize(
    "path",
    [
        *(f"/tests/runs/{BIG}", f"/tests/runs/{BIG}/export", f"/tests/sets/{BIG}", f"/tests/cases/{BIG}"),
        *(f"/tests/compare?before={BIG}&after=1", f"/tests/cases/1?run={BIG}"),
    ],
)
def test_a_number_that_no_database_holds_is_bad_input(visit: Visit, people: Cast, path: str) -> None:
    assert visit(people.analyst).get(path).status_code in (404, 422)


def test_weights_that_there_are_not_are_told_whatever_is_written(visit: Visit, people: Cast, entry: object) -> None:
    browser = visit(people.analyst)
    reply = browser.post(f"{kept(browser, *ROWS)}/run", data={"weights": "9" * 20})
    assert reply.status_code == 422
    assert "没有编号为" in reply.text


def test_a_bad_row_is_told_and_left_out_only_if_chosen(
    visit: Visit, people: Cast, entry: object, base: Session
) -> None:
    browser = visit(people.office)
    trial = upload(browser, ROWS[0], ("没有这个条目的题", "XX-9"), ("", "SB-001"))
    page = browser.get(trial).text
    assert figures_of(page) == {"行": "3", "可用的题": "1", "其中应无答案": "0", "有误的行": "2"}
    assert "“XX-9”" in page
    told = {"name": "题", "question": "A", "expected": "B", "header": "1"}
    assert browser.post(f"{trial}/keep", data=told).status_code == 422
    assert base.scalar(select(func.count(TestSet.id))) == 0
    report = load_workbook(io.BytesIO(browser.get(f"{trial}/refused.xlsx").content))
    assert report.active.max_row == 3
    assert browser.post(f"{trial}/keep", data={**told, "all_or_nothing": "false"}).status_code == 303
    assert base.scalar(select(func.count(TestCase.id))) == 1
    assert browser.get(trial).status_code == 404


def test_without_a_column_of_entries_a_person_must_decide(visit: Visit, people: Cast, entry: object) -> None:
    browser = visit(people.analyst)
    reply = browser.post("/tests/import", files={"file": ("题.csv", "问题\n火星怎么去\n".encode())})
    trial = reply.headers["location"]
    assert "没有认出应答条目所在的列" in browser.get(trial).text
    refused = browser.post(f"{trial}/keep", data={"name": "题", "question": "A"})
    assert refused.status_code == 422
    page = browser.get(trial, params={"question": "A", "expected": "-"}).text
    assert figures_of(page)["其中应无答案"] == "1"


def test_an_uploaded_file_is_its_owners(visit: Visit, people: Cast, entry: object) -> None:
    trial = upload(visit(people.analyst), *ROWS)
    other = visit(people.office)
    assert other.get(trial).status_code == 404
    assert other.post(f"{trial}/keep", data={"name": "题"}).status_code == 404


def test_a_broken_file_is_refused_in_words(visit: Visit, people: Cast, services: Services) -> None:
    browser = visit(people.analyst)
    trial = browser.post("/tests/import", files={"file": ("题.xlsx", b"<html>")}).headers["location"]
    reply = browser.get(trial)
    assert reply.status_code == 422
    assert "题.xlsx" in reply.text
    assert list(services.settings.uploads_folder.iterdir()) == []


@pytest.mark.parametrize("who", ["stranger", "agent", "reviewer", "county_office", "administrator"])
def test_strangers_are_refused_everywhere(
    visit: Visit, people: Cast, entry: object, services: Services, who: str
) -> None:
    analyst = visit(people.analyst)
    test_set = kept(analyst, *ROWS)
    done = run(analyst, services, test_set)
    stranger = visit(getattr(people, who))
    number = done.rpartition("/")[2]
    for address in (
        *("/tests", "/tests/draw", test_set, done, f"{done}/progress", f"{done}/export", "/tests/import/abc"),
        *(f"/tests/compare?before={number}&after={number}", "/tests/cases/1"),
        f"/tests/compare/export?before={number}&after={number}",
    ):
        assert stranger.get(address).status_code == 403, address
    for address in (f"{test_set}/run", f"{test_set}/drop", f"{done}/stop", f"{done}/drop", "/tests/import/abc/keep"):
        assert stranger.post(address, data={"sure": "true", "with_runs": "true"}).status_code == 403, address
    assert stranger.post("/tests/import", files={"file": ("题.xlsx", b"x")}).status_code == 403
    assert 'href="/tests"' not in stranger.get("/").text
    assert analyst.get(done).status_code == 200


@pytest.fixture
def internal(entry: object, base: Session, services: Services) -> None:
    """An entry that the public does not see."""
    published(base, INTERNAL_CONTACT, code="HJ-002")
    services.follower.catch_up()


def test_titles_stay_hidden_from_who_may_not_see_them(
    visit: Visit, people: Cast, internal: None, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The office tests an internal entry; an analyst for whom the rulebook hides it sees neither title nor code."""
    test_set = kept(visit(people.office), (INTERNAL_CONTACT.question, "HJ-002"))
    done = run(visit(people.office), services, test_set)
    assert "HJ-002" in visit(people.office).get(done).text
    monkeypatch.setattr(security, "city_rights", lambda *_: NO_RIGHTS)
    page = visit(people.analyst).get(done).text
    assert "您无权查看的条目" in page
    assert "HJ-002" not in page
    case = re.search(r"/tests/cases/\d+\?run=\d+", page)
    assert case
    assert "HJ-002" not in visit(people.analyst).get(case[0]).text
    shared = visit(people.analyst).get(f"{done}/export").content
    cells = {cell.value for sheet in load_workbook(io.BytesIO(shared)) for row in sheet for cell in row}
    assert "HJ-002" not in cells


def test_exports_hold_figures_curve_and_questions(
    visit: Visit, people: Cast, entry: object, services: Services
) -> None:
    browser = visit(people.analyst)
    test_set = kept(browser, *ROWS)
    one, other = (run(browser, services, test_set, direct=direct) for direct in ("", "1"))
    book = load_workbook(io.BytesIO(browser.get(f"{one}/export").content))
    assert book.sheetnames == ["指标", "阈值", "逐题"]
    assert [row[1].value for row in book["逐题"].iter_rows(min_row=2)] == [question for question, _ in ROWS]
    assert {type(row[0].value) for row in book["逐题"].iter_rows(min_row=2)} == {int}
    assert all(0 <= value <= 1 for row in book["阈值"].iter_rows(min_row=2, values_only=True) for value in row)
    query = {"before": one.rpartition("/")[2], "after": other.rpartition("/")[2]}
    compared = load_workbook(io.BytesIO(browser.get("/tests/compare/export", params=query).content))
    assert compared.sheetnames == ["比较", "差别", "逐题"]
    assert compared["逐题"].max_row == 5


def test_runs_that_cannot_be_compared_are_told(visit: Visit, people: Cast, entry: object, services: Services) -> None:
    browser = visit(people.analyst)
    one = run(browser, services, kept(browser, ROWS[0]))
    other = run(browser, services, kept(browser, ROWS[1], name="另一套"))
    waiting = browser.post(f"{kept(browser, ROWS[2], name='第三套')}/run").headers["location"]
    numbers = [address.rpartition("/")[2] for address in (one, other, waiting)]
    for before, after, word in ((0, 0, "不同的运行"), (0, 1, "不是同一个测试集"), (0, 2, "不是同一个测试集")):
        reply = browser.get("/tests/compare", params={"before": numbers[before], "after": numbers[after]})
        assert reply.status_code == 422
        assert word in reply.text
    assert browser.get("/tests/runs/999999").status_code == 404
    assert browser.get("/tests/cases/999999").status_code == 404


def test_progress_is_shown_and_a_run_can_be_stopped(
    visit: Visit, people: Cast, entry: object, base: Session, services: Services
) -> None:
    browser = visit(people.analyst)
    test_set = kept(browser, *ROWS)
    address = browser.post(f"{test_set}/run").headers["location"]
    page = browser.get(address).text
    assert 'http-equiv="refresh"' in page
    assert "即将开始" in page
    with services.open_session() as session:
        waiting = bench_runs.take(session, "进程", utc_now())
        assert waiting is not None
        bench_runs.alive(
            session, waiting.id, "进程", utc_now(), circumstances={"phase": "正在建立检索库：500 / 900 条"}
        )
        session.commit()
    assert "500 / 900" in browser.get(f"{address}/progress").text
    assert browser.post(f"{address}/drop").status_code == 409
    assert browser.post(f"{address}/stop").status_code == 303
    assert 'data-goes-on="no"' in browser.get(f"{address}/progress").text
    assert browser.post(f"{address}/stop").status_code == 409
    assert browser.post(f"{address}/drop").status_code == 303
    assert base.scalar(select(func.count(TestRun.id))) == 0


def test_a_set_is_deleted_after_asking_twice(
    visit: Visit, people: Cast, entry: object, base: Session, services: Services
) -> None:
    browser = visit(people.office)
    test_set = kept(browser, *ROWS)
    run(browser, services, test_set)
    assert browser.post(f"{test_set}/drop").status_code == 422
    refused = browser.post(f"{test_set}/drop", data={"sure": "true"})
    assert refused.status_code == 409
    assert "1 次运行记录" in refused.text
    assert browser.post(f"{test_set}/drop", data={"sure": "true", "with_runs": "true"}).status_code == 303
    assert base.scalar(select(func.count()).select_from(TestResult)) == 0
    assert browser.get(test_set).status_code == 404


def test_a_draw_is_tried_and_kept(visit: Visit, people: Cast, entry: object, services: Services, base: Session) -> None:
    agent = visit(people.agent)
    shown = agent.get("/?q=社会保障卡丢失后怎样补领").text
    question = re.search(r'name="question_id" value="(\d+)"', shown)
    version = re.search(r'name="version_id" value="(\d+)"', shown)
    assert question and version
    said = {"question_id": question[1], "version_id": version[1], "judgement": "correct"}
    assert agent.post("/judge", data=said).status_code == 303
    browser = visit(people.analyst)
    page = browser.get("/tests/draw").text
    assert figures_of(page) == {"有答案": "1", "应无答案": "0", "抽中": "1"}
    today = (utc_now() + timedelta(hours=8)).date().isoformat()
    data = {"first": today, "last": today, "size": "10", "seed": "3", "name": "抽题"}
    assert browser.post("/tests/draw", data=data).status_code == 303
    assert base.scalars(select(TestCase)).one().expected == ["SB-001"]
    assert browser.post("/tests/draw", data={**data, "first": "2020-01-01", "last": "2020-01-02"}).status_code == 422
    assert browser.get("/tests/draw?first=2026-02-01&last=2026-01-01").status_code == 422


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"direct": "甲"}, "不是数字"),
        ({"direct": "1.5"}, "不超过 1"),
        ({"model": "没有的模型"}, "没有名为“没有的模型”的模型"),
        ({"moment": "2099-01-01T00:00"}, "不能晚于现在"),
        ({"moment": "昨天"}, "知识库的时点"),
        ({"weights": "17"}, "拟合权重"),
    ],
)
def test_bad_settings_are_told(visit: Visit, people: Cast, entry: object, settings: dict[str, str], word: str) -> None:
    browser = visit(people.analyst)
    reply = browser.post(f"{kept(browser, ROWS[0])}/run", data=settings)
    assert reply.status_code in (404, 422)
    assert word in reply.text


def test_a_threshold_can_be_tried_on_the_page(visit: Visit, people: Cast, entry: object, services: Services) -> None:
    browser = visit(people.analyst)
    done = run(browser, services, kept(browser, *ROWS))
    assert "降到 0.30：直接答复" in browser.get(done, params={"threshold": "0.3"}).text
    assert browser.get(done, params={"threshold": "7"}).status_code == 422
    for show in ("right", "wrong", "direct_wrong", "none", "stranger"):
        assert browser.get(done, params={"show": show}).status_code == 200


def test_a_failed_run_says_why(visit: Visit, people: Cast, entry: object, base: Session) -> None:
    browser = visit(people.analyst)
    address = browser.post(f"{kept(browser, ROWS[0])}/run").headers["location"]
    failed = base.scalars(select(TestRun)).one()
    failed.status, failed.error, failed.ended_at = RunStatus.FAILED, "模型文件已损坏。", utc_now()
    base.commit()
    page = browser.get(address).text
    assert "模型文件已损坏。" in page
    assert "首位正确率" not in page

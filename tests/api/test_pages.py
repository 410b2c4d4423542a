"""The pages, without a browser: what each person gets, and what nobody does."""

import hashlib
import io
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from openpyxl import Workbook, load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.wiring import Services
from kb_admin import lifecycle
from models.knowledge import Attachment, Entry, Version
from models.usage import Gap, Question, Verdict
from models.values import FaultReason, Judgement, VersionStatus
from tests.cast import (
    CITY,
    INTERNAL_CONTACT,
    LOST_CARD,
    NOW,
    PASSWORD,
    POLICE,
    RESIDENCE_PERMIT,
    SOCIAL_SECURITY,
    Cast,
    published,
)
from tests.conftest import DATABASES, Visit

PIECE = {"X-Piece": "1"}


@pytest.fixture
def entry(base: Session, people: Cast, services: Services) -> Version:
    version = published(base, LOST_CARD, code="SB-001")
    published(base, RESIDENCE_PERMIT, code="HJ-001")
    services.follower.catch_up()
    return version


def ask(browser: TestClient, question: str = "社保卡丢了怎么办") -> str:
    reply = browser.get("/ask", params={"q": question})
    assert reply.status_code == 200
    return reply.text


def submitted(base: Session, services: Services, *, code: str = "SB-002") -> Version:
    content = replace(LOST_CARD, question="社会保障卡怎样激活", similar=("新卡怎么用不了",))
    version = lifecycle.create_entry(base, content, code=code, actor=None, now=NOW)
    lifecycle.submit(base, version, actor=None, now=NOW)
    base.commit()
    services.follower.catch_up()
    return version


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


# The door


@pytest.mark.parametrize("path", ["/", "/?q=社保卡", "/entries", "/entries/SB-001", "/import", "/gaps"])
def test_who_is_not_logged_in_is_led_to_the_door_and_back(visit: Visit, people: Cast, path: str) -> None:
    reply = visit(None).get(path)
    assert reply.status_code == 303
    door = visit(None).get(reply.headers["location"]).text
    kept = re.search(r'name="next" value="([^"]*)"', door)
    assert kept is not None
    assert TestClient(visit(None).app).build_request("GET", kept[1]).url.path == path.split("?", maxsplit=1)[0]


def test_a_person_logs_in_and_out_by_the_form(visit: Visit, people: Cast) -> None:
    browser = visit(None)
    entered = browser.post("/login", data={"login": "zuoxi", "password": PASSWORD, "next": "/entries"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/entries")
    page = browser.get("/").text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf is not None
    assert browser.post("/logout", data={"csrf": csrf[1]}).headers["location"] == "/login"
    assert browser.get("/").status_code == 303


def test_a_wrong_password_keeps_the_login_and_says_so(visit: Visit, people: Cast) -> None:
    reply = visit(None).post("/login", data={"login": "zuoxi", "password": "不对", "next": "/"})
    assert reply.status_code == 401
    assert 'value="zuoxi"' in reply.text
    assert "不正确" in reply.text
    assert "不对" not in reply.text.replace("不正确", "")


def test_the_door_leads_nowhere_else(visit: Visit, people: Cast) -> None:
    data = {"login": "zuoxi", "password": PASSWORD, "next": "//elsewhere.example/"}
    assert visit(None).post("/login", data=data).headers["location"] == "/"


@pytest.mark.parametrize("who", ["agent", "office", "analyst", "administrator"])
def test_who_answers_or_oversees_begins_with_a_question(visit: Visit, people: Cast, who: str) -> None:
    entered = visit(None).post("/login", data={"login": getattr(people, who).login, "password": PASSWORD})
    assert entered.headers["location"] == "/"


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader"])
def test_who_works_for_a_unit_begins_with_its_entries(visit: Visit, people: Cast, who: str) -> None:
    entered = visit(None).post("/login", data={"login": getattr(people, who).login, "password": PASSWORD})
    assert entered.headers["location"] == f"/entries?unit={people.unit.id}"


def test_a_county_office_begins_with_the_entries(visit: Visit, people: Cast) -> None:
    entered = visit(None).post("/login", data={"login": people.county_office.login, "password": PASSWORD})
    assert entered.headers["location"] == "/entries"


def test_an_empty_base_says_what_to_do_first(visit: Visit, people: Cast) -> None:
    office, agent, administrator = (visit(p).get("/").text for p in (people.office, people.agent, people.administrator))
    for page in (office, agent, administrator):
        assert "库中还没有条目" in page
    assert 'href="/api/v1/template.xlsx"' in office
    assert 'href="/import"' in office
    assert "zhida organisation" in administrator
    assert 'href="/import"' not in agent + administrator


# Asking


def test_a_question_in_the_address_is_answered_without_a_script(visit: Visit, people: Cast, entry: Version) -> None:
    page = visit(people.agent).get("/", params={"q": "社保卡丢了怎么办"}).text
    assert "可直接答复" in page
    assert "当场拿卡" in page
    assert "0000-8100001" in page
    assert "主席令第三十五号" in page


def test_a_piece_is_the_answer_alone(visit: Visit, people: Cast, entry: Version) -> None:
    piece = ask(visit(people.agent))
    assert "<html" not in piece
    assert 'data-outcome="direct"' in piece


def test_the_part_that_was_asked_for_is_open_and_marked(visit: Visit, people: Cast, entry: Version) -> None:
    # "费用" is the third part of the entry; nothing else may be open.
    piece = ask(visit(people.agent), "社保卡丢了怎么办要多少钱")
    first_card = piece.split("</article>")[0]
    parts = re.findall(
        r'<details class="section([^"]*)"( open)?>\s*<summary><span class="section-name">(\w+)', first_card
    )
    assert parts == [("", " open", "材料"), ("", " open", "时限"), (" is-asked", " open", "费用")]


def test_what_is_asked_and_shown_is_written_down(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    ask(visit(people.agent))
    question = base.scalars(select(Question)).one()
    assert (question.text, question.person_id) == ("社保卡丢了怎么办", people.agent.id)
    assert question.shown[0].version_id == entry.id


def test_a_question_that_nothing_answers_offers_to_record_a_gap(visit: Visit, people: Cast, entry: Version) -> None:
    piece = ask(visit(people.agent), "量子纠缠")
    assert 'data-outcome="none"' in piece
    assert "记为知识缺失" in piece
    assert "可直接答复" not in piece


def test_suggestions_are_stored_phrasings(visit: Visit, people: Cast, entry: Version) -> None:
    piece = visit(people.agent).get("/suggest", params={"q": "社保卡"}).text
    assert 'data-text="社保卡丢了怎么办"' in piece
    assert "<mark>社保卡</mark>丢了怎么办" in piece


def test_an_internal_entry_is_not_shown_to_another_unit(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    published(base, INTERNAL_CONTACT, code="HJ-009")
    services.follower.catch_up()
    assert "内部联络电话" in ask(visit(people.agent), "派出所户籍窗口内部联系方式")
    assert "内部联络电话" not in ask(visit(people.editor), "派出所户籍窗口内部联系方式")
    assert visit(people.editor).get("/entries/HJ-009").status_code == 404
    assert "HJ-009" not in visit(people.editor).get("/entries").text


def test_what_a_caller_says_cannot_run_on_the_page(visit: Visit, people: Cast, entry: Version) -> None:
    page = visit(people.agent).get("/", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


# Judging and gaps


def judge(browser: TestClient, base: Session, entry: Version, **said: str) -> tuple[int, str]:
    """Status and text of the reply."""
    question = base.scalars(select(Question).order_by(Question.id.desc())).first()
    data = {"question_id": str(question.id if question else 0), "version_id": str(entry.id), **said}
    reply = browser.post("/judge", data=data, headers=PIECE)
    return reply.status_code, reply.text


def test_an_agent_judges_and_corrects_the_judgement(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    assert "已判正确" in judge(browser, base, entry, judgement="correct")[1]
    assert "已判有误" in judge(browser, base, entry, reason="outdated")[1]
    verdict = base.scalars(select(Verdict)).one()
    assert (verdict.judgement, verdict.reason) == (Judgement.INCORRECT, FaultReason.OUTDATED)


def test_an_editor_may_not_judge_and_sees_no_button(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.editor)
    assert "Alt+Y" not in ask(browser)
    status, page = judge(browser, base, entry, judgement="correct")
    assert status == 403
    assert "话务员" in page


def test_a_verdict_is_shown_again_with_the_same_words(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.agent)
    ask(browser)
    judge(browser, base, entry, judgement="correct")
    assert "已判正确" in ask(browser)
    assert "已判" not in ask(browser, "社保卡丢了")
    assert "已判" not in ask(visit(people.office))


def test_a_gap_is_taken_back_within_a_minute_by_who_recorded_it(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.agent)
    ask(browser, "量子纠缠")
    question = {"question_id": str(base.scalars(select(Question.id)).one())}
    browser.post("/gap", data={"text": "量子纠缠", **question}, headers=PIECE)
    assert "撤回" in ask(browser, "量子纠缠")
    assert visit(people.office).post("/gap/take-back", data=question, headers=PIECE).status_code == 404
    gap = base.scalars(select(Gap)).one()
    gap.at -= timedelta(minutes=2)
    base.commit()
    assert browser.post("/gap/take-back", data=question, headers=PIECE).status_code == 409
    assert "撤回" not in ask(browser, "量子纠缠")
    gap.at += timedelta(minutes=2)
    base.commit()
    assert "记为知识缺失" in browser.post("/gap/take-back", data=question, headers=PIECE).text
    assert base.scalars(select(Gap)).all() == []


def test_a_card_says_which_words_the_entry_never_mentions(visit: Visit, people: Cast, entry: Version) -> None:
    card = ask(visit(people.agent), "河东区社保卡丢了怎么办").split("</article>")[0]
    assert "条目没有：河东区" in card
    assert re.search("同有词语：[^<]*社保卡", card)


def test_a_form_without_the_token_of_its_session_is_refused(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.agent)
    ask(browser)
    browser.headers.pop("X-CSRF-Token")
    assert judge(browser, base, entry, judgement="correct")[0] == 403
    assert base.scalars(select(Verdict)).all() == []


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_a_gap_in_the_callers_words_reaches_the_office(visit: Visit, people: Cast, base: Session) -> None:
    words = "小区门口的健身器材坏了找谁"
    reply = visit(people.agent).post("/gap", data={"text": words, "note": "河东区"}, headers=PIECE)
    assert "已记录" in reply.text
    assert base.scalars(select(Gap)).one().text == words
    listed = visit(people.office).get("/gaps").text
    assert words in listed
    assert "陈坐席" in listed


@pytest.mark.parametrize("who", ["agent", "editor", "stranger", "administrator"])
def test_gaps_are_for_the_office_and_the_analysts(visit: Visit, people: Cast, who: str) -> None:
    reply = visit(getattr(people, who)).get("/gaps")
    assert reply.status_code == 403
    assert "市热线办" in reply.text
    assert "数据分析员" in reply.text


# Entries


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_list_counts_filters_and_sorts(visit: Visit, people: Cast, entry: Version) -> None:
    browser = visit(people.agent)

    def codes(**filters: str) -> list[str]:
        return re.findall(
            r'<td class="number"><a href="/entries/([^"]+)"', browser.get("/entries", params=filters).text
        )

    assert codes() == ["HJ-001", "SB-001"]
    assert codes(sort="-code") == ["SB-001", "HJ-001"]
    assert codes(q="居住证") == ["HJ-001"]
    assert codes(unit=str(people.unit.id)) == ["SB-001"]
    assert codes(category="户籍") == ["HJ-001"]
    assert codes(status="withdrawn") == []
    assert "没有符合条件的条目" in browser.get("/entries", params={"q": "没有这样的"}).text


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_an_entry_under_review_is_for_its_unit_and_the_office(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    submitted(base, services)
    seen = {
        who: "SB-002" in visit(getattr(people, who)).get("/entries").text
        for who in ("editor", "reviewer", "office", "analyst", "agent", "stranger", "county_office")
    }
    assert seen == {
        "editor": True,
        "reviewer": True,
        "office": True,
        "analyst": True,
        "agent": False,
        "stranger": False,
        "county_office": False,
    }
    assert visit(people.stranger).get("/entries/SB-002").status_code == 404


def test_published_and_searchable_are_two_facts(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    published(base, LOST_CARD, code="SB-001")
    before = visit(people.office).get("/entries/SB-001").text
    services.follower.catch_up()
    after = visit(people.office).get("/entries/SB-001").text
    assert "已发布" in before
    assert "正在进入检索" in before
    assert "可以查到" in after


def test_the_office_publishes_sends_back_and_withdraws(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    version = submitted(base, services)
    office = visit(people.office)
    address = "/entries/SB-002/versions/1"
    office.post(f"{address}/send-back", data={"reason": "请写明费用"})
    base.refresh(version)
    assert version.status is VersionStatus.DRAFT
    assert "请写明费用" in visit(people.editor).get("/entries/SB-002").text
    visit(people.editor).post(f"{address}/submit")
    office.post(f"{address}/publish")
    base.refresh(version)
    assert version.status is VersionStatus.PUBLISHED
    assert office.post(f"{address}/withdraw", data={"reason": " "}).status_code == 422
    office.post(f"{address}/withdraw", data={"reason": "政策停止执行"})
    base.refresh(version)
    assert version.status is VersionStatus.WITHDRAWN


def test_moves_are_refused_to_who_may_not(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    version = submitted(base, services)
    address = "/entries/SB-002/versions/1/publish"
    assert visit(people.editor).post(address).status_code == 403
    assert visit(people.analyst).post(address).status_code == 403
    assert visit(people.stranger).post(address).status_code == 404
    assert visit(people.agent).post(address).status_code == 404
    base.refresh(version)
    assert version.status is VersionStatus.SUBMITTED
    assert 'class="step"' not in visit(people.analyst).get("/entries/SB-002").text


def test_an_agent_sees_no_history(visit: Visit, people: Cast, entry: Version) -> None:
    assert 'class="history"' not in visit(people.agent).get("/entries/SB-001").text
    assert 'class="history"' in visit(people.reviewer).get("/entries/SB-001").text


def test_reloading_asks_nothing_new(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    for _ in "12":
        assert browser.get("/", params={"q": "社保卡丢了怎么办"}).status_code == 200
    assert len(base.scalars(select(Question)).all()) == 1


# Import


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


# Attachments


@pytest.fixture
def picture(base: Session, people: Cast, services: Services) -> str:
    """A picture of an internal entry of the police."""
    version = published(base, replace(INTERNAL_CONTACT, answer="![图](attachment:a.png)"), code="HJ-009")
    digest = hashlib.sha256(b"picture").hexdigest()
    base.add(Attachment(version_id=version.id, filename="a.png", media_type="image/png", sha256=digest, size_bytes=7))
    base.commit()
    services.settings.attachments_folder.mkdir(parents=True)
    (services.settings.attachments_folder / digest).write_bytes(b"picture")
    services.follower.catch_up()
    return f"/attachments/{digest}"


def test_a_picture_is_shown_to_who_may_see_its_entry(visit: Visit, people: Cast, picture: str) -> None:
    assert f'<img src="{picture}"' in visit(people.agent).get("/entries/HJ-009").text
    reply = visit(people.agent).get(picture)
    assert (reply.content, reply.headers["content-type"]) == (b"picture", "image/png")
    assert visit(people.stranger).get(picture).status_code == 200  # edits for the police
    assert visit(people.editor).get(picture).status_code == 404
    assert visit(None).get(picture).status_code == 303


def test_a_file_that_could_run_is_downloaded(visit: Visit, people: Cast, base: Session, picture: str) -> None:
    base.scalars(select(Attachment)).one().media_type = "image/svg+xml"
    base.commit()
    reply = visit(people.agent).get(picture)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith("attachment")


# Every page


PAGES = (
    "/",
    "/?q=社保卡丢了怎么办",
    "/?q=量子纠缠",
    "/entries",
    "/entries/SB-001",
    "/import",
    "/gaps",
    "/entries/NOPE",
)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_needs_an_inline_script_or_style(visit: Visit, people: Cast, entry: Version, path: str) -> None:
    page = visit(people.office).get(path).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/entries/NOPE"])
def test_every_page_says_that_no_model_is_installed(visit: Visit, people: Cast, entry: Version, path: str) -> None:
    assert "未安装语义模型，仅按词语检索" in visit(people.office).get(path).text


def test_agents_get_a_small_mark_that_no_model_is_installed(visit: Visit, people: Cast, entry: Version) -> None:
    page = visit(people.agent).get("/").text
    assert 'class="tag tag-words"' in page
    assert "banner-warn" not in page
    assert "banner-warn" in visit(people.administrator).get("/").text


def test_errors_leave_the_rail_in_place(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    submitted(base, services)
    office, editor = visit(people.office), visit(people.editor)
    office.post("/entries/SB-002/versions/1/publish")
    replies = {
        403: editor.get("/gaps"),
        404: editor.get("/entries/NOPE"),
        409: office.post("/entries/SB-002/versions/1/publish"),
        422: office.post("/entries/SB-002/versions/1/withdraw", data={"reason": ""}),
    }
    assert {status: reply.status_code for status, reply in replies.items()} == {s: s for s in replies}
    assert all('class="rail"' in reply.text for reply in replies.values())
    assert 'class="rail"' not in visit(None).get("/没有").text


def test_a_refusal_names_whom_to_ask(visit: Visit, people: Cast) -> None:
    assert f"请找系统管理员：{people.administrator.name}" in visit(people.editor).get("/gaps").text


def test_who_comes_second_is_told_who_was_first(visit: Visit, people: Cast, base: Session, services: Services) -> None:
    submitted(base, services)
    office = visit(people.office)
    office.post("/entries/SB-002/versions/1/publish")
    again = office.post("/entries/SB-002/versions/1/publish").text
    assert re.search(rf"已由{people.office.name}于 [-\d]+ [:\d]+ 改为“已发布”，无须再发布。", again)
    late = office.post("/entries/SB-002/versions/1/send-back", data={"reason": "请写明费用"})
    assert (late.status_code, "不能再退回" in late.text) == (409, True)


def test_a_browser_gets_a_page_where_a_program_gets_json(visit: Visit, people: Cast) -> None:
    leader = visit(people.leader)
    page = leader.get("/api/v1/export?format=xlsx", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, "没有权限" in page.text) == (403, True)
    assert leader.get("/api/v1/export?format=xlsx").json()["error"]["code"] == "forbidden"


def test_an_unforeseen_error_has_a_number_that_is_in_the_log(
    application: FastAPI, people: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down() -> None:
        raise RuntimeError("something nobody thought of")

    application.add_api_route("/break", break_down)
    reply = TestClient(application, raise_server_exceptions=False).get("/break")
    number = re.search(r"错误编号：([0-9A-F]{8})", reply.text)
    assert reply.status_code == 500
    assert number is not None
    assert number[1] in caplog.text
    assert "nobody thought" not in reply.text


def test_an_unknown_address_is_a_page_in_chinese(visit: Visit, people: Cast) -> None:
    reply = visit(people.agent).get("/没有/这一页")
    assert reply.status_code == 404
    assert "没有找到" in reply.text


def test_scripts_stay_small() -> None:
    from api.templating import STATIC_FOLDER

    assert sum(script.stat().st_size for script in STATIC_FOLDER.glob("*.js")) < 40_000

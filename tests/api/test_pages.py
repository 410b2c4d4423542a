"""The pages, without a browser: what each person gets, and what nobody does."""

import gzip
import hashlib
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.wiring import Services
from models.knowledge import Attachment, Version
from models.usage import Gap, Question, Verdict
from models.values import FaultReason, Judgement
from tests.cast import (
    INTERNAL_CONTACT,
    PASSWORD,
    Cast,
    published,
    submitted,
)
from tests.conftest import DATABASES, Visit

PIECE = {"X-Piece": "1"}


def ask(browser: TestClient, question: str = "社保卡丢了怎么办") -> str:
    reply = browser.get("/ask", params={"q": question})
    assert reply.status_code == 200
    return reply.text


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


def test_reloading_asks_nothing_new(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    for _ in "12":
        assert browser.get("/", params={"q": "社保卡丢了怎么办"}).status_code == 200
    assert len(base.scalars(select(Question)).all()) == 1


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


def test_a_verdict_is_shown_again_in_the_same_call(visit: Visit, people: Cast, entry: Version, base: Session) -> None:
    browser = visit(people.agent)
    ask(browser)
    judge(browser, base, entry, judgement="correct")
    assert "已判正确" in ask(browser)
    assert "已判正确" in ask(browser, "社保卡丢了")
    assert "已判" not in ask(visit(people.office))
    assert browser.post("/call/begin", headers=PIECE).status_code == 200
    assert "已判" not in ask(browser)


def test_outside_calls_a_verdict_is_shown_again_with_the_same_words(
    visit: Visit, people: Cast, entry: Version, base: Session
) -> None:
    browser = visit(people.office)
    ask(browser)
    judge(browser, base, entry, judgement="correct")
    assert "已判正确" in ask(browser)
    assert "已判" not in ask(browser, "社保卡丢了")


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
    listed = visit(people.office).get("/gaps/recorded").text
    assert words in listed
    assert "陈坐席" in listed


@pytest.mark.parametrize("who", ["agent", "editor", "stranger", "administrator"])
def test_gaps_are_for_the_office_and_the_analysts(visit: Visit, people: Cast, who: str) -> None:
    reply = visit(getattr(people, who)).get("/gaps")
    assert reply.status_code == 403
    assert "市热线办" in reply.text
    assert "数据分析员" in reply.text


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
    office, editor, reviewer = (visit(p) for p in (people.office, people.editor, people.reviewer))
    reviewer.post("/entries/SB-002/versions/1/approve")
    replies = {
        403: editor.get("/gaps"),
        404: editor.get("/entries/NOPE"),
        409: reviewer.post("/entries/SB-002/versions/1/approve"),
        422: office.post("/entries/SB-002/versions/1/send-back", data={"reason": ""}),
    }
    assert {status: reply.status_code for status, reply in replies.items()} == {s: s for s in replies}
    assert all('class="rail"' in reply.text for reply in replies.values())
    assert 'class="rail"' not in visit(None).get("/没有").text


def test_a_refusal_names_whom_to_ask(visit: Visit, people: Cast) -> None:
    assert f"请找系统管理员：{people.administrator.name}" in visit(people.editor).get("/gaps").text


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

    sizes = [len(gzip.compress(script.read_bytes())) for script in STATIC_FOLDER.glob("*.js")]
    assert sum(sizes) < 150_000

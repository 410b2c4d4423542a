"""Why an answer is there, what tells candidates apart, and what is no answer: on the page and in the API alike."""

import re
from dataclasses import replace
from html import unescape

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.matching import compare, plainly_asked, question_words
from api.wiring import Services
from models.usage import ShownAnswer
from retrieval.thesaurus import Group, Saying, Thesaurus
from retrieval.tokens import Tokeniser
from tests.cast import INTERNAL_CONTACT, LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import Visit

FUND = replace(
    LOST_CARD,
    question="离职后怎样提取公积金",
    similar=("辞职了公积金怎么取",),
    spoken="离职满半年，带身份证到服务大厅提取。",
    answer="## 材料\n身份证。",
    keywords=("公积金", "提取"),
)
EMPLOYEES = replace(
    LOST_CARD,
    question="职工医保住院报销比例是多少",
    similar=("职工住院能报多少",),
    spoken="职工医保住院报销八成。",
    answer="## 标准\n报销 80%。",
    keywords=("医保", "报销"),
)
RESIDENTS = replace(
    EMPLOYEES,
    question="居民医保住院报销比例是多少",
    similar=("居民住院能报多少",),
    spoken="居民医保住院报销六成。",
    answer="## 标准\n报销 60%。",
)
ALLOWANCE = replace(
    LOST_CARD,
    question="申请最低生活保障需要什么条件",
    similar=("最低生活保障申请资格",),
    spoken="人均收入低于标准的家庭可以申请。",
    answer="家庭人均收入低于当地标准。",
    keywords=("最低生活保障",),
)
ALL = (LOST_CARD, RESIDENCE_PERMIT, INTERNAL_CONTACT, FUND, EMPLOYEES, RESIDENTS, ALLOWANCE)

NO_ANSWER = "带身份证去坐飞机行李超重怎么收费"
"""The base knows words of it, and no answer."""
STORY = (
    "我在安澜市上班五年了，上个月从厂里出来了，家里老人看病等着用钱，孩子也要交学费，之前听同事说可以的，"
    "请问离职后怎样提取公积金，要带什么"
)


@pytest.fixture(autouse=True)
def _live(base: Session, people: Cast, services: Services) -> None:
    for content in ALL:
        published(base, content)
    services.follower.catch_up()


def search(browser: TestClient, query: str, **more: object) -> dict[str, object]:
    reply = browser.post("/api/v1/search", json={"query": query, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def piece(browser: TestClient, query: str, **more: object) -> str:
    reply = browser.get("/ask", params={"q": query, **more})
    assert reply.status_code == 200
    return unescape(reply.text)


# What a hit is


def test_the_answer_comes_first_and_its_neighbours_are_candidates(visit: Visit, people: Cast) -> None:
    reply = search(visit(people.agent), FUND.question)
    assert reply["outcome"] == "direct"
    assert [hit["role"] for hit in reply["hits"]] == ["answer", *("candidate" for _ in reply["hits"][1:])]


def test_without_an_answer_all_are_hints_as_on_the_page(visit: Visit, people: Cast, base: Session) -> None:
    reply = search(visit(people.agent), NO_ANSWER)
    assert reply["outcome"] == "none"
    assert {hit["role"] for hit in reply["hits"]} == {"hint"}
    listed = re.findall(r'<span class="other-question">(.+?)</span>', piece(visit(people.agent), NO_ANSWER))
    assert [re.sub("<[^>]+>", "", title) for title in listed] == [hit["question"] for hit in reply["hits"]]
    shown = base.scalars(select(ShownAnswer.version_id).filter_by(question_id=reply["question_id"])).all()
    assert list(shown) == [hit["version_id"] for hit in reply["hits"]]
    assert min(hit["score"] for hit in reply["hits"]) >= 0.02  # below that nothing is shown, told or written down


def test_a_hint_has_nothing_to_read_out_and_the_gap_comes_first(visit: Visit, people: Cast) -> None:
    page = piece(visit(people.agent), NO_ANSWER, open=1)
    assert "不是答案，仅供参考" in page
    assert page.index("记为知识缺失") < page.index('class="card"')
    for absent in ("口径", "data-copy", "可直接答复", 'class="verdict"', LOST_CARD.spoken, RESIDENCE_PERMIT.spoken):
        assert absent not in page


# Reasons


def test_a_word_found_as_another_is_told(visit: Visit, people: Cast) -> None:
    reply = search(visit(people.agent), "低保要什么条件")
    assert reply["hits"][0]["synonyms"] == [{"asked": "低保", "found": "最低生活保障"}]
    page = piece(visit(people.agent), "低保要什么条件")
    assert "同义：低保 → 最低生活保障" in page
    assert "条目没有：低保" not in page
    assert not re.search("同有词语：[^<]*低保", page)


def test_an_aspect_that_the_entry_does_not_tell_is_said(visit: Visit, people: Cast) -> None:
    asked = f"{FUND.question}要收费吗"
    assert search(visit(people.agent), asked)["hits"][0]["untold"] == ["费用"]
    assert "该条目未说明<b>费用</b>" in piece(visit(people.agent), asked)
    assert search(visit(people.agent), FUND.question)["hits"][0]["untold"] == []
    told = f"{LOST_CARD.question}要收费吗"
    assert search(visit(people.agent), told)["hits"][0]["untold"] == []
    assert "未说明" not in piece(visit(people.agent), told).split("</article>")[0]


# Slips and stories


def test_a_mended_slip_is_told_with_the_way_back(visit: Visit, people: Cast) -> None:
    agent = visit(people.agent)
    reply = search(agent, "公机金怎么提取")
    assert reply["mended"] == [{"typed": "公机金", "meant": "公积金"}]
    assert reply["hits"][0]["question"] == FUND.question
    page = piece(agent, "公机金怎么提取")
    assert "已按“<b>公积金</b>”查找（您输入“公机金”）" in page
    assert re.search(r'href="/\?q=[^"]+&literal=1"', page)
    assert "条目没有：公机金" not in page


def test_taken_literally_nothing_is_mended(visit: Visit, people: Cast) -> None:
    agent = visit(people.agent)
    assert search(agent, "公机金", literal=True)["mended"] == []
    assert search(agent, "公机金", literal=True)["hits"] == []
    page = piece(agent, "公机金", literal=1)
    assert "没有更正" in page
    assert "data-literal" in page
    assert "已按“" not in page


def test_a_question_without_slips_says_nothing_of_them(visit: Visit, people: Cast) -> None:
    assert 'class="taken"' not in piece(visit(people.agent), FUND.question)
    reply = search(visit(people.agent), FUND.question)
    assert (reply["mended"], reply["focus"], reply["facet"]) == ([], "", None)


def test_of_a_story_the_sentence_searched_for_is_shown(visit: Visit, people: Cast) -> None:
    reply = search(visit(people.agent), STORY)
    assert "离职后怎样提取公积金" in reply["focus"]
    assert "五年" not in reply["focus"]
    assert f"问题较长，按这一句查找：“<b>{reply['focus']}</b>”" in piece(visit(people.agent), STORY)


# Which of these?


def test_close_candidates_are_told_apart(visit: Visit, people: Cast) -> None:
    reply = search(visit(people.agent), "医保住院报销比例")
    assert reply["outcome"] == "choose"
    assert (reply["facet"]["name"], set(reply["facet"]["values"])) == ("参保身份", {"职工", "居民医保"})
    assert {hit["question"]: hit["facet"] for hit in reply["hits"]} == {
        EMPLOYEES.question: "职工",
        RESIDENTS.question: "居民医保",
    }
    page = piece(visit(people.agent), "医保住院报销比例")
    line = re.sub("<[^>]+>", "", re.search('<p class="facet">(.+?)</p>', page)[1])  # type: ignore[index]
    assert line == f"这几条按“参保身份”区分：{' / '.join(reply['facet']['values'])}"
    assert page.count('<span class="kind">职工</span>') == 2  # on the card and in the list


def test_hints_are_not_told_apart(visit: Visit, people: Cast) -> None:
    assert search(visit(people.agent), NO_ANSWER)["facet"] is None


# Suggestions


@pytest.mark.parametrize(("typed", "meant"), [("gjj", "公积金"), ("shebaoka", "社保卡"), ("公机金", "公积金")])
def test_sounds_and_initials_are_suggested_for(typed: str, meant: str, visit: Visit, people: Cast) -> None:
    reply = visit(people.agent).get("/api/v1/suggest", params={"q": typed}).json()
    assert meant in reply["suggestions"][0]["text"]


@pytest.mark.parametrize(("typed", "marked"), [("gjj", "公积金"), ("gongjij", "公积金"), ("公积金", "公积金")])
def test_what_fits_is_marked_in_a_suggestion_also_by_sound(typed: str, marked: str, visit: Visit, people: Cast) -> None:
    piece = visit(people.agent).get("/suggest", params={"q": typed}).text
    assert f"<mark>{marked}</mark>" in piece


def test_internal_suggestions_are_marked_and_kept_from_strangers(visit: Visit, people: Cast) -> None:
    typed = "户籍窗口"
    reply = visit(people.agent).get("/api/v1/suggest", params={"q": typed}).json()
    assert {s["text"]: s["internal"] for s in reply["suggestions"]} == {INTERNAL_CONTACT.question: True}
    assert "内部</span>" in visit(people.agent).get("/suggest", params={"q": typed}).text
    assert "内部</span>" not in visit(people.agent).get("/suggest", params={"q": "社保卡"}).text
    refused = visit(people.editor).get("/api/v1/suggest", params={"q": typed}).json()  # of another unit
    assert refused["suggestions"] == []
    assert visit(people.editor).get("/api/v1/suggest", params={"q": "hujichuangkou"}).json()["suggestions"] == []


@pytest.mark.parametrize("path", ["/api/v1/suggest?q=gjj", "/ask?q=gjj&literal=1", "/suggest?q=gjj"])
def test_nobody_asks_without_logging_in(path: str, visit: Visit) -> None:
    reply = visit(None).get(path)
    assert reply.status_code in (303, 401)
    assert "公积金" not in reply.text


# The words of the question


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("补卡多少钱", {"费用"}),  # not 标准, for which 多少 alone would ask
        ("能领多少", {"标准"}),
        ("要什么材料，多少钱", {"材料", "费用"}),
        ("公积金", set()),
    ],
)
def test_a_word_asks_only_for_what_it_says_as_a_whole(question: str, asked: set[str]) -> None:
    assert plainly_asked(question) == asked


def test_synonyms_and_what_is_asked_are_not_missing_words() -> None:
    tokeniser = Tokeniser()
    words = compare(question_words(tokeniser, "河东区低保多少钱"), "河东区低保多少钱", ALLOWANCE, tokeniser)
    assert (words.shared, words.missing) == ((), ("河东区",))


def test_of_a_long_word_only_the_part_is_missing_that_the_entry_has_not() -> None:
    tokeniser = Tokeniser(thesaurus=Thesaurus([Group("居住证积分", (Saying("积分落户"),))]))
    words = compare(("居住证积分",), "居住证积分", RESIDENCE_PERMIT, tokeniser)
    assert (words.shared, words.missing) == (("居住证",), ("积分",))

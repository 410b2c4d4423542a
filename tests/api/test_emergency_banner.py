"""应急信息 on the pages of agents: there while it is in force, and for who may see it."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.emergency_banner import LONGEST_TEXT
from kb_admin import lifecycle
from models.knowledge import Version
from models.values import Publicity
from tests.cast import LOST_CARD, Cast
from tests.conftest import DATABASES, Visit

HOUR = timedelta(hours=1)
EMERGENCY = replace(
    LOST_CARD,
    question="河东区西关街道今晚停水",
    spoken="今晚八点前恢复供水，请提前储水。",
    similar=(),
    info_type="公共服务紧急临时信息",
)


def announced(base: Session, until: datetime, **more: object) -> Version:
    """Emergency information in force until then."""
    content = replace(EMERGENCY, valid_to=until, **more)  # type: ignore[arg-type]
    version = lifecycle.create_entry(base, content, actor=None, now=utc_now())
    lifecycle.submit(base, version, actor=None, now=utc_now())
    base.commit()
    return version


def lines(page: str) -> list[str]:
    return re.findall(r'<b class="emergency-mark">应急</b> <a href="[^"]+">([^<]+)</a>', page)


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_the_banner_stands_on_every_page_of_agents(visit: Visit, people: Cast, base: Session) -> None:
    announced(base, utc_now() + HOUR)
    agent = visit(people.agent)
    for path in ("/", "/entries", "/entries/没有", "/emergencies"):
        assert lines(agent.get(path).text) == ["河东区西关街道今晚停水"], path
    assert "今晚八点前恢复供水" in agent.get("/").text
    assert lines(visit(people.office).get("/").text) == ["河东区西关街道今晚停水"]
    assert "data-emergencies" not in visit(people.editor).get("/entries").text


def test_it_is_gone_when_it_is_over_or_taken_down(visit: Visit, people: Cast, base: Session) -> None:
    announced(base, utc_now() + timedelta(milliseconds=1))
    down = announced(base, utc_now() + HOUR, question="临时停电")
    agent = visit(people.agent)
    assert lines(agent.get("/emergencies").text) == ["临时停电"]
    lifecycle.withdraw(base, down, "已恢复供电", actor=None, now=utc_now())
    base.commit()
    assert lines(agent.get("/emergencies").text) == []
    assert "data-emergencies hidden" in agent.get("/").text


def test_the_page_knows_how_long_each_still_is(visit: Visit, people: Cast, base: Session) -> None:
    announced(base, utc_now() + HOUR)
    left = re.search(r'data-left-ms="(\d+)"', visit(people.agent).get("/emergencies").text)
    assert left is not None
    assert 3_590_000 < int(left[1]) <= 3_600_000


def test_more_than_two_are_folded(visit: Visit, people: Cast, base: Session) -> None:
    for number in range(5):
        announced(base, utc_now() + HOUR, question=f"停水通知之{number}")
    page = visit(people.agent).get("/emergencies").text
    opened, folded = page.split("<details")
    assert lines(opened) == ["停水通知之4", "停水通知之3"]
    assert lines(folded) == ["停水通知之2", "停水通知之1", "停水通知之0"]
    assert "还有&thinsp;" in folded


def test_what_one_may_not_see_is_not_in_it(visit: Visit, people: Cast, base: Session) -> None:
    announced(base, utc_now() + HOUR, publicity=Publicity.INTERNAL)
    assert lines(visit(people.agent).get("/emergencies").text) == ["河东区西关街道今晚停水"]
    assert lines(visit(people.county_office).get("/emergencies").text) == []
    assert lines(visit(people.stranger).get("/emergencies").text) == []
    assert visit(None).get("/emergencies").status_code == 303


def test_a_long_answer_without_spoken_words_is_cut(visit: Visit, people: Cast, base: Session) -> None:
    announced(base, utc_now() + HOUR, spoken="", answer="## 范围\n" + "西关街道、东关街道。" * 40)
    text = re.search(r'<span class="emergency-text">([^<]+)</span>', visit(people.agent).get("/").text)
    assert text is not None
    assert text[1].endswith("…")
    assert len(text[1]) == LONGEST_TEXT + 1
    assert "#" not in text[1]

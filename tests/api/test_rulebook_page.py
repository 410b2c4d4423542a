"""The page of the rulebook in force: read by everybody who has logged in, changed by the office alone."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from api.clock import utc_now
from kb_admin.rulebook_files import SHIPPED, load_shipped
from kb_admin.rules_in_force import rules_of
from models.organisation import Person
from models.values import CHINA
from tests.cast import COUNTY, Cast
from tests.conftest import Visit


def test_everybody_reads_what_holds_with_its_articles(visit: Visit, people: Cast) -> None:
    for person in (people.agent, people.editor, people.county_office, people.analyst, people.stranger):
        text = visit(person).get("/rulebook").text
        assert "现行“系统默认规则”" in text
        assert "取济源第九条（三）2：2 个工作日" in text
        assert "采用另一份规则" not in text
    assert visit(None).get("/rulebook").status_code == 303


def test_the_office_compares_and_takes_another_rulebook(visit: Visit, people: Cast, base: Session) -> None:
    office = visit(people.office)
    shown = office.get("/rulebook", params={"propose": "jiyuan"}).text
    assert "“济源示范区规则”与现行规则有" in shown
    assert "济区数〔2023〕4号第九条（四）" in shown
    done = office.post("/rulebook/adopt", data={"region": people.city.id, "name": "jiyuan", "begins": ""})
    assert (done.status_code, done.headers["location"]) == (303, f"/rulebook?region={people.city.id}")
    text = office.get(done.headers["location"]).text
    assert "现行“济源示范区规则”" in text
    assert "刘热线办" in text
    assert "济区数〔2023〕4号第九条（三）2" in text
    base.expire_all()
    assert rules_of(base, people.county.id, utc_now()).rulebook == load_shipped("jiyuan")


def test_what_is_coming_is_told_and_does_not_hold_yet(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    begins = (utc_now() + timedelta(days=40)).astimezone(CHINA).strftime("%Y-%m-%dT08:00")
    office.post("/rulebook/adopt", data={"region": people.city.id, "name": "meizhou", "begins": begins})
    text = visit(people.editor).get("/rulebook").text
    assert "现行“系统默认规则”" in text
    assert "将要施行" in text
    assert begins.replace("T", " ") in text


def test_a_county_says_that_it_follows_its_city(visit: Visit, people: Cast) -> None:
    text = visit(people.county_office).get("/rulebook").text
    assert f"{COUNTY}没有自己采用的规则，随所属城市" in text


def test_a_past_moment_is_refused_and_nothing_is_lost(visit: Visit, people: Cast) -> None:
    fields = {"region": people.city.id, "name": "jiyuan", "begins": "2020-01-01T08:00"}
    refused = visit(people.office).post("/rulebook/adopt", data=fields)
    assert refused.status_code == 422
    assert "生效时间 2020-01-01 08:00 已经过去" in refused.text
    assert 'value="2020-01-01T08:00"' in refused.text
    broken = visit(people.office).post("/rulebook/adopt", data={**fields, "begins": "明天"})
    assert broken.status_code == 422
    assert "从何时起" in broken.text


@pytest.mark.parametrize(
    "login", ["agent", "editor", "reviewer", "leader", "county_office", "administrator", "stranger"]
)
def test_nobody_else_takes_a_rulebook(visit: Visit, people: Cast, base: Session, login: str) -> None:
    person: Person = getattr(people, login)
    fields = {"region": people.city.id, "name": "jiyuan", "begins": ""}
    assert visit(person).post("/rulebook/adopt", data=fields).status_code == 403
    assert rules_of(base, people.city.id, utc_now()).rulebook.name == "default"
    assert "有哪些不同" not in visit(person).get("/rulebook", params={"propose": "jiyuan"}).text


def test_what_there_is_not_is_not_found(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    assert office.get("/rulebook", params={"region": 999}).status_code == 404
    assert office.get("/rulebook", params={"propose": "atlantis"}).status_code == 404
    assert office.post("/rulebook/adopt", data={"region": people.city.id, "name": "atlantis"}).status_code == 404


def test_every_shipped_rulebook_can_be_looked_at_with_or_without_defaults(visit: Visit, people: Cast) -> None:
    office = visit(people.office)
    for name in SHIPPED:
        office.post("/rulebook/adopt", data={"region": people.county.id, "name": name})
        address = f"/rulebook?region={people.county.id}"
        assert f"现行“{load_shipped(name).title}”" in office.get(address).text
        short = office.get(f"{address}&articles=1").text
        assert "按国家机关通行的作息" not in short

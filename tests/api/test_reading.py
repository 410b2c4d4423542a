"""Who reads what: one decision, the same on the page, in the list, through the API, for attachments and in search."""

import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.clock import utc_now
from api.wiring import Services
from ingest.searchable import documents_of
from kb_admin import lifecycle
from kb_admin.permissions import grants_of
from kb_admin.rules_in_force import city_rules
from kb_admin.visibility import Onlooker, viewer_of
from models.knowledge import Attachment, Version
from models.organisation import Person, Region, RoleGrant, Unit
from models.validity import in_force
from models.values import EntryContent, Level, Publicity, Role, VersionStatus
from retrieval.columns import Columns
from tests.cast import DAY, LOST_CARD, Cast, assemble, published
from tests.conftest import DATABASES, Visit

ON_BOTH = pytest.mark.parametrize("services", DATABASES, indirect=True)
UNIT_ROLES = (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER)
SEE_ALL = (Role.CITY_OFFICE, Role.AGENT, Role.ANALYST, Role.ADMINISTRATOR)
READ_ALL_HISTORY = (Role.CITY_OFFICE, Role.ANALYST)


def draft(base: Session, content: EntryContent, *, code: str, submit: bool = True) -> Version:
    """A version that is not published: a new entry's, or the next one of the entry with that code."""
    version = lifecycle.create_entry(base, content, code=code, actor=None, now=utc_now())
    if submit:
        lifecycle.submit(base, version, actor=None, now=utc_now())
    base.commit()
    return version


def next_version(base: Session, live: Version, content: EntryContent) -> Version:
    version = lifecycle.add_version(base, live.entry, content, actor=None, now=utc_now())
    lifecycle.submit(base, version, actor=None, now=utc_now())
    base.commit()
    return version


def attach(base: Session, services: Services, version: Version) -> str:
    """A picture of that version alone; its address."""
    content = f"picture of {version.id}".encode()
    digest = hashlib.sha256(content).hexdigest()
    base.add(
        Attachment(
            version_id=version.id, filename="a.png", media_type="image/png", sha256=digest, size_bytes=len(content)
        )
    )
    base.commit()
    services.settings.attachments_folder.mkdir(parents=True, exist_ok=True)
    (services.settings.attachments_folder / digest).write_bytes(content)
    return f"/attachments/{digest}"


def listed(browser: TestClient, **filters: str) -> set[str]:
    return set(re.findall(r'<td class="number"><a href="/entries/([^"]+)"', listing(browser, **filters)))


def listing(browser: TestClient, **filters: str) -> str:
    reply = browser.get("/entries", params=filters)
    assert reply.status_code == 200
    return reply.text


def person(base: Session, login: str, *grants: RoleGrant) -> Person:
    made = Person(login=login, name=login, password_hash="-", grants=list(grants))
    base.add(made)
    base.commit()
    return made


# Two roles of one person


def test_an_agent_of_a_county_office_reads_drafts_of_that_county_only(
    visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    foreign = attach(base, services, draft(base, LOST_CARD, code="SB-900"))
    county = replace(LOST_CARD, unit=people.county_unit.name)
    own = attach(base, services, draft(base, county, code="QX-900"))
    roles = (RoleGrant(role=Role.AGENT), RoleGrant(role=Role.COUNTY_OFFICE, region_id=people.county.id))
    browser = visit(person(base, "liangzhong", *roles))
    assert browser.get("/entries/SB-900").status_code == 404
    assert browser.get("/api/v1/entries/SB-900").status_code == 404
    assert browser.get(foreign).status_code == 404
    assert listed(browser) == {"QX-900"}
    assert browser.get("/entries/QX-900").status_code == 200
    assert browser.get(own).status_code == 200


def test_a_county_office_that_edits_for_a_city_unit_reads_no_drafts_of_its_counterparts_elsewhere(
    visit: Visit, people: Cast, base: Session
) -> None:
    elsewhere = Region(name="河西区", level=Level.COUNTY, parent_id=people.city.id)
    base.add(elsewhere)
    base.flush()
    counterpart = Unit(name="河西区人社局", level=Level.COUNTY, region_id=elsewhere.id, counterpart_id=people.unit.id)
    base.add(counterpart)
    base.commit()
    draft(base, replace(LOST_CARD, unit=counterpart.name), code="HX-900")
    published(
        base, replace(LOST_CARD, unit=counterpart.name, question="内部", publicity=Publicity.INTERNAL), code="HX-001"
    )
    roles = (
        RoleGrant(role=Role.COUNTY_OFFICE, region_id=people.county.id),
        RoleGrant(role=Role.EDITOR, unit_id=people.unit.id),
    )
    browser = visit(person(base, "liangzhong", *roles))
    assert listed(browser) == {"HX-001"}
    assert browser.get("/entries/HX-900").status_code == 404
    assert browser.get("/api/v1/entries/HX-001").json()["versions"] is None


# Validity


@ON_BOTH
@pytest.mark.parametrize("begins", [True, False])
def test_outside_its_validity_an_entry_is_there_only_for_who_reads_its_history(
    begins: bool, visit: Visit, people: Cast, base: Session, services: Services
) -> None:
    now = utc_now()
    when = {"valid_from": now + DAY} if begins else {"valid_from": now - 9 * DAY, "valid_to": now - DAY}
    version = published(base, replace(LOST_CARD, **when), code="SB-001")  # type: ignore[arg-type]
    picture = attach(base, services, version)
    for who in (people.agent, people.administrator, people.stranger, people.county_office):
        browser = visit(who)
        assert browser.get("/entries/SB-001").status_code == 404
        assert browser.get("/api/v1/entries/SB-001").status_code == 404
        assert browser.get(picture).status_code == 404
        assert listed(browser) == set()
    for who in (people.editor, people.reviewer, people.leader, people.office, people.analyst):
        browser = visit(who)
        assert browser.get("/entries/SB-001").status_code == 200
        assert browser.get("/api/v1/entries/SB-001").json()["in_force"] is False
        assert browser.get(picture).status_code == 200
        assert listed(browser) == {"SB-001"}


# What is under way


def test_a_new_version_is_no_news_for_who_does_not_read_the_history(visit: Visit, people: Cast, base: Session) -> None:
    live = published(base, LOST_CARD, code="SB-001")
    next_version(base, live, replace(LOST_CARD, answer="新的答复。"))
    for who in (people.agent, people.stranger):
        assert "新版" not in listing(visit(who))
        assert listed(visit(who)) == {"SB-001"}
        assert listed(visit(who), status="submitted") == set()
    for who in (people.editor, people.office):
        assert "新版待审核" in listing(visit(who))
        assert listed(visit(who), status="submitted") == {"SB-001"}


# Everybody, everything


@dataclass(frozen=True)
class World:
    people: tuple[Person, ...]
    versions: tuple[Version, ...]


def random_world(base: Session, cast: Cast, chance: random.Random) -> World:
    """Units in three counties with counterparts, people of up to three roles, entries in every state."""
    counties = [cast.county, Region(name="河西区", level=Level.COUNTY, parent_id=cast.city.id)]
    base.add_all(counties)
    base.flush()
    city_units = [cast.unit, cast.other_unit]
    county_units = [
        Unit(
            name=f"县区单位{n}",
            level=Level.COUNTY,
            region=chance.choice(counties),
            counterpart_id=chance.choice([None, *(u.id for u in city_units)]),
        )
        for n in range(4)
    ]
    base.add_all(county_units)
    base.flush()
    units = [*city_units, cast.county_unit, *county_units]
    people = [
        person(base, f"ren{n}", *random_grants(chance, units, counties, count)) for n, count in enumerate([1, 2, 2, 3])
    ]
    versions = [v for n in range(9) for v in random_entry(base, f"E-{n}", chance.choice(units).name, chance)]
    return World(tuple(people), tuple(versions))


def random_grants(
    chance: random.Random, units: Sequence[Unit], counties: Sequence[Region], count: int
) -> Iterable[RoleGrant]:
    for role in chance.sample([r for r in Role if r not in READ_ALL_HISTORY or chance.random() < 0.3], count):
        if role in UNIT_ROLES:
            yield RoleGrant(role=role, unit_id=chance.choice(units).id)
        elif role is Role.COUNTY_OFFICE:
            yield RoleGrant(role=role, region_id=chance.choice(counties).id)
        else:
            yield RoleGrant(role=role)


def random_entry(base: Session, code: str, unit: str, chance: random.Random) -> list[Version]:
    """One or two versions, the first perhaps live; valid, valid once, or valid later."""
    now = utc_now()
    begins, ends = chance.choice([(None, None), (-5, 5), (-5, -1), (1, 5), (None, 3), (-2, None)])
    content = replace(
        LOST_CARD,
        unit=unit,
        question=f"问题 {code}",
        publicity=chance.choice(list(Publicity)),
        valid_from=None if begins is None else now + begins * DAY,
        valid_to=None if ends is None else now + ends * DAY,
    )
    if chance.random() < 0.3:
        return [draft(base, content, code=code, submit=chance.random() < 0.5)]
    first = published(base, content, code=code)
    if chance.random() < 0.2 and (ends is None or ends > 0):  # what is over is taken down already
        lifecycle.withdraw(base, first, "不用了", actor=None, now=now)
        base.commit()
    if chance.random() < 0.4:
        return [first, next_version(base, first, replace(content, answer="改"))]
    return [first]


def sees(grant: RoleGrant, unit: Unit) -> bool:
    """清远 art. 4(3), of one role."""
    if grant.role in SEE_ALL:
        return True
    if grant.role is Role.COUNTY_OFFICE:
        return unit.region_id == grant.region_id
    return grant.unit_id in (unit.id, unit.counterpart_id)


def reads_history(grant: RoleGrant, unit: Unit) -> bool:
    if grant.role is Role.COUNTY_OFFICE:
        return unit.region_id == grant.region_id
    return grant.role in READ_ALL_HISTORY or (grant.role in UNIT_ROLES and grant.unit_id == unit.id)


def should_read(who: Person, version: Version, now: datetime) -> bool:
    unit = version.entry.unit
    if any(reads_history(grant, unit) for grant in who.grants):
        return True
    begun = version.valid_from is None or version.valid_from <= now
    holds = begun and (version.valid_to is None or now < version.valid_to)
    seen = version.publicity is Publicity.PUBLIC or any(sees(grant, unit) for grant in who.grants)
    return version.status is VersionStatus.PUBLISHED and holds and seen


@pytest.mark.parametrize("seed", range(6))
def test_page_list_api_and_attachments_decide_alike(seed: int, visit: Visit, base: Session, services: Services) -> None:
    world = random_world(base, assemble(base), random.Random(seed))
    pictures = {version.id: attach(base, services, version) for version in world.versions}
    now = utc_now()
    for who in world.people:
        browser = visit(who)
        readable = {v.entry.code for v in world.versions if should_read(who, v, now)}
        assert listed(browser) == readable
        for version in world.versions:
            read = should_read(who, version, now)
            whole = any(reads_history(grant, version.entry.unit) for grant in who.grants)
            code = version.entry.code
            assert (browser.get(pictures[version.id]).status_code == 200) is read
            page, reply = browser.get(f"/entries/{code}"), browser.get(f"/api/v1/entries/{code}")
            assert {page.status_code, reply.status_code} == ({200} if code in readable else {404})
            if code in readable:
                assert ('class="history"' in page.text) is (reply.json()["versions"] is not None) is whole


@pytest.mark.parametrize("seed", range(6))
def test_search_sees_what_pages_show_of_live_versions(seed: int, base: Session) -> None:
    world = random_world(base, assemble(base), random.Random(seed))
    now = utc_now()
    documents = list(documents_of(base, [version.entry_id for version in world.versions]))
    columns, live = Columns.of(documents), [base.get_one(Version, document.version_id) for document in documents]
    for who in world.people:
        rights = city_rules(base, now).rulebook.rights
        viewer = viewer_of(Onlooker(grants_of(who)), base.scalars(select(Unit)), rights)
        for version, shown in zip(live, columns.visible(viewer, now), strict=True):
            unit_id, publicity = version.entry.unit_id, version.publicity
            allowed = viewer.may_see(entry_id=version.entry_id, unit_id=unit_id, publicity=publicity)
            assert shown == (allowed and in_force(version, now))
            assert allowed is (publicity is Publicity.PUBLIC or any(sees(g, version.entry.unit) for g in who.grants))

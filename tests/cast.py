"""The people of the tests, their units, and entries small enough to check by eye."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.passwords import hash_password
from api.wiring import Services
from kb_admin import lifecycle
from kb_admin.published_years import library_year
from kb_admin.rules_in_force import ensure_adopted
from models.knowledge import Category, Version
from models.organisation import Person, Region, RoleGrant, Unit
from models.rules import CalendarYear
from models.values import BasisContent, EntryContent, Level, Publicity, Role

NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
"""A Friday, 10:30 in Shanghai."""
DAY = timedelta(days=1)
PASSWORD = "一二三四五六七八"

CITY = "安澜市"
COUNTY = "河东区"
SOCIAL_SECURITY = "安澜市人力资源和社会保障局"
COUNTY_SOCIAL_SECURITY = "河东区人力资源和社会保障局"
POLICE = "安澜市公安局"

LOST_CARD = EntryContent(
    question="社会保障卡丢失后怎样补领",
    answer="## 材料\n本人有效身份证件。\n## 时限\n窗口当场办结。\n## 费用\n工本费 16 元。",
    unit=SOCIAL_SECURITY,
    region=CITY,
    similar=("社保卡丢了怎么办", "我妈把社保卡弄没了去哪补"),
    spoken="请带本人身份证，到就近社保卡服务网点补领，当场拿卡，工本费十六元。",
    keywords=("社保卡", "补领"),
    category="社会保险/社会保障卡",
    bases=(BasisContent("《中华人民共和国社会保险法》", "主席令第三十五号", 0),),
    publicity=Publicity.PUBLIC,
    info_type="办事指南",
)
RESIDENCE_PERMIT = EntryContent(
    question="居住证怎样申领",
    answer="## 条件\n离开常住户口所在地，在本市居住半年以上。\n## 材料\n身份证、居住或就业证明。",
    unit=POLICE,
    region=CITY,
    similar=("暂住证在哪里办", "外地人办居住证要什么"),
    spoken="在本市住满半年，带身份证和居住证明，到居住地派出所申领居住证。",
    keywords=("居住证",),
    category="户籍/居住证",
    bases=(BasisContent("《居住证暂行条例》", "国务院令第663号", 0),),
    publicity=Publicity.PUBLIC,
    info_type="办事指南",
)
INTERNAL_CONTACT = replace(
    RESIDENCE_PERMIT,
    question="派出所户籍窗口内部联系方式",
    answer="内部联络电话见通讯录。",
    similar=("找户籍民警打哪个电话",),
    spoken="",
    keywords=("户籍窗口",),
    publicity=Publicity.INTERNAL,
)


LOGINS = {
    "agent": "zuoxi",
    "editor": "caibian",
    "reviewer": "shenhe",
    "leader": "lingdao",
    "office": "rexianban",
    "county_office": "quxian",
    "analyst": "fenxi",
    "administrator": "guanli",
    "stranger": "luren",
}


@dataclass(frozen=True)
class Cast:
    """Two units of a city, one of a county, and everybody who has a say; the stranger edits for another unit."""

    city: Region
    county: Region
    unit: Unit
    county_unit: Unit
    other_unit: Unit
    agent: Person
    editor: Person
    reviewer: Person
    leader: Person
    office: Person
    county_office: Person
    analyst: Person
    administrator: Person
    stranger: Person


def assemble(session: Session) -> Cast:
    """Everybody, from a base that holds them already, else written to it."""
    return recall(session) if session.scalar(select(Region.id).limit(1)) else write(session)


def recall(session: Session) -> Cast:
    """Everybody, as ``write`` left them."""
    people = {person.login: person for person in session.scalars(select(Person))}
    regions = {region.name: region for region in session.scalars(select(Region))}
    units = {unit.name: unit for unit in session.scalars(select(Unit))}
    return Cast(
        city=regions[CITY],
        county=regions[COUNTY],
        unit=units[SOCIAL_SECURITY],
        county_unit=units[COUNTY_SOCIAL_SECURITY],
        other_unit=units[POLICE],
        **{post: people[login] for post, login in LOGINS.items()},
    )


def write(session: Session) -> Cast:
    """Everybody, and what a city has before its first entry, committed."""
    city = Region(name=CITY, level=Level.CITY)
    session.add(city)
    session.flush()
    county = Region(name=COUNTY, level=Level.COUNTY, parent_id=city.id)
    unit = Unit(name=SOCIAL_SECURITY, level=Level.CITY, region=city, phone="0000-8100001")
    other = Unit(name=POLICE, level=Level.CITY, region=city, phone="0000-8100002")
    session.add_all([county, unit, other])
    session.flush()
    county_unit = Unit(name=COUNTY_SOCIAL_SECURITY, level=Level.COUNTY, region=county, counterpart_id=unit.id)
    session.add(county_unit)
    session.flush()
    cast = Cast(
        city=city,
        county=county,
        unit=unit,
        county_unit=county_unit,
        other_unit=other,
        agent=_person("agent", "陈坐席", RoleGrant(role=Role.AGENT)),
        editor=_person("editor", "林采编", RoleGrant(role=Role.EDITOR, unit=unit)),
        reviewer=_person("reviewer", "王审核", RoleGrant(role=Role.REVIEWER, unit=unit)),
        leader=_person("leader", "赵分管", RoleGrant(role=Role.UNIT_LEADER, unit=unit)),
        office=_person("office", "刘热线办", RoleGrant(role=Role.CITY_OFFICE)),
        county_office=_person("county_office", "孙区办", RoleGrant(role=Role.COUNTY_OFFICE, region=county)),
        analyst=_person("analyst", "周分析", RoleGrant(role=Role.ANALYST)),
        administrator=_person("administrator", "吴管理", RoleGrant(role=Role.ADMINISTRATOR)),
        stranger=_person("stranger", "郑外单位", RoleGrant(role=Role.EDITOR, unit=other)),
    )
    people = [value for value in vars(cast).values() if isinstance(value, Person)]
    session.add_all(people)
    session.add_all(_category(unit, content) for unit, content in ((unit, LOST_CARD), (other, RESIDENCE_PERMIT)))
    session.add(_category(county_unit, LOST_CARD))
    ensure_adopted(session, now=NOW - DAY)
    session.add_all(_coming_years())
    session.commit()
    return cast


def published(session: Session, content: EntryContent, *, code: str = "", now: datetime = NOW - DAY) -> Version:
    """The entry, live since ``now``, committed."""
    version = lifecycle.create_entry(session, content, code=code, actor=None, now=now)
    lifecycle.submit(session, version, actor=None, now=now)
    lifecycle.publish(session, version, actor=None, now=now)
    session.commit()
    return version


def submitted(session: Session, services: Services, *, code: str = "SB-002") -> Version:
    """An entry that waits for its unit's reviewer, committed."""
    content = replace(LOST_CARD, question="社会保障卡怎样激活", similar=("新卡怎么用不了",))
    version = lifecycle.create_entry(session, content, code=code, actor=None, now=NOW)
    lifecycle.submit(session, version, actor=None, now=NOW)
    session.commit()
    services.follower.catch_up()
    return version


def _category(unit: Unit, content: EntryContent) -> Category:
    """A place that the office has set up."""
    return Category(unit_id=unit.id, path=content.category)


def _coming_years() -> list[CalendarYear]:
    """Tests on the real clock go on when it comes near a year whose holidays no package knows yet."""
    today = utc_now()
    years = {today.year, (today + 90 * DAY).year}
    unknown = sorted(year for year in years if library_year(year) is None)
    return [CalendarYear(year=y, holidays=[], workdays=[], source="检验用", added_at=NOW) for y in unknown]


def _person(post: str, name: str, grant: RoleGrant) -> Person:
    return Person(login=LOGINS[post], name=name, password_hash=_password_hash(), grants=[grant])


@cache
def _password_hash() -> str:
    """Hashing is slow by design; one for all."""
    return hash_password(PASSWORD)

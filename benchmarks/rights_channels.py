"""Every way on which an entry reaches somebody, held against what was made up of the city."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import FastAPI
from pypinyin import Style, lazy_pinyin
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from api.clock import utc_now
from api.entry_list import Wanted, count_entries, list_entries
from api.reading import may_read
from api.security import CSRF_HEADER, SESSION_COOKIE, Caller, open_login_session
from benchmarks import rights_expected as expected
from benchmarks.rights_worlds import World
from ingest.searchable import documents_of
from kb_admin.permissions import Action, grants_of, unit_ids_of
from kb_admin.rules_in_force import city_rules
from kb_admin.sharing import shared_unit_ids
from kb_admin.visibility import Onlooker, Thing, may
from models.knowledge import Entry, Version
from models.organisation import LoginSession, Person
from retrieval.columns import Columns
from retrieval.documents import Document
from retrieval.embedded import EmbeddedIndex

ASKED = 5
"""Hidden entries whose own words each person then asks for."""
MOST = 100
"""Hits that a search is asked for: more than a made-up city has."""
NO_SUCH = "E-99"


@dataclass
class Report:
    """How many decisions were compared, and where one let out or held back what it should not."""

    worlds: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    leaks: Counter[str] = field(default_factory=Counter)
    """By channel: shown, and not to be seen."""
    held_back: Counter[str] = field(default_factory=Counter)
    """By channel: to be seen, and not shown."""
    examples: list[str] = field(default_factory=list)

    def compare(self, channel: str, what: str, *, shown: bool, allowed: bool) -> None:
        """One decision of one channel."""
        self.decisions[channel] += 1
        if shown != allowed:
            (self.leaks if shown else self.held_back)[channel] += 1
            self.examples.append(f"{channel}：{what}{'不该看到而看到' if shown else '该看到而没有'}")

    @property
    def sound(self) -> bool:
        return not self.leaks and not self.held_back


@dataclass(frozen=True)
class Look:
    """One person of one world at one moment."""

    report: Report
    session: Session
    world: World
    person: Person
    caller: Caller
    at: datetime
    name: str

    def compare(self, channel: str, code: str, *, shown: bool, allowed: bool) -> None:
        self.report.compare(channel, f"{self.name} {code} ", shown=shown, allowed=allowed)

    def compare_count(self, channel: str, count: int, ought: int) -> None:
        """A number that counts hidden entries is a leak; one that leaves out visible ones holds back."""
        self.compare(channel, f"{count}", shown=count >= ought, allowed=True)
        self.compare(channel, f"{count}", shown=count > ought, allowed=False)

    def listed(self) -> set[str]:
        """Codes that this person's lists should hold."""
        return {
            code
            for code, versions in self.world.entries.items()
            if expected.sees(self.world, self.person, expected.standing(versions), self.at)
        }

    def live(self) -> dict[str, bool]:
        """By code, whether search may show the entry to this person."""
        world = self.world
        standing = {code: expected.standing(versions) for code, versions in world.entries.items()}
        return {code: expected.sees_live(world, self.person, told, self.at) for code, told in standing.items()}


def _documents(look: Look) -> tuple[list[Document], dict[int, str]]:
    codes = dict(look.session.execute(select(Entry.id, Entry.code)).tuples().all())
    return list(documents_of(look.session, sorted(codes))), codes


def by_decision(look: Look) -> None:
    """``visibility.may`` and ``reading.may_read``, for every version."""
    rights = city_rules(look.session, look.at).rulebook.rights
    grants = grants_of(look.person)
    onlooker = Onlooker(grants, shared_unit_ids(look.session, unit_ids_of(grants), look.at))
    for version in look.session.scalars(select(Version).join(Entry).order_by(Version.id)):
        entry = version.entry
        told = look.world.entries[entry.code][version.number - 1]
        thing = Thing.of(entry.unit, version, look.at)
        allowed = expected.sees(look.world, look.person, told, look.at)
        history = expected.reads_history(look.world, look.person, entry.unit_id)
        taken = expected.takes_out(look.world, look.person, entry.unit_id)
        look.compare("判断", entry.code, shown=may(onlooker, Action.SEE, thing, rights), allowed=allowed)
        look.compare("判断", entry.code, shown=may(onlooker, Action.READ_HISTORY, thing, rights), allowed=history)
        look.compare("判断", entry.code, shown=may(onlooker, Action.EXPORT, thing, rights), allowed=taken)
        look.compare("版本页", entry.code, shown=may_read(look.caller, version, look.at), allowed=allowed)


def by_list(look: Look) -> None:
    """The SQL filter: the list, and the number above it."""
    lines = list_entries(look.session, Wanted(), look.caller, look.at, page=1)
    found, ought = {line.code for line in lines}, look.listed()
    for code in look.world.entries:
        look.compare("列表", code, shown=code in found, allowed=code in ought)
    count = count_entries(look.session, Wanted(), look.caller, look.at)
    look.compare_count("计数", count, len(ought))
    for code, secret in look.world.secrets.items() if look.at == look.world.moments[0] else ():
        hits = count_entries(look.session, Wanted(text=secret), look.caller, look.at)
        look.compare("计数", code, shown=hits > 0, allowed=code in ought)


def by_columns(look: Look) -> None:
    """The columns by which retrieval decides."""
    documents, codes = _documents(look)
    visible = Columns.of(documents).visible(look.caller.viewer, look.at)
    live = look.live()
    for document, shown in zip(documents, visible, strict=True):
        code = codes[document.entry_id]
        look.compare("检索列", code, shown=bool(shown), allowed=live[code])


def by_index(look: Look, index: EmbeddedIndex) -> None:
    """Retrieval itself: a search for each entry's own words, and for slips of them; suggestions for their beginning."""
    documents, codes = _documents(look)
    live = look.live()
    for document in documents:
        code, secret = codes[document.entry_id], look.world.secrets[codes[document.entry_id]]
        found = {codes[hit.entry_id] for hit in index.search(document.question, look.caller.viewer, look.at, MOST).hits}
        look.compare("检索", code, shown=code in found, allowed=live[code])
        for other in found - {code}:
            look.compare("检索", other, shown=True, allowed=live[other])
        suggested = {codes[s.entry_id] for s in index.suggest(secret[:2], look.caller.viewer, look.at, MOST)}
        look.compare("提示", code, shown=code in suggested, allowed=live[code])
        for slip in () if live[code] else slips_of(secret):
            mended = index.search(slip, look.caller.viewer, look.at, MOST)
            words = " ".join([mended.searched, *(one.meant for one in mended.mended)])
            look.compare("改错", code, shown=secret in words, allowed=False)


def by_service(look: Look, app: FastAPI, chance: random.Random) -> None:
    """The running service: list and count, one entry, 404 texts, search, suggestions, slips, the exported file."""
    browser = _logged_in(look, app)
    ought, world = look.listed(), look.world
    listed = browser.get("/api/v1/entries").json()
    look.compare_count("接口计数", listed["count"], len(ought))
    found = {line["code"] for line in listed["entries"]}
    page = _read(browser, "/entries")
    for code, versions in world.entries.items():
        look.compare("接口列表", code, shown=code in found, allowed=code in ought)
        look.compare("列表页", code, shown=world.secrets[code] in page, allowed=code in ought)
        _one_entry(look, browser, code, allowed=code in ought)
        history = expected.reads_history(world, look.person, versions[0].unit_id)
        reply = browser.get(f"/api/v1/entries/{code}")
        if reply.status_code == 200:
            look.compare("接口经过", code, shown=reply.json()["versions"] is not None, allowed=history)
    live = look.live()
    for code in chance.sample(sorted(live), min(ASKED, len(live))):
        _asked_for(look, browser, code, live)
    _taken_out(look, browser)


def by_public(report: Report, browser: TestClient, world: World, at: datetime, name: str) -> None:
    """What anybody gets: the feed, the codes, the pages; and nothing else without login."""
    feed = _read(browser, "/api/v1/public/feed.json")
    codes = set(browser.get("/api/v1/public/codes").json()["codes"])
    for code, versions in world.entries.items():
        allowed = expected.is_public(world, expected.standing(versions), at)
        report.compare("公开数据", f"{name} {code} ", shown=world.secrets[code] in feed, allowed=allowed)
        report.compare("公开数据", f"{name} {code} ", shown=code in codes, allowed=allowed)
        page = browser.get(f"/public/entries/{code}")
        report.compare("公开网页", f"{name} {code} ", shown=world.secrets[code] in page.text, allowed=allowed)
        for address in (f"/api/v1/entries/{code}", f"/entries/{code}"):
            shown = world.secrets[code] in browser.get(address).text
            report.compare("未登录", f"{name} {code} ", shown=shown, allowed=False)


def slips_of(word: str) -> tuple[str, ...]:
    """The word as it might be mistyped: a character dropped, its pinyin, its initials."""
    syllables = lazy_pinyin(word, style=Style.NORMAL)
    return word[:1] + word[2:], "".join(syllables), "".join(syllable[0] for syllable in syllables)


def _logged_in(look: Look, app: FastAPI) -> TestClient:
    browser = TestClient(app, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
    token = open_login_session(look.session, look.person, utc_now(), hours=1)
    held = look.session.scalars(
        select(LoginSession).where(LoginSession.person_id == look.person.id).order_by(LoginSession.created_at.desc())
    ).first()
    assert held is not None
    browser.cookies.set(SESSION_COOKIE, token)
    browser.headers[CSRF_HEADER] = held.csrf_token
    look.session.commit()
    return browser


def _one_entry(look: Look, browser: TestClient, code: str, *, allowed: bool) -> None:
    """There, or as if it were not: what is said of a hidden entry is said of one that does not exist."""
    for address in ("/api/v1/entries/", "/entries/"):
        reply = browser.get(address + code)
        look.compare("条目", code, shown=reply.status_code == 200, allowed=allowed)
        if reply.status_code == 404:
            absent = browser.get(address + NO_SUCH)
            told = reply.text.replace(code, NO_SUCH) != absent.text
            look.compare("404 文字", code, shown=told, allowed=False)


def _asked_for(look: Look, browser: TestClient, code: str, live: dict[str, bool]) -> None:
    """Asked by its own words, by slips of them, and by their beginning."""
    secret = look.world.secrets[code]
    hidden = [other for other, seen in live.items() if not seen]
    for query in (f"{secret}怎样办理", *slips_of(secret)):
        asked = browser.post("/api/v1/search", json={"query": query, "k": 20})
        asked.raise_for_status()
        reply, page = asked.text, _read(browser, "/ask", q=query)
        for other in hidden:
            word = look.world.secrets[other]
            look.compare("提问", other, shown=f'"{other}"' in reply, allowed=False)
            if word not in query:
                look.compare("提问", other, shown=word in reply or word in page, allowed=False)
    for typed in (secret[:1], secret[:2]):
        suggested = _read(browser, "/api/v1/suggest", q=typed)
        suggested += _read(browser, "/suggest", q=typed)
        for other in hidden:
            look.compare("输入提示", other, shown=look.world.secrets[other] in suggested, allowed=False)


def _read(browser: TestClient, address: str, **wanted: str) -> str:
    """What is told; an answer that failed would leak nothing and prove nothing."""
    reply = browser.get(address, params=wanted)
    reply.raise_for_status()
    return reply.text


def _taken_out(look: Look, browser: TestClient) -> None:
    """The file holds the live wordings of the units that one takes out, and not a word more."""
    reply = browser.get("/api/v1/export", params={"format": "jsonl"})
    lines = [json.loads(line) for line in reply.text.splitlines()] if reply.status_code == 200 else []
    found = {line["code"] for line in lines}
    newest = browser.get("/api/v1/export", params={"format": "jsonl", "wanted": "newest"})
    every = newest.text if newest.status_code == 200 else ""
    for code, versions in look.world.entries.items():
        told = expected.standing(versions)
        taken = expected.takes_out(look.world, look.person, told.unit_id)
        look.compare("导出", code, shown=code in found, allowed=taken and told.status.value == "published")
        look.compare("导出", code, shown=look.world.secrets[code] in every, allowed=taken)

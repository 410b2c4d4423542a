"""Whatever people try, in whatever order: one live version at most, no move outside the table, a whole history, and
words that do not change once they were handed in."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import audit, lifecycle
from kb_admin.keywords import set_keywords
from kb_admin.permissions import grants_of
from kb_admin.routes import Move, MoveName, moves_of
from kb_admin.rulebook import Route
from kb_admin.rulebook_files import SHIPPED, load_shipped
from kb_admin.taking_effect import expire_due, take_effect_due
from models.database import open_engine, sessions
from models.errors import ZhidaError
from models.knowledge import Entry, Transition, Version
from models.organisation import Person
from models.values import EntryContent, Origin, VersionStatus
from tests.cast import DAY, NOW, assemble
from tests.kb_admin.crowd import content_for, follow, gather, set_up_place
from tests.kb_admin.test_route_walks import DOES

S = VersionStatus
STEPS = 60
LIVES = [(name, seed) for name in SHIPPED for seed in range(2)]


class Life:
    """Two entries of a unit, a crowd, and a clock that goes on."""

    def __init__(self, session: Session, name: str, seed: int) -> None:
        self.session, self.random, self.now = session, random.Random(seed), NOW
        cast = assemble(session)
        follow(session, cast, name)
        self.rulebook = load_shipped(name)
        self.crowd = gather(session, cast, county=self.random.random() < 0.5)
        set_up_place(session, self.crowd.unit)
        self.routes = [route for route in self.rulebook.routes if route.origin is not Origin.SYNC]
        self.lines = {(m.before, m.to, m.label) for route in self.rulebook.routes for m in moves_of(route)}
        self.handed_in: dict[int, EntryContent] = {}
        self.done: Counter[str] = Counter()
        session.commit()

    def step(self) -> None:
        """One attempt by somebody; what is refused leaves no trace."""
        action = self.random.choice((self.mend, self.keywords, self.wait, *(self.write,) * 3, *(self.move,) * 12))
        action = action if self.versions() else self.write
        try:
            action()
            self.session.commit()
            self.done[action.__name__] += 1
        except ZhidaError:
            self.session.rollback()
            self.session.expire_all()

    def content(self, route: Route | None = None) -> EntryContent:
        route = route or self.random.choice(self.routes)
        ahead = self.random.choice((-DAY, -DAY, DAY))
        return replace(
            content_for(self.rulebook, route, self.crowd.unit),
            answer=f"第 {self.random.randrange(10**6)} 稿",
            valid_from=self.now + ahead,
            valid_to=self.now + ahead + self.random.choice((2, 5, 30)) * DAY,
        )

    def write(self) -> None:
        entries = self.session.scalars(select(Entry)).all()
        route = self.random.choice(self.routes)
        person = self.somebody(self.crowd.party(route.writes))
        if len(entries) < 2:
            lifecycle.create_entry(self.session, self.content(route), origin=route.origin, actor=person, now=self.now)
        else:
            entry = self.random.choice(entries)
            lifecycle.add_version(self.session, entry, self.content(route), actor=person, now=self.now)

    def somebody(self, right: Person) -> Person:
        """Mostly who may, now and then anybody."""
        return right if self.random.random() < 0.7 else self.random.choice(self.crowd.people)

    def mend(self) -> None:
        person = self.random.choice(self.crowd.people)
        lifecycle.save_draft(self.session, self.version(), self.content(), actor=person, now=self.now)

    def keywords(self) -> None:
        words = [f"词{self.random.randrange(9)}"]
        person = self.random.choice(self.crowd.people)
        set_keywords(self.session, self.version().entry, words, actor=person, now=self.now)

    def move(self) -> None:
        version, person = self.version(), self.random.choice(self.crowd.people)
        name = self.random.choice(list(DOES))
        if self.random.random() < 0.7:
            version, person, name = next(self.possible(), (version, person, name))
        DOES[name](self.session, version, person, self.now)

    def possible(self) -> Iterator[tuple[Version, Person, MoveName]]:
        """What pages would offer to anybody, in any order."""
        recent = [(version, person) for version in self.versions()[-6:] for person in self.crowd.people]
        for version, person in self.random.sample(recent, len(recent)):
            moves = self.offered(version, person)
            for move in self.random.sample(moves, len(moves)):
                yield version, person, move.name

    def offered(self, version: Version, person: Person) -> tuple[Move, ...]:
        return lifecycle.possible_moves(self.session, version, grants_of(person), self.now)

    def wait(self) -> None:
        self.now += timedelta(hours=self.random.randrange(20))
        take_effect_due(self.session, self.now)
        expire_due(self.session, self.now)

    def version(self) -> Version:
        return self.random.choice(self.versions()[-6:])

    def versions(self) -> Sequence[Version]:
        return self.session.scalars(select(Version).order_by(Version.id)).all()

    def check(self) -> None:
        versions = self.versions()
        live = Counter(version.entry_id for version in versions if version.status is S.PUBLISHED)
        assert all(count == 1 for count in live.values())
        for version in versions:
            moves = self.session.scalars(select(Transition).filter_by(version_id=version.id).order_by(Transition.id))
            self.check_history(version, moves.all())
            if version.status is not S.DRAFT or version.submitted_at is not None:
                assert self.handed_in.setdefault(version.id, version.content()) == version.content()

    def check_history(self, version: Version, moves: list[Transition]) -> None:
        assert moves[0].from_status is None
        assert all(later.from_status is earlier.to_status for earlier, later in pairwise(moves))
        assert all(earlier.at <= later.at for earlier, later in pairwise(moves))
        assert moves[-1].to_status is version.status
        for move in moves[1:]:
            waits = (move.from_status, S.PUBLISHED, move.step) in self.lines and move.to_status is S.CHECKED
            assert waits or (move.from_status, move.to_status, move.step) in self.lines


@pytest.mark.parametrize(("name", "seed"), LIVES)
def test_whatever_people_try_the_base_stays_sound(name: str, seed: int, sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with sessions(engine)() as session:
        life = Life(session, name, seed)
        for _ in range(STEPS):
            life.step()
            life.check()
        assert life.done["move"] > 10
        assert audit.verify(session).broken_at is None
    engine.dispose()

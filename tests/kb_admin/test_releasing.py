"""What the city office lets go to sites, media and the public, and takes back."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import lifecycle, releasing
from kb_admin.rulebook import Release, RightsRule
from models.audit import AuditRecord
from models.errors import Conflict, Forbidden, Invalid
from models.values import Publicity
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.kb_admin.test_visibility import QINGYUAN

AUTOMATIC = replace(QINGYUAN, release=Release.AUTOMATIC)


def codes(session: Session, rights: RightsRule = QINGYUAN, **options: object) -> list[str]:
    found = releasing.public_versions(session, rights, options.pop("now", NOW), **options)  # type: ignore[arg-type]
    return [version.entry.code for version in found]


def test_only_what_the_office_let_go_is_out(session: Session, cast: Cast) -> None:
    card, permit = published(session, LOST_CARD, code="A-1"), published(session, RESIDENCE_PERMIT, code="B-1")
    assert codes(session) == []
    releasing.release(session, card.entry, actor=cast.office, now=NOW)
    assert codes(session) == ["A-1"]
    assert releasing.public_codes(session, QINGYUAN, NOW) == ["A-1"]
    assert releasing.count_public(session, QINGYUAN, NOW) == 1
    assert releasing.public_version(session, "A-1", QINGYUAN, NOW) is card
    assert releasing.public_version(session, "B-1", QINGYUAN, NOW) is None
    releasing.release(session, permit.entry, actor=cast.office, now=NOW)
    releasing.take_back(session, card.entry, actor=cast.office, now=NOW)
    assert codes(session) == ["B-1"]
    with pytest.raises(Conflict):
        releasing.take_back(session, card.entry, actor=cast.office, now=NOW)
    session.commit()
    acts = session.scalars(select(AuditRecord.act).where(AuditRecord.act.like("entry.%")).order_by(AuditRecord.seq))
    assert acts.all() == ["entry.release", "entry.release", "entry.take_back"]


def test_where_the_rulebook_lets_everything_public_go_the_office_still_takes_back(session: Session, cast: Cast) -> None:
    card = published(session, LOST_CARD, code="A-1")
    published(session, INTERNAL_CONTACT, code="C-1")
    assert codes(session, AUTOMATIC) == ["A-1"]
    releasing.take_back(session, card.entry, actor=cast.office, now=NOW)
    assert not releasing.is_released(card.entry, AUTOMATIC)
    assert codes(session, AUTOMATIC) == []
    releasing.release(session, card.entry, actor=cast.office, now=NOW)
    assert codes(session, AUTOMATIC) == ["A-1"]


def test_internal_entries_never_leave(session: Session, cast: Cast) -> None:
    contact = published(session, INTERNAL_CONTACT, code="C-1")
    with pytest.raises(Invalid, match="内部"):
        releasing.release(session, contact.entry, actor=cast.office, now=NOW)
    contact.entry.released_at = NOW
    session.flush()
    assert codes(session) == codes(session, AUTOMATIC) == []


def test_a_draft_is_not_released_and_a_withdrawn_entry_is_out_no_more(session: Session, cast: Cast) -> None:
    draft = lifecycle.create_entry(session, RESIDENCE_PERMIT, code="B-1", actor=None, now=NOW)
    with pytest.raises(Invalid, match="没有已发布"):
        releasing.release(session, draft.entry, actor=cast.office, now=NOW)
    card = published(session, LOST_CARD, code="A-1")
    releasing.release(session, card.entry, actor=cast.office, now=NOW)
    lifecycle.withdraw(session, card, "过时", actor=None, now=NOW)
    assert codes(session) == []


def test_validity_holds_to_the_second(session: Session, cast: Cast) -> None:
    card = published(session, replace(LOST_CARD, valid_from=NOW, valid_to=NOW + DAY), code="A-1")
    card.entry.released_at = NOW - DAY
    session.flush()
    at = {"before": NOW - DAY / 86400, "first": NOW, "last": NOW + DAY - DAY / 86400, "over": NOW + DAY}
    assert [name for name, now in at.items() if codes(session, now=now)] == ["first", "last"]
    assert releasing.changed_at(card) == NOW


def test_since_leaves_out_what_has_not_changed(session: Session, cast: Cast) -> None:
    old, new = published(session, LOST_CARD, code="A-1"), published(session, RESIDENCE_PERMIT, code="B-1", now=NOW)
    old.entry.released_at = new.entry.released_at = NOW - DAY
    session.flush()
    assert codes(session, since=NOW) == ["B-1"]
    assert codes(session, since=NOW - DAY) == ["B-1", "A-1"]
    assert codes(session, limit=1, offset=1) == ["A-1"]
    old.entry.released_at = NOW
    session.flush()
    assert codes(session, since=NOW) == ["B-1", "A-1"]


@pytest.mark.parametrize("who", ["agent", "editor", "reviewer", "leader", "county_office", "analyst", "stranger"])
def test_nobody_but_the_city_office_releases(who: str, session: Session, cast: Cast) -> None:
    card = published(session, replace(LOST_CARD, publicity=Publicity.PUBLIC), code="A-1")
    for act in (releasing.release, releasing.take_back):
        with pytest.raises(Forbidden):
            act(session, card.entry, actor=getattr(cast, who), now=NOW)

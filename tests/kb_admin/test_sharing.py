"""A unit asks to see another's entries; the owner consents, the office grants, and it ends on its second."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import notifications, sharing
from kb_admin.permissions import grants_of
from kb_admin.rulebook_files import whole_text
from kb_admin.rules_in_force import adopt, city_rules
from models.audit import AuditRecord
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.notices import Application
from models.organisation import Person
from models.values import ApplicationStatus
from tests.cast import DAY, NOW, Cast

UNTIL = NOW + 30 * DAY
SECOND = timedelta(seconds=1)


def asked(session: Session, cast: Cast, *, until: datetime = UNTIL, now: datetime = NOW) -> Application:
    """The police wish to see the entries of social security."""
    return sharing.ask(
        session, cast.other_unit, cast.unit, reason="办理居住证要核对社保", until=until, actor=cast.stranger, now=now
    )


def granted(session: Session, cast: Cast) -> Application:
    wish = asked(session, cast)
    sharing.consent(session, wish, granted=True, answer="", actor=cast.reviewer, now=NOW)
    sharing.decide(session, wish, granted=True, answer="", actor=cast.office, now=NOW)
    session.commit()
    return wish


def sees(session: Session, cast: Cast, at: datetime) -> bool:
    return sharing.shared_unit_ids(session, {cast.other_unit.id}, at) == {cast.unit.id}


def told(session: Session, person: Person) -> list[str]:
    return [message.text for message in notifications.list_for(session, person.id)]


def test_nothing_is_shared_before_the_office_grants_and_nothing_at_its_end(session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    assert not sees(session, cast, NOW)
    sharing.consent(session, wish, granted=True, answer="同意", actor=cast.leader, now=NOW)
    assert not sees(session, cast, NOW)
    sharing.decide(session, wish, granted=True, answer="", actor=cast.office, now=NOW)
    assert sees(session, cast, NOW)
    assert sees(session, cast, UNTIL - SECOND)
    assert not sees(session, cast, UNTIL)
    assert sharing.shared_unit_ids(session, {cast.unit.id, cast.county_unit.id}, NOW) == frozenset()


def test_each_step_tells_who_is_next_and_is_recorded(session: Session, cast: Cast) -> None:
    granted(session, cast)
    assert "申请查看" in told(session, cast.reviewer)[-1]
    assert "请审批" in told(session, cast.office)[0]
    assert "已批准" in told(session, cast.stranger)[0]
    assert told(session, cast.agent) == []
    acts = session.scalars(select(AuditRecord.act).where(AuditRecord.subject.startswith("application:"))).all()
    assert acts == ["sharing.ask", "sharing.consent", "sharing.grant"]


def test_a_refusal_says_why_and_who_asked_may_ask_again(session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    with pytest.raises(Invalid, match="原因"):
        sharing.consent(session, wish, granted=False, answer=" ", actor=cast.reviewer, now=NOW)
    sharing.consent(session, wish, granted=False, answer="内容未定", actor=cast.reviewer, now=NOW)
    assert (wish.status, wish.answer) == (ApplicationStatus.REFUSED, "内容未定")
    assert "内容未定" in told(session, cast.stranger)[0]
    again = asked(session, cast)
    sharing.consent(session, again, granted=True, answer="", actor=cast.reviewer, now=NOW)
    sharing.decide(session, again, granted=False, answer="不宜", actor=cast.office, now=NOW)
    assert again.status is ApplicationStatus.REFUSED
    assert not sees(session, cast, NOW)


@pytest.mark.parametrize("who", ["agent", "editor", "office", "county_office", "analyst", "administrator"])
def test_only_the_units_own_people_ask_in_its_name(who: str, session: Session, cast: Cast) -> None:
    with pytest.raises(Forbidden):
        sharing.ask(session, cast.other_unit, cast.unit, reason="想看", until=UNTIL, actor=getattr(cast, who), now=NOW)


@pytest.mark.parametrize("who", ["agent", "editor", "office", "county_office", "analyst", "stranger"])
def test_only_the_owners_reviewer_or_leader_consents(who: str, session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    with pytest.raises(Forbidden):
        sharing.consent(session, wish, granted=True, answer="", actor=getattr(cast, who), now=NOW)


@pytest.mark.parametrize("who", ["agent", "reviewer", "leader", "county_office", "analyst", "stranger"])
def test_only_the_city_office_grants(who: str, session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    sharing.consent(session, wish, granted=True, answer="", actor=cast.reviewer, now=NOW)
    with pytest.raises(Forbidden):
        sharing.decide(session, wish, granted=True, answer="", actor=getattr(cast, who), now=NOW)


def test_the_office_cannot_grant_without_consent_or_after_the_day(session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    with pytest.raises(Conflict):
        sharing.decide(session, wish, granted=True, answer="", actor=cast.office, now=NOW)
    sharing.consent(session, wish, granted=True, answer="", actor=cast.reviewer, now=NOW)
    with pytest.raises(Conflict, match="到期"):
        sharing.decide(session, wish, granted=True, answer="", actor=cast.office, now=UNTIL)


@pytest.mark.parametrize("who", ["office", "reviewer", "leader"])
def test_owner_and_office_end_a_share_early(who: str, session: Session, cast: Cast) -> None:
    wish = granted(session, cast)
    sharing.end(session, wish, reason="资料有变", actor=getattr(cast, who), now=NOW + DAY)
    assert sees(session, cast, NOW + DAY - SECOND)
    assert not sees(session, cast, NOW + DAY)
    with pytest.raises(Conflict):
        sharing.end(session, wish, reason="再结束一次", actor=cast.office, now=NOW + DAY)


@pytest.mark.parametrize("who", ["stranger", "editor", "agent", "county_office", "analyst"])
def test_nobody_else_ends_a_share(who: str, session: Session, cast: Cast) -> None:
    wish = granted(session, cast)
    with pytest.raises(Forbidden):
        sharing.end(session, wish, reason="不要了", actor=getattr(cast, who), now=NOW + DAY)


def test_who_asked_takes_back_what_is_not_decided(session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    with pytest.raises(Forbidden):
        sharing.take_back(session, wish, actor=cast.editor, now=NOW)
    sharing.take_back(session, wish, actor=cast.stranger, now=NOW)
    assert wish.status is ApplicationStatus.CANCELLED
    with pytest.raises(Conflict):
        sharing.take_back(session, wish, actor=cast.stranger, now=NOW)
    with pytest.raises(Conflict):
        sharing.consent(session, wish, granted=True, answer="", actor=cast.reviewer, now=NOW)


def test_the_wish_must_be_reasonable(session: Session, cast: Cast) -> None:
    longest = city_rules(session, NOW).rulebook.rights.sharing_longest_days
    with pytest.raises(Invalid, match="今天"):
        asked(session, cast, until=NOW)
    with pytest.raises(Invalid, match=f"{longest} 天"):
        asked(session, cast, until=NOW + (longest + 2) * DAY)
    with pytest.raises(Invalid, match="理由"):
        sharing.ask(session, cast.other_unit, cast.unit, reason=" ", until=UNTIL, actor=cast.stranger, now=NOW)
    with pytest.raises(Invalid, match="本单位"):
        sharing.ask(session, cast.unit, cast.unit, reason="自己", until=UNTIL, actor=cast.editor, now=NOW)


def test_the_same_is_not_asked_twice_while_it_is_open_or_shared(session: Session, cast: Cast) -> None:
    granted(session, cast)
    with pytest.raises(Conflict):
        asked(session, cast)
    asked(session, cast, now=UNTIL, until=UNTIL + DAY)
    with pytest.raises(Conflict):
        asked(session, cast, now=UNTIL, until=UNTIL + DAY)


def test_two_at_once_one_is_told(session: Session, cast: Cast) -> None:
    wish = asked(session, cast)
    session.commit()
    with Session(session.get_bind()) as other:
        theirs = sharing.application(other, wish.id, grants_of(cast.leader))
        sharing.consent(session, wish, granted=True, answer="", actor=cast.reviewer, now=NOW)
        session.commit()
        with pytest.raises(Conflict, match="其他人"):
            sharing.consent(
                other, theirs, granted=False, answer="不", actor=other.get_one(Person, cast.leader.id), now=NOW
            )


def test_a_city_without_sharing_refuses_with_a_sentence(session: Session, cast: Cast) -> None:
    text = whole_text("default").replace("sharing = { value = true", "sharing = { value = false", 1)
    adopt(session, cast.city, text, effective_from=NOW, actor=cast.office, now=NOW)
    with pytest.raises(Invalid, match="没有设置"):
        asked(session, cast)


def test_applications_are_there_only_for_the_two_units_and_the_office(session: Session, cast: Cast) -> None:
    wish = granted(session, cast)
    for who in (cast.stranger, cast.editor, cast.leader, cast.office):
        assert list(sharing.applications(session, grants_of(who))) == [wish]
        assert sharing.application(session, wish.id, grants_of(who)) is wish
    for who in (cast.agent, cast.county_office, cast.analyst, cast.administrator):
        assert list(sharing.applications(session, grants_of(who))) == []
        with pytest.raises(NotFound):
            sharing.application(session, wish.id, grants_of(who))

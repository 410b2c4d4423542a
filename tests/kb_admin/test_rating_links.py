"""The citizen's link: signed, used once, for a few days, for one answer of one call, never for an internal entry."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from kb_admin import deliveries, feedback, incoming, lifecycle, rating_links
from kb_admin.corrections import under_correction
from kb_admin.correctness import correctness_of
from kb_admin.rating_links import LinkExpired, LinkUsed
from kb_admin.rules_in_force import adopt, city_rules
from models.database import sessions
from models.errors import Conflict, Forbidden, Invalid, NotFound
from models.incoming import IncomingCall, RatingLink
from models.knowledge import Version
from models.messages import Delivery
from models.organisation import Person
from models.usage import Question, Verdict
from models.values import Channel, FaultReason, Judgement, Rater
from tests.cast import DAY, INTERNAL_CONTACT, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.kb_admin.test_incoming import STRANGERS, asked, call_of, other_agent

WRONG = {"judgement": Judgement.INCORRECT, "reason": FaultReason.OUTDATED, "note": "窗口说已经不收费了"}


@pytest.fixture
def card(session: Session, cast: Cast) -> Version:
    return published(session, LOST_CARD)


@pytest.fixture
def call(session: Session, cast: Cast, card: Version) -> IncomingCall:
    return call_of(session, asked(session, cast.agent, card))


def invite(session: Session, call: IncomingCall, version: Version, actor: Person, now: datetime = NOW) -> str:
    token = rating_links.invite(session, call, version.id, actor=actor, now=now)
    session.commit()
    return token


def rate(session: Session, token: str, now: datetime = NOW, **said: object) -> Verdict:
    given = {"judgement": Judgement.CORRECT, "reason": None, "note": "", **said}
    verdict = rating_links.rate(session, token, now=now, **given)  # type: ignore[arg-type]
    session.commit()
    return verdict


def test_the_caller_judges_the_version_that_was_shown(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    token = invite(session, call, card, cast.agent)
    verdict = rate(session, token, now=NOW + DAY, **WRONG)
    assert (verdict.rater, verdict.person_id, verdict.version_id) == (Rater.CITIZEN, None, card.id)
    assert (verdict.occasion, verdict.judgement, verdict.reason) == (
        f"call:{call.id}",
        Judgement.INCORRECT,
        FaultReason.OUTDATED,
    )
    assert verdict.note == "窗口说已经不收费了"


def test_the_unknown_callers_of_one_agent_are_one_rater_unless_a_platform_vouches_for_the_call(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    unknown = rate(session, invite(session, call, card, cast.agent))
    assert unknown.rater_key == f"callers-of:{cast.agent.id}"
    incoming.end(session, call, None, actor=cast.agent, now=NOW + timedelta(minutes=1))
    vouched = incoming.begin(session, actor=cast.agent, now=NOW + timedelta(minutes=1), reference="P-1")
    asked(session, cast.agent, card, at=timedelta(minutes=1))
    said = rate(session, invite(session, vouched, card, cast.agent, NOW + timedelta(minutes=2)), now=NOW + DAY)
    assert said.rater_key == f"call:{vouched.id}"


def test_an_agent_who_opens_his_own_links_brings_no_entry_below_the_threshold(
    session: Session, cast: Cast, card: Version
) -> None:
    for number in range(8):
        at = timedelta(minutes=10 * number)
        own = incoming.begin(session, actor=cast.agent, now=NOW + at)
        asked(session, cast.agent, card, at=at)
        rate(session, invite(session, own, card, cast.agent, NOW + at), now=NOW + at, **WRONG)
    assert correctness_of(session, card, NOW + DAY).incorrect_raters == 1
    assert under_correction(session, [card.entry_id]) == {}


def test_a_known_caller_is_one_rater(session: Session, cast: Cast, card: Version, call: IncomingCall) -> None:
    later = incoming.begin(session, actor=cast.agent, now=NOW + timedelta(minutes=1), caller="c" * 64)
    asked(session, cast.agent, card, at=timedelta(minutes=1))
    known = rate(session, invite(session, later, card, cast.agent, NOW + timedelta(minutes=2)), now=NOW + DAY)
    assert known.rater_key == f"caller:{'c' * 64}"


def test_the_token_fits_a_text_message_and_only_its_hash_is_kept(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    token = invite(session, call, card, cast.agent)
    assert len(token) <= 30
    assert token.isascii()
    link = session.scalars(select(RatingLink)).one()
    assert token not in (link.token_hash, str(vars(link)))


def test_asked_for_again_it_is_the_same_link(session: Session, cast: Cast, card: Version, call: IncomingCall) -> None:
    tokens = {invite(session, call, card, cast.agent), invite(session, call, card, cast.agent, NOW + DAY)}
    assert len(tokens) == 1
    assert session.scalars(select(RatingLink)).one().expires_at == NOW + 3 * DAY


def test_a_link_is_used_once(session: Session, cast: Cast, card: Version, call: IncomingCall) -> None:
    token = invite(session, call, card, cast.agent)
    rate(session, token)
    with pytest.raises(LinkUsed):
        rate(session, token, **WRONG)
    session.rollback()
    with pytest.raises(LinkUsed):
        invite(session, call, card, cast.agent)
    assert session.scalars(select(Verdict)).one().judgement is Judgement.CORRECT


def test_a_faulty_verdict_does_not_use_the_link_up(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    token = invite(session, call, card, cast.agent)
    with pytest.raises(Invalid, match="原因"):
        rate(session, token, judgement=Judgement.INCORRECT)
    session.rollback()
    assert rate(session, token, **WRONG).reason is FaultReason.OUTDATED


def test_a_link_lives_as_long_as_the_rulebook_says(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    assert city_rules(session, NOW).rulebook.ratings.link_days == 3
    token = invite(session, call, card, cast.agent)
    with pytest.raises(LinkExpired):
        rate(session, token, now=NOW + 3 * DAY)
    with pytest.raises(LinkExpired):
        invite(session, call, card, cast.agent, NOW + 3 * DAY)
    assert rate(session, token, now=NOW + 3 * DAY - timedelta(seconds=1)).judgement is Judgement.CORRECT


def test_where_the_rulebook_says_nought_no_links_are_sent(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    text = '[rulebook]\nname = "anlan"\ntitle = "安澜市规则"\n[ratings]\n'
    text += 'link_days = { value = 0, source = "default", why = "不发短信" }\n'
    adopt(session, cast.city, text, effective_from=NOW, actor=cast.office, now=NOW)
    with pytest.raises(Invalid, match="不发送"):
        invite(session, call, card, cast.agent)


@pytest.mark.parametrize("who", sorted(set(STRANGERS) - {"office"}))
def test_who_has_no_caller_invites_nobody(
    who: str, session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    with pytest.raises(Forbidden):
        invite(session, call, card, getattr(cast, who))


def test_an_agent_invites_their_own_callers_and_the_office_any(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    with pytest.raises(NotFound):
        invite(session, call, card, other_agent(session))
    assert invite(session, call, card, cast.office) == invite(session, call, card, cast.agent)


def test_only_what_the_call_showed_can_be_judged(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    with pytest.raises(NotFound):
        invite(session, call, published(session, RESIDENCE_PERMIT), cast.agent)


def test_no_link_is_made_for_an_internal_entry(session: Session, cast: Cast) -> None:
    secret = published(session, INTERNAL_CONTACT)
    call = call_of(session, asked(session, cast.agent, secret))
    with pytest.raises(Invalid, match="内部"):
        invite(session, call, secret, cast.agent)
    assert session.scalar(select(func.count()).select_from(RatingLink)) == 0


def test_a_forged_or_altered_token_is_no_link(session: Session, cast: Cast, card: Version, call: IncomingCall) -> None:
    permit = published(session, RESIDENCE_PERMIT)
    asked(session, cast.agent, permit)
    token = invite(session, call, card, cast.agent)
    number, version, signature = token.split("-")
    other_version = f"{number}-{permit.id}-{signature}"  # both ids below 36: base 36 is the digit itself
    turned = signature[:-1] + ("a" if signature[-1] != "a" else "b")
    forged = [
        *("", "x", "-", "0-0-" + "a" * 16, token + "a", token[:-1], token.replace("-", "")),
        *(other_version, f"2-{version}-{signature}", f"{number}-{version}-{turned}", f" {token}", f"{token}\n"),
        *("z" * 13 + f"-1-{signature}", "１-１-" + signature, "a" * 5000),
    ]
    for wrong in forged:
        with pytest.raises(NotFound):
            rating_links.find_link(session, wrong, NOW)
    assert rating_links.find_link(session, token.upper(), NOW).version_id == card.id


def test_a_signature_without_a_link_is_no_link(session: Session, cast: Cast, card: Version, call: IncomingCall) -> None:
    token = invite(session, call, card, cast.agent)
    session.delete(session.scalars(select(RatingLink)).one())
    session.commit()
    with pytest.raises(NotFound):
        rate(session, token)


def test_the_verdict_stays_with_the_version_that_was_shown(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    token = invite(session, call, card, cast.agent)
    newer = lifecycle.add_version(session, card.entry, replace(LOST_CARD, spoken="改了。"), actor=None, now=NOW)
    lifecycle.submit(session, newer, actor=None, now=NOW)
    lifecycle.publish(session, newer, actor=None, now=NOW)
    session.commit()
    assert rate(session, token, **WRONG).version_id == card.id


def test_two_at_once_judge_once(
    engine: Engine, session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    token = invite(session, call, card, cast.agent)
    together = threading.Barrier(2, timeout=10)

    def one(n: int) -> bool:
        with sessions(engine)() as mine:
            together.wait()
            try:
                rate(mine, token, **({} if n else WRONG))
            except LinkUsed:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, range(2))) == [False, True]
    assert session.scalar(select(func.count()).select_from(Verdict)) == 1


def test_two_invitations_at_once_are_one_link(
    engine: Engine, session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    together = threading.Barrier(2, timeout=10)

    def one(_n: int) -> str:
        with sessions(engine)() as mine:
            same, agent = mine.get_one(IncomingCall, call.id), mine.get_one(Person, cast.agent.id)
            together.wait()
            return invite(mine, same, card, agent)

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(one, range(2)))) == 1


def test_one_caller_judges_so_often_a_day(session: Session, cast: Cast, card: Version) -> None:
    most = city_rules(session, NOW).rulebook.ratings.most_a_day_citizen
    for n in range(most + 1):
        at = NOW + timedelta(minutes=n)
        call = incoming.begin(session, actor=cast.agent, now=at, caller="c" * 64)
        asked(session, cast.agent, card, at=timedelta(minutes=n))
        token = invite(session, call, card, cast.agent, at)
        if n < most:
            rate(session, token, now=at)
    with pytest.raises(Conflict, match="上限"):
        rate(session, token, now=at)
    session.rollback()
    assert rate(session, token, now=NOW + DAY).at == NOW + DAY  # the link was not used up


def test_the_call_platform_is_told_once_where_a_webhook_is_set_up(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    token = invite(session, call, card, cast.agent)
    rating_links.announce(session, token, "请评价", now=NOW)
    assert session.scalar(select(func.count()).select_from(Delivery)) == 0
    session.info[deliveries.WAYS_OUT] = frozenset({Channel.WEBHOOK, Channel.MAIL})
    rating_links.announce(session, token, "请评价", now=NOW)
    rating_links.announce(session, token, "请评价", now=NOW)
    sent = session.scalars(select(Delivery)).one()
    assert sent.body["event"] == "rating.invited"
    assert (sent.body["text"], sent.body["address"], sent.body["reference"]) == ("请评价", f"/r/{token}", None)


def test_the_forms_key_is_of_this_link_alone(session: Session) -> None:
    one, other = (rating_links.form_key(session, token, NOW) for token in ("1-1-a", "1-2-a"))
    assert one != other
    assert one == rating_links.form_key(session, "1-1-a", NOW + DAY)


def test_an_unknown_caller_who_judges_by_key_and_by_link_is_one_rater(
    session: Session, cast: Cast, card: Version, call: IncomingCall
) -> None:
    question = session.scalars(select(Question).where(Question.call_id == call.id)).one()
    said = {"judgement": Judgement.CORRECT, "reason": None, "note": "", "now": NOW}
    key = rating_links.rater_of(call)
    by_key = feedback.judge_as_citizen(session, question=question, version_id=card.id, rater_key=key, **said)
    by_link = rate(session, invite(session, call, card, cast.agent), **WRONG)
    assert by_link.id == by_key.id
    assert session.scalars(select(Verdict)).one().judgement is Judgement.INCORRECT

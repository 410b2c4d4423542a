"""Messages leave the system signed, once, and again until they arrive."""

import email
import email.policy
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.delivering import Courier, NotDelivered, Webhook, ways_out
from api.settings import MailSecurity, Settings
from api.wiring import Services, build
from kb_admin import clocks, deliveries
from kb_admin.notifications import tell
from models.errors import ZhidaError
from models.messages import Delivery, Notification
from models.values import Channel
from tests.api.receivers import Inbox, mail_receiver, web_receiver
from tests.cast import NOW, Cast, assemble
from tests.kb_admin.test_clocks import at, collection

SECRET = "一个足够长的签名密钥，共二十余字"
SITE = "https://zhida.example"


@pytest.fixture
def web() -> Iterator[Inbox]:
    with web_receiver() as inbox:
        yield inbox


@pytest.fixture
def post() -> Iterator[Inbox]:
    with mail_receiver() as inbox:
        yield inbox


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, web: Inbox, post: Inbox) -> Settings:
    return Settings(
        data_folder=tmp_path,
        database_url=sqlite_url,
        site_url=SITE,
        webhook_url=f"http://127.0.0.1:{web.port}/hooks/zhida?city=1",
        webhook_secret=SecretStr(SECRET),
        smtp_host="127.0.0.1",
        smtp_port=post.port,
        smtp_security=MailSecurity.NONE,
        smtp_from="zhida@example.com",
    )


@dataclass
class Office:
    """A base whose messages go out, and what carries them; its clock stands until it is moved."""

    services: Services
    session: Session
    cast: Cast
    now: datetime = NOW

    def courier(self, channel: Channel) -> Courier:
        way = next(way for way in ways_out(self.services.settings) if way.channel is channel)
        return Courier(self.services.open_session, way, clock=lambda: self.now)

    def deliveries(self, channel: Channel = Channel.WEBHOOK) -> list[Delivery]:
        self.session.rollback()
        self.session.expire_all()
        mine = select(Delivery).where(Delivery.channel == channel)
        return list(self.session.scalars(mine.order_by(Delivery.id)))


@pytest.fixture
def office(settings: Settings) -> Iterator[Office]:
    services = build(settings)
    with services.open_session() as session:
        cast = assemble(session)
        cast.editor.mail, cast.office.mail = "caibian@example.com", "rexianban@example.com"
        session.commit()
        yield Office(services, session, cast)
    services.close()


def test_a_dispatch_goes_out_signed_and_says_what_it_is(office: Office, web: Inbox) -> None:
    notice = collection(office.session, office.cast)
    office.session.commit()
    assert office.courier(Channel.WEBHOOK).send_due() == 1
    (request,) = web.requests
    assert request.path == "/hooks/zhida?city=1"
    assert json.loads(request.body) == {
        "event": "notice.dispatched",
        "key": f"notice:{notice.id}:dispatched",
        "at": NOW.isoformat(),
        "text": office.session.scalars(select(Notification.text).limit(1)).one(),
        "address": f"{SITE}/notices/{notice.id}",
        "notice": "采集〔2026〕1号",
        "kind": "collection",
        "title": "补充社保卡补领",
        "unit": office.cast.unit.name,
    }
    headers = request.headers
    assert headers["X-Zhida-Event"] == "notice.dispatched"
    assert headers["X-Zhida-Delivery"] == str(office.deliveries()[0].id)
    assert datetime.fromtimestamp(int(headers["X-Zhida-Timestamp"]), UTC) == NOW
    signed = headers["X-Zhida-Timestamp"].encode() + b"." + request.body
    assert headers["X-Zhida-Signature"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


def test_what_has_arrived_is_not_sent_again(office: Office, web: Inbox) -> None:
    collection(office.session, office.cast)
    office.session.commit()
    courier = office.courier(Channel.WEBHOOK)
    assert [courier.send_due(), courier.send_due()] == [1, 0]
    office.now += timedelta(days=1)
    assert courier.send_due() == 0
    assert len(web.requests) == 1
    assert [(d.sent_at, d.next_at, d.attempts) for d in office.deliveries()] == [(NOW, None, 1)]


def test_an_action_that_fails_sends_nothing(office: Office, web: Inbox) -> None:
    collection(office.session, office.cast)
    office.session.rollback()
    assert office.courier(Channel.WEBHOOK).send_due() == 0
    assert web.requests == []


@pytest.mark.parametrize("status", [500, 404, 302], ids=["broken", "wrong address", "elsewhere"])
def test_a_refusal_is_tried_again_after_a_pause(office: Office, web: Inbox, status: int) -> None:
    web.answers = [status, 204]
    collection(office.session, office.cast)
    office.session.commit()
    courier = office.courier(Channel.WEBHOOK)
    assert courier.send_due() == 0
    (delivery,) = office.deliveries()
    assert (delivery.attempts, delivery.next_at) == (1, NOW + timedelta(seconds=10))
    assert str(status) in delivery.error
    office.now += timedelta(seconds=9)
    assert courier.send_due() == 0
    office.now += timedelta(seconds=1)
    assert courier.send_due() == 1
    assert len({request.headers["X-Zhida-Delivery"] for request in web.requests}) == 1
    assert office.deliveries()[0].error == ""


def test_the_pauses_grow_and_after_ten_attempts_it_is_given_up_and_told(office: Office, web: Inbox) -> None:
    web.answers = [503]
    collection(office.session, office.cast)
    office.session.commit()
    courier = office.courier(Channel.WEBHOOK)
    pauses = []
    while (next_at := office.deliveries()[0].next_at) is not None:
        pauses.append(next_at - office.now)
        office.now = next_at
        courier.send_due()
    assert pauses == sorted(pauses)
    assert sum(pauses, timedelta()) < timedelta(hours=8)
    assert len(web.requests) == 10
    (told,) = office.session.scalars(
        select(Notification).where(Notification.person_id == office.cast.administrator.id)
    ).all()
    assert "不再重试" in told.text
    assert "503" in told.text
    assert len(office.deliveries()) == 1  # that it did not go out does not go out
    assert deliveries.try_again(office.session, now=office.now) == 1
    office.session.commit()
    web.answers = [200]
    assert courier.send_due() == 1


def test_nobody_there_is_a_failure_like_another(office: Office) -> None:
    nobody = Webhook("http://127.0.0.1:9/", SECRET, SITE)
    collection(office.session, office.cast)
    office.session.commit()
    (parcel,) = deliveries.take(office.session, NOW, channels=frozenset({Channel.WEBHOOK}))
    with pytest.raises(NotDelivered, match="连接失败"):
        nobody.send(parcel, NOW)


def test_one_sender_at_a_time_has_a_message_and_a_dead_one_is_replaced(office: Office) -> None:
    collection(office.session, office.cast)
    office.session.commit()
    only = frozenset({Channel.WEBHOOK})
    (taken,) = deliveries.take(office.session, NOW, channels=only)
    office.session.commit()
    assert deliveries.take(office.session, NOW + deliveries.LEASE - timedelta(seconds=1), channels=only) == []
    (again,) = deliveries.take(office.session, NOW + deliveries.LEASE, channels=only)
    assert (again.id, again.attempt) == (taken.id, 2)
    deliveries.failed(office.session, taken, "迟到的消息", NOW)  # the first one, which was only slow
    office.session.commit()
    assert office.deliveries()[0].error == ""
    deliveries.arrived(office.session, again, NOW)
    office.session.commit()
    assert office.deliveries()[0].sent_at == NOW


def test_overdue_goes_out_as_a_second_notice(office: Office, web: Inbox) -> None:
    collection(office.session, office.cast)
    clocks.run_due(office.session, at("11-27 17:30"))
    office.session.commit()
    office.now = at("11-27 17:30")
    office.courier(Channel.WEBHOOK).send_due()
    kinds = [request.headers["X-Zhida-Event"] for request in web.requests]
    assert sorted(kinds) == [
        "clock.expired",
        "clock.expired",
        "clock.second_notice",
        "clock.warned",
        "clock.warned",
        "notice.dispatched",
    ]


def test_mail_goes_to_who_has_an_address(office: Office, post: Inbox) -> None:
    notice = collection(office.session, office.cast)
    office.session.commit()
    assert office.courier(Channel.MAIL).send_due() == 1  # of the unit's three only the editor has one
    (mail,) = (email.message_from_string(raw, policy=email.policy.default) for raw in post.mails)
    assert (mail["From"], mail["To"]) == ("zhida@example.com", "caibian@example.com")
    assert str(mail["Subject"]).startswith("【知识库】收到知识库采集通知单")
    assert mail["Message-ID"] == f"<zhida-{office.deliveries(Channel.MAIL)[0].id}@example.com>"
    text = mail.get_content()  # type: ignore[attr-defined]
    assert "2026年11月27日 17:30前" in text
    assert f"{SITE}/notices/{notice.id}" in text


def test_a_refused_mail_is_tried_again(office: Office, post: Inbox) -> None:
    post.answers = [550, 250]
    collection(office.session, office.cast)
    office.session.commit()
    courier = office.courier(Channel.MAIL)
    assert courier.send_due() == 0
    assert "no such box" in office.deliveries(Channel.MAIL)[0].error
    office.now += timedelta(seconds=10)
    assert courier.send_due() == 1


def test_words_of_several_lines_make_one_line_of_a_subject(office: Office, post: Inbox) -> None:
    """An entry may be sent back with a reason of several lines."""
    tell(office.session, [office.cast.editor], "version:1:sent_back:1", "被退回：第一处\n第二处", "/", NOW)
    office.session.commit()
    assert office.courier(Channel.MAIL).send_due() == 1
    (raw,) = post.mails
    assert email.message_from_string(raw, policy=email.policy.default)["Subject"] == "【知识库】被退回：第一处 第二处"


def test_an_address_that_none_can_be_is_a_failure_like_another(office: Office, post: Inbox) -> None:
    office.cast.editor.mail = "caibian@example.com\nBcc: all@example.com"
    tell(office.session, [office.cast.editor], "version:1:sent_back:1", "被退回", "/", NOW)
    office.session.commit()
    assert office.courier(Channel.MAIL).send_due() == 0
    assert post.mails == []
    (stuck,) = office.deliveries(Channel.MAIL)
    assert stuck.error
    assert stuck.next_at == NOW + timedelta(seconds=10)


def test_the_same_event_goes_out_once(office: Office) -> None:
    for _ in range(2):
        tell(office.session, [office.cast.editor], "试:1:发生", "发生了一件事。", "/notifications", NOW)
    office.session.commit()
    assert len(office.deliveries()) == 1
    assert len(office.deliveries(Channel.MAIL)) == 1


def test_without_settings_nothing_is_written_to_go_out(services: Services, base: Session, people: Cast) -> None:
    collection(base, people)
    base.commit()
    assert ways_out(services.settings) == ()
    assert base.scalars(select(Delivery)).all() == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"webhook_url": "ftp://x"}, "不是网址"),
        ({"webhook_url": "https://zhida.example/hook"}, "ZHIDA_WEBHOOK_SECRET"),
        ({"webhook_url": "https://zhida.example/hook", "webhook_secret": "短"}, "ZHIDA_WEBHOOK_SECRET"),
        ({"smtp_host": "mail.example.com"}, "ZHIDA_SMTP_FROM"),
        ({"site_url": "zhida.example"}, "不是网址"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str], reason: str) -> None:
    with pytest.raises((ZhidaError, ValidationError), match=reason):
        Settings(**given)  # type: ignore[arg-type]

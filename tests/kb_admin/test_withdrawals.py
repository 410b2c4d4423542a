"""撤销申请: the unit asks, its office decides."""

import pytest
from sqlalchemy.orm import Session

from kb_admin import lifecycle, withdrawals
from kb_admin.notifications import list_for
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import Version
from models.notices import Application
from models.values import ApplicationStatus, VersionStatus
from tests.cast import LOST_CARD, NOW, Cast, published


@pytest.fixture
def live(session: Session, cast: Cast) -> Version:
    assert cast.unit
    return published(session, LOST_CARD)


def asked(session: Session, cast: Cast, live: Version) -> Application:
    return withdrawals.apply(session, live.entry, "政策已废止", actor=cast.editor, now=NOW)


def test_the_office_takes_down_what_the_unit_asks_for(session: Session, cast: Cast, live: Version) -> None:
    application = asked(session, cast, live)
    assert application.status is ApplicationStatus.CONSENTED
    assert [n.text for n in list_for(session, cast.office.id)] == [
        f"{cast.unit.name}申请撤销条目 {live.entry.code}：政策已废止"
    ]
    withdrawals.decide(session, application, granted=True, actor=cast.office, now=NOW)
    assert (application.status, live.status) == (ApplicationStatus.GRANTED, VersionStatus.WITHDRAWN)
    session.refresh(live, ["transitions"])
    assert live.transitions[-1].reason == "撤销申请：政策已废止"
    assert any("已下架" in n.text for n in list_for(session, cast.editor.id))


def test_a_refusal_says_why_and_leaves_the_entry(session: Session, cast: Cast, live: Version) -> None:
    application = asked(session, cast, live)
    with pytest.raises(Invalid, match="理由"):
        withdrawals.decide(session, application, granted=False, actor=cast.office, now=NOW)
    withdrawals.decide(session, application, granted=False, answer="仍有人询问", actor=cast.office, now=NOW)
    assert (application.status, live.status) == (ApplicationStatus.REFUSED, VersionStatus.PUBLISHED)
    with pytest.raises(Conflict, match="未批准"):
        withdrawals.decide(session, application, granted=True, actor=cast.office, now=NOW)


def test_it_is_asked_once_at_a_time_and_may_be_taken_back(session: Session, cast: Cast, live: Version) -> None:
    application = asked(session, cast, live)
    with pytest.raises(Conflict, match="已有一份撤销申请"):
        asked(session, cast, live)
    withdrawals.take_back(session, application, actor=cast.reviewer, now=NOW)
    assert application.status is ApplicationStatus.CANCELLED
    assert asked(session, cast, live).status is ApplicationStatus.CONSENTED


def test_what_is_not_live_need_not_be_taken_down(session: Session, cast: Cast, live: Version) -> None:
    application = asked(session, cast, live)
    lifecycle.withdraw(session, live, "已停止", actor=cast.office, now=NOW)
    withdrawals.decide(session, application, granted=True, actor=cast.office, now=NOW)
    assert application.status is ApplicationStatus.GRANTED
    with pytest.raises(Conflict, match="没有在用的版本"):
        asked(session, cast, live)


@pytest.mark.parametrize("who", ["stranger", "office", "agent", "county_office"])
def test_others_do_not_ask_for_the_unit(who: str, session: Session, cast: Cast, live: Version) -> None:
    with pytest.raises(Forbidden):
        withdrawals.apply(session, live.entry, "废止", actor=getattr(cast, who), now=NOW)


@pytest.mark.parametrize("who", ["editor", "reviewer", "leader", "stranger", "county_office", "agent"])
def test_only_its_office_decides(who: str, session: Session, cast: Cast, live: Version) -> None:
    application = asked(session, cast, live)
    with pytest.raises(Forbidden, match="热线办"):
        withdrawals.decide(session, application, granted=True, actor=getattr(cast, who), now=NOW)
    assert live.status is VersionStatus.PUBLISHED


def test_a_reason_is_needed(session: Session, cast: Cast, live: Version) -> None:
    with pytest.raises(Invalid, match="理由"):
        withdrawals.apply(session, live.entry, "  ", actor=cast.editor, now=NOW)

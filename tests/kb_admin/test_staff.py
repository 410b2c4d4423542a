"""The unit's staff list, and that each change reaches the office."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin import staff
from kb_admin.staff import StaffLine
from models.audit import AuditRecord
from models.duties import StaffDuty, StaffMember
from models.errors import Conflict, Forbidden, Invalid
from models.notices import Notice
from models.values import CHINA, NoticeKind, NoticeStatus
from tests.cast import NOW, Cast

TODAY = NOW.astimezone(CHINA).date()
"""Friday, 2026-11-20."""
DAY = timedelta(days=1)
LIN = StaffLine("林采编", StaffDuty.EDITOR, "科员", "0000-8100011")


def join(session: Session, cast: Cast, line: StaffLine = LIN, since: date = TODAY) -> StaffMember:
    return staff.join(session, cast.unit, line, since=since, actor=cast.editor, now=NOW)


def names(session: Session, cast: Cast, day: date) -> list[str]:
    return [member.name for member in staff.staff_of(session, cast.unit, day)]


def due(session: Session) -> list[Notice]:
    kind = select(Notice).where(Notice.kind == NoticeKind.STAFF).order_by(Notice.id)
    return list(session.scalars(kind))


def test_the_list_of_a_day(session: Session, cast: Cast) -> None:
    lin = join(session, cast, since=TODAY - 10 * DAY)
    join(session, cast, StaffLine("赵分管", StaffDuty.LEADER), since=TODAY)
    staff.leave(session, lin, until=TODAY + DAY, actor=cast.leader, now=NOW)
    assert names(session, cast, TODAY - 11 * DAY) == []
    assert names(session, cast, TODAY - 10 * DAY) == ["林采编"]
    assert names(session, cast, TODAY) == ["赵分管", "林采编"]
    assert names(session, cast, TODAY + DAY) == ["赵分管"]
    assert len(staff.history_of(session, cast.unit)) == 2


def test_the_first_list_is_reported_once_however_many_stand_on_it(session: Session, cast: Cast) -> None:
    join(session, cast, since=date(2019, 3, 1))
    join(session, cast, StaffLine("赵分管", StaffDuty.LEADER))
    (first,) = due(session)
    assert first.starts_at == NOW
    assert staff.report(session, cast.unit, actor=cast.editor, now=NOW) == 1
    assert first.status is NoticeStatus.COMPLETED
    assert "信息采编员：林采编" in first.result
    with pytest.raises(Conflict, match="没有待上报"):
        staff.report(session, cast.unit, actor=cast.editor, now=NOW)


def test_a_change_is_to_be_reported_from_its_day_on(session: Session, cast: Cast) -> None:
    lin = join(session, cast)
    staff.report(session, cast.unit, actor=cast.editor, now=NOW)
    staff.leave(session, lin, until=TODAY, actor=cast.reviewer, now=NOW)
    join(session, cast, StaffLine("何采编", StaffDuty.EDITOR))
    join(session, cast, StaffLine("马采编", StaffDuty.EDITOR), since=TODAY - DAY)
    _, same_day, day_before = due(session)
    assert same_day.starts_at == datetime(2026, 11, 19, 16, tzinfo=NOW.tzinfo)  # midnight in Shanghai
    assert same_day.content == "林采编自 2026-11-20 起不再担任信息采编员；何采编自 2026-11-20 起担任信息采编员"
    assert day_before.starts_at == same_day.starts_at - DAY
    assert same_day.clocks[0].name == "staff_list"
    assert staff.report(session, cast.unit, actor=cast.editor, now=NOW) == 2
    session.commit()
    acts = session.scalars(select(AuditRecord.act).where(AuditRecord.subject == f"unit:{cast.unit.name}")).all()
    assert acts == ["staff.join", "staff.report", "staff.leave", "staff.join", "staff.join", "staff.report"]


def test_a_corrected_telephone_number_is_no_change_of_staff(session: Session, cast: Cast) -> None:
    lin = join(session, cast)
    staff.report(session, cast.unit, actor=cast.editor, now=NOW)
    staff.correct(session, lin, StaffLine("林采编", StaffDuty.EDITOR, "", "1"), actor=cast.editor, now=NOW)
    assert lin.phone == "1"
    assert len(due(session)) == 1
    with pytest.raises(Invalid, match="离任"):
        staff.correct(session, lin, StaffLine("林采编", StaffDuty.LEADER), actor=cast.editor, now=NOW)


def test_what_cannot_be_is_refused(session: Session, cast: Cast) -> None:
    lin = join(session, cast)
    with pytest.raises(Conflict, match="已在名单上"):
        join(session, cast)
    with pytest.raises(Invalid, match="姓名"):
        join(session, cast, StaffLine(" ", StaffDuty.EDITOR))
    with pytest.raises(Invalid, match="年份"):
        join(session, cast, StaffLine("某人", StaffDuty.EDITOR), since=date(1026, 1, 1))
    with pytest.raises(Invalid, match="早于"):
        staff.leave(session, lin, until=TODAY - DAY, actor=cast.editor, now=NOW)
    staff.leave(session, lin, until=TODAY, actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="不再"):
        staff.leave(session, lin, until=TODAY, actor=cast.editor, now=NOW)


@pytest.mark.parametrize("who", ["agent", "office", "county_office", "analyst", "administrator", "stranger"])
def test_only_the_units_own_people_write_its_list(who: str, session: Session, cast: Cast) -> None:
    lin, actor = join(session, cast), getattr(cast, who)
    with pytest.raises(Forbidden):
        staff.join(session, cast.unit, LIN, since=TODAY, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        staff.leave(session, lin, until=TODAY, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        staff.correct(session, lin, LIN, actor=actor, now=NOW)
    with pytest.raises(Forbidden):
        staff.report(session, cast.unit, actor=actor, now=NOW)

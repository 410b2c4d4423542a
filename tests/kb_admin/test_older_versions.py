"""Entries that waited when the base was upgraded go on along today's routes."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.older_versions import put_on_routes
from models.knowledge import Version
from models.values import VersionStatus
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, Cast

S = VersionStatus


def test_what_waited_waits_at_the_first_gate_or_for_publication(session: Session, cast: Cast) -> None:
    waiting = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    checked = lifecycle.create_entry(session, RESIDENCE_PERMIT, actor=cast.stranger, now=NOW)
    for version, status in ((waiting, S.SUBMITTED), (checked, S.CHECKED)):
        session.execute(update(Version).where(Version.id == version.id).values(status=status))
    session.commit()
    session.expire_all()
    assert put_on_routes(session, now=NOW) == 2
    assert put_on_routes(session, now=NOW) == 0
    lifecycle.approve(session, waiting, actor=cast.reviewer, now=NOW)
    for version in (waiting, checked):
        lifecycle.publish(session, version, actor=cast.office, now=NOW)
        assert version.status is S.PUBLISHED

"""Versions that were waiting before entries had routes: put on the route that they would take today."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.courses import course_ahead
from kb_admin.routes import gates_of
from models.errors import Invalid
from models.knowledge import Version
from models.values import VersionStatus

S = VersionStatus


def put_on_routes(session: Session, *, now: datetime) -> int:
    """Give every waiting version without a rulebook the one of today, so that it stands in somebody's queue; how many.

    What waited for a check waits at the first gate; what waited for publication has passed them all. One of a type
    that no route takes today is left for its unit to write anew.
    """
    waiting = select(Version).where(Version.status.in_((S.SUBMITTED, S.CHECKED)), Version.rulebook_id.is_(None))
    return sum(_put(session, version, now) for version in session.scalars(waiting.order_by(Version.id)).all())


def _put(session: Session, version: Version, now: datetime) -> bool:
    try:
        course = course_ahead(session, version, None, now)
    except Invalid:
        return False
    gates = gates_of(course.route)
    if course.route.emergency or (version.status is S.SUBMITTED and not gates):
        return False
    version.route, version.rulebook_id = course.route.name, course.rules.rulebook_id
    version.gates_passed = len(gates) if version.status is S.CHECKED else 0
    version.submitted_at = version.submitted_at or version.created_at
    session.flush()
    return True

"""应急信息 (济源 art. 4, 9(5)): what every agent must know at this moment, gone on the second."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.knowledge import Version
from models.validity import in_force_sql
from models.values import VersionStatus, Viewer


@dataclass(frozen=True)
class Emergency:
    """One line of the banner."""

    code: str
    question: str
    text: str
    """What the agent reads aloud; the answer where the unit has written nothing shorter."""
    unit: str
    valid_to: datetime


def emergencies(session: Session, viewer: Viewer, now: datetime) -> tuple[Emergency, ...]:
    """The emergency information in force that the viewer may see, the newest first."""
    live = select(Version).where(
        Version.status == VersionStatus.PUBLISHED, Version.emergency, in_force_sql(Version, now)
    )
    return tuple(
        Emergency(
            code=version.entry.code,
            question=version.question,
            text=version.spoken or version.answer,
            unit=version.entry.unit.name,
            valid_to=version.valid_to,
        )
        for version in session.scalars(live.order_by(Version.published_at.desc(), Version.id.desc()))
        if version.valid_to is not None
        and viewer.may_see(entry_id=version.entry_id, unit_id=version.entry.unit_id, publicity=version.publicity)
    )

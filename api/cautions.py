"""What stands beside an entry that people have found wrong, while it is being looked at and mended."""

from collections.abc import Collection
from datetime import datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from kb_admin.corrections import under_correction
from kb_admin.rules_in_force import rules_of_unit
from models.notices import Notice
from models.values import NoticeStatus


def cautions_of(session: Session, entry_ids: Collection[int], now: datetime) -> dict[int, str]:
    """A few words for each of these entries that has an unfinished correction notice."""
    found = under_correction(session, entry_ids)
    return {
        entry_id: caution_words(notice, rules_of_unit(session, notice.unit, now).rulebook.correction.threshold)
        for entry_id, notice in found.items()
    }


def caution_words(notice: Notice, threshold: Fraction) -> str:
    """整改中 once the unit has the notice; before that, why the office has it in its list."""
    if notice.status is not NoticeStatus.DRAFT:
        return "整改中"
    return f"待核实（正确率低于 {float(threshold * 100):g}%）" if notice.created_by_id is None else "待核实"

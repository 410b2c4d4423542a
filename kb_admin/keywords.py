"""关键字 (清远 art. 6): the office sets them as agents need them. The wording stays, so nobody checks it again.

Keywords are for finding, so the office may always better them (济源 art. 5(3)); where the rulebook names one office for
it, only that one. What an editor proposes for a new entry stands until the office sets others.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.change_log import record_changes
from kb_admin.content_rules import content_faults
from kb_admin.courses import course_of, require_party
from kb_admin.moving import Act
from kb_admin.routes import OFFICES, MoveName, system_move
from kb_admin.rulebook import Party, Rulebook
from kb_admin.rules_in_force import rules_of_unit
from kb_admin.taking_effect import settle
from models.errors import Conflict, Invalid
from models.knowledge import Entry, Keyword, Version
from models.organisation import Person
from models.values import EntryField, VersionStatus

S = VersionStatus


def may_set(rulebook: Rulebook) -> frozenset[Party]:
    """Who sets keywords outside the route of an entry."""
    return frozenset({rulebook.keywords_by}) if rulebook.keywords_by in OFFICES else OFFICES


def set_keywords(
    session: Session, entry: Entry, keywords: Sequence[str], *, actor: Person | None, now: datetime
) -> Version:
    """Give the entry these keywords: a new version of the same wording, live at once in place of the one before.

    Versions that wait on their way get them too where the office sets keywords, so that none brings the old ones back.
    An entry of which nothing is live yet gets them for the version that waits. Raises Invalid for keywords that
    cannot stand, Conflict when there is neither.
    """
    rules = rules_of_unit(session, entry.unit, now)
    require_party(may_set(rules.rulebook), entry.unit, actor, doing="关键字设置")
    words = tuple(dict.fromkeys(word.strip() for word in keywords if word.strip()))
    act = Act(actor, now, rules.rulebook.cite(rules.rulebook.sources["keywords.by"]))
    settle(session, [entry.id], now)
    live = lifecycle.live_version(session, entry.id)
    of_all = live is None or rules.rulebook.keywords_by in OFFICES
    chosen = [*([live] if live is not None else []), *(_on_the_way(session, entry) if of_all else [])]
    if not chosen:
        raise Conflict(f"条目 {entry.code} 没有在用或待审的版本，不能设置关键字。")
    first, *_ = [_reworded(session, version, words, act) for version in chosen]
    return first


def in_use(session: Session, *, beginning: str = "", limit: int = 200) -> list[tuple[str, int]]:
    """Keywords of live entries that begin so, with how many entries have them, the commonest first."""
    counted = func.count().label("entries")
    query = (
        select(Keyword.text, counted)
        .join(Version, Version.id == Keyword.version_id)
        .where(Version.status == S.PUBLISHED, Keyword.text.startswith(beginning, autoescape=True))
        .group_by(Keyword.text)
        .order_by(counted.desc(), Keyword.text)
    )
    return [(text, count) for text, count in session.execute(query.limit(limit))]


def _on_the_way(session: Session, entry: Entry) -> Sequence[Version]:
    query = select(Version).where(Version.entry_id == entry.id, Version.status.in_((S.SUBMITTED, S.CHECKED)))
    return session.scalars(query.order_by(Version.number)).all()


def _reworded(session: Session, version: Version, words: tuple[str, ...], act: Act) -> Version:
    """The version with other keywords, standing where it stood."""
    content = replace(version.content(), keywords=words)
    if content == version.content():
        return version
    fault = next((fault for fault in content_faults(content) if fault.field is EntryField.KEYWORDS), None)
    if fault is not None:
        raise Invalid(fault.reason)
    course = course_of(session, version, None, act.at)
    move = system_move(MoveName.SET_KEYWORDS, version.status)
    following = lifecycle.put_in_place(session, version, content, course=course, move=move, act=act)
    if following.status is S.PUBLISHED:
        record_changes(session, [version.entry_id], now=act.at)
    return following

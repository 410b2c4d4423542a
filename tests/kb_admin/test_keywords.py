"""关键字: the office sets them, the wording stays, and what waits on its way does not bring the old ones back."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kb_admin import lifecycle
from kb_admin.importing import plan_import
from kb_admin.keywords import in_use, set_keywords
from kb_admin.permissions import grants_of
from models.errors import Conflict, Forbidden, Invalid
from models.knowledge import Attachment, ChangeLog, Version
from models.values import BasisContent, CandidateRow, VersionStatus
from tests.cast import LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.kb_admin.crowd import follow

S = VersionStatus
COMMON = replace(LOST_CARD, info_type="常用信息", bases=(BasisContent("《社会保险法》", "主席令第三十五号", 1),))


def words(version: Version | None) -> tuple[str, ...]:
    assert version
    return version.content().keywords


def test_the_live_version_gets_them_at_once_and_says_the_same(session: Session, cast: Cast) -> None:
    old = published(session, LOST_CARD)
    file = {"filename": "a.png", "media_type": "image/png", "sha256": "0" * 64, "size_bytes": 1}
    session.add(Attachment(version_id=old.id, **file))
    new = set_keywords(session, old.entry, ["挂失", "补卡", "挂失", " "], actor=cast.office, now=NOW)
    assert new.content() == replace(LOST_CARD, keywords=("挂失", "补卡"))
    assert (old.status, new.status, new.published_at) == (S.SUPERSEDED, S.PUBLISHED, NOW)
    assert [(m.from_status, m.to_status, m.step, m.actor) for m in new.transitions] == [
        (None, S.PUBLISHED, "设置关键字", cast.office)
    ]
    assert session.scalar(select(func.count()).select_from(ChangeLog)) == 2
    assert session.scalar(select(Attachment.filename).where(Attachment.version_id == new.id)) == "a.png"


def test_the_same_keywords_are_no_new_version(session: Session, cast: Cast) -> None:
    old = published(session, LOST_CARD)
    assert set_keywords(session, old.entry, LOST_CARD.keywords, actor=cast.office, now=NOW) is old


@pytest.mark.parametrize("who", ["editor", "reviewer", "stranger", "county_office", "agent"])
def test_others_do_not_set_them(who: str, session: Session, cast: Cast) -> None:
    old = published(session, LOST_CARD)
    with pytest.raises(Forbidden, match="热线办"):
        set_keywords(session, old.entry, ["挂失"], actor=getattr(cast, who), now=NOW)


def test_a_keyword_that_cannot_stand_is_refused(session: Session, cast: Cast) -> None:
    old = published(session, LOST_CARD)
    with pytest.raises(Invalid, match="关键字“挂失，补卡”"):
        set_keywords(session, old.entry, ["挂失，补卡"], actor=cast.office, now=NOW)


def test_an_entry_of_which_nothing_stands_has_none(session: Session, cast: Cast) -> None:
    draft = lifecycle.create_entry(session, LOST_CARD, actor=cast.editor, now=NOW)
    with pytest.raises(Conflict, match="没有在用或待审的版本"):
        set_keywords(session, draft.entry, ["挂失"], actor=cast.office, now=NOW)


class TestWhereTheOfficeSetsThem:
    """清远 art. 6."""

    @pytest.fixture(autouse=True)
    def _qingyuan(self, session: Session, cast: Cast) -> None:
        follow(session, cast, "qingyuan")

    def test_the_first_version_gets_them_while_it_waits(self, session: Session, cast: Cast) -> None:
        version = lifecycle.create_entry(session, COMMON, actor=cast.editor, now=NOW)
        lifecycle.submit(session, version, actor=cast.editor, now=NOW)
        assert words(version) == LOST_CARD.keywords
        lifecycle.approve(session, version, actor=cast.office, now=NOW)
        new = set_keywords(session, version.entry, ["挂失"], actor=cast.office, now=NOW)
        assert (version.status, new.status, new.gates_passed) == (S.SUPERSEDED, S.CHECKED, 1)
        lifecycle.publish(session, new, actor=cast.office, now=NOW)
        assert words(lifecycle.live_version(session, version.entry_id)) == ("挂失",)

    def test_an_editors_new_version_keeps_those_of_the_office(self, session: Session, cast: Cast) -> None:
        old = published(session, COMMON)
        changed = replace(COMMON, answer="新答案", keywords=("自拟",))
        draft = lifecycle.add_version(session, old.entry, changed, actor=cast.editor, now=NOW)
        set_keywords(session, old.entry, ["挂失"], actor=cast.office, now=NOW)
        lifecycle.submit(session, draft, actor=cast.editor, now=NOW)
        assert words(draft) == ("挂失",)
        lifecycle.approve(session, draft, actor=cast.office, now=NOW)
        lifecycle.publish(session, draft, actor=cast.office, now=NOW)
        live = lifecycle.live_version(session, old.entry_id)
        assert live and (live.answer, words(live)) == ("新答案", ("挂失",))

    def test_what_waits_gets_them_too(self, session: Session, cast: Cast) -> None:
        old = published(session, COMMON)
        waiting = lifecycle.add_version(
            session, old.entry, replace(COMMON, answer="新答案"), actor=cast.editor, now=NOW
        )
        lifecycle.submit(session, waiting, actor=cast.editor, now=NOW)
        set_keywords(session, old.entry, ["挂失"], actor=cast.office, now=NOW)
        newest = session.scalars(select(Version).order_by(Version.number.desc())).first()
        assert newest and (newest.status, newest.answer, words(newest)) == (S.SUBMITTED, "新答案", ("挂失",))
        lifecycle.approve(session, newest, actor=cast.office, now=NOW)
        lifecycle.publish(session, newest, actor=cast.office, now=NOW)
        assert words(lifecycle.live_version(session, old.entry_id)) == ("挂失",)

    def test_the_county_office_does_not_set_them(self, session: Session, cast: Cast) -> None:
        old = published(session, replace(COMMON, unit=cast.county_unit.name))
        with pytest.raises(Forbidden, match="由市热线办办理"):
            set_keywords(session, old.entry, ["挂失"], actor=cast.county_office, now=NOW)

    def test_an_editors_file_leaves_them(self, session: Session, cast: Cast) -> None:
        old = published(session, COMMON)
        row = CandidateRow("表", 2, replace(COMMON, answer="新答案", keywords=("自拟",)), old.entry.code)
        plan = plan_import(session, [row], (), grants=grants_of(cast.editor), now=NOW)
        assert [change.row.content.keywords for change in plan.changed] == [LOST_CARD.keywords]


def test_keywords_in_use_are_counted_over_what_answers(session: Session, cast: Cast) -> None:
    assert cast.unit
    published(session, LOST_CARD)
    published(session, replace(LOST_CARD, question="另一问", keywords=("社保卡",)))
    published(session, RESIDENCE_PERMIT)
    assert in_use(session) == [("社保卡", 2), ("居住证", 1), ("补领", 1)]
    assert in_use(session, beginning="补") == [("补领", 1)]

"""Questions without a good answer get their groups, and groups are closed when what was published answers them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import gap_grouping
from api.clock import utc_now
from api.gap_grouping import GapWorker, Parts, group_new, rerun, similar_groups
from api.wiring import Services
from kb_admin import feedback, gap_groups
from models.improvement import GapGroup, GapItem
from models.knowledge import Version
from models.messages import Notification
from models.values import GapSignal, GapStatus, NoticeKind
from retrieval.vectors import Matrix
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published
from tests.conftest import DATABASES
from tests.kb_admin.test_gap_groups import add_question, make_group

S = GapStatus
MINUTE = timedelta(minutes=1)
ABROAD = replace(
    LOST_CARD,
    question="境外居民怎样办理停机坪预约",
    similar=("停机坪怎么预约", "预约停机坪要什么手续"),
    spoken="请在线上预约停机坪。",
    answer="## 流程\n线上预约停机坪。",
    keywords=("停机坪", "预约"),
)
ASKED = ("停机坪怎么预约", "预约停机坪要什么手续", "停机坪预约")


@pytest.fixture
def entries(base: Session, people: Cast, services: Services) -> None:
    published(base, LOST_CARD, code="SB-001")
    published(base, RESIDENCE_PERMIT, code="HJ-001")
    services.follower.catch_up()
    rerun(services, base, NOW)
    base.commit()


def wait(base: Session, people: Cast, *texts: str, signal: GapSignal = GapSignal.NO_ANSWER) -> list[GapItem]:
    """Questions that have no group yet, asked today."""
    items = [add_question(base, people, None, text) for text in texts]
    for item in items:
        item.signal = signal
    base.commit()
    return items


def grouped(services: Services, base: Session) -> int:
    done = group_new(services, base, NOW)
    base.commit()
    return done


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_what_was_asked_alike_becomes_one_group_with_unit_and_question(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    items = wait(base, people, "请问居住证在哪里年审？", "居住证在哪里年审", "社保卡的停机坪")
    assert grouped(services, base) == 3
    assert items[0].group == items[1].group != items[2].group
    group = items[0].group
    assert group is not None
    assert (group.status, group.label) == (S.OPEN, "居住证在哪里年审")
    assert (group.standard_question, group.unit, group.entry and group.entry.code) == (
        "居住证在哪里年审",
        people.other_unit,
        "HJ-001",
    )
    assert grouped(services, base) == 0


def test_questions_that_come_later_join_and_names_and_numbers_stay(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    (first,) = wait(base, people, "停机坪怎么预约")
    grouped(services, base)
    group = first.group
    assert group is not None
    later = wait(base, people, "停机坪怎么预约呢", "停机坪怎么预约", "社会保障卡异地怎样激活")
    grouped(services, base)
    assert [item.group_id == group.id for item in later] == [True, True, False]
    assert (group.label, group.status) == ("停机坪怎么预约", S.OPEN)


def test_the_offices_corrections_are_kept(services: Services, base: Session, people: Cast, entries: None) -> None:
    wait(base, people, "停机坪怎么预约", "停机坪怎么预约啊请问", "停机坪怎么预约收费")
    grouped(services, base)
    group = base.scalars(select(GapGroup)).one()
    item = base.scalars(select(GapItem).where(GapItem.text == "停机坪怎么预约收费")).one()
    alone = gap_groups.take_out(base, group, item, actor=people.office, now=NOW)
    other = make_group(base, people, "直升机降落找谁")
    gap_groups.merge(base, group, other, actor=people.office, now=NOW)
    base.commit()
    again = wait(base, people, "停机坪怎么预约收费？", "直升机降落找谁", "停机坪怎么预约")
    grouped(services, base)
    assert [held.group_id for held in again] == [alone.id, group.id, group.id]


def test_what_was_dismissed_stays_dismissed(services: Services, base: Session, people: Cast, entries: None) -> None:
    group = make_group(base, people, "停机坪怎么预约")
    gap_groups.dismiss(base, group, "没有停机坪", actor=people.office, now=NOW)
    base.commit()
    (item,) = wait(base, people, "停机坪怎么预约")
    grouped(services, base)
    assert (item.group, group.status) == (group, S.DISMISSED)


@pytest.mark.parametrize(
    ("signal", "days", "status"),
    [
        (GapSignal.NO_ANSWER, 1, S.OPEN),
        (GapSignal.LOW_CONFIDENCE, 1, S.ANSWERED),
        (GapSignal.NO_ANSWER, -1, S.ANSWERED),
    ],
)
def test_what_counted_as_answered_is_open_again_when_it_plainly_is_not(
    services: Services, base: Session, people: Cast, entries: None, *, signal: GapSignal, days: int, status: GapStatus
) -> None:
    group = make_group(base, people, "停机坪怎么预约")
    version = base.scalars(select(Version)).first()
    assert version is not None
    gap_groups.close_answered(base, group, version, now=NOW - days * DAY)
    base.commit()
    wait(base, people, "停机坪怎么预约", signal=signal)
    grouped(services, base)
    assert group.status is status


def publish_answer(base: Session, services: Services, code: str = "SB-009") -> Version:
    version = published(base, ABROAD, code=code, now=NOW + MINUTE)
    services.follower.catch_up()
    return version


def asked_again(services: Services, base: Session) -> int:
    closed = rerun(services, base, NOW + 2 * MINUTE)
    base.commit()
    return closed


@pytest.mark.parametrize("services", DATABASES, indirect=True)
def test_a_publication_closes_the_group_that_it_answers_and_the_office_is_told(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    group, far = make_group(base, people, *ASKED), make_group(base, people, "高铁改签收费吗")
    gap_groups.send_notice(
        base,
        group,
        people.unit,
        kind=NoticeKind.COLLECTION,
        title="停机坪预约",
        content="",
        actor=people.office,
        now=NOW,
    )
    base.commit()
    assert asked_again(services, base) == 0
    version = publish_answer(base, services)
    assert asked_again(services, base) == 1
    base.refresh(group)
    assert (group.status, group.entry, group.closed_at) == (S.ANSWERED, version.entry, NOW + 2 * MINUTE)
    told = base.scalars(select(Notification).where(Notification.address == f"/gaps/{group.id}")).all()
    assert [message.person_id for message in told] == [people.office.id]
    assert far.status is S.OPEN
    assert asked_again(services, base) == 0


def test_an_answer_that_takes_effect_later_closes_the_group_then(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    group = make_group(base, people, *ASKED)
    published(base, replace(ABROAD, valid_from=NOW + 3 * DAY), code="SB-009", now=NOW - MINUTE)
    services.follower.catch_up()
    assert asked_again(services, base) == 0
    assert rerun(services, base, NOW + 2 * DAY) == 0
    assert rerun(services, base, NOW + 4 * DAY) == 1
    assert group.status is S.ANSWERED
    assert rerun(services, base, NOW + 5 * DAY) == 0


def test_less_than_half_answered_stays_open(services: Services, base: Session, people: Cast, entries: None) -> None:
    group = make_group(base, people, "停机坪怎么预约", "高铁改签收费吗", "量子纠缠是什么")
    publish_answer(base, services)
    assert asked_again(services, base) == 0
    assert group.status is S.OPEN


def test_an_entry_that_was_there_when_it_was_asked_does_not_answer_it(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    publish_answer(base, services)
    rerun(services, base, NOW + MINUTE)
    group = make_group(base, people, *ASKED)
    for item in base.scalars(select(GapItem)):
        item.at = NOW + 2 * MINUTE
    base.commit()
    published(base, replace(ABROAD, question="停机坪预约怎样取消", similar=()), code="SB-010", now=NOW + 3 * MINUTE)
    services.follower.catch_up()
    assert asked_again(services, base) == 0
    assert group.status is S.OPEN


def test_settled_groups_are_not_asked_again(services: Services, base: Session, people: Cast, entries: None) -> None:
    group = make_group(base, people, *ASKED)
    gap_groups.dismiss(base, group, "没有停机坪", actor=people.office, now=NOW)
    publish_answer(base, services)
    assert asked_again(services, base) == 0
    assert group.status is S.DISMISSED


def test_what_the_index_does_not_hold_yet_waits(services: Services, base: Session, people: Cast, entries: None) -> None:
    make_group(base, people, *ASKED)
    published(base, ABROAD, code="SB-009", now=NOW + MINUTE)
    assert asked_again(services, base) == 0
    services.follower.catch_up()
    assert asked_again(services, base) == 1


@dataclass(frozen=True)
class ByLength:
    """A model for which texts of like length mean the same; counts what it is asked."""

    dimension: int = 8
    fingerprint: str = "one"

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> Matrix:  # noqa: ARG002
        return np.eye(self.dimension, dtype=np.float32)[[len(text) % self.dimension for text in texts]]


def test_vectors_are_kept_with_the_group_and_made_anew_for_another_model(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    one = Parts(services.index, ByLength(), ByLength(), services.follower)
    wait(base, people, "停机坪怎么预约", "停机坪怎么预约")
    group_new(one, base, NOW)
    group = base.scalars(select(GapGroup)).one()
    assert group.vector is not None
    assert np.frombuffer(group.vector, np.float32).tolist() == [0, 0, 0, 0, 0, 0, 0, 2]
    other = ByLength(dimension=4, fingerprint="another")
    wait(base, people, "停机坪怎么预约")
    group_new(replace(one, encoder=other, memory=other), base, NOW)
    assert (np.frombuffer(group.vector, np.float32).tolist(), group.encoder) == ([0, 0, 0, 3], "another")


def test_the_worker_takes_in_calls_groups_and_closes(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    clock = [utc_now()]
    worker = GapWorker(services.open_session, services, clock=lambda: clock[0])
    feedback.record_gap(base, question_id=None, text="停机坪怎么预约", note="", actor=people.agent, now=NOW)
    base.commit()
    assert worker.catch_up() == 1
    group = base.scalars(select(GapGroup)).one()
    assert group.label == "停机坪怎么预约"
    wait(base, people, "停机坪怎么预约")
    assert worker.catch_up() == 0  # every few minutes
    clock[0] += gap_grouping.GROUP_EVERY
    assert worker.catch_up() == 1
    publish_answer(base, services)
    assert worker.catch_up() == 1
    base.refresh(group)
    assert group.status is S.ANSWERED


@pytest.mark.parametrize("services", ["postgresql"], indirect=True)
def test_while_one_process_is_at_it_another_does_nothing(services: Services, base: Session, people: Cast) -> None:
    wait(base, people, "停机坪怎么预约")
    with services.open_session() as other:
        assert group_new(services, other, NOW) == 1
        assert group_new(services, base, NOW) == 0
        other.commit()
    base.rollback()
    assert group_new(services, base, NOW) == 0


def test_the_nearest_open_groups_are_offered_for_merging(services: Services, base: Session, people: Cast) -> None:
    group, far = make_group(base, people, "停机坪怎么预约"), make_group(base, people, "高铁改签收费吗")
    near = make_group(base, people, "停机坪预约收费吗")
    assert similar_groups(base, group, most=5) == [near, far]


def test_a_question_that_came_without_the_model_counts_once_it_is_back(
    services: Services, base: Session, people: Cast, entries: None
) -> None:
    """The sum of its vectors would lack it, and yet be divided by all."""
    group = make_group(base, people, "停机坪怎么预约")
    group.vector, group.encoder = np.ones(2, np.float32).tobytes(), "a model"
    base.commit()
    wait(base, people, "停机坪怎么预约")
    grouped(services, base)
    assert group.encoder == ""

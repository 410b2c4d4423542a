"""Weights fitted to the log of a live base: measured as it searches, promoted and taken back while it runs."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.learning import language_of
from api.refitting import Measured, measure, refit, tried
from api.wiring import Services
from kb_admin import lifecycle
from kb_admin.ranker_fits import keep, promote, undo
from kb_admin.ranker_log import LoggedQuestion, logged_questions
from models.errors import Invalid
from models.improvement import RankerFit
from models.knowledge import Version
from models.organisation import Person
from models.usage import Gap, Question, ShownAnswer, Verdict
from models.values import FaultReason, Judgement, Outcome, Rater, Viewer
from retrieval.ranker import Ranker
from tests.cast import DAY, LOST_CARD, RESIDENCE_PERMIT, Cast, published

THINGS = ("社保卡", "居住证", "失业金", "工伤", "养老金", "生育津贴", "退休证", "技能补贴", "创业贷款", "就业登记")
DEEDS = ("补领", "申领", "注销", "查询", "转移", "变更", "缴费", "证明", "年审", "投诉")


@pytest.fixture
def entries(services: Services, base: Session, people: Cast) -> list[Version]:
    """A hundred entries that differ in a thing and a deed."""
    moment = utc_now() - timedelta(days=100)
    made = [
        published(
            base,
            replace(
                LOST_CARD,
                question=f"{thing}怎样{deed}",
                similar=(),
                keywords=(),
                answer=f"办理{thing}{deed}，带身份证。",
            ),
            now=moment,
        )
        for thing in THINGS
        for deed in DEEDS
    ]
    services.follower.catch_up()
    return made


def log(
    session: Session,
    agent: Person,
    text: str,
    version: Version | None,
    *,
    days_ago: float,
    right: bool = True,
    reason: FaultReason = FaultReason.OFF_TOPIC,
) -> Question:
    at = utc_now() - timedelta(days=days_ago)
    shown = [ShownAnswer(rank=1, version_id=version.id, score=0.5)] if version else []
    question = Question(text=text, person_id=agent.id, asked_at=at, outcome=Outcome.CHOOSE, took_ms=1.0, shown=shown)
    session.add(question)
    session.flush()
    if version is None:
        session.add(Gap(question_id=question.id, text=text, person_id=agent.id, at=at))
    else:
        session.add(
            Verdict(
                question_id=question.id,
                version_id=version.id,
                rater=Rater.AGENT,
                rater_key=f"person:{agent.id}",
                occasion=f"question:{question.id}",
                person_id=agent.id,
                judgement=Judgement.CORRECT if right else Judgement.INCORRECT,
                reason=None if right else reason,
                given_at=at,
                at=at,
            )
        )
    session.flush()
    return question


class TestTheQuestionsOfTheLog:
    def read(self, session: Session, most: int = 100) -> list[tuple[str, set[int]]]:
        found = logged_questions(session, utc_now() - 180 * DAY, fold=str.casefold, most=most)
        return [(one.text, set(one.entry_ids)) for one in found]

    def test_confirmed_denied_and_recorded_as_gaps(self, base: Session, people: Cast) -> None:
        card, permit = published(base, LOST_CARD), published(base, RESIDENCE_PERMIT)
        agent = people.agent
        log(base, agent, "卡ABC掉了", card, days_ago=9)
        log(base, agent, "卡abc掉了", card, days_ago=8)
        log(base, agent, "狗证在哪办", None, days_ago=7)
        log(base, agent, "办个牌照", permit, days_ago=6, right=False)
        log(base, agent, "地址过期了", permit, days_ago=5, right=False, reason=FaultReason.OUTDATED)
        log(base, agent, "太久以前", card, days_ago=200)
        assert self.read(base) == [("卡ABC掉了", {card.entry_id}), ("狗证在哪办", set()), ("办个牌照", set())]
        assert self.read(base, most=1) == [("办个牌照", set())]

    def test_the_majority_of_askers_decides(self, base: Session, people: Cast) -> None:
        card = published(base, LOST_CARD)
        for person in (people.agent, people.office, people.editor):
            log(base, person, "卡掉了", card, days_ago=3, right=person is people.agent)
        assert self.read(base) == [("卡掉了", set())]

    def test_an_entry_that_answers_no_more_teaches_nothing(self, base: Session, people: Cast) -> None:
        card = published(base, LOST_CARD)
        log(base, people.agent, "卡掉了", card, days_ago=3)
        lifecycle.withdraw(base, card, "停办", actor=people.office, now=utc_now())
        assert self.read(base) == []


def test_measuring_sees_what_a_search_sees_and_leaves_out_word_for_word(
    services: Services, entries: list[Version]
) -> None:
    asked = [
        LoggedQuestion(text, utc_now(), frozenset({entries[0].entry_id}))
        for text in ("社保卡要补领", "社保卡怎样补领", "今天天气")
    ]
    measured = measure(services.index, asked, utc_now())
    assert measured.word_for_word == 1
    first, stranger = measured.examples
    assert first.relevant.sum() == 1
    assert first.entry_ids[first.relevant] == [entries[0].entry_id]
    assert not stranger.relevant.any()
    ranked = services.index.means.ranker.rank(first.features, first.entry_ids)
    hits = services.index.search("社保卡要补领", Viewer(everything=True), utc_now(), 3).hits
    assert [hit.entry_id for hit in hits] == first.entry_ids[ranked.rows[:3]].tolist()


@pytest.fixture
def habits(base: Session, people: Cast, entries: list[Version]) -> None:
    """Callers of this city name a thing beside the point first, and mean the one that they name with 的: a habit that
    the shipped weights cannot know."""
    chance = random.Random(7)
    for n in range(600):
        version = entries[chance.randrange(len(entries))]
        thing, deed = version.question.split("怎样")
        text = f"{deed}一下{thing}行不行第{chance.choice('甲乙丙丁戊己庚辛壬癸')}{chance.choice('子丑寅卯辰巳午未')}"
        log(base, people.agent, text, version, days_ago=100 - n / 6)
    base.commit()


def test_a_refit_is_kept_with_its_comparison_and_not_promoted(
    services: Services, base: Session, people: Cast, habits: None
) -> None:
    told: list[str] = []
    fit = refit(
        services.bench, base, language_of(services.tokeniser), actor=people.office, now=utc_now(), tell=told.append
    )
    base.commit()
    kept = fit.comparison
    assert fit.weights_name == "words"
    assert (fit.made_by, fit.promoted_at) == (people.office, None)
    assert kept["fitted"] + kept["held"] + kept["passed_over"] <= kept["questions"]
    assert kept["first_place"]["count"] == kept["held_confirmed"]
    assert kept["against"] is None
    assert isinstance(kept["better"], bool) and kept["reason"]
    assert told[0].startswith("重新检索")
    assert Ranker.read(fit.weights).promises == Ranker.load("words").promises
    assert services.weights.look() is None


def test_an_empty_log_is_told(services: Services, base: Session, people: Cast) -> None:
    with pytest.raises(Invalid, match="近期没有确认过答案的提问"):
        refit(services.bench, base, language_of(services.tokeniser), actor=None, now=utc_now(), tell=lambda _: None)


def test_too_small_a_log_is_not_better(services: Services, base: Session, people: Cast, entries: list[Version]) -> None:
    for n, version in enumerate(entries[:20]):
        log(base, people.agent, f"{version.question}呢甲{n}", version, days_ago=50 - n)
    fit = refit(services.bench, base, language_of(services.tokeniser), actor=None, now=utc_now(), tell=lambda _: None)
    assert not fit.comparison["better"]
    assert "问题太少" in fit.comparison["reason"]


class TestWhileTheServiceRuns:
    @pytest.fixture
    def better(self, base: Session) -> RankerFit:
        shipped = Ranker.load("words")
        turned = replace(shipped, order=replace(shipped.order, weights=-shipped.order.weights))
        kept = {"better": True, "reason": "", "against": None, "model": ""}
        fit = keep(base, "words", turned.described(), kept, actor=None, now=utc_now())
        base.commit()
        return fit

    def test_promoted_weights_are_used_and_taken_back(
        self, services: Services, base: Session, people: Cast, better: RankerFit
    ) -> None:
        shipped = services.index.means
        assert services.weights.look() is None
        promote(base, better, actor=people.office, now=utc_now())
        base.commit()
        assert services.weights.look() == better.id
        used = services.index.means.ranker
        assert isinstance(used, Ranker)
        assert used.order.weights.tolist() == Ranker.read(better.weights).order.weights.tolist()
        assert services.index.means.thresholds == shipped.thresholds
        undo(base, better, actor=people.administrator, now=utc_now())
        base.commit()
        assert services.weights.look() is None
        former = services.index.means.ranker
        assert isinstance(former, Ranker)
        assert former.order.weights.tolist() == Ranker.load("words").order.weights.tolist()

    @pytest.mark.parametrize("damage", ["model", "feature"])
    def test_weights_that_do_not_fit_are_passed_over(
        self, services: Services, base: Session, people: Cast, better: RankerFit, damage: str
    ) -> None:
        if damage == "model":
            better.comparison = {**better.comparison, "model": "another"}
        else:
            better.weights = {**better.weights, "order": {"moon": 1.0, "intercept": 0.0}}
        promote(base, better, actor=people.office, now=utc_now())
        base.commit()
        services.weights.look()
        used = services.index.means.ranker
        assert isinstance(used, Ranker)
        assert used.order.weights.tolist() == Ranker.load("words").order.weights.tolist()


def test_what_was_measured_can_be_tried_without_a_base(services: Services, entries: list[Version]) -> None:
    now = utc_now()
    asked = [
        LoggedQuestion(f"{v.question}甲{n}", now - timedelta(days=100 - n), frozenset({v.entry_id}))
        for n, v in enumerate(entries[:60])
    ]
    measured: Measured = measure(services.index, asked, now)
    shipped = Ranker.load("words")
    trial = tried(measured, shipped, shipped, language_of(services.tokeniser), direct_from=0.9)
    assert trial.comparison["before"].keys() == trial.comparison["after"].keys()

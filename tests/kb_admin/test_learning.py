"""What is learnt from use: only what several callers confirmed, never anybody's name, and decided by people."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import ClassVar

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from kb_admin.learning import (
    Confirmed,
    Language,
    Reworded,
    differing_words,
    is_fit,
    must_stay_apart,
    similar_questions,
    synonym_pairs,
)
from kb_admin.learning_material import LOOK_BACK
from kb_admin.learning_run import EVERY, Learnt, last_run, learn, take_turn
from kb_admin.proposals import reject
from kb_admin.thesaurus import Shipped
from models.improvement import Proposal
from models.incoming import AnswerUse, IncomingCall
from models.knowledge import Version
from models.organisation import Person
from models.thesaurus import GroupSaying, WordGroup
from models.usage import Question, ShownAnswer, Verdict
from models.values import Ending, FaultReason, Judgement, Outcome, ProposalKind, ProposalStatus, Rater, UseKind
from tests.cast import DAY, LOST_CARD, NOW, RESIDENCE_PERMIT, Cast, published

POLITE = {"请问", "怎么", "的", "我", "一下", ""}
LANGUAGE = Language(
    words=lambda text: tuple(word for word in text.split("/") if word not in POLITE),
    fold=str.casefold,
    apart=lambda one, other: {one, other} == {"居民", "职工"},
)
SHIPPED = Shipped((WordGroup("社会保障卡", (GroupSaying("社保卡"),)),), str.casefold)
_numbers = count(1)


def said(text: str, asker: str, *, entry: int = 1, right: bool = True, minutes: int = 0) -> Confirmed:
    return Confirmed(next(_numbers), text, asker, entry, right, NOW + timedelta(minutes=minutes))


class TestSimilarQuestions:
    def test_three_askers_are_enough_and_two_are_not(self) -> None:
        asked = [said("卡/掉了", asker) for asker in "abc"]
        assert similar_questions(asked[:2], LANGUAGE) == []
        (found,) = similar_questions(asked, LANGUAGE)
        assert (found.entry_id, found.text, found.support, found.against) == (1, "卡/掉了", 3, 0)
        assert found.question_ids == tuple(one.question_id for one in asked)

    def test_one_asker_ten_times_is_one(self) -> None:
        assert similar_questions([said("卡/掉了", "a") for _ in range(10)], LANGUAGE) == []

    def test_politeness_makes_no_other_question(self) -> None:
        asked = [said("卡/掉了", "a"), said("请问/卡/掉了", "b"), said("卡/掉了/怎么", "c"), said("卡/掉了", "d")]
        assert [(one.text, one.support) for one in similar_questions(asked, LANGUAGE)] == [("卡/掉了", 4)]

    def test_of_one_asker_the_last_word_counts(self) -> None:
        asked = [said("卡/掉了", asker) for asker in "abc"]
        corrected = said("卡/掉了", "c", right=False, minutes=5)
        assert similar_questions([corrected, *asked], LANGUAGE) == []

    @pytest.mark.parametrize(("wrong", "proposed"), [(2, True), (3, False), (4, False)])
    def test_judged_wrong_as_often_it_is_not_proposed(self, wrong: int, proposed: bool) -> None:
        asked = [said("卡/掉了", asker) for asker in "abc"]
        asked += [said("卡/掉了", f"w{n}", right=False) for n in range(wrong)]
        found = similar_questions(asked, LANGUAGE)
        assert [(one.support, one.against) for one in found] == ([(3, wrong)] if proposed else [])

    @pytest.mark.parametrize(("first", "second", "to"), [(6, 3, 1), (5, 3, None), (3, 6, 2)])
    def test_right_for_two_entries_it_goes_to_the_one_with_twice_the_support(
        self, first: int, second: int, to: int | None
    ) -> None:
        asked = [said("卡/掉了", f"a{n}") for n in range(first)]
        asked += [said("卡/掉了", f"b{n}", entry=2) for n in range(second)]
        assert [one.entry_id for one in similar_questions(asked, LANGUAGE)] == ([to] if to else [])

    def test_one_word_is_no_similar_question(self) -> None:
        assert similar_questions([said("请问/社保卡", asker) for asker in "abcd"], LANGUAGE) == []

    @pytest.mark.parametrize(
        "text",
        [
            "我叫张小明社保卡掉了",
            "13812345678的卡掉了",
            "身份证11010519491231002X的卡",
            "户号１２３４５６７８欠费",
            "粤A12B45违停",
            "幸福小区3号楼漏水",
            "3栋502室没暖气",
            "加微信zhang_123",
            "发到zhang@example.com",
            "姓名：李雷",
            "长" * 61,
            "两行\n话",
        ],
    )
    def test_what_may_name_somebody_is_left_out(self, text: str) -> None:
        assert not is_fit(text)
        assert similar_questions([said(f"{text}/掉了", asker) for asker in "abcd"], LANGUAGE) == []

    @pytest.mark.parametrize(
        "text", ["社保卡掉了去哪补", "12345是什么电话", "2026年养老金涨多少", "65岁以上免费坐车吗"]
    )
    def test_a_plain_question_is_fit(self, text: str) -> None:
        assert is_fit(text)


class TestSynonyms:
    SAID: ClassVar = {1: "社会保障卡丢失后怎样补领", 2: "居民医保缴费"}

    @staticmethod
    def reworded(first: str, second: str, call: int, entry: int = 1) -> Reworded:
        return Reworded(call, 2 * call, first, 2 * call + 1, second, entry)

    def test_three_calls_are_enough_and_two_are_not(self) -> None:
        asked = [self.reworded("医保本/补领", "社会保障卡/补领", call) for call in (1, 2, 3)]
        assert synonym_pairs(asked[:2], self.SAID, LANGUAGE) == []
        (found,) = synonym_pairs(asked, self.SAID, LANGUAGE)
        assert (found.said, found.meant, found.support, found.against) == ("医保本", "社会保障卡", 3, 0)
        assert found.pairs == ((2, 3), (4, 5), (6, 7))

    def test_one_call_many_times_is_one(self) -> None:
        asked = [self.reworded("医保本/补领", "社会保障卡/补领", 1) for _ in range(9)]
        assert synonym_pairs(asked, self.SAID, LANGUAGE) == []

    def test_what_the_entry_does_not_say_is_no_word_of_the_base(self) -> None:
        asked = [self.reworded("医保本/补领", "磁卡/补领", call) for call in range(5)]
        assert synonym_pairs(asked, self.SAID, LANGUAGE) == []

    def test_what_the_entry_says_itself_is_found_already(self) -> None:
        asked = [self.reworded("丢失/补领", "社会保障卡/补领", call) for call in range(5)]
        assert synonym_pairs(asked, self.SAID, LANGUAGE) == []

    def test_a_word_that_leads_elsewhere_as_often_is_not_proposed(self) -> None:
        asked = [self.reworded("本子/补领", "社会保障卡/补领", call) for call in range(3)]
        asked += [self.reworded("本子/补领", "怎样补领/补领", call) for call in range(10, 13)]
        assert synonym_pairs(asked, self.SAID, LANGUAGE) == []

    @pytest.mark.parametrize(
        ("first", "second"), [("职工/缴费", "居民/缴费"), ("2025年/缴费", "居民/缴费"), ("人/缴费", "居民/缴费")]
    )
    def test_kinds_numbers_and_single_characters_are_no_synonyms(self, first: str, second: str) -> None:
        asked = [self.reworded(first, second, call, entry=2) for call in range(5)]
        assert synonym_pairs(asked, self.SAID, LANGUAGE) == []

    @pytest.mark.parametrize(
        ("first", "second", "pair"),
        [
            (("医保", "本", "补领"), ("社保卡", "补领"), ("医保本", "社保卡")),
            (("丢", "医保本"), ("丢", "社保", "卡"), ("医保本", "社保卡")),
            (("医保本",), ("社保卡",), None),
            (("医保本", "补领"), ("社保卡", "换领"), None),
            (("医保本", "补领"), ("补领",), None),
            (("补领",), ("社保卡", "补领"), None),
            (("补领", "社保卡"), ("补领", "社保卡"), None),
            (("我", "那", "个", "补领"), ("社保卡", "补领"), None),
        ],
    )
    def test_two_questions_differ_in_one_place(
        self, first: tuple[str, ...], second: tuple[str, ...], pair: tuple[str, str] | None
    ) -> None:
        assert differing_words(first, second) == pair

    @pytest.mark.parametrize(
        ("one", "other"),
        [("迁入", "迁出"), ("新房", "旧房"), ("动产", "不动产"), ("未婚", "婚"), ("居民", "职工"), ("买房", "卖房")],
    )
    def test_opposites_stay_apart(self, one: str, other: str) -> None:
        assert must_stay_apart(one, other, LANGUAGE)
        assert must_stay_apart(other, one, LANGUAGE)

    def test_other_words_need_not(self) -> None:
        assert not must_stay_apart("医保本", "社保卡", LANGUAGE)


class Log:
    """Writes calls as agents make them."""

    def __init__(self, session: Session, agent: Person) -> None:
        self.session, self.agent = session, agent

    def call(self, caller: str, *, answered: Version | None = None) -> IncomingCall:
        call = IncomingCall(
            person_id=self.agent.id,
            caller=caller,
            started_at=NOW - DAY,
            ended_at=NOW - DAY,
            ending=Ending.ANSWERED if answered else None,
            version_id=answered.id if answered else None,
        )
        self.session.add(call)
        self.session.flush()
        return call

    def ask(self, call: IncomingCall, text: str, *shown: Version, at_before: timedelta = DAY) -> Question:
        question = Question(
            text=text,
            person_id=self.agent.id,
            call_id=call.id,
            asked_at=NOW - at_before,
            outcome=Outcome.CHOOSE if shown else Outcome.NONE,
            took_ms=1,
            shown=[ShownAnswer(rank=n, version_id=v.id, score=0.5) for n, v in enumerate(shown, 1)],
        )
        self.session.add(question)
        self.session.flush()
        return question

    def judge(self, question: Question, version: Version, *, right: bool = True) -> None:
        self.session.add(
            Verdict(
                question_id=question.id,
                version_id=version.id,
                rater=Rater.AGENT,
                rater_key=f"person:{self.agent.id}",
                occasion=f"call:{question.call_id}",
                person_id=self.agent.id,
                judgement=Judgement.CORRECT if right else Judgement.INCORRECT,
                reason=None if right else FaultReason.OFF_TOPIC,
                given_at=NOW - DAY,
                at=NOW - DAY,
            )
        )
        self.session.flush()

    def copy(self, question: Question, version: Version) -> None:
        self.session.add(AnswerUse(question_id=question.id, version_id=version.id, kind=UseKind.COPIED, at=NOW - DAY))
        self.session.flush()


class TestTheRun:
    @pytest.fixture(autouse=True)
    def _people(self, cast: Cast) -> None:
        """Everybody is there."""

    @pytest.fixture
    def live(self, session: Session) -> Version:
        return published(session, LOST_CARD, code="SB-001")

    @pytest.fixture
    def log(self, session: Session, cast: Cast) -> Log:
        return Log(session, cast.agent)

    def proposals(self, session: Session) -> list[Proposal]:
        return list(session.scalars(select(Proposal).order_by(Proposal.kind, Proposal.id)))

    def learn(self, session: Session) -> Learnt:
        return learn(session, LANGUAGE, SHIPPED, NOW)

    def test_judged_correct_and_copied_both_confirm(self, session: Session, live: Version, log: Log) -> None:
        ids = []
        for caller in "ab":
            question = log.ask(log.call(caller), "卡/掉了", live)
            log.judge(question, live)
            ids.append(question.id)
        question = log.ask(log.call("c", answered=live), "卡/掉了", live)
        log.copy(question, live)
        assert self.learn(session) == Learnt(1, 0, 0)
        (found,) = self.proposals(session)
        assert (found.kind, found.entry_id, found.text, found.support) == (
            ProposalKind.SIMILAR,
            live.entry_id,
            "卡/掉了",
            3,
        )
        assert found.evidence == {"from": "confirmed", "question_ids": [*ids, question.id]}
        assert found.made_by is None

    def test_copied_in_a_call_that_ended_otherwise_confirms_nothing(
        self, session: Session, live: Version, log: Log
    ) -> None:
        for caller in "abcd":
            log.copy(log.ask(log.call(caller), "卡/掉了", live), live)
        assert self.learn(session) == Learnt(0, 0, 0)

    def test_unknown_callers_count_by_their_agent(self, session: Session, live: Version, log: Log) -> None:
        for _ in range(5):
            log.judge(log.ask(log.call(""), "卡/掉了", live), live)
        assert self.learn(session) == Learnt(0, 0, 0)

    def test_a_phrasing_with_polite_words_around_it_is_not_proposed(self, session: Session, log: Log) -> None:
        entry = published(session, replace(RESIDENCE_PERMIT, similar=("暂住证/丢了",)), code="GA-001")
        for caller in "abcd":
            log.judge(log.ask(log.call(caller), "请问/丢了/暂住证/怎么", entry), entry)
        assert self.learn(session) == Learnt(0, 0, 0)

    def test_a_phrasing_of_another_entry_is_not_proposed(self, session: Session, log: Log) -> None:
        other = published(session, RESIDENCE_PERMIT, code="GA-001")
        published(session, replace(RESIDENCE_PERMIT, question="户口/迁移", similar=()), code="GA-002")
        for caller in "abcd":
            log.judge(log.ask(log.call(caller), "户口/迁移", other), other)
        assert self.learn(session) == Learnt(0, 0, 0)

    def test_use_of_long_ago_counts_no_more_and_withdraws(self, session: Session, live: Version, log: Log) -> None:
        for caller in "abc":
            log.judge(log.ask(log.call(caller), "卡/掉了", live), live)
        self.learn(session)
        later = NOW + LOOK_BACK
        assert learn(session, LANGUAGE, SHIPPED, later) == Learnt(0, 0, 1)
        (found,) = self.proposals(session)
        assert (found.status, found.decided_by) == (ProposalStatus.UNDONE, None)
        assert self.learn(session) == Learnt(1, 0, 0)
        assert found.status is ProposalStatus.OPEN

    def test_what_people_rejected_is_left_alone(self, session: Session, cast: Cast, live: Version, log: Log) -> None:
        for caller in "abc":
            log.judge(log.ask(log.call(caller), "卡/掉了", live), live)
        self.learn(session)
        (found,) = self.proposals(session)
        reject(session, found, "不是一件事", actor=cast.editor, now=NOW)
        assert self.learn(session) == Learnt(0, 0, 0)
        assert found.status is ProposalStatus.REJECTED

    def test_a_question_asked_anew_in_the_same_call_teaches_a_synonym(
        self, session: Session, live: Version, log: Log
    ) -> None:
        meant = LOST_CARD.keywords[1]
        for caller in "abc":
            call = log.call(caller)
            log.ask(call, "挂失本/社保卡")
            log.judge(log.ask(call, f"{meant}/社保卡", live), live)
        assert self.learn(session).synonyms == 1
        found = self.proposals(session)[-1]
        assert (found.kind, found.text, found.other, found.support) == (ProposalKind.SYNONYM, "挂失本", meant, 3)
        assert len(found.evidence["pairs"]) == 3

    def test_a_word_of_the_thesaurus_is_not_proposed(self, session: Session, live: Version, log: Log) -> None:
        shipped = Shipped((WordGroup("挂失本", (GroupSaying("挂失单"),)),), str.casefold)
        for caller in "abc":
            call = log.call(caller)
            log.ask(call, "挂失本/社保卡")
            log.judge(log.ask(call, "补领/社保卡", live), live)
        assert learn(session, LANGUAGE, shipped, NOW).synonyms == 0

    def test_a_question_that_showed_the_entry_first_had_not_failed(
        self, session: Session, live: Version, log: Log
    ) -> None:
        for caller in "abc":
            call = log.call(caller)
            log.ask(call, "挂失本/社保卡", live)
            log.judge(log.ask(call, "补领/社保卡", live), live)
        assert self.learn(session).synonyms == 0

    def test_it_is_somebodys_turn_once_a_day(self, session: Session) -> None:
        assert not take_turn(session, NOW - EVERY)
        assert last_run(session) is None
        assert take_turn(session, NOW)
        assert not take_turn(session, NOW)
        self.learn(session)
        assert last_run(session) == NOW
        assert not take_turn(session, NOW + EVERY - timedelta(seconds=1))
        assert take_turn(session, NOW + EVERY)

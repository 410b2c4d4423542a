"""学习建议 and 排序权重: who sees them, who decides, and that nothing of them reaches others."""

import io
from dataclasses import replace
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.wiring import Services
from kb_admin import lifecycle
from kb_admin.proposals import propose_similar
from kb_admin.ranker_fits import keep, promote, undo
from kb_admin.synonym_proposals import propose_synonym
from models.improvement import Proposal, RankerFit
from models.knowledge import Version
from models.thesaurus import newest_versions
from models.usage import Question
from models.values import Outcome, ProposalStatus
from retrieval.ranker import Ranker
from tests.cast import LOST_CARD, RESIDENCE_PERMIT, Cast, published
from tests.conftest import Visit

TEXT = "医保社保那张卡找不着了"
P = ProposalStatus


def question(session: Session, text: str) -> int:
    asked = Question(text=text, asked_at=utc_now(), outcome=Outcome.CHOOSE, took_ms=1.0)
    session.add(asked)
    session.flush()
    return asked.id


def propose(session: Session, version: Version, text: str = TEXT, support: int = 3) -> Proposal:
    evidence = {"question_ids": [question(session, f"{text}？"), question(session, "我手机13812345678的卡")]}
    proposal = propose_similar(
        session, version.entry, text, evidence=evidence, support=support, actor=None, now=utc_now()
    )
    session.commit()
    return proposal


@pytest.fixture
def live(base: Session, people: Cast) -> Version:
    return published(base, LOST_CARD, code="SB-001")


@pytest.fixture
def similar(base: Session, live: Version) -> Proposal:
    return propose(base, live)


@pytest.fixture
def synonym(base: Session, people: Cast) -> Proposal:
    pairs = [[question(base, "狗本怎么办"), question(base, "跳蚤市场登记怎么办")]]
    made = propose_synonym(base, "旧货本本", "跳蚤市场证", evidence={"pairs": pairs}, support=4, now=utc_now())
    assert made is not None
    base.commit()
    return made


def decide(visit: Visit, who: Any, proposal: Proposal, decision: str, remark: str = "") -> Any:
    return visit(who).post(f"/proposals/{proposal.id}", data={"decision": decision, "remark": remark})


def state(session: Session, proposal: Proposal) -> ProposalStatus:
    session.refresh(proposal)
    return proposal.status


def test_the_editor_sees_the_evidence_in_callers_words_but_nobodys_number(
    visit: Visit, people: Cast, similar: Proposal
) -> None:
    text = visit(people.editor).get("/proposals").text
    assert f"“{TEXT}”" in text
    assert f"{TEXT}？" in text
    assert "（含有个人信息，不显示）" in text
    assert "13812345678" not in text
    assert "采纳 <kbd>A</kbd>" in text


def test_the_stranger_sees_and_decides_nothing(
    visit: Visit, base: Session, people: Cast, similar: Proposal, synonym: Proposal
) -> None:
    text = visit(people.stranger).get("/proposals").text
    assert TEXT not in text
    assert "没有待定的建议" in text
    assert visit(people.stranger).get(f"/proposals?open={similar.id}").status_code == 404
    assert TEXT not in visit(people.stranger).get("/proposals?status=all&q=卡").text
    for decision in ("accept", "reject", "undo", "reopen"):
        assert decide(visit, people.stranger, similar, decision, "因为").status_code == 404
        assert decide(visit, people.stranger, synonym, decision, "因为").status_code == 404
    book = load_workbook(io.BytesIO(visit(people.stranger).get("/proposals/export").content))
    assert book.active is not None and book.active.max_row == 1
    assert (state(base, similar), state(base, synonym)) == (P.OPEN, P.OPEN)


@pytest.mark.parametrize("who", ["agent", "reviewer", "leader", "county_office", "analyst", "administrator"])
def test_other_posts_are_refused(visit: Visit, base: Session, people: Cast, similar: Proposal, who: str) -> None:
    person = getattr(people, who)
    assert visit(person).get("/proposals").status_code == 403
    assert visit(person).get("/proposals/export").status_code == 403
    assert decide(visit, person, similar, "accept").status_code == 403
    assert state(base, similar) is P.OPEN


def test_synonyms_are_the_offices(visit: Visit, base: Session, people: Cast, synonym: Proposal) -> None:
    assert visit(people.editor).get("/proposals?kind=synonym").status_code == 403
    assert visit(people.editor).get("/proposals/export?kind=synonym").status_code == 403
    assert visit(people.editor).get(f"/proposals?open={synonym.id}").status_code == 404
    assert decide(visit, people.editor, synonym, "accept").status_code == 404
    text = visit(people.office).get("/proposals?kind=synonym").text
    assert "来电人说“旧货本本”，知识库写“跳蚤市场证”" in text
    assert "跳蚤市场登记怎么办" in text
    answer = decide(visit, people.office, synonym, "accept")
    assert answer.headers["location"] == f"/proposals?kind=synonym&status=open&after={synonym.id}&did=accept"
    base.expire_all()
    assert [s["word"] for s in newest_versions(base)["跳蚤市场证"].sayings] == ["旧货本本"]
    decide(visit, people.office, synonym, "undo")
    base.expire_all()
    assert newest_versions(base)["跳蚤市场证"].removed


def test_accepting_hands_a_version_in_and_the_next_one_opens(
    visit: Visit, base: Session, people: Cast, live: Version, similar: Proposal
) -> None:
    other = published(base, replace(LOST_CARD, question="社会保障卡怎样激活", similar=()), code="SB-002")
    propose(base, other, "新卡怎么用不了", support=2)
    answer = decide(visit, people.editor, similar, "accept")
    assert answer.status_code == 303
    assert state(base, similar) is P.ACCEPTED
    text = visit(people.editor).get(answer.headers["location"]).text
    assert "形成新版本并提交" in text
    assert '<h2 id="proposal-title">“新卡怎么用不了”</h2>' in text
    base.refresh(live)
    assert TEXT not in live.similar


def test_rejecting_asks_for_the_reason_and_keeps_what_was_typed(
    visit: Visit, base: Session, people: Cast, similar: Proposal
) -> None:
    refused = decide(visit, people.editor, similar, "reject", " ")
    assert refused.status_code == 422
    assert "请写明原因" in refused.text
    assert decide(visit, people.editor, similar, "reject", "不是一件事").status_code == 303
    assert state(base, similar) is P.REJECTED
    text = visit(people.office).get("/proposals?status=rejected").text
    assert "不是一件事" in text
    assert decide(visit, people.office, similar, "reopen").status_code == 303
    assert state(base, similar) is P.OPEN


def test_what_stands_in_the_way_is_told_on_the_page(
    visit: Visit, base: Session, people: Cast, live: Version, similar: Proposal
) -> None:
    lifecycle.add_version(base, live.entry, replace(LOST_CARD, spoken="新口径"), actor=people.editor, now=utc_now())
    base.commit()
    refused = decide(visit, people.editor, similar, "accept")
    assert refused.status_code == 409
    assert "第 2 版现为“草稿”" in refused.text
    assert f"“{TEXT}”" in refused.text


def test_passing_over_opens_the_next_and_behind_the_last_the_first(
    visit: Visit, base: Session, people: Cast, live: Version, similar: Proposal
) -> None:
    second = propose(base, live, "卡不见了咋整", support=2)
    office = visit(people.office)
    title = '<h2 id="proposal-title">“{}”</h2>'
    assert title.format(TEXT) in office.get("/proposals").text
    assert title.format("卡不见了咋整") in office.get(f"/proposals?after={similar.id}").text
    assert title.format(TEXT) in office.get(f"/proposals?after={second.id}").text


def test_filters_count_and_export_agree(
    visit: Visit, base: Session, people: Cast, live: Version, similar: Proposal
) -> None:
    permit = published(base, RESIDENCE_PERMIT, code="GA-001")
    propose(base, permit, "外来人口办个证")
    office = visit(people.office)
    for query, texts in (
        ("", {TEXT, "外来人口办个证"}),
        (f"unit={live.entry.unit_id}", {TEXT}),
        ("q=GA-001", {"外来人口办个证"}),
        ("q=居住证怎样", {"外来人口办个证"}),
        ("q=100%", set()),
        ("status=accepted", set()),
    ):
        page = office.get(f"/proposals?{query}").text
        assert f'共&thinsp;<span class="number">{len(texts)}</span>' in page, query
        book = load_workbook(io.BytesIO(office.get(f"/proposals/export?{query}").content))
        assert book.active is not None
        rows = list(book.active.iter_rows(min_row=2, values_only=True))
        assert {row[3] for row in rows} == texts, query


def test_a_decision_needs_the_token(visit: Visit, people: Cast, base: Session, similar: Proposal) -> None:
    browser = visit(people.editor)
    del browser.headers["X-CSRF-Token"]
    assert browser.post(f"/proposals/{similar.id}", data={"decision": "accept"}).status_code == 403
    assert state(base, similar) is P.OPEN


class TestWeights:
    @pytest.fixture
    def fit(self, base: Session) -> RankerFit:
        return self.kept(base)

    @staticmethod
    def kept(base: Session, *, better: bool = True) -> RankerFit:
        figures = {"first": 80, "direct": 5, "wrong_direct": 0, "log_loss": 0.4}
        comparison = {
            "better": better,
            "reason": "检验得出的话。",
            "against": None,
            "model": "",
            "fitted": 200,
            "held": 120,
            "held_confirmed": 110,
            "passed_over": 4,
            "before": figures,
            "after": {**figures, "first": 99},
            "first_place": {"interval": [0.05, 0.25]},
        }
        fit = keep(base, "words", Ranker.load("words").described(), comparison, actor=None, now=utc_now())
        base.commit()
        return fit

    @pytest.mark.usefixtures("fit")
    def test_the_comparison_is_shown(self, visit: Visit, people: Cast) -> None:
        text = visit(people.analyst).get("/ranker").text
        assert "90.0%（99 / 110）" in text
        assert "检验得出的话。" in text
        assert "+5.0&thinsp;至&thinsp;+25.0" in text
        assert "ask=promote" not in text

    @pytest.mark.parametrize("who", ["office", "administrator"])
    def test_it_is_promoted_after_a_confirmation_and_undone_in_one_step(
        self, visit: Visit, services: Services, people: Cast, fit: RankerFit, who: str
    ) -> None:
        browser = visit(getattr(people, who))
        assert "ask=promote" in browser.get("/ranker").text
        asked = browser.post(f"/ranker/{fit.id}/promote")
        assert "确认采用" in asked.text
        assert services.weights.look() is None
        assert browser.post(f"/ranker/{fit.id}/promote", data={"sure": "yes"}).status_code == 303
        assert services.weights.look() == fit.id
        assert "确认撤销" in browser.get(f"/ranker?ask=undo&number={fit.id}").text
        assert browser.post(f"/ranker/{fit.id}/undo", data={"sure": "yes"}).status_code == 303
        assert services.weights.look() is None

    def test_weights_that_cannot_be_used_are_not_called_in_use(
        self, visit: Visit, base: Session, services: Services, people: Cast, fit: RankerFit
    ) -> None:
        fit.comparison = {**fit.comparison, "model": "another"}
        promote(base, fit, actor=people.office, now=utc_now())
        base.commit()
        services.weights.look()
        page = visit(people.office).get("/ranker").text
        assert "现用随产品的权重" in page
        assert "不适用于现在的语义模型或程序" in page
        undo(base, fit, actor=people.office, now=utc_now())
        base.commit()
        services.weights.look()
        assert "不适用于现在的语义模型或程序" not in visit(people.office).get("/ranker").text

    def test_what_is_not_better_is_refused_on_the_page(self, visit: Visit, base: Session, people: Cast) -> None:
        fit = self.kept(base, better=False)
        refused = visit(people.office).post(f"/ranker/{fit.id}/promote", data={"sure": "yes"})
        assert refused.status_code == 422
        assert "不能采用：检验得出的话。" in refused.text

    @pytest.mark.parametrize("who", ["stranger", "editor", "agent", "reviewer", "leader", "county_office"])
    def test_others_see_and_change_nothing(self, visit: Visit, people: Cast, fit: RankerFit, who: str) -> None:
        browser = visit(getattr(people, who))
        assert browser.get("/ranker").status_code == 403
        for act in ("promote", "undo"):
            assert browser.post(f"/ranker/{fit.id}/{act}", data={"sure": "yes"}).status_code == 403

    def test_the_analyst_reads_only(self, visit: Visit, people: Cast, fit: RankerFit) -> None:
        browser = visit(people.analyst)
        assert browser.post(f"/ranker/{fit.id}/promote", data={"sure": "yes"}).status_code == 403

    def test_nothing_fitted_is_told(self, visit: Visit, people: Cast) -> None:
        assert "zhida ranker refit" in visit(people.office).get("/ranker").text

"""The corpus that the engine is measured on, and the database that is filled from it."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.clock import utc_now
from benchmarks import scale_base
from benchmarks.scale import PHRASINGS, ScaleText
from ingest.searchable import documents_of
from kb_admin import lifecycle
from models.database import open_engine, sessions
from models.errors import Conflict
from models.knowledge import ChangeLog, Entry, Version
from models.organisation import Person
from models.values import EntryContent, VersionStatus

SAME = [[f"第{group}件事怎么办理{form}" for form in ("", "呢", "啊", "？")] for group in range(40)]
"""Questions that people have marked as the same."""
ANSWERS = ["请携带身份证到窗口办理。工作日九点到五点均可受理！", "| 表格 | 里的话也要能说 |，也是一句完整的话。"]
ENTRIES = 150
"""More than there are titles, and one that holds for 2020 alone."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of development data, small."""
    folder = tmp_path_factory.mktemp("data")
    pairs = [{"a": one, "b": other, "label": 1} for group in SAME for one, other in pairwise(group)]
    pairs += [{"a": SAME[i][0], "b": SAME[i + 1][0], "label": 0} for i in range(len(SAME) - 1)]
    _write(folder / "pairs_small" / "pairs.jsonl", pairs)
    for name in ("gov_mailbox", "shenzhen_power_kb", "ncp_policy_qa"):
        _write(folder / name / "corpus.jsonl", [{"answer": answer} for answer in ANSWERS])
    return folder


@pytest.fixture(scope="module")
def corpus(data: Path) -> ScaleText:
    return ScaleText.read(data)


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def test_the_first_entries_are_the_same_at_every_size(corpus: ScaleText) -> None:
    large = list(corpus.documents(ENTRIES))
    assert list(corpus.documents(20)) == large[:20]
    assert list(corpus.documents(10, first=91)) == large[90:100]
    assert {len(document.phrasings) for document in large} == {PHRASINGS}
    assert len({document.question for document in large}) == ENTRIES


def test_questions_are_not_in_the_base_and_have_an_answer_in_it(corpus: ScaleText) -> None:
    documents = {document.entry_id: document for document in corpus.documents(ENTRIES)}
    asked = corpus.questions(ENTRIES, 1000)
    assert len(asked) == len(SAME)
    same = [set(group) for group in SAME]
    for question in asked:
        assert question.text not in {document.question for document in documents.values()}
        group = next(group for group in same if question.text in group)
        assert {documents[number].question for number in question.relevant} <= group
    assert all(question.relevant <= set(range(1, 11)) for question in corpus.questions(10, 1000))


def test_what_holds_for_2020_alone_answers_nothing(corpus: ScaleText) -> None:
    assert [document.entry_id for document in corpus.documents(ENTRIES) if document.valid_to] == [100]
    assert not any(100 in question.relevant for question in corpus.questions(ENTRIES, 1000))


def test_the_base_says_what_the_documents_say(
    data: Path, corpus: ScaleText, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIDA_DATA_FOLDER", str(tmp_path / "without-models"))
    settings = scale_base.base(tmp_path / "base", ENTRIES, database_url, data=data)
    engine = open_engine(settings.database_url)
    with sessions(engine)() as session:
        found = sorted(documents_of(session, range(1, ENTRIES + 1)), key=lambda document: document.entry_id)
        assert found == [replace(d, places=(scale_base.CITY,)) for d in corpus.documents(ENTRIES)]
        assert session.scalars(select(ChangeLog.entry_id).order_by(ChangeLog.seq)).all() == [*range(1, ENTRIES + 1)]
        _publish_and_withdraw(session)
    engine.dispose()
    assert scale_base.base(tmp_path / "base", ENTRIES, database_url, data=data) == settings
    with pytest.raises(Conflict, match="换一个目录"):
        scale_base.base(tmp_path / "base", ENTRIES + 10, database_url, data=data)


def _publish_and_withdraw(session: Session) -> None:
    """As people do: new entries get numbers of their own, and the office takes down what is there."""
    office = session.scalars(select(Person).where(Person.login == scale_base.OFFICE)).one()
    now = utc_now()
    content = EntryContent("全新的问题", "全新的答案。", "演示单位1", scale_base.CITY)
    version = lifecycle.create_entry(session, content, actor=None, now=now)
    lifecycle.submit(session, version, actor=None, now=now)
    lifecycle.approve(session, version, actor=None, now=now)
    lifecycle.publish(session, version, actor=office, now=now)
    old = session.scalars(select(Version).where(Version.entry_id == 1)).one()
    lifecycle.withdraw(session, old, "检验", actor=office, now=now)
    session.commit()
    assert version.entry.code == f"ZD-{ENTRIES + 1:06d}"
    assert session.scalar(select(func.count(Entry.id))) == ENTRIES + 1
    live = select(func.count(Version.id)).where(Version.status == VersionStatus.PUBLISHED)
    assert session.scalar(live) == ENTRIES

"""What is exported imports back as exactly the same, whatever people wrote."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from ingest.export import export_csv, export_jsonl, export_xlsx
from ingest.spreadsheets import read_file
from kb_admin.content_rules import code_faults, content_faults
from models.values import BasisContent, EntryContent, ExportedEntry, Publicity
from tests.cast import LOST_CARD

WRITERS = {".xlsx": export_xlsx, ".csv": export_csv, ".jsonl": export_jsonl}
NASTY = (
    *("=1+1", "+86", "-5", "@SUM(A1)", "'=1", "''+", "'", '"', 'a"b', "a|b", "a；b", "a;b", "a\\b", "a,b", "，"),
    *("_x000D_", "_x005F_x000D_", "_x000D_x000D_", "<br>", "<p>甲</p>", "&amp;", "&lt;", "]]>", "<18", "𠮷", "👨‍👩‍👧"),
    *(
        "ＡＢＣ１２３",
        "\u200b甲",
        "\u3000",
        "１",
        "TRUE",
        "0012",
        "1e5",
        "2025-01-01",
        "null",
        "编号",
        "标准问",
        "#REF!",
    ),
)
characters = st.characters(exclude_categories=("Cs", "Cc", "Cn"), include_characters="\n\t")
words = st.one_of(st.sampled_from(NASTY), st.text(characters, min_size=1, max_size=30))
lines = words.map(lambda text: " ".join(text.split())).filter(bool)
keywords = st.lists(
    lines.map(lambda text: text.translate(dict.fromkeys(map(ord, ",，;；、|")))), max_size=4, unique=True
)
texts = st.lists(words, min_size=1, max_size=5).map("\n".join).filter(str.strip)
moments = st.integers(0, 4_000_000_000_000_000).map(
    lambda n: datetime(1995, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
)
days = st.integers(0, 20_000).map(lambda n: datetime(1995, 1, 1, 16, tzinfo=UTC) + timedelta(days=n))
validity = st.lists(st.one_of(moments, days), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def entries(draw: st.DrawFn) -> ExportedEntry:
    question = draw(lines)
    start, end = draw(validity)
    similar = draw(st.lists(lines, max_size=4, unique=True))
    content = EntryContent(
        question=question,
        answer=draw(texts),
        unit="某市某局",
        region="某市",
        similar=tuple(text for text in similar if text != question),
        spoken=draw(st.one_of(st.just(""), texts)),
        keywords=tuple(word.strip() for word in draw(keywords) if word.strip()),
        category="/".join(text.replace("/", "") or "类" for text in draw(st.lists(lines, max_size=3))),
        bases=tuple(draw(st.lists(st.builds(BasisContent, lines, st.one_of(st.just(""), lines), st.integers(0, 99))))),
        valid_from=draw(st.sampled_from([None, start])),
        valid_to=draw(st.sampled_from([None, end])),
        publicity=draw(st.sampled_from(Publicity)),
        info_type=draw(st.sampled_from(["", "办事指南"])),
    )
    return ExportedEntry(draw(st.sampled_from(["A-1", "0012", "9", "编号1"])), content)


@pytest.mark.parametrize("suffix", WRITERS)
@settings(max_examples=120, deadline=None)
@given(entry=entries())
def test_whatever_may_enter_the_base_comes_back_the_same(suffix: str, entry: ExportedEntry) -> None:
    assume(not content_faults(entry.content) and not code_faults(entry.code))
    read = read_file(WRITERS[suffix]([entry]), f"a{suffix}")
    assert not read.problems
    assert [(row.code, row.content) for row in read.rows] == [(entry.code, entry.content)]
    assert not read.notices


@pytest.mark.parametrize("suffix", WRITERS)
def test_each_nasty_text_survives_in_every_place(suffix: str) -> None:
    nasty = [text.strip() for text in NASTY if text.strip()]
    exported = [
        ExportedEntry(f"N-{i}", EntryContent(question=text, answer=f" {text}\n", unit=text, region=text, spoken=text))
        for i, text in enumerate(nasty)
    ]
    read = read_file(WRITERS[suffix](exported), f"a{suffix}")
    assert [row.content for row in read.rows] == [entry.content for entry in exported]


@pytest.mark.parametrize("suffix", WRITERS)
def test_longest_permitted_answer_survives(suffix: str) -> None:
    long = EntryContent(question="问", answer="𠮷" * 16_000, unit="局", region="市")
    assert not content_faults(long)
    assert content_faults(EntryContent(question="问", answer="𠮷" * 16_001, unit="局", region="市"))
    (row,) = read_file(WRITERS[suffix]([ExportedEntry("L", long)]), f"a{suffix}").rows
    assert row.content == long


def test_no_exported_cell_is_a_formula() -> None:
    exported = [ExportedEntry("=1", EntryContent(question="=2+3", answer="@x", unit="+甲", region="-乙"))]
    content = export_xlsx(exported)
    sheet = load_workbook(BytesIO(content)).active
    assert sheet is not None
    assert {cell.data_type for cell in sheet[2] if cell.value} == {"s"}
    line = export_csv(exported).decode("utf-8-sig").split("\r\n")[1]
    assert all(not cell.startswith(("=", "+", "-", "@")) for cell in line.split(","))


def test_the_last_day_of_validity_is_written_and_read_as_the_same_day() -> None:
    end = datetime(2026, 6, 30, 16, tzinfo=UTC)
    exported = ExportedEntry("D", EntryContent(question="问", answer="答", unit="局", region="市", valid_to=end))
    text = export_jsonl([exported]).decode()
    assert '"valid_to": "2026-06-30"' in text
    (row,) = read_file(text.encode(), "a.jsonl").rows
    assert row.content.valid_to == datetime(2026, 7, 1, tzinfo=UTC) - timedelta(hours=8)


def test_many_entries_keep_their_order_and_codes() -> None:
    exported = [ExportedEntry(f"K-{i}", LOST_CARD) for i in range(50)]
    for suffix, write in WRITERS.items():
        read = read_file(write(exported), f"a{suffix}")
        assert [row.code for row in read.rows] == [entry.code for entry in exported]

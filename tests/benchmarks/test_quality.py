"""The command that measures: an isolated base in, a results file and one summary line out."""

import json
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.cli import app

ENTRIES = [
    {"id": "a", "question": "身份证丢了怎么补办", "answer": "到派出所办理。"},
    {"id": "b", "question": "居民医保怎么缴费", "answer": "在手机上缴。", "similar": ["农村合作医疗在哪交钱"]},
]
QUESTIONS = [
    {"id": "1", "text": "身份证丢了怎么补办", "relevant": ["a"]},
    {"id": "2", "text": "农村合作医疗在哪交钱", "relevant": ["b"]},
    {"id": "3", "text": "身份证丢了怎么补办", "relevant": [], "exclude": ["a"]},
]


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_quality_writes_a_line_for_each_question_and_ends_with_the_summary(tmp_path: Path) -> None:
    kb, queries = write(tmp_path / "corpus.jsonl", ENTRIES), write(tmp_path / "queries.jsonl", QUESTIONS)
    out = tmp_path / "new" / "results.jsonl"
    arguments = ["quality", "--kb", kb, "--queries", queries, "--out", str(out), "--model", "none"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    summary = json.loads(result.stdout.strip().splitlines()[-1])
    assert (summary["n"], summary["R@1"], summary["n_answerable"]) == (3, 1.0, 2)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["1", "2", "3"]
    assert lines[0]["hits"][0]["id"] == "a"
    assert all(0 <= hit["score"] <= 1 for line in lines for hit in line["hits"])
    assert "a" not in [hit["id"] for hit in lines[2]["hits"]]

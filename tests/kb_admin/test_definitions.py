"""Definitions of figures: strict reading, words that say what the data does, documents that repeat them."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.commands.definitions import markdown
from kb_admin.definition_words import rule_words
from kb_admin.definitions import FOLDER, all_definitions, call_rates, definition, read
from kb_admin.rulebook_files import SHIPPED, load_shipped
from models.errors import Invalid, NotFound

ROOT = Path(__file__).parents[2]
WHOLE = FOLDER.joinpath("answering.toml").read_text(encoding="utf-8")
DIRECT = WHOLE[WHOLE.index("[direct_answer_rate]") : WHOLE.index("[direct_answer_rate_all]")]


def test_a_good_file_is_read_as_it_stands() -> None:
    assert list(read(DIRECT, file="x.toml")) == ["direct_answer_rate"]
    assert read(DIRECT, file="x.toml")["direct_answer_rate"] == definition("direct_answer_rate")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "直接解答率"', "", "direct_answer_rate.title：没有写"),
        ('unit = "percent"', 'unit = "share"', "direct_answer_rate.unit：可写：percent"),
        ('unit = "percent"', 'unit = "calls"', "direct_answer_rate.denominator：单位是“通”的不是比率"),
        ('timing = "period"', 'timing = "always"', "direct_answer_rate.timing：可写"),
        ("denominator =", "denominater =", "direct_answer_rate.denominater：没有这个键"),
        ("denominator =", "denominater =", "direct_answer_rate.denominator：比率要写分母"),
        ('  "来电中断的",\n', "", "口径数据不计“来电中断”，除外说明里没有写到"),
        ('"没有记录结束方式的来电（另列数目）"', '"其他"', "口径数据不计“没有记录结束方式”"),
        ("求助、投诉", "投诉", "口径数据不计“求助”"),
        ("matter_unsaid = true", "matter_unsaid = false", "口径数据不计“没有注明诉求类别”"),
        ("matter_unsaid = true", 'matter_unsaid = "yes"', "calls.matter_unsaid：应是 true 或 false"),
        ('matters = ["consultation"]', 'matters = ["advice"]', "calls.matters：应是诉求类别的列表"),
        ('matters = ["consultation"]', "matters = []", "calls.matters：应是诉求类别的列表"),
        ('achieved = ["answered"]', 'achieved = ["answered", "refused"]', "calls.achieved：分子里的结束方式都应在"),
        ('achieved = ["answered"]', 'achieved = ["three_way"]', "calls.from_base：只有“直接解答”记下条目"),
        ('repeat = "ignored"', 'repeat = "rulebook"', "calls.caller_unknown：要看是否再次来电"),
        ('repeat = "ignored"', "repeat = 0", "calls.repeat：应是 ignored、rulebook，或 1 至 365"),
        ("from_base = true", "", "calls.from_base：没有写"),
        ("from_base = true", "from_base = true\nminimum = 3", "calls.minimum：没有这个键"),
        ("[direct_answer_rate.calls]", "[direct_answer_rate.calls", "不是有效的 TOML"),
    ],
)
def test_a_faulty_file_is_refused_with_the_place(old: str, new: str, said: str) -> None:
    assert old in DIRECT
    with pytest.raises(Invalid, match=re.escape(said)) as refused:
        read(DIRECT.replace(old, new, 1), file="x.toml")
    assert "x.toml" in str(refused.value)


def test_a_value_that_is_no_table_is_told() -> None:
    with pytest.raises(Invalid, match="calls：应是一节"):
        read('calls = "many"', file="x.toml")


def test_an_unknown_figure_is_told_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="direct_answer_rate"):
        definition("answer_rate")


@pytest.mark.parametrize("name", SHIPPED)
def test_each_city_publishes_a_rate_that_is_defined(name: str) -> None:
    assert load_shipped(name).statistics.direct_answer in {one.name for one in call_rates()}


def test_the_three_direct_answer_rates_differ_in_their_data() -> None:
    rules = [one.calls for one in call_rates() if one.name.startswith("direct_answer_rate")]
    assert len(rules) == len(set(rules)) == 3


def test_the_data_in_words_names_every_part() -> None:
    rule = definition("first_call_rate").calls
    assert rule is not None
    words = dict(rule_words(rule, repeat_days=9))
    assert words["应计的结束方式"] == "直接解答、三方通话、专家座席、转派工单"
    assert words["应计的诉求类别"].endswith("其他、没有注明")
    assert words["不知道来电人的"] == "不计"
    assert words["算作解答的"] == "直接解答、三方通话、专家座席，且同一来电人 9 日内没有为同一事项再次来电"


def test_the_document_repeats_every_definition() -> None:
    """``zhida definitions show`` writes them; below the last heading of the second level nothing else stands."""
    written = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8").partition("## 全部指标\n\n")[2]
    assert written.strip() == "\n\n".join(map(markdown, all_definitions().values()))


def test_the_command_shows_one_or_all() -> None:
    one = CliRunner().invoke(app, ["definitions", "show", "gap_hours"])
    assert one.exit_code == 0
    assert one.output.startswith("### 从缺失到能解答的时间 `gap_hours`")
    every = CliRunner().invoke(app, ["definitions", "show"]).output
    listed = CliRunner().invoke(app, ["definitions", "list"]).output
    for name, figure in all_definitions().items():
        assert f"`{name}`" in every
        assert f"{name}\t{figure.title}" in listed

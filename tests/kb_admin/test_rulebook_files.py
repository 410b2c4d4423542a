"""A rulebook's file: what it leaves out, what is kept of it, and every way in which it is refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kb_admin.rulebook import Applies, Expiry, Party, Scope
from kb_admin.rulebook_files import SHIPPED, examine, load_shipped, read, shipped_text, whole_text
from kb_admin.rulebook_keys import SECTIONS
from kb_admin.rulebook_words import count
from models.errors import Invalid
from models.values import Origin

CITIES = tuple(name for name in SHIPPED if name != "default")


@pytest.mark.parametrize("name", SHIPPED)
def test_whole_text_says_the_same_rulebook_whatever_becomes_of_the_defaults(name: str) -> None:
    text = whole_text(name)
    assert read(text, file="全文") == load_shipped(name)
    assert whole_text(read(text, file="全文")) == text
    assert text.count("source = ") == count(load_shipped(name)).values


def _jiyuan(old: str, new: str) -> str:
    text = shipped_text("jiyuan")
    assert old in text
    return text.replace(old, new, 1)


def refused(text: str) -> str:
    """What the reader says to the text; it must not take it."""
    with pytest.raises(Invalid) as caught:
        read(text, file="某市.toml")
    assert "某市.toml" in str(caught.value)
    return str(caught.value)


HERE = Path(__file__).parent


def _faults() -> Iterator[tuple[str, str, str]]:
    """What is taken out, what is put in, and what the reader must say."""
    for block in (HERE / "rulebook_faults.txt").read_text(encoding="utf-8").split("\n\n")[1:]:
        lines = block.strip("\n").split("\n")
        old, new, said = ([line[1:] for line in lines if line[0] == mark] for mark in "-+!")
        yield "\n".join(old), "\n".join(new), said[0]


FAULTS = tuple(_faults())


@pytest.mark.parametrize(("old", "new", "expected"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_a_file_with_a_fault_is_refused_with_file_and_key(old: str, new: str, expected: str) -> None:
    assert expected in refused(_jiyuan(old, new))


def test_all_faults_are_told_at_once() -> None:
    text = _jiyuan('threshold = { value = "80%"', 'threshold = { value = "eighty"')
    message = refused(text.replace('limit = { value = "1 working_hour"', 'limit = { value = "soon"'))
    assert "有 2 处错误" in message
    assert "correction.threshold" in message
    assert "clocks.confirm_slip.limit" in message


@pytest.mark.parametrize("name", SHIPPED)
def test_a_value_whose_source_is_taken_away_is_refused_wherever_it_stands(name: str) -> None:
    """Every line that carries a source is spoilt in turn; the reader names its key each time. Of a city those that
    the defaults do not say in the same words."""
    lines = whole_text(name).splitlines()
    defaults = set() if name == "default" else set(whole_text("default").splitlines())
    table = ""
    for place, line in enumerate(lines):
        if line.startswith("["):
            table = line.strip("[]")
        if "source = " not in line or line in defaults:
            continue
        key, value = re.fullmatch(r"(\w+) = \{ value = (.*), source = .*\}", line).groups()  # type: ignore[union-attr]
        spoilt = "\n".join([*lines[:place], f"{key} = {value}", *lines[place + 1 :]])
        rulebook, faults = examine(spoilt)
        assert rulebook is None
        assert faults == (f"{table}.{key}：没有写出处（source）",)


@pytest.mark.parametrize("name", CITIES)
def test_what_a_city_leaves_out_comes_from_the_defaults_with_their_reasons(name: str) -> None:
    city, default = load_shipped(name), load_shipped("default")
    shared = {key for key, source in city.sources.items() if source == default.sources.get(key)}
    assert "hours.weekdays" in shared
    assert all(city.sources[key].why for key in shared)


def test_a_key_that_is_missing_everywhere_is_named() -> None:
    text = whole_text("default").replace("[clocks.rectify]", "[clocks.set_right]")
    rulebook, faults = examine(text)  # the defaults still have a rectify; what refers to it is sound
    assert rulebook is not None
    assert faults == ()
    own = shipped_text("jiyuan") + '\n[clocks.sing]\ntitle = "歌"\nlimit = { value = "1 day", source = "JY 1" }\n'
    assert list(examine(own)[1]) == [
        "clocks.sing.starts：没有写（起算）",
        "clocks.sing.start_day_counts：没有写（起算当天计入）",
        "clocks.sing.warn_before：没有写（提前提醒）",
        "clocks.sing.on_expiry：没有写（期满）",
    ]


def test_the_manual_s_example_is_sound_and_the_manual_names_every_section_and_word() -> None:
    manual = (HERE.parents[1] / "docs" / "rulebooks.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(\[rulebook\].*?)```", manual, flags=re.DOTALL)
    assert examine(example)[1] == ()
    words = [word.value for kind in (Party, Applies, Expiry, Scope, Origin) for word in kind]
    assert [word for word in (*SECTIONS, *words) if word not in manual] == []

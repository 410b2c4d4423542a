"""An answer keeps its shape on the page and can carry nothing that runs there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from api import dates
from api.rendering import ASPECT_HEADINGS, MAX_TABLE_COLUMNS, asked_heading, highlight, mark, plain_text, split_answer
from retrieval.marks import asked_aspects, aspect_names, aspects

PICTURE = "a" * 64
NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)


def html_of(markdown: str) -> str:
    return "".join(section.html for section in split_answer(markdown, {"流程 图.png": PICTURE}))


def test_an_answer_is_cut_at_its_headings() -> None:
    sections = split_answer("先看这里。\n\n## 材料\n- 身份证\n\n## 时限\n当场办结。", {})
    assert [section.heading for section in sections] == ["", "材料", "时限"]
    assert sections[1].html.strip() == "<ul>\n<li>身份证</li>\n</ul>"
    assert sections[2].preview == "当场办结。"


def test_an_answer_without_headings_is_one_section() -> None:
    (section,) = split_answer("凭身份证办理。", {})
    assert (section.heading, section.html.strip()) == ("", "<p>凭身份证办理。</p>")


def test_the_highest_heading_in_use_cuts_and_lower_ones_stay_inside() -> None:
    sections = split_answer("### 材料\n#### 本人\n身份证\n### 费用\n免费", {})
    assert [section.heading for section in sections] == ["材料", "费用"]
    assert "<h4>本人</h4>" in sections[0].html


def test_tables_keep_their_columns_and_alignment_without_inline_style() -> None:
    html = html_of("|档次|金额|\n|---|--:|\n|一档|400 元|")
    assert "<table>" in html
    assert '<td class="right">400 元</td>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "[点这里](javascript:alert(1))",
        "[点这里](vbscript:x)",
        "[点这里](data:text/html;base64,PHNjcmlwdD4=)",
        '<img src=x onerror="alert(1)">',
        '<a href="/logout" onclick="x()">x</a>',
        "![x](https://elsewhere.example/pixel.png)",
        "![x](//elsewhere.example/pixel.png)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "![x](/logout)",
        "[x](/logout)",
        "[x](/attachments/../?q=x)",
        f"[x](/attachments/{PICTURE}/../../logout)",
        "[x](/attachments/abc)",
        "![x](/attachments/../logout)",
    ],
)
def test_nothing_in_an_answer_runs_or_calls_elsewhere(hostile: str) -> None:
    for markdown in (hostile, f"## 材料\n{hostile}", f"|a|\n|-|\n|{hostile}|"):
        html = html_of(markdown)
        assert "<script" not in html
        assert "<img" not in html
        assert "href=" not in plain_tags(html)


def test_a_picture_of_the_version_is_shown_and_another_becomes_its_description() -> None:
    assert f'<img src="/attachments/{PICTURE}" alt="示意">' in html_of("![示意](<attachment:流程 图.png>)")
    assert html_of("![示意](attachment:没有.png)").strip() == "<p>（图片未收录：示意）</p>"


def test_a_link_to_an_attachment_of_the_version_stays() -> None:
    assert f'href="/attachments/{PICTURE}"' in html_of("[流程](<attachment:流程 图.png>)")


@pytest.mark.parametrize(
    "rows",
    [
        [f"|{'a|' * 3_000}", f"|{'-|' * 3_000}", f"|{'b|' * 3_000}"],
        [f"|{'a|' * MAX_TABLE_COLUMNS}", f"|{'-|' * MAX_TABLE_COLUMNS}", *["x"] * 10_000],
    ],
)
def test_a_table_beyond_all_measure_is_shown_as_the_text_it_is(rows: list[str]) -> None:
    html = html_of("\n".join(rows))
    assert "<t" not in html
    assert len(html) < 2 * len("\n".join(rows))


def test_a_table_as_wide_as_allowed_is_one() -> None:
    wide = [f"|{cell * MAX_TABLE_COLUMNS}" for cell in ("a|", "-|", "b|")]
    assert html_of("\n".join(wide)).count("<td>") == MAX_TABLE_COLUMNS


def test_links_to_other_sites_tell_them_nothing() -> None:
    assert 'rel="noopener noreferrer"' in html_of("[国务院](https://www.gov.cn/zhengce)")


HEADINGS = ["条件", "材料", "流程", "时限", "费用", "地点"]


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("补办社保卡要多少钱", "费用"),
        ("补办社保卡要带什么", "材料"),
        ("补办社保卡几天能拿到", "时限"),
        ("去哪补社保卡", "地点"),
        ("社保卡补办流程", "流程"),
        ("社保卡怎么申请，去哪里", "地点"),
        ("社保卡丢了", ""),
    ],
)
def test_the_section_that_the_caller_asks_for_is_found(question: str, heading: str) -> None:
    assert asked_heading(question, aspect_names(asked_aspects(question)), HEADINGS) == heading


def test_a_section_is_found_by_another_word_for_the_same() -> None:
    assert asked_heading("多久能办好", ["时限"], ["所需资料", "办结时间"]) == "办结时间"
    assert asked_heading("手机上能办吗", ["网上办"], ["网上办理"]) == "网上办理"


def test_each_aspect_that_a_search_can_name_has_its_section() -> None:
    assert set(ASPECT_HEADINGS) == {aspect.name for aspect in aspects()}


def test_a_section_that_the_answer_lacks_is_not_claimed() -> None:
    assert asked_heading("补办社保卡要多少钱", ["费用"], ["材料", "时限"]) == ""


def test_matched_words_are_marked_outside_tags_only() -> None:
    html = Markup('<a href="https://a.cn/strong">strong &amp; 身份证</a>')
    assert highlight(html, ["strong", "身份证", "amp"]) == (
        '<a href="https://a.cn/strong"><mark>strong</mark> &amp; <mark>身份证</mark></a>'
    )


def test_the_longest_matched_word_wins() -> None:
    assert mark("社会保障卡", ["社会", "社会保障卡"]) == "<mark>社会保障卡</mark>"


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("戶口名簿遺失", ["户口名簿", "遗失"], "<mark>戶口名簿</mark><mark>遺失</mark>"),
        ("ＥＴＣ，怎么办", ["etc"], "<mark>ＥＴＣ</mark>，怎么办"),
        ("Etc 卡", ["ETC"], "<mark>Etc</mark> 卡"),
        ("㈠戶籍 & 戶口", ["户口"], "㈠戶籍 &amp; <mark>戶口</mark>"),
    ],
)
def test_matched_words_are_marked_in_the_spelling_of_the_entry(text: str, words: list[str], marked: str) -> None:
    assert mark(text, words) == marked


@given(st.text(), st.lists(st.text(max_size=4), max_size=4))
def test_marking_never_changes_the_text(text: str, words: list[str]) -> None:
    assert mark(text, words).replace("<mark>", "").replace("</mark>", "") == mark(text, [])


@given(st.text())
def test_any_text_renders_without_a_script(text: str) -> None:
    html = html_of(text)
    assert "<script" not in html.lower()
    assert "onerror=" not in plain_tags(html)


def plain_tags(html: str) -> str:
    """The tags of the HTML without the text between them."""
    return "".join(part.split(">")[0] for part in html.split("<")[1:])


def test_plain_text_reads_on_one_line() -> None:
    assert plain_text("<p>一 &lt; 二</p>\n<p>三</p>") == "一 < 二 三"


def test_an_entry_that_ends_at_midnight_holds_through_the_day_before() -> None:
    # 2026-12-31 16:00 UTC is the first moment of 2027 in Shanghai.
    assert dates.last_moment(datetime(2026, 12, 31, 16, tzinfo=UTC)) == "2026-12-31"
    assert dates.last_moment(datetime(2026, 12, 31, 4, tzinfo=UTC)) == "2026-12-31 12:00"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=39, hours=5), "还剩 39 天"),
        (timedelta(hours=5, minutes=59), "还剩 5 小时"),
        (timedelta(minutes=12), "还剩 12 分钟"),
        (timedelta(days=-3), "已过 3 天"),
    ],
)
def test_time_left_is_said_in_its_largest_unit(left: timedelta, words: str) -> None:
    assert dates.time_left(NOW + left, NOW).replace(dates.THIN, " ") == words


def test_validity_says_when_to_look_again() -> None:
    year = timedelta(days=365)
    states = [
        dates.validity(NOW - year, None, NOW).state,
        dates.validity(NOW - year, NOW + timedelta(days=10), NOW).state,
        dates.validity(NOW - year, NOW, NOW).state,
        dates.validity(NOW + year, None, NOW).state,
    ]
    assert states == ["open", "soon", "over", "ahead"]


def test_age_counts_calendar_days_in_shanghai() -> None:
    # 15:30 UTC is 23:30 in Shanghai; 16:30 UTC is half past midnight of the next day there.
    before, after = datetime(2026, 11, 19, 15, 30, tzinfo=UTC), datetime(2026, 11, 19, 16, 30, tzinfo=UTC)
    assert (dates.age(before, after), dates.age(after, after)) == ("昨天", "今天")

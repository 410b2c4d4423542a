"""提交检查: what each check finds, where, at which weight, and that the mend it offers really mends."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from time import perf_counter

import pytest

from ingest.demonstration import read_demonstration
from kb_admin.check_basis import is_well_formed, well_formed
from kb_admin.check_duplicates import Neighbour
from kb_admin.check_privacy import is_identity
from kb_admin.checks import CHECKS, STORABLE, Finding, check, missing
from kb_admin.routes import route_for
from kb_admin.rulebook import Level, Party, Required, Rulebook, Source
from kb_admin.rulebook_files import SHIPPED, load_shipped
from models.values import BasisContent, EntryContent, EntryField, Origin
from tests.cast import DAY, LOST_CARD, NOW, POLICE, SOCIAL_SECURITY

DEFAULT = load_shipped("default")
SOUND = replace(
    LOST_CARD,
    answer="## 材料\n本人有效身份证件。\n## 时限\n窗口当场办结。\n## 费用\n工本费 16 元，补领卡时交纳。",
)
EMERGENCY = "公共服务紧急临时信息"


def weighed(**levels: Level) -> Rulebook:
    """The default rulebook with these checks weighed so."""
    return replace(DEFAULT, checks={**DEFAULT.checks, **levels})


def found(
    content: EntryContent,
    *,
    rulebook: Rulebook = DEFAULT,
    neighbours: Sequence[Neighbour] = (),
    categories: Collection[str] = (LOST_CARD.category,),
) -> tuple[Finding, ...]:
    route = route_for(rulebook, info_type=content.info_type, origin=Origin.UNIT, first=True)
    return check(content, rulebook, route=route, neighbours=neighbours, categories=categories, now=NOW)


def of(name: str, content: EntryContent, **more: object) -> list[Finding]:
    return [finding for finding in found(content, **more) if finding.name == name]  # type: ignore[arg-type]


def mended(content: EntryContent, finding: Finding) -> EntryContent:
    """The content after one stroke on the mend."""

    def apply(text: str) -> str:
        for fix in finding.fixes:
            assert fix.old in text
            text = text.replace(fix.old, fix.new)
        return text

    match finding.field:
        case EntryField.BASIS_NUMBER:
            bases = list(content.bases)
            bases[finding.place] = replace(bases[finding.place], number=apply(bases[finding.place].number))
            return replace(content, bases=tuple(bases))
        case EntryField.SIMILAR:
            similar = list(content.similar)
            similar[finding.place] = apply(similar[finding.place])
            return replace(content, similar=tuple(similar))
        case field:
            return replace(content, **{field.value: apply(getattr(content, field.value))})


def numbered(number: str) -> EntryContent:
    return replace(SOUND, bases=(BasisContent("《某文件》", number),))


def test_a_sound_entry_passes() -> None:
    assert found(SOUND) == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_rulebook_weighs_every_check(name: str) -> None:
    assert set(load_shipped(name).checks) == set(CHECKS)


def test_the_demonstration_base_is_hardly_complained_of() -> None:
    """Checks that cry at every turn are not read: at most one entry in twenty of a well-kept base draws a remark."""
    rows = read_demonstration().rows
    told = [
        row
        for row in rows
        if any(
            f.name not in (STORABLE, "required", "validity_order")
            for f in found(row.content, categories=(row.content.category,))
        )
    ]
    assert len(told) / len(rows) <= 0.05


# 文号


@pytest.mark.parametrize(
    "number",
    [
        "国发〔2021〕4号",
        "济管办〔2021〕37号",
        "济区数〔2023〕4号",
        "梅市府办函〔2015〕148号",
        "国办发明电〔2025〕7号",
        "法释〔2020〕26号",
        "主席令第三十五号",
        "中华人民共和国主席令第35号",
        "国务院令第663号",
        "交通运输部令2021年第17号",
        "公告2023年第5号",
        "财政部 税务总局公告2023年第32号",
        "国家税务总局公告2023年第5号",
        "GB/T 9704-2012",
        "GB/T 9704—2012",
        "GB 5749-2022",
        "DB41/T 1234-2020",
        "T/CAS 123-2019",
        "京政办发〔2021〕7号（修订）",
        "建房〔2010〕1号、财综〔2010〕2号",
    ],
)
def test_numbers_as_documents_carry_them_are_left_alone(number: str) -> None:
    assert of("number_form", numbered(number)) == []


@pytest.mark.parametrize(
    ("written", "right", "said"),
    [
        ("国发[2021]4号", "国发〔2021〕4号", "[ ]"),
        ("国发(2021)4号", "国发〔2021〕4号", "( )"),
        ("国发（2021）4号", "国发〔2021〕4号", "（ ）"),
        ("国发【2021】4号", "国发〔2021〕4号", "【 】"),
        ("国发〖2021〗4号", "国发〔2021〕4号", "〖 〗"),
        ("国发﹝2021﹞4号", "国发〔2021〕4号", "﹝ ﹞"),
        ("国发{2021}4号", "国发〔2021〕4号", "{ }"),
        ("国发〔2021〕第4号", "国发〔2021〕4号", "不加“第”字"),
        ("国发〔2021〕04号", "国发〔2021〕4号", "不编虚位"),
        ("国发〔2021〕4", "国发〔2021〕4号", "缺“号”字"),
        ("国发2021年4号", "国发〔2021〕4号", "六角括号"),
        ("国发 〔２０２１〕 ４号", "国发〔2021〕4号", "空格或全角"),
        ("国务院令663号", "国务院令第663号", "缺“第”字"),
        ("公告2023年5号", "公告2023年第5号", "缺“第”字"),
        ("建房[2010]1号；财综(2010)2号", "建房〔2010〕1号、财综〔2010〕2号", "[ ]"),
    ],
)
def test_a_wrong_form_is_named_and_the_right_one_offered(written: str, right: str, said: str) -> None:
    (finding,) = of("number_form", numbered(written))
    assert (finding.field, finding.place) == (EntryField.BASIS_NUMBER, 0)
    assert said in finding.message
    assert right in finding.mend
    better = mended(numbered(written), finding)
    assert better.bases[0].number == right
    assert of("number_form", better) == []


@pytest.mark.parametrize("number", ["abc", "民政部", "见附件", "文件号4"])
def test_what_cannot_be_told_is_not_mended(number: str) -> None:
    (finding,) = of("number_form", numbered(number))
    assert finding.fixes == ()
    assert "国发〔2021〕4号" in finding.mend


def test_what_is_well_formed_stays_as_it_is() -> None:
    assert well_formed("国务院令第663号") == "国务院令第663号"
    assert not is_well_formed("国发〔2021〕004号")


def test_a_document_of_a_year_to_come_is_a_slip() -> None:
    assert NOW.year == 2026
    assert of("number_form", numbered("国发〔2026〕1号")) == []
    (finding,) = of("number_form", numbered("国发〔2062〕1号"))
    assert "2062" in finding.message


def test_the_place_of_a_number_is_its_row() -> None:
    content = replace(SOUND, bases=(SOUND.bases[0], BasisContent("《二》", "国发[2021]4号")))
    assert [f.place for f in of("number_form", content)] == [1]


# 依据


def test_a_document_without_a_number_is_told() -> None:
    (finding,) = of("basis_complete", numbered(""))
    assert finding.field is EntryField.BASIS_NUMBER
    assert "《某文件》" in finding.message


@pytest.mark.parametrize(
    ("answer", "counted", "told"),
    [
        ("材料见附件3。", 2, True),
        ("材料见附件3。", 3, False),
        ("申请表（附件一）、承诺书（附件二）。", 1, True),
        ("详见附件。", 0, True),
        ("详见附件。", 1, False),
        ("在网上上传附件。", 0, False),
        ("附件12月底前公布。", 0, False),
    ],
)
def test_attachments_that_the_answer_names_are_counted(answer: str, counted: int, told: bool) -> None:
    content = replace(SOUND, answer=answer, bases=(BasisContent("《某文件》", "国发〔2021〕4号", counted),))
    assert [f.field for f in of("basis_complete", content)] == [EntryField.BASIS_ATTACHMENTS] * told


# 必填


def demanding(field: EntryField, level: Level, *types: str) -> Rulebook:
    source = Source("JY", "第八条（四）")
    wanted = Required(field, frozenset(types) or None, level, source)
    documents = {**DEFAULT.documents, "JY": load_shipped("jiyuan").documents["JY"]}
    return replace(DEFAULT, required=(wanted,), documents=documents)


@pytest.mark.parametrize("field", [EntryField.BASIS, EntryField.SPOKEN, EntryField.VALID_FROM, EntryField.KEYWORDS])
def test_what_the_rulebook_demands_stops_a_submission_with_its_article(field: EntryField) -> None:
    empty = {"basis": "bases"}.get(field.value, field.value)
    bare = replace(SOUND, **{empty: type(getattr(SOUND, empty))() if empty != "valid_from" else None})
    (finding,) = of("required", bare, rulebook=demanding(field, Level.BLOCK))
    assert (finding.field, finding.blocks) == (field, True)
    assert "第八条（四）" in finding.rule
    assert of("required", bare, rulebook=demanding(field, Level.OFF)) == []
    (softer,) = of("required", bare, rulebook=demanding(field, Level.WARN))
    assert not softer.blocks


def test_a_demand_of_one_type_does_not_touch_another() -> None:
    bare = replace(SOUND, bases=())
    assert missing(bare, demanding(EntryField.BASIS, Level.BLOCK, "法律法规")) == ()
    assert missing(replace(bare, info_type="法律法规"), demanding(EntryField.BASIS, Level.BLOCK, "法律法规"))


def test_keywords_are_not_demanded_of_those_who_do_not_set_them() -> None:
    rulebook = replace(demanding(EntryField.KEYWORDS, Level.BLOCK), keywords_by=Party.CITY_OFFICE)
    assert missing(replace(SOUND, keywords=()), rulebook) == ()


def test_emergency_information_needs_an_end() -> None:
    endless = replace(SOUND, info_type=EMERGENCY)
    blocking = [f for f in found(endless) if f.blocks]
    assert [f.field for f in blocking] == [EntryField.VALID_TO]
    assert not any(f.blocks for f in found(replace(endless, valid_to=NOW + DAY)))
    silent = replace(DEFAULT, required=())  # a rulebook that forgot to say so
    assert [f.field for f in found(endless, rulebook=silent) if f.blocks] == [EntryField.VALID_TO]


def test_what_the_base_cannot_hold_always_stops() -> None:
    everything_off = replace(DEFAULT, checks=dict.fromkeys(CHECKS, Level.OFF), required=())
    (finding,) = found(replace(SOUND, answer=""), rulebook=everything_off)
    assert (finding.name, finding.blocks, finding.field) == (STORABLE, True, EntryField.ANSWER)


def test_a_type_that_the_rulebook_does_not_know_stops() -> None:
    (finding,) = of("required", replace(SOUND, info_type="本市没有的类型"))
    assert (finding.field, finding.blocks) == (EntryField.INFO_TYPE, True)
    assert "办事指南" in finding.mend


# 生效、下架


def test_an_end_that_has_passed_stops() -> None:
    over = replace(SOUND, valid_to=NOW)
    (finding,) = of("validity_order", over)
    assert (finding.field, finding.level) == (EntryField.VALID_TO, DEFAULT.checks["validity_order"])
    assert of("validity_order", replace(SOUND, valid_to=NOW + timedelta(seconds=1))) == []


def test_dates_out_of_order_are_told_once() -> None:
    turned = replace(SOUND, valid_from=NOW, valid_to=NOW - DAY)
    assert [(f.name, f.field) for f in found(turned)] == [(STORABLE, EntryField.VALID_TO)]


# 重复


def neighbour(**more: object) -> Neighbour:
    given = {
        "code": "SB-009",
        "unit": SOCIAL_SECURITY,
        "question": "社保卡丢失后如何补领",
        "phrasing": "社保卡丢失后如何补领",
        "asked": SOUND.question,
        "likeness": 0.9,
        "spoken": SOUND.spoken,
        "answer": SOUND.answer,
        "live": True,
        **more,
    }
    return Neighbour(**given)  # type: ignore[arg-type]


def test_a_near_duplicate_is_named_with_its_code() -> None:
    (finding,) = of("near_duplicate", SOUND, neighbours=[neighbour()])
    assert finding.code == "SB-009"
    assert "SB-009" in finding.message
    assert finding.field is EntryField.QUESTION
    assert of("near_duplicate", SOUND, neighbours=[neighbour(likeness=0.84)]) == []


def test_a_similar_question_that_stands_elsewhere_is_found_in_its_place() -> None:
    twin = neighbour(asked=SOUND.similar[1], phrasing=SOUND.similar[1], likeness=1.0)
    (finding,) = of("near_duplicate", SOUND, neighbours=[twin])
    assert (finding.field, finding.place) == (EntryField.SIMILAR, 1)
    assert "相同" in finding.message


def test_another_unit_with_another_answer_is_a_contradiction_not_a_duplicate() -> None:
    other = neighbour(unit=POLICE, answer="## 费用\n免费。", spoken="免费补领。")
    (finding,) = of("same_question_other_answer", SOUND, neighbours=[other])
    assert POLICE in finding.message
    assert "免费补领" in finding.message
    assert of("near_duplicate", SOUND, neighbours=[other]) == []


def test_the_answer_of_an_internal_entry_is_not_quoted() -> None:
    other = neighbour(unit=POLICE, answer="内线 8001", spoken="请转内线", internal=True)
    (finding,) = of("same_question_other_answer", SOUND, neighbours=[other])
    assert "内线" not in finding.message
    assert finding.code == "SB-009"


def test_another_unit_with_the_same_answer_is_a_duplicate() -> None:
    assert of("near_duplicate", SOUND, neighbours=[neighbour(unit=POLICE)])
    assert of("same_question_other_answer", SOUND, neighbours=[neighbour(unit=POLICE)]) == []


# 篇幅


def test_a_wall_of_text_is_told_and_lists_headings_and_tables_are_not() -> None:
    sentences = "".join(f"第{n}项条件应当同时具备并提交相应的证明材料。" for n in range(12))
    assert len(sentences) > 200
    (finding,) = of("wall_of_text", replace(SOUND, answer=sentences))
    assert str(len(sentences)) in finding.message
    as_list = sentences.replace("。", "。\n- ").removesuffix("\n- ")
    assert of("wall_of_text", replace(SOUND, answer=f"## 条件\n- {as_list}")) == []
    table = "| 条件 |\n| --- |\n" + "".join(f"| {part} |\n" for part in sentences.split("。") if part)
    assert of("wall_of_text", replace(SOUND, answer=table)) == []


def test_lines_without_a_gap_are_one_paragraph() -> None:
    lines = "\n".join(f"第{n}项条件应当同时具备并提交相应的证明材料" for n in range(12))
    assert of("wall_of_text", replace(SOUND, answer=lines))
    assert of("wall_of_text", replace(SOUND, answer=lines.replace("\n", "\n\n"))) == []


def test_the_same_sentence_twice_is_told() -> None:
    twice = "## 材料\n请携带本人有效身份证件原件。\n## 流程\n请携带本人有效身份证件原件。"
    (finding,) = of("wall_of_text", replace(SOUND, answer=twice))
    assert "写了两遍" in finding.message


def test_a_spoken_answer_that_takes_a_minute_is_too_long() -> None:
    (finding,) = of("wall_of_text", replace(SOUND, spoken="很" * 201))
    assert finding.field is EntryField.SPOKEN


# 个人信息


@pytest.mark.parametrize(
    "text",
    [
        "联系人电话13812345678。",
        "联系人电话138-1234-5678",
        "打 138 1234 5678 找小王",
        "打+86 13812345678",
        "电话１３８１２３４５６７８",
        "身份证号11010519491231002X",
        "身份证号11010519491231002x，",
    ],
)
def test_private_numbers_are_told_and_not_repeated(text: str) -> None:
    (finding,) = of("private_number", replace(SOUND, answer=text))
    assert finding.field is EntryField.ANSWER
    assert "13812345678" not in finding.message
    assert "19491231" not in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "请拨 12345 或 12329。",
        "办公电话 0391-6633001、0000-81112333。",
        "客服 400-810-1234、4008101234、95598、95588。",
        "统一社会信用代码 91110000100000000X",
        "身份证号 110105194912310021",  # the last character does not fit: GB 11643—1999
        "工单编号 20261120138123456789",
        "金额 13812345678.50 元",
    ],
)
def test_public_numbers_are_left_alone(text: str) -> None:
    assert of("private_number", replace(SOUND, answer=text)) == []


def test_identity_cards_are_told_by_the_check_character_of_the_standard() -> None:
    """Both are the examples of GB 11643—1999."""
    assert is_identity("11010519491231002X")
    assert is_identity("440524188001010014")
    assert not is_identity("440524188001010015")


# 类别、关键字、错字


def test_a_category_that_the_unit_does_not_have_is_told_where_the_office_sets_them_up() -> None:
    (finding,) = of("category_known", SOUND, categories=("别处",))
    assert finding.field is EntryField.CATEGORY
    assert DEFAULT.categories_by.label in finding.mend
    free = replace(DEFAULT, categories_by=Party.EDITOR)
    assert of("category_known", SOUND, rulebook=free, categories=()) == []


def test_keywords_of_another_matter_are_told() -> None:
    (finding,) = of("keywords", replace(SOUND, keywords=("社保卡", "公租房")))
    assert "公租房" in finding.message
    assert "社保卡" not in finding.message
    assert of("keywords", replace(SOUND, keywords=("补卡",))) == []


@pytest.mark.parametrize(
    ("slip", "right"),
    [
        ("本人身份证。。当场办结", "本人身份证。当场办结"),
        ("本人身份证,户口簿", "本人身份证，户口簿"),
        ("本人身份证，。", "本人身份证。"),
        ("工本费１６元", "工本费16元"),
        ("本人的的身份证", "本人的身份证"),
        ("请请携带", "请携带"),
        ("身份证;户口簿", "身份证；户口簿"),
    ],
)
def test_slips_are_mended_by_one_stroke(slip: str, right: str) -> None:
    content = replace(SOUND, answer=f"## 材料\n{slip}\n## 费用\n免费")
    (finding,) = of("typo_marks", content)
    assert mended(content, finding).answer == f"## 材料\n{right}\n## 费用\n免费"
    assert of("typo_marks", mended(content, finding)) == []


@pytest.mark.parametrize(
    "text",
    [
        "的的确确如此",
        "以落户为目的的分户",
        "是是非非",
        "时间 9:00-12:00，费用 1,200 元",
        "1）身份证；2）户口簿",
        "一）条件\n二）材料",
        "起步价（含3公里）加价（23:00–5:00）",
        "见《条例》第三条“申领”",
        "[官网](https://example.gov.cn/a,b)",
        "| 材料 | 份数 |\n| --- | --- |\n| 身份证 | 1 |",
    ],
)
def test_good_writing_is_left_alone(text: str) -> None:
    assert of("typo_marks", replace(SOUND, answer=text)) == []


@pytest.mark.parametrize("text", ["见《条例第三条", "（一）条件（含材料", "“申领"])
def test_a_bracket_without_its_partner_is_told(text: str) -> None:
    (finding,) = of("typo_marks", replace(SOUND, answer=text))
    assert "不成对" in finding.message
    assert finding.fixes == ()


# 轻重


@pytest.mark.parametrize("level", [Level.BLOCK, Level.WARN])
def test_the_rulebook_says_what_a_check_weighs(level: Level) -> None:
    (finding,) = of("private_number", replace(SOUND, answer="打13812345678"), rulebook=weighed(private_number=level))
    assert finding.level is level


def test_a_check_that_is_off_says_nothing() -> None:
    assert (
        of("private_number", replace(SOUND, answer="打13812345678"), rulebook=weighed(private_number=Level.OFF)) == []
    )


def test_what_stops_comes_first_then_the_order_of_the_parts() -> None:
    content = replace(SOUND, question="请请补领", answer="打13812345678", keywords=("公租房",))
    levels = weighed(keywords=Level.BLOCK)
    assert [(f.level, f.field) for f in found(content, rulebook=levels)] == [
        (Level.BLOCK, EntryField.KEYWORDS),
        (Level.WARN, EntryField.QUESTION),
        (Level.WARN, EntryField.ANSWER),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "一\n",
        "。。",
        "[",
        "[a](",
        "13812345678 ",
        "11010519491231002X ",
        "（",
        "1）",
        "国发[2021]4号、",
        "附件1",
        "|",
        "#",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """As much as a request may bring, of whatever a hostile hand repeats."""
    much = text * (1_000_000 // len(text))
    content = replace(SOUND, answer=much, bases=(BasisContent("《文件》", much),), keywords=(much[:2000],))
    started = perf_counter()
    found(content)
    assert perf_counter() - started < 10

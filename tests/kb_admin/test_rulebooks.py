"""The shipped rulebooks say what the regulations say, and a file that is not sound is refused with its key."""

import re
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest

from kb_admin.articles import article_words, in_chinese
from kb_admin.checks import CHECKS
from kb_admin.routes import route_for
from kb_admin.rulebook import Applies, Expiry, Level, Party, Release, Scope
from kb_admin.rulebook_files import SHIPPED, examine, load_shipped, shipped_text
from kb_admin.rulebook_words import differences, sections, told
from kb_admin.worktime import Limit, LimitUnit
from models.errors import Invalid, NotFound
from models.values import EntryField, NoticeKind, Origin, Role

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
"""The regulations word for word, where they lie beside this checkout."""
TEXTS = {
    "jiyuan": "000_b9298bba329b8aa3.txt",
    "meizhou": "001_e8b0b006211624e1.txt",
    "qingyuan": "002_483ebf8601ec282d.txt",
    "qingyang": "003_c5f5fae166318525.txt",
    "licheng": "004_4fb243901c6ddd11.txt",
}

LIMITS = [
    # 规则, 时限, 期限, 条, 原文
    ("jiyuan", "sign_collection", "1 working_day", "第九条（一）3", "承办单位应在 1 个工作日内签收知识库采集通知单"),
    (
        "jiyuan",
        "complete_collection",
        "5 working_days",
        "第九条（一）3",
        "在 5 个工作日内收集相关信息并按程序录入、审核、发布",
    ),
    ("jiyuan", "confirm_slip", "1 working_hour", "第九条（二）3", "派发知识库信息确认单起1个工作小时内完成审核确认"),
    ("jiyuan", "rectify", "2 working_days", "第九条（三）2", "承办单位应在2个工作日内对需要整改的知识库信息进行核实"),
    ("jiyuan", "update_after_change", "2 working_days", "第九条（四）", "应在公布实施后的2个工作日内或实施之前"),
    ("jiyuan", "staff_list", "1 working_day", "第六条（一）", "须在变动后1个工作日内"),
    ("meizhou", "update_after_change", "5 working_days", "第八条（三）", "应在更新后5个工作日内"),
    ("meizhou", "update_after_major_change", "1 working_day", "第八条（三）", "需在其对外发布后1个工作日内更新"),
    ("meizhou", "monthly_review", "1 month", "第八条（三）", "每月定期对本部门的知识库信息进行回顾检查"),
    ("meizhou", "dispute_opinion", "5 working_days", "第六条（二）", "后 3 至 5 个工作日内提出认定意见"),
    ("qingyuan", "amend_and_approve", "22 hours", "第五条（二）", "各成员单位要在22小时内完成修改补充的审定工作"),
    ("qingyuan", "complete_collection", "22 hours", "第五条（二）", "对热线办提交的新采编信息及信息采编要求"),
    ("qingyang", "answer_question", "2 working_days", "第二十四条（二）", "知识提问,应在2个工作日内补充完善"),
    ("qingyang", "make_order", "2 hours", "第二十一条（一）", "应在2个小时内形成文字工单并进行转派"),
    ("qingyang", "sign_order", "3 working_hours", "第二十一条（一）", "应在工作日3个小时内签收"),
    ("qingyang", "consultation_order", "2 working_days", "第二十一条（一）", "对咨询类工单,2个工作日内办结并答复"),
    ("qingyang", "other_order", "5 working_days", "第二十一条（一）", "对非咨询类工单,5个工作日内办结并答复"),
    ("qingyang", "province_order", "4 working_days", "第二十一条（一）", "派发的工单,4个工作日内办结并答复"),
    ("qingyang", "urgent_feedback", "2 hours", "第二十一条（一）", "应在2小时内向12345热线书面或电话反馈"),
    ("qingyang", "urgent_order", "2 working_days", "第二十一条（一）", "反馈,2个工作日内办结并答复"),
    ("qingyang", "return_order", "1 working_day", "第二十一条（二）", "应在1个工作日内申请退单"),
    ("qingyang", "return_urgent_order", "30 minutes", "第二十一条（二）", "紧急类工单应在30分钟内申请退单"),
    ("qingyang", "followup", "24 hours", "第二十二条（三）", "诉求人24小时内未回复的,默认为满意"),
    ("licheng", "rectify_reported_fault", "5 working_days", "第十三条", "承办单位接到反馈信息，应在5个工作日内办结"),
    ("licheng", "update_after_change", "5 working_days", "第十条（二）", "应在公布实施后的5个工作日内或实施之前"),
]
TYPES = {
    "jiyuan": "法律法规 业务政策 部门职能 行政审批 办事指南 公共服务信息 常见问题 热点问题 公共服务紧急临时信息",
    "meizhou": "常见问题 办事流程 法律法规 机构信息",
    "qingyuan": "基本信息 审批信息 常用信息",
    "qingyang": "一问一答",
    "licheng": "政策法规 行政区划 社会民生 热点问题 通知公告",
}
NO, OWN, CITY = None, Party.OWN_OFFICE, Party.CITY_OFFICE
EDITOR, REVIEWER = Party.EDITOR, Party.REVIEWER


class Way(NamedTuple):
    """One way of an entry as an article lays it down."""

    rulebook: str
    info_type: str
    origin: Origin
    first: bool
    writes: Party
    gates: list[Party]
    publishes: Party | None
    article: str


ROUTES = [
    Way("jiyuan", "办事指南", Origin.UNIT, True, EDITOR, [REVIEWER], REVIEWER, "第七条（一）"),
    Way("jiyuan", "办事指南", Origin.WORK_ORDER, True, CITY, [REVIEWER], CITY, "第九条（二）1"),
    Way("jiyuan", "公共服务紧急临时信息", Origin.UNIT, True, EDITOR, [], NO, "第九条（五）"),
    Way("meizhou", "机构信息", Origin.UNIT, True, EDITOR, [REVIEWER], REVIEWER, "第八条（二）"),
    Way("qingyuan", "基本信息", Origin.UNIT, True, EDITOR, [OWN], NO, "第二条（一）"),
    Way("qingyuan", "基本信息", Origin.UNIT, False, EDITOR, [], NO, "第二条（二）"),
    Way("qingyuan", "审批信息", Origin.SYNC, True, CITY, [], NO, "第三条（一）"),
    Way("qingyuan", "常用信息", Origin.WORK_ORDER, True, OWN, [REVIEWER, OWN], CITY, "第四条（一）1"),
    Way("qingyuan", "常用信息", Origin.UNIT, True, EDITOR, [OWN], CITY, "第四条（一）2"),
    Way("qingyuan", "常用信息", Origin.OFFICE, True, OWN, [REVIEWER, OWN], CITY, "第四条（一）3"),
    Way("qingyang", "一问一答", Origin.UNIT, True, EDITOR, [REVIEWER], CITY, "第十条（三）"),
    Way("licheng", "社会民生", Origin.UNIT, True, EDITOR, [REVIEWER], CITY, "第八条（一）"),
]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_rulebook_is_sound_and_every_value_has_a_source(name: str) -> None:
    rulebook, faults = examine(shipped_text(name))
    assert faults == ()
    assert rulebook is not None
    for line in told(rulebook):
        assert line.words, line.key
        assert line.why if line.is_default else re.search("第.+条|督办", line.source), line.key


@pytest.mark.parametrize(("name", "clock", "limit", "article", "wording"), LIMITS)
def test_limit_is_what_the_article_says(name: str, clock: str, limit: str, article: str, wording: str) -> None:
    rule = load_shipped(name).clock(clock)
    assert rule.limit == Limit.parse(limit)
    assert rule.source.article == article
    if SEEDS.exists():
        assert _bare(wording) in _bare((SEEDS / TEXTS[name]).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "types"), TYPES.items())
def test_info_types_are_those_of_the_article_and_the_emergency_type(name: str, types: str) -> None:
    rulebook = load_shipped(name)
    assert rulebook.info_types == tuple(dict.fromkeys((*types.split(), "公共服务紧急临时信息")))
    assert rulebook.emergency_types == ("公共服务紧急临时信息",)


@pytest.mark.parametrize("way", ROUTES, ids=lambda way: f"{way.rulebook}-{way.info_type}-{way.origin}-{way.first}")
def test_route_is_what_the_article_says(way: Way) -> None:
    route = route_for(load_shipped(way.rulebook), info_type=way.info_type, origin=way.origin, first=way.first)
    assert (route.writes, [gate.by for gate in route.gates], route.publishes) == (way.writes, way.gates, way.publishes)
    assert way.article in route.source.article


@pytest.mark.parametrize("name", SHIPPED)
def test_emergency_information_goes_out_at_once_and_must_end_and_is_checked_afterwards(name: str) -> None:
    rulebook = load_shipped(name)
    [kind] = rulebook.emergency_types
    route = route_for(rulebook, info_type=kind, origin=Origin.UNIT, first=True)
    assert route.emergency
    assert rulebook.notices[NoticeKind.AFTER_CHECK].complete == "after_check"
    ends = next(each for each in rulebook.required if each.field is EntryField.VALID_TO)
    assert ends.level is Level.BLOCK
    assert ends.info_types is None or kind in ends.info_types


def test_approval_information_cannot_be_written_by_a_unit_here() -> None:
    """清远 art. 3(2): 应先在网上办事大厅系统内进行新增、修改及删除."""
    with pytest.raises(Invalid, match="没有规定“审批信息”类信息按“单位采编”"):
        route_for(load_shipped("qingyuan"), info_type="审批信息", origin=Origin.UNIT, first=True)


def test_slip_goes_to_the_unit_with_its_clock_and_amendment_with_the_other() -> None:
    slip = load_shipped("jiyuan").route("work_order").gates[0]
    assert (slip.notice, slip.amends) == (NoticeKind.CONFIRMATION, True)
    for name in ("work_order", "office"):
        first, second = load_shipped("qingyuan").route(name).gates
        assert (first.notice, first.amends) == (NoticeKind.AMENDMENT, True)
        assert (second.notice, second.amends) == (None, False)
    assert {route.applies for route in load_shipped("qingyuan").routes if route.info_types == {"基本信息"}} == {
        Applies.FIRST,
        Applies.LATER,
    }


def test_overdue_rectification_is_told_again_and_put_on_the_list_of_calls() -> None:
    """济源 art. 9(3)3: 再次发送信息整改超期通知，热线办工作人员及时联系相关单位."""
    rule = load_shipped("jiyuan").clock("rectify")
    assert rule.on_expiry == (Expiry.OVERDUE, Expiry.SECOND_NOTICE, Expiry.CALL_LIST)


def test_unsigned_order_is_deemed_accepted_and_silence_deemed_satisfied() -> None:
    """庆阳 art. 21(1): 视为受理该件; art. 22(3): 默认为满意."""
    assert load_shipped("qingyang").clock("sign_order").on_expiry == (Expiry.DEEMED_ACCEPTED,)
    assert load_shipped("qingyang").clock("followup").on_expiry == (Expiry.DEEMED_SATISFIED,)


def test_dispute_is_warned_at_the_third_working_day() -> None:
    """梅州, part one, art. 6(2): 3 至 5 个工作日: two of five are left."""
    assert load_shipped("meizhou").clock("dispute_opinion").warn_before == Limit.parse("2 working_days")


@pytest.mark.parametrize(
    ("name", "clock", "major"),
    [
        ("jiyuan", "rectify", None),
        ("licheng", "rectify_reported_fault", None),
        ("meizhou", "rectify", "update_after_major_change"),
    ],
)
def test_correction_notice_runs_on_the_city_s_own_clock(name: str, clock: str, major: str | None) -> None:
    notices = load_shipped(name).notices
    assert notices[NoticeKind.CORRECTION].complete == clock
    assert notices[NoticeKind.UPDATE].complete_major == major


def test_extension_is_asked_a_working_day_ahead_with_the_leader_s_consent() -> None:
    """济源 art. 9(1)3: 应在办理时限届满前 1 个工作日内，经单位分管领导同意."""
    rule = load_shipped("jiyuan").extension
    assert rule.kinds == {NoticeKind.COLLECTION}
    assert (rule.lead, rule.consent, rule.decides) == (Limit.parse("1 working_day"), Party.LEADER, Party.CITY_OFFICE)


def test_threshold_is_eighty_percent_exactly_and_the_office_dispatches() -> None:
    """济源 art. 9(3)1: 对于正确率低于80%的知识库信息，由……办公室生成信息整改通知单派发."""
    rule = load_shipped("jiyuan").correction
    assert rule.threshold == Fraction(4, 5)
    assert rule.source.article == "第九条（三）1"


def test_rights_are_the_matrix_of_the_article() -> None:
    """清远 art. 4(3)1."""
    rights = load_shipped("qingyuan").rights
    assert rights.sees[Role.AGENT] == rights.sees[Role.CITY_OFFICE] == {Scope.ALL}
    assert rights.sees[Role.COUNTY_OFFICE] == {Scope.COUNTY}
    for role in (Role.EDITOR, Role.REVIEWER, Role.UNIT_LEADER):
        assert rights.sees[role] == {Scope.OWN, Scope.COUNTERPART}
    assert (rights.sharing, rights.sharing_needs_consent, rights.release) == (True, True, Release.BY_OFFICE)


@pytest.mark.parametrize(
    ("name", "months", "categories", "keywords"),
    [
        ("jiyuan", 0, CITY, EDITOR),
        ("meizhou", 1, CITY, EDITOR),
        ("qingyuan", 0, CITY, CITY),
        ("qingyang", 0, CITY, EDITOR),
        ("licheng", 0, CITY, EDITOR),
    ],
)
def test_who_reviews_monthly_and_who_sets_categories_and_keywords(
    name: str, months: int, categories: Party, keywords: Party
) -> None:
    """梅州 art. 8(3): 每月定期; 清远 art. 4(2)2, 6: 由市热线办."""
    rulebook = load_shipped(name)
    assert [duty.every_months for duty in rulebook.duties] == [months]
    assert (rulebook.categories_by, rulebook.keywords_by) == (categories, keywords)


@pytest.mark.parametrize(
    ("name", "field", "article"),
    [
        ("jiyuan", EntryField.BASIS, "第八条（四）"),
        ("jiyuan", EntryField.CATEGORY, "第七条（一）"),
        ("jiyuan", EntryField.KEYWORDS, "第七条（二）"),
        ("meizhou", EntryField.KEYWORDS, "第十条（二）4"),
        ("qingyuan", EntryField.CATEGORY, "第四条（二）3"),
        ("qingyang", EntryField.BASIS, "第二十四条（三）"),
        ("qingyang", EntryField.VALID_FROM, "第二十四条（三）"),
        ("qingyang", EntryField.VALID_TO, "第二十四条（三）"),
        ("qingyang", EntryField.PUBLICITY, "第二十四条（三）"),
        ("licheng", EntryField.BASIS, "第九条（四）"),
        ("licheng", EntryField.VALID_FROM, "第十三条"),
    ],
)
def test_what_an_entry_must_carry_is_required(name: str, field: EntryField, article: str) -> None:
    required = next(each for each in load_shipped(name).required if each.field is field)
    assert required.level is Level.BLOCK
    assert article in required.source.article


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("jiyuan", ["错别字", "误解或歧义", "相对应", "附件数量"]),
        ("meizhou", ["错别字", "关键词", "格式", "重复"]),
        ("qingyang", ["错漏", "过期", "表述"]),
        ("licheng", ["错别字", "误解或歧义", "文不对题", "扩大或缩小解释", "文段式", "新旧政策的衔接"]),
    ],
)
def test_checklist_holds_the_points_of_the_article(name: str, points: list[str]) -> None:
    texts = "\n".join(item.text for item in load_shipped(name).checklist)
    assert [point for point in points if point not in texts] == []


def test_precedence_among_the_limits_of_an_order_is_a_list() -> None:
    whens = [(rule.when, rule.clock) for rule in load_shipped("qingyang").order_precedence]
    assert [when for when, _ in whens] == ["urgent", "province", "consultation", "other"]
    assert load_shipped("qingyang").order_extension_longest == 1
    assert load_shipped("qingyang").reports == ("week", "month", "quarter", "year")


@pytest.mark.parametrize(
    ("name", "key", "said", "articles"),
    [
        ("jiyuan", "reports.bulletin", "知识库报送、及时更新、知识库信息满意率", "第十三条"),
        ("jiyuan", "reports.accountability", "更新不及时、内容不准确", "第六条、第十一条"),
        ("meizhou", "reports.bulletin", "知识库信息更新量化考核", "第十条（一）"),
        ("qingyuan", "reports.accountability", "知识库信息管理不善", "第五条（四）"),
        ("qingyang", "reports.periods", "周报、月报、季报、年报", "第九条（五）、第二十六条"),
        ("qingyang", "reports.bulletin", "诉求办理成效、知识库更新维护", "第二十八条、第二十九条"),
        ("qingyang", "reports.accountability", "内容错漏、内容过期、表述不清", "第二十四条（三）"),
        ("licheng", "reports.bulletin", "知识库更新和维护情况", "第十五条"),
    ],
)
def test_reports_and_bulletins_are_those_of_the_articles(name: str, key: str, said: str, articles: str) -> None:
    line = next(line for line in told(load_shipped(name)) if line.key == key)
    assert line.words == said
    assert line.source.endswith(articles)


@pytest.mark.parametrize(
    ("name", "check", "level", "article"),
    [
        ("jiyuan", "wall_of_text", Level.WARN, "第七条（一）"),
        ("meizhou", "near_duplicate", Level.WARN, "第十条（二）2"),
        ("meizhou", "keywords", Level.WARN, "第十条（二）4"),
        ("qingyuan", "keywords", Level.OFF, "第六条"),
        ("qingyuan", "category_known", Level.BLOCK, "第四条（二）2、第四条（二）3"),
        ("qingyang", "validity_order", Level.BLOCK, "第二十四条（三）"),
        ("licheng", "wall_of_text", Level.WARN, "第八条（一）"),
        ("licheng", "same_question_other_answer", Level.WARN, "第十三条"),
    ],
)
def test_checks_weigh_what_the_articles_name(name: str, check: str, level: Level, article: str) -> None:
    rulebook = load_shipped(name)
    assert rulebook.checks[check] is level
    assert rulebook.sources[f"checks.{check}"].article == article


def test_supervision_leaves_its_limit_to_the_notice() -> None:
    """历城, annex 3: 督办时限　天: each notice states it, in days."""
    rulebook = load_shipped("licheng")
    assert rulebook.notices[NoticeKind.SUPERVISION].complete is None
    assert rulebook.clock("supervision").limit.unit is LimitUnit.DAYS


def test_the_checks_of_the_rulebooks_are_those_that_the_program_knows() -> None:
    assert set(load_shipped("default").checks) == set(CHECKS)


def test_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="没有名为“atlantis”的规则。随程序提供的有：default、jiyuan"):
        load_shipped("atlantis")


def test_sources_are_written_as_people_read_them() -> None:
    assert article_words("9(1)3") == "第九条（一）3"
    assert article_words("4(3)1(2)") == "第四条（三）1（2）"
    assert article_words("24(2)") == "第二十四条（二）"
    assert article_words("督办时限") == "督办时限"
    assert [in_chinese(n) for n in (1, 10, 12, 20, 37, 105, 110)] == [
        *"一十",
        "十二",
        "二十",
        "三十七",
        "一百零五",
        "一百一十",
    ]
    jiyuan = load_shipped("jiyuan")
    assert jiyuan.cite(jiyuan.clock("rectify").source) == "济区数〔2023〕4号第九条（三）2"
    assert jiyuan.cite(jiyuan.clock("after_check").source).startswith("系统默认（")


def test_two_cities_differ_where_their_texts_do() -> None:
    found = {each.told.key: each for each in differences(load_shipped("jiyuan"), load_shipped("licheng"))}
    change = found["clocks.update_after_change.limit"]
    assert change.one is not None
    assert change.other is not None
    assert (change.one.words, change.other.words) == ("2 个工作日", "5 个工作日")
    assert (change.one.source, change.other.source) == (
        "济区数〔2023〕4号第九条（四）",
        "历城区12345市民服务热线智能化知识库管理办法第十条（二）",
    )
    assert found["required.valid_from.level"].one is None
    assert "clocks.sign_order.limit" not in found
    assert differences(load_shipped("jiyuan"), load_shipped("jiyuan")) == ()


def test_a_rulebook_is_told_in_chinese_with_the_titles_of_clocks() -> None:
    lines = {line.key: line for line in told(load_shipped("licheng"))}
    assert lines["notices.correction.complete"].words == "处理反馈的差错"
    assert lines["notices.supervision.complete"].words == "无"
    assert lines["clocks.rectify_reported_fault.limit"].item == "处理反馈的差错"
    assert lines["routes.unit.gates.unit_review.by"].item == "单位采编·单位审核"
    assert [section.title for section in sections(load_shipped("licheng"))][:2] == ["办公时间", "信息类型"]


def _bare(text: str) -> str:
    """Without spaces, and with one kind of comma: the texts were typeset in different ways."""
    return re.sub(r"\s", "", text).replace("，", ",")

"""Every key that a rulebook has: what people call it, and what kind of value it holds."""

from dataclasses import dataclass
from fractions import Fraction

from kb_admin import rulebook_kinds as kinds
from kb_admin.rulebook import Applies, Dispatch, Expiry, Level, Party, Release, Scope, StartsAt
from kb_admin.rulebook_kinds import Kind
from models.values import EntryField, NoticeKind, Origin, Role

ZERO, ONE = Fraction(0), Fraction(1)
RATERS = {"agent": "话务员", "citizen": "市民"}
ORDERS = {"urgent": "紧急", "province": "省级派发", "consultation": "咨询", "other": "其余"}
PERIODS = {"week": "周报", "month": "月报", "quarter": "季报", "year": "年报"}

SECTIONS = {
    "hours": "办公时间",
    "info": "信息类型",
    "routes": "采集—审核—发布流程",
    "required": "必填内容",
    "checks": "提交时的检查",
    "checklist": "审核要点",
    "clocks": "时限",
    "notices": "通知单与时限",
    "extension": "延期",
    "duties": "定期任务",
    "ratings": "评价",
    "correction": "正确率与整改",
    "rights": "查看、共享与发布",
    "categories": "类别架构",
    "keywords": "关键字",
    "orders": "工单",
    "statistics": "统计口径",
    "reports": "报表与通报",
}
"""In the order in which people read them."""


@dataclass(frozen=True)
class Key:
    """A key, or all keys that differ only where the pattern has a star."""

    pattern: str
    label: str
    kind: Kind

    def fits(self, key: str) -> bool:
        """Whether the pattern is that key's."""
        asked, own = key.split("."), self.pattern.split(".")
        return len(asked) == len(own) and all(o in ("*", a) for o, a in zip(own, asked, strict=True))


KEYS = (
    Key("hours.weekdays", "每周工作日", kinds.weekdays()),
    Key("hours.spans", "每天办公时段", kinds.spans()),
    Key("hours.statutory", "执行国务院节假日和调休安排", kinds.flag()),
    Key("hours.holidays", "本地另行放假的日子", kinds.days()),
    Key("hours.workdays", "本地另行上班的日子", kinds.days()),
    Key("info.types", "信息类型", kinds.texts()),
    Key("info.emergency_types", "紧急信息类型", kinds.texts()),
    Key("routes.*.origin", "来源", kinds.word(Origin)),
    Key("routes.*.info_types", "适用的信息类型", kinds.info_types("rest", "emergency")),
    Key("routes.*.applies", "适用于", kinds.word(Applies)),
    Key("routes.*.emergency", "先发布后审核", kinds.flag()),
    Key("routes.*.writes", "由谁采编提交", kinds.word(Party)),
    Key("routes.*.gates.*.by", "由谁审核", kinds.word(Party)),
    Key("routes.*.gates.*.amends", "审核时可以修改", kinds.flag()),
    Key("routes.*.gates.*.notice", "到这一步派发", kinds.word(NoticeKind, optional=True)),
    Key("routes.*.publishes", "由谁发布", kinds.word(Party, optional=True, none="审核完毕即发布")),
    Key("required.*.level", "要求", kinds.word(Level)),
    Key("required.*.info_types", "适用的信息类型", kinds.info_types("all", "ordinary", "emergency")),
    Key("checks.*", "检查", kinds.word(Level)),
    Key("checklist.*.text", "要点", kinds.text()),
    Key("clocks.*.limit", "期限", kinds.limit()),
    Key("clocks.*.starts", "起算", kinds.word(StartsAt)),
    Key("clocks.*.start_day_counts", "起算当天计入", kinds.flag()),
    Key("clocks.*.warn_before", "提前提醒", kinds.limit(optional=True)),
    Key("clocks.*.on_expiry", "期满", kinds.words_of(Expiry)),
    Key("notices.*.sign", "签收时限", kinds.name(optional=True)),
    Key("notices.*.complete", "办结时限", kinds.name(optional=True)),
    Key("notices.*.complete_major", "重大、紧急事项的办结时限", kinds.name(optional=True)),
    Key("extension.kinds", "可以延期的通知单", kinds.words_of(NoticeKind)),
    Key("extension.lead", "至少提前", kinds.limit()),
    Key("extension.consent", "由谁同意", kinds.word(Party)),
    Key("extension.decides", "由谁决定", kinds.word(Party)),
    Key("extension.longest", "最长延到原时限的", kinds.share(ZERO, None, percent=False, unit=" 倍", optional=True)),
    Key("duties.*.notice", "到期发出", kinds.word(NoticeKind)),
    Key("duties.*.every_months", "每隔几个月（0 为不设）", kinds.count(0)),
    Key("ratings.link_days", "短信评价链接几天内有效（0 为不发）", kinds.count(0, " 天")),
    Key("ratings.most_a_day_agent", "一名话务员一天最多评价", kinds.count(1, " 次")),
    Key("ratings.most_a_day_citizen", "一名市民一天最多评价", kinds.count(1, " 次")),
    Key("correction.threshold", "正确率低于多少派发整改", kinds.share(ZERO, ONE, percent=True)),
    Key("correction.minimum_ratings", "至少几次评价", kinds.count(1, " 次")),
    Key("correction.window_days", "统计最近几天的评价", kinds.count(1, " 天", optional=True)),
    Key("correction.weights.*", "评价的权重", kinds.share(ZERO, None, percent=False)),
    Key("correction.dispatch", "怎样派发", kinds.word(Dispatch)),
    Key("rights.sees.*", "可以查看", kinds.words_of(Scope)),
    Key("rights.sharing", "单位之间可以申请共享", kinds.flag()),
    Key("rights.sharing_needs_consent", "共享要信息所属单位同意", kinds.flag()),
    Key("rights.sharing_longest_days", "共享最长", kinds.count(1, " 天")),
    Key("rights.release", "对外发布", kinds.word(Release)),
    Key("categories.by", "由谁设置", kinds.word(Party)),
    Key("keywords.by", "由谁设置", kinds.word(Party)),
    Key("orders.precedence.*", "适用的时限", kinds.name()),
    Key("orders.extension_longest", "延期最长为原时限的", kinds.share(ZERO, None, percent=False, unit=" 倍")),
    Key("statistics.direct_answer", "公布的直接解答率采用的指标", kinds.name()),
    Key("statistics.near", "正确率低于多少列为接近", kinds.share(ZERO, ONE, percent=True)),
    Key("statistics.unused_days", "几天没有用过算未使用", kinds.count(1, " 天")),
    Key("statistics.unverified_days", "几天没有核对过算未核实", kinds.count(1, " 天")),
    Key("statistics.repeat_days", "几天内同一事项再次来电算重复来电", kinds.count(1, " 天")),
    Key("reports.periods", "报表周期", kinds.names(PERIODS)),
    Key("reports.bulletin", "定期通报的内容", kinds.texts()),
    Key("reports.accountability", "通报、问责的情形", kinds.texts()),
)

NAMES: dict[str, dict[str, str]] = {
    "required": {field.value: field.label for field in EntryField},
    "notices": {kind.value: kind.label for kind in NoticeKind},
    "correction.weights": RATERS,
    "rights.sees": {role.value: role.label for role in Role},
    "orders.precedence": ORDERS,
}
"""Where the names of items are given, and what people call them."""
TITLED = ("routes.*", "routes.*.gates.*", "clocks.*", "duties.*")
"""Items that the file itself gives a title."""
REPLACED_WHOLE = ("checklist", "orders.precedence")
"""A file that gives any of these gives all of them; of a route, too, all or nothing."""
ITEMS = ("routes", "required", "duties", *REPLACED_WHOLE)
"""Collections to which a complete file adds nothing from the defaults."""


def key_of(key: str) -> Key | None:
    """What is known of a key; None for an unknown one."""
    return next((known for known in KEYS if known.fits(key)), None)


def fits(pattern: str, path: str) -> bool:
    """Whether a path has the form of a pattern with stars."""
    return Key(pattern, "", kinds.text()).fits(path)

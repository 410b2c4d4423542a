"""What a city's rulebook says, as plain values: one file in ``rulebooks/`` for each city, read by ``rulebook_files``.

Every value knows the article it comes from, under its key in ``Rulebook.sources``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from kb_admin.worktime import Limit, OfficeHours
from models.errors import Invalid
from models.values import Choice, EntryField, NoticeKind, Origin, Role


class Party(Choice):
    """Who acts on an entry or a notice, seen from the unit that owns it."""

    EDITOR = "editor", "单位信息采编员"
    REVIEWER = "reviewer", "单位审核员"
    LEADER = "unit_leader", "单位分管领导"
    OWN_OFFICE = "own_office", "所属热线办"
    """The county's office for a county's unit, the city's for a city's."""
    CITY_OFFICE = "city_office", "市热线办"


class Applies(Choice):
    """To which versions of an entry a route applies."""

    ANY = "any", "每一版"
    FIRST = "first", "首次提交"
    LATER = "later", "以后的修改"


class StartsAt(Choice):
    """The event that starts a clock."""

    DISPATCH = "dispatch", "派发"
    ASKED = "asked", "提出"
    REPORTED = "reported", "接到反馈"
    ANNOUNCED = "announced", "公布实施"
    CHANGED = "changed", "变动"
    ACCEPTED = "accepted", "受理"
    SENT = "sent", "发出"
    RECEIVED = "received", "收到"
    PERIOD = "period", "周期开始"
    PUBLISHED = "published", "发布"


class Expiry(Choice):
    """What happens when a clock runs out."""

    OVERDUE = "overdue", "记为超期"
    SECOND_NOTICE = "second_notice", "再次发送超期通知"
    CALL_LIST = "call_list", "列入热线办联系清单"
    DEEMED_ACCEPTED = "deemed_accepted", "视为受理"
    DEEMED_SATISFIED = "deemed_satisfied", "默认为满意"


class Level(Choice):
    """What a check's finding means for a submission."""

    BLOCK = "block", "必须改正"
    WARN = "warn", "提醒"
    OFF = "off", "不检查"


class Scope(Choice):
    """Whose entries a role sees, beside those that are public."""

    ALL = "all", "全部单位"
    COUNTY = "county", "本县（市、区）单位"
    OWN = "own", "本单位"
    COUNTERPART = "counterpart", "对口的县（市、区）单位"


class Dispatch(Choice):
    """Who sends a correction notice on its way."""

    BY_OFFICE = "by_office", "由热线办派发"
    AUTOMATIC = "automatic", "系统自动派发"


class Release(Choice):
    """What makes a public entry leave the system for sites and media."""

    BY_OFFICE = "by_office", "由市热线办逐条发布"
    AUTOMATIC = "automatic", "公开条目自动发布"


@dataclass(frozen=True)
class Source:
    """Where a value comes from: an article of one of the rulebook's documents, or our default with the reason."""

    document: str = ""
    """Key in ``Rulebook.documents``; empty: a default."""
    article: str = ""
    """As people write it: "第九条（一）3"."""
    why: str = ""
    """For a default: why this value. For an article: how it was read, where that is not plain."""

    @property
    def is_default(self) -> bool:
        return not self.document


@dataclass(frozen=True)
class Document:
    title: str
    number: str


@dataclass(frozen=True)
class Gate:
    """One check that a version passes on its way."""

    name: str
    title: str
    by: Party
    amends: bool
    """Whether who checks may also change the wording."""
    notice: NoticeKind | None
    """The notice that goes to the unit when a version arrives here; its clocks run."""
    source: Source


@dataclass(frozen=True)
class Route:
    """采集—审核—发布 for one kind of entry."""

    name: str
    title: str
    origin: Origin
    info_types: frozenset[str] | None
    """None: every type that no other route names."""
    applies: Applies
    emergency: bool
    """Published at once, checked afterwards, with a banner while it is in force."""
    writes: Party
    """Who drafts and submits."""
    gates: tuple[Gate, ...]
    publishes: Party | None
    """None: the version is published at once when it has passed the last gate."""
    source: Source


@dataclass(frozen=True)
class ClockRule:
    """时限: how long, from when, and what then."""

    name: str
    title: str
    limit: Limit
    starts: StartsAt
    start_day_counts: bool
    warn_before: Limit | None
    """None: no reminder."""
    on_expiry: tuple[Expiry, ...]
    source: Source
    """Of the limit."""


@dataclass(frozen=True)
class NoticeRule:
    """Which clocks run on a kind of notice."""

    kind: NoticeKind
    sign: str | None
    """Name of the clock for 签收; None: nothing to sign."""
    complete: str | None
    """Name of the clock for 办结; None: the notice itself names its limit."""
    complete_major: str | None
    """The same for a major or urgent matter; None: no difference."""
    source: Source


@dataclass(frozen=True)
class ExtensionRule:
    """延期: which notices, how early, who consents, who decides."""

    kinds: frozenset[NoticeKind]
    lead: Limit
    """At least so long before it is due."""
    consent: Party
    decides: Party
    longest: Fraction | None
    """As a multiple of the original limit; None: no bound."""
    source: Source


@dataclass(frozen=True)
class Required:
    """必填: a part that an entry must have."""

    field: EntryField
    info_types: frozenset[str] | None
    """None: all."""
    level: Level
    source: Source


@dataclass(frozen=True)
class ChecklistItem:
    """One point that a reviewer ticks."""

    name: str
    text: str
    source: Source


@dataclass(frozen=True)
class Duty:
    """定期任务 of a unit: what comes up each so many months."""

    name: str
    title: str
    notice: NoticeKind
    every_months: int
    source: Source


@dataclass(frozen=True)
class RatingRule:
    """How citizens are asked for a verdict, and how many of one rater are taken in a day."""

    link_days: int
    """How long a link sent to a caller can be used; 0: no links are sent."""
    most_a_day_agent: int
    most_a_day_citizen: int
    source: Source


@dataclass(frozen=True)
class CorrectionRule:
    """正确率 below which a correction notice is drafted."""

    threshold: Fraction
    minimum_ratings: int
    window_days: int | None
    """None: since the version was published."""
    weights: Mapping[str, Fraction]
    """By rater: "agent", "citizen"."""
    dispatch: Dispatch
    source: Source


@dataclass(frozen=True)
class StatisticsRule:
    """What the figures on the pages of statistics mean here, where cities differ."""

    direct_answer: str
    """Name of the definition of the direct-answer rate that the city publishes."""
    near: Fraction
    """Correctness below which an entry that is not below the threshold is listed as near it; none are, where this is
    not above the threshold."""
    unused_days: int
    """Neither opened, copied, judged nor answered with for so long: unused."""
    unverified_days: int
    """Neither published, reviewed nor judged for so long: unverified."""
    repeat_days: int
    """The same caller again on the same matter within so many days: not answered the first time."""
    source: Source


@dataclass(frozen=True)
class RightsRule:
    """Who may see, share and release."""

    sees: Mapping[Role, frozenset[Scope]]
    """A role that is not named sees public entries only."""
    sharing: bool
    """Whether a unit may apply to see another's entries."""
    sharing_needs_consent: bool
    """Of the unit that owns them."""
    sharing_longest_days: int
    release: Release
    source: Source


@dataclass(frozen=True)
class OrderRule:
    """One line of the precedence among the limits of a work order: the first line that fits counts."""

    when: str
    """"urgent", "province", "consultation", "other"."""
    clock: str


@dataclass(frozen=True)
class Rulebook:
    """All that a city's regulations say, and our documented defaults where they say nothing."""

    name: str
    title: str
    documents: Mapping[str, Document]
    hours: OfficeHours
    info_types: tuple[str, ...]
    emergency_types: tuple[str, ...]
    """Those of ``info_types`` that are published at once and checked afterwards; the last ones."""
    routes: tuple[Route, ...]
    notices: Mapping[NoticeKind, NoticeRule]
    clocks: Mapping[str, ClockRule]
    extension: ExtensionRule
    required: tuple[Required, ...]
    checks: Mapping[str, Level]
    """Level of each check on submission, by its name in ``kb_admin.checks``."""
    checklist: tuple[ChecklistItem, ...]
    duties: tuple[Duty, ...]
    ratings: RatingRule
    correction: CorrectionRule
    rights: RightsRule
    categories_by: Party
    """Who sets up a unit's tree of categories; others ask."""
    keywords_by: Party
    """Who sets keywords."""
    order_precedence: tuple[OrderRule, ...]
    order_extension_longest: Fraction
    """Of the original limit."""
    statistics: StatisticsRule
    reports: tuple[str, ...]
    """Periods: "week", "month", "quarter", "year"."""
    bulletin: tuple[str, ...]
    """What the periodic bulletin (通报) tells."""
    accountability: tuple[str, ...]
    """Faults that are named in public."""
    sources: Mapping[str, Source]
    """Of every single value, by its dotted key in the file."""

    @property
    def ordinary_types(self) -> tuple[str, ...]:
        """The info types that are checked before they are published."""
        return tuple(name for name in self.info_types if name not in self.emergency_types)

    def clock(self, name: str) -> ClockRule:
        """The rule of a clock. Raises Invalid when the rulebook has none of that name."""
        rule = self.clocks.get(name)
        if rule is None:
            raise Invalid(f"规则“{self.title}”中没有名为“{name}”的时限。")
        return rule

    def route(self, name: str) -> Route:
        """The route of that name. Raises Invalid when the rulebook has none."""
        found = next((route for route in self.routes if route.name == name), None)
        if found is None:
            raise Invalid(f"规则“{self.title}”中没有名为“{name}”的流程。")
        return found

    def cite(self, source: Source) -> str:
        """The source as people read it: "济区数〔2023〕4号第九条（一）3", or that it is a default."""
        if source.is_default:
            return f"系统默认（{source.why}）"
        return f"{self.documents[source.document].number or self.documents[source.document].title}{source.article}"

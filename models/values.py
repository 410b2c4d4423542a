"""Value types shared by every package: choices with their Chinese names, what an entry says, who is looking."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
EARLIEST, LATEST = datetime(1949, 1, 1, tzinfo=CHINA), datetime(2200, 1, 1, tzinfo=CHINA)
"""Moments that the base holds, both included. Beyond them are typing slips and what other programs write for "never";
near the years 1 and 9999 no time zone can be applied, so a list that shows one such moment would fail whole."""
KEYWORD_SEPARATORS = re.compile(r"[\n,，;；、|]")
"""A keyword holds none of these; in a cell they stand between keywords."""


class Choice(StrEnum):
    """A stored word with the Chinese word that people read."""

    label: str

    def __new__(cls, value: str, label: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class Level(Choice):
    CITY = "city", "市级"
    COUNTY = "county", "县（市、区）级"


class Publicity(Choice):
    """公开属性 (庆阳 art. 24)."""

    PUBLIC = "public", "公开"
    INTERNAL = "internal", "内部"


class VersionStatus(Choice):
    DRAFT = "draft", "草稿"
    SUBMITTED = "submitted", "待审核"
    CHECKED = "checked", "待发布"
    PUBLISHED = "published", "已发布"
    SUPERSEDED = "superseded", "已更新"
    EXPIRED = "expired", "已到期"
    INVALID = "invalid", "已失效"
    WITHDRAWN = "withdrawn", "已下架"


class Origin(Choice):
    """How an entry came to be written (清远 art. 4(1)): it decides the route that its versions take."""

    UNIT = "unit", "单位采编"
    WORK_ORDER = "work_order", "工单采编"
    OFFICE = "office", "热线办收集"
    SYNC = "sync", "系统导入"


class PhrasingKind(Choice):
    STANDARD = "standard", "标准问"
    SIMILAR = "similar", "相似问"


class Role(Choice):
    AGENT = "agent", "话务员"
    EDITOR = "editor", "信息采编员"
    REVIEWER = "reviewer", "审核员"
    UNIT_LEADER = "unit_leader", "分管领导"
    COUNTY_OFFICE = "county_office", "县（市、区）热线办"
    CITY_OFFICE = "city_office", "市热线办"
    ANALYST = "analyst", "数据分析员"
    ADMINISTRATOR = "administrator", "系统管理员"


class Outcome(Choice):
    """What the service says to a question."""

    DIRECT = "direct", "可直接答复"
    CHOOSE = "choose", "请核对"
    NONE = "none", "未找到"


class Judgement(Choice):
    CORRECT = "correct", "正确"
    INCORRECT = "incorrect", "有误"


class FaultReason(Choice):
    UNCLEAR = "unclear", "表述不清"
    INCOMPLETE = "incomplete", "内容不完整"
    INACCURATE = "inaccurate", "答案不准确"
    OUTDATED = "outdated", "已过期"
    OFF_TOPIC = "off_topic", "文不对题"
    OTHER = "other", "其他"


class Rater(Choice):
    """Who judges an answer (济源 art. 9(3)1)."""

    AGENT = "agent", "话务员"
    CITIZEN = "citizen", "市民"


class Matter(Choice):
    """诉求类别 of a call (庆阳 art. 15)."""

    CONSULTATION = "consultation", "咨询"
    HELP = "help", "求助"
    COMPLAINT = "complaint", "投诉"
    REPORT = "report", "举报"
    SUGGESTION = "suggestion", "建议"
    THANKS = "thanks", "致谢"
    OTHER = "other", "其他"


class Ending(Choice):
    """How a call ended (梅州 art. 9(3), 庆阳 art. 20(3)). A call may also end without anybody saying how."""

    ANSWERED = "answered", "直接解答"
    THREE_WAY = "three_way", "三方通话"
    EXPERT_SEAT = "expert_seat", "专家座席"
    WORK_ORDER = "work_order", "转派工单"
    REFUSED = "refused", "不予受理"
    BROKEN_OFF = "broken_off", "来电中断"


class UseKind(Choice):
    """What an agent did with an answer on the screen."""

    OPENED = "opened", "展开"
    COPIED = "copied", "复制"


class GapSignal(Choice):
    """Why a question counts as one without a good answer; the first that fits, in this order."""

    RECORDED = "recorded", "坐席登记"
    JUDGED_WRONG = "judged_wrong", "判为有误"
    NO_ANSWER = "no_answer", "未找到"
    REFORMULATED = "reformulated", "换词再问"
    LOW_CONFIDENCE = "low_confidence", "把握不大"
    ABANDONED = "abandoned", "未得答复"


class GapStatus(Choice):
    """What has become of a group of questions without a good answer."""

    OPEN = "open", "待处理"
    SENT = "sent", "已派单位"
    PROPOSED = "proposed", "已提相似问"
    ANSWERED = "answered", "已能解答"
    DISMISSED = "dismissed", "不予采编"


class ProposalKind(Choice):
    SIMILAR = "similar", "相似问法"
    SYNONYM = "synonym", "同义词"


class ProposalStatus(Choice):
    OPEN = "open", "待定"
    ACCEPTED = "accepted", "已采纳"
    REJECTED = "rejected", "未采纳"
    UNDONE = "undone", "已撤销"


class RunStatus(Choice):
    """How far a test run is."""

    WAITING = "waiting", "等待"
    RUNNING = "running", "运行中"
    DONE = "done", "已完成"
    FAILED = "failed", "失败"
    STOPPED = "stopped", "已停止"


class NoticeKind(Choice):
    """What the office asks of a unit, or a unit of itself."""

    COLLECTION = "collection", "知识库采集通知单"
    CONFIRMATION = "confirmation", "知识库信息确认单"
    AMENDMENT = "amendment", "信息修改审定单"
    CORRECTION = "correction", "信息整改通知单"
    QUESTION = "question", "知识提问"
    UPDATE = "update", "政策变化更新"
    STAFF = "staff", "人员名单上报"
    REVIEW = "review", "定期回顾检查"
    AFTER_CHECK = "after_check", "应急信息事后审核"
    SUPERVISION = "supervision", "督办通知"


class NoticeStatus(Choice):
    DRAFT = "draft", "待派发"
    DISPATCHED = "dispatched", "待签收"
    SIGNED = "signed", "办理中"
    COMPLETED = "completed", "已办结"
    SEEN = "seen", "已查看"
    CANCELLED = "cancelled", "已取消"


class ClockEventKind(Choice):
    """What befell a clock; each kind at most once, but extensions."""

    STARTED = "started", "开始计时"
    WARNED = "warned", "到期提醒"
    EXPIRED = "expired", "超期"
    SECOND_NOTICE = "second_notice", "再次通知"
    CALL_LIST = "call_list", "列入联系清单"
    EXTENDED = "extended", "延期"
    STOPPED = "stopped", "停止计时"


class ApplicationKind(Choice):
    WITHDRAWAL = "withdrawal", "撤销申请"
    EXTENSION = "extension", "延期申请"
    CATEGORY = "category", "类别设置申请"
    SHARING = "sharing", "查看共享申请"


class ApplicationStatus(Choice):
    ASKED = "asked", "待同意"
    """Waits for consent: of the unit's leader, or of the unit that owns the entries."""
    CONSENTED = "consented", "待批准"
    """Waits for the office."""
    GRANTED = "granted", "已批准"
    REFUSED = "refused", "未批准"
    CANCELLED = "cancelled", "已撤回"


class Channel(Choice):
    WEBHOOK = "webhook", "接口推送"
    MAIL = "mail", "邮件"


@dataclass(frozen=True)
class BasisContent:
    """依据: the document an answer rests on (济源 art. 8, 庆阳 art. 24)."""

    document: str
    number: str = ""
    attachment_count: int = 0


@dataclass(frozen=True)
class EntryContent:
    """All that one version of an entry says. Equal contents mean that nothing changed."""

    question: str
    """标准问."""
    answer: str
    """Markdown."""
    unit: str
    region: str
    """Names, exactly as in the base."""
    similar: tuple[str, ...] = ()
    spoken: str = ""
    """口径: what the agent reads aloud; empty when the unit has not written one."""
    keywords: tuple[str, ...] = ()
    category: str = ""
    """Path, levels separated by '/'."""
    bases: tuple[BasisContent, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    """Aware UTC; the entry is gone at ``valid_to`` itself."""
    publicity: Publicity = Publicity.INTERNAL
    info_type: str = ""
    """信息类型; each city's rulebook has its own list."""


class EntryField(Choice):
    """The parts of an entry as files name them; the values are the keys of a .jsonl line."""

    CODE = "code", "编号"
    QUESTION = "question", "标准问"
    SIMILAR = "similar", "相似问法"
    SPOKEN = "spoken", "口径"
    ANSWER = "answer", "答案"
    KEYWORDS = "keywords", "关键字"
    CATEGORY = "category", "类目"
    BASIS = "basis", "依据文件名称"
    BASIS_NUMBER = "basis_number", "文号"
    BASIS_ATTACHMENTS = "basis_attachments", "附件数量"
    VALID_FROM = "valid_from", "生效时间"
    VALID_TO = "valid_to", "下架时间"
    PUBLICITY = "publicity", "公开属性"
    INFO_TYPE = "info_type", "信息类型"
    UNIT = "unit", "责任单位"
    REGION = "region", "适用区域"


@dataclass(frozen=True)
class ExportedEntry:
    """An entry as it leaves the base: its code and what one of its versions says."""

    code: str
    content: EntryContent


@dataclass(frozen=True)
class CandidateRow:
    """One row of an imported file that could be read: where it stood, its code if it has one, and its content."""

    sheet: str
    row: int
    content: EntryContent
    code: str = ""
    """Unique code; empty when the file has none, then unit and standard question identify the entry."""
    given: frozenset[EntryField] = frozenset(EntryField)
    """Fields that the file really has for this row, blank ones included; a known entry keeps the others as they are."""


@dataclass(frozen=True)
class Viewer:
    """Who is looking, reduced to what retrieval needs to enforce rights (清远 art. 4(3)).

    An entry is visible when ``everything`` holds, or it is public, or its unit is among ``unit_ids``; and in any case
    only when it is not in ``hidden_entry_ids``.
    """

    everything: bool = False
    unit_ids: frozenset[int] = frozenset()
    hidden_entry_ids: frozenset[int] = field(default=frozenset())

    def may_see(self, *, entry_id: int, unit_id: int, publicity: Publicity) -> bool:
        """The same rule for one entry; retrieval applies it to whole columns."""
        if entry_id in self.hidden_entry_ids:
            return False
        return self.everything or publicity is Publicity.PUBLIC or unit_id in self.unit_ids


STRANGER = Viewer()
"""Sees public entries only: a citizen, or a program without rights."""

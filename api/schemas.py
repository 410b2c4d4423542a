"""What programs send and get: the shapes of /api/v1, each field with its meaning."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.asking import Asked, HitRole, ShownEntry
from models.knowledge import Transition, Version
from models.values import EntryField, FaultReason, Judgement, Outcome, Publicity, VersionStatus
from retrieval.documents import Facet

LARGEST_ID = 2**63 - 1
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class Received(BaseModel):
    """A request body; a field that does not exist is a mistake of the sender."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchRequest(Received):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "娃刚生下来户口咋上", "k": 5}]})

    query: str = Field(description="来电人的问题，原话即可。长度上限见设置 question_characters。")
    k: int | None = Field(default=None, ge=1, le=20, description="最多给出几条；不写则取设置 shown_answers。")
    literal: bool = Field(default=False, description="true 为按原样查找：不更正错别字，不把拼音当作汉字。")


class FeedbackRequest(Received):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"question_id": 1, "version_id": 1, "judgement": "incorrect", "reason": "outdated"}]
        }
    )

    question_id: Id = Field(description="搜索结果中的 question_id。")
    version_id: Id = Field(description="被评价的版本，须是这次提问给出过的。")
    judgement: Judgement = Field(description="correct 正确，incorrect 有误。")
    reason: FaultReason | None = Field(
        default=None,
        description="有误的原因："
        + "，".join(f"{reason.value} {reason.label}" for reason in FaultReason)
        + "。判为有误时必填。",
    )
    note: str = Field(default="", description="补充说明。")


class GapRequest(Received):
    model_config = ConfigDict(json_schema_extra={"examples": [{"question_id": 1, "note": "来电人今天下午还会再打"}]})

    question_id: Id | None = Field(default=None, description="没有得到答案的那次提问。")
    text: str = Field(default="", description="来电人的原话；空则取那次提问的文字。")
    note: str = Field(default="", description="补充说明。")


class BasisShown(BaseModel):
    """依据."""

    document: str = Field(description="文件名称。")
    number: str = Field(description="文号。")
    attachment_count: int = Field(description="附件数量。")


class UnitShown(BaseModel):
    """责任单位."""

    name: str
    phone: str


class Content(BaseModel):
    """What one version of an entry says."""

    entry_id: int
    code: str = Field(description="条目的唯一编码。")
    version_id: int
    version_number: int
    question: str = Field(description="标准问。")
    similar: list[str] = Field(description="相似问法。")
    spoken: str = Field(description="口径：话务员可以照读的简短答复；单位没有写时为空。")
    answer_markdown: str = Field(description="完整答复，Markdown。")
    keywords: list[str]
    category: str = Field(description="架构类别，各级以“/”分隔。")
    basis: list[BasisShown]
    valid_from: datetime | None
    valid_to: datetime | None = Field(description="到这一时刻即失效。")
    publicity: Publicity
    info_type: str
    region: str
    unit: UnitShown


class SynonymShown(BaseModel):
    """A word of the question and the word of the entry that stands for it."""

    asked: str = Field(description="问题中的词。")
    found: str = Field(description="条目中的同义词。")


class MendedShown(BaseModel):
    """A slip of the keyboard and what was taken to be meant."""

    typed: str = Field(description="输入的字。")
    meant: str = Field(description="查找时用的字。")


class FacetShown(BaseModel):
    """What tells the candidates apart."""

    name: str = Field(description="按什么区分，如“参保身份”。")
    values: list[str] = Field(description="各是哪一种，按所列条目的先后。")


class HitShown(Content):
    """A version that was found, and why."""

    role: HitRole = Field(
        description="answer 可直接答复的答案，candidate 待核对的相近条目，hint 不是答案、仅供参考，不要照读。"
    )
    score: float = Field(ge=0, le=1, description="该条目回答了这个问题的概率。")
    phrasing: str = Field(description="最相近的问法。")
    matched: list[str] = Field(description="问题中与条目相符的词，用于标亮。")
    synonyms: list[SynonymShown] = Field(description="问题中的词，条目里写作另一个意思相同的词。")
    untold: list[str] = Field(description="问到而该条目未说明的方面，如“费用”。")
    facet: str = Field(description="在 facet 所说的区分中是哪一种；没有写明则为空。")


class SearchResponse(BaseModel):
    question_id: int = Field(description="这次提问的编号，评价和登记缺失时使用。")
    outcome: Outcome = Field(description="direct 可直接答复，choose 请核对，none 未找到。")
    outcome_label: str
    hits: list[HitShown] = Field(
        description="最好的在前，可信度过低的不列出。结果为 none 时，所列条目只供参考，不是答案。"
    )
    mended: list[MendedShown] = Field(description="查找前更正的错别字和拼音；要按原样查找，请求中设 literal。")
    focus: str = Field(description="问题较长时，按其中的这一句查找；空为全部。")
    facet: FacetShown | None = Field(description="结论为 choose 时，所列条目按什么区分；没有则为空。")
    timings_ms: dict[str, float]


class SuggestionShown(BaseModel):
    entry_id: int
    text: str
    internal: bool = Field(description="内部条目，不要念给来电人。")


class SuggestResponse(BaseModel):
    suggestions: list[SuggestionShown]


class MoveShown(BaseModel):
    """One step in the life of a version."""

    at: datetime
    from_status: VersionStatus | None
    to_status: VersionStatus
    actor: str = Field(description="经办人；空为系统。")
    reason: str


class VersionShown(Content):
    """A version with its history."""

    status: VersionStatus
    status_label: str
    created_at: datetime
    published_at: datetime | None
    moves: list[MoveShown]


class EntryResponse(BaseModel):
    code: str
    live: Content | None = Field(description="现行版本；没有已发布的版本时为空。")
    in_force: bool = Field(description="现行版本此刻是否在有效期内。")
    searchable: bool = Field(description="已发布的内容是否已进入检索。发布与可检索是两件事，通常相差不到一秒。")
    versions: list[VersionShown] | None = Field(description="全部版本及经过；您的岗位不能查看时为空。")


class FeedbackResponse(BaseModel):
    verdict_id: int
    judgement: Judgement
    reason: FaultReason | None


class GapResponse(BaseModel):
    gap_id: int
    text: str


class RowProblem(BaseModel):
    """One fault in an imported file."""

    sheet: str
    row: int = Field(description="文件中的行号；0 为整个文件。")
    column: str
    reason: str


class ColumnShown(BaseModel):
    """A column of the file and what it was taken for."""

    letter: str
    header: str
    field: EntryField | None = Field(description="对应条目的哪一项；空为不导入。")
    reason: str = Field(description="为什么这样认定。")


class TableShown(BaseModel):
    """One sheet of the file."""

    sheet: str
    rows: int
    header_row: int = Field(description="表头在第几行；0 为没有表头。")
    passed_over: str = Field(description="没有读取的原因；读取了则为空。")
    columns: list[ColumnShown]


class PartChange(BaseModel):
    """One part of an entry that the file says otherwise."""

    field: EntryField
    before: str = Field(description="原来的内容，只取不同之处前后一段；空为没有。")
    after: str = Field(description="文件中的内容，同上。")
    cleared: str = Field(description="将清空的内容，如“相似问法 4 条”；没有清空则为空。")


class ChangedEntry(BaseModel):
    """A row that changes an entry."""

    sheet: str
    row: int
    code: str
    question: str
    changes: list[PartChange]


class ImportResponse(BaseModel):
    filename: str
    applied: bool = Field(description="false 为试算，没有写入。")
    published: bool
    rows: int = Field(description="有内容的行数，等于新增、修改、不变、不能导入之和。")
    new: int
    changed: int
    unchanged: int
    pending: int = Field(description="不变的行中，与尚未发布的版本相同的；直接发布时随之发布。")
    off: int = Field(description="不变的行中，条目已下架、到期或失效的；导入不会恢复。")
    refused: int
    tables: list[TableShown]
    changed_entries: list[ChangedEntry] = Field(description="有改动的条目，改动哪几项。文件没有的列不改动。")
    problems: list[RowProblem] = Field(description="不能导入的行及原因；一行可以有几处。")
    notices: list[RowProblem] = Field(description="读法与原样不同、但没有丢失内容之处。")


class HealthResponse(BaseModel):
    status: str = Field(description="ok 正常，failing 异常。")
    database: bool = Field(description="数据库可读且结构为当前版本。")
    index_entries: int = Field(description="检索中的条目数。")
    published_entries: int | None
    follower_behind: int | None = Field(description="尚未进入检索的改动数。")
    follower_running: bool
    overdue_seconds: float | None = Field(description="到时未办的事（生效、下架、提醒、记超期）最早的一件等了多少秒。")
    model: str | None = Field(description="语义模型；空为仅按词语检索。")


class VersionResponse(BaseModel):
    name: str
    version: str
    api: str


class ErrorDetail(BaseModel):
    field: str
    problem: str


class ErrorBody(BaseModel):
    code: str = Field(examples=["not_found"])
    message: str = Field(description="可以直接给人看的一句话。", examples=["没有找到该条目。"])
    details: list[ErrorDetail]


class ErrorResponse(BaseModel):
    """Every error of the API has this shape."""

    error: ErrorBody


def content_of(version: Version) -> Content:
    """A version as programs read it."""
    return Content(**_content_fields(version))


def search_response(asked: Asked) -> SearchResponse:
    """An asked question as programs read it."""
    facet = asked.result.facet
    return SearchResponse(
        question_id=asked.question_id,
        outcome=asked.result.outcome,
        outcome_label=asked.result.outcome.label,
        hits=[_hit(shown, facet) for shown in asked.answers],
        mended=[MendedShown(typed=slip.typed, meant=slip.meant) for slip in asked.result.mended],
        focus=asked.result.focus,
        facet=FacetShown(name=facet.name, values=list(dict.fromkeys(facet.values.values()))) if facet else None,
        timings_ms=dict(asked.result.timings_ms),
    )


def version_shown(version: Version) -> VersionShown:
    """A version with its history, oldest move first."""
    return VersionShown(
        **_content_fields(version),
        status=version.status,
        status_label=version.status.label,
        created_at=version.created_at,
        published_at=version.published_at,
        moves=[_move(transition) for transition in version.transitions],
    )


def _hit(shown: ShownEntry, facet: Facet | None) -> HitShown:
    return HitShown(
        **_content_fields(shown.version),
        role=shown.role,
        score=shown.hit.score,
        phrasing=shown.hit.phrasing,
        matched=list(shown.hit.matched),
        synonyms=[SynonymShown(asked=s.asked, found=s.found) for s in shown.hit.synonyms],
        untold=list(shown.untold),
        facet=facet.values.get(shown.hit.entry_id, "") if facet else "",
    )


def _content_fields(version: Version) -> dict[str, object]:
    entry = version.entry
    return {
        "entry_id": entry.id,
        "code": entry.code,
        "version_id": version.id,
        "version_number": version.number,
        "question": version.question,
        "similar": list(version.similar),
        "spoken": version.spoken,
        "answer_markdown": version.answer,
        "keywords": [keyword.text for keyword in version.keywords],
        "category": version.category.path if version.category else "",
        "basis": [
            BasisShown(document=b.document, number=b.number, attachment_count=b.attachment_count) for b in version.bases
        ],
        "valid_from": version.valid_from,
        "valid_to": version.valid_to,
        "publicity": version.publicity,
        "info_type": version.info_type,
        "region": version.region.name,
        "unit": UnitShown(name=entry.unit.name, phone=entry.unit.phone),
    }


def _move(transition: Transition) -> MoveShown:
    return MoveShown(
        at=transition.at,
        from_status=transition.from_status,
        to_status=transition.to_status,
        actor=transition.actor.name if transition.actor else "",
        reason=transition.reason,
    )

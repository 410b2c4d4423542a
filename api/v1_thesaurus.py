"""The part of the JSON API that reads and changes the thesaurus."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api import schemas
from api.clock import utc_now
from api.listing import PAGE_SIZE, offset_of
from api.security import UsingCaller, person_of
from api.thesaurus import shipped
from api.wiring import UsingSession
from kb_admin import thesaurus
from kb_admin.permissions import Action, require
from kb_admin.thesaurus import HeldVersion
from models.thesaurus import GroupSaying, WordGroup

router = APIRouter(prefix="/thesaurus", tags=["词库"])
Head = Annotated[str, Path(max_length=200, description="主词。")]
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": schemas.ErrorResponse, "description": "没有这一组。"}}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": schemas.ErrorResponse, "description": "这一组已被别人改过，或新增的组已有。没有写入。"}
}


class SayingGiven(schemas.Received):
    """说法."""

    word: str = Field(max_length=200, description="词本身。")
    weight: float = Field(default=1.0, description="多大可能指主词：大于 0、不超过 1，最多两位小数。")
    both_ways: bool = Field(default=True, description="true 双向；false 单向：说它等于说主词，说主词不等于说它。")


class GroupGiven(schemas.Received):
    """What a group is to say from now on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"sayings": [{"word": "低保"}, {"word": "困难补助", "weight": 0.6, "both_ways": False}]}]
        }
    )

    sayings: list[SayingGiven] = Field(max_length=1000, description="全部说法；原有而没有写到的即删去。")
    field: str = Field(default="", max_length=1000, description="领域。")
    note: str = Field(default="", max_length=5000, description="备注。")
    based_on: int | None = Field(
        default=None, ge=0, le=schemas.LARGEST_ID, description="所依据的版本号，随产品的为 0；新增时不写。"
    )


class SayingShown(BaseModel):
    word: str
    weight: float
    both_ways: bool


class GroupShown(BaseModel):
    """One version of a group."""

    head: str = Field(description="主词。")
    sayings: list[SayingShown]
    field: str = Field(description="领域。")
    note: str = Field(description="备注。")
    version: int = Field(description="版本号；0 为随产品的内容。")
    removed: bool = Field(description="已停用。")
    changed_by: str = Field(description="由谁改成这样；随产品的为空。")
    changed_at: datetime | None


class GroupsResponse(BaseModel):
    count: int = Field(description="符合条件的共有几组。")
    page: int
    groups: list[GroupShown]


class GroupResponse(BaseModel):
    group: GroupShown = Field(description="现行版本。")
    history: list[GroupShown] = Field(description="全部版本，新的在前。")


class SavedResponse(BaseModel):
    head: str
    version: int = Field(description="现在的版本号；内容与原来相同时不变。")


@router.get("", summary="词库清单")
def thesaurus_groups(
    *,
    session: UsingSession,
    caller: UsingCaller,
    q: Annotated[str, Query(max_length=200, description="主词、说法或备注中含有的字。")] = "",
    field: Annotated[str, Query(max_length=200, description="只要这个领域的。")] = "",
    page: Annotated[int, Query(ge=1, le=10_000, description="第几页，一页 50 组。")] = 1,
) -> GroupsResponse:
    """随产品的和本市改过的全部组，含已停用的；最近改过的在前。"""
    require(caller.grants, Action.EDIT_THESAURUS)
    found = thesaurus.chosen(thesaurus.all_groups(session, shipped()), text=q.strip(), field=field, fold=shipped().fold)
    shown = found[offset_of(page) :][:PAGE_SIZE]
    return GroupsResponse(count=len(found), page=page, groups=[_shown(held) for held in shown])


@router.get("/{head:path}", summary="查看一组", responses=MISSING)
def thesaurus_group(head: Head, session: UsingSession, caller: UsingCaller) -> GroupResponse:
    """现行版本和全部历史。"""
    require(caller.grants, Action.EDIT_THESAURUS)
    past = thesaurus.history(session, shipped(), head)
    return GroupResponse(group=_shown(past[0]), history=[_shown(held) for held in past])


@router.put("/{head:path}", summary="新增或修改一组", responses={**MISSING, **CONFLICT})
def save_group(head: Head, given: GroupGiven, session: UsingSession, caller: UsingCaller) -> SavedResponse:
    """写入新的一版，旧的保留。已停用的组写入后恢复使用。通常一秒以内生效。"""
    sayings = tuple(GroupSaying(s.word, s.weight, s.both_ways) for s in given.sayings)
    number = thesaurus.save(
        session,
        shipped(),
        WordGroup(head, sayings, given.field, given.note),
        based_on=given.based_on,
        actor=person_of(session, caller),
        now=utc_now(),
    )
    session.commit()
    return SavedResponse(head=head.strip(), version=number)


@router.delete("/{head:path}", summary="停用一组", responses={**MISSING, **CONFLICT})
def remove_group(
    head: Head,
    session: UsingSession,
    caller: UsingCaller,
    based_on: Annotated[int, Query(ge=0, le=schemas.LARGEST_ID, description="所依据的版本号。")],
) -> SavedResponse:
    """这一组的词不再互相替代；历史保留，写入新的一版即恢复。"""
    actor = person_of(session, caller)
    number = thesaurus.remove(session, shipped(), head, based_on=based_on, actor=actor, now=utc_now())
    session.commit()
    return SavedResponse(head=head, version=number)


def _shown(held: HeldVersion) -> GroupShown:
    group = held.group
    return GroupShown(
        head=group.head,
        sayings=[SayingShown(word=s.word, weight=s.weight, both_ways=s.both_ways) for s in group.sayings],
        field=group.field,
        note=group.note,
        version=held.number,
        removed=held.removed,
        changed_by=held.by,
        changed_at=held.at,
    )

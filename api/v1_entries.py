"""The part of the JSON API that lists entries."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import entry_list
from api.clock import utc_now
from api.entry_list import Wanted
from api.security import UsingCaller
from api.wiring import UsingSession
from models.values import VersionStatus

router = APIRouter(tags=["条目"])


class ListedEntry(BaseModel):
    code: str = Field(description="编号。")
    question: str = Field(description="标准问。")
    unit: str = Field(description="责任单位。")
    category: str = Field(description="类别，没有则为空。")
    status: VersionStatus = Field(description="现行版本的状态；没有现行版本时为最新版本的。")
    internal: bool = Field(description="内部条目，不得对外宣读。")
    valid_from: datetime | None = Field(description="生效时间，空为不限。")
    valid_to: datetime | None = Field(description="下架时间，空为长期。")


class EntryListResponse(BaseModel):
    count: int = Field(description="您有权查看的、符合条件的条目总数。")
    page: int = Field(description="第几页，每页 50 条。")
    entries: list[ListedEntry] = Field(description="按编号排列。")


@router.get("/entries", summary="条目列表")
def list_entries(
    *,
    session: UsingSession,
    caller: UsingCaller,
    q: Annotated[str, Query(max_length=200, description="编号或标准问中的文字。")] = "",
    page: Annotated[int, Query(ge=1, le=100_000, description="第几页。")] = 1,
) -> EntryListResponse:
    """您有权查看的条目；无权查看的不计入总数。"""
    now, wanted = utc_now(), Wanted(text=q.strip())
    lines = entry_list.list_entries(session, wanted, caller, now, page=page)
    return EntryListResponse(
        count=entry_list.count_entries(session, wanted, caller, now),
        page=page,
        entries=[
            ListedEntry(
                code=line.code,
                question=line.question,
                unit=line.unit,
                category=line.category,
                status=line.status,
                internal=line.internal,
                valid_from=line.valid_from,
                valid_to=line.valid_to,
            )
            for line in lines
        ],
    )

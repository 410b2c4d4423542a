"""What a call platform sends and gets: the shapes of /api/v1/calls."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Id, Received
from models.incoming import IncomingCall
from models.values import Choice, Ending, FaultReason, Judgement, Matter


def _offered(choices: type[Choice]) -> str:
    return "，".join(f"{choice.value} {choice.label}" for choice in choices)


class CallBegun(Received):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reference": "20261120-000123", "agent": "zuoxi", "caller": "13800000000"}]}
    )

    reference: str = Field(min_length=1, max_length=64, description="话务平台中这次来电的编号，不重复。")
    agent: str = Field(default="", max_length=64, description="接听的话务员的登录名；空则为令牌所属的人。")
    caller: str = Field(
        default="",
        max_length=64,
        description="来电号码。收到后立即换成不可还原的代号，不保存、不写日志；只用来认出是不是同一来电人。隐藏号码的写空。",
    )
    matter: Matter | None = Field(default=None, description=f"诉求类别：{_offered(Matter)}。")


class CallEnded(Received):
    model_config = ConfigDict(json_schema_extra={"examples": [{"ending": "answered", "matter": "consultation"}]})

    ending: Ending | None = Field(
        default=None, description=f"怎样结束：{_offered(Ending)}。不知道的不写；话务员已登记的，以话务员的为准。"
    )
    matter: Matter | None = Field(
        default=None, description=f"诉求类别：{_offered(Matter)}。话务员已选的，以话务员的为准。"
    )


class CallShown(BaseModel):
    """One call."""

    call_id: int
    reference: str | None = Field(description="话务平台中的编号。")
    agent: str = Field(description="话务员的登录名。")
    started_at: datetime
    ended_at: datetime | None = Field(description="空：还在通话中。")
    ending: Ending | None = Field(description="空：没有登记。")
    matter: Matter | None = Field(description="空：没有选。")
    version_id: int | None = Field(description="直接解答时用的版本；空：不是直接解答，或没有给出过答复。")

    @classmethod
    def of(cls, call: IncomingCall) -> Self:
        """The call as programs read it."""
        return cls(
            call_id=call.id,
            reference=call.reference,
            agent=call.person.login,
            started_at=call.started_at,
            ended_at=call.ended_at,
            ending=call.ending,
            matter=call.matter,
            version_id=call.version_id,
        )


class CallRated(Received):
    model_config = ConfigDict(json_schema_extra={"examples": [{"judgement": "correct"}]})

    judgement: Judgement = Field(description="来电人按键：correct 正确，incorrect 有误。")
    version_id: Id | None = Field(default=None, description="评价哪个版本；空则为这次来电所用的答复。")
    reason: FaultReason | None = Field(
        default=None, description=f"有误的原因：{_offered(FaultReason)}。按键说不出原因的不写，记为 other。"
    )
    note: str = Field(default="", description="补充说明。")


class CallRating(BaseModel):
    verdict_id: int
    version_id: int
    judgement: Judgement
    reason: FaultReason | None


class LinkWanted(Received):
    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    version_id: Id | None = Field(default=None, description="请来电人评价哪个版本；空则为这次来电所用的答复。")


class LinkGiven(BaseModel):
    """A link to be sent in a text message."""

    url: str = Field(description="评价链接，限用一次。")
    text: str = Field(description="可以照发的短信内容。")
    expires_at: datetime = Field(description="到这一时刻失效。")

"""Every setting, its default and its meaning. Entry points build it; nothing else reads the environment."""

from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from models.errors import Invalid
from models.values import Choice

SHORTEST_SECRET = 16
"""Characters: below that a signature can be guessed."""
DATABASES = ("sqlite", "postgresql", "postgresql+psycopg")


def _beside_the_rest(given: dict[str, Any]) -> str:
    return f"sqlite:///{given['data_folder'] / 'zhida.db'}"


class MailSecurity(Choice):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls", "先连接再加密"
    TLS = "tls", "从一开始加密"
    NONE = "none", "不加密"


class IndexKind(Choice):
    """Where the searchable side of the base lies."""

    EMBEDDED = "embedded", "本机：各进程自带索引"
    MILVUS = "milvus", "Milvus：条目存放在向量数据库中"


class LogForm(Choice):
    """How the lines of the log are written."""

    TEXT = "text", "供人阅读"
    JSON = "json", "每行一个 JSON 对象"


class Settings(BaseSettings):
    """Set a field through the environment variable ZHIDA_ plus its name in capitals. See docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix="ZHIDA_", frozen=True, env_ignore_empty=True, protected_namespaces=())

    data_folder: Path = Field(default=Path("var"), description="数据目录：数据库、附件、模型和上传的临时文件都在其中。")
    database_url: str = Field(
        default_factory=_beside_the_rest,
        description="数据库地址：sqlite:///路径 或 postgresql://用户:口令@主机/库名；默认在数据目录下。",
    )
    model: str = Field(
        default="m3e-small", description="语义模型的名称，即 models 目录下的文件夹名；没有则仅按词语检索。"
    )
    bundle: Path = Field(
        default=Path("bundle"), description="离线安装包目录（make bundle 所备），没有网络时从中取模型。"
    )
    model_hub: str = Field(default="https://huggingface.co", description="模型仓库地址；内网有镜像时改为镜像地址。")
    host: str = Field(
        default="127.0.0.1",
        description="服务监听的地址；对外提供服务时改为 0.0.0.0，并在前面放置 https 代理。",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="服务监听的端口。")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="服务用几个进程答复；它们共用一份索引和模型。一般设为处理器核数，见 docs/operations.md。",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="停止之前，/readyz 先答复“不再接收”多少秒，让前置的代理有时间把新请求转走。",
    )
    search_at_once: int = Field(
        default=0,
        ge=0,
        le=64,
        description="每个进程同时处理几个提问，输入提示另计；0 为按处理器核数和进程数自定。",
    )
    queue_length: int = Field(
        default=64, ge=1, le=10_000, description="每个进程最多有多少个提问在排队；再多则立即答复“忙，请稍后”（503）。"
    )
    queue_seconds: float = Field(
        default=2.0, gt=0, le=60, description="一个提问最多排队多少秒；轮不到则答复“忙，请稍后”（503）。"
    )
    log_form: LogForm = Field(
        default=LogForm.TEXT, description="日志的格式：text（供人阅读）或 json（每行一个 JSON 对象，供日志系统收集）。"
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""),
        description="读取 /metrics 的令牌（Bearer），至少 16 个字符；不设则只答复本机直接发来的请求。",
    )
    https_only: bool = Field(default=False, description="登录凭据只经 https 发送；在 https 代理之后运行时设为 true。")
    session_hours: int = Field(default=12, ge=1, le=720, description="登录后多少小时须重新登录；默认略长于一个班次。")
    proxies: str = Field(
        default="127.0.0.1,::1",
        description="https 代理的地址或网段，逗号分隔；来访者的地址和协议只以它们所说的为准。",
    )
    login_attempts: int = Field(
        default=5, ge=1, description="同一地址对同一登录名，在等待时间内最多可以输错密码的次数。"
    )
    login_wait_minutes: int = Field(default=10, ge=1, description="输错密码达到上限后须等待的分钟数。")
    question_characters: int = Field(default=2000, ge=50, description="一个问题最多的字数。")
    index: IndexKind = Field(
        default=IndexKind.EMBEDDED,
        description="检索用哪种索引：embedded（默认，各进程自带）"
        "或 milvus（超出一台机器内存的知识库，见 docs/deployment.md）。",
    )
    milvus_url: str = Field(
        default="", description="Milvus 的地址，如 http://milvus.example:19530；ZHIDA_INDEX 为 milvus 时必填。"
    )
    milvus_token: SecretStr = Field(
        default=SecretStr(""), description="Milvus 的登录凭据，写作 用户名:口令；没有则不设。"
    )
    milvus_collection: str = Field(
        default="zhida",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,80}$",
        description="Milvus 中集合名称的开头；几套系统共用一个 Milvus 时各取一个。",
    )
    reader: bool = Field(
        default=True,
        description="最好的几条是否再精读一遍（更准，每问约多 6 至 12 毫秒）；较慢的机器可设为 false。",
    )
    wrong_per_100: float = Field(
        default=5.0,
        ge=0.5,
        le=30,
        description="每 100 条直接答复中最多容许几条有误；调低则直接答复更少、更准。由此定出“可直接答复”的界限。",
    )
    direct_threshold: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="直接指定“可直接答复”的可信度界限（0 至 1）；设了它，ZHIDA_WRONG_PER_100 不起作用。",
    )
    choose_threshold: float = Field(
        default=0.2, gt=0, le=1, description="可信度不低于此值而不到直接答复时提示“请核对”；再低为“未找到”。"
    )
    shown_answers: int = Field(default=5, ge=1, le=20, description="一次提问最多给出的条目数。")
    request_bytes: int = Field(default=1_000_000, ge=10_000, description="一次请求最多的字节数（导入文件除外）。")
    import_bytes: int = Field(default=40_000_000, ge=10_000, description="一次导入的文件最多的字节数。")
    follow_lag_seconds: float = Field(
        default=10.0, gt=0, description="已发布的改动超过多少秒仍未进入检索时，健康检查报告异常。"
    )
    worker: bool = Field(
        default=True,
        description="服务进程是否兼做定时工作（生效、下架、提醒、记超期、发送消息）；另开 zhida worker 时可设 false。",
    )
    site_url: str = Field(
        default="", description="人们访问本系统的地址，如 https://zhida.example；推送和邮件中的链接以它开头。"
    )
    webhook_url: str = Field(
        default="", description="接口推送的地址，通知单的派发、提醒、超期、办结等以 JSON POST 到此；不设则不推送。"
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="接口推送的签名密钥，至少 16 个字符；设了推送地址时必填。"
    )
    smtp_host: str = Field(default="", description="邮件服务器；不设则不发邮件。")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="邮件服务器的端口。")
    smtp_security: MailSecurity = Field(
        default=MailSecurity.STARTTLS,
        description="与邮件服务器的连接：starttls（先连接再加密）、tls（从一开始加密）或 none（不加密）。",
    )
    smtp_user: str = Field(default="", description="邮件服务器的用户名；不设则不登录。")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="邮件服务器的密码。")
    smtp_from: str = Field(default="", description="邮件的发件人地址；设了邮件服务器时必填。")

    @field_validator("site_url", "webhook_url", "milvus_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise Invalid(f"“{url}”不是网址，应以 http:// 或 https:// 开头。")
        return url.rstrip("/") if not parts.path.strip("/") else url

    @model_validator(mode="after")
    def _ways_out_complete(self) -> Self:
        if self.webhook_url and len(self.webhook_secret.get_secret_value()) < SHORTEST_SECRET:
            raise Invalid(f"设了 ZHIDA_WEBHOOK_URL，还须设 ZHIDA_WEBHOOK_SECRET，至少 {SHORTEST_SECRET} 个字符。")
        if self.smtp_host and "@" not in self.smtp_from:
            raise Invalid("设了 ZHIDA_SMTP_HOST，还须设 ZHIDA_SMTP_FROM，写一个邮件地址。")
        return self

    @model_validator(mode="after")
    def _milvus_named(self) -> Self:
        if self.index is IndexKind.MILVUS and not self.milvus_url:
            raise Invalid("ZHIDA_INDEX 设为 milvus，还须设 ZHIDA_MILVUS_URL，如 http://milvus.example:19530。")
        return self

    @field_validator("metrics_token")
    @classmethod
    def _no_short_token(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < SHORTEST_SECRET:
            raise Invalid(f"ZHIDA_METRICS_TOKEN 至少 {SHORTEST_SECRET} 个字符。")
        return token

    @field_validator("database_url")
    @classmethod
    def _of_a_known_kind(cls, url: str) -> str:
        try:
            kind = make_url(url).drivername
        except (ArgumentError, ValueError) as error:
            raise Invalid("ZHIDA_DATABASE_URL 不是有效的数据库地址，写法见 docs/settings.md。") from error
        if kind not in DATABASES:
            raise Invalid(f"ZHIDA_DATABASE_URL 以 {kind} 开头，只支持 sqlite:/// 和 postgresql://。")
        return url

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Self:
        if self.direct_threshold is not None and self.choose_threshold > self.direct_threshold:
            raise Invalid("ZHIDA_CHOOSE_THRESHOLD 不能高于 ZHIDA_DIRECT_THRESHOLD。")
        return self

    @property
    def words_file(self) -> Path:
        """The office's own words, one a line, on top of the dictionary; need not exist."""
        return self.data_folder / "words.txt"

    @property
    def models_folder(self) -> Path:
        """Where model folders lie."""
        return self.data_folder / "models"

    @property
    def index_folder(self) -> Path:
        """Where the index lies on disk. A copy of what the database says: it need not be backed up."""
        return self.data_folder / "index"

    @property
    def attachments_folder(self) -> Path:
        """Where the bytes of attachments lie, each file named by its SHA-256."""
        return self.data_folder / "attachments"

    @property
    def uploads_folder(self) -> Path:
        """Where uploaded files wait between the steps of an import."""
        return self.data_folder / "uploads"

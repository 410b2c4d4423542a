"""zhida index where the index lies in Milvus: status, rebuild, verify."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

import typer

from api.commands.console import engine_of, require_base, say
from api.delivering import sessions_of
from api.milvus_parts import feeder_of, store_in_milvus
from api.settings import IndexKind, Settings
from api.wiring import load_encoder, vectors_of, words_of
from ingest.comparing import Differences
from ingest.thesaurus import thesaurus_of
from models.errors import Unavailable
from models.thesaurus import newest_versions
from retrieval.tokens import Tokeniser

if TYPE_CHECKING:
    from ingest.feed_check import FeedBackend, FeedVerified

SHOWN = 10
"""Entries that are named of each kind of fault."""


def lies_there() -> bool:
    """Whether the settings put the index into Milvus."""
    return Settings().index is IndexKind.MILVUS


def refuse_if_there(settings: Settings) -> None:
    """Raises Unavailable: there is nothing on disk to be written or merged."""
    if settings.index is IndexKind.MILVUS:
        raise Unavailable("索引在 Milvus 中，磁盘上没有要写的；可用 zhida index status、verify 和 rebuild。")


def show_status() -> None:
    """Both sides in numbers."""
    with _backend() as backend:
        status = backend.status()
    say(f"Milvus 集合：{status.name}")
    say(f"已发布 {status.published} 条，Milvus 中 {status.stored} 条")
    say(f"待写入的任务 {status.tasks} 个，变更记录还有 {status.behind} 行未变成任务")


def rebuild() -> None:
    """Write everything again while the service answers."""
    with _backend() as backend:
        say(f"已重写 {backend.rebuild(say)} 条。")


def verify(*, repair: bool, show_differences: Callable[[Differences], None]) -> None:
    """Compare entry by entry; exit code 1 when something is wrong and was not put right."""
    with _backend() as backend:
        found = backend.verify(say)
        _show(found, show_differences)
        if found.sound:
            return
        if not repair:
            say("请运行 zhida index verify --repair 改正。其间服务照常回答。")
            raise typer.Exit(1)
        backend.repair(found, say)
        if not (again := backend.verify(say)).sound:
            _show(again, show_differences)
            raise typer.Exit(1)
        say("改正后核对无误。")


def _show(found: "FeedVerified", show_differences: Callable[[Differences], None]) -> None:
    show_differences(found.differences)
    if found.torn:
        more = "……" if len(found.torn) > SHOWN else ""
        say(f"问法不全 {len(found.torn)} 条：条目号 {'、'.join(map(str, found.torn[:SHOWN]))}{more}")
    if found.miscounted:
        say("词频之和与各条目不符。")
    if found.sound:
        say("Milvus 与数据库完全一致。")


@contextmanager
def _backend() -> "Iterator[FeedBackend]":
    settings = Settings()
    require_base(settings)
    encoder, own_words = load_encoder(settings), words_of(settings)
    store = store_in_milvus(settings, encoder, own_words, encoder.fingerprint if encoder else "")
    from ingest.feed_check import FeedBackend  # noqa: PLC0415 - after the extra is known to be there

    vectors = vectors_of(settings, encoder)
    with engine_of(settings) as engine, closing(store), closing(vectors) if vectors else nullcontext():
        open_session = sessions_of(engine, settings)
        with open_session() as session:
            newest = newest_versions(session)
        tokeniser = Tokeniser(own_words, thesaurus_of(newest) if newest else None)
        yield FeedBackend(open_session, feeder_of(settings, open_session, store, vectors, lambda: tokeniser))

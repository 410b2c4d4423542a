"""zhida index: what of the search index lies on disk, whether it is right, and to write it anew."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import numpy as np
import typer

from api.clock import utc_now
from api.commands import index_in_milvus
from api.commands.console import engine_of, require_base, say
from api.dates import moment
from api.settings import Settings
from api.wiring import indexer_of, load_encoder, store_of, vectors_of
from ingest.comparing import Differences
from ingest.indexing import Indexer, Verified, Written
from models.database import sessions
from retrieval.store import Busy, Manifest, Store

commands = typer.Typer(help="磁盘上的检索索引：状态、核对、重建。", no_args_is_help=True)

LONGEST_WAIT_SECONDS = 24 * 3600.0
"""For another process that writes: at most as long as a whole build may take."""
POLITENESS = 10
"""Of a process that writes beside a service that answers."""
SHOWN = 10
"""Entries that are named of each kind of difference."""

AsChild = Annotated[bool, typer.Option("--as-child", hidden=True)]
Result = TypeVar("Result")


@commands.command("status")
def show_status() -> None:
    """索引的代次、条数、大小、落后多少、有没有损坏、谁在写。"""
    if index_in_milvus.lies_there():
        index_in_milvus.show_status()
        return
    with _opened(Settings()) as (indexer, store):
        manifest = store.newest()
        if manifest is None:
            say(f"磁盘上没有可用的索引：{store.refused or '还没有写过'}。")
            say("条目不多时索引全在内存中；超过一千条，或有改动满十分钟，服务会自行写到磁盘。")
        else:
            _show(manifest, indexer, store)
        say(f"正在写的进程：{store.writer or '无'}")
        say(f"目录：{store.folder}")


@commands.command("flush")
def flush(
    as_child: AsChild = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="另一进程正在写时，等它写完。")] = True,
    polite: Annotated[bool, typer.Option("--polite", help="让正在答复的进程优先用处理器。")] = False,
) -> None:
    """把尚未写到磁盘的改动写进索引；没有索引时建立。服务会定时自行运行。"""
    if polite:
        os.nice(POLITENESS)
    with _opened(_settings(as_child)) as (indexer, _):
        try:
            _told(_in_turn(lambda seconds: indexer.flush(say, now=utc_now(), wait=seconds), wait=wait))
        except Busy:
            say("另一进程正在写索引，这次不写。")


@commands.command("rebuild")
def rebuild() -> None:
    """由数据库重新建立整个索引。其间服务照常回答，建好后自动换用。"""
    if index_in_milvus.lies_there():
        index_in_milvus.rebuild()
        return
    with _opened(Settings()) as (indexer, _):
        _told(_in_turn(lambda seconds: indexer.rebuild(say, wait=seconds)))


@commands.command("merge")
def merge() -> None:
    """合并小的段，删除不再使用的文件。"""
    with _opened(Settings()) as (indexer, _):
        joined = _in_turn(lambda seconds: indexer.merge(wait=seconds))
        say("已合并。" if joined else "没有需要合并的段。")


@commands.command("verify")
def verify(
    repair: Annotated[bool, typer.Option("--repair", help="发现不符时改正：逐条重写，文件损坏时全部重建。")] = False,
) -> None:
    """核对全部校验和，再逐条与数据库比较；有不符时退出码为 1。"""
    if index_in_milvus.lies_there():
        index_in_milvus.verify(repair=repair, show_differences=_show_differences)
        return
    with _opened(Settings()) as (indexer, _):
        found = indexer.verify(say)
        _show_found(found)
        if found.sound:
            return
        if not repair:
            say("请运行 zhida index verify --repair 改正。其间服务照常回答。")
            raise typer.Exit(1)
        _told(_in_turn(lambda seconds: indexer.repair(found, say, wait=seconds)))
        if not (again := indexer.verify(say)).sound:
            _show_found(again)
            raise typer.Exit(1)
        say("改正后核对无误。")


def _settings(as_child: bool) -> Settings:
    """Those of the process that started us, which tells them; else those of the environment."""
    if not as_child:
        return Settings()
    return Settings(**json.loads(sys.stdin.read()))


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Indexer, Store]]:
    index_in_milvus.refuse_if_there(settings)
    require_base(settings)
    encoder = load_encoder(settings)
    store = store_of(settings, encoder)
    with engine_of(settings) as engine:
        vectors = vectors_of(settings, encoder)
        try:
            yield indexer_of(settings, sessions(engine), store, vectors), store
        finally:
            if vectors is not None:
                vectors.close()


def _in_turn(work: Callable[[float], Result], *, wait: bool = True) -> Result:
    """Do it at once; while another process writes, say so and wait."""
    try:
        return work(0)
    except Busy as busy:
        if not wait:
            raise
        say(f"{busy} 等它写完……")
        return work(LONGEST_WAIT_SECONDS)


def _show(manifest: Manifest, indexer: Indexer, store: Store) -> None:
    base = store.open(manifest)
    entries = sum(int(np.count_nonzero(live)) for _, live in base.parts)
    phrasings = sum(segment.phrasings for segment in manifest.segments)
    size = sum(segment.size for segment in manifest.segments)
    say(f"第 {manifest.generation} 代，写于 {moment(manifest.created)}")
    say(f"大小：{len(manifest.segments)} 段，共 {size / 1e6:.1f} MB")
    say(f"条目 {entries} 条，问法 {phrasings} 个（含已更新、下架而尚未清除的）")
    if not indexer.fits(manifest):
        say("不是由这个数据库建立的，或数据库已恢复到较早的日子：服务不会用它，将重新建立。")
        return
    behind = indexer.behind(manifest)
    say(
        f"写到变更记录第 {manifest.position} 行，" + (f"其后还有 {behind} 行在各进程的内存中" if behind else "没有落后")
    )


def _show_found(found: Verified) -> None:
    for fault in found.faults:
        say(fault)
    if found.differences is not None:
        _show_differences(found.differences)
    if found.sound:
        say("索引与数据库完全一致。")


def _show_differences(found: Differences) -> None:
    say(f"比较了 {found.compared} 条。")
    for name, entry_ids in (
        ("索引中缺少", found.missing),
        ("索引中多出", found.superfluous),
        ("内容不同", found.differing),
    ):
        if entry_ids:
            more = "……" if len(entry_ids) > SHOWN else ""
            say(f"{name} {len(entry_ids)} 条：条目号 {'、'.join(map(str, entry_ids[:SHOWN]))}{more}")


def _told(written: Written) -> None:
    size = sum(segment.size for segment in written.manifest.segments)
    if written.anew:
        say(f"索引已建立：{written.changed} 条，{size / 1e6:.1f} MB，第 {written.manifest.generation} 代。")
    elif written.changed:
        say(f"已写入 {written.changed} 条改动，第 {written.manifest.generation} 代。")
    else:
        say("索引已是最新。")

"""zhida backup: all that cannot be fetched again, while the service runs."""

import sqlite3
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from api.commands.console import say, sqlite_file
from api.settings import Settings
from models.errors import Conflict, Invalid, NotFound


def backup(out: Annotated[Path, typer.Argument(help="写到哪个 .zip 文件。")]) -> None:
    """在运行中备份数据库、附件和用户词典；打印恢复的做法。"""
    settings = Settings()
    database = sqlite_file(settings)
    if database is None:
        raise Invalid(
            "此命令备份 SQLite 数据库。PostgreSQL 请用 pg_dump 备份，并另存数据目录下的 attachments 和 words.txt。"
        )
    if not database.is_file():
        raise NotFound(f"没有数据库文件 {database}。")
    if out.exists():
        raise Conflict(f"{out} 已存在，请换一个文件名。")
    with TemporaryDirectory(dir=out.resolve().parent) as folder:
        copy = Path(folder) / "zhida.db"
        _copy_database(database, copy)
        part = Path(folder) / "backup.zip"
        _pack(part, copy, settings)
        part.rename(out)
    say(f"已备份到 {out}（{out.stat().st_size / 1e6:.1f} MB）。")
    say("恢复：")
    say("  1. 停止服务。")
    say(f"  2. 移走 {database}、{database}-wal、{database}-shm（有哪个移哪个），否则旧的改动会混进恢复的库。")
    say(f"  3. 解压备份文件：zhida.db 放到 {database}，attachments 和 words.txt 放到 {settings.data_folder}。")
    say("  4. 运行 zhida setup，再启动服务。")


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online backup: one consistent state, whatever is being written meanwhile."""
    reading, writing = sqlite3.connect(source), sqlite3.connect(target)
    try:
        reading.backup(writing)
    finally:
        reading.close()
        writing.close()


def _pack(archive: Path, database: Path, settings: Settings) -> None:
    attachments = settings.attachments_folder
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(database, "zhida.db")
        if settings.words_file.is_file():
            packed.write(settings.words_file, settings.words_file.name)
        for file in sorted(path for path in attachments.rglob("*") if path.is_file()):
            packed.write(file, f"attachments/{file.relative_to(attachments)}")

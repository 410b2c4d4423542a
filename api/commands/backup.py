"""zhida backup: all that cannot be fetched again, while the service runs."""

import sqlite3
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from sqlalchemy import make_url

from api.commands.console import say
from api.settings import Settings
from models.errors import Conflict, Invalid, NotFound


def backup(out: Annotated[Path, typer.Argument(help="写到哪个 .zip 文件。")]) -> None:
    """在运行中备份数据库和附件。恢复：停止服务，把其中的文件解压到数据目录。"""
    settings = Settings()
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise Invalid("此命令备份 SQLite 数据库。PostgreSQL 请用 pg_dump 备份，并另存数据目录下的 attachments。")
    if not Path(url.database).is_file():
        raise NotFound(f"没有数据库文件 {url.database}。")
    if out.exists():
        raise Conflict(f"{out} 已存在，请换一个文件名。")
    with TemporaryDirectory(dir=out.resolve().parent) as folder:
        copy = Path(folder) / "zhida.db"
        _copy_database(Path(url.database), copy)
        part = Path(folder) / "backup.zip"
        _pack(part, copy, settings.attachments_folder)
        part.rename(out)
    say(f"已备份到 {out}（{out.stat().st_size / 1e6:.1f} MB）。")


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's online backup: one consistent state, whatever is being written meanwhile."""
    reading, writing = sqlite3.connect(source), sqlite3.connect(target)
    try:
        reading.backup(writing)
    finally:
        reading.close()
        writing.close()


def _pack(archive: Path, database: Path, attachments: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(database, "zhida.db")
        for file in sorted(path for path in attachments.rglob("*") if path.is_file()):
            packed.write(file, f"attachments/{file.relative_to(attachments)}")

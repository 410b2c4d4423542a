"""zhida public …: what the city office has released, as a folder of plain pages for a web site."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from api.clock import utc_now
from api.commands.console import base_session, say
from api.public_entries import Links, laid_out, titles_of
from api.settings import Settings
from api.templating import STATIC_FOLDER, templates
from kb_admin.contents import batches
from kb_admin.releasing import public_units, public_versions, released_files
from kb_admin.rulebook import RightsRule
from kb_admin.rules_in_force import city_rules
from models.errors import Conflict
from models.knowledge import Attachment

commands = typer.Typer(help="对外发布：把已发布的公开条目写成网页。", no_args_is_help=True)

SAFE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".wps"})
"""Kept on the names of copied files. Others lose theirs: an .html among them would run on the site that shows it."""
MARK = "zhida-public.txt"
"""Stands in a folder that we wrote, so that only such a one is written anew."""
IN_ROOT = Links("index.html", lambda unit: f"units/{unit}.html", lambda entry, _code: f"entries/{entry}.html")
BELOW = Links("../index.html", lambda unit: f"../units/{unit}.html", lambda entry, _code: f"../entries/{entry}.html")


@commands.command("export")
def export(folder: Annotated[Path, typer.Argument(help="写到哪个文件夹；原由本命令写成的会整个换新。")]) -> None:
    """写出已对外发布、此刻有效的公开条目：首页、每个单位一页、每个条目一页，不需要服务即可打开。"""
    settings = Settings()
    _check(folder)
    with base_session(settings) as session:
        now = utc_now()
        rights = city_rules(session, now).rulebook.rights
        new = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        count = _write(session, new, rights, now, settings.attachments_folder)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    say(f"已写出 {count} 条到 {folder}，打开其中的 index.html 即可查看。")


def _check(folder: Path) -> None:
    """Raises Conflict rather than remove what somebody else put there."""
    if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} 中已有其他文件，不会覆盖。请另选一个空文件夹。")


def _write(session: Session, folder: Path, rights: RightsRule, now: datetime, attachments: Path) -> int:
    for name in ("units", "entries", "files"):
        (folder / name).mkdir(parents=True)
    (folder / MARK).write_text("由 zhida public export 写成，再次导出时整个换新。\n", encoding="utf-8")
    shutil.copyfile(STATIC_FOLDER / "public.css", folder / "public.css")
    units = public_units(session, rights, now)
    _page(folder / "index.html", "public_index.html", {"units": units, "links": IN_ROOT, "style": "public.css"})
    for unit_id, name, _count in units:
        categories = titles_of(session, unit_id, rights, now)
        context = {"unit": name, "categories": categories, **SUBPAGE}
        _page(folder / "units" / f"{unit_id}.html", "public_unit.html", context)
    names = _copy_files(released_files(session, rights, now), attachments, folder / "files")
    versions = public_versions(session, rights, now)
    for some in batches(versions):
        for entry, version in zip(
            laid_out(session, some, now, file_address=lambda sha256: f"../files/{names.get(sha256, sha256)}"),
            some,
            strict=True,
        ):
            context = {"entry": entry, "unit_id": version.entry.unit_id, **SUBPAGE}
            _page(folder / "entries" / f"{entry.entry_id}.html", "public_entry.html", context)
    return len(versions)


SUBPAGE: Mapping[str, object] = {"links": BELOW, "style": "../public.css"}


def _page(file: Path, template: str, context: Mapping[str, object]) -> None:
    file.write_text(templates.get_template(template).render(context), encoding="utf-8")


def _copy_files(released: Sequence[Attachment], attachments: Path, folder: Path) -> dict[str, str]:
    """Digest → name of the copy. One that is missing on this machine is told, and left out."""
    names: dict[str, str] = {}
    for attachment in released:
        if attachment.sha256 in names:
            continue
        suffix = Path(attachment.filename).suffix.lower()
        names[attachment.sha256] = attachment.sha256 + (suffix if suffix in SAFE_SUFFIXES else "")
        source = attachments / attachment.sha256
        if source.is_file():
            shutil.copyfile(source, folder / names[attachment.sha256])
        else:
            say(f"附件“{attachment.filename}”的文件不在服务器上，没有写出。")
    return names

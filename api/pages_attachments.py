"""Files that belong to answers: pictures, forms. Only for who may see an entry that carries them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import FileResponse
from sqlalchemy import select

from api.clock import utc_now
from api.reading import may_read
from api.security import Caller, page_caller
from api.viewing import note_attachment
from api.wiring import UsingServices, UsingSession
from models.errors import NotFound, Unavailable
from models.knowledge import Attachment, Version

router = APIRouter(include_in_schema=False)

SHOWN_IN_PAGE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Everything else is downloaded: an SVG or an HTML file shown from our address could run scripts in it."""


@router.get("/attachments/{sha256}")
def attachment(
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")],
    services: UsingServices,
    session: UsingSession,
    caller: Annotated[Caller, Depends(page_caller)],
) -> FileResponse:
    """The file, under the name and type of the first version that carries it and that the caller may see."""
    carrying = (
        select(Attachment, Version)
        .join(Version, Version.id == Attachment.version_id)
        .where(Attachment.sha256 == sha256)
        .order_by(Attachment.id)
    )
    now = utc_now()
    carrier = next((row for row in session.execute(carrying).tuples() if may_read(caller, row[1], now)), None)
    if carrier is None:
        raise NotFound("没有这个附件，或您无权查看。")
    found, version = carrier
    file = services.settings.attachments_folder / sha256
    if not file.is_file():
        raise Unavailable(f"附件“{found.filename}”的文件不在服务器上，请告诉系统管理员。")
    note_attachment(session, found, version, caller, now)
    session.commit()
    shown = found.media_type in SHOWN_IN_PAGE
    return FileResponse(
        file,
        media_type=found.media_type if shown else "application/octet-stream",
        filename=found.filename,
        content_disposition_type="inline" if shown else "attachment",
    )

"""All pages as one router."""

from fastapi import APIRouter

from api import (
    pages_agent,
    pages_attachments,
    pages_entries,
    pages_gaps,
    pages_import,
    pages_login,
    pages_thesaurus,
    pages_thesaurus_import,
)

router = APIRouter()
for part in (
    *(pages_login, pages_agent, pages_entries, pages_import, pages_gaps, pages_attachments),
    *(pages_thesaurus, pages_thesaurus_import),
):
    router.include_router(part.router)

"""All pages as one router."""

from fastapi import APIRouter

from api import (
    pages_agent,
    pages_applications,
    pages_attachments,
    pages_audit,
    pages_bulk,
    pages_calls,
    pages_categories,
    pages_editor,
    pages_emergency,
    pages_entries,
    pages_gaps,
    pages_import,
    pages_keywords,
    pages_login,
    pages_mine,
    pages_notice,
    pages_notice_new,
    pages_notices,
    pages_notifications,
    pages_release,
    pages_review,
    pages_reviews,
    pages_rights,
    pages_rulebook,
    pages_sharing,
    pages_staff,
    pages_thesaurus,
    pages_thesaurus_import,
    pages_todo,
    public,
)

router = APIRouter()
for part in (
    *(pages_login, pages_agent, pages_entries, pages_import, pages_gaps, pages_attachments),
    *(pages_thesaurus, pages_thesaurus_import),
    *(pages_notices, pages_notice_new, pages_notice, pages_calls, pages_notifications),
    *(pages_applications, pages_categories, pages_keywords, pages_reviews),
    *(pages_editor, pages_mine),
    *(pages_rulebook, pages_rights, pages_sharing, pages_staff, pages_release, pages_audit),
    *(pages_todo, pages_review, pages_bulk, pages_emergency),
):
    router.include_router(part.router)
router.include_router(public.pages)

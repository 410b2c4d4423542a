"""Handing a draft in: what the rulebook demands of it, and where its route takes it."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from kb_admin.checks import missing
from kb_admin.content_rules import Fault
from kb_admin.courses import Course
from kb_admin.rulebook import Level, Party, Rulebook
from kb_admin.versions import live_version
from models.errors import Invalid
from models.knowledge import Keyword, Version
from models.validity import is_over
from models.values import EntryContent, EntryField
from models.wording import visible


def check_type(rulebook: Rulebook, info_type: str) -> None:
    """Raise Invalid, naming the type and those that there are, for one that the rulebook does not list."""
    for fault in _type_faults(rulebook, info_type):
        raise Invalid(f"不能提交。“{fault.field.label}”：{fault.reason}")


def check_demands(course: Course, version: Version, now: datetime) -> None:
    """Raise Invalid, naming the part and the article, for a draft that lacks what the rulebook demands. What it only
    reminds of does not stop a draft."""
    category = version.category
    closed = category is not None and not category.active
    first = next(demands(course, version.content(), closed_category=closed, now=now), None)
    if first is not None:
        raise Invalid(f"不能提交。“{first.field.label}”：{first.reason}")


def demands(course: Course, content: EntryContent, *, closed_category: bool, now: datetime) -> Iterator[Fault]:
    """What the rulebook demands and the content lacks. ``closed_category``: its place is not one that is set up."""
    rulebook = course.rulebook
    yield from _type_faults(rulebook, content.info_type)
    if rulebook.checks.get("required") is not Level.OFF:
        for required in missing(content, rulebook):
            if required.level is Level.BLOCK:
                yield Fault(required.field, f"必须填写（{rulebook.cite(required.source)}）。")
    if course.route.emergency and content.valid_to is None:
        cited = rulebook.cite(course.route.source)
        yield Fault(EntryField.VALID_TO, f"应急信息必须写明，到时自动下架（{cited}）。")
    if course.route.emergency and is_over(content.valid_to, now):
        yield Fault(EntryField.VALID_TO, "已经过去，应急信息请写以后的时间。")
    weighs = rulebook.checks.get("category_known", Level.BLOCK) is Level.BLOCK
    if closed_category and weighs and rulebook.categories_by is not Party.EDITOR:
        asked = f"请从已有的类别中选，或向{rulebook.categories_by.label}申请设置。"
        yield Fault(EntryField.CATEGORY, f"本单位没有“{content.category}”这一类别。{asked}")


def _type_faults(rulebook: Rulebook, info_type: str) -> Iterator[Fault]:
    """One that is not written is a matter of what must be filled in."""
    if info_type and info_type not in rulebook.info_types:
        listed = "、".join(rulebook.info_types)
        yield Fault(EntryField.INFO_TYPE, f"规则“{rulebook.title}”没有“{visible(info_type)}”这一类型，请选：{listed}。")


def take_office_keywords(session: Session, course: Course, version: Version) -> None:
    """Where the office sets keywords (清远 art. 6), a draft goes on with those of the live version.

    What the editor proposes for the first version stands until the office sets others.
    """
    live = None if course.rulebook.keywords_by is Party.EDITOR else live_version(session, version.entry_id)
    if live is None:
        return
    words = tuple(keyword.text for keyword in live.keywords)
    if words != tuple(keyword.text for keyword in version.keywords):
        version.keywords = []
        session.flush()
        version.keywords = [Keyword(position=i, text=word) for i, word in enumerate(words)]
        session.flush()

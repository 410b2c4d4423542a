"""提交检查: what is wrong with a draft, each fault with its place and a way to mend it, as the editor writes.

The rulebook says what each check weighs; what the base itself cannot hold always stops a submission.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from kb_admin.check_basis import completeness_remarks, form_remarks
from kb_admin.check_duplicates import Neighbour, contradiction_remarks, duplicate_remarks
from kb_admin.check_privacy import number_remarks
from kb_admin.check_wording import keyword_remarks, layout_remarks, slip_remarks
from kb_admin.content_rules import content_faults
from kb_admin.remarks import Fix, Remark, quoted
from kb_admin.rulebook import Level, Party, Required, Route, Rulebook, Source
from models.validity import is_over
from models.values import CHINA, EntryContent, EntryField

CHECKS = {
    "required": "必填项",
    "basis_complete": "依据完整",
    "number_form": "文号写法",
    "validity_order": "生效、下架时间",
    "near_duplicate": "标准问重复",
    "same_question_other_answer": "同问不同答",
    "wall_of_text": "篇幅与段落",
    "private_number": "个人电话、证件号",
    "category_known": "类别",
    "keywords": "关键字",
    "typo_marks": "错字与标点",
}
"""Every check that a rulebook weighs, and what people call it."""
STORABLE = "storable"
"""Name of what the base itself cannot hold; no rulebook can switch it off."""
TITLES = {**CHECKS, STORABLE: "录入规范"}
PLACES = {EntryField.CATEGORY: "类别", EntryField.BASIS: "依据"}
"""Parts that the pages call otherwise than the files."""
SEVERITY = {Level.BLOCK: 0, Level.WARN: 1}
FIELD_ORDER = {field: place for place, field in enumerate(EntryField)}


@dataclass(frozen=True)
class Finding:
    """One fault of a draft as the editor and the reviewer see it."""

    name: str
    """Key in ``TITLES``."""
    level: Level
    """``BLOCK`` or ``WARN``."""
    field: EntryField
    message: str
    mend: str
    """How to mend it."""
    place: int = 0
    """Which of several rows or lines; counted from 0."""
    fixes: tuple[Fix, ...] = ()
    """What one stroke replaces; empty where only a person can mend it."""
    code: str = ""
    """Of the entry that it is about; empty: of none."""
    rule: str = ""
    """The article behind it, as people read it; empty: none but our own."""

    @property
    def where(self) -> str:
        """The part, as the pages call it."""
        return PLACES.get(self.field, self.field.label)

    @property
    def title(self) -> str:
        return TITLES[self.name]

    @property
    def replacements(self) -> list[list[str]]:
        """``fixes`` as a script takes them."""
        return [[fix.old, fix.new] for fix in self.fixes]

    @property
    def blocks(self) -> bool:
        return self.level is Level.BLOCK


def check(
    content: EntryContent,
    rulebook: Rulebook,
    *,
    route: Route | None,
    neighbours: Sequence[Neighbour],
    categories: Collection[str],
    now: datetime,
) -> tuple[Finding, ...]:
    """All that is wrong, what stops a submission first, then in the order of an entry's parts.

    ``route``: the one that the version would take; None when there is none for it. ``neighbours``: entries that ask
    nearly the same and that the writer may know of, without the entry itself. ``categories``: the unit's places.
    """
    found = [*_storable(content), *_required(content, rulebook, route)]
    year = now.astimezone(CHINA).year
    weighed = {
        "basis_complete": completeness_remarks(content.bases, content.answer),
        "number_form": form_remarks(content.bases, year=year),
        "validity_order": _validity(content, now),
        "near_duplicate": duplicate_remarks(content, neighbours),
        "same_question_other_answer": contradiction_remarks(content, neighbours),
        "wall_of_text": layout_remarks(content),
        "private_number": number_remarks(content),
        "category_known": _category(content, rulebook, categories),
        "keywords": keyword_remarks(content),
        "typo_marks": slip_remarks(content),
    }
    for name, remarks in weighed.items():
        level = rulebook.checks.get(name, Level.WARN)
        if level is not Level.OFF:
            rule = _cited(rulebook, rulebook.sources.get(f"checks.{name}"))
            found += [_finding(name, level, remark, rule) for remark in remarks]
    unstorable = {finding.field for finding in found if finding.name == STORABLE}
    once = [f for f in found if f.name in (STORABLE, "required") or f.field not in unstorable]
    return tuple(sorted(once, key=lambda f: (SEVERITY[f.level], FIELD_ORDER[f.field], f.place)))


def missing(content: EntryContent, rulebook: Rulebook) -> tuple[Required, ...]:
    """必填项 of its information type that the content lacks; keywords are not asked of those who do not set them."""
    return tuple(
        required
        for required in rulebook.required
        if (required.info_types is None or content.info_type in required.info_types)
        and Level.OFF not in (required.level, rulebook.checks.get("required"))
        and not (required.field is EntryField.KEYWORDS and rulebook.keywords_by is not Party.EDITOR)
        and _lacks(content, required.field)
    )


def _storable(content: EntryContent) -> Iterator[Finding]:
    for fault in content_faults(content):
        missing_answer = fault.field is EntryField.ANSWER and not content.answer.strip()
        mend = "写好后才能提交。" if missing_answer else "改正后才能保存。"
        yield Finding(STORABLE, Level.BLOCK, fault.field, fault.reason, mend)


def _required(content: EntryContent, rulebook: Rulebook, route: Route | None) -> Iterator[Finding]:
    """Parts that the rulebook asks for, and the end that emergency information must have (济源 art. 4, 9(5))."""
    kind = f"“{content.info_type}”" if content.info_type else ""
    lacking = missing(content, rulebook)
    for required in lacking:
        yield Finding(
            "required",
            required.level,
            required.field,
            f"{kind}缺少{PLACES.get(required.field, required.field.label)}。",
            "请填写。",
            rule=_cited(rulebook, required.source),
        )
    if content.info_type and content.info_type not in rulebook.info_types:
        yield Finding(
            "required",
            Level.BLOCK,
            EntryField.INFO_TYPE,
            f"信息类型{quoted(content.info_type)}不在规定的类型之中。",
            f"请选：{'、'.join(rulebook.info_types)}。",
        )
    told = any(required.field is EntryField.VALID_TO and required.level is Level.BLOCK for required in lacking)
    if route is not None and route.emergency and content.valid_to is None and not told:
        yield Finding(
            "required",
            Level.BLOCK,
            EntryField.VALID_TO,
            "应急信息没有写下架时间。",
            "请写明到什么时候为止；到时自动下架，可以再延长。",
            rule=_cited(rulebook, route.source),
        )


def _validity(content: EntryContent, now: datetime) -> Iterator[Remark]:
    """That the dates are in order is a matter of the base itself; here, that they are not over before they begin."""
    if is_over(content.valid_to, now):
        yield Remark(
            EntryField.VALID_TO,
            "下架时间已经过去，发布后话务员也查不到。",
            "请改为以后的时间；长期有效请留空。",
        )


def _category(content: EntryContent, rulebook: Rulebook, categories: Collection[str]) -> Iterator[Remark]:
    """Where the office sets up the tree, an editor only chooses from it (清远 art. 4(2))."""
    if content.category and content.category not in categories and rulebook.categories_by is not Party.EDITOR:
        yield Remark(
            EntryField.CATEGORY,
            f"本单位没有“{content.category}”这个类别。",
            f"请从已有的类别中选，或向{rulebook.categories_by.label}申请设置。",
        )


def _lacks(content: EntryContent, field: EntryField) -> bool:
    match field:
        case EntryField.BASIS | EntryField.BASIS_ATTACHMENTS:
            return not content.bases
        case EntryField.BASIS_NUMBER:
            return not any(basis.number for basis in content.bases)
        case EntryField.CODE | EntryField.PUBLICITY:
            return False
        case _:
            return not getattr(content, field.value)


def _finding(name: str, level: Level, remark: Remark, rule: str) -> Finding:
    return Finding(
        name=name,
        level=level,
        field=remark.field,
        message=remark.message,
        mend=remark.mend,
        place=remark.place,
        fixes=remark.fixes,
        code=remark.code,
        rule=rule,
    )


def _cited(rulebook: Rulebook, source: Source | None) -> str:
    return "" if source is None or source.is_default else rulebook.cite(source)

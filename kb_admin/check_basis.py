"""依据: whether each document is named and numbered as documents are, and its attachments counted (济源 art. 8(4))."""

import re
from collections.abc import Iterator, Sequence

from kb_admin.content_rules import MAX_BASES, MAX_NUMBER
from kb_admin.remarks import Fix, Remark, quoted
from models.values import BasisContent, EntryField

YEAR = r"(?:19|20)\d{2}"
COUNT = "[〇零一二三四五六七八九十百千]{1,8}"
ISSUER = r"[\u4e00-\u9fffA-Za-z·、（）]"
ISSUERS = r"[\u4e00-\u9fffA-Za-z·、（） ]{0,80}"
"""Several that issue one order stand with a space between them: 财政部 税务总局公告2023年第32号."""
NOTE = "(?:（[^（）]{1,20}）)?"
FORMS = tuple(
    re.compile(form + NOTE)
    for form in (
        rf"{ISSUER}{{1,40}}〔{YEAR}〕[1-9]\d{{0,4}}号",  # 国发〔2021〕4号
        rf"{ISSUERS}令(?:{YEAR}年)?第(?:[1-9]\d{{0,4}}|{COUNT})号",  # 国务院令第663号, 主席令第三十五号
        rf"{ISSUERS}(?:公告|通告|布告|公报)(?:{YEAR}年)?第(?:[1-9]\d{{0,4}}|{COUNT})号",  # 公告2023年第5号
        r"(?:[A-Z]{2,5}\d{0,4}(?:/[A-Z])?|[TQ]/[0-9A-Z]{2,10}) ?\d{1,6}(?:\.\d{1,3})*[-—–](?:19|20)?\d{2}",  # GB/T 9704
    )
)
"""The forms in which documents of the state are numbered: GB/T 9704—2012, 7.2.5 for the first, usage for the others."""
EXAMPLES = "国发〔2021〕4号、国务院令第663号、国家税务总局公告2023年第5号、GB/T 9704—2012"
BETWEEN_NUMBERS = re.compile(r"[、；;，,]")
OPENING, CLOSING = r"[\[［(（【〖﹝{｛「『<〈《〔]", r"[\]］)）】〗﹞}｝」』>〉》〕]"
BRACKETED_YEAR = re.compile(rf"({OPENING})({YEAR})年?({CLOSING})")
FULL_WIDTH = {**{ord("０") + n: str(n) for n in range(10)}, ord("－"): "-", ord("／"): "/", ord("．"): "."}
DATED = re.compile(rf"(?<=〔){YEAR}(?=〕)|{YEAR}(?=年)")
ORDINAL_AFTER_YEAR = re.compile(rf"(〔{YEAR}〕)第?0*([1-9]\d{{0,4}})号?")
BARE_YEAR = re.compile(rf"([\u4e00-\u9fff]{{2,40}})({YEAR})[-—年]?第?0*([1-9]\d{{0,4}})号?")
ORDER = re.compile(rf"({ISSUERS}(?:令|公告|通告|布告|公报))((?:{YEAR}年)?)第?0*([1-9]\d{{0,4}})号?")
NUMBERED_ATTACHMENT = re.compile(r"附件\s?([1-9]\d?|[一二三四五六七八九十])(?![\d年月日])")
NAMED_ATTACHMENT = re.compile(r"(?:见|附)附件|附件[：:]")
HAN_DIGITS = "零一二三四五六七八九十"


def form_remarks(bases: Sequence[BasisContent], *, year: int) -> Iterator[Remark]:
    """文号 that no document of the state has in that form, with the right one where it can be told.

    ``year``: this year, in China; a document of a later one is a slip.
    """
    for place, basis in enumerate(bases[:MAX_BASES]):
        if basis.number and len(basis.number) <= MAX_NUMBER:
            yield from _of_number(basis.number, place, year)


def completeness_remarks(bases: Sequence[BasisContent], answer: str) -> Iterator[Remark]:
    """A document without its number, and attachments that the answer names and nobody has counted."""
    for place, basis in enumerate(bases):
        if basis.document and not basis.number:
            yield Remark(
                EntryField.BASIS_NUMBER,
                f"依据{quoted(basis.document)}没有写文号。",
                "请补写文号；法律、法规写公布它的令，如“主席令第三十五号”“国务院令第663号”。",
                place,
            )
    counted = max((basis.attachment_count for basis in bases), default=0)
    named = _attachments_named(answer)
    if bases and named > counted:
        yield Remark(
            EntryField.BASIS_ATTACHMENTS,
            f"答案提到附件{f' {named}' if named > 1 else ''}，依据登记的附件数量为 {counted}。",
            "请核对附件数量。",
        )


def is_well_formed(number: str) -> bool:
    """Whether it is one document's number in a form that the state uses."""
    return any(form.fullmatch(number) for form in FORMS)


def well_formed(number: str) -> str:
    """The same number as it should be written; unchanged where that cannot be told."""
    text = number.translate(FULL_WIDTH)
    squeezed = re.sub(r"\s+", "", text)
    for candidate in (text.strip(), squeezed, *_readings(squeezed)):
        if is_well_formed(candidate):
            return candidate
    return number


def _readings(squeezed: str) -> Iterator[str]:
    bracketed = BRACKETED_YEAR.sub(r"〔\2〕", squeezed)
    yield ORDINAL_AFTER_YEAR.sub(r"\1\2号", bracketed)
    order = ORDER.fullmatch(squeezed)
    if order:
        yield f"{order[1]}{order[2]}第{order[3]}号"
    bare = BARE_YEAR.fullmatch(squeezed)
    if bare:
        yield f"{bare[1]}〔{bare[2]}〕{bare[3]}号"


def _of_number(written: str, place: int, year: int) -> Iterator[Remark]:
    numbers = [part.strip() for part in BETWEEN_NUMBERS.split(written) if part.strip()]
    right = [well_formed(number) for number in numbers]
    wrong = [number for number in numbers if not is_well_formed(number)]
    if wrong:
        whole = "、".join(right)
        known = all(map(is_well_formed, right))
        yield Remark(
            EntryField.BASIS_NUMBER,
            f"{quoted('、'.join(wrong))}的写法不规范：{'；'.join(_reasons(wrong[0]))}。",
            f"应写作“{whole}”。" if known else f"请照文件原样写，如 {EXAMPLES}。",
            place,
            (Fix(written, whole),) if known else (),
        )
    latest = max((int(found) for number in right for found in DATED.findall(number)), default=year)
    if latest > year:
        yield Remark(
            EntryField.BASIS_NUMBER,
            f"{quoted(written)}的年份 {latest} 还没有到。",
            "请核对文号的年份。",
            place,
        )


def _reasons(number: str) -> list[str]:
    """What is wrong with the way it is written, as far as it can be told."""
    squeezed = re.sub(r"\s+", "", number.translate(FULL_WIDTH))
    found = BRACKETED_YEAR.search(squeezed)
    reasons = []
    if found and found[1] + found[3] != "〔〕":
        reasons.append(f"年份应用六角括号〔〕，这里用的是“{found[1]} {found[3]}”")
    after_year = BRACKETED_YEAR.sub(r"〔\2〕", squeezed)
    if re.search(rf"〔{YEAR}〕第", after_year):
        reasons.append("序号前不加“第”字")
    if re.search(rf"〔{YEAR}〕第?0", after_year):
        reasons.append("序号不编虚位（1 不写作 01）")
    if re.search(r"\d$", squeezed):
        reasons.append("末尾缺“号”字")
    if not found and BARE_YEAR.fullmatch(squeezed) and not ORDER.fullmatch(squeezed):
        reasons.append("年份应括入六角括号〔〕")
    if ORDER.fullmatch(squeezed) and "第" not in squeezed:
        reasons.append("序号前缺“第”字")
    if squeezed != number and is_well_formed(squeezed):
        reasons.append("中间不应有空格或全角数字")
    return reasons or ["认不出是哪一种文号"]


def _attachments_named(answer: str) -> int:
    """The highest attachment that the answer names; 1 for one without a number."""
    numbers = [_number(found) for found in NUMBERED_ATTACHMENT.findall(answer)]
    return max(numbers, default=1 if NAMED_ATTACHMENT.search(answer) else 0)


def _number(written: str) -> int:
    return int(written) if written.isdecimal() else HAN_DIGITS.index(written)

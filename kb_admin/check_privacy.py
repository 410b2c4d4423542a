"""Numbers of people, not of offices: they must not stand in what agents read aloud."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from kb_admin.remarks import Remark
from models.values import EntryContent, EntryField

DIGITS = {ord("０") + n: str(n) for n in range(10)}
MOBILE = re.compile(r"(?<![\dA-Za-z.])(?:\+?86[- ]?)?(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})(?![\d.])")
"""Public numbers never look so: short codes (12345), fixed lines with an area code that begins with 0, 400 and 800."""
IDENTITY = re.compile(
    r"(?<![\dA-Za-z])([1-9]\d{5})((?:19|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\d{3})([\dXx])(?!\d)"
)
MOST_NUMBERS = 5
"""Named of one text; who has more knows by then."""
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
"""Both of GB 11643—1999: the weighted sum of the first 17 digits, modulo 11, names the last character."""


def number_remarks(content: EntryContent) -> Iterator[Remark]:
    """Mobile numbers and identity card numbers, each once for each part; most of it is covered in the message."""
    for field, place, text in _texts(content):
        plain = text.translate(DIGITS)
        for number in _distinct("".join(found.groups()) for found in MOBILE.finditer(plain)):
            yield Remark(
                field,
                f"“{number[:3]}****{number[-4:]}”像是个人手机号码。",
                "请改用单位的公开电话；确属对外公布的值班手机，请在提交时确认。",
                place,
            )
        for number in _distinct(found[0].upper() for found in IDENTITY.finditer(plain)):
            if is_identity(number):
                shown = f"{number[:6]}********{number[-4:]}"
                yield Remark(field, f"“{shown}”像是身份证号码。", "请删除，或改写成不指向个人的说明。", place)


def holds_numbers(text: str) -> bool:
    """Whether a text holds a mobile number or an identity card number."""
    plain = text.translate(DIGITS)
    return bool(MOBILE.search(plain)) or any(is_identity(found[0].upper()) for found in IDENTITY.finditer(plain))


def is_identity(number: str) -> bool:
    """Whether 18 characters carry the check character of an identity card."""
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11] == number[17]


def _distinct(numbers: Iterable[str]) -> Iterable[str]:
    """The first few, each once."""
    return islice(dict.fromkeys(numbers), MOST_NUMBERS)


def _texts(content: EntryContent) -> Iterator[tuple[EntryField, int, str]]:
    yield EntryField.QUESTION, 0, content.question
    for place, phrasing in enumerate(content.similar):
        yield EntryField.SIMILAR, place, phrasing
    yield EntryField.SPOKEN, 0, content.spoken
    yield EntryField.ANSWER, 0, content.answer
    yield EntryField.KEYWORDS, 0, "、".join(content.keywords)

"""How a source is written in a rulebook ("JY 9(1)3") and how people read it ("第九条（一）3")."""

import re

from kb_admin.rulebook import Source
from models.errors import Invalid

DEFAULT = "default"
DIGITS = "零一二三四五六七八九"
COMPACT = re.compile(r"(\d{1,3})((?:\(\d{1,2}\))*)((?:\d{1,2}(?:\(\d{1,2}\))*)?)")
"""Article, paragraphs in brackets, then a number and its own brackets: 4(3)1(2)."""
PLACE = re.compile(r"([A-Z][A-Z0-9]*) +(\S.*)")


def read_source(text: str, *, note: str) -> Source:
    """The source of a value that an article states. Raises Invalid unless it names a document and a place in it."""
    match = PLACE.fullmatch(text.strip())
    if match is None:
        raise Invalid(f"出处“{text}”看不懂，请写文件代号、空格和条款，如 JY 9(1)3；没有规定的写 default")
    places = match[2].split("、")
    return Source(document=match[1], article="、".join(map(article_words, places)), why=note)


def written_source(source: Source) -> str:
    """As a rulebook file writes it; ``read_source`` gives the same source again."""
    return DEFAULT if source.is_default else f"{source.document} {source.article}"


def article_words(place: str) -> str:
    """A place as people read it: 9(1)3 is 第九条（一）3, 4(3)1(2) is 第四条（三）1（2）. Anything else stays."""
    match = COMPACT.fullmatch(place.strip())
    if match is None:
        return place.strip()
    paragraphs = "".join(f"（{in_chinese(int(number))}）" for number in re.findall(r"\d+", match[2]))
    items = match[3].replace("(", "（").replace(")", "）")
    return f"第{in_chinese(int(match[1]))}条{paragraphs}{items}"


def in_chinese(number: int) -> str:
    """A number from 0 to 999 in Chinese figures, as articles are counted: 12 is 十二, 105 is 一百零五."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    if not hundreds:
        ten = f"{DIGITS[tens] if tens > 1 else ''}十" if tens else ""
        return ten + (DIGITS[ones] if ones or not tens else "")
    ten = f"{DIGITS[tens]}十" if tens else "零" if ones else ""
    return f"{DIGITS[hundreds]}百{ten}{DIGITS[ones] if ones else ''}"

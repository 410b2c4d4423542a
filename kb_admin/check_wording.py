"""How an answer is written: no wall of text, nothing twice (历城 art. 8(2)), no slips of the keyboard, fit keywords."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kb_admin.remarks import Fix, Remark, quoted
from models.values import EntryContent, EntryField

LONGEST_PARAGRAPH = 200
"""Characters: five lines of the answer card. Whoever is on the telephone cannot find a place in more."""
LONGEST_WITHOUT_HEADINGS = 400
"""Characters of an answer that nothing divides; folded by its headings a longer one is found in one glance."""
LONGEST_SPOKEN = 200
"""Characters: some fifty seconds read aloud."""
SHORTEST_REPEATED = 12
"""Characters of a sentence; shorter ones (法律另有规定的除外) may well stand twice."""
KEYWORD_SAID = 0.5
"""Share of a keyword's characters that the entry must hold. Another word for the same (换证 for 换发证书) keeps half of
them; a keyword of another entry, or a slip, keeps fewer."""
HEADING = re.compile(r"\s{0,3}#{1,6}\s")
ITEM = re.compile(
    r"\s*(?:[-*+]\s|\d{1,3}[.)、．]|[（(][一二三四五六七八九十\d]{1,3}[）)]|[一二三四五六七八九十]{1,3}、|[①-⑳])"
)
TABLE_ROW = re.compile(r"\s*\|")
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
SENTENCE_END = re.compile(r"[。！？；!?;\n|]+")

REPEATED_MARK = re.compile(r"([，。、；：！？])\1+")
MARKS_IN_CONFLICT = re.compile(r"[，、；：]([。！？])|([，、；])(?!\2)[，、；]")
HALF_WIDTH = re.compile(r"(?<=[\u4e00-\u9fff”》）])([,;?!:])(?=[\u4e00-\u9fff“《（])")
FULL_WIDTH_DIGITS = re.compile(r"[０-９]+")
WORD_TWICE = re.compile(r"(?<![目标])(的)的(?!确)|(是)是(?!非)|(在)在|(与)与|(及)及|(于)于|(请)请|(须)须|(应)应|(将)将")
WIDE = {",": "，", ";": "；", "?": "？", "!": "！", ":": "："}
ORDINAL_MARK = re.compile(r"(?:^|(?<=[\s。；;：，,、]))[0-9一二三四五六七八九十a-zA-Z]{1,3}[)）]", re.MULTILINE)
"""1）, 一） and a) stand before an item without an opening bracket."""
PAIRS = (("《", "》"), ("“", "”"), ("【", "】"), ("〔", "〕"), ("（", "）"))
MOST_SLIPS = 50
"""Of one text; who makes more mends them in several strokes."""
LEAD = 2
"""Characters of the line on each side that a mend takes along, so that it touches this place and no other like it."""


def layout_remarks(content: EntryContent) -> Iterator[Remark]:
    """避免多重复、文段式、篇幅式: long paragraphs, a long answer without headings, the same sentence twice."""
    text = content.answer
    long = [paragraph for paragraph in paragraphs(text) if len(paragraph) > LONGEST_PARAGRAPH]
    if long:
        more = f"，这样的段落共 {len(long)} 段" if len(long) > 1 else ""
        yield Remark(
            EntryField.ANSWER,
            f"有一段连续 {len(long[0])} 字（{quoted(long[0])}）{more}。",
            f"请按条件、材料、流程等分成小标题（行首写 ## ）或逐条列出，每段不超过 {LONGEST_PARAGRAPH} 字。",
        )
    elif len("".join(text.split())) > LONGEST_WITHOUT_HEADINGS and not any(map(HEADING.match, text.split("\n"))):
        yield Remark(
            EntryField.ANSWER,
            f"答案有 {len(''.join(text.split()))} 字而没有小标题。",
            "请加小标题，如行首写“## 材料”“## 流程”；话务员按小标题找到所问的部分。",
        )
    for sentence in _repeated(text):
        yield Remark(EntryField.ANSWER, f"{quoted(sentence)}写了两遍。", "请删去重复的一处。")
    if len(content.spoken) > LONGEST_SPOKEN:
        yield Remark(
            EntryField.SPOKEN,
            f"口径有 {len(content.spoken)} 字，念完要近一分钟。",
            f"请缩到 {LONGEST_SPOKEN} 字以内，细节放在答案里。",
        )


def paragraphs(markdown: str) -> list[str]:
    """The texts that stand in one piece on the card: paragraphs and items of lists, without marks; no tables."""
    found: list[list[str]] = []
    running = False
    for line in markdown.split("\n"):
        if not line.strip() or HEADING.match(line) or TABLE_ROW.match(line):
            running = False
            continue
        if not running or ITEM.match(line):
            found.append([])
        found[-1].append(_plain(line))
        running = True
    return ["".join(lines) for lines in found]


def slip_remarks(content: EntryContent) -> Iterator[Remark]:
    """Marks doubled, in conflict, half-width or without their partner; small words twice; each with its mend."""
    for text in _texts(content):
        slips = list(islice(_slips(text.value), MOST_SLIPS))
        if slips:
            shown = "、".join(f"“{slip.shown}”" for slip in slips[:3])
            more = f"等 {len(slips)} 处" if len(slips) > 3 else ""
            yield Remark(
                text.field,
                f"{shown}{more}{slips[0].reason}。",
                "请改正；或按“改正”由系统替换。",
                text.place,
                tuple(dict.fromkeys(slip.fix for slip in slips)),
            )
        for opening, closing in _without_partner(text.value):
            yield Remark(
                text.field,
                f"“{opening}”和“{closing}”不成对。",
                f"请补上或删去一个“{opening}”或“{closing}”。",
                text.place,
            )


def keyword_remarks(content: EntryContent) -> Iterator[Remark]:
    """Keywords by which nobody would look for this entry (梅州 art. 10)."""
    said = "".join((content.question, *content.similar, content.spoken, content.answer)).lower()
    strange = [word for word in content.keywords if _share_said(word.lower(), said) < KEYWORD_SAID]
    if strange:
        words = "、".join(f"“{word}”" for word in strange[:5])
        yield Remark(
            EntryField.KEYWORDS,
            f"关键字{words}与标准问、相似问法、口径和答案都对不上。",
            "请核对是否写错；群众的另一种说法请写成相似问法。",
        )
    short = [word for word in content.keywords if len(word) == 1]
    if short:
        yield Remark(EntryField.KEYWORDS, f"关键字“{'”“'.join(short)}”只有一个字。", "请写完整的词，如“社保卡”。")


@dataclass(frozen=True)
class _Text:
    field: EntryField
    place: int
    value: str


@dataclass(frozen=True)
class _Slip:
    shown: str
    reason: str
    fix: Fix


def _texts(content: EntryContent) -> Iterator[_Text]:
    yield _Text(EntryField.QUESTION, 0, content.question)
    for place, phrasing in enumerate(content.similar):
        yield _Text(EntryField.SIMILAR, place, phrasing)
    yield _Text(EntryField.SPOKEN, 0, content.spoken)
    yield _Text(EntryField.ANSWER, 0, content.answer)


def _slips(text: str) -> Iterator[_Slip]:
    for found in REPEATED_MARK.finditer(text):
        yield _slip(text, found, found[1], "标点重复")
    for found in MARKS_IN_CONFLICT.finditer(text):
        yield _slip(text, found, found[1] or found[0][-1], "标点相连")
    for found in HALF_WIDTH.finditer(text):
        yield _slip(text, found, WIDE[found[1]], "是半角标点，中文里用全角")
    for found in FULL_WIDTH_DIGITS.finditer(text):
        half = "".join(chr(ord(digit) - ord("０") + ord("0")) for digit in found[0])
        yield _slip(text, found, half, "是全角数字，应用半角")
    for found in WORD_TWICE.finditer(text):
        yield _slip(text, found, found[0][0], "多打了一个字")


def _slip(text: str, found: re.Match[str], right: str, reason: str) -> _Slip:
    before = text[max(0, found.start() - LEAD) : found.start()].rpartition("\n")[2]
    after = text[found.end() : found.end() + LEAD].partition("\n")[0]
    old = f"{before}{found[0]}{after}"
    return _Slip(old, reason, Fix(old, f"{before}{right}{after}"))


def _without_partner(text: str) -> Iterator[tuple[str, str]]:
    plain = ORDINAL_MARK.sub("", LINK.sub(r"\1", text)).replace("(", "（").replace(")", "）")
    for opening, closing in PAIRS:
        if plain.count(opening) != plain.count(closing):
            yield opening, closing


def _share_said(word: str, said: str) -> float:
    return sum(character in said for character in word) / max(1, len(word))


def _repeated(text: str) -> list[str]:
    """Sentences that stand more than once, in the order of the text."""
    sentences = [_plain(sentence) for sentence in SENTENCE_END.split(text)]
    counts = Counter(sentences)
    return [s for s, times in counts.items() if times > 1 and len(s) >= SHORTEST_REPEATED]


def _plain(line: str) -> str:
    return re.sub(r"[#*`>_~\s]+", "", ITEM.sub("", LINK.sub(r"\1", line), count=1))

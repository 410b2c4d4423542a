"""What use teaches: similar questions from confirmed answers, synonyms from questions asked anew in other words.

Pure. How a text is cut into words, and which words must be kept apart, comes from the edge (``Language``).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from kb_admin.check_privacy import holds_numbers
from kb_admin.personal_words import names_somebody

MINIMUM_ASKERS = 3
"""Different callers, or agents where the caller is not known: fewer may be one agent's habit, or one family."""
MINIMUM_CALLS = 3
"""Different calls in which the one word failed and the other led to the answer."""
LONGEST_SIMILAR = 60
"""Characters: a longer one tells a story, which no second caller tells alike."""
FEWEST_WORDS = 2
"""A phrasing of one word would claim all questions with it."""
SHORTEST_WORD, LONGEST_WORD = 2, 10
MOST_PIECES = 2
"""Words that stand for one: 社保 卡 for 社保卡."""
MOST_EVIDENCE = 50
"""Questions kept with a proposal, the newest."""
NEGATIONS = ("不", "未", "非", "无", "没")
OPPOSITES = frozenset(
    frozenset(pair)
    for pair in (
        *(
            "新旧",
            "上下",
            "大小",
            "男女",
            "有无",
            "买卖",
            "开关",
            "进出",
            "增减",
            "多少",
            "前后",
            "内外",
            "正副",
            "高低",
        ),
        *(
            "长短",
            "出入",
            "收支",
            "借还",
            "父母",
            "夫妻",
            "城乡",
            "公私",
            "生死",
            "存取",
            "停复",
            "升降",
            "早晚",
            "左右",
        ),
        *(
            "先后",
            "主次",
            "甲乙",
            "购售",
            "租售",
            "轻重",
            "单双",
            "初终",
            "始末",
            "婚离",
            "结离",
            "迁转",
            "挂解",
            "省市",
            "市县",
        ),
    )
)
"""Two words that differ in these characters alone are two things, however alike they look."""


@dataclass(frozen=True)
class Language:
    """How texts are compared, as search does it."""

    words: Callable[[str], tuple[str, ...]]
    """The words of a text that say what it is about, in order, folded; politeness and grammar left out."""
    fold: Callable[[str], str]
    """A text without what search does not tell apart."""
    apart: Callable[[str, str], bool]
    """Whether two words name kinds that exclude each other, or two places."""


@dataclass(frozen=True)
class Confirmed:
    """A question for which somebody said whether an entry answers it."""

    question_id: int
    text: str
    asker: str
    """The caller where known, else the agent."""
    entry_id: int
    right: bool
    at: datetime


@dataclass(frozen=True)
class Reworded:
    """Two questions of one call: the first led to nothing, the second to the entry."""

    call_id: int
    """Of its first question: one call is one occasion."""
    first_id: int
    first: str
    second_id: int
    second: str
    entry_id: int


@dataclass(frozen=True)
class SimilarQuestion:
    """A question that several have asked and that the entry has answered."""

    entry_id: int
    text: str
    support: int
    """Askers for whom it was right."""
    against: int
    question_ids: tuple[int, ...]


@dataclass(frozen=True)
class SynonymPair:
    """Callers say ``said`` where the base says ``meant``."""

    said: str
    meant: str
    support: int
    """Calls."""
    against: int
    """Calls in which another word led on from ``said``."""
    pairs: tuple[tuple[int, int], ...]
    """Ids of the two questions of each call."""


def similar_questions(confirmed: Iterable[Confirmed], language: Language) -> list[SimilarQuestion]:
    """Questions alike but for polite words are one; of each asker the last word counts. Best supported first.

    A question that is right for several entries is left alone, unless one of them has twice the others' support.
    """
    by_core: dict[tuple[str, ...], dict[int, list[Confirmed]]] = defaultdict(lambda: defaultdict(list))
    for one in confirmed:
        if is_fit(one.text) and len(core := core_of(one.text, language)) >= FEWEST_WORDS:
            by_core[core][one.entry_id].append(one)
    found = [best for entries in by_core.values() if (best := _clear_best(entries)) is not None]
    return sorted(found, key=lambda one: (-one.support, one.entry_id, one.text))


def is_fit(text: str) -> bool:
    """Whether a caller's words may be shown as an example: short, and nobody in them."""
    return len(text) <= LONGEST_SIMILAR and "\n" not in text and not holds_numbers(text) and not names_somebody(text)


def core_of(text: str, language: Language) -> tuple[str, ...]:
    """What a text is about, whatever the order and politeness."""
    return tuple(sorted(set(language.words(text))))


def synonym_pairs(
    reworded: Iterable[Reworded], said_by_entry: Mapping[int, str], language: Language
) -> list[SynonymPair]:
    """Pairs of words in which two questions differ, the second of which the entry says and the first it does not.

    ``said_by_entry``: all that each entry says, folded. Best supported first.
    """
    calls: dict[str, dict[str, dict[int, tuple[int, int]]]] = defaultdict(lambda: defaultdict(dict))
    for one in reworded:
        text = said_by_entry.get(one.entry_id, "")
        pair = differing_words(language.words(one.first), language.words(one.second))
        if pair is None or not (is_fit(one.first) and is_fit(one.second)):
            continue
        said, meant = pair
        if meant in text and said not in text and not must_stay_apart(said, meant, language):
            calls[said][meant].setdefault(one.call_id, (one.first_id, one.second_id))
    found = [
        SynonymPair(said, meant, len(seen), others, tuple(seen[call] for call in sorted(seen)[-MOST_EVIDENCE:]))
        for said, meanings in calls.items()
        for meant, seen in meanings.items()
        for others in [sum(len(other) for word, other in meanings.items() if word != meant)]
        if len(seen) >= MINIMUM_CALLS and len(seen) > others
    ]
    return sorted(found, key=lambda pair: (-pair.support, pair.said, pair.meant))


def differing_words(first: Sequence[str], second: Sequence[str]) -> tuple[str, str] | None:
    """The one place in which two questions differ, as (word, word); None when they differ otherwise or share nothing.

    >>> differing_words(("医保本", "丢失", "补办"), ("社保", "卡", "丢失", "补办"))
    ('医保本', '社保卡')
    """
    changes = [
        step for step in SequenceMatcher(None, first, second, autojunk=False).get_opcodes() if step[0] != "equal"
    ]
    if len(changes) != 1 or changes[0][0] != "replace":
        return None
    _, a, b, c, d = changes[0]
    alone = b - a == len(first) or d - c == len(second)
    if alone or b - a > MOST_PIECES or d - c > MOST_PIECES:
        return None
    said, meant = "".join(first[a:b]), "".join(second[c:d])
    return (said, meant) if _is_term(said) and _is_term(meant) else None


def must_stay_apart(one: str, other: str, language: Language) -> bool:
    """Whether two words look alike or stand in the same place and yet mean two things (一般/较重, 迁入/迁出)."""
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    if longer.removesuffix(shorter) in NEGATIONS:
        return True
    if len(one) == len(other):
        differing = [frozenset(pair) for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
        if len(differing) == 1 and differing[0] in OPPOSITES:
            return True
    return language.apart(one, other)


def _is_term(word: str) -> bool:
    return SHORTEST_WORD <= len(word) <= LONGEST_WORD and not any(c.isdigit() for c in word)


def _clear_best(entries: Mapping[int, Sequence[Confirmed]]) -> SimilarQuestion | None:
    """The entry that answers these questions, if enough askers say so and no other is nearly as good."""
    counted = {entry_id: _counted(entry_id, said) for entry_id, said in entries.items()}
    best = max(counted.values(), key=lambda one: (one.support, -one.against, -one.entry_id))
    others = max((one.support for one in counted.values() if one is not best), default=0)
    enough = best.support >= MINIMUM_ASKERS and best.support > best.against and best.support >= 2 * others
    return best if enough else None


def _counted(entry_id: int, said: Sequence[Confirmed]) -> SimilarQuestion:
    last: dict[str, Confirmed] = {}
    for one in sorted(said, key=lambda one: (one.at, one.question_id)):
        last[one.asker] = one
    right = [one for one in last.values() if one.right]
    wordings = Counter(one.text.strip() for one in right or said)
    text = min(wordings, key=lambda text: (-wordings[text], len(text), text))
    newest = sorted(one.question_id for one in last.values())[-MOST_EVIDENCE:]
    return SimilarQuestion(entry_id, text, len(right), len(last) - len(right), tuple(newest))

"""Who calls a played hotline, in which words: what the base holds, what it lacks, and what is no question at all."""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from benchmarks.robustness import changes
from benchmarks.suite import demonstration_corpus, demonstration_queries
from models.values import Choice

ZIPF = 0.9
"""The n-th most frequent matter is asked n^-0.9 times as often as the first."""
NEAR_MISS, CHAT = 0.05, 0.06
"""Of the calls, those that ask what no entry was ever written on, and those that ask nothing."""
TYPED_CHAT = 0.4
"""Of the latter, those whose words are typed into the search box all the same."""
SLIPS, POLITE, TOLD = 0.15, 0.2, 0.1
"""Of the questions as typed, those with a slip, with polite words, and told as a story."""
SLIP_VARIANTS = 2
"""Ways in which one question is misspelt by one kind of slip."""
MOST_TRIES = 3
"""Wordings of one matter that an agent has from one caller."""
FRAMES = ("您好，{}", "我想问一下，{}", "麻烦问下{}", "请问{}，谢谢", "你好帮我查查，{}")
STORIES = (
    "我前几天跑了一趟窗口，人家让我先打电话问清楚再去，我也没记住那位同志姓什么。{}",
    "家里老人身体不好，我平时又在外地上班，好不容易请了一天假回来办事。{}",
    "我在网上看了半天，说法都不一样，邻居也说不清楚，所以想打电话问个准。{}",
)
NO_QUESTIONS = (
    "喂，听得到吗",
    "你们上班真辛苦",
    "打错了不好意思",
    "我就是想反映一下",
    "刚才那个姑娘叫什么名字",
    "帮我转上次那位接线员",
    "我想表扬一下你们的工作人员",
    "今天天气怎么样",
    "没事了谢谢",
    "等一下我接个电话",
    "你是机器人还是人工",
    "我心里烦想找人说说话",
)
"""What callers say who ask for nothing that a base could hold."""


class IntentKind(Choice):
    MATTER = "matter", "事项"
    NEAR_MISS = "near_miss", "库中从未有过的事项"
    CHAT = "chat", "非咨询"


@dataclass(frozen=True)
class Intent:
    """What a caller wants, and how the agent would type it, one wording after the other."""

    kind: IntentKind
    codes: frozenset[str]
    """Entries that answer it, as they should be; none for what nothing answers."""
    about: str
    """The matter that it was drawn from; empty for who asks nothing."""
    texts: tuple[str, ...]
    """None where nothing is asked."""


class Callers:
    """Draws what callers want. Frequencies belong to matters, not to whether the base answers them."""

    def __init__(self, codes: Sequence[str], held_back: dict[str, str], rng: Random, *, zipf: float = ZIPF) -> None:
        """``held_back``: similar questions, by code, that the base does not hold. ``zipf``: see ``ZIPF``."""
        self._rng = rng
        self._asked = _by_matter(held_back)
        self._missed = _near_misses()
        self._matters = [code for code in codes if self._asked.get(code)]
        rng.shuffle(self._matters)
        self._weights = list(accumulate((n + 1) ** -zipf for n in range(len(self._matters))))
        self._slips = [change for _, change in changes(demonstration_corpus())[1:]]

    def next(self) -> Intent:
        """The next caller's wish."""
        dice = self._rng.random()
        if dice < CHAT:
            typed = self._rng.random() < TYPED_CHAT
            return Intent(IntentKind.CHAT, frozenset(), "", (self._rng.choice(NO_QUESTIONS),) if typed else ())
        code = self._matter()
        missed = self._missed.get(code)
        if dice < CHAT + NEAR_MISS and missed:
            return Intent(IntentKind.NEAR_MISS, frozenset(), code, (self._typed(self._rng.choice(missed)),))
        wordings = self._asked[code]
        text, codes = self._rng.choice(wordings)
        others = [other for other, answered in wordings if answered == codes and other != text]
        again = self._rng.sample(others, min(len(others), MOST_TRIES - 1))
        return Intent(IntentKind.MATTER, codes, code, tuple(map(self._typed, (text, *again))))

    def _matter(self) -> str:
        return self._matters[bisect(self._weights, self._rng.random() * self._weights[-1])]

    def _typed(self, text: str) -> str:
        """As it reaches the search box."""
        dice = self._rng.random()
        if dice < SLIPS:
            slip = self._rng.choice(self._slips)
            return slip(text, Random(f"{text}{self._rng.randrange(SLIP_VARIANTS)}"))
        if dice < SLIPS + POLITE:
            return self._rng.choice(FRAMES).format(text)
        if dice < SLIPS + POLITE + TOLD:
            return self._rng.choice(STORIES).format(text)
        return text


def _by_matter(held_back: dict[str, str]) -> dict[str, list[tuple[str, frozenset[str]]]]:
    """Wordings by matter, each with the entries that answer it."""
    found: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for query in demonstration_queries():
        if query.answerable and query.about in query.relevant:
            found.setdefault(query.about, []).append((query.text, query.relevant))
    for code, text in held_back.items():
        found.setdefault(code, []).append((text, frozenset((code,))))
    return found


def _near_misses() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query in demonstration_queries():
        if query.kind == "near_miss":
            found.setdefault(query.about, []).append(query.text)
    return found

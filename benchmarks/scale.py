"""A base of any size from real questions: what the engine's speed, memory and freshness are measured on.

Standard questions are the real ones of ``../shared/data`` as long as they last, then again with the name of a place;
similar ones are the same question told otherwise, or run together with a piece of another. Answers are put together
from sentences of real answers. The first ``n`` entries are the same for every size, so that vectors are encoded once.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from benchmarks.paraphrases import all_groups, all_texts
from models.values import Publicity
from retrieval.documents import Document

PHRASINGS = 5
"""Of each entry: the standard question and four similar ones."""
ASKED = 20_000
"""Real questions that are kept out of the base, each with another in it that people marked as the same."""
ANSWER = 70
"""Characters."""
UNITS = 200
SEED = 20_261_122
_DISTRICTS = ("东城", "西城", "南山", "北辰", "河东", "河西", "新城", "高新", "开发", "滨海", "城关", "龙泉")
_BEFORE = ("请问", "我想问一下", "咨询一下", "想了解", "麻烦问下", "你好，")
_AFTER = ("怎么办", "需要什么材料", "在哪里办", "要多少钱", "多久能好", "找哪个部门", "有什么规定", "谢谢")
_SENTENCE = re.compile(r"[^。！？\n]{8,60}[。！？]")


@dataclass(frozen=True)
class AskedQuestion:
    """A question and the entries (from 1) whose standard question was marked as the same."""

    text: str
    relevant: frozenset[int]


@dataclass(frozen=True)
class ScaleText:
    """The material; ``documents`` and ``questions`` are made from it."""

    titles: tuple[str, ...]
    sentences: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    """A question that is kept out, and the others of its group."""

    @classmethod
    def read(cls, data: Path) -> "ScaleText":
        """From the folder of development data. Raises OSError when it is not there."""
        groups = [tuple(dict.fromkeys(members)) for members in all_groups(data)]
        randomness = random.Random(SEED)
        paired = [members for members in groups if len(members) > 1]
        randomness.shuffle(paired)
        kept_out = tuple((members[-1], members[:-1]) for members in paired[:ASKED])
        asked = {text for text, _ in kept_out}
        titles = tuple(text for text in all_texts(data) if text not in asked and text.strip())
        sentences = tuple(dict.fromkeys(_sentences(data)))
        return cls(titles, sentences, kept_out)

    def documents(self, entries: int, *, first: int = 1) -> Iterator[Document]:
        """Entries ``first`` to ``first + entries - 1``; a fifth are internal, one in a hundred holds for 2020 alone."""
        for number in range(first, first + entries):
            yield self.document(number)

    def document(self, number: int) -> Document:
        """The entry with that number, from 1; the same in whatever order they are asked for."""
        randomness = random.Random(SEED + number)
        turn, place = divmod(number - 1, len(self.titles))
        title = self.titles[place]
        if turn:
            title = f"{_DISTRICTS[turn % len(_DISTRICTS)]}区第{turn}街道{title}"
        expired = number % 100 == 0
        return Document(
            entry_id=number,
            version_id=number,
            question=title,
            similar=self._similar(title, randomness),
            keywords=tuple(dict.fromkeys(re.findall(r"[一-鿿]{2,4}", title)))[:2],
            answer="".join(randomness.sample(self.sentences, 2))[:ANSWER],
            unit_id=1 + number % UNITS,
            publicity=Publicity.INTERNAL if number % 5 == 0 else Publicity.PUBLIC,
            valid_from=datetime(2020, 1, 1, tzinfo=UTC) if expired else None,
            valid_to=datetime(2021, 1, 1, tzinfo=UTC) if expired else None,
        )

    def questions(self, entries: int, most: int) -> list[AskedQuestion]:
        """Real questions with an answer among the first ``entries``, at most ``most``."""
        found = []
        for text, others in self.groups:
            relevant = frozenset(
                self._numbers[other]
                for other in others
                if self._numbers.get(other, entries + 1) <= entries and self._numbers[other] % 100
            )
            if relevant:
                found.append(AskedQuestion(text, relevant))
            if len(found) == most:
                break
        return found

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {title: number for number, title in enumerate(self.titles, 1)}

    def _similar(self, title: str, randomness: random.Random) -> tuple[str, ...]:
        other = randomness.choice(self.titles)
        bare = title.rstrip("？?。!！ ")
        return (
            f"{randomness.choice(_DISTRICTS)}区{bare}",
            f"{randomness.choice(_BEFORE)}{bare}{randomness.choice(_AFTER)}",
            f"{bare}，{other[: max(4, len(other) // 2)]}",
            f"{bare[len(bare) // 3 :] or bare}{randomness.choice(_AFTER)}{other[-4:]}",
        )


def texts_of(documents: Sequence[Document]) -> tuple[list[str], list[str]]:
    """All phrasings, and all answers, in the order of the documents."""
    return [p for document in documents for p in document.phrasings], [document.answer for document in documents]


def _sentences(data: Path) -> Iterator[str]:
    for name in ("gov_mailbox", "shenzhen_power_kb", "ncp_policy_qa"):
        with (data / name / "corpus.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield from _SENTENCE.findall(json.loads(line)["answer"][:2000])

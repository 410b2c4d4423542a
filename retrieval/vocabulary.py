"""Numbers of tokens: those of the base, kept in sorted tables that may lie on disk, and those seen since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.postings import Reading, Readings
from retrieval.texts import ANY_TEXT, TextColumn

REMEMBERED = 1 << 16
"""Answers of the tables that are kept at hand: most of what is asked for is asked for again."""


def text_key(text: str) -> int:
    """64 bits of a text; two of a million texts have the same once in 40 million bases."""
    return int.from_bytes(blake2b(text.encode("utf-8", ANY_TEXT), digest_size=8).digest(), "little")


def text_keys(texts: Iterable[str]) -> NDArray[np.uint64]:
    """``text_key`` of each."""
    return np.array([text_key(text) for text in texts], np.uint64)


@dataclass(frozen=True, eq=False)
class TokenTable:
    """Distinct tokens in the order of their numbers, from 0, found by the sorted keys of their texts."""

    tokens: TextColumn
    keys: NDArray[np.uint64]
    """In increasing order."""
    numbers: NDArray[np.int32]
    """The token of each key."""

    @classmethod
    def of(cls, tokens: Sequence[str]) -> "TokenTable":
        return cls._sorted(TextColumn.of(tokens), text_keys(tokens))

    @classmethod
    def joined(cls, tables: Sequence["TokenTable"]) -> "TokenTable":
        """Tokens of tables that hold none in common, one table after another."""
        rows = [np.arange(len(table), dtype=np.int64) for table in tables]
        every = np.arange(sum(map(len, tables)), dtype=np.int64)
        tokens = TextColumn.joined([(t.tokens, r) for t, r in zip(tables, rows, strict=True)], every)
        keys = np.empty(len(every), np.uint64)
        first = 0
        for table in tables:
            keys[first + table.numbers] = table.keys
            first += len(table)
        return cls._sorted(tokens, keys)

    @classmethod
    def _sorted(cls, tokens: TextColumn, keys: NDArray[np.uint64]) -> "TokenTable":
        order = np.argsort(keys, kind="stable")
        return cls(tokens, keys[order], order.astype(np.int32))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "TokenTable":
        return cls(TextColumn.of_arrays(arrays), arrays["keys"], arrays["numbers"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**self.tokens.arrays(), "keys": self.keys, "numbers": self.numbers}

    def __len__(self) -> int:
        return len(self.tokens)

    def find(self, token: str, key: int) -> int | None:
        """The token's number; texts are compared, so that another one with the same key is not taken for it."""
        place = int(np.searchsorted(self.keys, np.uint64(key)))
        while place < len(self.keys) and self.keys[place] == key:
            number = int(self.numbers[place])
            if self.tokens[number] == token:
                return number
            place += 1
        return None


class Vocabulary:
    """Tokens to numbers. Grows only; one writer at a time, readers any."""

    def __init__(self, parts: Sequence[TokenTable] = ()) -> None:
        """``parts``: the tokens of the base, numbered on from one table to the next."""
        self._parts = tuple(parts)
        self._firsts = np.cumsum([0, *map(len, parts)])
        self._base_size = int(self._firsts[-1])
        self._added: dict[str, int] = {}
        self._added_tokens: list[str] = []
        # Not a method: that would hold the files of a base that is no longer used until the collector comes by.
        self._in_base = lru_cache(REMEMBERED)(
            partial(_number_in, tuple(zip(self._firsts.tolist(), parts, strict=False)))
        )

    @classmethod
    def of_parts(cls, parts: Sequence[TokenTable]) -> "Vocabulary":
        return cls(parts)

    def extension(self) -> TokenTable:
        """The tokens that are not of the base: what a segment on disk carries."""
        return TokenTable.of(self._added_tokens)

    def number(self, token: str) -> int:
        """The token's number, given on first sight."""
        number = self.known(token)
        if number is None:
            number = len(self)
            self._added_tokens.append(token)
            self._added[token] = number
        return number

    def known(self, token: str) -> int | None:
        number = self._added.get(token)
        return self._in_base(token) if number is None and self._base_size else number

    def tokens(self, numbers: Iterable[int]) -> list[str]:
        """The tokens of the given numbers."""
        return [self._token(int(number)) for number in numbers]

    def readings(self, token: str) -> Readings:
        """The token as the only reading of itself; none when it was never seen."""
        term = self.known(token)
        return () if term is None else (Reading((term,)),)

    def __len__(self) -> int:
        return self._base_size + len(self._added_tokens)

    def _token(self, number: int) -> str:
        if number >= self._base_size:
            return self._added_tokens[number - self._base_size]
        part = int(np.searchsorted(self._firsts, number, side="right")) - 1
        return self._parts[part].tokens[number - int(self._firsts[part])]


def _number_in(tables: Sequence[tuple[int, TokenTable]], token: str) -> int | None:
    """The token's number in tables that are each numbered on from a first number; None when none holds it."""
    key = text_key(token)
    for first, table in tables:
        number = table.find(token, key)
        if number is not None:
            return first + number
    return None


@dataclass(frozen=True)
class Vocabularies:
    """Shared by all segments of one index."""

    words: Vocabulary
    pairs: Vocabulary

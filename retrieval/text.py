"""One spelling for matching: width, case, traditional characters and punctuation made alike."""

import re
import unicodedata
from functools import cache
from pathlib import Path

import opencc

from retrieval.numerals import in_digits

_NOT_A_WORD = re.compile(r"(?:[^\w%.]|_|\.(?!\d)|(?<!\d)\.)+")
"""Everything but letters, digits, ideographs, percent signs and decimal points."""


class Normalised(str):
    """A text of which ``normalise`` has nothing left to do; who reads one text many times spares it the work."""

    __slots__ = ()


def normalise(text: str) -> str:
    """NFKC, lower case, simplified characters, numbers in digits; punctuation becomes single spaces. Idempotent."""
    if isinstance(text, Normalised):
        return text
    simplified = to_simplified(unicodedata.normalize("NFKC", text)).lower()
    return in_digits(_NOT_A_WORD.sub(" ", unicodedata.normalize("NFKC", simplified)).strip())


def to_simplified(text: str) -> str:
    """Traditional characters to simplified ones, by OpenCC's t2s dictionaries."""
    if _traditional_characters().isdisjoint(text):
        return text
    return str(_converter().convert(text))


@cache
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@cache
def _traditional_characters() -> frozenset[str]:
    """Characters that OpenCC would change: most texts hold none, and looking is far faster than converting."""
    lines = (Path(opencc.__file__).parent / "dictionary" / "TSCharacters.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split("\t")[0] for line in lines if line and line.split("\t")[0] not in line.split("\t")[1])

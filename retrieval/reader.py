"""A stronger reader for the few best candidates: question and entry through one small BERT together (a cross-encoder).

Nogueira & Cho 2019, "Passage Re-ranking with BERT", arXiv:1901.04085. One file holds the int8 graph and its vocabulary,
made by ``python -m benchmarks.train_reader``; what it was trained on stands in ``weights/reader.md``. Pairs go through
alone, so that a pair has one value whatever else is read, and nothing is spent on padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from retrieval.encoder import one_thread

QUESTION_TOKENS = 44
TITLE_TOKENS = 36
WHOLE_TOKENS = 128
"""With [CLS] and three [SEP]; what is left after question and title is for the passage. It costs 6 ms on one core."""
TOKENIZER_KEY = "tokenizer.json"
"""Metadata of the file."""
PACKAGED = "reader.onnx"


class ReaderError(Exception):
    """The reader's file is missing or damaged; the message says what to do."""


class Pair(NamedTuple):
    """What is read of a question and an entry."""

    question: str
    title: str
    passage: str


@dataclass(frozen=True)
class Reader:
    """A loaded reader; any number of threads may use one."""

    _session: onnxruntime.InferenceSession
    _tokenizer: Tokenizer

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The reader in ``path``, or the one that comes with the product. Raises ReaderError."""
        file = path or Path(str(files("retrieval") / "weights" / PACKAGED))
        if not file.exists():
            raise ReaderError(f"没有精读模型文件 {file}。请放好该文件，或把 ZHIDA_READER 设为 false。")
        try:
            session = one_thread(file)
            tokenizer = Tokenizer.from_str(session.get_modelmeta().custom_metadata_map[TOKENIZER_KEY])
        except Exception as error:  # onnxruntime raises classes of its own, all of them plain Exceptions
            raise ReaderError(
                f"精读模型文件 {file} 已损坏（{error}）。请重新放置，或把 ZHIDA_READER 设为 false。"
            ) from error
        return cls(session, tokenizer)

    def read(self, pair: Pair) -> float:
        """How far the entry answers the question, as log odds; about 0 where one cannot say."""
        ids = np.array([self.token_ids(pair)], np.int64)
        (score,) = self._session.run(["score"], {"input_ids": ids})
        return float(score[0, 0])

    def token_ids(self, pair: Pair) -> list[int]:
        """[CLS] question [SEP] title [SEP] passage [SEP], each part cut to its length."""
        start, end = self._tokenizer.encode("", add_special_tokens=True).ids
        return joined([self._tokenizer.encode(part, add_special_tokens=False).ids for part in pair], start, end)


def joined(parts: Sequence[Sequence[int]], start: int, end: int) -> list[int]:
    """Token ids of question, title and passage as one input."""
    question, title, passage = parts
    ids = [start, *question[:QUESTION_TOKENS], end, *title[:TITLE_TOKENS], end]
    return [*ids, *passage[: WHOLE_TOKENS - 1 - len(ids)], end]

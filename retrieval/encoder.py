"""Text in, unit vectors out: one sentence model, run by onnxruntime on the CPU.

Each text goes through the model alone. Int8 scales are taken from whatever runs together, so in a batch of
32 a number in a vector moved by up to .017 with its neighbours; alone, one text has one vector in any process
and any order of import, and nothing is spent on padding. Milliseconds a text on one core (AMD EPYC with VNNI,
M3E-small; a query is 22 tokens with [CLS] and [SEP]) and the lowest cosine to float32 over 140 questions:

    form of the model                    query  in 32s   128 tokens  in 8s    cosine  size
    float32                               4.0    2.6      17.0       16.1      1       95 MB
    int8, scale per text (chosen)         1.0    0.9       5.9        6.2      .997    25 MB
    int8, scale per token                 1.2    1.2       7.0        7.5      .998    25 MB
    int8 weights in blocks of 32          2.4    2.3      14.0       13.8      .9998   26 MB
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from retrieval.model_files import MODEL_FILE, TOKENIZER_FILE, Manifest, verify

# [CLS], one token of text, [SEP].
FEWEST_TOKENS = 3


@dataclass(frozen=True)
class Encoder:
    """A loaded model; any number of threads may use one."""

    name: str
    licence: str
    dimension: int
    max_length: int
    fingerprint: str
    _session: onnxruntime.InferenceSession
    _tokenizer: Tokenizer
    _threads: int

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> "Encoder":
        """The model in a folder made by model_files.fetch; threads is how many texts are encoded at a time.

        Raises ModelError when a file is missing or is not the one in the manifest.
        """
        manifest = verify(folder)
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(
            name=manifest.name,
            licence=manifest.licence,
            dimension=manifest.dimension,
            max_length=manifest.max_length,
            fingerprint=fingerprint(manifest),
            _session=one_thread(folder / MODEL_FILE),
            _tokenizer=tokenizer,
            _threads=threads,
        )

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None) -> np.ndarray:
        """float32 (n, dimension), each row of length 1; their dot product is the cosine.

        A text longer than max_tokens (the model's max_length when None), [CLS] and [SEP] included, is cut.
        """
        longest = self.max_length if max_tokens is None else min(max_tokens, self.max_length)
        if longest < FEWEST_TOKENS:
            raise ValueError(f"max_tokens={max_tokens}: at least {FEWEST_TOKENS} are needed")
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)

        def encode_one(row: int) -> None:
            vectors[row] = self._encode_one(texts[row], longest)

        if self._threads == 1 or len(texts) == 1:
            for row in range(len(texts)):
                encode_one(row)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(encode_one, range(len(texts))))
        return vectors

    def _encode_one(self, text: str, longest: int) -> np.ndarray:
        ids = self._tokenizer.encode(text).ids
        if len(ids) > longest:
            ids = [*ids[: longest - 1], ids[-1]]
        (sentence,) = self._session.run(["sentence"], {"input_ids": np.array([ids], dtype=np.int64)})
        return np.asarray(sentence[0])


def fingerprint(manifest: Manifest) -> str:
    """Changes with anything that changes a vector; an index made under another one must not be searched."""
    decisive = [
        manifest.sha256[MODEL_FILE],
        manifest.sha256[TOKENIZER_FILE],
        manifest.pooling,
        manifest.max_length,
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def one_thread(model: Path) -> onnxruntime.InferenceSession:
    """A model that runs in one thread: sums are then taken in one order, and texts are what runs side by side."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

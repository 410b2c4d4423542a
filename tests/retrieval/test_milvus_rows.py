"""How documents lie in Milvus: every one fits, and is read back as it was written."""

import random

import pytest

from retrieval.documents import Document
from retrieval.milvus_rows import PAYLOAD_BYTES, packed, unpacked

FIRST, LAST = 0x4E00, 0x9FA5
"""Chinese characters."""


def letters(count: int) -> str:
    """Text that nothing compresses much."""
    chosen = random.Random(count)
    return "".join(chr(chosen.randrange(FIRST, LAST)) for _ in range(count))


@pytest.mark.parametrize(
    "long",
    [
        Document(1, 2, "社保卡丢了怎么办", answer=letters(200_000)),
        Document(1, 2, "社保卡丢了怎么办", similar=tuple(map(letters, range(400, 500))), answer=letters(50)),
    ],
    ids=["answer", "similar questions"],
)
def test_what_is_too_long_is_shortened_until_it_fits(long: Document) -> None:
    payload = packed(long)
    assert len(payload.encode()) <= PAYLOAD_BYTES
    kept = unpacked(payload)
    assert packed(kept) == payload
    assert (kept.question, len(kept.similar)) == (long.question, len(long.similar))

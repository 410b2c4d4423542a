"""Entries kept after they were fetched: what a search asked for comes, and no older state of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retrieval.documents import Document
from retrieval.fetched import FetchedEntries
from retrieval.tokens import shipped_tokeniser
from retrieval.vocabulary import Vocabularies, Vocabulary


@dataclass(frozen=True)
class Card:
    """An entry elsewhere, without vectors."""

    document: Document
    stamp: str
    phrase_vectors: None = None
    answer_vector: None = None


class Elsewhere:
    """Holds every entry in the same state."""

    def __init__(self) -> None:
        self.stamp = "first"
        self.torn = False
        self.meanwhile: Callable[[], None] = lambda: None

    def read(self, entry_ids: Sequence[int]) -> list[Card]:
        self.meanwhile()
        found = [Document(entry_id=i, version_id=i, question=f"第{i}种社保卡丢了") for i in entry_ids]
        return [] if self.torn else [Card(document, self.stamp) for document in found]


def held(elsewhere: Elsewhere) -> tuple[FetchedEntries, Callable[..., list[int]]]:
    entries = FetchedEntries(Vocabularies(Vocabulary(), Vocabulary()), elsewhere.read)

    def ids(**stamps: str) -> list[int]:
        wanted = {int(name.removeprefix("e")): stamp for name, stamp in stamps.items()}
        found = entries.parts(wanted, shipped_tokeniser())
        return sorted(int(part.segment.columns.entry_ids[row]) for part, rows in found for row in rows)

    return entries, ids


def test_what_is_let_go_while_others_are_fetched_is_still_there_for_who_asked() -> None:
    elsewhere = Elsewhere()
    entries, ids = held(elsewhere)
    assert ids(e1="first", e2="first") == [1, 2]
    elsewhere.meanwhile = entries.forget
    assert ids(e1="first", e2="first", e3="first") == [1, 2, 3]


def test_an_entry_that_is_just_being_written_does_not_come_in_its_older_state() -> None:
    elsewhere = Elsewhere()
    _, ids = held(elsewhere)
    assert ids(e1="first", e2="first") == [1, 2]
    elsewhere.torn = True
    assert ids(e1="second", e2="first") == [2]
    elsewhere.torn, elsewhere.stamp = False, "second"
    assert ids(e1="second", e2="first") == [1, 2]

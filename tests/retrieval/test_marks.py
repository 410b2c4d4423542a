"""What a text asks about and speaks of is found word by word, however the words are looked for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.marks import MarkedWords, asked_aspects, aspects, contrasts, held_aspects, kind_table, kinds_named
from retrieval.text import Normalised, normalise

_WORDS = [word for aspect in aspects() for word in (*aspect.asked, *aspect.held)]
_WORDS += [word for _, kinds in contrasts() for kind in kinds for word in kind]
TEXTS = st.lists(st.sampled_from(_WORDS) | st.text("费用材料职工居民1", max_size=3), max_size=8).map("".join)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_every_word_that_stands_in_a_text_counts_and_no_other(text: str) -> None:
    for found, words in ((asked_aspects(text), "asked"), (held_aspects(text), "held")):
        for i, aspect in enumerate(aspects()):
            assert bool(found >> i & 1) == any(word in text for word in getattr(aspect, words))
    named = kinds_named(text)
    assert len(named) == len(contrasts())
    for bits, (_, kinds) in zip(named, contrasts(), strict=True):
        assert [bool(bits >> i & 1) for i in range(len(kinds))] == [any(w in text for w in kind) for kind in kinds]
        assert bits >> len(kinds) == 0
    assert kind_table([text]).tolist() == [list(named)]


def test_words_may_overlap_and_begin_alike() -> None:
    words = MarkedWords([("公积金", 1), ("公积", 2), ("积金", 4), ("社保", 8)])
    assert words.bits_in("住房公积金") == 1 | 2 | 4
    assert words.bits_in("公积") == 2
    assert words.bits_in("") == 0


@given(st.text(max_size=30))
def test_a_normalised_text_stays_as_it_is(text: str) -> None:
    once = Normalised(normalise(text))
    assert normalise(once) is once
    assert normalise(str(once)) == once

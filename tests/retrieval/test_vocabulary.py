"""Numbers of tokens stay what they are when the base takes over what a process has added."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval import vocabulary
from retrieval.vocabulary import TokenTable, Vocabulary, text_key

TOKENS = st.lists(st.text("甲乙丙丁ab", min_size=1, max_size=2), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(TOKENS, max_size=4), TOKENS)
def test_a_vocabulary_in_parts_is_the_same_as_one_that_grew(batches: list[list[str]], asked: list[str]) -> None:
    grown = Vocabulary()
    parts: list[TokenTable] = []
    for batch in batches:
        extended = Vocabulary.of_parts(parts)
        assert [extended.number(token) for token in batch] == [grown.number(token) for token in batch]
        parts.append(TokenTable.of_arrays(extended.extension().arrays()))
    for layout in (parts, [TokenTable.joined(parts)], [*parts[:1], TokenTable.joined(parts[1:])]):
        held = Vocabulary.of_parts(layout)
        assert len(held) == len(grown)
        assert held.tokens(range(len(held))) == grown.tokens(range(len(grown)))
        assert [held.known(token) for token in asked] == [grown.known(token) for token in asked]
        assert [held.readings(token) for token in asked] == [grown.readings(token) for token in asked]


def test_a_token_that_was_looked_for_in_vain_is_known_once_it_is_there() -> None:
    base = Vocabulary()
    base.number("公积金")
    held = Vocabulary.of_parts([base.extension()])
    assert held.known("社保") is None
    assert held.number("社保") == 1
    assert held.known("社保") == 1
    assert held.tokens([1, 0]) == ["社保", "公积金"]


def test_tokens_with_the_same_key_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "text_key", lambda token: text_key(token) % 3)
    tokens = [str(number) for number in range(40)]
    held = Vocabulary.of_parts([TokenTable.of(tokens)])
    assert [held.known(token) for token in tokens] == list(range(40))
    assert held.known("40") is None

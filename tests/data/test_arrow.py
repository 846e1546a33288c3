"""Sentences in columns: the same as the list they came from, and counted as the list would be."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.data import arrow
from tagger.data.arrow import BOUNDARY, ArrowSentences
from tagger.sentence import Sentence

strings = st.sampled_from(["a", "b", "", "\u00e9\0", "\U0001f600", "\udce9"]) | st.text(max_size=3)


@st.composite
def any_sentences(draw: st.DrawFn) -> Sentence:
    """With and without tags, source and offsets; empty ones too."""
    size = draw(st.integers(0, 4))

    def column(elements: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
        return st.lists(elements, min_size=size, max_size=size).map(tuple)

    pairs = st.tuples(st.integers(0, 2**40), st.integers(0, 2**40))
    return Sentence(
        tokens=draw(column(strings)),  # type: ignore[arg-type]
        tags=draw(st.none() | column(strings)),  # type: ignore[arg-type]
        source=draw(st.none() | strings),
        offsets=draw(st.none() | column(pairs)),  # type: ignore[arg-type]
    )


lists = st.lists(any_sentences(), max_size=8)


@pytest.fixture(autouse=True, params=[1, 5], ids=["small", "larger"])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few sentences are several chunks and blocks."""
    monkeypatch.setattr(arrow, "_CHUNK", request.param)
    monkeypatch.setattr(arrow, "_BLOCK", request.param)


class TestSequence:
    @given(lists)
    def test_is_the_list_it_came_from(self, sentences: list[Sentence]) -> None:
        held = ArrowSentences(iter(sentences))
        assert len(held) == len(sentences)
        assert list(held) == sentences
        assert [held[at] for at in range(-len(sentences), len(sentences))] == sentences * 2
        assert (held[1:-1], held[::-2]) == (sentences[1:-1], sentences[::-2])
        assert held.lengths.tolist() == [len(sentence) for sentence in sentences]
        assert bool(held) == bool(sentences)
        for index in (len(sentences), -len(sentences) - 1):
            with pytest.raises(IndexError):
                held[index]

    def test_equal_strings_are_held_once(self) -> None:
        sentences = [Sentence(tokens=("a", "b"), tags=("X", "X")), Sentence(tokens=("b",), tags=("Y",))]
        held = ArrowSentences(sentences)
        assert (held.tokens.values, held.tokens.codes.tolist()) == (("a", "b"), [0, 1, 1])
        assert (held.tags.values, held.tags.codes.tolist()) == (("X", "Y"), [0, 0, 1])
        assert held.tokens.codes.dtype == held.tags.codes.dtype == np.int32
        assert held[0].tokens[1] is held[1].tokens[0]


class TestCounts:
    @given(lists)
    def test_of_strings(self, sentences: list[Sentence]) -> None:
        held = ArrowSentences(sentences)
        assert held.tokens.count() == Counter(token for each in sentences for token in each.tokens)
        assert held.tags.count() == Counter(tag for each in sentences for tag in each.tags or ())
        assert held.tags.count()["not there"] == 0

    @given(lists)
    def test_of_transitions(self, sentences: list[Sentence]) -> None:
        expected = Counter(
            pair
            for each in sentences
            if each.tags is not None or not each.tokens
            for pair in pairwise((None, *(each.tags or ()), None))
        )
        assert ArrowSentences(sentences).count_transitions() == expected

    @given(lists)
    def test_blocks_are_the_tags(self, sentences: list[Sentence]) -> None:
        held = ArrowSentences(sentences)
        tokens, codes = [], []
        for stretch, block in held.tag_blocks():
            tokens += range(len(held.tags.codes))[stretch]
            assert block[0] == block[-1] == BOUNDARY
            codes += block[1:].tolist()
        assert tokens == list(range(len(held.tags.codes)))
        expected = []
        for start, end in pairwise(held.starts):
            expected += [*held.tags.codes[start:end].tolist(), BOUNDARY]
        assert codes == expected

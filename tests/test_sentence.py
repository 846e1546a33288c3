"""Sentence: tuples whatever sequences it is given, and no string where a sequence belongs."""

from typing import Any

import pytest

from tagger.evaluation.builder import build_report
from tagger.sentence import Prediction, Sentence


class TestSentence:
    def test_any_sequence_becomes_a_tuple(self) -> None:
        tokens, tags, offsets = ["Oslo", "."], ["B-LOC", "O"], [(0, 4), (4, 5)]
        sentence = Sentence(tokens=tokens, tags=tags, offsets=offsets)  # type: ignore[arg-type]
        assert (sentence.tokens, sentence.tags, sentence.offsets) == (("Oslo", "."), ("B-LOC", "O"), ((0, 4), (4, 5)))
        assert sentence == Sentence(tokens=tuple(tokens), tags=tuple(tags), offsets=tuple(offsets))
        assert hash(sentence) == hash(Sentence(tokens=tuple(tokens), tags=tuple(tags), offsets=tuple(offsets)))

    def test_lists_compare_with_predictions(self) -> None:
        gold = Sentence(tokens=["Oslo"], tags=["B-LOC"])  # type: ignore[arg-type]
        predicted = Prediction(tokens=("Oslo",), tags=("B-LOC",), spans=(), confidence=(1.0,))
        assert build_report([gold], [predicted], title="T", split="test", scheme="BIO").scores.main == 1.0

    @pytest.mark.parametrize(
        "given", [{"tokens": "Oslo"}, {"tokens": ("O",), "tags": "O"}, {"tokens": ["O"], "offsets": "x"}]
    )
    def test_one_string_is_no_sequence(self, given: dict[str, Any]) -> None:
        name = list(given)[-1]
        with pytest.raises(TypeError, match=rf"^{name} are a sequence of .*, not one string: '{given[name]}'$"):
            Sentence(**given)

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(ValueError, match="1 tokens but 2 tags"):
            Sentence(tokens=["a"], tags=["O", "O"])  # type: ignore[arg-type]

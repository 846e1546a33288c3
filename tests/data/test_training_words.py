"""How often train holds a word, and how many labels it gives it."""

from dataclasses import replace

import pytest

from tagger.config import AffixesConfig, CharactersConfig, WordsConfig
from tagger.data.training_words import count_labels, find_labels, training_words
from tagger.data.vocab import Vocabulary
from tagger.sentence import Sentence


def sentence(tokens: str, tags: str) -> Sentence:
    return Sentence(tokens=tuple(tokens.split()), tags=tuple(tags.split()))


def build(*, min_count: int = 1, lowercase: bool = True) -> Vocabulary:
    labels = find_labels([sentence("The the saw a Saw", "D P V D N")], scheme="plain", unknown=None)
    return Vocabulary.build(
        {"The": 1, "the": 1, "saw": 1, "a": 1, "Saw": 1},
        tags=["D", "N", "P", "V"],
        extra_words=["pretrained"],
        words=WordsConfig(min_count=min_count, lowercase=lowercase),
        characters=CharactersConfig(),
        affixes=AffixesConfig(),
        labels=labels,
    )


def test_counts_and_labels_of_words_as_the_vocabulary_spells_them() -> None:
    found = training_words(build(), ["THE", "saw", "a", "new", "pretrained"])
    assert found == {"THE": (2, 2), "saw": (2, 2), "a": (1, 1), "new": (0, 0), "pretrained": (0, 0)}
    assert training_words(build(lowercase=False), ["THE", "the"]) == {"THE": (0, 0), "the": (1, 1)}


def test_a_word_that_is_too_rare_counts_as_unknown() -> None:
    assert training_words(build(min_count=2), ["the", "a"]) == {"the": (2, 2), "a": (0, 0)}


def test_models_of_earlier_versions_do_not_say() -> None:
    assert training_words(replace(build(), word_counts=(), word_labels=()), ["the"]) is None


def test_labels_are_types_whatever_their_prefix() -> None:
    sentences = [sentence("a a a b c", "B-X I-X O B-O ?")]
    labels = find_labels(sentences, scheme="BIO", unknown="?")
    assert {word: len(found) for word, found in labels.items()} == {"a": 2, "b": 1}
    assert labels["b"] != {"O"}  # a type that is called O is not outside
    assert count_labels(["a", "b", "z"], labels, lowercase=True) == (2, 1, 0)


@pytest.mark.parametrize("wrong", [(1,), (1, 2, -1), (1, 2, 1.5), [1, 2, 3], ("a", "b", "c")])
@pytest.mark.parametrize("name", ["word_counts", "word_labels"])
def test_what_is_not_a_number_for_each_word_is_refused(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=name):
        replace(build(), **{name: wrong})  # type: ignore[arg-type]

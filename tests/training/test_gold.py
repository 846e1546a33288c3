"""Gold as the network spells it, where some of it is unknown, and what mistakes cost."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.config import Config, DataConfig, ModelConfig
from tagger.data.corpus import Corpus
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError
from tagger.schemes import convert_tags, is_plain, split_tag, tags_of_types
from tagger.sentence import Sentence
from tagger.training.gold import cost_of_tags, encode_gold
from tests.strategies import SPAN_SCHEMES, tag_sequences


def make(
    sentences: Sequence[str], *, scheme: str = "BIO", unknown: str | None = "_", costs: dict[str, float] | None = None
) -> tuple[Config, Corpus, Vocabulary]:
    """A corpus of sentences given by their tags, over the types X and Y or the plain tags N and V."""
    config = Config(
        data=DataConfig(scheme=scheme, unknown_tag=unknown),  # type: ignore[arg-type]
        model=ModelConfig(encoding="BIOES", label_costs=costs),
    )
    train = [Sentence(tokens=("a",) * len(tags.split()), tags=tuple(tags.split())) for tags in sentences]
    labels = ("N", "V") if is_plain(scheme) else ("X", "Y")
    features = config.features
    vocabulary = Vocabulary.build(
        {"a": 1},
        tags=labels if is_plain(scheme) else tuple(tags_of_types(labels, "BIOES")),
        extra_words=(),
        words=features.words,
        characters=features.characters,
        affixes=features.affixes,
    )
    return config, Corpus(train=train, dev=(), test=(), labels=labels, scheme=scheme), vocabulary


def spelled(vocabulary: Vocabulary, flags: np.ndarray) -> list[str]:
    """For each token the tags that agree with gold, one blank between them."""
    return [" ".join(tag for tag, flag in zip(vocabulary.tags, row, strict=True) if flag) for row in flags]


class TestEncodeGold:
    @pytest.mark.parametrize(
        ("scheme", "tags", "expected"),
        [
            ("BIO", "B-X I-X O B-Y", ["B-X", "E-X", "O", "S-Y"]),
            ("BIO", "O I-X", ["O", "S-X"]),  # illegal: by conlleval's rule
            ("IOB1", "I-X B-X I-X", ["S-X", "B-X", "E-X"]),
            ("IO", "I-X I-X O", ["B-X", "E-X", "O"]),
            ("plain", "N V", ["N", "V"]),
        ],
    )
    @pytest.mark.parametrize("unknown", [None, "_"])
    def test_where_all_is_known(self, scheme: str, tags: str, expected: list[str], unknown: str | None) -> None:
        """Whether the config knows of unknown tags or not."""
        config, corpus, vocabulary = make([tags, ""], scheme=scheme, unknown=unknown)
        (ids, empty), allowed = encode_gold(config, corpus, vocabulary)
        assert [vocabulary.tags[number] for number in ids] == expected
        assert (ids.dtype, empty.dtype, empty.shape) == (np.int32, np.int32, (0,))
        if unknown is None:
            assert allowed is None
        else:
            assert allowed is not None
            assert spelled(vocabulary, allowed[0]) == expected
            assert allowed[1].shape == (0, len(vocabulary.tags))

    @pytest.mark.parametrize(
        ("scheme", "tags", "expected"),
        [
            ("BIO", "B-X _", ["B-X S-X", "O E-X I-X S-X B-X B-Y S-Y"]),
            ("BIO", "_ I-X", ["B-X I-X", "E-X"]),
            ("BIO", "_ O", ["O S-X S-Y", "O"]),
            ("plain", "N _", ["N", "N V"]),
        ],
    )
    def test_what_agrees(self, scheme: str, tags: str, expected: list[str]) -> None:
        config, corpus, vocabulary = make([tags], scheme=scheme)
        (ids,), allowed = encode_gold(config, corpus, vocabulary)
        assert allowed is not None
        assert all(flags[number] for flags, number in zip(allowed[0], ids, strict=True))
        # at the sentence's ends no span is left open
        legal = [set(tags.split()) for tags in expected]
        if scheme != "plain":
            legal[0] -= {"I-X", "E-X", "I-Y", "E-Y"}
            legal[-1] -= {"B-X", "I-X", "B-Y", "I-Y"}
        assert [set(tags.split()) for tags in spelled(vocabulary, allowed[0])] == legal

    def test_nothing_known(self) -> None:
        config, corpus, vocabulary = make(["_", "_ _ _"])
        _, allowed = encode_gold(config, corpus, vocabulary)
        assert allowed is not None
        assert set(spelled(vocabulary, allowed[0])[0].split()) == {"O", "S-X", "S-Y"}
        assert allowed[1][1].all()

    def test_a_tag_that_means_unknown_by_declaration(self) -> None:
        config, corpus, vocabulary = make(["V N"], scheme="plain", unknown="V")
        _, allowed = encode_gold(config, corpus, vocabulary)
        assert allowed is not None
        assert spelled(vocabulary, allowed[0]) == ["N V", "N"]


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@pytest.mark.parametrize("encoding", SPAN_SCHEMES)
@settings(max_examples=15)
@given(data=st.data())
def test_gold_is_each_sentence_respelled(scheme: str, encoding: str, data: st.DataObject) -> None:
    """By its neighbours alone, and in small blocks: the same as whole sentences, legal or not."""
    sentences = data.draw(st.lists(tag_sequences(scheme), max_size=6))
    config, corpus, vocabulary = make([], scheme=scheme, unknown=None)
    config = replace(config, model=replace(config.model, encoding=encoding))
    train = [Sentence(tokens=tuple(tags), tags=tuple(tags)) for tags in sentences]
    labels = sorted({split_tag(tag, scheme)[1] for tags in sentences for tag in tags if tag != "O"})
    vocabulary = replace(vocabulary, tags=tuple(tags_of_types(labels, encoding)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tagger.data.arrow._BLOCK", data.draw(st.integers(1, 20)))
        ids, _ = encode_gold(config, replace(corpus, train=train), vocabulary)  # type: ignore[arg-type]
    found = [[vocabulary.tags[number] for number in each] for each in ids]
    assert found == [convert_tags(tags, scheme, encoding) for tags in sentences]


class TestCostOfTags:
    @pytest.mark.parametrize("costs", [None, {}])
    def test_none(self, costs: dict[str, float] | None) -> None:
        config, _, vocabulary = make([], costs=costs)
        assert cost_of_tags(config, vocabulary) is None

    def test_all_tags_of_a_label_cost_the_same(self) -> None:
        config, _, vocabulary = make([], costs={"Y": 2.0, "O": 0.5})
        costs = cost_of_tags(config, vocabulary)
        assert costs is not None
        found = dict(zip(vocabulary.tags, costs.tolist(), strict=True))
        assert found == {tag: 0.5 if tag == "O" else 2.0 if tag.endswith("Y") else 0.0 for tag in vocabulary.tags}

    def test_plain_tags(self) -> None:
        config, _, vocabulary = make([], scheme="plain", costs={"V": 1})
        costs = cost_of_tags(config, vocabulary)
        assert costs is not None
        assert costs.dtype == torch.float32
        assert costs.tolist() == [0.0, 1.0]

    @pytest.mark.parametrize(
        ("scheme", "label", "known"), [("BIO", "Z", "O, X, Y"), ("BIO", "B-X", "O, X, Y"), ("plain", "O", "N, V")]
    )
    def test_an_unknown_label_names_those_there_are(self, scheme: str, label: str, known: str) -> None:
        config, _, vocabulary = make([], scheme=scheme, costs={label: 1.0})
        with pytest.raises(ConfigError, match=f"^model.label_costs: train has no label '{label}': it has {known}$"):
            cost_of_tags(config, vocabulary)

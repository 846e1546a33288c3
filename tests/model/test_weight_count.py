"""The count of weights is that of the network, whatever the config."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import AffixesConfig, CharactersConfig, FeaturesConfig, ModelConfig, WordsConfig
from tagger.model.network import Sizes, build_network
from tagger.model.weight_count import count_weights

SMALL = st.integers(1, 7)


@given(
    words=st.builds(WordsConfig, dim=st.integers(0, 7), freeze=st.booleans()),
    characters=st.builds(
        CharactersConfig,
        kind=st.sampled_from(["cnn", "lstm", "none"]),
        dim=SMALL,
        hidden_dim=SMALL,
        kernel_size=st.sampled_from([1, 3]),
        bidirectional=st.booleans(),
    ),
    affixes=st.builds(AffixesConfig, dim=SMALL, num_buckets=SMALL),
    model=st.builds(
        ModelConfig,
        hidden_dim=st.integers(3, 6),
        num_layers=st.integers(1, 3),
        bias=st.booleans(),
        bidirectional=st.booleans(),
        proj_size=st.integers(0, 2),
        layers=st.sampled_from(["last", "mix"]),
        head=st.sampled_from(["softmax", "crf"]),
    ),
    sizes=st.builds(Sizes, num_words=SMALL, num_characters=SMALL, num_affixes=SMALL, num_tags=SMALL, table=st.none()),
)
def test_counts_every_weight(words: Any, characters: Any, affixes: Any, model: Any, sizes: Any) -> None:
    features = FeaturesConfig(words=words, characters=characters, affixes=affixes)
    network = build_network(features, model, sizes)
    counts = count_weights(features, model, sizes)
    assert sum(counts.values()) == sum(weight.numel() for weight in network.state_dict().values())
    assert all(weight.dtype == torch.float32 for weight in network.state_dict().values())


def test_counts_without_building() -> None:
    features = FeaturesConfig(words=WordsConfig(dim=100_000))
    sizes = Sizes(num_words=10**9, num_characters=10**9, num_affixes=9, num_tags=5)
    assert count_weights(features, ModelConfig(), sizes)["features.words.dim"] == 10**14

"""How many weights a network has, counted before any memory is taken for it."""

from tagger.config import FeaturesConfig, ModelConfig
from tagger.model.network import Sizes


def count_weights(features: FeaturesConfig, model: ModelConfig, sizes: Sizes) -> dict[str, int]:
    """Counts the weights of the network that `build_network` would build.

    Args:
        features: the config's section.
        model: the config's section.
        sizes: what the data decides; the table of tags is not needed.

    Returns:
        The setting that matters most for a part -> weights of that part. They add up to all weights of the network.
    """
    words, characters, affixes = features.words, features.characters, features.affixes
    counts = {"features.words.dim": sizes.num_words * words.dim}
    width = words.dim  # D, width of a token's features
    if characters.kind == "cnn":
        counts["features.characters.hidden_dim"] = characters.hidden_dim * (characters.dim * characters.kernel_size + 1)
        width += characters.hidden_dim
    elif characters.kind == "lstm":
        directions = 2 if characters.bidirectional else 1
        counts["features.characters.hidden_dim"] = directions * _count_lstm(characters.dim, characters.hidden_dim)
        width += directions * characters.hidden_dim
    if characters.kind != "none":
        counts["features.characters.dim"] = sizes.num_characters * characters.dim
    if affixes.dim:
        counts["features.affixes.num_buckets"] = (affixes.num_buckets + 1) * affixes.dim
        width += sizes.num_affixes * affixes.dim
    directions = 2 if model.bidirectional else 1
    output = directions * (model.proj_size or model.hidden_dim)  # H, width of the encoding
    layers = [
        _count_lstm(inputs, model.hidden_dim, bias=model.bias, proj_size=model.proj_size)
        for inputs in [width] + [output] * (model.num_layers - 1)
    ]
    counts["model.hidden_dim"] = directions * sum(layers) + output * sizes.num_tags
    counts["model.head"] = sizes.num_tags * (sizes.num_tags + 3 if model.head == "crf" else 1)
    if model.layers == "mix":
        counts["model.num_layers"] = model.num_layers + 1
    return counts


def _count_lstm(inputs: int, hidden_dim: int, *, bias: bool = True, proj_size: int = 0) -> int:
    """The weights of `nn.LSTM` with one layer and one direction."""
    gates = 4 * hidden_dim
    return gates * (inputs + (proj_size or hidden_dim) + (2 if bias else 0)) + proj_size * hidden_dim

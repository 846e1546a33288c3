"""The weights that a run trains: the network's, then those that it trains beside it."""

from collections.abc import Iterator

from torch import nn

from tagger.model.language_model import LanguageModel
from tagger.model.network import SequenceTagger

LANGUAGE_MODEL = "language_model"


def name_weights(network: SequenceTagger, language_model: LanguageModel | None) -> Iterator[tuple[str, nn.Parameter]]:
    """Every weight by its name, in the optimizer's order; those of the language model as `language_model.NAME`."""
    yield from network.named_parameters()
    if language_model is not None:
        yield from language_model.named_parameters(prefix=LANGUAGE_MODEL)

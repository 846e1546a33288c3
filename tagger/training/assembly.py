"""What a run trains: vocabulary and network, made from the train split, and the optimizer."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tagger.config import Config, names_vectors
from tagger.data.corpus import Corpus
from tagger.data.published import Download, fetch_vectors
from tagger.data.training_words import find_labels
from tagger.data.vectors import WordVectors, read_vectors
from tagger.data.vocab import UNKNOWN, Vocabulary, count_words
from tagger.errors import ConfigError
from tagger.inference.model_folder import sizes_of
from tagger.inference.predictor import Predictor
from tagger.model.language_model import LanguageModel
from tagger.model.network import Sizes, build_network
from tagger.model.weight_count import count_weights
from tagger.schemes import is_plain, tags_of_types
from tagger.training.gold import cost_of_tags
from tagger.training.optimizer import build_optimizer

_TOO_LARGE = ("memory", "overflow")  # what torch says of sizes that it cannot allocate


def build_vocabulary(
    config: Config, corpus: Corpus, *, tell: Callable[[Download | WordVectors], object]
) -> tuple[Vocabulary, Tensor | None]:
    """The vocabulary of the train split, and (num_word_ids, dim) initial word vectors where the config names a file.

    Args:
        config: the run.
        corpus: its data.
        tell: called as vectors are downloaded, and with those that were read.

    Raises:
        ConfigError, DataError, MissingInputError, OutputError: vectors that cannot be used (see `read_vectors` and
            `fetch_vectors`).
    """
    features = config.features
    given = _read_vectors(config, corpus, tell=tell)
    names = [] if given is None else given.words
    tags = corpus.labels
    if not is_plain(corpus.scheme):
        tags = tuple(tags_of_types(corpus.labels, config.model.encoding))
    vocabulary = Vocabulary.build(
        _count_forms(corpus),
        tags=tags,
        extra_words=names,
        words=features.words,
        characters=features.characters,
        affixes=features.affixes,
        labels=find_labels(corpus.train, scheme=corpus.scheme, unknown=config.data.unknown_tag),
    )
    if given is None:
        return vocabulary, None
    # words without a vector begin at random, about as far from 0 as the others
    random = np.random.default_rng(config.training.seed)
    vectors = random.standard_normal((vocabulary.num_word_ids, features.words.dim), dtype=np.float32)
    vectors *= given.vectors.std()
    place = {name: number for number, name in enumerate(names)}
    for number, word in enumerate(vocabulary.words, start=UNKNOWN + 1):
        if word in place:
            vectors[number] = given.vectors[place[word]]
    return vocabulary, torch.from_numpy(vectors)


def _read_vectors(
    config: Config, corpus: Corpus, *, tell: Callable[[Download | WordVectors], object]
) -> WordVectors | None:
    words = config.features.words
    if not words.vectors:
        return None
    path = Path(words.vectors)
    if names_vectors(words.vectors):
        path = fetch_vectors(words.vectors, words.dim, tell=tell)
    wanted: set[str] | None = None
    if words.keep_vectors == "data":
        splits = (corpus.train, corpus.dev, corpus.test)
        wanted = {form.lower() if words.lowercase else form for split in splits for form in split.tokens.values}
    found = read_vectors(path, words.dim, lowercase=words.lowercase, wanted=wanted)
    tell(found)
    return found


def build_tagger(
    config: Config, corpus: Corpus, *, vocabulary: Vocabulary, vectors: Tensor | None, device: torch.device
) -> Predictor:
    """The untrained tagger, its weights drawn from torch's generator.

    Args:
        config: the run.
        corpus: its data.
        vocabulary: as `build_vocabulary` makes it.
        vectors: as `build_vocabulary` makes them.
        device: where it is to compute.

    Raises:
        ConfigError: sizes that do not fit into memory, or a label of `model.label_costs` that train does not have.
    """
    sizes = sizes_of(vocabulary, config)
    singletons, costs = _singletons(corpus, vocabulary), cost_of_tags(config, vocabulary)
    try:
        network = build_network(
            config.features, config.model, sizes, singletons=singletons, vectors=vectors, costs=costs
        )
        return Predictor(network, vocabulary, scheme=corpus.scheme, encoding=config.model.encoding, device=device)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(word in str(error).lower() for word in _TOO_LARGE):
            raise
        raise _too_large(config, sizes, device) from error


def build_language_model(config: Config, predictor: Predictor) -> LanguageModel | None:
    """What predicts neighbouring words from the network's encoder, untrained; None where the config asks for none.

    torch's generator is left as it was: a network trained with it begins as the one without.
    """
    settings, network = config.training, predictor.network
    if not settings.language_model:
        return None
    num_words = min(settings.language_model_words, predictor.vocabulary.num_train_words)
    with torch.random.fork_rng(devices=[]):
        return LanguageModel(network.encoder.output_dim, num_words=num_words).to(predictor.device)


def make_optimizer(
    config: Config, predictor: Predictor, language_model: LanguageModel | None = None
) -> torch.optim.Optimizer:
    """The optimizer of the weights to be trained that the config asks for."""
    settings = config.training
    return build_optimizer(
        predictor.network,
        name=settings.optimizer,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        language_model=language_model,
    )


def _too_large(config: Config, sizes: Sizes, device: torch.device) -> ConfigError:
    counts = count_weights(config.features, config.model, sizes)
    key = max(counts, key=counts.__getitem__)
    return ConfigError(
        f"{key}: the network does not fit into the memory of {device}: about {sum(counts.values()):,} weights, "
        f"{counts[key]:,} of them through {key}"
    )


def _singletons(corpus: Corpus, vocabulary: Vocabulary) -> Tensor:
    """(num_word_ids,) bool: True at words that train holds once."""
    counts = count_words(_count_forms(corpus), lowercase=vocabulary.lowercase)
    once = [False] * (UNKNOWN + 1) + [counts[word] == 1 for word in vocabulary.words]
    return torch.tensor(once)


def _count_forms(corpus: Corpus) -> Counter[str]:
    return corpus.train.tokens.count()

"""What the loss is held against: gold tags as the network spells them, and what a mistake on each costs."""

import numpy as np
import torch
from torch import Tensor

from tagger.config import Config
from tagger.data.batches import Flags
from tagger.data.corpus import Corpus
from tagger.data.tag_table import TagSpelling
from tagger.data.vocab import Ids, Vocabulary
from tagger.errors import ConfigError
from tagger.schemes import OUTSIDE, convert_tags, is_plain, split_tag


def encode_gold(config: Config, corpus: Corpus, vocabulary: Vocabulary) -> tuple[list[Ids], list[Flags] | None]:
    """The gold tags of the train split.

    Args:
        config: the run.
        corpus: the data.
        vocabulary: the network's K tags.

    Returns:
        Tag ids (T,) of each sentence, any that agree with gold where it is unknown; and, where the config knows of
        unknown tags, the tags that agree with it, (T, K) of each sentence, else None.
    """
    unknown = config.data.unknown_tag
    encoding = "plain" if is_plain(corpus.scheme) else config.model.encoding
    sentences = [sentence.tags or () for sentence in corpus.train]
    if unknown is None:  # then one id a token says all, and the K flags of each would be many for a large corpus
        ids = {tag: number for number, tag in enumerate(vocabulary.tags)}
        respelled = (convert_tags(tags, corpus.scheme, encoding) for tags in sentences)
        return [np.array([ids[tag] for tag in tags], dtype=np.int64) for tags in respelled], None
    spelling = TagSpelling(vocabulary.tags, encoding=encoding, scheme=corpus.scheme)
    allowed = [
        np.array(spelling.of_sentence(tags, unknown=unknown), dtype=np.bool_).reshape(len(tags), len(vocabulary.tags))
        for tags in sentences
    ]
    return [flags.argmax(axis=1) for flags in allowed], allowed


def cost_of_tags(config: Config, vocabulary: Vocabulary) -> Tensor | None:
    """What a mistake costs more, by gold tag.

    Args:
        config: the run; `model.label_costs` says it by label.
        vocabulary: the network's K tags.

    Returns:
        (K,) nats; None where the config asks for none.

    Raises:
        ConfigError: a label that train does not have.
    """
    wanted = config.model.label_costs
    if not wanted:
        return None
    plain, encoding = is_plain(config.data.scheme), config.model.encoding
    labels = [tag if plain or tag == OUTSIDE else split_tag(tag, encoding)[1] for tag in vocabulary.tags]
    for label in wanted:
        if label not in labels:
            known = ", ".join(dict.fromkeys(labels))
            raise ConfigError(f"model.label_costs: train has no label {label!r}: it has {known}")
    return torch.tensor([wanted.get(label, 0.0) for label in labels])

"""What the loss is held against: gold tags as the network spells them, and what a mistake on each costs."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tagger.config import Config
from tagger.data.arrow import BOUNDARY, ArrowSentences
from tagger.data.batches import Ragged, RaggedFlags, RaggedIds
from tagger.data.corpus import Corpus
from tagger.data.tag_table import TagSpelling
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError
from tagger.schemes import OUTSIDE, convert_tags, is_plain, split_tag


def encode_gold(config: Config, corpus: Corpus, vocabulary: Vocabulary) -> tuple[RaggedIds, RaggedFlags | None]:
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
    train = corpus.train
    if unknown is None:  # then one id a token says all, and the K flags of each would be many for a large corpus
        ids = _respell(train, vocabulary, scheme=corpus.scheme, encoding=encoding)
        return Ragged(values=ids, starts=train.starts), None
    spelling = TagSpelling(vocabulary.tags, encoding=encoding, scheme=corpus.scheme)
    allowed = np.empty((int(train.starts[-1]), len(vocabulary.tags)), dtype=np.bool_)
    for sentence, start, end in zip(train, train.starts.tolist(), train.starts[1:].tolist(), strict=False):
        if sentence.tags:
            allowed[start:end] = spelling.of_sentence(sentence.tags, unknown=unknown)
    ids = allowed.argmax(axis=1).astype(np.int32)
    return Ragged(values=ids, starts=train.starts), Ragged(values=allowed, starts=train.starts)


def _respell(sentences: ArrowSentences, vocabulary: Vocabulary, *, scheme: str, encoding: str) -> npt.NDArray[np.int32]:
    """(N,) ids of the gold tags in the network's encoding.

    How a tag is respelled depends on its two neighbours alone: by conlleval's rule they tell whether a span begins and
    ends at it, and whether it touches another. So each triple that occurs is respelled once.
    """
    ids = {tag: number for number, tag in enumerate(vocabulary.tags)}
    names = sentences.tags.values
    base = len(names) - BOUNDARY
    respelled = np.empty(len(sentences.tags.codes), dtype=np.int32)
    for tokens, codes in sentences.tag_blocks():
        shifted = codes.astype(np.int64) - BOUNDARY
        at = np.flatnonzero(shifted)  # the tokens: a boundary is 0
        triples = (shifted[at - 1] * base + shifted[at]) * base + shifted[at + 1]
        distinct, which = np.unique(triples, return_inverse=True)
        table = []
        for triple in distinct.tolist():
            before, tag, after = (
                number + BOUNDARY for number in (triple // base // base, triple // base % base, triple % base)
            )
            window = [names[code] for code in (before, tag, after) if code != BOUNDARY]
            table.append(ids[convert_tags(window, scheme, encoding)[before != BOUNDARY]])
        respelled[tokens] = np.array(table, dtype=np.int32)[which]
    return respelled


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

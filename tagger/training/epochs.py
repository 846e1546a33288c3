"""The train split as an epoch's batches, the same for the same seed and epoch."""

from collections.abc import Callable, Sequence

from tagger.config import Config, TrainingConfig
from tagger.data.batches import LazyBatches, Ragged, bucket
from tagger.data.corpus import Corpus
from tagger.data.vocab import FormTable, Ids, Vocabulary
from tagger.training.gold import encode_gold

DEFAULT_BATCH_SIZE = 32


def encode_train(config: Config, corpus: Corpus, vocabulary: Vocabulary) -> Callable[[int], LazyBatches]:
    """Encodes the train split once; returns what gives the batches of an epoch, counted from 1."""
    table = FormTable(vocabulary)
    sentences = corpus.train
    rows = Ragged(values=table.rows_of_forms(sentences.tokens.values)[sentences.tokens.codes], starts=sentences.starts)
    tags, allowed = encode_gold(config, corpus, vocabulary)

    def batches(epoch: int) -> LazyBatches:
        """An epoch's batches, each made when its turn comes."""
        groups = group_sentences(sentences.lengths, config.training, epoch)
        return LazyBatches(groups, rows=rows, table=table, tags=tags, allowed=allowed)

    return batches


def group_sentences(lengths: Sequence[int] | Ids, settings: TrainingConfig, epoch: int) -> list[list[int]]:
    """An epoch's batches: indices of sentences of these lengths, in an order that follows from seed and epoch."""
    batch_size = settings.batch_size
    if batch_size is None and settings.batch_tokens is None:
        batch_size = DEFAULT_BATCH_SIZE
    return bucket(lengths, batch_size=batch_size, batch_tokens=settings.batch_tokens, seed=(settings.seed, epoch))

"""The tagger: features, LSTM, linear layer, head. `build_network` is the one place that unpacks a config.

Letters: B sentences of a batch, T tokens of its longest, D features, H encoder width, K tags. Batch first, everywhere.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tagger.config import FeaturesConfig, ModelConfig
from tagger.data.batches import Batch
from tagger.data.tag_table import TagTable
from tagger.data.vocab import FormRows
from tagger.model.dropout import Dropout
from tagger.model.encoder import LSTMEncoder
from tagger.model.features import AffixEmbedding, CharacterCNN, CharacterLSTM, TokenFeatures, WordEmbedding
from tagger.model.heads import CRFHead, SoftmaxHead


class SequenceTagger(nn.Module):
    """Embeds each token, runs an LSTM over the sentence, and maps its output at every token to tag scores.

    Args:
        features: what is known of a form by itself, (U, D).
        encoder: forms in sentences -> (B, T, H).
        head: what turns emissions into a loss, tags and probabilities.
        num_tags: K.
        dropout: probability in [0, 1) on the encoder's output, in training.
    """

    def __init__(
        self,
        features: TokenFeatures,
        encoder: LSTMEncoder,
        *,
        head: SoftmaxHead | CRFHead,
        num_tags: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.features = features
        self.encoder = encoder
        self.dropout = Dropout(dropout)
        self.to_emissions = nn.Linear(encoder.output_dim, num_tags)
        self.head = head

    @property
    def state_of_forms(self) -> tuple[int, ...]:
        """Changes whenever what `of_forms` returns may have: by training, and when other weights are copied in.

        What it does not see: weights changed through `.data`, or by a fused optimizer while nothing is in training.
        """
        parts = (self.features, self.encoder)
        # an optimizer's fused step leaves the versions as they are
        versions = [weight._version for part in parts for weight in part.parameters()]
        return (*[part.num_trainings for part in parts], *versions)

    def forward(self, batch: Batch) -> Tensor:
        """A batch -> emissions (B, T, K): for each token the score of each tag, before any softmax or CRF."""
        return self.score(self.encode(batch))

    def encode(self, batch: Batch) -> Tensor:
        """A batch -> each token in its sentence, as the encoder gives it, (B, T, H)."""
        by_form = self.features(batch.words, batch.characters, batch.character_lengths, batch.affixes)  # (U, D)
        return self.encoder.encode(self.encoder.prepare(by_form), batch.forms, batch.lengths)

    def of_forms(self, forms: FormRows) -> Tensor:
        """What the network makes of U forms by themselves, (U, W), which can be remembered; not in training."""
        return self.encoder.prepare(self.features.of_forms(forms))

    def emissions(self, prepared: Tensor, forms: Tensor, lengths: Tensor, *, in_int8: bool = False) -> Tensor:
        """Of forms as `of_forms` gives them (U, W), which of them each token is (B, T), lengths (B,) -> (B, T, K)."""
        return self.score(self.encoder.encode(prepared, forms, lengths, in_int8=in_int8))

    def score(self, encoded: Tensor) -> Tensor:
        """Each token in its sentence, as the encoder gives it, (B, T, H) -> emissions (B, T, K), float32 or wider."""
        # a small product, and of another size in each batch: too dear to be compiled for bf16 (see `row_counts.py`)
        with torch.autocast(encoded.device.type, enabled=False):
            weight = self.to_emissions.weight
            return self.to_emissions(self.dropout(encoded.to(weight.dtype)))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What the data decides about the network.

    Attributes:
        num_words: rows of the word table, padding and unknown included.
        num_characters: rows of the character table, padding and unknown included.
        num_affixes: A, affixes of a form.
        num_tags: K.
        table: what the tags mean to their scheme; None for plain tags.
    """

    num_words: int
    num_characters: int
    num_affixes: int
    num_tags: int
    table: TagTable | None = None


def build_network(
    features: FeaturesConfig,
    model: ModelConfig,
    sizes: Sizes,
    *,
    singletons: Tensor | None = None,
    vectors: Tensor | None = None,
    costs: Tensor | None = None,
) -> SequenceTagger:
    """Builds the network that a config describes, with fresh weights.

    Args:
        features: the config's section.
        model: the config's section.
        sizes: what the data decides.
        singletons: (num_words,) bool, True at words seen once in train; None where nothing is to be trained.
        vectors: (num_words, word dim) initial word vectors, or None.
        costs: (num_tags,) nats that a mistake costs more in training, by gold tag; None for none.
    """
    words = None
    if features.words.dim:
        chance = torch.full((sizes.num_words,), features.words.word_dropout)
        if singletons is not None:
            chance[singletons] = 1 - (1 - features.words.singleton_dropout) * (1 - features.words.word_dropout)
        words = WordEmbedding(
            sizes.num_words,
            features.words.dim,
            unknown_probability=chance,
            vectors=vectors,
            freeze=features.words.freeze,
        )
    affixes = None
    if features.affixes.dim:
        affixes = AffixEmbedding(features.affixes.num_buckets, features.affixes.dim, num_affixes=sizes.num_affixes)
    token_features = TokenFeatures(
        words=words,
        characters=_character_network(features, sizes),
        affixes=affixes,
        dropout=model.input_dropout,
    )
    encoder = LSTMEncoder(
        token_features.output_dim,
        hidden_dim=model.hidden_dim,
        num_layers=model.num_layers,
        bias=model.bias,
        dropout=model.dropout,
        bidirectional=model.bidirectional,
        proj_size=model.proj_size,
        mix=model.layers == "mix",
    )
    head: SoftmaxHead | CRFHead = SoftmaxHead(table=sizes.table, costs=costs)
    if model.head == "crf":
        head = CRFHead(
            sizes.num_tags,
            table=sizes.table,
            constrain_training=model.constrain_training,
            use_torchcrf=model.crf_implementation == "torchcrf",
            costs=costs,
        )
    return SequenceTagger(token_features, encoder, head=head, num_tags=sizes.num_tags, dropout=model.output_dropout)


def _character_network(features: FeaturesConfig, sizes: Sizes) -> CharacterCNN | CharacterLSTM | None:
    settings = features.characters
    if settings.kind == "cnn":
        return CharacterCNN(
            sizes.num_characters,
            settings.dim,
            num_filters=settings.hidden_dim,
            kernel_size=settings.kernel_size,
        )
    if settings.kind == "lstm":
        return CharacterLSTM(
            sizes.num_characters,
            settings.dim,
            hidden_dim=settings.hidden_dim,
            bidirectional=settings.bidirectional,
        )
    return None

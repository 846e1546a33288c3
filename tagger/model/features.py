"""What is known of a word form by itself: word, characters, affixes -> (U, D).

It does not depend on the token, so it is computed once for each of the U distinct forms of a batch.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Self

import torch
from torch import Tensor, nn

from tagger.data.vocab import PADDING, UNKNOWN, FormRows
from tagger.model.dropout import Dropout
from tagger.model.filters import strongest_answers


class WordEmbedding(nn.Module):
    """One trained vector a word; in training some words are shown as unknown, so that unknown has a vector too.

    Args:
        num_words: rows of the table; 0 is padding, 1 is unknown.
        dim: width of a vector.
        unknown_probability: (num_words,) probability in [0, 1] with which each word becomes unknown in training.
        vectors: (num_words, dim) initial values, or None for small random ones.
        freeze: do not train the table.
    """

    unknown_probability: Tensor

    def __init__(
        self, num_words: int, dim: int, *, unknown_probability: Tensor, vectors: Tensor | None, freeze: bool
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(num_words, dim, padding_idx=PADDING)
        if vectors is None:
            nn.init.normal_(self.table.weight, std=dim**-0.5)  # a vector of length about 1, whatever its width
        else:
            self.table.weight.data.copy_(vectors)
        self.table.weight.data[PADDING] = 0.0
        self.table.weight.requires_grad = not freeze
        self.register_buffer("unknown_probability", unknown_probability, persistent=False)

    def forward(self, words: Tensor) -> Tensor:
        """Word ids (U,) -> vectors (U, dim)."""
        if self.training:
            chance = self.unknown_probability[words]  # (U,) probability that this word becomes unknown
            hidden = torch.rand_like(chance) < chance
            words = words.masked_fill(hidden & (words != PADDING), UNKNOWN)
        return self.table(words)  # type: ignore[no-any-return]


class CharacterCNN(nn.Module):
    """A word's vector from its characters: convolution, then the maximum over the word.

    Ma & Hovy (2016), "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF", section 2.1.

    Args:
        num_characters: rows of the character table; 0 is padding.
        dim: width of a character's vector.
        num_filters: width of the word's vector.
        kernel_size: characters a filter sees; odd.
    """

    def __init__(self, num_characters: int, dim: int, *, num_filters: int, kernel_size: int) -> None:
        super().__init__()
        self.output_dim = num_filters
        self.table = nn.Embedding(num_characters, dim, padding_idx=PADDING)
        self.convolution = nn.Conv1d(dim, num_filters, kernel_size, padding=kernel_size // 2)

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Character ids (U, C) and lengths (U,) -> (U, num_filters); a form of length 0 gives zeros."""
        kernel = self.convolution.weight  # (F, dim, S): what filter f makes of a character at each of its S places
        with torch.autocast(characters.device.type, enabled=False):
            # (S, N, F): what each filter gets from each character at each place; zeros at padding
            scores = self.table.weight @ kernel.permute(2, 1, 0)
            best = strongest_answers(scores, characters, lengths)  # (U, F): anywhere in the word
            bias: Tensor = self.convolution.bias  # type: ignore[assignment]
            return torch.relu(best + bias) * (lengths > 0).unsqueeze(1)


class CharacterLSTM(nn.Module):
    """A word's vector from its characters: the last hidden state of an LSTM over them.

    The exercise of PyTorch's sequence-models tutorial; in both directions, Lample et al. (2016), "Neural
    Architectures for Named Entity Recognition", section 4.1. Here `h_n` is what is wanted: one vector a word.

    Args:
        num_characters: rows of the character table; 0 is padding.
        dim: width of a character's vector.
        hidden_dim: hidden size of each direction.
        bidirectional: read the word backwards as well.
    """

    def __init__(self, num_characters: int, dim: int, *, hidden_dim: int, bidirectional: bool) -> None:
        super().__init__()
        self.output_dim = hidden_dim * (2 if bidirectional else 1)
        self.table = nn.Embedding(num_characters, dim, padding_idx=PADDING)
        self.forwards = nn.LSTM(dim, hidden_dim, batch_first=True)
        self.backwards = nn.LSTM(dim, hidden_dim, batch_first=True) if bidirectional else None

    def forward(self, characters: Tensor, lengths: Tensor) -> Tensor:
        """Character ids (U, C) and lengths (U,) -> (U, output_dim); a form of length 0 gives zeros."""
        # (U, 1, 1): index of each form's last character, where its last hidden state stands
        last = (lengths.clamp(min=1) - 1).view(-1, 1, 1)
        with _autocast_of_lstms(characters.device):
            states = [self._last_state(self.forwards, characters, last)]
            if self.backwards is not None:
                backwards = torch.gather(characters, 1, reversal(lengths, characters.size(1)))
                states.append(self._last_state(self.backwards, backwards, last))
        return torch.cat(states, dim=1) * (lengths > 0).unsqueeze(1)

    def _last_state(self, lstm: nn.LSTM, characters: Tensor, last: Tensor) -> Tensor:
        output, _ = lstm(self.table(characters))  # (U, C, H): the state after each character; h_n would see padding
        states: Tensor = output.gather(1, last.expand(-1, -1, output.size(2))).squeeze(1)  # (U, H)
        return states


def _autocast_of_lstms(device: torch.device) -> AbstractContextManager[object]:
    """No autocast where oneDNN's LSTM refuses bfloat16: on a CPU without AVX-512, whose products do not."""
    refuses = device.type == "cpu" and torch.is_autocast_enabled("cpu") and not has_bf16_lstm()
    return torch.autocast("cpu", enabled=False) if refuses else nullcontext()


def has_bf16_lstm() -> bool:
    """Whether this CPU's `nn.LSTM` takes bfloat16: oneDNN's does not everywhere, torch's own does."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return not has_onednn or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class AffixEmbedding(nn.Module):
    """Prefixes, suffixes and shape, hashed into one table and laid side by side.

    Hashing: Weinberger et al. (2009), "Feature Hashing for Large Scale Multitask Learning".

    Args:
        num_buckets: rows of the table, padding's row 0 not counted.
        dim: width of each affix's vector.
        num_affixes: A, affixes of a form.
    """

    def __init__(self, num_buckets: int, dim: int, *, num_affixes: int) -> None:
        super().__init__()
        self.output_dim = num_affixes * dim
        self.table = nn.Embedding(num_buckets + 1, dim, padding_idx=PADDING)
        nn.init.normal_(self.table.weight, std=0.1)
        self.table.weight.data[PADDING] = 0.0

    def forward(self, affixes: Tensor) -> Tensor:
        """Rows (U, A) -> (U, A * dim)."""
        return self.table(affixes).flatten(1)  # type: ignore[no-any-return]


class TokenFeatures(nn.Module):
    """Everything the encoder is told about each token, side by side, with dropout.

    Args:
        words: the word embedding, or None.
        characters: the character network, or None.
        affixes: the affix embedding, or None.
        dropout: probability in [0, 1) with which each number is dropped in training.
    """

    def __init__(
        self,
        *,
        words: WordEmbedding | None,
        characters: CharacterCNN | CharacterLSTM | None,
        affixes: AffixEmbedding | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.words, self.characters, self.affixes = words, characters, affixes
        self.dropout = Dropout(dropout)
        widths = [words.table.embedding_dim if words is not None else 0]
        widths += [part.output_dim for part in (characters, affixes) if part is not None]
        self.output_dim = sum(widths)
        self.num_trainings = 0  # how often training has begun

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`."""
        self.num_trainings += mode
        return super().train(mode)

    def forward(self, words: Tensor, characters: Tensor, character_lengths: Tensor, affixes: Tensor) -> Tensor:
        """What is known of U distinct forms by themselves -> (U, D).

        In training, what is dropped is drawn once a form, whose tokens in a batch then all lack the same: Gal &
        Ghahramani (2016), "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", section 4.2,
        which also drops a word type wherever it stands.

        Args:
            words: (U,) word ids.
            characters: (U, C) character ids.
            character_lengths: (U,) characters of each form.
            affixes: (U, A) rows of the affix table.
        """
        parts: list[Tensor] = []
        if self.words is not None:
            parts.append(self.words(words))  # (U, word dim)
        if self.characters is not None:
            parts.append(self.characters(characters, character_lengths).float())  # (U, character dim)
        if self.affixes is not None:
            parts.append(self.affixes(affixes))  # (U, A * affix dim)
        return self.dropout(torch.cat(parts, dim=1))  # type: ignore[no-any-return]

    def of_forms(self, forms: FormRows) -> Tensor:
        """U forms -> (U, D) float32: `forward` where nothing is dropped, so that they can be remembered."""
        if self.training:
            raise ValueError("in training a form's features are drawn anew for each batch")
        device = next(self.parameters()).device
        ids = (forms.words, forms.characters, forms.character_lengths, forms.affixes)
        with torch.autocast(device.type, enabled=False):
            return self(*[torch.from_numpy(each).to(device) for each in ids])  # type: ignore[no-any-return]


def reversal(lengths: Tensor, size: int) -> Tensor:
    """The index that reverses each sequence's own part and leaves its padding where it is.

    Args:
        lengths: (B,) lengths.
        size: T, the padded length.

    Returns:
        (B, T) int64: `length - 1 - t` for t < length, else t. Applied twice it changes nothing.
    """
    positions = torch.arange(size, device=lengths.device).expand(lengths.size(0), -1)  # (B, T)
    mirrored = lengths.unsqueeze(1) - 1 - positions
    return torch.where(mirrored >= 0, mirrored, positions)

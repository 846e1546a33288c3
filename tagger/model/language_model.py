"""A language-model loss for the encoder: each direction also predicts the word that it reads next.

Rei (2017), "Semi-supervised Multitask Learning for Sequence Labeling", section 3, on the training text itself. It is
there in training only: no tag is predicted from it, and no saved model holds it.
"""

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor, nn

from tagger.data.vocab import PADDING, UNKNOWN
from tagger.model.row_counts import missing

_WIDTH = 64  # of the layer between encoder and words: narrow, so that what is learned sits in the encoder


class LanguageModel(nn.Module):
    """Predicts the words beside each token: the next from what was read forwards, the previous from what was read back.

    Words beyond the commonest are one class, and so is the edge of the sentence.

    Args:
        encoder_dim: H, both directions of a one-layer encoder side by side.
        num_words: how many words are classes of their own: those of the lowest ids, which are the commonest.
    """

    def __init__(self, encoder_dim: int, *, num_words: int) -> None:
        super().__init__()
        self._num_classes = UNKNOWN + 1 + num_words
        self._half = encoder_dim // 2

        def predictor() -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(self._half, _WIDTH),
                nn.Tanh(),
                nn.Linear(_WIDTH, self._num_classes),
            )

        self.next_word = predictor()
        self.previous_word = predictor()

    def forward(self, encoded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The encoding of every token (B, T, H), and which are tokens (B, T) -> scores of the word after, and before.

        Returns:
            Two times (N or more, V): for each of N tokens, what speaks for each of V words; rows of no meaning behind.
        """
        tokens = encoded[mask]  # (N, H)
        tokens = F.pad(tokens, (0, 0, 0, missing(len(tokens))))
        return self.next_word(tokens[:, : self._half]), self.previous_word(tokens[:, self._half :])

    def loss(self, scores: tuple[Tensor, Tensor], words: Tensor, mask: Tensor) -> Tensor:
        """How unlikely the words beside each token are, after and before added: () nats per token.

        Args:
            scores: as `forward` returns them.
            words: (B, T) word ids, 0 where padded.
            mask: (B, T) bool, True at tokens.
        """
        classes = words.masked_fill(words >= self._num_classes, UNKNOWN)
        after = F.pad(classes[:, 1:], (0, 1), value=PADDING)  # padding stands for the sentence's edge
        before = F.pad(classes[:, :-1], (1, 0), value=PADDING)
        return _cross_entropy(scores[0], after[mask]) + _cross_entropy(scores[1], before[mask])


def _cross_entropy(scores: Tensor, classes: Tensor) -> Tensor:
    scores = scores[: len(classes)]
    return F.cross_entropy(scores.to(torch.promote_types(scores.dtype, torch.float32)), classes)

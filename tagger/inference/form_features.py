"""What a trained network knows of each word form, worked out once and remembered."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor

from tagger.data.batches import pad
from tagger.data.vocab import FormTable, Vocabulary
from tagger.model.features import TokenFeatures

FORMS_AT_ONCE = 1024  # worked out together, so that a window full of new words stays small


class FormFeatures:
    """Token features for prediction, where they depend on the form alone.

    Several threads may share one. New weights are noticed where they come by training or by `load_state_dict`.

    Args:
        features: the network's.
        vocabulary: what to look forms up in.
        max_size: bytes, about, that what is remembered may take before it is forgotten.
        device: where to compute and remember.
    """

    def __init__(self, features: TokenFeatures, vocabulary: Vocabulary, *, max_size: int, device: torch.device) -> None:
        self._features, self._vocabulary, self._max_size, self._device = features, vocabulary, max_size, device
        self._lock = threading.Lock()
        self._state = features.state
        self._table = FormTable(vocabulary)
        self._known = torch.zeros(1, features.output_dim, device=device)  # (N, D): row 0 is padding
        self._num_known = 1

    @torch.inference_mode()
    def look_up(self, sentences: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Features of sentences given as tokens, none of them empty.

        Returns:
            (B, T, D) float32, zeros where padded, and (B,) lengths.
        """
        lengths = np.array([len(tokens) for tokens in sentences], dtype=np.int64)
        with self._lock:
            if self._state != self._features.state or self._size > self._max_size:
                self._forget()
            rows = pad(self._table.rows(sentences), lengths)  # (B, T)
            self._learn()
            known = self._known
        features = F.embedding(torch.from_numpy(rows).to(self._device), known)
        return features, torch.from_numpy(lengths).to(self._device)

    @property
    def _size(self) -> int:
        return self._table.size + 4 * self._num_known * self._known.size(1)

    def _learn(self) -> None:
        """Works out the features of the forms that the table has met since."""
        num_rows = len(self._table)
        if num_rows > len(self._known):
            grown = self._known.new_zeros(max(num_rows, 2 * len(self._known)), self._known.size(1))
            grown[: self._num_known] = self._known[: self._num_known]
            self._known = grown
        for start in range(self._num_known, num_rows, FORMS_AT_ONCE):
            rows = np.arange(start, min(start + FORMS_AT_ONCE, num_rows))
            self._known[start : start + len(rows)] = self._features.of_forms(self._table.gather(rows))
        self._num_known = num_rows

    def _forget(self) -> None:
        self._state = self._features.state
        self._table = FormTable(self._vocabulary)
        # a new tensor, since another thread may still be reading the old one
        self._known = self._known.new_zeros(1, self._known.size(1))
        self._num_known = 1

"""What a trained network makes of each word form, worked out once and remembered."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tagger.data.batches import pad
from tagger.data.vocab import FormTable, Vocabulary
from tagger.model.network import SequenceTagger
from tagger.model.threads import one_thread

FORMS_AT_ONCE = 1024  # worked out together, so that a window full of new words stays small
FEWEST_FORMS = 16  # worked out together, padding included, in one thread


class FormFeatures:
    """All of the network's work that depends on a word form alone.

    Several threads may share one. New weights are noticed where they come by training or by `load_state_dict`.

    Args:
        network: the trained network.
        vocabulary: what to look forms up in.
        max_size: bytes, about, that what is remembered may take before it is forgotten.
        device: where the network is.
    """

    def __init__(self, network: SequenceTagger, vocabulary: Vocabulary, *, max_size: int, device: torch.device) -> None:
        self._network, self._vocabulary, self._max_size, self._device = network, vocabulary, max_size, device
        self._lock = threading.Lock()
        self._state = network.state_of_forms
        self._table = FormTable(vocabulary)
        self._known = torch.empty(0)  # (U, W), U rows of it filled
        self._num_known = 0

    @torch.inference_mode()
    def look_up(self, sentences: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor, Tensor]:
        """What `network.emissions` wants of sentences given as tokens, none of them empty.

        Returns:
            (U, W) everything remembered, which must not be changed, (B, T) the row of each token, 0 where padded, and
            (B,) lengths.
        """
        lengths = np.array([len(tokens) for tokens in sentences], dtype=np.int64)
        with self._lock:
            if self._state != self._network.state_of_forms or self._size > self._max_size:
                self._forget()
            rows = pad(self._table.rows(sentences), lengths)
            known = self._learn()
        return known, torch.from_numpy(rows).to(self._device), torch.from_numpy(lengths).to(self._device)

    @property
    def _size(self) -> int:
        return self._table.size + self._num_known * self._known[:1].nbytes

    def _learn(self) -> Tensor:
        """Works out what the table has met since, padding's row 0 at the first time; returns all that is known."""
        num_rows = len(self._table)
        for start in range(self._num_known, num_rows, FORMS_AT_ONCE):
            rows = np.arange(start, min(start + FORMS_AT_ONCE, num_rows))
            # products of a few rows are rounded otherwise, and a form's would depend on which others were new with it
            filled = np.pad(rows, (0, max(0, FEWEST_FORMS - len(rows))))
            with one_thread():  # several would share a product out, by its size
                found = self._network.of_forms(self._table.gather(filled))[: len(rows)]
            if num_rows > len(self._known):
                grown = found.new_zeros(max(num_rows, 2 * self._num_known), found.size(1))
                if self._num_known:
                    grown[: self._num_known] = self._known[: self._num_known]
                self._known = grown
            self._known[start : start + len(rows)] = found
            self._num_known = start + len(rows)
        return self._known

    def _forget(self) -> None:
        self._state = self._network.state_of_forms
        self._table = FormTable(self._vocabulary)
        # a new tensor, since another thread may still be reading the old one
        self._known = torch.empty(0)
        self._num_known = 0

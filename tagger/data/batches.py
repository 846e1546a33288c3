"""Sentences -> padded tensors: length buckets and collation.

Letters: B sentences of a batch, T tokens of its longest, U distinct forms in it, C characters of the longest form,
A affixes a form.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tagger.data.vocab import PADDING, FormTable, Ids

Flags = npt.NDArray[np.bool_]
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged(Generic[_Scalar]):
    """Arrays of different lengths, one for each sentence, in a single one.

    Attributes:
        values: (N, ...), one after the other.
        starts: (S + 1,): array i is values[starts[i]:starts[i + 1]].
    """

    values: npt.NDArray[_Scalar]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, at: int) -> npt.NDArray[_Scalar]:
        return self.values[self.starts[at] : self.starts[at + 1]]


AnyIds = npt.NDArray[np.int32] | npt.NDArray[np.int64]
RaggedIds = Ragged[np.int32]
RaggedFlags = Ragged[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """B sentences as tensors; padding stands on the right.

    What belongs to a word's form is held once for each of the batch's U distinct forms, and `forms` says which form
    each token has.

    Attributes:
        forms: (B, T) int64, index into the U forms below, each of which is there; 0 is padding's where there is any.
        words: (U,) int64, word id of each form; 0 is padding.
        characters: (U, C) int64, character ids; 0 is padding.
        character_lengths: (U,) int64, characters of each form; 0 for padding.
        affixes: (U, A) int64, rows of the affix table; 0 for padding.
        lengths: (B,) int64, tokens of each sentence, each >= 1.
        tags: (B, T) int64, gold tag ids, 0 where padded; None where there is no gold.
        allowed: (B, T, K) bool, the tags that come into question, at least one a token, all of them where padded; None:
            those of `tags`.
    """

    forms: Tensor
    words: Tensor
    characters: Tensor
    character_lengths: Tensor
    affixes: Tensor
    lengths: Tensor
    tags: Tensor | None
    allowed: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """(B, T) bool, True at tokens, False at padding."""
        positions = torch.arange(self.forms.size(1), device=self.forms.device)
        return positions < self.lengths.unsqueeze(1)

    @property
    def words_of_tokens(self) -> Tensor:
        """(B, T) int64, word ids; 0 where padded."""
        return self.words[self.forms]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        if self.forms.device == device:
            return self
        names = ("forms", "words", "characters", "character_lengths", "affixes", "lengths")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        tags = None if self.tags is None else self.tags.to(device, non_blocking=True)
        allowed = None if self.allowed is None else self.allowed.to(device, non_blocking=True)
        return replace(self, **moved, tags=tags, allowed=allowed)


def collate(
    rows: Sequence[AnyIds],
    *,
    table: FormTable,
    tags: Sequence[AnyIds] | None,
    allowed: Sequence[Flags] | None = None,
) -> Batch:
    """Pads B sentences into one batch.

    Args:
        rows: for each sentence its tokens' rows in `table`, (T,) each, none empty.
        table: what is known about each form.
        tags: for each sentence its gold tag ids, (T,) each, or None.
        allowed: for each sentence the tags that come into question, (T, K) each, or None.
    """
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    # (B, T): the row of each token's form, 0 where padded
    padded = pad(rows, lengths)
    # distinct: (U,) rows; forms: (B, T) index into them
    distinct, forms = np.unique(padded, return_inverse=True)
    known = table.gather(distinct)
    return Batch(
        forms=torch.from_numpy(forms.reshape(padded.shape)),
        words=torch.from_numpy(known.words),
        characters=torch.from_numpy(known.characters),
        character_lengths=torch.from_numpy(known.character_lengths),
        affixes=torch.from_numpy(known.affixes),
        lengths=torch.from_numpy(lengths),
        tags=None if tags is None else torch.from_numpy(pad(tags, lengths)),
        allowed=None if allowed is None else torch.from_numpy(pad_flags(allowed, lengths)),
    )


class LazyBatches:
    """The batches of one epoch, each made when its turn comes.

    Args:
        groups: for each batch, the indices of its sentences.
        rows: for each sentence its tokens' rows in `table`.
        table: what is known about each form.
        tags: for each sentence its gold tag ids.
        allowed: for each sentence the tags that agree with gold, (T, K) each; None where gold is known throughout.
    """

    def __init__(
        self,
        groups: list[list[int]],
        *,
        rows: RaggedIds,
        table: FormTable,
        tags: RaggedIds,
        allowed: RaggedFlags | None = None,
    ) -> None:
        self._groups, self._rows, self._table, self._tags, self._allowed = groups, rows, table, tags, allowed

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Batch]:
        for group in self._groups:
            rows, tags = [self._rows[at] for at in group], [self._tags[at] for at in group]
            allowed = None if self._allowed is None else [self._allowed[at] for at in group]
            yield collate(rows, table=self._table, tags=tags, allowed=allowed)


def bucket(
    lengths: Sequence[int] | Ids,
    *,
    batch_size: int | None,
    batch_tokens: int | None,
    seed: tuple[int, ...] | None = None,
) -> list[list[int]]:
    """Groups sentences of like length, so that little is padded.

    Args:
        lengths: tokens of each sentence; those of length 0 are left out.
        batch_size: sentences a batch at most; None for no limit.
        batch_tokens: B * T of a batch at most, padding counted; a longer sentence is a batch of its own.
        seed: shuffles, anew for each seed: lengths are blurred by up to a fifth, and the batches come in random order.
            None: the batches come by length, in the data's order within a length.

    Returns:
        Batches of indices into `lengths`; each index with a length above 0 stands in exactly one.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    indices = np.flatnonzero(sizes > 0)
    keys = sizes[indices].astype(np.float64)
    generator = None if seed is None else np.random.default_rng(seed)
    if generator is not None:
        indices = generator.permutation(indices)
        keys = sizes[indices] * generator.uniform(0.8, 1.2, size=len(indices))
    ordered = indices[np.argsort(keys, kind="stable")]
    batches = list(_fill(ordered.tolist(), sizes, batch_size=batch_size, batch_tokens=batch_tokens))
    if generator is not None:
        batches = [batches[position] for position in generator.permutation(len(batches))]
    return batches


def _fill(
    ordered: Sequence[int], sizes: Ids, *, batch_size: int | None, batch_tokens: int | None
) -> Iterator[list[int]]:
    current: list[int] = []
    longest = 0
    for index in ordered:
        length = max(longest, int(sizes[index]))
        over_size = batch_size is not None and len(current) >= batch_size
        over_tokens = batch_tokens is not None and length * (len(current) + 1) > batch_tokens
        if current and (over_size or over_tokens):
            yield current
            current, length = [], int(sizes[index])
        current.append(index)
        longest = length
    if current:
        yield current


def pad_flags(rows: Sequence[Flags], lengths: Ids) -> Flags:
    """Arrays (T, K) of B sentences side by side: (B, T, K), True where padded."""
    padded = np.ones((len(rows), int(lengths.max()), rows[0].shape[1]), dtype=np.bool_)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return padded


def pad(rows: Sequence[AnyIds], lengths: Ids) -> Ids:
    """Arrays (T,) of B sentences side by side: (B, T), 0 where padded."""
    padded = np.full((len(rows), int(lengths.max())), PADDING, dtype=np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return padded

"""The tokens of a padded batch without its padding, in the order in which an LSTM meets them.

Letters: B sentences, T tokens of the longest, N tokens of all, E directions.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """The N tokens of a padded batch in the order in which an LSTM meets them: all first ones, all second ones, ...

    Longer sentences come first, so that those still going on at a step are the first rows of the step before.

    Buffers of (E * N, .) hold step by step the rows of the first direction, then those of the second: what one step
    works on lies together, whatever the batch.

    Attributes:
        steps: of each step how many sentences it has: n, falling.
        cells: (N,) int64, each token's place in the batch laid flat, (B * T,).
        order: (E * N,) int64, what a buffer's row belongs to: token * E + direction. A step's row in the second
            direction belongs to the token that stands as far from its sentence's end as the first one's from the start.
        shape: B, T.
        num_directions: E.
    """

    steps: list[int]
    cells: Tensor
    order: Tensor
    shape: tuple[int, int]
    num_directions: int

    @classmethod
    def of(cls, lengths: Tensor, size: int, *, num_directions: int) -> Self:
        """Packs sentences of these lengths (B,), each >= 1, padded to `size` = T."""
        tokens = lengths.numpy()
        ranking = np.argsort(-tokens, kind="stable")
        tokens = tokens[ranking]
        # how many sentences are at least so long
        counts = np.searchsorted(-tokens, -np.arange(1, tokens[0] + 1), side="right")
        firsts = np.cumsum(counts) - counts
        step = np.repeat(np.arange(len(counts)), counts)  # (N,)
        sentence = np.arange(len(step)) - firsts[step]  # (N,) in the order of `ranking`
        order = np.empty(num_directions * len(step), dtype=np.int64)
        for direction in range(num_directions):
            read = step if direction == 0 else tokens[sentence] - 1 - step
            rows = num_directions * firsts[step] + direction * counts[step] + sentence
            order[rows] = (firsts[read] + sentence) * num_directions + direction
        return cls(
            steps=counts.tolist(),
            cells=torch.from_numpy(ranking[sentence] * size + step),
            order=torch.from_numpy(order),
            shape=(len(tokens), size),
            num_directions=num_directions,
        )

    def index(self, rows: Tensor) -> Tensor:
        """Which row of a table each row of a buffer reads, (E * N,).

        Args:
            rows: (N,) what each token reads: row r of R, whose product with direction e's weights is row r * E + e.
        """
        token = self.order // self.num_directions
        return rows[token] * self.num_directions + self.order % self.num_directions

    def by_step(self, *buffers: Tensor) -> list[tuple[Tensor, ...]]:
        """Of each step its rows, (E * n, ...), in each of some buffers (E * N or more, ...)."""
        sizes = [self.num_directions * count for count in self.steps]
        num_rows = sum(sizes)
        return list(zip(*(torch.split_with_sizes(each[:num_rows], sizes) for each in buffers), strict=True))

    def by_direction(self, part: Tensor, *, like: Tensor | None = None) -> Tensor:
        """A step's rows (E * n, W) -> (E, n, W); of only the sentences that a later step has, whose rows are given."""
        parted = part.view(self.num_directions, -1, part.size(1))
        if like is None or len(like) == len(part):
            return parted
        return parted.narrow(1, 0, len(like) // self.num_directions)

    def side_by_side(self, buffer: Tensor) -> Tensor:
        """(E * N, W) -> (N, E * W): what the directions say of a token, the first one beside the second."""
        places = torch.empty_like(self.order)
        places[self.order] = torch.arange(len(self.order))
        return buffer.index_select(0, places).view(len(self.cells), -1)

    def unpack(self, values: Tensor) -> Tensor:
        """(N, W) -> (B, T, W), zeros where padded."""
        padded: Tensor = _Unpack.apply(self, values)  # type: ignore[no-untyped-call]
        return padded


class _Unpack(torch.autograd.Function):
    """Padding gets no gradient, whatever is made of it."""

    @staticmethod
    def forward(ctx: Any, packing: Packing, values: Tensor) -> Tensor:
        ctx.packing = packing
        padded = values.new_zeros(packing.shape[0] * packing.shape[1], values.size(1))
        return padded.index_copy_(0, packing.cells, values).view(*packing.shape, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient.reshape(-1, gradient.size(2)).index_select(0, ctx.packing.cells)

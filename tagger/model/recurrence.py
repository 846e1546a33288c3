"""One layer of LSTMs on a CPU, all directions at once, over the real tokens alone: what `nn.LSTM` gives.

Why not `nn.LSTM` itself: it multiplies each token's input by the input weights, padding's too. Here that product comes
from a table, worked out once for each distinct form of a batch, and in prediction remembered from batch to batch; a
step then reads the rows that it needs. At width 128 that is three quarters of the arithmetic. On a GPU, cuDNN's LSTM
is faster than a loop in Python (see `encoder.py`).

Letters: B sentences, T tokens of the longest, N tokens of all, R rows of the table, H hidden size, E directions.
The equations are those of `torch.nn.LSTM`: gates i, f, o = sigmoid(.), g = tanh(.); c = f c' + i g; h = o tanh(c).
tanh(x) is computed as 2 sigmoid(2x) - 1, since torch's own takes a CPU six times as long: to some 1e-7 like the other,
but not to 1e-7 of itself where it is near 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_SIGMOID_BACKWARD = torch.ops.aten.sigmoid_backward.grad_input
_TANH_BACKWARD = torch.ops.aten.tanh_backward.grad_input


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """The N tokens of a padded batch in the order in which an LSTM meets them: all first ones, all second ones, ...

    Longer sentences come first, so that those still going on at a step are the first rows of the step before.

    Attributes:
        steps: of each step its first row and how many rows it has.
        cells: (N,) int64, each row's place in the batch laid flat, (B * T,).
        mirror: (N,) int64, the row of the token that stands as far from its sentence's end as this one from the start.
        shape: B, T.
    """

    steps: list[tuple[int, int]]
    cells: Tensor
    mirror: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, lengths: Tensor, size: int) -> Self:
        """Packs sentences of these lengths (B,), each >= 1, padded to `size` = T."""
        tokens = lengths.numpy()
        order = np.argsort(-tokens, kind="stable")
        tokens = tokens[order]
        # how many sentences are at least so long
        counts = np.searchsorted(-tokens, -np.arange(1, tokens[0] + 1), side="right")
        firsts = np.concatenate([[0], np.cumsum(counts)])
        step = np.repeat(np.arange(len(counts)), counts)  # (N,)
        sentence = np.arange(firsts[-1]) - firsts[step]  # (N,) in the order of `order`
        return cls(
            steps=list(zip(firsts.tolist(), counts.tolist(), strict=False)),
            cells=torch.from_numpy(order[sentence] * size + step),
            mirror=torch.from_numpy(firsts[tokens[sentence] - 1 - step] + sentence),
            shape=(len(tokens), size),
        )

    def index(self, rows: Tensor, num_directions: int) -> Tensor:
        """What `recur` is to read: (E, N) rows of a table that holds its rows once for each direction.

        Args:
            rows: (N,) what each token reads: row r of R, whose product with direction e's weights is row r * E + e.
            num_directions: E.
        """
        return torch.stack([rows * 2, rows[self.mirror] * 2 + 1]) if num_directions == 2 else rows.unsqueeze(0)

    def unpack(self, values: Tensor) -> Tensor:
        """(N, W) -> (B, T, W), zeros where padded."""
        padded: Tensor = _Unpack.apply(self, values)  # type: ignore[no-untyped-call]
        return padded


def recur(
    packing: Packing, table: Tensor, index: Tensor, weights: Sequence[Tensor], *, in_int8: bool = False
) -> Tensor:
    """The hidden state at every token.

    Sums and gates are computed in float32 where the table is narrower, products as wide as the table.

    Args:
        packing: where tokens stand.
        table: (R * E, 4H) what the input adds to the gates before their sigmoids, biases included, as
            `torch.nn.LSTM` orders them: i, f, g, o.
        index: (E, N) as `Packing.index` gives it.
        weights: for each direction (4H, H), `weight_hh_l0` of `torch.nn.LSTM`.
        in_int8: multiply hidden states and weights as 8-bit integers; where no gradient is wanted.

    Returns:
        (N, E * H), as the table's dtype: the forward direction beside the backward one.
    """
    if torch.is_grad_enabled() and any(each.requires_grad for each in (table, *weights)):
        return _Recurrence.apply(packing, table, index, *weights)  # type: ignore[no-any-return,no-untyped-call]
    return _beside(_read(packing, table, index, weights, keeps=False, in_int8=in_int8).hidden, packing)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """What reading leaves behind, the rows of a step side by side in every direction.

    Attributes:
        gates: (E, N, 4H) after sigmoid and tanh: i, f, g, o.
        cells: (E, N, H) c.
        squashed: (E, N, H) tanh(c).
        hidden: (E, N, H) h, as the table's dtype.
    """

    gates: Tensor
    cells: Tensor
    squashed: Tensor
    hidden: Tensor


def _read(
    packing: Packing,
    table: Tensor,
    index: Tensor,
    weights: Sequence[Tensor],
    *,
    keeps: bool,
    in_int8: bool = False,
) -> _Trace:
    """Reads all sentences, step by step; without `keeps`, only `hidden` is all there, the rest of the last step."""
    (num_directions, num_tokens), size = index.shape, weights[0].size(1)
    most = packing.steps[0][1]  # sentences
    kept = num_tokens if keeps else most
    wide = torch.promote_types(table.dtype, torch.float32)
    # one step's gates: small enough for a core's cache
    read = table.new_empty(num_directions * most, 4 * size)
    gates, cells, squashed = (
        table.new_empty(num_directions, kept, width, dtype=wide) for width in (4 * size, size, size)
    )
    hidden = table.new_empty(num_directions, num_tokens, size)
    add_product = _in_int8(weights) if in_int8 else _as_they_are(weights, table.dtype)
    minus_one = torch.tensor(-1, dtype=wide)
    before = 0
    for first, count in packing.steps:
        here = slice(first, first + count) if keeps else slice(0, count)
        rows = read[: num_directions * count]
        torch.index_select(table, 0, index[:, first : first + count].flatten(), out=rows)
        gate = rows.view(num_directions, count, -1)
        if first:
            add_product(gate, hidden[:, before : before + count])
        if keeps or gate.dtype != wide:
            gate = gates[:, here].copy_(gate)
        i, f, g, o = gate.chunk(4, dim=2)
        g.mul_(2)
        gate.sigmoid_()
        torch.add(minus_one, g, alpha=2, out=g)
        if first:
            previous = cells[:, before : before + count] if keeps else cells[:, here]
            cell = torch.mul(f, previous, out=cells[:, here]).addcmul_(i, g)
        else:
            cell = torch.mul(i, g, out=cells[:, here])
        tanh = torch.mul(cell, 2, out=squashed[:, here]).sigmoid_()
        torch.add(minus_one, tanh, alpha=2, out=tanh)
        torch.mul(o, tanh, out=hidden[:, first : first + count])
        before = first
    return _Trace(gates=gates, cells=cells, squashed=squashed, hidden=hidden)


def _as_they_are(weights: Sequence[Tensor], dtype: torch.dtype) -> Callable[[Tensor, Tensor], object]:
    matrices = torch.stack([weight.detach().t() for weight in weights]).to(dtype)  # (E, H, 4H)
    return lambda gates, hidden: gates.baddbmm_(hidden, matrices)


def _in_int8(weights: Sequence[Tensor]) -> Callable[[Tensor, Tensor], object]:
    """Hidden states are below 1, so 1/127 is their step, whatever the batch; each gate's weights have one of their own.

    The sums are exact, so that a sentence's tags do not depend on its company.
    """
    matrices, steps = [], []
    for weight in weights:
        step = weight.detach().abs().amax(dim=1).clamp(min=1e-30) / 127  # (4H,)
        matrices.append((weight.detach() / step.unsqueeze(1)).round().to(torch.int8).t().contiguous())  # (H, 4H)
        steps.append(step / 127)

    def add_product(gates: Tensor, hidden: Tensor) -> None:
        whole = (hidden * 127).round_().to(torch.int8)
        for gate, states, matrix, step in zip(gates, whole, matrices, steps, strict=True):
            gate.add_(torch._int_mm(states, matrix) * step)

    return add_product


class _Recurrence(torch.autograd.Function):
    """`_read`, and the gradients of what it computes."""

    @staticmethod
    def forward(ctx: Any, packing: Packing, table: Tensor, index: Tensor, *weights: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            trace = _read(packing, table, index, weights, keeps=True)
            ctx.packing, ctx.num_rows = packing, len(table)
            ctx.save_for_backward(index, trace.gates, trace.cells, trace.squashed, trace.hidden, *weights)
            return _beside(trace.hidden, packing)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        packing: Packing = ctx.packing
        index, gates, cells, squashed, hidden, *weights = ctx.saved_tensors
        trace = _Trace(gates=gates, cells=cells, squashed=squashed, hidden=hidden)
        with torch.autocast("cpu", enabled=False):
            d_gates, narrow = _read_back(packing, trace, weights, gradient)
            # rows that many tokens read are summed in float32
            d_table = torch.ops.aten.embedding_dense_backward(
                d_gates.flatten(0, 1), index.flatten(), ctx.num_rows, -1, False
            )
            # every row but those of first tokens, and the row of the token before
            steps = packing.steps
            rows = [torch.arange(first, first + count) for (first, _), (_, count) in pairwise(steps)]
            before = torch.cat([index[0, :0], *rows])
            d_weights = [
                (narrow[at, steps[0][1] :].t() @ hidden[at].index_select(0, before)).to(weight.dtype)
                for at, weight in enumerate(weights)
            ]
        return None, d_table.to(hidden.dtype), None, *d_weights


def _read_back(packing: Packing, trace: _Trace, weights: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Back through the steps: (N, E * H), the gradient of what `recur` returns -> that of the gates before sigmoid.

    Returns:
        (E, N, 4H), twice: as the gates' dtype and as the hidden states'.
    """
    size = trace.hidden.size(2)
    matrices = torch.stack([weight.detach() for weight in weights]).to(trace.hidden.dtype)  # (E, 4H, H)
    d_hidden = torch.empty_like(trace.cells)
    for at, part in enumerate(gradient.chunk(len(weights), dim=1)):
        d_hidden[at].copy_(part if at == 0 else part.index_select(0, packing.mirror))
    d_gates = torch.empty_like(trace.gates)
    narrow = d_gates if trace.hidden.dtype == d_gates.dtype else torch.empty_like(d_gates, dtype=trace.hidden.dtype)
    d_cell_later: Tensor | None = None  # what the step after says of c
    befores = [None, *(first for first, _ in packing.steps[:-1])]
    for (first, count), before in zip(reversed(packing.steps), reversed(befores), strict=True):
        here = slice(first, first + count)
        dh, d_gate, gate, tanh = (each[:, here] for each in (d_hidden, d_gates, trace.gates, trace.squashed))
        i, f, g, o = gate.chunk(4, dim=2)
        di, df, dg, do = d_gate.chunk(4, dim=2)
        torch.mul(dh, tanh, out=do)
        dc = dh.mul_(o)
        _TANH_BACKWARD(dc, tanh, grad_input=dc)
        if d_cell_later is not None:
            dc[:, : d_cell_later.size(1)].add_(d_cell_later)
        torch.mul(dc, g, out=di)
        torch.mul(dc, i, out=dg)
        if before is None:
            df.zero_()
        else:
            torch.mul(dc, trace.cells[:, before : before + count], out=df)
        _TANH_BACKWARD(dg, g, grad_input=dg)
        _SIGMOID_BACKWARD(do, o, grad_input=do)
        input_and_forget = d_gate[:, :, : 2 * size]
        _SIGMOID_BACKWARD(input_and_forget, gate[:, :, : 2 * size], grad_input=input_and_forget)
        if narrow is not d_gates:
            d_gate = narrow[:, here].copy_(d_gate)
        if before is not None:
            d_hidden[:, before : before + count].add_(torch.bmm(d_gate, matrices))
            d_cell_later = dc.mul_(f)
    return d_gates, narrow


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


def _beside(hidden: Tensor, packing: Packing) -> Tensor:
    """(E, N, H), each direction in the order in which it reads -> (N, E * H), both in the forward one's."""
    if len(hidden) == 1:
        return hidden[0]
    return torch.cat([hidden[0], hidden[1].index_select(0, packing.mirror)], dim=1)

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
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tagger.model.packing import Packing
from tagger.model.row_counts import missing

_MINUS_ONE = torch.tensor(-1.0, dtype=torch.float64)  # without dimensions, so that it widens nothing
_SIGMOID_BACKWARD = torch.ops.aten.sigmoid_backward.grad_input
_TANH_BACKWARD = torch.ops.aten.tanh_backward.grad_input


def recur(
    packing: Packing, table: Tensor, index: Tensor, weights: Sequence[Tensor], *, in_int8: bool = False
) -> Tensor:
    """The hidden state at every token.

    Sums and gates are computed in float32 where the table is narrower, products as wide as the table.

    Args:
        packing: where tokens stand.
        table: (R * E, 4H) what the input adds to the gates before their sigmoids, biases included, as
            `torch.nn.LSTM` orders them: i, f, g, o.
        index: (E * N,) as `Packing.index` gives it.
        weights: for each direction (4H, H), `weight_hh_l0` of `torch.nn.LSTM`.
        in_int8: multiply hidden states and weights as 8-bit integers; where no gradient is wanted.

    Returns:
        (N, E * H), as the table's dtype: the forward direction beside the backward one.
    """
    if torch.is_grad_enabled() and any(each.requires_grad for each in (table, *weights)):
        return _Recurrence.apply(packing, table, index, *weights)  # type: ignore[no-any-return,no-untyped-call]
    return packing.side_by_side(_read(packing, table, index, weights, in_int8=in_int8))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """What reading leaves behind for the way back.

    Attributes:
        gates: (E * N, 4H) after sigmoid and tanh: i, f, g, o.
        cells: (E * N, H) c.
        squashed: (E * N, H) tanh(c).
        hidden: (E * N, H) h, as the table's dtype.
    """

    gates: Tensor
    cells: Tensor
    squashed: Tensor
    hidden: Tensor


def _read(packing: Packing, table: Tensor, index: Tensor, weights: Sequence[Tensor], *, in_int8: bool) -> Tensor:
    """The hidden states, (E * N, H); of all else one step is held, which is small enough for a core's cache."""
    size, most = weights[0].size(1), packing.num_directions * packing.steps[0]
    wide = torch.promote_types(table.dtype, torch.float32)
    read = table.new_empty(most, 4 * size)
    gates = read if read.dtype == wide else torch.empty_like(read, dtype=wide)
    cells, squashed = (gates.new_empty(most, size) for _ in range(2))
    hidden = table.new_empty(len(index), size)
    add_product = _in_int8(weights) if in_int8 else _as_they_are(weights, table.dtype)
    before: Tensor | None = None  # hidden states
    cell_before: Tensor | None = None
    for rows, state in packing.by_step(index.unsqueeze(1), hidden):
        num_directions, count = rows.shape[:2]
        raw, gate, cell, tanh = (
            each[: num_directions * count].view(num_directions, count, -1) for each in (read, gates, cells, squashed)
        )
        torch.index_select(table, 0, rows.flatten(), out=raw.flatten(0, 1))
        if before is not None and cell_before is not None:
            add_product(raw, before[:, :count])
            if count < cell_before.size(1):
                cell_before = cell.copy_(cell_before[:, :count].clone())
        if gates is not read:
            gate.copy_(raw)
        _step(gate, gate.chunk(4, dim=2), cell_before, cell, tanh, state)
        before, cell_before = state, cell
    return hidden


def _read_and_keep(packing: Packing, table: Tensor, index: Tensor, weights: Sequence[Tensor]) -> _Trace:
    """`_read` with all that the way back wants."""
    wide = torch.promote_types(table.dtype, torch.float32)
    read = table.index_select(0, index)
    gates = read if read.dtype == wide else torch.empty_like(read, dtype=wide)
    parts = gates.chunk(4, dim=1)
    cells, squashed = (gates.new_empty(parts[0].shape) for _ in range(2))
    hidden = torch.empty_like(cells, dtype=table.dtype)
    add_product = _as_they_are(weights, table.dtype)
    before: Tensor | None = None  # hidden states
    cell_before: Tensor | None = None
    for raw, gate, i, f, g, o, cell, tanh, state in packing.by_step(read, gates, *parts, cells, squashed, hidden):
        if before is not None and cell_before is not None:
            count = raw.size(1)
            add_product(raw, before[:, :count])
            cell_before = cell_before[:, :count]
        if gates is not read:
            gate.copy_(raw)
        _step(gate, (i, f, g, o), cell_before, cell, tanh, state)
        before, cell_before = state, cell
    return _Trace(gates=gates, cells=cells, squashed=squashed, hidden=hidden)


def _step(
    gates: Tensor,
    parts: Sequence[Tensor],
    before: Tensor | None,
    cells: Tensor,
    squashed: Tensor,
    hidden: Tensor,
) -> None:
    """One step of n sentences.

    Args:
        gates: (E, n, 4H) before sigmoid and tanh; after them at the end.
        parts: i, f, g, o, (E, n, H) each, in `gates`.
        before: (E, n, H) the cells before, which can be `cells` itself; None at the first step.
        cells: (E, n, H) where c goes.
        squashed: where tanh(c) goes.
        hidden: where h goes.
    """
    i, f, g, o = parts
    g.mul_(2)
    gates.sigmoid_()
    torch.add(_MINUS_ONE, g, alpha=2, out=g)
    if before is None:
        torch.mul(i, g, out=cells)
    else:
        torch.mul(f, before, out=cells).addcmul_(i, g)
    torch.mul(cells, 2, out=squashed).sigmoid_()
    torch.add(_MINUS_ONE, squashed, alpha=2, out=squashed)
    torch.mul(o, squashed, out=hidden)


def _as_they_are(weights: Sequence[Tensor], dtype: torch.dtype) -> Callable[[Tensor, Tensor], object]:
    matrices = torch.stack([weight.detach().t() for weight in weights]).to(dtype)  # (E, H, 4H)
    return lambda gates, hidden: gates.baddbmm_(hidden, matrices)


def _in_int8(weights: Sequence[Tensor]) -> Callable[[Tensor, Tensor], object]:
    """Hidden states are below 1, so 1/127 is their step, whatever the batch; each gate's weights have one of their own.

    The sums are exact, so that a sentence's tags do not depend on its company. Weights have 7 bits: CPUs without VNNI
    add two products in 16 bits, which 8 overflow.
    """
    matrices, steps = [], []
    for weight in weights:
        step = weight.detach().abs().amax(dim=1).clamp(min=1e-30) / 63  # (4H,)
        matrices.append((weight.detach() / step.unsqueeze(1)).round().to(torch.int8).t().contiguous())  # (H, 4H)
        steps.append(step / 127)

    def add_product(gates: Tensor, hidden: Tensor) -> None:
        whole = (hidden * 127).round_().to(torch.int8)
        for gate, states, matrix, step in zip(gates, whole, matrices, steps, strict=True):
            gate.add_(torch._int_mm(states, matrix) * step)

    return add_product


class _Recurrence(torch.autograd.Function):
    """`_read_and_keep`, and the gradients of what it computes."""

    @staticmethod
    def forward(ctx: Any, packing: Packing, table: Tensor, index: Tensor, *weights: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            trace = _read_and_keep(packing, table, index, weights)
            ctx.packing, ctx.num_rows = packing, len(table)
            ctx.save_for_backward(index, trace.gates, trace.cells, trace.squashed, trace.hidden, *weights)
            return packing.side_by_side(trace.hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        packing: Packing = ctx.packing
        index, gates, cells, squashed, hidden, *weights = ctx.saved_tensors
        trace = _Trace(gates=gates, cells=cells, squashed=squashed, hidden=hidden)
        with torch.autocast("cpu", enabled=False):
            d_gates, narrow = _read_back(packing, trace, weights, gradient)
            # rows that many tokens read are summed in float32
            d_table = torch.ops.aten.embedding_dense_backward(d_gates, index, ctx.num_rows, -1, False)
            d_weights = [
                (narrow.index_select(0, rows).t() @ hidden.index_select(0, before)).to(weight.dtype)
                for (rows, before), weight in zip(_successions(packing), weights, strict=True)
            ]
        return None, d_table.to(hidden.dtype), None, *d_weights


def _successions(packing: Packing) -> list[tuple[Tensor, Tensor]]:
    """For each direction the rows of all steps but the first, and the row of the token before each.

    Rows E * N, beside any, fill both up to a number that comes again.
    """
    num_directions, counts = packing.num_directions, np.array(packing.steps)
    firsts = num_directions * (np.cumsum(counts) - counts)
    step = np.repeat(np.arange(1, len(counts)), counts[1:])  # (M,)
    sentence = np.arange(len(step)) - (np.cumsum(counts[1:]) - counts[1:])[step - 1]
    fill = (0, missing(len(step)))
    return [
        (
            torch.from_numpy(np.pad(rows, fill, constant_values=len(packing.order))),
            torch.from_numpy(np.pad(before, fill)),
        )
        for rows, before in (
            (firsts[step] + at * counts[step] + sentence, firsts[step - 1] + at * counts[step - 1] + sentence)
            for at in range(num_directions)
        )
    ]


def _read_back(packing: Packing, trace: _Trace, weights: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Back through the steps: (N, E * H), the gradient of what `recur` returns -> that of the gates before sigmoid.

    Returns:
        (E * N, 4H), twice: as the gates' dtype, and as the hidden states' with a row of zeros behind.
    """
    num_rows, size = trace.hidden.shape
    matrices = torch.stack([weight.detach() for weight in weights]).to(trace.hidden.dtype)  # (E, 4H, H)
    d_hidden = gradient.reshape(-1, size).index_select(0, packing.order).to(trace.cells.dtype)
    d_gates = torch.empty_like(trace.gates)
    narrow = trace.hidden.new_empty(num_rows + 1, 4 * size)
    narrow[num_rows:] = 0
    # of each step, from the last: gates and their parts, their gradients, tanh(c), the gradient of h
    buffers = (trace.gates, *trace.gates.chunk(4, dim=1), d_gates, *d_gates.chunk(4, dim=1), trace.squashed, d_hidden)
    steps = reversed(packing.by_step(narrow[:num_rows], *buffers))
    befores = [*packing.by_step(d_hidden, trace.cells)[-2::-1], None]
    d_cell_later: Tensor | None = None  # what the step after says of c
    for (rounded, gate, i, f, g, o, d_gate, di, df, dg, do, tanh, dc), before in zip(steps, befores, strict=True):
        torch.mul(dc, tanh, out=do)  # dc holds the gradient of h at first
        _TANH_BACKWARD(dc.mul_(o), tanh, grad_input=dc)
        if d_cell_later is not None:
            dc[:, : d_cell_later.size(1)].add_(d_cell_later)
        torch.mul(dc, g, out=di)
        torch.mul(dc, i, out=dg)
        if before is None:
            df.zero_()
        else:
            torch.mul(dc, before[1][:, : dc.size(1)], out=df)
        _TANH_BACKWARD(dg, g, grad_input=dg)
        _SIGMOID_BACKWARD(do, o, grad_input=do)
        input_and_forget = d_gate[:, :, : 2 * size]
        _SIGMOID_BACKWARD(input_and_forget, gate[:, :, : 2 * size], grad_input=input_and_forget)
        rounded.copy_(d_gate)
        if before is not None:
            before[0][:, : dc.size(1)].add_(torch.bmm(rounded, matrices))
            d_cell_later = dc.mul_(f)
    return d_gates, narrow

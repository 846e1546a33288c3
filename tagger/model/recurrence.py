"""One layer of LSTMs on a CPU, all directions at once, over the real tokens alone: what `nn.LSTM` gives.

Why not `nn.LSTM` itself: it multiplies each token's input by the input weights, padding's too. Here that product comes
from a table, worked out once for each distinct form of a batch, and in prediction remembered from batch to batch; a
step then reads the rows that it needs. At width 128 that is three quarters of the arithmetic. On a GPU, cuDNN's LSTM
is faster than a loop in Python (see `encoder.py`).

Letters: B sentences, T tokens of the longest, N tokens of all, R rows of the table, H hidden size, E directions.
The equations are those of `torch.nn.LSTM`: gates i, f, o = sigmoid(.), g = tanh(.); c = f c' + i g; h = o tanh(c).
tanh(x) is computed as 2 sigmoid(2x) - 1, since torch's own takes a CPU six times as long: to some 1e-7 like the other,
but not to 1e-7 of itself where it is near 0. What goes into g is therefore doubled as it is read, and steps hand on 2c.
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

_MINUS_ONE = torch.tensor(-1.0)  # without dimensions, so that it widens nothing
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
        kept: (E * N, H) 2 f c', twice what is left of the cells before.
        squashed: (E * N, H) tanh(c).
        hidden: (E * N, H) h, as the table's dtype.
    """

    gates: Tensor
    kept: Tensor
    squashed: Tensor
    hidden: Tensor


def _read(packing: Packing, table: Tensor, index: Tensor, weights: Sequence[Tensor], *, in_int8: bool) -> Tensor:
    """The hidden states, (E * N, H); of all else one step is held, which is small enough for a core's cache."""
    size, most = weights[0].size(1), packing.num_directions * packing.steps[0]
    wide = torch.promote_types(table.dtype, torch.float32)
    read = table.new_empty(most, 4 * size)
    gates = read if read.dtype == wide else torch.empty_like(read, dtype=wide)
    cells, squashed = gates.new_zeros(most, size), gates.new_empty(most, size)
    hidden = table.new_empty(len(index), size)
    doubled = _doubled(weights)
    add_product = _in_int8(doubled) if in_int8 else _as_they_are(doubled, table.dtype)
    before: Tensor | None = None  # hidden states
    cell_before = cells
    for rows, state in packing.by_step(index, hidden):
        raw, gate, cell, tanh = (each[: len(rows)] for each in (read, gates, cells, squashed))
        torch.index_select(table, 0, rows, out=raw)
        raw.chunk(4, dim=1)[2].mul_(2)
        if before is not None:
            add_product(packing.by_direction(raw), packing.by_direction(before, like=rows))
            cell_before = packing.by_direction(cell_before, like=rows).flatten(0, 1)
        if gates is not read:
            gate.copy_(raw)
        _step(gate, gate.chunk(4, dim=1), cell_before, kept=cell, cells=cell, squashed=tanh, hidden=state)
        before, cell_before = state, cell
    return hidden


def _read_and_keep(packing: Packing, table: Tensor, index: Tensor, weights: Sequence[Tensor]) -> _Trace:
    """`_read` with all that the way back wants."""
    most = packing.num_directions * packing.steps[0]
    wide = torch.promote_types(table.dtype, torch.float32)
    read = table.index_select(0, index)
    read.chunk(4, dim=1)[2].mul_(2)
    gates = read if read.dtype == wide else torch.empty_like(read, dtype=wide)
    parts = gates.chunk(4, dim=1)
    kept, squashed = (gates.new_empty(parts[0].shape) for _ in range(2))
    hidden = torch.empty_like(kept, dtype=table.dtype)
    cells, other_cells = (gates.new_zeros(most, kept.size(1)) for _ in range(2))  # of a step, and of the one before
    add_product = _as_they_are(_doubled(weights), table.dtype)
    before: Tensor | None = None  # hidden states
    cell_before = other_cells
    for raw, gate, i, f, g, o, keep, tanh, state in packing.by_step(read, gates, *parts, kept, squashed, hidden):
        if before is not None:
            add_product(packing.by_direction(raw), packing.by_direction(before, like=raw))
            cell_before = packing.by_direction(cell_before, like=raw).flatten(0, 1)
        if gates is not read:
            gate.copy_(raw)
        cell = cells[: len(gate)]
        _step(gate, (i, f, g, o), cell_before, kept=keep, cells=cell, squashed=tanh, hidden=state)
        before, cell_before = state, cell
        cells, other_cells = other_cells, cells
    return _Trace(gates=gates, kept=kept, squashed=squashed, hidden=hidden)


def _step(
    gates: Tensor,
    parts: Sequence[Tensor],
    before: Tensor,
    *,
    kept: Tensor,
    cells: Tensor,
    squashed: Tensor,
    hidden: Tensor,
) -> None:
    """One step of n sentences.

    Args:
        gates: (E * n, 4H) before sigmoid and tanh, g doubled; after them at the end.
        parts: i, f, g, o, (E * n, H) each, in `gates`.
        before: (E * n, H) the cells before, 2c'.
        kept: (E * n, H) where 2 f c' goes.
        cells: where 2c goes; it can be `before` or `kept` itself.
        squashed: where tanh(c) goes.
        hidden: where h goes.
    """
    i, f, g, o = parts
    gates.sigmoid_()
    torch.add(_MINUS_ONE, g, alpha=2, out=g)
    torch.mul(f, before, out=kept)
    torch.addcmul(kept, i, g, value=2, out=cells)
    torch.sigmoid(cells, out=squashed)
    torch.add(_MINUS_ONE, squashed, alpha=2, out=squashed)
    torch.mul(o, squashed, out=hidden)


def _doubled(weights: Sequence[Tensor]) -> list[Tensor]:
    """Each direction's weights, what goes into g doubled."""
    doubled = [weight.detach().clone() for weight in weights]
    for weight in doubled:
        weight.chunk(4)[2].mul_(2)
    return doubled


def _as_they_are(weights: Sequence[Tensor], dtype: torch.dtype) -> Callable[[Tensor, Tensor], object]:
    matrices = torch.stack([weight.t() for weight in weights]).to(dtype)  # (E, H, 4H)
    return lambda gates, hidden: gates.baddbmm_(hidden, matrices)


def _in_int8(weights: Sequence[Tensor]) -> Callable[[Tensor, Tensor], object]:
    """Hidden states are below 1, so 1/127 is their step, whatever the batch; each gate's weights have one of their own.

    The sums are exact, so that a sentence's tags do not depend on its company. Weights have 7 bits: CPUs without VNNI
    add two products in 16 bits, which 8 overflow.
    """
    matrices, steps = [], []
    for weight in weights:
        step = weight.abs().amax(dim=1).clamp(min=1e-30) / 63  # (4H,)
        matrices.append((weight / step.unsqueeze(1)).round().to(torch.int8).t().contiguous())  # (H, 4H)
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
            # costs each operation less; such a trace cannot be saved, and lives with the graph
            with torch.inference_mode():
                trace = _read_and_keep(packing, table, index, weights)
            ctx.packing, ctx.num_rows, ctx.trace = packing, len(table), trace
            ctx.save_for_backward(index, *weights)
            return packing.side_by_side(trace.hidden)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        packing: Packing = ctx.packing
        hidden = ctx.trace.hidden
        index, *weights = ctx.saved_tensors
        with torch.autocast("cpu", enabled=False):
            with torch.inference_mode():
                d_gates, narrow = _read_back(packing, ctx.trace, weights, gradient)
            # rows that many tokens read are summed in float32
            d_table = d_gates.new_zeros(ctx.num_rows, d_gates.size(1)).index_add_(0, index, d_gates)
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

    What does not go from step to step is worked out for all of them at once. Nothing is doubled here: g's gradient is
    that of what the table has and the weights add.

    Returns:
        (E * N, 4H), twice: as the gates' dtype, and as the hidden states' with a row of zeros behind.
    """
    num_rows, size = trace.hidden.shape
    matrices = torch.stack([weight.detach() for weight in weights]).to(trace.hidden.dtype)  # (E, 4H, H)
    d_hidden = gradient.reshape(-1, size).index_select(0, packing.order).to(trace.gates.dtype)
    d_gates, d_cells = _derivatives(trace)
    narrow = d_gates if d_gates.dtype == trace.hidden.dtype else torch.empty_like(d_gates, dtype=trace.hidden.dtype)
    narrow[num_rows:] = 0
    cell_parts, output_part = d_gates[:, : 3 * size], d_gates[:, 3 * size :]
    forget = trace.gates.chunk(4, dim=1)[1]
    steps = packing.by_step(narrow, d_gates, cell_parts, output_part, d_cells, forget, d_hidden)
    later: Tensor | None = None  # what the step after says of c
    befores = [None, *[d_before for *_, d_before in steps[:-1]]]  # d_hidden of the step before
    for (rounded, d_gate, ifg, o, dc, f, dh), before in zip(reversed(steps), reversed(befores), strict=True):
        o.mul_(dh)
        dc.mul_(dh)
        if later is not None:
            packing.by_direction(dc, like=later).add_(packing.by_direction(later))
        ifg.view(-1, 3, size).mul_(dc.unsqueeze(1))
        if narrow is not d_gates:
            rounded.copy_(d_gate)
        if before is not None:
            d_before = packing.by_direction(before, like=dh)
            if narrow is d_gates:
                d_before.baddbmm_(packing.by_direction(rounded), matrices)
            else:
                d_before.add_(torch.bmm(packing.by_direction(rounded), matrices))
            later = dc.mul_(f)
    return d_gates[:num_rows], narrow


def _derivatives(trace: _Trace) -> tuple[Tensor, Tensor]:
    """What the gates before sigmoid (g's not doubled) do to c, but o's to h, and what c does to h.

    Returns:
        (E * N + 1, 4H), its last row without meaning, and (E * N, H).
    """
    num_rows, size = trace.hidden.shape
    i, f, g, o = trace.gates.chunk(4, dim=1)
    by_gates = trace.gates.new_empty(num_rows + 1, 4 * size)
    by_i, by_f, by_g, by_o = by_gates[:num_rows].chunk(4, dim=1)
    _SIGMOID_BACKWARD(g, i, grad_input=by_i)  # g i (1 - i)
    torch.addcmul(trace.kept, trace.kept, f, value=-1, out=by_f).mul_(0.5)  # c' f (1 - f)
    _TANH_BACKWARD(i, g, grad_input=by_g)  # i (1 - g^2)
    _SIGMOID_BACKWARD(trace.squashed, o, grad_input=by_o)  # tanh(c) o (1 - o)
    return by_gates, torch.ops.aten.tanh_backward(o, trace.squashed)  # o (1 - tanh(c)^2)

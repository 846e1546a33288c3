"""The recurrence against a packed `nn.LSTM` with the same weights, and its packing against one read off in Python."""

import math
import os
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tagger.model.packing import Packing
from tagger.model.recurrence import recur

U, D, H = 5, 4, 6  # forms, features, hidden size
BATCHES = [[1], [7], [4, 7, 1, 5], [3, 3, 3], [1, 1, 1], [2, 9, 9, 1, 6, 4]]

length_lists = st.lists(st.integers(1, 12), min_size=1, max_size=9)
both_directions = pytest.mark.parametrize("bidirectional", [False, True])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1997)


def pack(lengths: list[int], *, extra: int = 0, num_directions: int = 2) -> Packing:
    return Packing.of(torch.tensor(lengths), max(lengths) + extra, num_directions=num_directions)


def make_lstm(bidirectional: bool, *, input_dim: int = D, dtype: torch.dtype = torch.float64) -> nn.LSTM:
    return nn.LSTM(input_dim, H, batch_first=True, bidirectional=bidirectional).to(dtype)


def draw_forms(lengths: list[int]) -> Tensor:
    """Which form each token is, (B, T); what stands in padding is a form like others."""
    return torch.randint(U, (len(lengths), max(lengths)))


def weights_of(lstm: nn.LSTM, kind: str) -> list[Tensor]:
    """For each direction one of the weights, such as `weight_hh`."""
    return [lstm.get_parameter(f"{kind}_l0{end}") for end in ("", "_reverse")[: 1 + lstm.bidirectional]]


def tabulate(lstm: nn.LSTM, by_form: Tensor) -> Tensor:
    """(U, D) -> (U * E, 4H): what each form adds to the gates of each direction."""
    weight, bias, other = (torch.cat(weights_of(lstm, kind)) for kind in ("weight_ih", "bias_ih", "bias_hh"))
    return F.linear(by_form, weight, bias + other).view(-1, 4 * H)


def read_table(lstm: nn.LSTM, table: Tensor, forms: Tensor, lengths: list[int]) -> Tensor:
    """(B, T, E * H)."""
    recurrent = weights_of(lstm, "weight_hh")
    packing = Packing.of(torch.tensor(lengths), forms.size(1), num_directions=len(recurrent))
    index = packing.index(forms.flatten()[packing.cells])
    return packing.unpack(recur(packing, table, index, recurrent))


def read(lstm: nn.LSTM, by_form: Tensor, forms: Tensor, lengths: list[int]) -> Tensor:
    """(B, T, E * H) by the recurrence."""
    return read_table(lstm, tabulate(lstm, by_form), forms, lengths)


def read_packed(lstm: nn.LSTM, by_form: Tensor, forms: Tensor, lengths: list[int]) -> Tensor:
    """(B, T, E * H) by `nn.LSTM`, zeros where padded."""
    packed = pack_padded_sequence(by_form[forms], torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    output, _ = lstm(packed)
    return pad_packed_sequence(output, batch_first=True, total_length=forms.size(1))[0]


def gradients(lstm: nn.LSTM, output: Tensor, *leaves: Tensor) -> list[Tensor]:
    """Of all of the LSTM's weights, then of the leaves, for some weighted sum of the output."""
    asked = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return list(torch.autograd.grad((output * asked).sum(), [*lstm.parameters(), *leaves]))


def assert_same(actual: Tensor | list[Tensor], expected: Tensor | list[Tensor], *, atol: float) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


class TestPacking:
    @given(length_lists, st.integers(0, 3), st.sampled_from([1, 2]))
    def test_rows_are_all_first_tokens_then_all_second_ones(
        self, lengths: list[int], extra: int, num_directions: int
    ) -> None:
        packing = pack(lengths, extra=extra, num_directions=num_directions)
        size = max(lengths) + extra
        ranking = sorted(range(len(lengths)), key=lambda sentence: -lengths[sentence])
        steps = [[(b, t) for b in ranking if t < lengths[b]] for t in range(max(lengths))]
        tokens = [cell for step in steps for cell in step]
        assert (packing.shape, packing.num_directions) == ((len(lengths), size), num_directions)
        assert packing.steps == [len(step) for step in steps]
        assert [divmod(cell, size) for cell in packing.cells.tolist()] == tokens
        order = []
        for step in steps:
            order += [tokens.index((b, t)) * num_directions for b, t in step]
            if num_directions == 2:
                order += [tokens.index((b, lengths[b] - 1 - t)) * 2 + 1 for b, t in step]
        assert packing.order.tolist() == order

    @given(length_lists, st.integers(0, 3))
    def test_every_token_has_one_row_a_direction(self, lengths: list[int], extra: int) -> None:
        packing = pack(lengths, extra=extra)
        mask = torch.arange(max(lengths) + extra) < torch.tensor(lengths)[:, None]
        assert packing.cells.sort().values.tolist() == mask.flatten().nonzero().flatten().tolist()
        assert packing.order.sort().values.tolist() == list(range(2 * sum(lengths)))
        assert sum(packing.steps) == sum(lengths)

    @given(length_lists)
    def test_sentences_still_going_on_are_the_first_of_the_step_before(self, lengths: list[int]) -> None:
        packing = pack(lengths)
        sentences = [(cells // max(lengths)).tolist() for cells in packing.cells.split(packing.steps)]
        assert sorted(sentences[0]) == list(range(len(lengths)))
        for step, (before, here) in enumerate(pairwise(sentences), start=1):
            assert here == before[: len(here)]
            assert sorted(here) == [b for b, length in enumerate(lengths) if length > step]

    def test_index_names_a_row_for_each_direction(self) -> None:
        rows = torch.tensor([5, 7, 1, 9, 4])  # of tokens (1, 0), (0, 0), (1, 1), (0, 1), (1, 2)
        assert pack([2, 3], num_directions=1).index(rows).tolist() == [5, 7, 1, 9, 4]
        assert pack([2, 3]).index(rows).tolist() == [10, 14, 9, 19, 2, 18, 3, 15, 8, 11]

    @given(length_lists)
    def test_side_by_side_undoes_the_order(self, lengths: list[int]) -> None:
        packing = pack(lengths)
        said = torch.randn(sum(lengths), 2, 3)  # of a token in each direction
        assert torch.equal(packing.side_by_side(said.view(-1, 3)[packing.order]), said.flatten(1))

    @given(length_lists)
    def test_by_step_is_what_a_step_works_on(self, lengths: list[int]) -> None:
        packing = pack(lengths)
        num_rows = 2 * sum(lengths)
        rows, more = zip(*packing.by_step(torch.arange(num_rows), torch.arange(num_rows + 1)), strict=True)
        assert [each.shape for each in rows] == [(2 * count,) for count in packing.steps]
        assert torch.cat(rows).tolist() == torch.cat(more).tolist() == list(range(num_rows))

    def test_by_direction_takes_the_first_sentences_of_each(self) -> None:
        packing = pack([2, 1, 1])
        first, second = (part for (part,) in packing.by_step(torch.arange(8).unsqueeze(1)))
        assert packing.by_direction(first).squeeze(2).tolist() == [[0, 1, 2], [3, 4, 5]]
        assert packing.by_direction(first, like=second).squeeze(2).tolist() == [[0], [3]]
        assert packing.by_direction(second, like=second).squeeze(2).tolist() == [[6], [7]]

    @given(length_lists, st.integers(0, 3))
    def test_unpack_puts_values_in_their_cells_and_zeros_in_padding(self, lengths: list[int], extra: int) -> None:
        packing = pack(lengths, extra=extra)
        values = torch.randn(sum(lengths), 2)
        padded = packing.unpack(values)
        mask = torch.arange(max(lengths) + extra) < torch.tensor(lengths)[:, None]
        assert padded.shape == (*mask.shape, 2)
        assert not padded[~mask].any()
        assert torch.equal(padded.flatten(0, 1)[packing.cells], values)

    @pytest.mark.parametrize("rubbish", [1.0, math.inf, math.nan])
    def test_padding_gives_no_gradient(self, rubbish: float) -> None:
        lengths = [4, 7, 1, 5]
        packing = pack(lengths)
        values = torch.randn(sum(lengths), 2, requires_grad=True)
        padded = packing.unpack(values)
        mask = torch.arange(7) < torch.tensor(lengths)[:, None]
        asked = torch.randn(padded.shape).masked_fill(~mask.unsqueeze(2), rubbish)
        (gradient,) = torch.autograd.grad(padded, values, asked)
        assert torch.equal(gradient, asked.flatten(0, 1)[packing.cells])


@both_directions
class TestPackedLSTM:
    @pytest.mark.parametrize("lengths", BATCHES, ids=str)
    def test_outputs_and_gradients(self, lengths: list[int], bidirectional: bool) -> None:
        lstm = make_lstm(bidirectional)
        forms = draw_forms(lengths)
        by_form = torch.randn(U, D, dtype=torch.float64, requires_grad=True)
        ours, theirs = read(lstm, by_form, forms, lengths), read_packed(lstm, by_form, forms, lengths)
        assert_same(ours, theirs, atol=1e-10)
        assert_same(gradients(lstm, ours, by_form), gradients(lstm, theirs, by_form), atol=1e-10)

    @settings(max_examples=30)
    @given(lengths=length_lists, number=st.integers(0, 999))
    def test_any_lengths(self, bidirectional: bool, lengths: list[int], number: int) -> None:
        torch.manual_seed(number)
        lstm = make_lstm(bidirectional)
        forms = draw_forms(lengths)
        by_form = torch.randn(U, D, dtype=torch.float64, requires_grad=True)
        ours, theirs = read(lstm, by_form, forms, lengths), read_packed(lstm, by_form, forms, lengths)
        assert_same(ours, theirs, atol=1e-10)
        assert_same(gradients(lstm, ours, by_form), gradients(lstm, theirs, by_form), atol=1e-10)

    @pytest.mark.parametrize("lengths", BATCHES, ids=str)
    def test_float32(self, lengths: list[int], bidirectional: bool) -> None:
        lstm = make_lstm(bidirectional, dtype=torch.float32)
        forms = draw_forms(lengths)
        by_form = torch.randn(U, D, requires_grad=True)
        ours, theirs = read(lstm, by_form, forms, lengths), read_packed(lstm, by_form, forms, lengths)
        assert ours.dtype == torch.float32
        assert_same(ours, theirs, atol=1e-6)
        for one, other in zip(gradients(lstm, ours, by_form), gradients(lstm, theirs, by_form), strict=True):
            assert (one - other).norm() <= 1e-6 * other.norm()

    def test_a_long_sentence(self, bidirectional: bool) -> None:
        lengths = [3000, 2]
        forms = draw_forms(lengths)
        for dtype, atol in ((torch.float64, 1e-10), (torch.float32, 1e-6)):
            lstm = make_lstm(bidirectional, dtype=dtype)
            by_form = torch.randn(U, D, dtype=dtype, requires_grad=True)
            ours, theirs = read(lstm, by_form, forms, lengths), read_packed(lstm, by_form, forms, lengths)
            assert_same(ours, theirs, atol=atol)
            for one, other in zip(gradients(lstm, ours, by_form), gradients(lstm, theirs, by_form), strict=True):
                # a gradient is a sum over 3000 tokens
                assert (one - other).norm() <= 10 * atol * other.norm()

    def test_a_gradient_that_is_the_same_everywhere(self, bidirectional: bool) -> None:
        """That of a sum comes as one number, expanded."""
        lstm, lengths = make_lstm(bidirectional), [4, 7, 1, 5]
        forms = draw_forms(lengths)
        by_form = torch.randn(U, D, dtype=torch.float64, requires_grad=True)
        leaves = [*lstm.parameters(), by_form]
        ours, theirs = (how(lstm, by_form, forms, lengths).sum() for how in (read, read_packed))
        assert_same(list(torch.autograd.grad(ours, leaves)), list(torch.autograd.grad(theirs, leaves)), atol=1e-10)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_extreme_gates(self, bidirectional: bool, dtype: torch.dtype) -> None:
        """Features that are the products themselves, of either sign: gates wide open, shut, and anything between."""
        lengths, num_directions = [4, 7, 1, 5], 1 + bidirectional
        width = num_directions * 4 * H
        lstm = make_lstm(bidirectional, input_dim=width, dtype=dtype)
        for weight, rows in zip(
            weights_of(lstm, "weight_ih"), torch.eye(width, dtype=dtype).chunk(num_directions), strict=True
        ):
            weight.data.copy_(rows)
        forms = draw_forms(lengths)
        levels = torch.tensor([-1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4], dtype=dtype)
        by_form = levels[torch.randint(len(levels), (U, width))].requires_grad_()
        ours, theirs = read(lstm, by_form, forms, lengths), read_packed(lstm, by_form, forms, lengths)
        assert ours.isfinite().all()
        assert ours.abs().max() > 0.5
        assert_same(ours, theirs, atol=1e-6 if dtype == torch.float32 else 1e-10)
        found, expected = gradients(lstm, ours, by_form), gradients(lstm, theirs, by_form)
        assert all(gradient.isfinite().all() for gradient in found)
        for one, other in zip(found, expected, strict=True):
            # as a whole: the gradients of the input weights grow with the products
            assert (one - other).norm() <= (1e-5 if dtype == torch.float32 else 1e-10) * other.norm()


@both_directions
class TestGradient:
    @pytest.mark.parametrize("lengths", [[1], [3], [2, 4, 1]], ids=str)
    def test_numerically(self, bidirectional: bool, lengths: list[int]) -> None:
        num_directions = 1 + bidirectional
        packing = pack(lengths, num_directions=num_directions)
        index = packing.index(draw_forms(lengths).flatten()[packing.cells])
        table = torch.randn(U * num_directions, 8, dtype=torch.float64, requires_grad=True)
        weights = [torch.randn(8, 2, dtype=torch.float64, requires_grad=True) for _ in range(num_directions)]
        assert torch.autograd.gradcheck(
            lambda read, *given: recur(packing, read, index, list(given)), (table, *weights)
        )

    def test_forms_that_no_token_is_get_none(self, bidirectional: bool) -> None:
        lstm, lengths = make_lstm(bidirectional), [2, 3]
        table = torch.randn(U * (1 + bidirectional), 4 * H, dtype=torch.float64, requires_grad=True)
        forms = torch.tensor([[0, 2, 4], [2, 0, 2]])  # form 4 stands in padding alone
        read_table(lstm, table, forms, lengths).square().sum().backward()
        assert table.grad is not None
        by_form = table.grad.view(U, -1, 4 * H)
        assert by_form[[0, 2]].flatten(2).ne(0).any(dim=2).all()
        assert not by_form[[1, 3, 4]].any()

    def test_of_the_table_alone_or_of_the_weights_alone(self, bidirectional: bool) -> None:
        """What is frozen changes nothing about the rest."""
        lstm, lengths = make_lstm(bidirectional), [4, 7, 1, 5]
        forms = draw_forms(lengths)
        table = torch.randn(U * (1 + bidirectional), 4 * H, dtype=torch.float64, requires_grad=True)
        weights = weights_of(lstm, "weight_hh")
        both = torch.autograd.grad(read_table(lstm, table, forms, lengths).square().sum(), [table, *weights])
        frozen = read_table(lstm, table.detach(), forms, lengths).square().sum()
        assert_same(list(torch.autograd.grad(frozen, weights)), list(both[1:]), atol=1e-12)
        lstm.requires_grad_(False)
        (alone,) = torch.autograd.grad(read_table(lstm, table, forms, lengths).square().sum(), [table])
        assert_same(alone, both[0], atol=1e-12)

    def test_twice_is_the_same(self, bidirectional: bool) -> None:
        """The first pass back leaves what the second one reads as it was."""
        lstm, lengths = make_lstm(bidirectional), [4, 7, 1, 5]
        by_form = torch.randn(U, D, dtype=torch.float64, requires_grad=True)
        total = read(lstm, by_form, draw_forms(lengths), lengths).square().sum()
        leaves = [*lstm.parameters(), by_form]
        first = torch.autograd.grad(total, leaves, retain_graph=True)
        second = torch.autograd.grad(total, leaves)
        assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_adds_up_over_batches_and_can_be_stepped_with(self, bidirectional: bool, dtype: torch.dtype) -> None:
        """What leaves the recurrence are tensors like others, though it computes in inference mode."""
        lstm = make_lstm(bidirectional, dtype=torch.float32)
        table = torch.randn(U * (1 + bidirectional), 4 * H, dtype=dtype, requires_grad=True)
        leaves = [table, *weights_of(lstm, "weight_hh")]
        totals = []
        for lengths in ([4, 7, 1, 5], [2, 2, 6]):
            output = read_table(lstm, table, draw_forms(lengths), lengths)
            assert not output.is_inference()
            totals.append(output.float().square().sum())
        alone = [torch.autograd.grad(total, leaves, retain_graph=True) for total in totals]
        for total in reversed(totals):
            total.backward()
        for leaf, *parts in zip(leaves, *alone, strict=True):
            assert leaf.grad is not None
            assert not leaf.grad.is_inference()
            assert torch.equal(leaf.grad, parts[0] + parts[1])
        before = [leaf.detach().clone() for leaf in leaves]
        torch.optim.SGD(leaves, lr=0.1).step()
        assert not any(torch.equal(leaf, kept) for leaf, kept in zip(leaves, before, strict=True))

    @settings(max_examples=30)
    @given(lengths=length_lists, dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
    def test_where_none_is_wanted_the_numbers_are_the_same(
        self, bidirectional: bool, lengths: list[int], dtype: torch.dtype
    ) -> None:
        """But for their last bits: the same sigmoid of numbers that lie elsewhere may round otherwise."""
        atol = 8 * torch.finfo(dtype).eps
        lstm = make_lstm(bidirectional, dtype=torch.float32 if dtype == torch.bfloat16 else dtype)
        forms = draw_forms(lengths)
        table = torch.randn(U * (1 + bidirectional), 4 * H, dtype=dtype)
        expected = read_table(lstm, table.clone().requires_grad_(), forms, lengths)
        assert expected.requires_grad
        for wanting_none in (torch.inference_mode, torch.no_grad):
            with wanting_none():
                found = read_table(lstm, table, forms, lengths)
                assert_same(found, expected.detach(), atol=atol)
                with torch.autocast("cpu", dtype=torch.bfloat16):  # products are as wide as the table, autocast or not
                    assert torch.equal(read_table(lstm, table, forms, lengths), found)
        lstm.requires_grad_(False)
        found = read_table(lstm, table, forms, lengths)
        assert not found.requires_grad
        assert_same(found, expected.detach(), atol=atol)

    def test_the_table_is_left_as_it_was(self, bidirectional: bool) -> None:
        """Others read it as well, in prediction."""
        lstm, lengths = make_lstm(bidirectional).requires_grad_(False), [4, 7, 1, 5]
        table = torch.randn(U * (1 + bidirectional), 4 * H, dtype=torch.float64)
        before = table.clone()
        read_table(lstm, table, draw_forms(lengths), lengths)
        read_table(lstm, table.requires_grad_(), draw_forms(lengths), lengths).sum().backward()
        assert torch.equal(table, before)


@both_directions
class TestBfloat16:
    def test_is_close_to_float32(self, bidirectional: bool) -> None:
        """A table in bfloat16, the weights in float32: as autocast has it."""
        lengths = [2, 9, 9, 1, 6, 4, 30]
        lstm = make_lstm(bidirectional, dtype=torch.float32)
        forms = draw_forms(lengths)
        drawn = torch.randn(U * (1 + bidirectional), 4 * H).bfloat16()
        found = []
        for dtype in (torch.float32, torch.bfloat16):
            table = drawn.to(dtype).requires_grad_()
            output = read_table(lstm, table, forms, lengths)
            assert output.dtype == dtype
            (output.float() * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
            assert table.grad is not None
            assert table.grad.dtype == dtype
            weights = weights_of(lstm, "weight_hh")
            found.append([output.detach().float(), table.grad.float(), *[weight.grad for weight in weights]])
            lstm.zero_grad()
        for exact, rounded in zip(*found, strict=True):
            assert rounded.dtype == torch.float32
            # 8 bits of mantissa round by up to 0.004, by 0.002 on the whole; after rounded steps, 0.003 was measured
            assert (rounded - exact).norm() < 2**-7 * exact.norm()

    def test_a_common_forms_gradient_keeps_its_precision(self, bidirectional: bool) -> None:
        """2000 tokens of one form: a sum of like numbers in bfloat16 would stop at 256 of them."""
        lengths = [50] * 40
        lstm = make_lstm(bidirectional, dtype=torch.float32)
        forms = torch.zeros(40, 50, dtype=torch.int64)
        drawn = torch.randn(1 + bidirectional, 4 * H).bfloat16()
        found = []
        for dtype in (torch.float32, torch.bfloat16):
            table = drawn.to(dtype).requires_grad_()
            (gradient,) = torch.autograd.grad(read_table(lstm, table, forms, lengths).float().sum(), [table])
            found.append(gradient.float())
        exact, rounded = found
        assert (rounded - exact).norm() < 2**-7 * exact.norm()


@both_directions
class TestInt8:
    def test_is_close_to_float32(self, bidirectional: bool) -> None:
        """Weights are rounded to 1/126 of a gate's largest, states to 1/254: some hundredths of what they add up to."""
        lstm = make_lstm(bidirectional, dtype=torch.float32)
        lengths = [4, 7, 1, 5]
        forms, recurrent = draw_forms(lengths), weights_of(lstm, "weight_hh")
        packing = Packing.of(torch.tensor(lengths), 7, num_directions=len(recurrent))
        index = packing.index(forms.flatten()[packing.cells])
        with torch.inference_mode():
            table = tabulate(lstm, torch.randn(U, D))
            exact = recur(packing, table, index, recurrent)
            rounded = recur(packing, table, index, recurrent, in_int8=True)
        assert 0 < (rounded - exact).abs().max() < 0.01

    @pytest.mark.parametrize("level", ["AVX2", "AVX512_CORE", "DEFAULT"])
    def test_sums_are_exact_on_any_cpu(self, bidirectional: bool, level: str) -> None:
        """Without VNNI, products of 8 bits are added in 16: largest weights and states of one sign would overflow."""
        code = f"""
import torch
from tagger.model.recurrence import _in_int8
signs = torch.ones(64, 16).tril() * 2 - 1
weights = [signs * torch.arange(1, 65).unsqueeze(1)] * {1 + bidirectional}
gates = torch.zeros(len(weights), 5, 64)
_in_int8(weights)(gates, torch.ones(len(weights), 5, 16))
expected = weights[0].sum(dim=1).expand_as(gates)
print((gates - expected).abs().max().item() < 1e-3)
"""
        environment = os.environ | {"ONEDNN_MAX_CPU_ISA": level}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        assert done.stdout == "True\n"

"""Filters by look-up against `Conv1d` over embedded characters, the oracle."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tagger.model.filters import strongest_answers


def _convolve(table: Tensor, kernel: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
    """(U, F), as `strongest_answers` defines it, from the library's own convolution."""
    filtered = functional.conv1d(table[characters].transpose(1, 2), kernel, padding=kernel.size(2) // 2)
    outside = torch.arange(characters.size(1)) >= lengths.clamp(min=1).unsqueeze(1)
    return filtered.masked_fill(outside.unsqueeze(1), float("-inf")).amax(dim=2)


def _look_up(table: Tensor, kernel: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
    return strongest_answers(table @ kernel.permute(2, 1, 0), characters, lengths)


def _example(
    *,
    seed: int,
    num_words: int,
    longest: int,
    num_places: int,
    dim: int = 5,
    num_filters: int = 4,
    num_characters: int = 9,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    table = torch.randn(num_characters, dim, generator=draw, dtype=torch.float64)
    table[0] = 0
    kernel = torch.randn(num_filters, dim, num_places, generator=draw, dtype=torch.float64)
    lengths = torch.randint(0, longest + 1, (num_words,), generator=draw)
    characters = torch.randint(1, num_characters, (num_words, longest), generator=draw)
    characters[torch.arange(longest) >= lengths.unsqueeze(1)] = 0
    return table, kernel, characters, lengths


@given(
    seed=st.integers(0, 2**32),
    num_words=st.integers(1, 6),
    longest=st.integers(1, 9),
    num_places=st.sampled_from([1, 3, 5, 7]),
)
def test_values_and_gradients_are_the_convolutions(seed, num_words, longest, num_places):
    table, kernel, characters, lengths = _example(
        seed=seed, num_words=num_words, longest=longest, num_places=num_places
    )
    weights = torch.randn(num_words, kernel.size(0), dtype=torch.float64)
    results = []
    for function in (_convolve, _look_up):
        inputs = [table.clone().requires_grad_(), kernel.clone().requires_grad_()]
        answers = function(*inputs, characters, lengths)
        (answers * weights).sum().backward()
        inputs[0].grad[0] = 0  # as `nn.Embedding(padding_idx=0)` has it
        results.append([answers.detach(), *[tensor.grad for tensor in inputs]])
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradcheck():
    table, kernel, characters, lengths = _example(seed=2, num_words=4, longest=6, num_places=3)
    scores = (table @ kernel.permute(2, 1, 0))[:, 1:].requires_grad_()

    def answers(known: Tensor) -> Tensor:
        return strongest_answers(functional.pad(known, (0, 0, 1, 0)), characters, lengths)

    assert torch.autograd.gradcheck(answers, (scores,))


def test_without_gradients_the_values_are_the_same():
    table, kernel, characters, lengths = _example(seed=3, num_words=8, longest=7, num_places=3)
    trained = _look_up(table.requires_grad_(), kernel, characters, lengths).detach()
    with torch.inference_mode():
        assert torch.equal(_look_up(table, kernel, characters, lengths), trained)


def test_a_second_derivative_is_refused():
    table, kernel, characters, lengths = _example(seed=4, num_words=2, longest=3, num_places=3)
    answers = _look_up(table.requires_grad_(), kernel, characters, lengths)
    (slope,) = torch.autograd.grad(answers.square().sum(), table, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.cuda
def test_a_gpu_answers_as_the_cpu():
    example = _example(seed=5, num_words=50, longest=12, num_places=3)
    results = []
    for device in ("cpu", "cuda"):
        table, kernel, characters, lengths = (tensor.to(device) for tensor in example)
        table.requires_grad_()
        answers = _look_up(table, kernel, characters, lengths)
        answers.square().sum().backward()
        results.append((answers.detach().cpu(), table.grad.cpu()))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)

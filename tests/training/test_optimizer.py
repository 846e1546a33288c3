"""clip_gradients() against torch's own clipping."""

import math

import pytest
import torch
from torch import nn

from tagger.training.optimizer import clip_gradients


def make_weights(scale: float) -> list[nn.Parameter]:
    """Three weights, the last without a gradient; the norm of the others' together is 5 * scale."""
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1, 2)), nn.Parameter(torch.zeros(1))]
    weights[0].grad = scale * torch.tensor([2.0, 4.0])
    weights[1].grad = scale * torch.tensor([[1.0, -2.0]])
    return weights


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 1.001, 7.0, 1e20, math.inf, math.nan])
def test_does_what_torch_does(scale: float) -> None:
    ours, theirs = make_weights(scale), make_weights(scale)
    clip_gradients(ours, 5.0)
    torch.nn.utils.clip_grad_norm_(theirs, 5.0)
    assert ours[2].grad is None
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=0, equal_nan=True)


@pytest.mark.parametrize(("scale", "written"), [(0.3, False), (7.0, True)])
def test_writes_nothing_where_the_norm_is_smaller(scale: float, written: bool) -> None:
    weights = make_weights(scale)
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    before = [gradient._version for gradient in gradients]
    clip_gradients(weights, 5.0)
    assert [gradient._version != version for gradient, version in zip(gradients, before, strict=True)] == [written] * 2


def test_weights_without_gradients_stay() -> None:
    weights = [nn.Parameter(torch.ones(2))]
    clip_gradients(weights, 1.0)
    assert weights[0].grad is None

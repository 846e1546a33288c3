"""One number that makes a model's probabilities honest: Guo et al. (2017), "On Calibration of Modern Neural Networks".

All scores that the model has learned are divided by a temperature T before they become probabilities: above 1 it is
less sure, below 1 surer. The order of the tag sequences stays, so tags do not change. T is the one at which gold that
was not trained on is likeliest.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tagger.model.heads import CRFHead, SoftmaxHead

LOWEST, HIGHEST = 0.05, 20.0
_NUM_DECIMALS = 4  # that are kept of a temperature: dev tells no more, and another machine's rounding is lost
_NO_SLOPE = 1e-9  # nats a token: what is flatter is rounding
_MAX_STEPS = 40  # six or so are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredGold:
    """Some sentences of gold with what the network says of them.

    Attributes:
        emissions: (B, T, K) scores.
        tags: (B, T) gold tag ids.
        mask: (B, T) bool, True at tokens.
    """

    emissions: Tensor
    tags: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A temperature, or why there is none.

    Attributes:
        value: > 0; 1 where none could be fitted.
        missing: why none could be fitted; None where one was.
    """

    value: float = 1.0
    missing: str | None = None


def fit_temperature(head: SoftmaxHead | CRFHead, gold: Sequence[ScoredGold]) -> Fit:
    """Finds the temperature at which gold is likeliest, by tokens (softmax) or by whole sequences (CRF).

    The negative log-likelihood is convex in 1 / T, so it has one minimum, where its slope changes sign.

    Args:
        head: turns emissions into probabilities.
        gold: sentences that the model was not trained on, at least one.
    """
    num_tokens = sum(int(each.mask.sum()) for each in gold)

    def slope(log_temperature: float) -> float:
        """That of the negative log-likelihood, in nats per token, over log T."""
        at = torch.tensor(log_temperature, dtype=torch.float64, device=gold[0].mask.device, requires_grad=True)
        total = 0.0
        for each in gold:
            nats = head.negative_log_probability(each.emissions.double(), each.tags, each.mask, temperature=at.exp())
            total += torch.autograd.grad(nats, at)[0].item()
        total /= num_tokens
        return 0.0 if abs(total) < _NO_SLOPE else total

    at_one = slope(0.0)
    end = math.log(HIGHEST if at_one < 0 else LOWEST)
    found = _find_root(slope, start=(0.0, at_one), end=end)
    if found is not None:
        return Fit(value=round(math.exp(found), _NUM_DECIMALS))
    if at_one < 0:
        return Fit(missing="the model's probabilities are no better than chance")
    return Fit(missing="there are too few mistakes to tell how sure the model may be")


def _find_root(slope: Callable[[float], float], *, start: tuple[float, float], end: float) -> float | None:
    """Where a rising function crosses 0, between a place whose value is known and `end`; None if nowhere.

    Steps double until they have crossed; then regula falsi, Illinois variant (Dowell & Jarratt, 1971).
    """
    (one, value), other = start, start[0]
    step = math.copysign(0.25, end - one)
    while True:
        other = min(one + step, end) if step > 0 else max(one + step, end)
        beyond = slope(other)
        if not math.isfinite(beyond):
            return None
        if (beyond < 0) != (value < 0):
            break
        if other == end:
            return None
        one, value, step = other, beyond, 2 * step
    for _ in range(_MAX_STEPS):
        between = other - beyond * (other - one) / (beyond - value)
        if abs(between - other) < 0.1**_NUM_DECIMALS / 100:
            break
        found = slope(between)
        if (found < 0) != (beyond < 0):
            one, value = other, beyond
        else:
            value /= 2
        other, beyond = between, found
        if found == 0:
            break
    return other

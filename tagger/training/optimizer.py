"""What turns gradients into steps: the optimizer, and the learning rate as a function of how far training has come."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from tagger.model.language_model import LanguageModel
from tagger.model.network import SequenceTagger
from tagger.training.weights import name_weights


def build_optimizer(
    network: SequenceTagger,
    *,
    name: Literal["adamw", "sgd"],
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    language_model: LanguageModel | None = None,
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter, 2019) or SGD over the weights that are to be trained, the language model's too."""
    weights = [weight for _, weight in name_weights(network, language_model) if weight.requires_grad]
    if name == "adamw":
        return torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(weights, lr=learning_rate, weight_decay=weight_decay, momentum=momentum)


def clip_gradients(weights: Sequence[nn.Parameter], max_norm: float) -> None:
    """Scales all gradients by one factor so that their common norm is at most this.

    Pascanu et al. (2013), "On the difficulty of training recurrent neural networks", algorithm 1, as
    `torch.nn.utils.clip_grad_norm_` does it, which multiplies by 1 where the norm is smaller (by more than 1e-6). That
    is most steps, and writes every gradient anew; on a CPU, where asking waits for nothing, it is left out.
    """
    total = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    if total.device.type != "cpu" or not total <= max_norm:
        torch.nn.utils.clip_grads_with_norm_(weights, max_norm, total)


def rate_factor(
    before: float, after: float, *, schedule: Literal["constant", "linear", "cosine"], warmup: float
) -> float:
    """What the learning rate is multiplied by in one step.

    Args:
        before: part of all steps that are done before this one, in [0, 1).
        after: the same with this one, in (0, 1].
        schedule: what happens after warm-up: nothing, a line to 0, or half a cosine to 0 (Loshchilov & Hutter, 2017,
            "SGDR", equation 5 without restarts).
        warmup: part of all steps in which the factor rises in equal parts to 1, in [0, 1). The first step takes one
            part, so that none is made at rate 0.
    """
    if before < warmup:
        return min(after / warmup, 1.0)
    passed = (before - warmup) / (1 - warmup)
    if schedule == "linear":
        return 1 - passed
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(passed, 1.0)))
    return 1.0

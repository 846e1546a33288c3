"""fit(): the training loop as a generator of progress. No printing, no saving, no metrics, no strings.

Whoever iterates decides what to show, what to keep and when to stop; the loop knows tensors and numbers only.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from tagger.data.batches import Batch
from tagger.errors import ConfigError
from tagger.model.network import SequenceTagger

if TYPE_CHECKING:
    from accelerate import Accelerator

REPORT_EVERY = 10  # steps between two Step events


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Progress within an epoch.

    Attributes:
        epoch: number of the epoch, from 1.
        step: optimizer steps done in this epoch.
        num_steps: optimizer steps of the epoch.
        loss: mean loss of the epoch so far, in nats per token.
        tokens_per_second: training speed of the epoch so far.
    """

    epoch: int
    step: int
    num_steps: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A finished epoch.

    Attributes:
        number: from 1.
        train_loss: mean negative log-likelihood over the epoch, dropout on, in nats per token.
        dev_score: what `evaluate` returned, in [0, 1]; None where there is no dev data or no score is defined.
        is_best: whether no earlier epoch scored as high. An epoch without a score is the best only while none has had
            one; so without dev data the latest epoch is the best.
        seconds: time of training and evaluating.
        tokens_per_second: training speed, evaluation left out.
        learning_rate: at the epoch's end.
    """

    number: int
    train_loss: float
    dev_score: float | None
    is_best: bool
    seconds: float
    tokens_per_second: float
    learning_rate: float


def build_optimizer(
    network: SequenceTagger,
    *,
    name: Literal["adamw", "sgd"],
    learning_rate: float,
    weight_decay: float,
    momentum: float,
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter, 2019) or SGD over the weights that are to be trained."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if name == "adamw":
        return torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(weights, lr=learning_rate, weight_decay=weight_decay, momentum=momentum)


def rate_factor(progress: float, *, schedule: Literal["constant", "linear", "cosine"], warmup: float) -> float:
    """What the learning rate is multiplied by.

    Args:
        progress: part of all steps that are done, in [0, 1].
        schedule: what happens after warm-up: nothing, a line to 0, or half a cosine to 0 (Loshchilov & Hutter, 2017,
            "SGDR", equation 5 without restarts).
        warmup: part of all steps in which the factor rises from 0 to 1, in [0, 1).
    """
    if progress < warmup:
        return progress / warmup
    after = (progress - warmup) / (1 - warmup)
    if schedule == "linear":
        return 1 - after
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(after, 1.0)))
    return 1.0


def fit(
    network: SequenceTagger,
    batches: Callable[[int], Sequence[Batch]],
    *,
    optimizer: torch.optim.Optimizer,
    accelerator: "Accelerator",
    num_epochs: int,
    factor: Callable[[float], float],
    accumulate: int = 1,
    clip_norm: float = 0.0,
    patience: int = 0,
    evaluate: Callable[[], float | None] | None = None,
) -> Iterator[Step | Epoch]:
    """Trains the network; it is left with the last epoch's weights.

    A step's loss is the mean over all tokens of its batches, however many batches make the step.

    Args:
        network: on the device to train on.
        batches: epoch number, from 1 -> the epoch's batches, each asked for once.
        optimizer: steps the network's weights.
        accelerator: precision.
        num_epochs: epochs at most.
        factor: progress in [0, 1] -> what the learning rate is multiplied by.
        accumulate: batches whose gradients make one step.
        clip_norm: largest norm of the gradient; 0 = no clipping.
        patience: epochs that are not the best before stopping; 0 = never.
        evaluate: the dev score of the network as it is now, in [0, 1] or None.

    Yields:
        A Step every few steps, an Epoch at each epoch's end.

    Raises:
        ConfigError: the loss or a weight is no longer a finite number.
    """
    full_rates = [group["lr"] for group in optimizer.param_groups]
    best, since_best = -math.inf, 0
    for number in range(1, num_epochs + 1):
        start = time.perf_counter()
        epoch_batches = batches(number)
        num_steps = math.ceil(len(epoch_batches) / accumulate)
        total = torch.zeros((), device=network.to_emissions.weight.device, dtype=torch.float64)  # summed nats
        num_tokens = 0
        network.train()
        for step in range(num_steps):
            first = step * accumulate
            group = [epoch_batches[at] for at in range(first, min(first + accumulate, len(epoch_batches)))]
            rate = factor((number - 1 + step / num_steps) / num_epochs)
            for settings, full_rate in zip(optimizer.param_groups, full_rates, strict=True):
                settings["lr"] = full_rate * rate
            total += _step(network, group, optimizer=optimizer, accelerator=accelerator, clip_norm=clip_norm)
            num_tokens += sum(int(batch.lengths.sum()) for batch in group)
            if (step + 1) % REPORT_EVERY == 0:
                yield Step(
                    epoch=number,
                    step=step + 1,
                    num_steps=num_steps,
                    loss=_finite(total.item() / num_tokens, number),
                    tokens_per_second=num_tokens / (time.perf_counter() - start),
                )
        train_loss = _finite(total.item() / num_tokens, number)
        _check_weights(network, number)
        train_seconds = time.perf_counter() - start
        score = evaluate() if evaluate is not None else None
        is_best = score > best if score is not None else best == -math.inf
        best, since_best = max(best, -math.inf if score is None else score), 0 if is_best else since_best + 1
        yield Epoch(
            number=number,
            train_loss=train_loss,
            dev_score=score,
            is_best=is_best,
            seconds=time.perf_counter() - start,
            tokens_per_second=num_tokens / train_seconds,
            learning_rate=optimizer.param_groups[0]["lr"],
        )
        if patience and since_best >= patience:
            return


def _step(
    network: SequenceTagger,
    group: Sequence[Batch],
    *,
    optimizer: torch.optim.Optimizer,
    accelerator: "Accelerator",
    clip_norm: float,
) -> Tensor:
    """One optimizer step over the batches of `group`; returns their summed loss in nats."""
    num_tokens = sum(int(batch.lengths.sum()) for batch in group)
    device = network.to_emissions.weight.device
    total = torch.zeros((), device=device, dtype=torch.float64)
    optimizer.zero_grad(set_to_none=True)
    for batch in group:
        on_device = batch.to(device)
        if on_device.tags is None:
            raise ValueError("a batch without tags cannot be trained on")
        with accelerator.autocast():
            emissions = network(on_device)  # (B, T, K)
        # () nats per token of this batch
        loss = network.head.loss(emissions, on_device.tags, on_device.mask, allowed=on_device.allowed)
        share = int(batch.lengths.sum()) / num_tokens  # this batch's part of the step's tokens
        accelerator.backward(loss * share)
        total += loss.detach().double() * (share * num_tokens)
    if clip_norm:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    optimizer.step()
    return total


def _finite(loss: float, epoch: int) -> float:
    if not math.isfinite(loss):
        raise _diverged(f"the loss became {loss}", epoch)
    return loss


def _check_weights(network: SequenceTagger, epoch: int) -> None:
    # The epoch's last step is followed by no loss that would show it.
    if not all(bool(torch.isfinite(weight).all()) for weight in network.parameters()):
        raise _diverged("a weight became infinite or NaN", epoch)


def _diverged(what: str, epoch: int) -> ConfigError:
    return ConfigError(
        f"training.learning_rate: {what} in epoch {epoch}: training diverged; lower the learning rate or set "
        "training.clip_norm"
    )

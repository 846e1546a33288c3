"""fit(): the training loop as a generator of progress. No printing, no saving, no metrics, no strings.

Whoever iterates decides what to show, what to keep and when to stop; the loop knows tensors and numbers only.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor

from tagger.data.batches import Batch
from tagger.errors import ConfigError
from tagger.model.network import SequenceTagger
from tagger.training.best import BestEpoch

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
        is_best: whether no earlier epoch scored as high; every epoch is while none has scored above 0, and without dev
            data (see `BestEpoch`).
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


class Batches(Protocol):
    """An epoch's batches: how many there are, and each of them in turn."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...


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


def fit(
    network: SequenceTagger,
    batches: Callable[[int], Batches],
    *,
    optimizer: torch.optim.Optimizer,
    accelerator: "Accelerator",
    num_epochs: int,
    factor: Callable[[float, float], float],
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
        factor: parts of all steps done before a step and after it -> what the learning rate is multiplied by.
        accumulate: batches whose gradients make one step.
        clip_norm: largest norm of the gradient; 0 = no clipping.
        patience: epochs that are not the best before stopping; 0 = never (see `BestEpoch`).
        evaluate: the dev score of the network as it is now, in [0, 1] or None.

    Yields:
        A Step every few steps, an Epoch at each epoch's end.

    Raises:
        ConfigError: the loss or a weight is no longer a finite number.
    """
    stepper = _Stepper(network, optimizer, accelerator=accelerator, factor=factor, clip_norm=clip_norm)
    best = BestEpoch(patience)
    for number in range(1, num_epochs + 1):
        start = time.perf_counter()
        epoch = yield from _train_epoch(stepper, batches(number), number, num_epochs=num_epochs, accumulate=accumulate)
        score = evaluate() if evaluate is not None else None
        yield replace(epoch, dev_score=score, is_best=best.add(score), seconds=time.perf_counter() - start)
        if best.is_over:
            return


def _train_epoch(
    stepper: "_Stepper", batches: Batches, number: int, *, num_epochs: int, accumulate: int
) -> Generator[Step, None, Epoch]:
    """One epoch's steps; returns the Epoch, not evaluated yet."""
    start = time.perf_counter()
    total = torch.zeros((), device=stepper.device, dtype=torch.float64)  # summed nats
    num_tokens = 0
    num_steps = math.ceil(len(batches) / accumulate)
    left = iter(batches)
    stepper.network.train()
    for step in range(1, num_steps + 1):
        group = list(islice(left, accumulate))
        before, after = (number - 1 + (step - 1) / num_steps), (number - 1 + step / num_steps)
        total += stepper.step(group, before / num_epochs, after / num_epochs, epoch=number)
        num_tokens += _count_tokens(group)
        if step % REPORT_EVERY == 0:
            loss, speed = _finite(total.item() / num_tokens, number), num_tokens / (time.perf_counter() - start)
            yield Step(epoch=number, step=step, num_steps=num_steps, loss=loss, tokens_per_second=speed)
    train_loss = _finite(total.item() / num_tokens, number)
    _check_weights(stepper.network, number)
    seconds = time.perf_counter() - start
    return Epoch(
        number=number,
        train_loss=train_loss,
        dev_score=None,
        is_best=False,
        seconds=seconds,
        tokens_per_second=num_tokens / seconds,
        learning_rate=stepper.learning_rate,
    )


class _Stepper:
    """Makes optimizer steps, each at its own learning rate."""

    def __init__(
        self,
        network: SequenceTagger,
        optimizer: torch.optim.Optimizer,
        *,
        accelerator: "Accelerator",
        factor: Callable[[float, float], float],
        clip_norm: float,
    ) -> None:
        self.network, self._optimizer, self._accelerator = network, optimizer, accelerator
        self._factor, self._clip_norm = factor, clip_norm
        self._full_rates = [settings["lr"] for settings in optimizer.param_groups]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.to_emissions.weight.device

    @property
    def learning_rate(self) -> float:
        """That of the last step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self, group: Sequence[Batch], before: float, after: float, *, epoch: int) -> Tensor:
        """One optimizer step over the batches of `group`; returns their summed loss in nats."""
        for settings, full_rate in zip(self._optimizer.param_groups, self._full_rates, strict=True):
            settings["lr"] = full_rate * self._factor(before, after)
        num_tokens = _count_tokens(group)
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        self._optimizer.zero_grad(set_to_none=True)
        for batch in group:
            loss = self._loss(batch.to(self.device))
            share = int(batch.lengths.sum()) / num_tokens  # this batch's part of the step's tokens
            self._accelerator.backward(loss * share)
            total += loss.detach().double() * (share * num_tokens)
        if self._clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._clip_norm)
        try:
            self._optimizer.step()
        except RuntimeError as error:
            if "overflow" not in str(error):
                raise
            raise _diverged("a step is too large for float32", epoch) from error
        return total

    def _loss(self, batch: Batch) -> Tensor:
        """() nats per token of a batch."""
        if batch.tags is None:
            raise ValueError("a batch without tags cannot be trained on")
        with self._accelerator.autocast():
            emissions = self.network(batch)  # (B, T, K)
        return self.network.head.loss(emissions, batch.tags, batch.mask, allowed=batch.allowed)


def _count_tokens(group: Sequence[Batch]) -> int:
    return sum(int(batch.lengths.sum()) for batch in group)


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

"""fit(): the training loop as a generator of progress. No printing, no saving, no metrics, no strings.

Whoever iterates decides what to show, what to keep and when to stop; the loop knows tensors and numbers only.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from tagger.data.batches import Batch
from tagger.errors import ConfigError
from tagger.model.language_model import LanguageModel
from tagger.model.network import SequenceTagger
from tagger.training.best import BestEpoch
from tagger.training.optimizer import clip_gradients
from tagger.training.position import BEGINNING, Epoch, Position, Step
from tagger.training.weights import name_weights

if TYPE_CHECKING:
    from accelerate import Accelerator

CHECK_EVERY = 10  # steps between two looks at the loss, each of which waits for a GPU
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "ALLOC_FAILED",
)  # torch's, of a GPU, a CPU, and CUDA's libraries


class BatchError(ConfigError):
    """A step that failed because of its batches.

    Attributes:
        epoch: its epoch, from 1.
        step: the step of the epoch, from 1.
    """

    def __init__(self, message: str, *, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch, self.step = epoch, step


class Batches(Protocol):
    """An epoch's batches: how many there are, and each of them in turn."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...


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
    start: Position = BEGINNING,
    language_model: LanguageModel | None = None,
    language_weight: float = 0.0,
) -> Iterator[Step | Epoch]:
    """Trains the network; it is left with the last epoch's weights.

    A step's loss is the mean over all tokens of its batches, however many batches make the step. Whatever is yielded,
    `start.after(event)` is a position to go on from later: with the weights, the optimizer's state and torch's random
    states as they are at that moment, the rest of the training is the same to the bit.

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
        start: where to go on.
        language_model: trained beside the network, on its encoder's output; None: there is none.
        language_weight: of its loss, beside the tags'. A step's loss, as it is told, is the tags' alone.

    Yields:
        A Step after each step, an Epoch at each epoch's end.

    Raises:
        BatchError: the loss or a weight is no longer a finite number, or a batch does not fit into memory.
    """
    stepper = _Stepper(
        network,
        optimizer,
        accelerator=accelerator,
        factor=factor,
        clip_norm=clip_norm,
        language_model=language_model,
        language_weight=language_weight,
    )
    best = BestEpoch(patience)
    for epoch in start.epochs:
        best.add(epoch.dev_score)
    for number in range(len(start.epochs) + 1, num_epochs + 1):
        if best.is_over:
            return
        began = time.perf_counter() - start.seconds
        epoch = yield from _train_epoch(
            stepper, batches(number), number, num_epochs=num_epochs, accumulate=accumulate, start=start
        )
        score = evaluate() if evaluate is not None else None
        yield replace(epoch, dev_score=score, is_best=best.add(score), seconds=time.perf_counter() - began)
        start = BEGINNING  # of the next epoch


def _train_epoch(
    stepper: "_Stepper", batches: Batches, number: int, *, num_epochs: int, accumulate: int, start: Position
) -> Generator[Step, None, Epoch]:
    """The steps of an epoch that are still to be made; returns the Epoch, not evaluated yet."""
    began = time.perf_counter() - start.seconds
    total = torch.tensor(start.total, device=stepper.device, dtype=torch.float64)
    num_tokens = start.num_tokens
    num_steps = math.ceil(len(batches) / accumulate)
    left = islice(batches, start.step * accumulate, None)
    stepper.network.train()
    for step in range(start.step + 1, num_steps + 1):
        group = list(islice(left, accumulate))
        stepper.set_learning_rate(number - 1 + (step - 1) / num_steps, number - 1 + step / num_steps, num_epochs)
        total = total + stepper.step(group, epoch=number, step=step)
        num_tokens += _count_tokens(group)
        seconds = time.perf_counter() - began
        yield Step(epoch=number, step=step, num_steps=num_steps, total=total, num_tokens=num_tokens, seconds=seconds)
    stepper.check_losses()
    # no loss follows that would show it
    check_weights(stepper.network, stepper.language_model, epoch=number, step=num_steps)
    if start.step >= num_steps:  # none was left to be made
        stepper.set_learning_rate(number - 1 + (num_steps - 1) / num_steps, number, num_epochs)
    seconds = time.perf_counter() - began
    return Epoch(
        number=number,
        train_loss=total.item() / num_tokens,
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
        language_model: LanguageModel | None,
        language_weight: float,
    ) -> None:
        self.language_model, self._language_weight = language_model, language_weight
        self.network, self._optimizer, self._accelerator = network, optimizer, accelerator
        self._factor, self._clip_norm = factor, clip_norm
        self._full_rates = [settings["lr"] for settings in optimizer.param_groups]
        self._losses: list[tuple[int, int, Tensor]] = []  # epoch, step, loss: those not looked at yet

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.to_emissions.weight.device

    @property
    def learning_rate(self) -> float:
        """As it was last set."""
        return float(self._optimizer.param_groups[0]["lr"])

    def set_learning_rate(self, before: float, after: float, num_epochs: int) -> None:
        """Sets that of a step before which, and after which, so many of all epochs are done."""
        factor = self._factor(before / num_epochs, after / num_epochs)
        for settings, full_rate in zip(self._optimizer.param_groups, self._full_rates, strict=True):
            settings["lr"] = full_rate * factor

    def step(self, group: Sequence[Batch], *, epoch: int, step: int) -> Tensor:
        """One optimizer step over the batches of `group`; returns their summed loss in nats."""
        num_tokens = _count_tokens(group)
        total = torch.zeros((), device=self.device, dtype=torch.float64)
        self._optimizer.zero_grad(set_to_none=True)
        for batch in group:
            share = int(batch.lengths.sum()) / num_tokens  # this batch's part of the step's tokens
            with _naming(batch, self.device, epoch=epoch, step=step):
                loss = self._add_gradients(batch.to(self.device), share=share)
            total += loss.double() * (share * num_tokens)
        if self._clip_norm:
            weights = [weight for _, weight in name_weights(self.network, self.language_model)]
            clip_gradients(weights, self._clip_norm)
        try:
            self._optimizer.step()
        except RuntimeError as error:
            if "overflow" not in str(error):
                raise
            raise _diverged("a step is too large for float32", epoch=epoch, step=step) from error
        self._losses.append((epoch, step, total))
        if len(self._losses) == CHECK_EVERY:
            self.check_losses()
        return total

    def check_losses(self) -> None:
        """Raises a BatchError that names the first step whose loss is not finite, if there is one."""
        losses = torch.stack([loss for *_, loss in self._losses]).tolist() if self._losses else []
        for (epoch, step, _), loss in zip(self._losses, losses, strict=True):
            if not math.isfinite(loss):
                raise _diverged(f"the loss became {loss}", epoch=epoch, step=step)
        self._losses = []

    def _add_gradients(self, batch: Batch, *, share: float) -> Tensor:
        """The loss of a batch's tags, () nats per token; nothing of its graph is left, which holds a batch's memory."""
        loss, objective = self._loss(batch)
        self._accelerator.backward(objective * share)
        return loss.detach()

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch's tags, () nats per token, and what is to be minimised."""
        if batch.tags is None:
            raise ValueError("a batch without tags cannot be trained on")
        network, language_model, mask = self.network, self.language_model, batch.mask
        with self._accelerator.autocast():
            if language_model is None:
                emissions = network(batch)  # (B, T, K)
            else:
                encoded = network.encode(batch)  # (B, T, H)
                emissions, neighbours = network.score(encoded), language_model(encoded, mask)  # the latter twice (N, V)
        loss = network.head.loss(emissions, batch.tags, mask, allowed=batch.allowed)
        if language_model is None:
            return loss, loss
        return loss, loss + self._language_weight * language_model.loss(neighbours, batch.words_of_tokens, mask)


def check_weights(
    network: SequenceTagger, language_model: LanguageModel | None = None, *, epoch: int, step: int
) -> None:
    """Raises a BatchError that names a step if it has left a weight that is infinite or NaN."""
    if not all(bool(torch.isfinite(weight).all()) for _, weight in name_weights(network, language_model)):
        raise _diverged("a weight became infinite or NaN", epoch=epoch, step=step)


def _count_tokens(group: Sequence[Batch]) -> int:
    return sum(int(batch.lengths.sum()) for batch in group)


def _diverged(what: str, *, epoch: int, step: int) -> BatchError:
    return BatchError(
        f"training.learning_rate: {what} in epoch {epoch}, step {step}: training diverged; lower the learning rate or "
        "set training.clip_norm",
        epoch=epoch,
        step=step,
    )


@contextmanager
def _naming(batch: Batch, device: torch.device, *, epoch: int, step: int) -> Iterator[None]:
    """Says which batch it was that did not fit into memory."""
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _NO_MEMORY):
            raise
        sentences, tokens, longest = len(batch.lengths), int(batch.lengths.sum()), int(batch.lengths.max())
        raise BatchError(
            f"training.batch_size, training.batch_tokens: {device} ran out of memory in epoch {epoch}, step {step}: "
            f"{sentences:,} sentences, {tokens:,} tokens, the longest of {longest:,}; lower one of them, with "
            "training.accumulate raised to keep the step's size, or the network's sizes",
            epoch=epoch,
            step=step,
        ) from error

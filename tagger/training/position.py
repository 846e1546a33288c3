"""How far training has come: what the loop yields, and what it goes on from."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An optimizer step has been made.

    Attributes:
        epoch: number of the epoch, from 1.
        step: optimizer steps done in this epoch.
        num_steps: optimizer steps of the epoch.
        total: () float64, the loss of the epoch so far, summed over its tokens, in nats.
        num_tokens: tokens of the epoch so far.
        seconds: time of the epoch so far.
    """

    epoch: int
    step: int
    num_steps: int
    total: Tensor
    num_tokens: int
    seconds: float

    @property
    def loss(self) -> float:
        """Mean loss of the epoch so far, in nats per token; on a GPU, asking for it waits for the step."""
        return self.total.item() / self.num_tokens

    @property
    def tokens_per_second(self) -> float:
        """Training speed of the epoch so far."""
        return self.num_tokens / self.seconds


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
        learning_rate: that of the epoch's last step.
    """

    number: int
    train_loss: float
    dev_score: float | None
    is_best: bool
    seconds: float
    tokens_per_second: float
    learning_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far training has come: all that `fit` must know to go on, beside weights, optimizer and random states.

    Attributes:
        epochs: the finished epochs; their dev scores say which is the best and how long ago.
        step: optimizer steps done in the epoch that follows them.
        total: the loss of these steps, summed over their tokens, in nats.
        num_tokens: tokens of these steps.
        seconds: time of these steps.
    """

    epochs: tuple[Epoch, ...] = ()
    step: int = 0
    total: float = 0.0
    num_tokens: int = 0
    seconds: float = 0.0

    def after(self, event: Step | Epoch) -> "Position":
        """The position at which `fit` yields an event."""
        if isinstance(event, Epoch):
            return Position(epochs=(*self.epochs, event))
        return Position(
            epochs=self.epochs,
            step=event.step,
            total=event.total.item(),
            num_tokens=event.num_tokens,
            seconds=event.seconds,
        )


BEGINNING = Position()

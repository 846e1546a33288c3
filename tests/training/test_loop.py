"""fit(): schedules, steps over several batches, clipping, stopping, and what it never does."""

import functools
import itertools
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tagger.config import (
    AffixesConfig,
    CharactersConfig,
    Config,
    FeaturesConfig,
    ModelConfig,
    TrainingConfig,
    WordsConfig,
)
from tagger.data.batches import Batch, LazyBatches, bucket
from tagger.data.vocab import FormTable, Vocabulary
from tagger.errors import ConfigError
from tagger.inference.model_folder import sizes_of
from tagger.model import recurrence
from tagger.model.heads import CRFHead, SoftmaxHead
from tagger.model.network import SequenceTagger, build_network
from tagger.training.checkpoint import capture, restore
from tagger.training.hardware import accelerating
from tagger.training.loop import CHECK_EVERY, BatchError, fit
from tagger.training.optimizer import build_optimizer, rate_factor
from tagger.training.position import BEGINNING, Epoch, Position, Step

SENTENCES = [["a"], ["b", "c", "a"], ["c", "c"], ["a", "b", "c", "d", "e", "f"], ["e", "d"], ["f", "a", "b", "b"]]
TAGS = ("X", "Y", "Z")
FEATURES = FeaturesConfig(
    words=WordsConfig(dim=6, singleton_dropout=0.0),
    characters=CharactersConfig(dim=3, hidden_dim=4),
    affixes=AffixesConfig(dim=2, num_buckets=20),
)
VOCABULARY = Vocabulary.build(
    dict.fromkeys("abcdef", 2),
    tags=TAGS,
    extra_words=(),
    words=FEATURES.words,
    characters=FEATURES.characters,
    affixes=FEATURES.affixes,
)


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    with accelerating(torch.device("cpu"), TrainingConfig(precision="fp32")) as made:
        yield made


def make_network(head: str = "softmax", *, dropout: float = 0.0) -> SequenceTagger:
    torch.manual_seed(3)
    model = ModelConfig(hidden_dim=5, head=head, input_dropout=dropout, output_dropout=dropout)  # type: ignore[arg-type]
    return build_network(FEATURES, model, sizes_of(VOCABULARY, Config()))


def make_batches(groups: list[list[int]]) -> LazyBatches:
    table = FormTable(VOCABULARY)
    rows = table.rows(SENTENCES)
    tags = [np.array([ord(word) % len(TAGS) for word in sentence], dtype=np.int64) for sentence in SENTENCES]
    return LazyBatches(groups, rows=rows, table=table, tags=tags)


def tags_of(batch: Batch) -> torch.Tensor:
    assert batch.tags is not None
    return batch.tags


def sgd(network: SequenceTagger, *, learning_rate: float = 0.1, momentum: float = 0.0) -> torch.optim.Optimizer:
    return build_optimizer(network, name="sgd", learning_rate=learning_rate, weight_decay=0.0, momentum=momentum)


def constant(before: float, after: float) -> float:
    return 1.0


def run(
    network: SequenceTagger,
    accelerator: Accelerator,
    *,
    groups: Sequence[list[int]] = ([0, 1, 2], [3, 4, 5]),
    optimizer: torch.optim.Optimizer | None = None,
    num_epochs: int = 1,
    factor: Callable[[float, float], float] = constant,
    accumulate: int = 1,
    clip_norm: float = 0.0,
    patience: int = 0,
    evaluate: Callable[[], float | None] | None = None,
) -> list[Step | Epoch]:
    batches = make_batches(list(groups))
    return list(
        fit(
            network,
            lambda _: batches,
            optimizer=optimizer or sgd(network),
            accelerator=accelerator,
            num_epochs=num_epochs,
            factor=factor,
            accumulate=accumulate,
            clip_norm=clip_norm,
            patience=patience,
            evaluate=evaluate,
        )
    )


def epochs_of(events: Sequence[Step | Epoch]) -> list[Epoch]:
    return [event for event in events if isinstance(event, Epoch)]


def weights_of(network: SequenceTagger) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def gradients_of(network: SequenceTagger) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None}


def norm_of(gradients: dict[str, torch.Tensor]) -> float:
    return math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values()))


def test_no_batch_of_a_step_holds_its_graph_while_the_next_is_read(
    accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph holds what the LSTM computed; accumulating batches is what messages advise where memory is short."""
    gates: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []
    read_and_keep = recurrence._read_and_keep

    def watch(*given: Any) -> recurrence._Trace:
        alive.append(sum(each() is not None for each in gates))
        trace = read_and_keep(*given)
        gates.append(weakref.ref(trace.gates))
        return trace

    monkeypatch.setattr(recurrence, "_read_and_keep", watch)
    run(make_network(), accelerator, groups=[[0, 1], [2, 3], [4, 5]], accumulate=3, clip_norm=1.0)
    assert alive == [0, 0, 0]


class TestRateFactor:
    @pytest.mark.parametrize(
        ("schedule", "warmup", "before", "expected"),
        [
            ("constant", 0.0, 0.0, 1.0),
            ("constant", 0.0, 1.0, 1.0),
            ("constant", 0.2, 0.1, 0.75),
            ("constant", 0.2, 0.15, 1.0),
            ("constant", 0.2, 0.2, 1.0),
            ("linear", 0.0, 0.0, 1.0),
            ("linear", 0.0, 0.25, 0.75),
            ("linear", 0.0, 1.0, 0.0),
            ("linear", 0.5, 0.25, 0.6),
            ("linear", 0.5, 0.5, 1.0),
            ("linear", 0.5, 0.75, 0.5),
            ("cosine", 0.0, 0.0, 1.0),
            ("cosine", 0.0, 1 / 3, 0.75),
            ("cosine", 0.0, 0.5, 0.5),
            ("cosine", 0.0, 1.0, 0.0),
            ("cosine", 0.2, 0.0, 0.25),
            ("cosine", 0.2, 0.6, 0.5),
            ("cosine", 0.02, 0.0, 1.0),  # warm-up is over within the step
        ],
    )
    def test_by_hand(self, schedule: str, warmup: float, before: float, expected: float) -> None:
        """Steps of 1/20 of the whole."""
        found = rate_factor(before, before + 0.05, schedule=schedule, warmup=warmup)  # type: ignore[arg-type]
        assert found == pytest.approx(expected)

    @pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
    @pytest.mark.parametrize(("num_steps", "warmup"), [(10, 0.3), (7, 0.5), (3, 0.9), (100, 0.001), (1, 0.5)])
    def test_no_step_is_made_at_rate_zero(self, schedule: str, num_steps: int, warmup: float) -> None:
        rates = [
            rate_factor(step / num_steps, (step + 1) / num_steps, schedule=schedule, warmup=warmup)  # type: ignore[arg-type]
            for step in range(num_steps)
        ]
        peak = rates.index(max(rates))
        assert min(rates) > 0
        assert max(rates) == pytest.approx(1.0)
        assert rates[: peak + 1] == sorted(rates[: peak + 1])
        assert rates[peak:] == sorted(rates[peak:], reverse=True)

    def test_steps_use_it(self, accelerator: Accelerator) -> None:
        asked: list[tuple[float, float]] = []

        def factor(before: float, after: float) -> float:
            asked.append((before, after))
            return rate_factor(before, after, schedule="linear", warmup=0.0)

        events = run(make_network(), accelerator, num_epochs=2, factor=factor)
        assert asked == [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
        assert [epoch.learning_rate for epoch in epochs_of(events)] == pytest.approx([0.075, 0.025])

    def test_a_step_at_rate_zero_changes_nothing(self, accelerator: Accelerator) -> None:
        network = make_network()
        before = weights_of(network)
        run(network, accelerator, factor=lambda *_: 0.0)
        assert all(torch.equal(before[name], weight) for name, weight in weights_of(network).items())


class TestOptimizer:
    def test_kinds(self) -> None:
        network = make_network()
        adamw = build_optimizer(network, name="adamw", learning_rate=0.1, weight_decay=0.2, momentum=0.0)
        assert isinstance(adamw, torch.optim.AdamW)
        assert (adamw.param_groups[0]["lr"], adamw.param_groups[0]["weight_decay"]) == (0.1, 0.2)
        assert isinstance(sgd(network, momentum=0.9), torch.optim.SGD)
        assert sgd(network, momentum=0.9).param_groups[0]["momentum"] == 0.9

    def test_frozen_weights_are_left_out(self, accelerator: Accelerator) -> None:
        network = make_network()
        assert network.features.words is not None
        table = network.features.words.table.weight
        table.requires_grad = False
        before = table.detach().clone()
        run(network, accelerator)
        assert torch.equal(before, table)
        assert all(weight is not table for weight in sgd(network).param_groups[0]["params"])

    def test_one_step_of_sgd_by_hand(self, accelerator: Accelerator) -> None:
        network = make_network()
        before = weights_of(network)
        run(network, accelerator, groups=[[0, 3]], optimizer=sgd(network, learning_rate=0.5))
        after, gradients = weights_of(network), gradients_of(network)
        for name, gradient in gradients.items():
            torch.testing.assert_close(after[name], before[name] - 0.5 * gradient)

    @pytest.mark.parametrize("head", ["softmax", "crf"])
    @pytest.mark.parametrize("name", ["adamw", "sgd"])
    def test_learns(self, accelerator: Accelerator, head: str, name: str) -> None:
        network = make_network(head)
        optimizer = build_optimizer(
            network,
            name=name,  # type: ignore[arg-type]
            learning_rate=0.03 if name == "adamw" else 0.5,
            weight_decay=0.0,
            momentum=0.0,
        )
        epochs = epochs_of(run(network, accelerator, optimizer=optimizer, num_epochs=25))
        assert epochs[-1].train_loss < epochs[0].train_loss / 3


class TestAccumulate:
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    @pytest.mark.parametrize("name", ["adamw", "sgd"])
    @pytest.mark.parametrize("groups", [[[0, 1, 2], [3, 4, 5]], [[0], [1, 2, 3, 4], [5]]])
    def test_equals_one_big_batch(
        self, accelerator: Accelerator, head: str, name: str, groups: list[list[int]]
    ) -> None:
        """The mean is over the tokens of the whole step, so unequal batches weigh as their tokens do."""
        found = []
        for parts in ([[0, 1, 2, 3, 4, 5]], groups):
            network = make_network(head)
            # eps: AdamW's first step divides the gradient by its own size, and so blows rounding up where it is near 0
            optimizer = sgd(network)
            if name == "adamw":
                optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, eps=1e-3)
            (epoch,) = epochs_of(run(network, accelerator, groups=parts, optimizer=optimizer, accumulate=len(parts)))
            found.append((gradients_of(network), weights_of(network), epoch.train_loss))
        (gradients, weights, loss), (split_gradients, split_weights, split_loss) = found
        assert gradients.keys() == split_gradients.keys() == weights.keys()
        for key in gradients:
            torch.testing.assert_close(split_gradients[key], gradients[key], rtol=0, atol=1e-6)
            torch.testing.assert_close(split_weights[key], weights[key], rtol=0, atol=1e-5)
        assert split_loss == pytest.approx(loss, abs=1e-6)

    def test_the_rest_makes_a_step_of_its_own(self, accelerator: Accelerator) -> None:
        network = make_network()
        optimizer = sgd(network)
        steps = 0

        def count(*_: object) -> None:
            nonlocal steps
            steps += 1

        optimizer.register_step_post_hook(count)
        run(network, accelerator, groups=[[index] for index in range(5)], optimizer=optimizer, accumulate=2)
        assert steps == 3


class TestClipping:
    def test_gradient_is_no_longer_than_asked(self, accelerator: Accelerator) -> None:
        free, clipped, loose = make_network(), make_network(), make_network()
        run(free, accelerator, groups=[[0, 3]])
        run(clipped, accelerator, groups=[[0, 3]], clip_norm=0.01)
        run(loose, accelerator, groups=[[0, 3]], clip_norm=1e6)
        norm = norm_of(gradients_of(free))
        assert norm > 0.1
        assert norm_of(gradients_of(clipped)) == pytest.approx(0.01, rel=1e-3)
        assert norm_of(gradients_of(loose)) == pytest.approx(norm)
        shrunk = {name: gradient * 0.01 / norm for name, gradient in gradients_of(free).items()}
        for name, gradient in gradients_of(clipped).items():
            torch.testing.assert_close(gradient, shrunk[name], rtol=1e-3, atol=1e-7)


def scripted(scores: Sequence[float | None]) -> Callable[[], float | None]:
    left = iter(scores)
    return lambda: next(left)


class TestBest:
    @pytest.mark.parametrize(
        ("scores", "best"),
        [
            ([0.1, 0.3, 0.2, 0.4], [True, True, False, True]),
            ([0.3, 0.3, 0.3], [True, False, False]),
            ([0.0, 0.0, 0.2, 0.0], [True, True, True, False]),
            ([None, 0.0, None, 0.5], [True, True, True, True]),
            ([0.9, None, 0.8], [True, False, False]),
        ],
    )
    def test_is_best(self, accelerator: Accelerator, scores: list[float | None], best: list[bool]) -> None:
        epochs = epochs_of(run(make_network(), accelerator, num_epochs=len(scores), evaluate=scripted(scores)))
        assert [epoch.dev_score for epoch in epochs] == scores
        assert [epoch.is_best for epoch in epochs] == best

    def test_without_dev_each_epoch_is(self, accelerator: Accelerator) -> None:
        epochs = epochs_of(run(make_network(), accelerator, num_epochs=3, patience=1))
        assert [(epoch.number, epoch.dev_score, epoch.is_best) for epoch in epochs] == [
            (1, None, True),
            (2, None, True),
            (3, None, True),
        ]

    def test_patience_ends_training(self, accelerator: Accelerator) -> None:
        scores = [0.0, 0.0, 0.5, 0.4, 0.3, 0.9]
        events = run(make_network(), accelerator, num_epochs=6, patience=2, evaluate=scripted(scores))
        assert [epoch.number for epoch in epochs_of(events)] == [1, 2, 3, 4, 5]


class TestDiverging:
    def test_loss(self, accelerator: Accelerator) -> None:
        network = make_network()
        network.to_emissions.bias.data.fill_(math.nan)
        with pytest.raises(
            ConfigError, match=r"^training\.learning_rate: the loss became nan in epoch 1, step 1: .*clip_norm"
        ):
            run(network, accelerator)

    def test_loss_is_looked_at_within_an_epoch(self, accelerator: Accelerator) -> None:
        network = make_network()
        network.to_emissions.bias.data.fill_(math.inf)
        events = fit(
            network,
            lambda _: make_batches([[0]] * 50),
            optimizer=sgd(network),
            accelerator=accelerator,
            num_epochs=1,
            factor=constant,
        )
        assert len(list(itertools.islice(events, CHECK_EVERY - 1))) == CHECK_EVERY - 1
        with pytest.raises(BatchError, match="the loss became nan in epoch 1, step 1: ") as caught:
            next(events)
        assert (caught.value.epoch, caught.value.step) == (1, 1)

    def test_the_first_bad_step_is_named(self, accelerator: Accelerator) -> None:
        network = make_network()
        events = fit(
            network,
            lambda _: make_batches([[0]] * 50),
            optimizer=sgd(network),
            accelerator=accelerator,
            num_epochs=1,
            factor=constant,
        )
        assert len(list(itertools.islice(events, 13))) == 13
        network.to_emissions.bias.data.fill_(math.nan)
        with pytest.raises(BatchError) as caught:
            list(events)
        assert (caught.value.epoch, caught.value.step) == (1, 14)

    def test_weights_after_the_last_step(self, accelerator: Accelerator) -> None:
        """The only loss is finite; the step that follows it ruins the weights, which must not be saved."""
        network = make_network()
        network.to_emissions.weight.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient * 1e20
        )
        optimizer = sgd(network, learning_rate=1e30)
        with pytest.raises(ConfigError, match="a weight became infinite or NaN in epoch 1, step 1"):
            run(network, accelerator, groups=[[0, 1, 2, 3, 4, 5]], optimizer=optimizer)

    @pytest.mark.parametrize("rate", [1e39, 1e300])
    @pytest.mark.parametrize("name", ["adamw", "sgd"])
    def test_learning_rates_beyond_float32(self, accelerator: Accelerator, name: str, rate: float) -> None:
        network = make_network()
        optimizer = build_optimizer(network, name=name, learning_rate=rate, weight_decay=0.1, momentum=0.0)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"^training\.learning_rate: .* in epoch 1, step [12]: training diverged"):
            run(network, accelerator, optimizer=optimizer, num_epochs=2)

    def test_other_errors_of_the_optimizer_are_not_taken_for_it(self, accelerator: Accelerator) -> None:
        network = make_network()
        optimizer = sgd(network)

        def fail(*_: object) -> None:
            raise RuntimeError("a defect")

        optimizer.register_step_pre_hook(fail)
        with pytest.raises(RuntimeError, match="a defect"):
            run(network, accelerator, optimizer=optimizer)


class TestMemory:
    @pytest.mark.parametrize(
        "message",
        [
            "CUDA out of memory. Tried to allocate 2 GiB.",
            "can't allocate memory: 9 bytes",
            "CUBLAS_ALLOC_FAILED",
        ],
    )
    def test_the_batch_is_named(self, accelerator: Accelerator, message: str) -> None:
        """Played: the second of two batches of the first step is too large."""
        network = make_network()
        calls = itertools.count(1)

        def fail(*_: object) -> None:
            if next(calls) == 2:
                raise RuntimeError(message)

        network.register_forward_pre_hook(fail)
        expected = (
            r"^training\.batch_size, training\.batch_tokens: cpu ran out of memory in epoch 1, step 1: 2 sentences, "
            r"7 tokens, the longest of 6; lower one of them"
        )
        with pytest.raises(BatchError, match=expected):
            run(network, accelerator, groups=[[1, 2], [0, 3]], accumulate=2)

    def test_other_errors_are_not_taken_for_it(self, accelerator: Accelerator) -> None:
        network = make_network()

        def fail(*_: object) -> None:
            raise RuntimeError("a defect")

        network.register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="a defect"):
            run(network, accelerator)

    @pytest.mark.cuda
    def test_a_full_gpu(self) -> None:
        """In earnest: all but a little of the GPU's memory is forbidden to this process."""
        device = torch.device("cuda")
        network = make_network().to(device)
        torch.cuda.set_per_process_memory_fraction(1e-6, device)
        try:
            with (
                accelerating(device, TrainingConfig(precision="fp32")) as made,
                pytest.raises(BatchError, match=r"cuda.* ran out of memory in epoch 1, step 1: 6,000 sentences"),
            ):
                run(network, made, groups=[[0, 1, 2, 3, 4, 5] * 1000])
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)


class TestPosition:
    @pytest.mark.parametrize("name", ["adamw", "sgd"])
    @pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
    def test_going_on_from_any_event_is_the_same(self, accelerator: Accelerator, name: str, schedule: str) -> None:
        """Three steps an epoch, dropout on; weights, optimizer and random states are put back by hand."""
        groups = [[index] for index in range(6)]

        def begin(network: SequenceTagger, optimizer: torch.optim.Optimizer, start: Position) -> Iterator[Step | Epoch]:
            scores = iter((0.2, 0.5, 0.4)[len(start.epochs) :])
            return fit(
                network,
                lambda _: make_batches(groups),
                optimizer=optimizer,
                accelerator=accelerator,
                num_epochs=3,
                factor=functools.partial(rate_factor, schedule=schedule, warmup=0.2),  # type: ignore[arg-type]
                accumulate=2,
                evaluate=lambda: next(scores),
                start=start,
            )

        def build(network: SequenceTagger) -> torch.optim.Optimizer:
            return build_optimizer(
                network, name=name, learning_rate=0.1, weight_decay=0.1, momentum=0.5 * (name == "sgd")
            )  # type: ignore[arg-type]

        network = make_network(dropout=0.5)
        optimizer, position, moments = build(network), BEGINNING, []
        for event in begin(network, optimizer, BEGINNING):
            position = position.after(event)
            moments.append((position, {key: value.clone() for key, value in capture(network, optimizer).items()}))
        assert len(moments) == 12
        expected = capture(network, optimizer)
        for start, tensors in moments:
            other = make_network(dropout=0.5)
            again = build(other)
            restore(tensors, other, again)
            end = start
            for event in begin(other, again, start):
                end = end.after(event)
            found = capture(other, again)
            assert all(torch.equal(found[key], expected[key]) for key in expected)
            exact = [(epoch.train_loss, epoch.dev_score, epoch.is_best, epoch.learning_rate) for epoch in end.epochs]
            assert exact == [
                (epoch.train_loss, epoch.dev_score, epoch.is_best, epoch.learning_rate) for epoch in position.epochs
            ]


class TestEvents:
    @pytest.mark.parametrize(("num_batches", "accumulate", "steps"), [(25, 1, 25), (25, 2, 13), (9, 1, 9)])
    def test_steps(self, accelerator: Accelerator, num_batches: int, accumulate: int, steps: int) -> None:
        groups = [[index % len(SENTENCES)] for index in range(num_batches)]
        events = run(make_network(), accelerator, groups=groups, accumulate=accumulate, num_epochs=2)
        found = [event for event in events if isinstance(event, Step)]
        assert [(step.epoch, step.step) for step in found] == list(itertools.product([1, 2], range(1, steps + 1)))
        for step in found:
            assert step.num_steps == math.ceil(num_batches / accumulate)
            assert 0 < step.loss < 10
            assert step.tokens_per_second > 0
        assert [type(event).__name__ for event in events].count("Epoch") == 2
        assert isinstance(events[-1], Epoch)

    def test_loss_is_the_mean_over_tokens(self, accelerator: Accelerator) -> None:
        network = make_network()
        batches = make_batches([[0], [3]])
        with torch.no_grad():
            losses = [float(network.head.loss(network(each), tags_of(each), each.mask)) for each in batches]
        (epoch,) = epochs_of(run(network, accelerator, groups=[[0], [3]], factor=lambda *_: 0.0))
        assert epoch.train_loss == pytest.approx((1 * losses[0] + 6 * losses[1]) / 7, rel=1e-5)
        assert epoch.seconds > 0
        assert epoch.tokens_per_second > 0

    def test_epochs_ask_for_their_own_batches(self, accelerator: Accelerator) -> None:
        asked: list[int] = []

        def batches(epoch: int) -> Sequence[Batch]:
            asked.append(epoch)
            groups = bucket([len(sentence) for sentence in SENTENCES], batch_size=2, batch_tokens=None, seed=(1, epoch))
            return make_batches(groups)

        network = make_network()
        events = fit(
            network,
            batches,
            optimizer=sgd(network),
            accelerator=accelerator,
            num_epochs=3,
            factor=functools.partial(rate_factor, schedule="cosine", warmup=0.1),
        )
        assert len(epochs_of(list(events))) == 3
        assert asked == [1, 2, 3]

    def test_the_network_trains_again_after_evaluation(self, accelerator: Accelerator) -> None:
        network = make_network(dropout=0.5)
        modes: list[bool] = []
        network.register_forward_pre_hook(lambda module, _: modes.append(module.training))

        def evaluate() -> float:
            network.eval()
            return 0.5

        run(network, accelerator, num_epochs=2, evaluate=evaluate)
        assert modes == [True] * 4

    @pytest.mark.parametrize(("head", "kind"), [("softmax", SoftmaxHead), ("crf", CRFHead)])
    def test_a_training_step_never_decodes(
        self, accelerator: Accelerator, head: str, kind: type, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("decoded")

        for name in ("decode", "marginals"):
            monkeypatch.setattr(kind, name, refuse)
        assert len(run(make_network(head), accelerator)) == 3  # two steps and the epoch

    def test_batches_without_tags(self, accelerator: Accelerator) -> None:
        network = make_network()
        (batch,) = make_batches([[0, 1]])
        bare = Batch(**{**{name: getattr(batch, name) for name in Batch.__slots__}, "tags": None})
        events = fit(
            network,
            lambda _: [bare],
            optimizer=sgd(network),
            accelerator=accelerator,
            num_epochs=1,
            factor=constant,
        )
        with pytest.raises(ValueError, match="without tags"):
            next(events)

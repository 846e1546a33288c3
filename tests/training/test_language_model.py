"""Training with a language model beside the network: in the loss and in checkpoints, and in nothing that is kept."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

import tagger.training.run as run_module
from tagger.config import Config, TrainingConfig
from tagger.data.corpus import load_corpus
from tagger.inference.model_folder import load_model
from tagger.model.language_model import LanguageModel
from tagger.model.network import SequenceTagger
from tagger.training.assembly import build_language_model, build_tagger, build_vocabulary, make_optimizer
from tagger.training.checkpoint import Checkpoints, capture, part_of, restore
from tagger.training.hardware import accelerating
from tagger.training.loop import BatchError, fit
from tagger.training.optimizer import build_optimizer
from tagger.training.run import train
from tagger.training.suspects import find_suspect_gold
from tagger.training.weights import name_weights
from tests.conftest import change
from tests.training.test_loop import constant, make_batches, make_network, weights_of

WITH = {"training.language_model": 0.1, "training.language_model_words": 20}
GROUPS = [[0, 1, 2], [3, 4, 5]]


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    with accelerating(torch.device("cpu"), TrainingConfig(precision="fp32")) as made:
        yield made


def make_language_model(num_words: int = 4) -> LanguageModel:
    torch.manual_seed(5)
    return LanguageModel(10, num_words=num_words)


def optimizer_of(network: SequenceTagger, language_model: LanguageModel | None) -> torch.optim.Optimizer:
    return build_optimizer(
        network, name="adamw", learning_rate=0.1, weight_decay=0.1, momentum=0.0, language_model=language_model
    )


def run(
    network: SequenceTagger,
    accelerator: Accelerator,
    *,
    language_model: LanguageModel | None,
    weight: float = 0.5,
    optimizer: torch.optim.Optimizer | None = None,
    clip_norm: float = 0.0,
) -> float:
    """Trains for an epoch of two steps; returns its loss."""
    *_, epoch = fit(
        network,
        lambda _: make_batches(GROUPS),
        optimizer=optimizer or optimizer_of(network, language_model),
        accelerator=accelerator,
        num_epochs=1,
        factor=constant,
        clip_norm=clip_norm,
        language_model=language_model,
        language_weight=weight,
    )
    return epoch.train_loss  # type: ignore[union-attr]


class TestFit:
    def test_the_gradient_is_that_of_both_losses(self, accelerator: Accelerator) -> None:
        """A step of SGD at rate 1 shows it: the network moves by the sum, the language model by its weight's part."""
        network, language_model, batch = make_network(), make_language_model(), next(iter(make_batches([[0, 1, 3]])))
        encoded = network.encode(batch)
        assert batch.tags is not None
        tags = network.head.loss(network.score(encoded), batch.tags, batch.mask)
        words = language_model.loss(language_model(encoded, batch.mask), batch.words_of_tokens, batch.mask)
        named = dict(name_weights(network, language_model))
        gradients = torch.autograd.grad(tags + 0.5 * words, list(named.values()))
        expected = {
            name: weight.detach() - gradient for (name, weight), gradient in zip(named.items(), gradients, strict=True)
        }
        sgd = functools.partial(build_optimizer, name="sgd", learning_rate=1.0, weight_decay=0.0, momentum=0.0)
        *_, epoch = fit(
            network,
            lambda _: make_batches([[0, 1, 3]]),
            optimizer=sgd(network, language_model=language_model),
            accelerator=accelerator,
            num_epochs=1,
            factor=constant,
            language_model=language_model,
            language_weight=0.5,
        )
        for name, weight in name_weights(network, language_model):
            torch.testing.assert_close(weight.detach(), expected[name], msg=name)
        assert epoch.train_loss == pytest.approx(tags.item())  # type: ignore[union-attr]

    def test_clipping_counts_every_weight(self, accelerator: Accelerator) -> None:
        network, language_model = make_network(), make_language_model()
        before = {name: weight.detach().clone() for name, weight in name_weights(network, language_model)}
        optimizer = build_optimizer(
            network, name="sgd", learning_rate=1.0, weight_decay=0.0, momentum=0.0, language_model=language_model
        )
        steps = fit(
            network,
            lambda _: make_batches(GROUPS),
            optimizer=optimizer,
            accelerator=accelerator,
            num_epochs=1,
            factor=constant,
            clip_norm=0.1,
            language_model=language_model,
            language_weight=50.0,
        )
        next(iter(steps))
        moved = [weight.detach() - before[name] for name, weight in name_weights(network, language_model)]
        assert torch.nn.utils.get_total_norm(moved).item() == pytest.approx(0.1, rel=1e-3)

    def test_divergence_of_the_language_model_alone_is_seen(self, accelerator: Accelerator) -> None:
        language_model = make_language_model()
        with torch.no_grad():
            next(language_model.parameters()).fill_(float("nan"))
        with pytest.raises(BatchError, match="training diverged"):
            run(make_network(), accelerator, language_model=language_model)


class TestCheckpoint:
    def test_what_is_captured_is_restored_to_the_bit(self, accelerator: Accelerator) -> None:
        network, language_model = make_network(dropout=0.5), make_language_model()
        optimizer = optimizer_of(network, language_model)
        run(network, accelerator, language_model=language_model, optimizer=optimizer)
        tensors = {name: value.clone() for name, value in capture(network, optimizer, language_model).items()}
        run(network, accelerator, language_model=language_model, optimizer=optimizer)
        expected = capture(network, optimizer, language_model)

        other, again = make_network(dropout=0.5), make_language_model()
        other_optimizer = optimizer_of(other, again)
        restore(tensors, other, other_optimizer, language_model=again)
        run(other, accelerator, language_model=again, optimizer=other_optimizer)
        found = capture(other, other_optimizer, again)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    @pytest.mark.parametrize(("saved", "now"), [(4, None), (None, 4), (4, 3)])
    def test_another_language_model_begins_anew(
        self, accelerator: Accelerator, saved: int | None, now: int | None
    ) -> None:
        """Its setting may be changed with --allow-changes; the network and its optimizer go on as they were."""
        network, before = make_network(), None if saved is None else make_language_model(saved)
        optimizer = optimizer_of(network, before)
        run(network, accelerator, language_model=before, optimizer=optimizer)
        tensors = {name: value.clone() for name, value in capture(network, optimizer, before).items()}

        other, after = make_network(), None if now is None else make_language_model(now)
        fresh = {} if after is None else {name: value.clone() for name, value in after.state_dict().items()}
        again = optimizer_of(other, after)
        restore(tensors, other, again, language_model=after)
        found = capture(other, again, after)
        assert all(torch.equal(found[f"language_model/{name}"], value) for name, value in fresh.items())
        assert not any(name.startswith("optimizer/language_model") for name in found)
        kept = [name for name in tensors if "language_model" not in name]
        assert any(name.startswith("optimizer/") for name in kept)
        assert all(torch.equal(found[name], tensors[name]) for name in kept)
        run(other, accelerator, language_model=after, optimizer=again)


class TestRun:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[LanguageModel | None]:
        """The language models that runs are made with."""
        made: list[LanguageModel | None] = []

        def build(*given: object) -> LanguageModel | None:
            made.append(build_language_model(*given))  # type: ignore[arg-type]
            return made[-1]

        monkeypatch.setattr(run_module, "build_language_model", build)
        return made

    def test_is_trained_and_saved_in_checkpoints_alone(
        self, tiny_config: Config, tmp_path: Path, told: list[LanguageModel | None]
    ) -> None:
        config = change(tiny_config, WITH)
        train(config, tmp_path / "with")
        train(tiny_config, tmp_path / "without")
        assert told[0] is not None
        assert told[1] is None
        newest, _ = Checkpoints(tmp_path / "with" / "checkpoints", keep=2).newest()
        assert newest is not None
        saved = part_of(newest.tensors, "language_model/")
        assert saved.keys() == told[0].state_dict().keys()
        assert all(torch.equal(saved[name], value) for name, value in told[0].state_dict().items())
        models = [load_model(tmp_path / name).network.state_dict() for name in ("with", "without")]
        assert models[0].keys() == models[1].keys()
        assert not any(torch.equal(models[0][name], models[1][name]) for name in models[0] if name.startswith("enc"))

    def test_the_network_begins_as_it_would_without(self, tiny_config: Config) -> None:
        corpus = load_corpus(tiny_config.data)
        began = []
        for settings in ({}, WITH):
            config = change(tiny_config, settings)
            vocabulary, vectors = build_vocabulary(config, corpus, tell=lambda _: None)
            torch.manual_seed(1)
            made = build_tagger(config, corpus, vocabulary=vocabulary, vectors=vectors, device=torch.device("cpu"))
            language_model = build_language_model(config, made)
            make_optimizer(config, made, language_model)
            began.append((weights_of(made.network), torch.rand(3)))
        (one, drawn), (other, drawn_then) = began
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert torch.equal(drawn, drawn_then)

    def test_no_more_classes_than_train_has_words(self, tiny_config: Config) -> None:
        config = change(tiny_config, WITH | {"training.language_model_words": 10**6})
        corpus = load_corpus(config.data)
        vocabulary, vectors = build_vocabulary(config, corpus, tell=lambda _: None)
        made = build_tagger(config, corpus, vocabulary=vocabulary, vectors=vectors, device=torch.device("cpu"))
        language_model = build_language_model(config, made)
        assert language_model is not None
        assert language_model.next_word[-1].out_features == vocabulary.num_train_words + 2

    def test_finds_suspect_gold_too(self, tiny_config: Config) -> None:
        found = [
            find_suspect_gold(change(tiny_config, settings), num_folds=3, min_confidence=0.0)
            for settings in ({}, WITH, WITH)
        ]
        confidences = [[each.confidence for each in one.suspects] for one in found]
        assert confidences[0] != confidences[1] == confidences[2]

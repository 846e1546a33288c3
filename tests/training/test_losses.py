"""Training by each of the losses: gold that is partly unknown, constraints, costs, and either CRF."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import tagger.training.run as run_module
from tagger.config import Config
from tagger.config_file import load_config
from tagger.data.batches import LazyBatches
from tagger.errors import ConfigError
from tagger.inference.loading import load
from tagger.inference.model_folder import load_model
from tagger.model.network import SequenceTagger
from tagger.schemes import tags_of_types
from tagger.sentence import Prediction
from tagger.training.loop import fit
from tagger.training.run import Event, Started, train
from tests.conftest import SAMPLE, change, small_config

LABELS = ("LOC", "MISC", "ORG", "PER")
CRF_NAMES = ["head.crf.end_transitions", "head.crf.start_transitions", "head.crf.transitions"]


@pytest.fixture
def ner_config(tiny_config: Config) -> Config:
    """Entities of the tiny corpus, one epoch."""
    return change(tiny_config, {"data.tags": "NER", "data.scheme": "BIO", "training.num_epochs": 1})


def hide_every_other(source: Path, target: Path) -> int:
    """Copies a CoNLL-U file with the entity tag of every other word unknown, O or not; says how many."""
    hidden, lines = 0, []
    for line in source.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if len(cells) == 10 and cells[0].isdigit() and int(cells[0]) % 2:
            misc = [item for item in cells[9].split("|") if item != "_" and not item.startswith("NER=")]
            cells[9] = "|".join(["NER=_", *misc])
            hidden += 1
        lines.append("\t".join(cells))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return hidden


def first_loss(config: Config, run: Path) -> float:
    train(change(config, {"training.num_epochs": 1}), run)
    return float(json.loads((run / "metrics.jsonl").read_text().splitlines()[0])["train_loss"])


def before_training(config: Config, run: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SequenceTagger, LazyBatches]:
    """The network before its first step, without dropout, and the batches of the first epoch."""
    seen: list[Any] = []

    def spy(network: SequenceTagger, batches: Any, **settings: Any) -> Any:
        seen.append((network, batches(1)))
        raise ConfigError("seen enough")

    monkeypatch.setattr(run_module, "fit", spy)
    with pytest.raises(ConfigError, match="seen enough"):
        train(config, run)
    monkeypatch.setattr(run_module, "fit", fit)
    network, batches = seen[0]
    return network.eval(), batches


class TestUnknownTags:
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    def test_half_labelled_entities_are_learned(self, tmp_path: Path, head: str) -> None:
        hidden = hide_every_other(SAMPLE / "train.conllu", tmp_path / "half.conllu")
        settings = {
            "data.train": str(tmp_path / "half.conllu"),
            "data.tags": "NER",
            "data.scheme": "BIO",
            "data.unknown_tag": "_",
            "model.head": head,
            "training.num_epochs": 3,
            "training.batch_size": 8,
            "training.learning_rate": 0.02,
            "training.schedule": "constant",
        }
        events: list[Event] = []
        report = train(change(small_config(SAMPLE), settings), tmp_path / "run", listener=events.append)
        started = events[0]
        assert isinstance(started, Started)
        assert started.corpus.manifest["train"]["unknown_tags"] == hidden > 4000
        assert started.corpus.labels == LABELS
        metrics = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
        losses = [json.loads(line)["train_loss"] for line in metrics]
        assert losses == sorted(losses, reverse=True)
        assert report.scores.main > 0.15  # nothing found would be 0
        assert "_" not in load(tmp_path / "run", device="cpu").tags

    @pytest.mark.parametrize("head", ["softmax", "crf"])
    @pytest.mark.parametrize("scheme", ["BIO", "plain"])
    def test_where_all_is_known_it_changes_nothing(
        self, ner_config: Config, tmp_path: Path, head: str, scheme: str
    ) -> None:
        config = change(ner_config, {"model.head": head})
        if scheme == "plain":
            config = change(config, {"data.scheme": "plain", "data.tags": "UPOS"})
        known = first_loss(config, tmp_path / "known")
        assert first_loss(change(config, {"data.unknown_tag": "?"}), tmp_path / "may") == pytest.approx(known, abs=1e-6)

    def test_unknown_tokens_alone_teach_a_softmax_nothing(
        self, ner_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The loss is a mean over all tokens; those that every tag agrees with add 0."""
        config = change(ner_config, {"data.scheme": "plain", "data.tags": "UPOS", "data.unknown_tag": "NOUN"})
        # NOUN is no tag of dev and test then
        for split in ("dev", "test"):
            text = Path(str(getattr(config.data, split))).read_text(encoding="utf-8")
            (tmp_path / split).write_text(text.replace("\tNOUN\t", "\tVERB\t"), encoding="utf-8")
            config = change(config, {f"data.{split}": str(tmp_path / split)})
        network, batches = before_training(config, tmp_path / "run", monkeypatch)
        (batch, *_) = batches
        emissions = network(batch)
        assert batch.tags is not None
        assert batch.allowed is not None
        free = batch.allowed.all(dim=2) & batch.mask
        assert 0 < int(free.sum()) < int(batch.mask.sum())
        nats = torch.nn.functional.cross_entropy(emissions.transpose(1, 2), batch.tags, reduction="none")
        expected = nats[batch.mask & ~free].sum() / batch.mask.sum()
        found = network.head.loss(emissions, batch.tags, batch.mask, allowed=batch.allowed)
        assert found.item() == pytest.approx(expected.item(), abs=1e-6)


class TestImplementations:
    def test_native_and_torchcrf_learn_the_same(self, tmp_path: Path) -> None:
        settings = {"data.tags": "NER", "data.scheme": "BIO", "model.head": "crf"}
        config = change(small_config(SAMPLE), settings)
        native = first_loss(config, tmp_path / "native")
        reference = first_loss(change(config, {"model.crf_implementation": "torchcrf"}), tmp_path / "torchcrf")
        assert native == pytest.approx(reference, rel=1e-4)
        ours, theirs = (load(tmp_path / name, device="cpu") for name in ("native", "torchcrf"))
        sentences = [("Anna", "Petrova", "lives", "in", "Geneva", "."), ("Nordbank", "sleeps")]

        def tags(predictions: list[Prediction]) -> list[tuple[str, ...]]:
            return [prediction.tags for prediction in predictions]

        assert tags(ours.predict(sentences)) == tags(theirs.predict(sentences))

    def test_either_reads_the_others_model(self, ner_config: Config, tmp_path: Path) -> None:
        for name in ("native", "torchcrf"):
            config = change(ner_config, {"model.head": "crf", "model.crf_implementation": name})
            train(config, tmp_path / name)
            names = [key for key in load_model(tmp_path / name).network.state_dict() if key.startswith("head")]
            assert sorted(names) == CRF_NAMES


class TestConstraints:
    def test_no_probability_is_spent_on_what_is_illegal(
        self, ner_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Gold is legal, so that the same weights have a smaller loss."""
        losses = []
        for constrained in (False, True):
            config = change(ner_config, {"model.head": "crf", "model.constrain_training": constrained})
            network, batches = before_training(config, tmp_path / str(constrained), monkeypatch)
            batch = next(iter(batches))
            assert batch.tags is not None
            losses.append(network.head.loss(network(batch), batch.tags, batch.mask).item())
        assert 0 < losses[1] < losses[0] - 0.1

    @pytest.mark.parametrize("implementation", ["native", "torchcrf"])
    def test_trains(self, ner_config: Config, tmp_path: Path, implementation: str) -> None:
        settings = {"model.head": "crf", "model.constrain_training": True, "model.crf_implementation": implementation}
        assert math.isfinite(first_loss(change(ner_config, settings), tmp_path / "run"))


class TestLabelCosts:
    def test_loss_by_hand(self, ner_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Softmax-margin: where gold is a person, every other tag's score is raised by 3 nats."""
        config = change(ner_config, {"model.label_costs": {"PER": 3.0, "O": 0.25}})
        network, batches = before_training(config, tmp_path / "run", monkeypatch)
        batch = next(iter(batches))
        assert batch.tags is not None
        emissions, names = network(batch), tags_of_types(LABELS, "BIOES")
        nats = []
        for row, token in batch.mask.nonzero().tolist():
            gold, scores = int(batch.tags[row, token]), emissions[row, token].tolist()
            cost = 3.0 if names[gold].endswith("-PER") else 0.25 if names[gold] == "O" else 0.0
            others = [score + cost * (tag != gold) for tag, score in enumerate(scores)]
            nats.append(math.log(sum(map(math.exp, others))) - scores[gold])
        assert any(names[int(tag)].endswith("-PER") for tag in batch.tags[batch.mask])
        loss = network.head.loss(emissions, batch.tags, batch.mask).item()
        assert loss == pytest.approx(sum(nats) / len(nats), abs=1e-5)

    @pytest.mark.parametrize("head", ["softmax", "crf"])
    def test_a_rare_tag_is_found_more(self, ner_config: Config, tmp_path: Path, head: str) -> None:
        """A word is V four times of ten, and nothing tells when: by likelihood it is N, by these costs V."""
        (tmp_path / "a.conll").write_text("a N\n\n" * 6 + "a V\n\n" * 4, encoding="utf-8")
        settings = {
            "data.format": "conll",
            "data.tags": None,
            "data.scheme": "plain",
            **{f"data.{split}": str(tmp_path / "a.conll") for split in ("train", "dev", "test")},
            "model.head": head,
            "model.input_dropout": 0.0,
            "model.output_dropout": 0.0,
            "training.batch_size": 10,
            "training.num_epochs": 40,
            "training.schedule": "constant",
            "data.dev": None,
        }
        found = []
        for name, costs in (("none", None), ("on V", {"V": 3.0})):
            train(change(ner_config, {**settings, "model.label_costs": costs}), tmp_path / name)
            found += load(tmp_path / name, device="cpu").predict([("a",)])
        assert [prediction.tags for prediction in found] == [("N",), ("V",)]
        assert found[0].confidence[0] == pytest.approx(0.6, abs=0.02)

    def test_an_unknown_label_is_refused_before_training(self, ner_config: Config, tmp_path: Path) -> None:
        config = change(ner_config, {"model.label_costs": {"PERSON": 1.0}})
        with pytest.raises(ConfigError, match="train has no label 'PERSON': it has O, LOC, MISC, ORG, PER"):
            train(config, tmp_path / "run")
        assert not (tmp_path / "run" / "model").exists()


class TestRoundTrip:
    @pytest.mark.parametrize(
        "settings",
        [
            {"model.head": "crf", "model.constrain_training": True, "model.label_costs": {"PER": 1.0, "O": 0.0}},
            {"model.head": "crf", "model.crf_implementation": "torchcrf", "model.label_costs": {"ORG": 2.5}},
            {"model.head": "crf", "data.unknown_tag": "_"},
            {"model.head": "softmax", "data.unknown_tag": "_"},
            {"model.head": "softmax", "model.label_costs": {"ORG": 2.5}},
        ],
    )
    def test_saved_models_keep_settings_and_names(
        self, ner_config: Config, tmp_path: Path, settings: dict[str, Any]
    ) -> None:
        config = change(ner_config, settings)
        train(config, tmp_path / "run")
        saved = load_model(tmp_path / "run")
        assert saved.config == config == load_config(tmp_path / "run" / "config.yaml")
        heads = sorted(name for name in saved.network.state_dict() if name.startswith("head"))
        assert heads == (CRF_NAMES if settings["model.head"] == "crf" else [])
        predictor = load(tmp_path / "run", device="cpu")
        (known,) = predictor.predict([("Anna", "sleeps")], allowed=[[["B-PER"], None]])
        assert known.tags[0] == "B-PER"

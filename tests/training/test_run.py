"""train(): from a config to a filled run folder, and what is left when it fails."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState

import tagger.training.run as run_module
from tagger import files
from tagger.config import CharactersConfig, Config, DataConfig
from tagger.config_file import load_config
from tagger.data.batches import Batch
from tagger.data.conllu import read_conllu
from tagger.data.vocab import UNKNOWN
from tagger.errors import ConfigError, DataError, MissingInputError, OutputError
from tagger.evaluation.report import Report
from tagger.inference.loading import load
from tagger.inference.model_folder import load_model
from tagger.model.network import build_network
from tagger.training import assembly
from tagger.training.caveats import ON_TRAIN
from tagger.training.epochs import DEFAULT_BATCH_SIZE
from tagger.training.evaluate import evaluate
from tagger.training.loop import fit
from tagger.training.position import Epoch, Step
from tagger.training.run import Event, Started, train
from tests.conftest import change

FINISHED = [
    "checkpoints",
    "config.yaml",
    "metrics.jsonl",
    "model",
    "report.html",
    "report.json",
    "report.md",
    "timing.jsonl",
]
BROKEN_OFF = ["checkpoints", "config.yaml", "metrics.jsonl", "model", "timing.jsonl"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def metrics_of(run: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in (run / "metrics.jsonl").read_text().splitlines()]


def hash_of(run: Path) -> str:
    return hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()


def epoch_of(run: Path) -> int:
    return int(load_model(run).manifest["epoch"])


def capture_fit(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Notes what `fit` is called with; it still trains."""
    calls: list[dict[str, Any]] = []

    def spy(network: Any, batches: Any, **settings: Any) -> Any:
        calls.append({"network": network, "batches": batches, **settings})
        return fit(network, batches, **settings)

    monkeypatch.setattr(run_module, "fit", spy)
    return calls


def sentences_of(batch: Batch) -> list[list[int]]:
    """The word ids of a batch's sentences, without padding."""
    return [row[:length] for row, length in zip(batch.words_of_tokens.tolist(), batch.lengths.tolist(), strict=True)]


def script_scores(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    left = iter(scores)
    monkeypatch.setattr(run_module, "score", lambda *_, **__: SimpleNamespace(main=next(left)))


class TestRunFolder:
    @pytest.mark.parametrize("run", ["pos_run", "ner_run"])
    def test_contents(self, run: str, request: pytest.FixtureRequest) -> None:
        folder: Path = request.getfixturevalue(run)
        assert names(folder) == FINISHED
        assert load_config(folder / "config.yaml") == load_model(folder).config
        metrics = metrics_of(folder)
        report = Report.from_json((folder / "report.json").read_text())
        assert [line["epoch"] for line in metrics] == list(range(1, len(metrics) + 1))
        assert [point.dev_score for point in report.curve] == [line["dev_score"] for line in metrics]
        assert [point.train_loss for point in report.curve] == [line["train_loss"] for line in metrics]
        assert (folder / "report.md").read_text().startswith("#")
        assert report.split == "test"

    def test_returns_what_it_writes(self, tiny_config: Config, tmp_path: Path) -> None:
        report = train(tiny_config, str(tmp_path / "run"))
        assert Report.from_json((tmp_path / "run" / "report.json").read_text()) == report
        assert load_config(tmp_path / "run" / "config.yaml") == tiny_config

    def test_facts(self, tiny_config: Config, tmp_path: Path) -> None:
        facts = train(tiny_config, tmp_path / "run").facts
        expected = {"head": "softmax", "seed": 1, "device": "cpu, 1 thread", "precision": "fp32"}
        assert {name: facts[name] for name in expected} == expected
        weights = load_model(tmp_path / "run").network.parameters()
        assert facts["weights"] == sum(weight.numel() for weight in weights)
        assert str(facts["train data"]).endswith("train.conllu: 24 sentences, 416 tokens")
        assert facts["model"] == str(tmp_path / "run")
        test_file = Path(str(tiny_config.data.test))
        assert facts["test sha256"] == hashlib.sha256(test_file.read_bytes()).hexdigest()

    def test_the_heading_holds_no_folder(self, tiny_config: Config, tmp_path: Path) -> None:
        report = train(tiny_config, tmp_path / "run")
        assert report.title == "run on test.conllu"
        assert (tmp_path / "run" / "report.md").read_text().startswith("# run on test.conllu\n")

    def test_manifest_says_what_was_read(self, tiny_config: Config, tmp_path: Path) -> None:
        train(tiny_config, tmp_path / "run")
        data = load_model(tmp_path / "run").manifest["data"]
        assert list(data) == ["train", "dev", "test"]
        train_file = Path(str(tiny_config.data.train))
        assert data["train"]["sha256"] == hashlib.sha256(train_file.read_bytes()).hexdigest()

    def test_relative_paths_mean_the_same_in_the_run_folder(
        self, tiny_config: Config, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tiny_corpus)
        relative = {"data.train": "train.conllu", "data.dev": "dev.conllu", "data.test": "test.conllu"}
        train(change(tiny_config, relative), tmp_path / "run")
        assert load_config(tmp_path / "run" / "config.yaml") == tiny_config

    def test_path_that_is_not_utf8(self, tiny_config: Config, tiny_corpus: Path, tmp_path: Path) -> None:
        corpus = tmp_path / os.fsdecode(b"caf\xe9")
        shutil.copytree(tiny_corpus, corpus)
        files = {f"data.{split}": str(corpus / f"{split}.conllu") for split in ("train", "dev", "test")}
        config = change(tiny_config, files)
        train(config, corpus / "run")
        assert load_config(corpus / "run" / "config.yaml") == config
        assert load(corpus / "run", device="cpu").predict([["a"]])[0].tokens == ("a",)


class TestEvents:
    def test_in_order(self, tiny_config: Config, tmp_path: Path) -> None:
        events: list[Event] = []
        train(change(tiny_config, {"training.batch_size": 1}), tmp_path / "run", listener=events.append)
        assert [type(event) for event in events] == [Started, Step, Step, Epoch, Step, Step, Epoch]
        started = events[0]
        assert isinstance(started, Started)
        assert (started.device, started.precision, started.num_epochs) == ("cpu", "fp32", 2)
        assert (len(started.corpus.train), len(started.corpus.dev), len(started.corpus.test)) == (24, 8, 8)

    def test_an_epoch_is_told_when_its_model_is_saved(self, tiny_config: Config, tmp_path: Path) -> None:
        seen: list[int] = []

        def listen(event: Event) -> None:
            if isinstance(event, Epoch) and event.is_best:
                assert epoch_of(tmp_path / "run") == event.number == len(metrics_of(tmp_path / "run"))
                seen.append(event.number)

        train(tiny_config, tmp_path / "run", listener=listen)
        assert seen[0] == 1


class TestSeed:
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    def test_decides_every_weight(self, tiny_config: Config, tmp_path: Path, head: str) -> None:
        config = change(tiny_config, {"model.head": head, "training.num_threads": 1})
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            train(change(config, {"training.seed": seed}), tmp_path / name)
            torch.rand(7)  # what the process drew before has no effect
        assert hash_of(tmp_path / "a") == hash_of(tmp_path / "b") != hash_of(tmp_path / "c")
        losses = [[line["train_loss"] for line in metrics_of(tmp_path / name)] for name in "abc"]
        assert losses[0] == losses[1] != losses[2]


class TestBest:
    def test_best_epoch_is_saved(self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script_scores(monkeypatch, 0.1, 0.9, 0.3, 0.9)
        hashes: list[str] = []

        def listen(event: Event) -> None:
            if isinstance(event, Epoch):
                hashes.append(hash_of(tmp_path / "run"))

        config = change(tiny_config, {"training.num_epochs": 4})
        report = train(config, tmp_path / "run", listener=listen)
        assert hashes[0] != hashes[1] == hashes[2] == hashes[3] == hash_of(tmp_path / "run")
        assert [line["is_best"] for line in metrics_of(tmp_path / "run")] == [True, True, False, False]
        manifest = load_model(tmp_path / "run").manifest
        assert (manifest["epoch"], manifest["dev_score"]) == (2, 0.9)
        assert report.facts["best epoch"] == "2 of 4"
        assert names(tmp_path / "run") == FINISHED

    def test_report_is_on_the_saved_model(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script_scores(monkeypatch, 0.9, 0.1, 0.1)
        report = train(change(tiny_config, {"training.num_epochs": 3}), tmp_path / "run")
        gold = list(read_conllu(Path(str(tiny_config.data.test))))
        assert evaluate(tmp_path / "run", gold).scores == report.scores

    @pytest.mark.parametrize("run", ["pos_run", "ner_run"])
    def test_saved_model_scores_as_its_metrics_line_says(self, run: str, request: pytest.FixtureRequest) -> None:
        folder: Path = request.getfixturevalue(run)
        data = load_model(folder).config.data
        gold = list(read_conllu(Path(str(data.dev)), tags=str(data.tags or "UPOS"), scheme=data.scheme))
        assert evaluate(folder, gold).scores.main == max(line["dev_score"] for line in metrics_of(folder))

    def test_patience(self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script_scores(monkeypatch, 0.5, 0.4, 0.3, 0.9)
        config = change(tiny_config, {"training.num_epochs": 4, "training.patience": 2})
        assert train(config, tmp_path / "run").facts["best epoch"] == "1 of 3"

    def test_no_dev_keeps_the_last_epoch(self, tiny_config: Config, tmp_path: Path) -> None:
        report = train(change(tiny_config, {"data.dev": None}), tmp_path / "run")
        assert epoch_of(tmp_path / "run") == 2
        assert [line["dev_score"] for line in metrics_of(tmp_path / "run")] == [None, None]
        assert report.split == "test"

    def test_no_test_reports_on_dev(self, tiny_config: Config, tmp_path: Path) -> None:
        report = train(change(tiny_config, {"data.test": None}), tmp_path / "run")
        assert (report.split, report.title) == ("dev", "run on dev.conllu")
        assert report.scores.main == max(line["dev_score"] for line in metrics_of(tmp_path / "run"))

    def test_neither_reports_on_train(self, tiny_config: Config, tmp_path: Path) -> None:
        report = train(change(tiny_config, {"data.dev": None, "data.test": None}), tmp_path / "run")
        assert (report.split, report.title) == ("train", "run on train.conllu")
        assert report.warnings == (ON_TRAIN,)
        assert "training data" in (tmp_path / "run" / "report.md").read_text().split("## Scores")[0]

    def test_while_nothing_is_found_the_latest_model_is_kept(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script_scores(monkeypatch, 0.0, 0.0, 0.0, 0.0)
        config = change(tiny_config, {"training.num_epochs": 4, "training.patience": 1})
        report = train(config, tmp_path / "run")
        assert report.facts["best epoch"] == "4 of 4"
        assert epoch_of(tmp_path / "run") == 4


class TestWarnings:
    def test_are_told_and_stand_in_the_report(self, tiny_config: Config, tmp_path: Path) -> None:
        config = change(tiny_config, {"data.test": tiny_config.data.train})
        events: list[Event] = []
        report = train(config, tmp_path / "run", listener=events.append)
        started = events[0]
        assert isinstance(started, Started)
        assert started.warnings[0] == f"train and test are the same data: {tiny_config.data.train}"
        assert report.warnings == started.warnings

    def test_are_logged_where_nobody_listens(
        self, tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        config = change(tiny_config, {"data.dev": tiny_config.data.train})
        train(config, tmp_path / "told", listener=lambda _: None)
        assert caplog.messages == []
        report = train(config, tmp_path / "logged")
        assert caplog.messages == list(report.warnings)
        assert caplog.messages[0].startswith("train and dev are the same data")

    def test_a_dev_without_spans_keeps_the_last_epoch(self, tiny_config: Config, tmp_path: Path) -> None:
        paths = {}
        for name, tag in (("train", "B-X"), ("dev", "O")):
            paths[f"data.{name}"] = str(tmp_path / f"{name}.jsonl")
            row = {"tokens": ["a", "b"], "tags": [tag, "O"]}
            (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
        settings = {"data.format": "jsonl", "data.scheme": "BIO", "data.test": None, "training.patience": 1, **paths}
        report = train(change(tiny_config, settings), tmp_path / "run")
        assert [warning.partition(":")[0] for warning in report.warnings] == ["dev holds no span"]
        assert report.facts["best epoch"] == "2 of 2"


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "most_sentences", "most_tokens"),
        [
            ({"training.batch_size": None}, DEFAULT_BATCH_SIZE, None),
            ({"training.batch_size": 5}, 5, None),
            ({"training.batch_size": None, "training.batch_tokens": 40}, None, 40),
        ],
    )
    def test_batches(
        self,
        tiny_config: Config,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        settings: dict[str, Any],
        most_sentences: int | None,
        most_tokens: int | None,
    ) -> None:
        calls = capture_fit(monkeypatch)
        train(change(tiny_config, settings), tmp_path / "run")
        orders = []
        for epoch in (1, 2):
            batches = list(calls[0]["batches"](epoch))
            orders.append([words for batch in batches for words in sentences_of(batch)])
            assert len(orders[-1]) == 24
            for batch in batches:
                assert most_sentences is None or batch.forms.size(0) <= most_sentences
                assert most_tokens is None or batch.forms.numel() <= most_tokens or batch.forms.size(0) == 1
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1])
        assert sum(map(len, orders[0])) == 416

    def test_are_passed_on(self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = {
            "training.accumulate": 3,
            "training.clip_norm": 0.5,
            "training.patience": 4,
            "training.schedule": "linear",
            "training.warmup": 0.5,
            "training.optimizer": "sgd",
            "training.momentum": 0.9,
        }
        calls = capture_fit(monkeypatch)
        train(change(tiny_config, settings), tmp_path / "run")
        (call,) = calls
        assert (call["accumulate"], call["clip_norm"], call["patience"], call["num_epochs"]) == (3, 0.5, 4, 2)
        steps = [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
        assert [call["factor"](*step) for step in steps] == pytest.approx([0.5, 1.0, 1.0, 0.5])
        assert isinstance(call["optimizer"], torch.optim.SGD)
        assert call["optimizer"].param_groups[0]["momentum"] == 0.9

    def test_accumulate_makes_fewer_steps(self, tiny_config: Config, tmp_path: Path) -> None:
        events: list[Event] = []
        config = change(tiny_config, {"training.batch_size": 1, "training.accumulate": 2, "training.num_epochs": 1})
        train(config, tmp_path / "run", listener=events.append)
        (step,) = [event for event in events if isinstance(event, Step)]
        assert (step.step, step.num_steps) == (10, 12)

    def test_num_threads(self, tiny_config: Config, tmp_path: Path) -> None:
        assert torch.get_num_threads() == 1  # tests run on one
        seen: list[int] = []
        config = change(tiny_config, {"training.num_threads": 2, "training.num_epochs": 1})
        report = train(config, tmp_path / "run", listener=lambda _: seen.append(torch.get_num_threads()))
        assert set(seen) == {2}
        assert report.facts["device"] == "cpu, 2 threads"
        assert torch.get_num_threads() == 1

    def test_bf16_and_fp32_one_after_the_other(self, tiny_config: Config, tmp_path: Path) -> None:
        found = []
        for number, precision in enumerate(("bf16", "fp32", "bf16", "fp32")):
            run = tmp_path / str(number)
            report = train(change(tiny_config, {"training.precision": precision}), run)
            assert report.facts["precision"] == precision
            assert all(value.dtype == torch.float32 for value in load_model(run).network.state_dict().values())
            found.append(hash_of(run))
        assert found[0] == found[2] != found[1] == found[3]
        losses = [metrics_of(tmp_path / name)[-1]["train_loss"] for name in "01"]
        assert losses[0] == pytest.approx(losses[1], rel=0.05)

    def test_the_callers_accelerator_survives(self, tiny_config: Config, tmp_path: Path) -> None:
        states = (PartialState, AcceleratorState, GradientState)
        before = [dict(state._shared_state) for state in states]
        try:
            own = Accelerator(cpu=True, mixed_precision="no")
            train(change(tiny_config, {"training.precision": "bf16"}), tmp_path / "run")
            assert own.mixed_precision == "no"
            assert Accelerator(cpu=True, mixed_precision="no").device == torch.device("cpu")
        finally:
            for state, kept in zip(states, before, strict=True):
                state._shared_state.clear()
                state._shared_state.update(kept)

    def test_tensorboard(self, tiny_config: Config, tmp_path: Path) -> None:
        train(change(tiny_config, {"training.tensorboard": True}), tmp_path / "run")
        assert [name.split(".")[0] for name in names(tmp_path / "run" / "tensorboard")] == ["events"]


class TestVectors:
    @pytest.mark.parametrize("freeze", [True, False])
    def test_are_the_words_first_vectors(
        self, tiny_config: Config, tmp_path: Path, freeze: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "vectors.txt"
        path.write_text("the 1 2 3 4\nzebra -1 -2 -3 -4\nof 0.5 0 0 0\n")
        settings = {
            "features.words.vectors": str(path),
            "features.words.dim": 4,
            "features.words.keep_vectors": "all",
            "features.words.freeze": freeze,
            "training.num_epochs": 1,
        }
        first: list[torch.Tensor] = []

        def note(*sections: Any, **rest: Any) -> Any:
            network = build_network(*sections, **rest)
            assert network.features.words is not None
            first.append(network.features.words.table.weight.detach().clone())
            return network

        monkeypatch.setattr(assembly, "build_network", note)
        report = train(change(tiny_config, settings), tmp_path / "run")
        saved = load_model(tmp_path / "run")
        words = saved.vocabulary.words
        assert words[saved.vocabulary.num_train_words :] == ("zebra",)  # known though train does not hold it
        rows = {word: first[0][words.index(word) + UNKNOWN + 1].tolist() for word in ("the", "zebra", "of")}
        assert rows == {"the": [1, 2, 3, 4], "zebra": [-1, -2, -3, -4], "of": [0.5, 0, 0, 0]}
        after = saved.network.state_dict()["features.words.table.weight"]
        assert torch.equal(first[0], after) == freeze
        others = first[0][[words.index(word) + UNKNOWN + 1 for word in words if word not in rows]]
        assert len(np.unique(others.numpy(), axis=0)) == len(others)  # words without a vector begin at random
        assert report.facts["weights"] == sum(
            value.numel() for name, value in saved.network.state_dict().items() if not (freeze and "words" in name)
        )

    def test_of_another_width(self, tiny_config: Config, tmp_path: Path) -> None:
        path = tmp_path / "vectors.txt"
        path.write_text("the 1 2 3\n")
        with pytest.raises(DataError, match=r"vectors\.txt:1: expected a word and 16 numbers"):
            train(change(tiny_config, {"features.words.vectors": str(path)}), tmp_path / "run")
        assert names(tmp_path) == ["vectors.txt"]


class TestOneTagOnly:
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    def test_trains_and_tags(self, tiny_config: Config, tmp_path: Path, head: str) -> None:
        path = tmp_path / "one.conll"
        path.write_text("a X\nb X\n\nc X\n", encoding="utf-8")
        data = DataConfig(format="conll", train=str(path), dev=str(path))
        report = train(change(tiny_config, {"data": data, "model.head": head}), tmp_path / "run")
        assert report.scores.main == 1
        assert load(tmp_path / "run").predict([["never", "seen"]])[0].tags == ("X", "X")


class TestEmptySentences:
    def test_are_skipped_and_counted(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [
            {"tokens": [], "tags": []},
            {"tokens": ["a", "cat"], "tags": ["DET", "NOUN"]},
            {"tokens": [], "tags": []},
            {"tokens": ["go"], "tags": ["VERB"]},
        ]
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        files = {f"data.{split}": str(path) for split in ("train", "dev", "test")}
        calls = capture_fit(monkeypatch)
        report = train(change(tiny_config, {"data.format": "jsonl", **files}), tmp_path / "run")
        (batch,) = calls[0]["batches"](1)
        assert sorted(batch.lengths.tolist()) == [1, 2]
        counts = load_model(tmp_path / "run").manifest["data"]["train"]
        assert (counts["sentences"], counts["empty_sentences"], counts["tokens"]) == (4, 2, 3)
        assert (report.num_sentences, report.num_tokens) == (4, 3)


class TestFailing:
    def test_existing_run(self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        train(tiny_config, tmp_path / "run")
        before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
        read: list[object] = []
        monkeypatch.setattr(run_module, "load_corpus", read.append)
        with pytest.raises(ConfigError, match=r"^--out: .*run: holds a run already"):
            train(tiny_config, tmp_path / "run")
        assert read == []  # known before the data are read
        assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_data_that_are_not_there(self, tiny_config: Config, tmp_path: Path, split: str) -> None:
        with pytest.raises(MissingInputError, match="nowhere"):
            train(change(tiny_config, {f"data.{split}": str(tmp_path / "nowhere")}), tmp_path / "run")
        assert names(tmp_path) == []

    def test_damaged_data(self, tiny_config: Config, tmp_path: Path) -> None:
        (tmp_path / "bad.conllu").write_text("1\tword\n\n")
        with pytest.raises(DataError, match=r"bad\.conllu:1: "):
            train(change(tiny_config, {"data.dev": str(tmp_path / "bad.conllu")}), tmp_path / "run")
        assert names(tmp_path) == ["bad.conllu"]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"training.device": "tpu"}, "^training.device: no device 'tpu': one of auto, cpu, cuda, cuda:N$"),
            ({"training.num_epochs": 0}, "^config: training.num_epochs: expected a number"),
            ({"model.dropout": 0.5}, "^config: model.dropout: "),
        ],
    )
    def test_settings(self, tiny_config: Config, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            train(change(tiny_config, settings), tmp_path / "run")
        assert names(tmp_path) == []

    def test_no_gpu(self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        with pytest.raises(ConfigError, match=r"^training\.device: cuda: there are 0 CUDA devices here"):
            train(change(tiny_config, {"training.device": "cuda"}), tmp_path / "run")
        assert names(tmp_path) == []

    def test_unwritable(self, tiny_config: Config, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for out in (tmp_path / "file", tmp_path / "file" / "run"):
            with pytest.raises(OutputError, match="file"):
                train(tiny_config, out)

    @pytest.mark.parametrize("given", ["my.yaml", Path("my.yaml")])
    def test_a_path_is_no_config(self, tmp_path: Path, given: Any) -> None:
        with pytest.raises(TypeError, match=r"^train takes a Config: tagger\.load_config\('my\.yaml'\)$"):
            train(given, tmp_path / "run")
        with pytest.raises(TypeError, match=r"^train takes a Config, got dict$"):
            train({}, tmp_path / "run")  # type: ignore[arg-type]
        assert names(tmp_path) == []

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 160 GB"),
            RuntimeError("Storage size calculation overflowed with sizes=[1000000000000, 1000000000000]"),
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 160 GiB."),
            MemoryError(),
        ],
    )
    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({"model.hidden_dim": 100_000}, r"model\.hidden_dim"),
            ({"features.words.dim": 100_000}, r"features\.words\.dim"),
            ({"features.affixes.num_buckets": 2**24, "features.affixes.dim": 64}, r"features\.affixes\.num_buckets"),
            ({"features.characters": CharactersConfig(hidden_dim=100_000)}, r"features\.characters\.hidden_dim"),
        ],
    )
    def test_a_network_that_does_not_fit_into_memory(
        self,
        tiny_config: Config,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        settings: dict[str, Any],
        key: str,
        error: Exception,
    ) -> None:
        """torch would try, so it is played here."""

        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(assembly, "build_network", fail)
        message = rf"^{key}: the network does not fit into the memory of cpu: about [\d,]+ weights, [\d,]+ of them"
        with pytest.raises(ConfigError, match=message):
            train(change(tiny_config, settings), tmp_path / "run")
        assert names(tmp_path) == []

    def test_other_errors_of_torch_are_not_taken_for_it(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(assembly, "build_network", fail)
        with pytest.raises(RuntimeError, match="a defect"):
            train(tiny_config, tmp_path / "run")

    def test_diverging_at_once_leaves_nothing(self, tiny_config: Config, tmp_path: Path) -> None:
        settings = {"training.optimizer": "sgd", "training.learning_rate": 1e38, "training.clip_norm": 0.0}
        with pytest.raises(ConfigError, match=r"^training\.learning_rate: .* in epoch 1, step \d: training diverged"):
            train(change(tiny_config, settings), tmp_path / "run")
        assert names(tmp_path) == []
        train(tiny_config, tmp_path / "run")  # the same folder will do

    @pytest.mark.parametrize("stage", [Started, Epoch])
    def test_interrupted(self, tiny_config: Config, tmp_path: Path, stage: type[Event]) -> None:
        """Before the first model nothing is left; after it, that model and its metrics are."""

        def interrupt(event: Event) -> None:
            if isinstance(event, stage):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(tiny_config, tmp_path / "run", listener=interrupt)
        if stage is Started:
            assert names(tmp_path) == []
        else:
            assert names(tmp_path / "run") == BROKEN_OFF
            assert epoch_of(tmp_path / "run") == len(metrics_of(tmp_path / "run")) == 1

    def test_failing_save_keeps_the_last_good_model(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script_scores(monkeypatch, 0.1, 0.2)
        put_in_place: Callable[[Path, Path], None] = files._put_in_place

        def fail(aside: Path, folder: Path) -> None:
            if folder.name == "model" and metrics_of(folder.parent):
                raise OSError(28, "No space left on device")
            put_in_place(aside, folder)

        monkeypatch.setattr(files, "_put_in_place", fail)
        with pytest.raises(OutputError, match="model: cannot be written: No space left on device"):
            train(tiny_config, tmp_path / "run")
        assert names(tmp_path / "run") == BROKEN_OFF
        assert epoch_of(tmp_path / "run") == 1


@pytest.mark.cuda
class TestGPU:
    @pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    def test_trains(self, tiny_config: Config, tmp_path: Path, precision: str, head: str) -> None:
        settings = {"training.device": "cuda", "training.precision": precision, "model.head": head}
        report = train(change(tiny_config, settings), tmp_path / "run")
        assert report.facts["device"] == torch.cuda.get_device_name()
        gold = list(read_conllu(Path(str(tiny_config.data.test))))
        on_cpu = evaluate(load(tmp_path / "run", device="cpu"), gold)
        assert on_cpu.scores.main == pytest.approx(report.scores.main, abs=0.02)

    def test_one_after_the_other(self, tiny_config: Config, tmp_path: Path) -> None:
        for number, device in enumerate(("cuda", "cpu", "cuda:0")):
            report = train(change(tiny_config, {"training.device": device}), tmp_path / str(number))
            assert str(report.facts["device"]).startswith("cpu") == (device == "cpu")

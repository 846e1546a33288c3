"""Going on with a run: to the very end of the unbroken one, and with nothing else than was begun."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tagger.training.origin as origin_module
import tagger.training.run as run_module
from tagger.config import Config
from tagger.config_file import dump_config, load_config
from tagger.errors import ConfigError, ModelError, OutputError
from tagger.inference.model_folder import load_model
from tagger.training.keeper import Keeper
from tagger.training.position import Epoch, Step
from tagger.training.run import Event, Finished, Started, train
from tests.cli.command import environment
from tests.conftest import change
from tests.training.test_run import hash_of, names, script_scores

Settings = dict[str, Any]
VARIANTS: dict[str, Settings] = {
    "adamw": {},
    "sgd": {"training.optimizer": "sgd", "training.momentum": 0.9, "training.accumulate": 2},
    "crf": {"data.tags": "NER", "data.scheme": "BIO", "model.head": "crf"},
    "language model": {"training.language_model": 0.1, "training.language_model_words": 20},
    "bf16, no dev": {"training.precision": "bf16", "training.warmup": 0.3, "data.dev": None},
}


class Stop(Exception):  # noqa: N818 not an error
    """Breaks a run off, as nothing that tagger knows of would."""


def stop_after(epoch: int, step: int = 0) -> Callable[[Event], None]:
    """A listener that stops after a step of an epoch, or at the epoch's end."""

    def listen(event: Event) -> None:
        if isinstance(event, Step) and (event.epoch, event.step) == (epoch, step):
            raise Stop
        if isinstance(event, Epoch) and (event.number, 0) == (epoch, step):
            raise Stop

    return listen


@pytest.fixture
def config(tiny_config: Config, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Three epochs of six steps, each step told and saved."""
    monkeypatch.setattr(run_module, "TELL_EVERY", 1)
    settings = {"training.num_epochs": 3, "training.batch_size": 4, "training.checkpoint_steps": 1}
    return change(tiny_config, settings)


def break_off(config: Config, out: Path, epoch: int, step: int = 0) -> None:
    with pytest.raises(Stop):
        train(config, out, listener=stop_after(epoch, step), resume=out.exists())


def same(one: Path, other: Path) -> bool:
    metrics = [(run / "metrics.jsonl").read_bytes() for run in (one, other)]
    return hash_of(one) == hash_of(other) and metrics[0] == metrics[1]


def model_of(run: Path) -> dict[str, bytes]:
    """Everything that a model is loaded from."""
    folder = run / "model"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "README.md"}


def files_of(run: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in run.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


class TestExact:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_from_anywhere(self, config: Config, tmp_path: Path, variant: str) -> None:
        config = change(config, VARIANTS[variant])
        report = train(config, tmp_path / "whole")
        for number, places in enumerate([[(1, 2)], [(1, 0)], [(2, 3), (2, 3), (3, 1)]]):
            out = tmp_path / str(number)
            for place in places:
                break_off(config, out, *place) if place != (2, 3) or number != 2 else break_off(config, out, 2, 3)
                if places.count(place) > 1:
                    places.remove(place)
            again = train(config, out, resume=True)
            assert same(out, tmp_path / "whole")
            assert again.scores == report.scores
            assert model_of(out) == model_of(tmp_path / "whole")
            assert (again.temperature, again.calibration) == (report.temperature, report.calibration)
            assert [point.dev_score for point in again.curve] == [point.dev_score for point in report.curve]

    def test_what_lags_behind_the_checkpoint_is_made_again(
        self, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train(config, tmp_path / "whole")

        def fail(*_: object) -> None:
            raise Stop

        with monkeypatch.context() as patch:
            patch.setattr(Keeper, "_save_model", fail)
            with pytest.raises(Stop):
                train(config, tmp_path / "run")
        assert names(tmp_path / "run" / "checkpoints")[-1] == "0002-00000000"
        assert not (tmp_path / "run" / "model").exists()
        (tmp_path / "run" / "metrics.jsonl").write_text("half a li")
        break_off(config, tmp_path / "run", 2, 1)
        assert load_model(tmp_path / "run").manifest["epoch"] == 1
        train(config, tmp_path / "run", resume=True)
        assert same(tmp_path / "run", tmp_path / "whole")

    def test_the_best_model_survives_though_it_is_not_the_latest(
        self, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script_scores(monkeypatch, 0.5, 0.9, 0.3)
        train(config, tmp_path / "whole")
        script_scores(monkeypatch, 0.5, 0.9, 0.3)
        break_off(config, tmp_path / "run", 3, 2)
        shutil.rmtree(tmp_path / "run" / "model")
        train(config, tmp_path / "run", resume=True)
        assert load_model(tmp_path / "run").manifest["epoch"] == 2
        assert same(tmp_path / "run", tmp_path / "whole")

    def test_patience_is_remembered(self, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = change(config, {"training.patience": 1})
        script_scores(monkeypatch, 0.9, 0.1)
        with pytest.raises(Stop):
            train(config, tmp_path / "run", listener=stop_after(2))
        report = train(config, tmp_path / "run", resume=True)  # no score is left to ask for
        assert report.facts["best epoch"] == "1 of 2"

    def test_a_broken_checkpoint_is_skipped_and_told(
        self, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        train(config, tmp_path / "whole")
        break_off(config, tmp_path / "run", 2, 3)
        caplog.clear()
        damaged = tmp_path / "run" / "checkpoints" / "0002-00000003" / "tensors.safetensors"
        damaged.write_bytes(damaged.read_bytes()[:-1])
        train(config, tmp_path / "run", resume=True)
        assert str(damaged) in caplog.messages[0]
        assert caplog.messages[0].endswith("an older checkpoint is taken")
        assert same(tmp_path / "run", tmp_path / "whole")

    def test_tensorboard_shows_each_epoch_once(self, config: Config, tmp_path: Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
            EventAccumulator,
        )

        config = change(config, {"training.tensorboard": True})
        break_off(config, tmp_path / "run", 2, 3)
        train(config, tmp_path / "run", resume=True)
        events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
        assert [event.step for event in events.Scalars("train_loss")] == [1, 2, 3]

    def test_in_another_process(self, config: Config, tmp_path: Path) -> None:
        """The same seed twice: two processes, one broken off and gone on with, give the same file."""
        path = tmp_path / "config.yaml"
        path.write_text(dump_config(change(config, {"training.num_threads": 1})), encoding="utf-8")
        train(load_config(path), tmp_path / "whole")
        break_off(load_config(path), tmp_path / "run", 2, 3)
        words = [sys.executable, "-m", "tagger", "train", str(path), "--out", str(tmp_path / "run"), "--resume"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
        assert "goes on from epoch 2 after step 3\n" in done.stderr
        assert same(tmp_path / "run", tmp_path / "whole")


class TestFinished:
    def test_nothing_is_written(self, config: Config, tmp_path: Path) -> None:
        report = train(config, tmp_path / "run")
        before = files_of(tmp_path / "run")
        events: list[Event] = []
        assert train(config, tmp_path / "run", resume=True, listener=events.append) == report
        assert events == [Finished(out=tmp_path / "run")]
        assert files_of(tmp_path / "run") == before

    @pytest.mark.parametrize("name", ["report.json", "report.md", "report.html"])
    def test_only_the_missing_report_is_written(self, config: Config, tmp_path: Path, name: str) -> None:
        """A kill may come between any two of them."""
        report = train(config, tmp_path / "run")
        (tmp_path / "run" / name).unlink()
        (tmp_path / "run" / f".{name}.77.new").write_text("half")
        before = files_of(tmp_path / "run")
        assert train(config, tmp_path / "run", resume=True).scores == report.scores
        after = files_of(tmp_path / "run")
        changed = {Path(name).name for name in after if after[name] != before.get(name)}
        assert changed == {"report.html", "report.json", "report.md", "README.md"}  # the model's card holds scores too
        assert not list((tmp_path / "run").glob(".*"))

    def test_a_damaged_model_is_made_again(self, config: Config, tmp_path: Path) -> None:
        report = train(config, tmp_path / "run")
        weights = tmp_path / "run" / "model" / "model.safetensors"
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert train(config, tmp_path / "run", resume=True).scores == report.scores
        assert weights.read_bytes() == whole

    def test_a_damaged_model_without_checkpoints_is_no_finished_run(self, config: Config, tmp_path: Path) -> None:
        train(config, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "checkpoints")
        (tmp_path / "run" / "model" / "model.safetensors").unlink()
        with pytest.raises(ConfigError, match="no checkpoint to go on from"):
            train(config, tmp_path / "run", resume=True)

    @pytest.mark.parametrize("kept", [0, 2])
    def test_without_its_checkpoints(self, config: Config, tmp_path: Path, kept: int) -> None:
        if not kept:
            config = change(config, {"training.keep_checkpoints": 0, "training.checkpoint_steps": 0})
        report = train(config, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "checkpoints", ignore_errors=True)
        assert train(config, tmp_path / "run", resume=True) == report
        with pytest.raises(ConfigError, match=r"^--resume: training\.seed: was 1, is 2"):
            train(change(config, {"training.seed": 2}), tmp_path / "run", resume=True)


class TestBeginning:
    def test_an_empty_or_new_folder(self, config: Config, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        for name in ("empty", "new"):
            train(config, tmp_path / name, resume=True)
        assert same(tmp_path / "empty", tmp_path / "new")

    def test_what_a_killed_start_has_left(self, config: Config, tmp_path: Path) -> None:
        train(config, tmp_path / "whole")
        run = tmp_path / "run"
        run.mkdir()
        (run / "metrics.jsonl").touch()
        (run / ".config.yaml.77.new").write_text("half")
        (run / ".lock").write_text("77\n")
        with pytest.raises(ConfigError, match="--resume goes on with it"):
            train(config, run)
        train(config, run, resume=True)
        assert same(run, tmp_path / "whole")
        assert names(run) == names(tmp_path / "whole")

    @pytest.mark.parametrize("name", ["config.yaml", "model", "report.md"])
    def test_what_is_no_run_of_ours_is_left_alone(self, config: Config, tmp_path: Path, name: str) -> None:
        """A config that lies in the folder to train in, for one."""
        (tmp_path / name).write_text("mine")
        with pytest.raises(ConfigError, match=rf"^--resume: .*: no checkpoint to go on from, but {name}"):
            train(config, tmp_path, resume=True)
        assert names(tmp_path) == [name]
        assert (tmp_path / name).read_text() == "mine"

    def test_a_run_without_checkpoints_cannot_be_gone_on_with(self, config: Config, tmp_path: Path) -> None:
        config = change(config, {"training.keep_checkpoints": 0, "training.checkpoint_steps": 0})
        break_off(config, tmp_path / "run", 1)
        assert not (tmp_path / "run" / "checkpoints").exists()
        with pytest.raises(ConfigError, match=r"but config\.yaml, model, metrics\.jsonl"):
            train(config, tmp_path / "run", resume=True)

    def test_every_checkpoint_is_damaged(self, config: Config, tmp_path: Path) -> None:
        break_off(config, tmp_path / "run", 2, 3)
        for path in (tmp_path / "run" / "checkpoints").rglob("state.json"):
            path.write_text("{}")
        before = files_of(tmp_path / "run")
        with pytest.raises(ModelError, match=r"0002-00000003/state\.json: .*; no checkpoint there can be read: remove"):
            train(config, tmp_path / "run", resume=True)
        assert files_of(tmp_path / "run") == before


class TestChanges:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (
                {"training.learning_rate": 0.02},
                r"training\.learning_rate: was 0\.01, is 0\.02: the model",
            ),
            ({"training.num_epochs": 4}, r"training\.num_epochs: was 3, is 4"),
            ({"training.num_threads": 2}, r"training\.num_threads: was 1, is 2"),
            ({"training.precision": "bf16"}, r'training\.precision: was "fp32", is "bf16"'),
            ({"training.seed": 3, "model.hidden_dim": 9}, r"model\.hidden_dim: was 8, is 9 \(1 more: training\.seed\)"),
        ],
    )
    def test_settings(self, config: Config, tmp_path: Path, settings: Settings, message: str) -> None:
        break_off(config, tmp_path / "run", 2, 3)
        before = files_of(tmp_path / "run")
        with pytest.raises(ConfigError, match=rf"^--resume: {message}"):
            train(change(config, settings), tmp_path / "run", resume=True)
        assert files_of(tmp_path / "run") == before

    @pytest.mark.parametrize("name", ["torch", "numpy", "python", "the CPU", "tagger"])
    def test_machine(self, config: Config, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        break_off(config, tmp_path / "run", 1, 3)
        origin_of_settings = origin_module.origin_of_settings
        monkeypatch.setattr(
            "tagger.training.resumption.origin_of_settings", lambda *given: {**origin_of_settings(*given), name: "new"}
        )
        with pytest.raises(ConfigError, match=rf'^--resume: {name}: was ".*", is "new"'):
            train(config, tmp_path / "run", resume=True)

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_data(self, config: Config, tmp_path: Path, tiny_corpus: Path, split: str) -> None:
        break_off(config, tmp_path / "run", 1, 3)
        shutil.copytree(tiny_corpus, tmp_path / "corpus")
        files = {f"data.{name}": str(tmp_path / "corpus" / f"{name}.conllu") for name in ("train", "dev", "test")}
        path = tmp_path / "corpus" / f"{split}.conllu"
        path.write_text(path.read_text().rstrip() + "\n\n# one comment more\n")
        with pytest.raises(ConfigError, match=rf'^--resume: data\.{split}: was "SHA-256 '):
            train(change(config, files), tmp_path / "run", resume=True)

    def test_harmless_ones(self, config: Config, tmp_path: Path, tiny_corpus: Path) -> None:
        """The same files elsewhere, and how often to save, are no change."""
        train(config, tmp_path / "whole")
        break_off(config, tmp_path / "run", 2, 3)
        shutil.copytree(tiny_corpus, tmp_path / "corpus")
        settings: Settings = {
            f"data.{name}": str(tmp_path / "corpus" / f"{name}.conllu") for name in ("train", "dev", "test")
        }
        settings |= {"training.checkpoint_steps": 0, "training.keep_checkpoints": 5, "training.num_threads": 1}
        train(change(config, settings), tmp_path / "run", resume=True)
        assert same(tmp_path / "run", tmp_path / "whole")

    def test_allowed(self, config: Config, tmp_path: Path) -> None:
        break_off(config, tmp_path / "run", 2, 3)
        changed = change(config, {"training.num_epochs": 4, "training.optimizer": "sgd"})
        with pytest.raises(Stop):
            train(changed, tmp_path / "run", resume=True, allow_changes=True, listener=stop_after(3))
        report = train(changed, tmp_path / "run", resume=True)
        assert report.facts["best epoch"].endswith(" of 4")  # type: ignore[union-attr]
        assert report.warnings[:2] == (
            "changed on the way: training.num_epochs: was 3, is 4",
            'changed on the way: training.optimizer: was "adamw", is "sgd"',
        )
        assert load_config(tmp_path / "run" / "config.yaml") == changed

    def test_more_epochs_for_a_finished_run(self, config: Config, tmp_path: Path) -> None:
        train(config, tmp_path / "run")
        changed = change(config, {"training.num_epochs": 4})
        report = train(changed, tmp_path / "run", resume=True, allow_changes=True)
        assert len(report.curve) == len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 4

    def test_what_does_not_fit_is_never_allowed(self, config: Config, tmp_path: Path, tiny_corpus: Path) -> None:
        break_off(config, tmp_path / "run", 2, 3)
        with pytest.raises(ConfigError, match="the checkpoint does not fit this network"):
            train(change(config, {"model.hidden_dim": 9}), tmp_path / "run", resume=True, allow_changes=True)
        shutil.copytree(tiny_corpus, tmp_path / "corpus")
        path = tmp_path / "corpus" / "train.conllu"
        path.write_text(path.read_text().replace("the", "zhe"))
        with pytest.raises(ConfigError, match="the words or tags of train are not the saved model's"):
            train(change(config, {"data.train": str(path)}), tmp_path / "run", resume=True, allow_changes=True)

    def test_allow_changes_needs_resume(self, config: Config, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--allow-changes: has no effect without --resume"):
            train(config, tmp_path / "run", allow_changes=True)

    def test_data_without_a_file_are_known_by_their_content(self, config: Config, tmp_path: Path) -> None:
        """A pipe can be read once, and has no hash."""
        content = {name: Path(str(getattr(config.data, name))).read_bytes() for name in ("train", "dev", "test")}

        def piped(train_bytes: bytes) -> Config:
            paths = {}
            for name, data in {**content, "train": train_bytes}.items():
                read, write = os.pipe()
                threading.Thread(target=lambda write=write, data=data: _feed(write, data)).start()  # type: ignore[misc]
                paths[f"data.{name}"] = f"/dev/fd/{read}"
            return change(config, paths)

        with pytest.raises(Stop):
            train(piped(content["train"]), tmp_path / "run", listener=stop_after(1, 3))
        other = content["train"].replace(b"NOUN", b"VERB", 1)
        with pytest.raises(ConfigError, match=r"^--resume: data\.train: was"):
            train(piped(other), tmp_path / "run", resume=True)
        train(piped(content["train"]), tmp_path / "run", resume=True)
        train(config, tmp_path / "whole")
        assert same(tmp_path / "run", tmp_path / "whole")


def _feed(descriptor: int, content: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(content)


class TestStopping:
    @pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
    def test_a_signal_saves(self, config: Config, tmp_path: Path, number: int, error: type[BaseException]) -> None:
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        config = change(config, {"training.checkpoint_steps": 0})
        train(config, tmp_path / "whole")

        def listen(event: Event) -> None:
            if isinstance(event, Step) and event.epoch == 2 and event.step == 2:
                os.kill(os.getpid(), number)

        try:
            with pytest.raises(error):
                train(config, tmp_path / "run", listener=listen)
            assert names(tmp_path / "run" / "checkpoints")[-1] == "0002-00000002"
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            train(config, tmp_path / "run", resume=True)
        finally:
            signal.signal(signal.SIGINT, handler)
        assert same(tmp_path / "run", tmp_path / "whole")

    def test_diverging_keeps_the_last_good_checkpoint_and_names_the_batch(self, config: Config, tmp_path: Path) -> None:
        """Weights that a listener ruins stand for a loss that overflows."""
        poisoned: list[torch.nn.Parameter] = []

        class Ruin(Keeper):
            pass

        def listen(event: Event) -> None:
            if isinstance(event, Step) and (event.epoch, event.step) == (2, 2):
                poisoned[0].data.fill_(float("nan"))

        def note(self: Any, *given: Any, **named: Any) -> None:
            original(self, *given, **named)
            poisoned.append(named["predictor"].network.to_emissions.bias)

        original = Keeper.__init__
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Keeper, "__init__", note)
            with pytest.raises(ConfigError, match=r"in epoch 2, step 3: training diverged") as caught:
                train(config, tmp_path / "run", listener=listen)
        assert names(tmp_path / "run" / "checkpoints")[-1] == "0002-00000002"
        (batch,) = caught.value.__notes__
        assert batch.startswith("the batch: ")
        places = batch.removeprefix("the batch: ").split(", ")
        assert len(places) == 4
        assert places[0].startswith(f"{config.data.train}:")
        assert all(place.isdigit() for place in places[1:])
        train(config, tmp_path / "run", resume=True)

    def test_a_full_disk_keeps_the_last_checkpoint(
        self, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        train(config, tmp_path / "whole")
        fsync = os.fsync

        def listen(event: Event) -> None:
            if isinstance(event, Step) and (event.epoch, event.step) == (2, 2):
                monkeypatch.setattr(os, "fsync", fail)

        def fail(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with pytest.raises(OutputError, match=r"checkpoints: cannot be written: No space left on device"):
            train(config, tmp_path / "run", listener=listen)
        monkeypatch.setattr(os, "fsync", fsync)
        assert names(tmp_path / "run" / "checkpoints") == ["0002-00000001", "0002-00000002"]
        train(config, tmp_path / "run", resume=True)
        assert same(tmp_path / "run", tmp_path / "whole")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_may_not_be_written(self, config: Config, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir(mode=0o555)
        with pytest.raises(OutputError, match="Permission denied"):
            train(config, tmp_path / "run")

    def test_off_the_main_thread(self, config: Config, tmp_path: Path) -> None:
        thread = threading.Thread(target=lambda: train(config, tmp_path / "run"))
        thread.start()
        thread.join()
        train(config, tmp_path / "main")
        assert same(tmp_path / "run", tmp_path / "main")


def test_started_says_where_it_goes_on(config: Config, tmp_path: Path) -> None:
    events: list[Event] = []
    break_off(config, tmp_path / "run", 2, 3)
    train(config, tmp_path / "run", resume=True, listener=events.append)
    started = events[0]
    assert isinstance(started, Started)
    assert (started.num_done, started.resumed) == (1, "epoch 2 after step 3")
    steps = [(event.epoch, event.step) for event in events if isinstance(event, Step)]
    assert steps[0] == (2, 4)


def test_times_add_up(config: Config, tmp_path: Path) -> None:
    break_off(config, tmp_path / "run", 2, 3)
    state = json.loads((tmp_path / "run" / "checkpoints" / "0002-00000003" / "state.json").read_text())
    report = train(config, tmp_path / "run", resume=True)
    assert float(report.facts["seconds"]) >= round(state["seconds"], 1)  # type: ignore[arg-type]
    lines = (tmp_path / "run" / "timing.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]

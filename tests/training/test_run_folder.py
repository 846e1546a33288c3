"""The run folder: never over an existing run, nothing left of a run that saved nothing, no half-written file."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from tagger.config import Config
from tagger.config_file import load_config
from tagger.errors import ConfigError, OutputError
from tagger.evaluation.builder import build_report
from tagger.evaluation.report import Report
from tagger.sentence import Sentence
from tagger.training.output import writing
from tagger.training.position import Epoch
from tagger.training.run_folder import RunFolder, write_report
from tests.conftest import change

STARTED = ["config.yaml", "metrics.jsonl", "timing.jsonl"]


def make_epoch(number: int, *, dev_score: float | None = 0.5) -> Epoch:
    return Epoch(
        number=number,
        train_loss=1.5,
        dev_score=dev_score,
        is_best=True,
        seconds=0.1,
        tokens_per_second=1000.0,
        learning_rate=1e-3,
    )


def make_report(title: str = "T") -> Report:
    gold = [Sentence(tokens=("a", "b"), tags=("X", "Y"))]
    return build_report(gold, gold, title=title, split="test", scheme="plain")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupt(folder: RunFolder, *, after: str = "") -> None:
    with folder:
        folder.begin()
        if after == "model":
            folder.model.mkdir()
        if after == "epoch":
            folder.add_epoch(make_epoch(1))
        raise KeyboardInterrupt


class TestNew:
    def test_nothing_is_made_before_the_block(self, tiny_config: Config, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path / "a" / "run", tiny_config)
        assert names(tmp_path) == []
        with folder:
            folder.begin()
            assert names(tmp_path / "a" / "run") == [".lock", *STARTED]
        assert names(tmp_path / "a" / "run") == STARTED

    def test_config_reads_back_equal(self, tiny_config: Config, tmp_path: Path) -> None:
        with RunFolder(tmp_path / "run", tiny_config) as folder:
            folder.begin()
            assert load_config(folder.path / "config.yaml") == tiny_config

    def test_metrics_are_strict_json_lines(self, tiny_config: Config, tmp_path: Path) -> None:
        with RunFolder(tmp_path, tiny_config) as folder:
            folder.begin()
            folder.add_epoch(make_epoch(1))
            folder.add_epoch(make_epoch(2, dev_score=None))
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"epoch": number, "train_loss": 1.5, "dev_score": score, "is_best": True, "learning_rate": 1e-3}
            for number, score in ((1, 0.5), (2, None))
        ]
        lines = (tmp_path / "timing.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"epoch": number, "seconds": 0.1, "tokens_per_second": 1000.0} for number in (1, 2)
        ]

    def test_report(self, tiny_config: Config, tmp_path: Path) -> None:
        with RunFolder(tmp_path, tiny_config) as folder:
            folder.add_report(make_report())
        assert Report.from_json((tmp_path / "report.json").read_text()) == make_report()
        assert (tmp_path / "report.md").read_text().startswith("#")

    def test_a_folder_with_other_things_in_it(self, tiny_config: Config, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with RunFolder(tmp_path, tiny_config) as folder:
            folder.begin()
        assert names(tmp_path) == [*STARTED[:2], "notes.txt", *STARTED[2:]]


class TestExisting:
    @pytest.mark.parametrize(
        "name", [*STARTED, "report.json", "report.md", "report.html", "model", "tensorboard", "checkpoints"]
    )
    def test_is_refused_and_left_alone(self, tiny_config: Config, tmp_path: Path, name: str) -> None:
        """Even a folder `model` that some other program made: a run would put its own in that place."""
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
        with pytest.raises(ConfigError, match=rf"^--out: .*: holds a run already \({name}\); --resume goes on with it"):
            RunFolder(tmp_path, change(tiny_config, {"training.tensorboard": True}))
        assert names(tmp_path) == [name]
        assert (tmp_path / name / "thesis.txt").read_text() == "years of work"

    def test_a_run_that_began_meanwhile(self, tiny_config: Config, tmp_path: Path) -> None:
        late, later = (RunFolder(tmp_path, tiny_config) for _ in range(2))
        with RunFolder(tmp_path, tiny_config) as folder:
            folder.begin()
            with pytest.raises(ConfigError, match=rf"another tagger \(process {os.getpid()}\) trains there"):
                late.__enter__()
        with pytest.raises(ConfigError, match="holds a run already"):
            later.__enter__()
        assert names(tmp_path) == STARTED

    def test_file_instead_of_folder(self, tiny_config: Config, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="is a file, expected a folder"):
            RunFolder(tmp_path / "file", tiny_config)

    def test_parent_is_a_file(self, tiny_config: Config, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot be written: Not a directory"):
            RunFolder(tmp_path / "file" / "run", tiny_config).__enter__()

    def test_name_too_long(self, tiny_config: Config, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="cannot be written: File name too long"):
            RunFolder(tmp_path / ("x" * 5000), tiny_config)


class TestFailing:
    @pytest.mark.parametrize("tensorboard", [False, True])
    def test_before_a_model_is_saved_leaves_nothing(
        self, tiny_config: Config, tmp_path: Path, tensorboard: bool
    ) -> None:
        config = change(tiny_config, {"training.tensorboard": tensorboard})
        with pytest.raises(KeyboardInterrupt):
            interrupt(RunFolder(tmp_path / "run", config))
        assert names(tmp_path) == []

    def test_what_others_put_there_stays(self, tiny_config: Config, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(KeyboardInterrupt):
            interrupt(RunFolder(tmp_path, tiny_config))
        assert names(tmp_path) == ["notes.txt"]

    @pytest.mark.parametrize(("after", "more"), [("model", ["model"]), ("epoch", [])])
    def test_after_a_model_is_saved_keeps_all(
        self, tiny_config: Config, tmp_path: Path, after: str, more: list[str]
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            interrupt(RunFolder(tmp_path, tiny_config), after=after)
        assert names(tmp_path) == sorted([*STARTED, *more])

    def test_a_full_disk_keeps_the_older_report(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_report(make_report("old"), tmp_path)

        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OutputError, match="cannot be written: No space left"):
            write_report(make_report("new"), tmp_path)
        assert Report.from_json((tmp_path / "report.json").read_text()).title == "old"
        assert names(tmp_path) == ["report.html", "report.json", "report.md"]

    def test_a_full_disk_at_the_start_leaves_nothing(
        self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OutputError, match="No space left"), RunFolder(tmp_path / "run", tiny_config) as folder:
            folder.begin()
        assert names(tmp_path) == []


class TestReport:
    def test_makes_the_folder(self, tmp_path: Path) -> None:
        write_report(make_report(), tmp_path / "a" / "b")
        assert names(tmp_path / "a" / "b") == ["report.html", "report.json", "report.md"]

    def test_title_that_utf8_cannot_spell(self, tmp_path: Path) -> None:
        """A path that is not UTF-8 is spelled with lone surrogates by Python."""
        write_report(make_report("caf\udce9.conll"), tmp_path)
        assert Report.from_json((tmp_path / "report.json").read_text()).title == "caf\udce9.conll"
        assert "udce9.conll" in (tmp_path / "report.md").read_text(encoding="utf-8")

    def test_writing_names_the_file(self) -> None:
        with (
            pytest.raises(OutputError, match=r"^some/file: cannot be written: No such file or directory$"),
            writing(Path("x")),
        ):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", "some/file")
        with pytest.raises(OutputError, match=r"^x: cannot be written: broken$"), writing(Path("x")):
            raise OSError("broken")


class TestTensorBoard:
    def test_events_are_written(self, tiny_config: Config, tmp_path: Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
            EventAccumulator,
        )

        with RunFolder(tmp_path, change(tiny_config, {"training.tensorboard": True})) as folder:
            folder.begin()
            folder.add_epoch(make_epoch(1))
            folder.add_epoch(make_epoch(2, dev_score=None))
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert set(events.Tags()["scalars"]) == {"train_loss", "dev_score", "tokens_per_second", "learning_rate"}
        assert [(event.step, event.value) for event in events.Scalars("train_loss")] == [(1, 1.5), (2, 1.5)]
        assert [event.step for event in events.Scalars("dev_score")] == [1]

    def test_missing_extra(self, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        config = change(tiny_config, {"training.tensorboard": True})
        with pytest.raises(ConfigError, match=r"^training\.tensorboard: .* pip install 'tagger\[tensorboard\]'$"):
            RunFolder(tmp_path / "run", config)
        assert names(tmp_path) == []

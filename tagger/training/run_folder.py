"""The run folder: what a training run leaves behind.

RUN/config.yaml      the resolved config
RUN/checkpoints/     what --resume goes on from (see `checkpoint.py`)
RUN/model/           the best epoch's model (see `inference/model_folder.py`)
RUN/metrics.jsonl    one line an epoch: what the same run gives again, to the bit
RUN/timing.jsonl     one line an epoch: how long it took
RUN/report.json      the evaluation, as data; RUN/report.md and RUN/report.html, for people
RUN/tensorboard/     where asked for

A checkpoint is the truth: model, metrics and timing are made again from it where a kill has left them behind.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tagger.config import Config
from tagger.config_file import dump_config
from tagger.errors import ConfigError, ModelError, OutputError, TaggerError
from tagger.evaluation.render import render_markdown
from tagger.evaluation.report import Report
from tagger.files import find_folder, remove_leftovers, write_synced
from tagger.inference.model_folder import load_model
from tagger.training.checkpoint import Checkpoint, Checkpoints
from tagger.training.lock import locked
from tagger.training.output import writing
from tagger.training.position import Epoch

_NAMES = (
    "config.yaml",
    "model",
    "metrics.jsonl",
    "timing.jsonl",
    "report.json",
    "report.md",
    "report.html",
    "tensorboard",
    "checkpoints",
)
_REPORTS = ("report.json", "report.md", "report.html")
_TIMES = ("seconds", "tokens_per_second")


class RunFolder:
    """A new run folder, or with `resume` one that is gone on with; no other run is ever overwritten.

    Nothing is written before the `with` block is entered, and within it nobody else can train there. If the block fails
    before anything worth keeping is saved, what was written is removed again, so that the same command can be given
    once more.

    Args:
        path: the folder; made if it is not there.
        config: the resolved config.
        resume: whether to go on with the run that is there.

    Attributes:
        checkpoints: those of this run.
        newest: the newest valid one when the block is entered; None: there is none, or nothing to go on with.
        damages: what is wrong with those that are newer.

    Raises:
        ConfigError: the folder holds a run, or the tensorboard extra is asked for but not installed; on entering also:
            another process is training there, or there is a run that cannot be gone on with.
        ModelError: on entering: every checkpoint is damaged.
        OutputError: the folder cannot be written.
    """

    def __init__(self, path: Path, config: Config, *, resume: bool = False) -> None:
        self.path = path
        self.model = path / "model"
        self.checkpoints = Checkpoints(path / "checkpoints", keep=config.training.keep_checkpoints)
        self.newest: Checkpoint | None = None
        self.damages: list[str] = []
        self._config, self._resume = config, resume
        self._tensorboard: Any = None
        self._is_ours = False  # whether this run made the folder
        self._open_tensorboard = _find_tensorboard() if config.training.tensorboard else None
        self._held = ExitStack()
        self._check_free()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            with writing(self.path):
                self._is_ours = not self.path.exists()
                self.path.mkdir(parents=True, exist_ok=True)
                held.callback(self._remove_if_ours)  # after the lock in it
                held.enter_context(locked(self.path))
                self._check_free()  # once more: somebody else may have been faster
                if self._resume:
                    self._find_checkpoint()
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()
        if error is not None and self._holds_nothing():
            self._remove()
        self._held.close()

    @property
    def report(self) -> Report | None:
        """The report of a finished run, if it is there in all its forms, and a model that can be loaded with it."""
        if not all((self.path / name).is_file() for name in _REPORTS):
            return None
        try:
            load_model(self.model)
            return Report.from_json((self.path / "report.json").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, TaggerError):
            return None

    def begin(self, epochs: Sequence[Epoch] = ()) -> None:
        """Brings the folder's files in line with the finished epochs; what is right already stays untouched."""
        with writing(self.path):
            for name, write in (("metrics.jsonl", _metrics_line), ("timing.jsonl", _timing_line)):
                self._put(name, "".join(map(write, epochs)).encode())
            self._put("config.yaml", dump_config(self._config).encode())
            if self._open_tensorboard is not None:
                folder = str(self.path / "tensorboard")
                # what a killed process has logged of later epochs is logged again
                self._tensorboard = self._open_tensorboard(folder, purge_step=len(epochs) + 1)

    def add_epoch(self, epoch: Epoch) -> None:
        """Adds an epoch's line to metrics.jsonl and timing.jsonl, and to TensorBoard where asked for."""
        with writing(self.path):
            for name, write in (("metrics.jsonl", _metrics_line), ("timing.jsonl", _timing_line)):
                with (self.path / name).open("a", encoding="utf-8") as file:
                    file.write(write(epoch))
                    file.flush()
                    os.fsync(file.fileno())  # a run that is finished makes them no more
        if self._tensorboard is not None:
            for name in ("train_loss", "dev_score", "tokens_per_second", "learning_rate"):
                value = getattr(epoch, name)
                if value is not None:
                    self._tensorboard.add_scalar(name, value, epoch.number)
            self._tensorboard.flush()

    def add_report(self, report: Report) -> None:
        """Writes report.json, report.md and report.html."""
        write_report(report, self.path)

    def _check_free(self) -> None:
        with writing(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise OutputError(f"--out: {self.path}: is a file, expected a folder")
            for name in _NAMES:
                if not self._resume and (self.path / name).exists():
                    raise ConfigError(
                        f"--out: {self.path}: holds a run already ({name}); --resume goes on with it; or choose "
                        "another folder, or remove this one"
                    )

    def _find_checkpoint(self) -> None:
        for name in ("config.yaml", "metrics.jsonl", "timing.jsonl", *_REPORTS, "model"):
            remove_leftovers(self.path / name)
        self.checkpoints.remove_leftovers()
        self.newest, self.damages = self.checkpoints.newest()
        if self.newest is not None or self.report is not None:
            return
        if self.damages:
            raise ModelError(f"{self.damages[0]}; no checkpoint there can be read: remove {self.path} to start afresh")
        found = [name for name in _NAMES if (self.path / name).exists()]
        # A run that was killed before its first checkpoint has written metrics.jsonl first, and nothing into it.
        if found and (not self._holds_nothing() or "metrics.jsonl" not in found):
            raise ConfigError(
                f"--resume: {self.path}: no checkpoint to go on from, but {', '.join(found)}; choose another folder"
            )

    def _put(self, name: str, content: bytes) -> None:
        path = self.path / name
        if not path.is_file() or path.read_bytes() != content:
            write_synced(path, content)

    def _holds_nothing(self) -> bool:
        """Whether there is nothing that a run would be sorry to lose."""
        metrics = self.path / "metrics.jsonl"
        try:
            has_epoch = metrics.exists() and metrics.stat().st_size > 0
            kept = (find_folder(self.model), *(self.path / name for name in _REPORTS))
            return not (has_epoch or self.checkpoints.names() or any(path.exists() for path in kept))
        except OSError:
            return False

    def _remove(self) -> None:
        """Removes what this run has written."""
        with suppress(OSError):
            for name in ("config.yaml", "metrics.jsonl", "timing.jsonl"):
                (self.path / name).unlink(missing_ok=True)
            for name in ("tensorboard", "checkpoints"):
                shutil.rmtree(self.path / name, ignore_errors=True)

    def _remove_if_ours(self) -> None:
        if self._is_ours:
            with suppress(OSError):  # something is in it
                self.path.rmdir()


def write_report(report: Report, folder: Path) -> None:
    """Writes report.json, report.md and report.html into a folder, made if not there; raises OutputError."""
    from tagger.evaluation.html import render_html

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_synced(folder / "report.json", report.to_json().encode())
        write_synced(folder / "report.md", render_markdown(report).encode())
        write_synced(folder / "report.html", render_html(report).encode())


def _metrics_line(epoch: Epoch) -> str:
    values = asdict(epoch)
    kept = {key: value for key, value in values.items() if key not in ("number", *_TIMES)}
    return json.dumps({"epoch": epoch.number, **kept}, allow_nan=False) + "\n"


def _timing_line(epoch: Epoch) -> str:
    return json.dumps({"epoch": epoch.number, **{key: getattr(epoch, key) for key in _TIMES}}, allow_nan=False) + "\n"


def _find_tensorboard() -> Callable[..., Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("training.tensorboard: not installed: pip install 'tagger[tensorboard]'") from error
    return SummaryWriter

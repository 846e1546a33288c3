"""The run folder: what a training run leaves behind.

RUN/config.yaml      the resolved config
RUN/model/           the best epoch's model (see `inference/model_folder.py`)
RUN/metrics.jsonl    one line an epoch
RUN/report.json      the evaluation, as data; RUN/report.md and RUN/report.html, for people
RUN/tensorboard/     where asked for
"""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tagger.config import Config
from tagger.config_file import dump_config
from tagger.errors import ConfigError, OutputError
from tagger.evaluation.render import render_markdown
from tagger.evaluation.report import Report
from tagger.files import write_synced
from tagger.training.loop import Epoch
from tagger.training.output import writing

_NAMES = ("config.yaml", "model", "metrics.jsonl", "report.json", "report.md", "report.html", "tensorboard")


class RunFolder:
    """A new run folder; an existing run is never overwritten.

    Nothing is written before the `with` block is entered. If the block fails before a model is saved, what was written
    is removed again, so that the same command can be given once more.

    Args:
        path: the folder; made if it is not there.
        config: the resolved config.

    Raises:
        ConfigError: the folder holds a run, or the tensorboard extra is asked for but not installed.
        OutputError: the folder cannot be written.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.model = path / "model"
        self._config = config
        self._tensorboard: Any = None
        self._is_ours = False  # whether this run made the folder
        self._num_epochs = 0
        self._open_tensorboard = _find_tensorboard() if config.training.tensorboard else None
        self._check_free()

    def __enter__(self) -> Self:
        self._check_free()  # once more: reading the data may have taken long
        try:
            with writing(self.path):
                self._is_ours = not self.path.exists()
                self.path.mkdir(parents=True, exist_ok=True)
                write_synced(self.path / "config.yaml", dump_config(self._config).encode())
                write_synced(self.path / "metrics.jsonl", b"")
                if self._open_tensorboard is not None:
                    self._tensorboard = self._open_tensorboard(str(self.path / "tensorboard"))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tensorboard is not None:
            self._tensorboard.close()
        if error is not None and not self._num_epochs and not self.model.exists():
            self._remove()

    def add_epoch(self, epoch: Epoch) -> None:
        """Adds an epoch's line to metrics.jsonl, and to TensorBoard where asked for."""
        with writing(self.path), (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(epoch), allow_nan=False) + "\n")
        self._num_epochs += 1
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
                if (self.path / name).exists():
                    raise ConfigError(
                        f"--out: {self.path}: holds a run already ({name}); choose another folder, or remove this one"
                    )

    def _remove(self) -> None:
        """Removes what this run has written."""
        with suppress(OSError):
            for name in ("config.yaml", "metrics.jsonl"):
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / "tensorboard", ignore_errors=True)
            if self._is_ours:
                self.path.rmdir()


def write_report(report: Report, folder: Path) -> None:
    """Writes report.json, report.md and report.html into a folder, made if not there; raises OutputError."""
    from tagger.evaluation.html import render_html

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_synced(folder / "report.json", report.to_json().encode())
        write_synced(folder / "report.md", render_markdown(report).encode())
        write_synced(folder / "report.html", render_html(report).encode())


def _find_tensorboard() -> Callable[[str], Any]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("training.tensorboard: not installed: pip install 'tagger[tensorboard]'") from error
    return SummaryWriter

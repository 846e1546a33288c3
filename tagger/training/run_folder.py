"""The run folder: what a training run leaves behind.

RUN/config.yaml      the resolved config
RUN/model/           the best epoch's model (see `inference/model_folder.py`)
RUN/metrics.jsonl    one line an epoch
RUN/report.json      the evaluation, as data; RUN/report.md, for people
RUN/tensorboard/     where asked for
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tagger.config import Config
from tagger.config_file import dump_config
from tagger.errors import ConfigError, OutputError
from tagger.evaluation.render import render_markdown
from tagger.evaluation.report import Report
from tagger.inference.model_folder import write_synced
from tagger.training.loop import Epoch


class RunFolder:
    """Opens a new run folder and writes into it; an existing run is never overwritten.

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
        self._tensorboard = _open_tensorboard(path / "tensorboard") if config.training.tensorboard else None
        if (path / "config.yaml").exists():
            raise ConfigError(f"--out: {path}: holds a run already; choose another folder, or remove this one")
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            write_synced(path / "config.yaml", dump_config(config).encode())
            write_synced(path / "metrics.jsonl", b"")

    def add_epoch(self, epoch: Epoch) -> None:
        """Adds an epoch's line to metrics.jsonl, and to TensorBoard where asked for."""
        with writing(self.path), (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(epoch), allow_nan=False) + "\n")
        if self._tensorboard is not None:
            for name in ("train_loss", "dev_score", "tokens_per_second", "learning_rate"):
                value = getattr(epoch, name)
                if value is not None:
                    self._tensorboard.add_scalar(name, value, epoch.number)
            self._tensorboard.flush()

    def add_report(self, report: Report) -> None:
        """Writes report.json and report.md."""
        write_report(report, self.path)


def write_report(report: Report, folder: Path) -> None:
    """Writes report.json and report.md into a folder, which is made if it is not there; raises OutputError."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_synced(folder / "report.json", report.to_json().encode())
        write_synced(folder / "report.md", render_markdown(report).encode())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into an OutputError that names the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{error.filename or path}: cannot be written: {error.strerror or error}") from error


def _open_tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("training.tensorboard: not installed: pip install 'tagger[tensorboard]'") from error
    return SummaryWriter(str(folder))

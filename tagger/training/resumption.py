"""Going on with a run: whether it is the same run, and whether there is anything left to do."""

from collections.abc import Mapping
from typing import Any

import torch

from tagger.config import Config
from tagger.config_file import load_config
from tagger.data.corpus import Corpus
from tagger.data.vocab import Vocabulary
from tagger.evaluation.report import Report
from tagger.training.best import is_over
from tagger.training.origin import check_origin, origin_of_data, origin_of_settings
from tagger.training.run_folder import RunFolder

_CHANGES = "changes"  # in a checkpoint's origin: what has changed on the way to it


class Resumption:
    """What a run is gone on from; of a run that begins, nothing.

    Args:
        folder: the run folder, entered.
        config: the run.
        device: where to train.
        allow_changes: whether to go on with something else than was begun.
    """

    def __init__(self, folder: RunFolder, config: Config, *, device: torch.device, allow_changes: bool) -> None:
        self._folder, self._config, self._device, self._allow_changes = folder, config, device, allow_changes
        self._newest = folder.newest
        self._origin = origin_of_settings(config, device)
        self._changes = list(self._newest.origin.get(_CHANGES, ())) if self._newest else []

    @property
    def seconds(self) -> float:
        """Time of the run before."""
        return self._newest.seconds if self._newest else 0.0

    @property
    def num_done(self) -> int:
        """Epochs that are finished."""
        return len(self._newest.position.epochs) if self._newest else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Checkpoints that cannot be read, and what is not as it was."""
        damages = (f"{damage}; an older checkpoint is taken" for damage in self._folder.damages)
        return (*damages, *(f"changed on the way: {change}" for change in self._changes))

    def describe(self) -> str | None:
        """What is gone on from, in a few words."""
        if self._newest is None:
            return None
        step = self._newest.position.step
        return f"epoch {self.num_done + 1} after step {step:,}" if step else f"the end of epoch {self.num_done}"

    def find_report(self) -> Report | None:
        """The report of a run that is finished already.

        Raises:
            ConfigError: the run is another.
        """
        settings, report = self._config.training, self._folder.report
        if self._newest is not None:
            self._check(self._newest.origin, self._origin)
            scores = [epoch.dev_score for epoch in self._newest.position.epochs]
            finished = is_over(scores, num_epochs=settings.num_epochs, patience=settings.patience)
            return report if report and finished and len(report.curve) == len(scores) else None
        if report is not None:  # no checkpoints were kept, or they have been removed
            began_with = load_config(self._folder.path / "config.yaml")
            self._check(origin_of_settings(began_with, self._device), self._origin)
        return report

    def check_data(self, corpus: Corpus, vocabulary: Vocabulary) -> dict[str, Any]:
        """Makes sure that the data are the same, and returns the whole origin; raises ConfigError."""
        origin = origin_of_data(corpus, vocabulary)
        if self._newest is not None:
            self._check(self._newest.origin, origin)
        return {**self._origin, **origin, _CHANGES: self._changes}

    def _check(self, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        self._changes += check_origin(saved, now, allow_changes=self._allow_changes)

"""What is kept of a training run while it goes on: checkpoints, the best epoch's model, a line for each epoch."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from tagger.config import Config
from tagger.errors import TaggerError
from tagger.inference.model_folder import load_model, save_model
from tagger.inference.predictor import Predictor
from tagger.model.language_model import LanguageModel
from tagger.model.temperature import Fit
from tagger.training.checkpoint import Checkpoint, capture, load_weights, part_of, restore
from tagger.training.loop import check_weights
from tagger.training.position import BEGINNING, Epoch, Position, Step
from tagger.training.run_folder import RunFolder

_SECONDS = 60  # of a minute


class Keeper:
    """Keeps what training yields, such that a kill at any moment loses what came after the last checkpoint, no more.

    An epoch's checkpoint is saved first: it alone says what the best epoch is and how it scored. The model folder and
    the metrics follow, and are made again from it by `go_on` where a kill came between.

    Args:
        folder: where to.
        predictor: holds the network that is trained.
        optimizer: trains it.
        config: the run.
        origin: what the run is made of (see `origin.py`).
        data: the corpus's manifest, for the model's.
        seconds_before: time of the run before this process went on with it.
        language_model: what is trained beside the network, if anything; in checkpoints, but in no model folder.

    Attributes:
        optimizer: as given.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        predictor: Predictor,
        optimizer: torch.optim.Optimizer,
        config: Config,
        origin: Mapping[str, Any],
        data: Mapping[str, Any],
        seconds_before: float = 0.0,
        language_model: LanguageModel | None = None,
    ) -> None:
        self.optimizer, self._language_model = optimizer, language_model
        self._folder, self._predictor = folder, predictor
        self._config, self._origin, self._data = config, origin, data
        self._began = time.perf_counter() - seconds_before
        self._position = BEGINNING  # at the last epoch's end
        self._latest: Step | None = None  # the last step since then
        self._best: dict[str, Tensor] = {}
        self._saved = self._key()
        self._num_since, self._saved_at = 0, time.perf_counter()  # steps since then, and when

    @property
    def position(self) -> Position:
        """How far training has come."""
        return self._position if self._latest is None else self._position.after(self._latest)

    @property
    def seconds(self) -> float:
        """Time of the run so far."""
        return time.perf_counter() - self._began

    @property
    def best(self) -> Epoch | None:
        """The best epoch so far."""
        return next((epoch for epoch in reversed(self._position.epochs) if epoch.is_best), None)

    def go_on(self, checkpoint: Checkpoint) -> Position:
        """Puts everything back to where a checkpoint was taken.

        Raises:
            ConfigError: the checkpoint is of a network of other sizes.
            OutputError: what lags behind the checkpoint cannot be written.
        """
        network, tensors = self._predictor.network, checkpoint.tensors
        self._position = checkpoint.position
        if self.best is not None:
            best = part_of(tensors, "best/") or part_of(tensors, "weights/")
            load_weights(network, best)
            self._remember_best()
            if not self._is_saved(self.best):
                self._save_model(self.best)
        same = checkpoint.origin.get("training.optimizer") == self._config.training.optimizer
        restore(tensors, network, self.optimizer, language_model=self._language_model, with_optimizer=same)
        self._saved = self._key()
        return checkpoint.position

    def add(self, event: Step | Epoch) -> None:
        """Saves what is to be saved at this moment; raises BatchError, OutputError."""
        if isinstance(event, Step):
            self._latest = event
            self._num_since += 1
            if self._is_due():
                self.save()
            return
        self._position, self._latest = self._position.after(event), None
        if event.is_best:
            self._remember_best()
        self.save()
        if event.is_best:
            self._save_model(event)
        self._folder.add_epoch(event)  # after the model, so that no line speaks of a model that is not there

    def save(self) -> None:
        """Saves a checkpoint of this moment, if checkpoints are kept and there is none.

        Raises:
            BatchError: the weights are not worth it.
            OutputError: it cannot be written; those before are untouched.
        """
        if not self._config.training.keep_checkpoints or self._saved == self._key():
            return
        position, network = self.position, self._predictor.network
        check_weights(network, self._language_model, epoch=len(position.epochs) + 1, step=position.step)
        tensors = capture(network, self.optimizer, self._language_model)
        if position.step or self.best is not position.epochs[-1]:
            tensors |= {f"best/{name}": value for name, value in self._best.items()}
        self._folder.checkpoints.save(
            Checkpoint(position=position, seconds=self.seconds, origin=self._origin, tensors=tensors)
        )
        self._saved = self._key()
        self._num_since, self._saved_at = 0, time.perf_counter()

    def load_best(self) -> None:
        """Puts the best epoch's weights into the network."""
        self._predictor.network.load_state_dict(self._best)

    def add_temperature(self, fit: Fit) -> None:
        """Saves the best epoch's model once more, its weights being in the network, with what was fitted on them."""
        if self.best is not None and not self._is_saved(self.best, fit):
            self._save_model(self.best, fit)

    def _key(self) -> tuple[int, int]:
        return len(self._position.epochs), (self._latest or self._position).step

    def _is_due(self) -> bool:
        settings = self._config.training
        minutes = (time.perf_counter() - self._saved_at) / _SECONDS
        return 0 < settings.checkpoint_steps <= self._num_since or 0 < settings.checkpoint_minutes <= minutes

    def _remember_best(self) -> None:
        weights = self._predictor.network.state_dict()
        self._best = {name: value.detach().clone() for name, value in weights.items()}

    def _is_saved(self, epoch: Epoch, fit: Fit | None = None) -> bool:
        """Whether the model folder holds the best weights, and what was fitted on them if that is given."""
        try:
            saved = load_model(self._folder.model)
        except TaggerError:  # damaged, or never written: it is made anew
            return False
        weights = saved.network.state_dict()
        is_same = fit is None or saved.manifest.get("temperature") == asdict(fit)
        return (
            is_same
            and saved.manifest.get("epoch") == epoch.number
            and all(torch.equal(weights[name], value.cpu()) for name, value in self._best.items())
        )

    def _save_model(self, epoch: Epoch, fit: Fit | None = None) -> None:
        facts = {"epoch": epoch.number, "dev_score": epoch.dev_score, "data": dict(self._data)}
        if fit is not None:
            facts["temperature"] = asdict(fit)
        save_model(
            self._folder.model,
            self._predictor.network,
            vocabulary=self._predictor.vocabulary,
            config=self._config,
            facts=facts,
        )

"""Checkpoints: all that training needs to go on to the bit, as safetensors and JSON; nothing executable.

    RUN/checkpoints/0003-00000120/   epoch 3 goes on, 120 steps of it are done
        state.json                   the position, and what the run is made of (see `origin.py`)
        tensors.safetensors          weights, best weights if they are others, the language model's if there is one, the
                                     optimizer's state, random states
        manifest.json                size and SHA-256 of both

Which epoch is the best and how much patience is left follow from the scores in the position, the learning rate from the
position itself, and the data's order from seed and epoch. There is no scaler: bf16 needs none.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tagger.errors import ConfigError, ModelError
from tagger.files import replacing_folder, sync_folder
from tagger.manifests import MANIFEST, make_manifest, parse_object, read_listed, read_manifest, shorten, to_json
from tagger.model.language_model import LanguageModel
from tagger.model.network import SequenceTagger
from tagger.training.output import writing
from tagger.training.position import Epoch, Position
from tagger.training.weights import LANGUAGE_MODEL, name_weights

KIND, FORMAT = "checkpoint", 1
_STATE, _TENSORS = "state.json", "tensors.safetensors"
_NAME = re.compile(r"(\d{4,})-(\d{8,})")
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A moment of a training run.

    Attributes:
        position: how far training has come.
        seconds: time of the run so far, with reading and saving.
        origin: what the run is made of (see `origin.py`).
        tensors: as `capture` returns them, and best weights as `best/NAME` where they are not the weights themselves.
    """

    position: Position
    seconds: float
    origin: Mapping[str, Any]
    tensors: Tensors


class Checkpoints:
    """A run's checkpoints, each in a folder that is put in place at once when all of it is on the disk.

    Args:
        folder: holds nothing else; made when the first is saved.
        keep: how many to keep, the latest.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self.folder, self._keep = folder, keep

    def names(self) -> list[str]:
        """The names of those that are there, valid or not, from the oldest to the newest."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(filter(_NAME.fullmatch, names), key=_order)

    def save(self, checkpoint: Checkpoint) -> None:
        """Adds a checkpoint, and removes what is no longer to be kept; raises OutputError, the older ones untouched."""
        from safetensors.torch import save

        plain = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
        state = {"position": asdict(checkpoint.position), "seconds": checkpoint.seconds, "origin": checkpoint.origin}
        contents = {_STATE: to_json(state), _TENSORS: save(plain)}
        contents[MANIFEST] = make_manifest(contents, kind=KIND, version=FORMAT, facts={})
        name = f"{len(checkpoint.position.epochs) + 1:04}-{checkpoint.position.step:08}"
        with writing(self.folder):
            is_first = not self.folder.exists()
            with replacing_folder(self.folder / name) as aside:
                for file, content in contents.items():
                    (aside / file).write_bytes(content)
            if is_first:
                sync_folder(self.folder.parent)
            self._prune(name)

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest valid checkpoint, if any, and what is wrong with those that are newer."""
        damages: list[str] = []
        for name in reversed(self.names()):
            try:
                return read_checkpoint(self.folder / name), damages
            except ModelError as error:
                damages.append(str(error))
        return None, damages

    def remove_leftovers(self) -> None:
        """Removes what a killed process has left half written or half removed."""
        for path in self.folder.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)

    def _prune(self, newest: str) -> None:
        names = self.names()
        kept = [name for name in names if _order(name) <= _order(newest)][-self._keep :]
        for name in names:  # those that are newer could not be read when this run went on
            if name not in kept:
                gone = (self.folder / name).rename(self.folder / f".{name}.gone")
                shutil.rmtree(gone, ignore_errors=True)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint; raises ModelError if it is damaged, foreign or of another format."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    manifest = read_manifest(folder, kind=KIND, version=FORMAT, names=(_STATE, _TENSORS))
    state = parse_object(read_listed(folder, _STATE, manifest=manifest), path=folder / _STATE)
    try:
        position = dict(state["position"])
        epochs = tuple(Epoch(**epoch) for epoch in position.pop("epochs"))
        return Checkpoint(
            position=Position(epochs=epochs, **position),
            seconds=state["seconds"],
            origin=state["origin"],
            tensors=load(read_listed(folder, _TENSORS, manifest=manifest)),
        )
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder}: not a checkpoint of this tagger: {shorten(error)}") from error


def capture(
    network: SequenceTagger, optimizer: torch.optim.Optimizer, language_model: LanguageModel | None = None
) -> dict[str, Tensor]:
    """Weights as `weights/NAME`, the optimizer's state as `optimizer/NAME/KEY`, random states as `random/DEVICE`.

    What is trained beside the network stands under `language_model/NAME`.
    """
    tensors = {f"weights/{name}": value for name, value in network.state_dict().items()}
    if language_model is not None:
        tensors |= {f"{LANGUAGE_MODEL}/{name}": value for name, value in language_model.state_dict().items()}
    names: dict[Tensor, str] = {weight: name for name, weight in name_weights(network, language_model)}
    for weight, values in optimizer.state.items():
        for key, value in values.items():
            if value is not None:  # SGD's momentum, where there is none
                tensors[f"optimizer/{names[weight]}/{key}"] = value
    tensors["random/cpu"] = torch.get_rng_state()
    if network.to_emissions.weight.is_cuda:
        tensors["random/cuda"] = torch.cuda.get_rng_state(network.to_emissions.weight.device)
    return tensors


def restore(
    tensors: Tensors,
    network: SequenceTagger,
    optimizer: torch.optim.Optimizer,
    *,
    language_model: LanguageModel | None = None,
    with_optimizer: bool = True,
) -> None:
    """Puts network, optimizer and torch's random states back to where `capture` found them.

    Args:
        tensors: as `capture` returned them.
        network: built as that one was.
        optimizer: over its weights, built as that one was; its settings stay as they are.
        language_model: trained beside the network; begins anew where what was captured is of other sizes, or nothing.
        with_optimizer: whether the optimizer is of the kind that was captured, so that its state fits.

    Raises:
        ConfigError: a network of other sizes.
    """
    load_weights(network, part_of(tensors, "weights/"))
    begins_anew = language_model is not None and not _restore_language_model(tensors, language_model)
    if with_optimizer:
        state: dict[int, dict[str, Tensor]] = {}
        saved = part_of(tensors, "optimizer/")
        weights = name_weights(network, None if begins_anew else language_model)
        numbers = {name: number for number, name in enumerate(name for name, weight in weights if weight.requires_grad)}
        for path, value in saved.items():
            name, _, key = path.rpartition("/")
            if name in numbers:  # else of a language model that is left out, or begins anew
                state.setdefault(numbers[name], {})[key] = value.clone()  # a copy, aligned as torch aligns its own
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random/cpu"].clone())
    device = network.to_emissions.weight.device
    if "random/cuda" in tensors and device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random/cuda"].clone(), device)


def load_weights(network: SequenceTagger, weights: Tensors) -> None:
    """Loads weights; raises ConfigError if they are those of a network of other sizes."""
    expected = network.state_dict()
    for name in sorted(expected.keys() | weights.keys()):
        ours, theirs = (tuple(each[name].shape) if name in each else "nothing" for each in (expected, weights))
        if ours != theirs:
            raise ConfigError(f"the checkpoint does not fit this network: {name}: expected {ours}, found {theirs}")
    network.load_state_dict(dict(weights))


def part_of(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_language_model(tensors: Tensors, language_model: LanguageModel) -> bool:
    saved, expected = part_of(tensors, f"{LANGUAGE_MODEL}/"), language_model.state_dict()
    if {name: value.shape for name, value in saved.items()} != {name: value.shape for name, value in expected.items()}:
        return False
    language_model.load_state_dict(saved)
    return True


def _order(name: str) -> tuple[int, int]:
    epoch, _, step = name.partition("-")
    return int(epoch), int(step)

"""What a run is made of: settings, data, vocabulary, machine. Going on with something else is not the same run.

An origin is a flat object of JSON: key -> value. Settings go by their own keys. Where a setting leaves the choice to
the machine (device, precision, threads), what counts is the choice; where it names a file, what is in the file.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from tagger.config import Config
from tagger.config_types import SETTINGS, value_of
from tagger.data.corpus import Corpus
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError
from tagger.training.hardware import choose_precision

_CHOSEN = ("training.device", "training.precision", "training.num_threads")
_FILES = ("data.train", "data.dev", "data.test", "data.labels", "features.words.vectors")
_HARMLESS = (
    "training.tensorboard",
    "training.keep_checkpoints",
    "training.checkpoint_minutes",
    "training.checkpoint_steps",
)
_FIXED = ("vocabulary",)  # the rows of the saved weights belong to its words
_MAX_SHOWN = 60  # characters of a value in a message


def origin_of_settings(config: Config, device: torch.device) -> dict[str, Any]:
    """What is known before the data are read; torch's threads are those that training will have."""
    settings = asdict(config)
    return {
        **{key: value_of(settings, key) for key in SETTINGS if key not in (*_CHOSEN, *_FILES, *_HARMLESS)},
        "training.device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        "training.precision": choose_precision(device, config.training),
        "training.num_threads": torch.get_num_threads(),
        "the CPU": f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "tagger": version("tagger"),
    }


def origin_of_data(corpus: Corpus, vocabulary: Vocabulary) -> dict[str, Any]:
    """What was read, and the order of its words and tags."""
    splits = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
    origin: dict[str, Any] = {}
    for split, read in corpus.manifest.items():
        content = read.get("sha256")
        if content is None:  # a dataset or a pipe
            digest = hashlib.sha256()
            for sentence in splits[split]:
                digest.update(json.dumps([sentence.tokens, sentence.tags]).encode())
            content = digest.hexdigest()
        origin[f"data.{split}"] = f"SHA-256 {content}"
    origin["labels"] = list(corpus.labels)
    origin["vocabulary"] = hashlib.sha256(json.dumps(asdict(vocabulary)).encode()).hexdigest()
    return origin


def check_origin(saved: Mapping[str, Any], now: Mapping[str, Any], *, allow_changes: bool) -> list[str]:
    """Compares what a checkpoint was made of with what there is now.

    Args:
        saved: the whole origin of the checkpoint.
        now: an origin, or part of one.
        allow_changes: whether to go on nevertheless.

    Returns:
        What has changed, one line each.

    Raises:
        ConfigError: something has changed and may not, or the vocabulary has; the message names the key.
    """
    changes = {
        key: f"{key}: was {_show(saved.get(key))}, is {_show(value)}"
        for key, value in now.items()
        if saved.get(key) != value
    }
    for key in _FIXED:
        if key in changes and allow_changes:
            raise ConfigError(f"--resume: the words or tags of train are not the saved model's ({changes[key]})")
    if changes and not allow_changes:
        first, *others = changes.values()
        more = f" ({len(others)} more: {', '.join(list(changes)[1:])})" if others else ""
        raise ConfigError(
            f"--resume: {first}{more}: the model would be another; put it back, or go on with --allow-changes"
        )
    return list(changes.values())


def _show(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."

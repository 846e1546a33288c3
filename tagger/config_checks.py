"""What a config must hold beyond its schema: types, ranges, and rules across fields.

Configs come from files, where a wrong type is noticed while reading, and from Python, where nothing else notices it.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from typing import Any, get_type_hints

from tagger.config import Config, DataConfig
from tagger.config_types import SETTINGS, describe_mismatch, fits, show, value_of
from tagger.errors import ConfigError

PATH_KEYS = ("data.train", "data.dev", "data.test", "data.labels", "features.words.vectors")

# What no run can need, so that a slip of the finger is an error here and not out of memory later.
_MAX_DIM = 100_000
_MAX_COUNT = 10**9
MAX_ENTRIES = 500  # of a list; jsonargparse takes a third of a second for so many, its time grows with their square
# key -> (lowest, highest) value allowed; a bound in `_OPEN_BELOW` or `_OPEN_ABOVE` is itself not allowed.
_RANGES: dict[str, tuple[float, float]] = {
    "data.dev_share": (0, 1),
    "data.dev_seed": (0, 2**63 - 1),
    "features.words.dim": (0, _MAX_DIM),
    "features.words.min_count": (1, _MAX_COUNT),
    "features.words.singleton_dropout": (0, 1),
    "features.words.word_dropout": (0, 1),
    "features.characters.dim": (1, _MAX_DIM),
    "features.characters.hidden_dim": (1, _MAX_DIM),
    "features.characters.kernel_size": (1, 999),
    "features.characters.max_length": (1, 1000),
    "features.affixes.dim": (0, _MAX_DIM),
    "features.affixes.num_buckets": (1, 2**24),
    "features.affixes.prefixes": (1, 1000),
    "features.affixes.suffixes": (1, 1000),
    "model.hidden_dim": (1, _MAX_DIM),
    "model.num_layers": (1, 1000),
    "model.dropout": (0, 1),
    "model.proj_size": (0, math.inf),
    "model.input_dropout": (0, 1),
    "model.output_dropout": (0, 1),
    "training.num_epochs": (1, _MAX_COUNT),
    "training.batch_size": (1, _MAX_COUNT),
    "training.batch_tokens": (1, _MAX_COUNT),
    "training.accumulate": (1, _MAX_COUNT),
    "training.learning_rate": (0, math.inf),
    "training.weight_decay": (0, math.inf),
    "training.momentum": (0, 1),
    "training.warmup": (0, 1),
    "training.clip_norm": (0, math.inf),
    "training.patience": (0, _MAX_COUNT),
    "training.language_model": (0, math.inf),
    "training.language_model_words": (1, 1_000_000),
    "training.seed": (0, 2**63 - 1),
    "training.num_threads": (0, 4096),
    "training.keep_checkpoints": (0, 1000),
    "training.checkpoint_minutes": (0, math.inf),
    "training.checkpoint_steps": (0, _MAX_COUNT),
}
_OPEN_BELOW = frozenset({"training.learning_rate"})
_OPEN_ABOVE = frozenset(
    {"data.dev_share", "features.words.word_dropout", "model.dropout", "model.input_dropout", "model.output_dropout"}
    | {"training.momentum", "training.warmup"}
)


def check_config(config: Config, *, where: str) -> None:
    """Checks types and ranges, and that every setting has an effect on the path the others choose.

    Args:
        config: the config.
        where: what to name in messages: the file it came from.

    Raises:
        ConfigError: `where: key: what is wrong`.
    """
    _check_sections(config, where=where)
    settings, defaults = asdict(config), asdict(Config())
    for key, hint in SETTINGS.items():
        value = value_of(settings, key)
        if not fits(value, hint):
            raise ConfigError(f"{where}: {key}: {describe_mismatch(key, value)}")
        if isinstance(value, list | dict) and len(value) > MAX_ENTRIES:
            raise ConfigError(f"{where}: {key}: expected at most {MAX_ENTRIES} entries, got {len(value)}")
    for key, bounds in _RANGES.items():
        _check_range(key, value_of(settings, key), bounds, where=where)
    for key, reason in _conflicts(config):
        raise ConfigError(f"{where}: {key}: {reason}")
    for key, reason in _without_effect(config):
        if value_of(settings, key) != value_of(defaults, key):
            raise ConfigError(f"{where}: {key}: has no effect {reason}; leave it out")


def _check_sections(section: Any, *, where: str, prefix: str = "") -> None:
    for name, hint in get_type_hints(type(section)).items():
        if isinstance(hint, type) and is_dataclass(hint):
            value = getattr(section, name)
            if type(value) is not hint:
                raise ConfigError(f"{where}: {prefix}{name}: expected a {hint.__name__}, got {show(value)}")
            _check_sections(value, where=where, prefix=f"{prefix}{name}.")


def _check_range(key: str, value: Any, bounds: tuple[float, float], *, where: str) -> None:
    low, high = bounds
    for number in value if isinstance(value, list) else [value]:
        if number is None:
            continue
        below = number <= low if key in _OPEN_BELOW else number < low
        above = number >= high if key in _OPEN_ABOVE else number > high
        is_finite = -sys.float_info.max <= number <= sys.float_info.max  # a whole number may be too large for a float
        if below or above or not is_finite:
            allowed = f"{'>' if key in _OPEN_BELOW else '>='} {low}"
            if high < math.inf:
                allowed += f" and {'<' if key in _OPEN_ABOVE else '<='} {high}"
            kind = "number" if is_finite else "finite number"
            raise ConfigError(f"{where}: {key}: expected a {kind} {allowed}, got {number}")


def _conflicts(config: Config) -> Iterator[tuple[str, str]]:
    features, model, training = config.features, config.model, config.training
    yield from _data_conflicts(config)
    if not (features.words.dim or features.affixes.dim or features.characters.kind != "none"):
        yield "features", "words, characters and affixes are all left out: there is nothing to learn from"
    affixes = features.affixes
    if affixes.dim and not (affixes.prefixes or affixes.suffixes or affixes.shape):
        yield "features.affixes", "no prefixes, no suffixes and no shape: set dim: 0 to leave affixes out"
    if features.characters.kind == "cnn" and features.characters.kernel_size % 2 == 0:
        yield "features.characters.kernel_size", "must be odd, so that each character sits in the middle of a filter"
    if model.proj_size >= model.hidden_dim:
        yield "model.proj_size", f"must be smaller than hidden_dim ({model.hidden_dim})"
    if model.num_layers == 1 and model.dropout:
        yield "model.dropout", "works between stacked layers; with num_layers: 1 use output_dropout"
    if config.data.unknown_tag is not None:
        yield from _unknown_tag_conflicts(config)
    for label, cost in (model.label_costs or {}).items():
        if not 0 <= cost < math.inf:
            yield "model.label_costs", f"{label}: expected a number of nats >= 0, got {cost}"
    if model.num_layers == 1 and model.layers == "mix":
        yield "model.layers", "mix needs num_layers > 1"
    if training.batch_size is not None and training.batch_tokens is not None:
        yield "training.batch_tokens", "give batch_size or batch_tokens, not both"
    if training.language_model and not model.bidirectional:
        yield (
            "training.language_model",
            "needs model.bidirectional: true: both directions predict the word they read next",
        )
    if training.language_model and model.num_layers > 1:
        yield "training.language_model", "needs model.num_layers: 1: a second layer has seen the word it would predict"


def _unknown_tag_conflicts(config: Config) -> Iterator[tuple[str, str]]:
    data, model = config.data, config.model
    if data.unknown_tag == "":
        yield "data.unknown_tag", "is empty; null means that every tag is known"
    is_hub = data.format == "hub"
    if set(data.splits or ()) == {"train"} if is_hub else not (data.dev or data.test):
        yield "data.unknown_tag", "needs data.dev or data.test: a report on train would have to score what nobody knows"
    if data.dev_share:
        yield "data.dev_share", "cannot be combined with data.unknown_tag: what is drawn could hold unknown tags"
    if model.head == "crf" and model.crf_implementation == "torchcrf":
        yield "model.crf_implementation", "torchcrf cannot learn from data.unknown_tag; native can"
    if model.label_costs:
        yield "model.label_costs", "cannot be combined with data.unknown_tag"


def _data_conflicts(config: Config) -> Iterator[tuple[str, str]]:
    data, settings = config.data, asdict(config)
    yield from ((key, "is an empty path; null means none") for key in PATH_KEYS if value_of(settings, key) == "")
    if data.format == "hub":
        if not data.name:
            yield "data.name", "format hub needs the dataset's name, such as owner/name"
        if data.splits is not None and "train" not in data.splits:
            yield "data.splits", "needs train, such as {train: train, dev: validation}"
        for split in data.splits or {}:
            if split not in ("train", "dev", "test"):
                yield "data.splits", f"{split!r} is none of train, dev, test"
    elif not data.train:
        yield "data.train", "needs a file to train on"
    if data.dev_share and _names_dev(data):
        named = "data.dev" if data.format != "hub" else "data.splits" if data.splits else "the default data.splits"
        yield "data.dev_share", f"there is a dev split already ({named}); name none, or leave dev_share out"
    if data.comments == "":
        yield "data.comments", "an empty prefix would skip every line; null means that no line is a comment"
    for key, column in (("data.tokens", data.tokens), ("data.tags", data.tags)):
        if column == "":
            yield key, "is empty; leave it out for the default"
        if isinstance(column, str) and data.format == "conll" and not data.header:
            yield key, "a column's name needs header: true; columns without a header go by number, such as 1 or -1"
        if isinstance(column, int) and data.format != "conll":
            yield key, f"a column number does not fit format {data.format}"
        if column == 0:
            yield key, "columns count from 1 (-1 is the last)"


def _without_effect(config: Config) -> Iterator[tuple[str, str]]:
    data, words, characters = config.data, config.features.words, config.features.characters
    yield from _data_without_effect(config)
    if data.scheme == "plain":
        yield "model.encoding", "on scheme plain"
        yield "model.constrain_training", "on scheme plain"
    if config.model.head == "softmax":
        yield "model.constrain_training", "with head: softmax"
        yield "model.crf_implementation", "with head: softmax"
    keys: tuple[str, ...]
    if words.dim == 0:
        keys = ("min_count", "lowercase", "vectors", "keep_vectors", "freeze", "singleton_dropout", "word_dropout")
        yield from ((f"features.words.{key}", "with dim: 0") for key in keys)
    if not words.vectors:
        yield "features.words.freeze", "without vectors"
        yield "features.words.keep_vectors", "without vectors"
        if words.min_count > 1:  # then a word seen once is unknown anyway
            yield "features.words.singleton_dropout", f"with min_count: {words.min_count} and no vectors"
    if characters.kind == "none":
        keys = ("dim", "hidden_dim", "kernel_size", "bidirectional", "max_length")
        yield from ((f"features.characters.{key}", "with kind: none") for key in keys)
    elif characters.kind == "lstm":
        yield "features.characters.kernel_size", "with kind: lstm"
    else:
        yield "features.characters.bidirectional", "with kind: cnn"
    if config.features.affixes.dim == 0:
        keys = ("num_buckets", "prefixes", "suffixes", "shape")
        yield from ((f"features.affixes.{key}", "with dim: 0") for key in keys)
    if not config.training.language_model:
        yield "training.language_model_words", "with language_model: 0"
    if config.training.optimizer == "adamw":
        yield "training.momentum", "with optimizer: adamw"
    if not config.training.keep_checkpoints:
        yield from (
            (f"training.{key}", "with keep_checkpoints: 0") for key in ("checkpoint_minutes", "checkpoint_steps")
        )


def _data_without_effect(config: Config) -> Iterator[tuple[str, str]]:
    data = config.data
    if data.format != "conll":
        yield from ((f"data.{key}", f"on format {data.format}") for key in ("delimiter", "header", "comments"))
    if data.format == "hub":
        yield from ((f"data.{key}", "on format hub (see data.splits)") for key in ("train", "dev", "test"))
    else:
        keys = ("name", "config", "revision", "splits", "labels", "streaming")
        yield from ((f"data.{key}", f"on format {data.format}") for key in keys)
    if data.format == "conllu":
        yield "data.tokens", "on format conllu"
    if not data.dev_share:
        yield "data.dev_seed", "without data.dev_share"
        if not _names_dev(data):
            yield "training.patience", "without a dev split (data.dev_share takes one from train)"


def _names_dev(data: DataConfig) -> bool:
    return "dev" in (data.splits or {"dev": ""}) if data.format == "hub" else bool(data.dev)

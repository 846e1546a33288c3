"""Reads a run's config from YAML, applies overrides, and checks it; errors name the file and the key.

Paths inside a config file are relative to that file's folder, paths given as overrides to the working folder.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tagger.config import Config, DataConfig, FeaturesConfig, ModelConfig, TrainingConfig
from tagger.errors import ConfigError, MissingInputError

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

SECTIONS = {"data": DataConfig, "features": FeaturesConfig, "model": ModelConfig, "training": TrainingConfig}
_PATH_KEYS = ("data.train", "data.dev", "data.test", "data.labels", "features.words.vectors")
_COMMAND_LINE = "command line"

# key -> (lowest, highest) value allowed; a bound in `_OPEN` is itself not allowed.
_RANGES: dict[str, tuple[float, float]] = {
    "features.words.dim": (0, math.inf),
    "features.words.min_count": (1, math.inf),
    "features.words.singleton_dropout": (0, 1),
    "features.words.word_dropout": (0, 1),
    "features.characters.dim": (1, math.inf),
    "features.characters.hidden_dim": (1, math.inf),
    "features.characters.kernel_size": (1, math.inf),
    "features.characters.max_length": (1, math.inf),
    "features.affixes.dim": (0, math.inf),
    "features.affixes.num_buckets": (1, math.inf),
    "features.affixes.prefixes": (1, math.inf),
    "features.affixes.suffixes": (1, math.inf),
    "model.hidden_dim": (1, math.inf),
    "model.num_layers": (1, math.inf),
    "model.dropout": (0, 1),
    "model.proj_size": (0, math.inf),
    "model.input_dropout": (0, 1),
    "model.output_dropout": (0, 1),
    "training.num_epochs": (1, math.inf),
    "training.batch_size": (1, math.inf),
    "training.batch_tokens": (1, math.inf),
    "training.accumulate": (1, math.inf),
    "training.learning_rate": (0, math.inf),
    "training.weight_decay": (0, math.inf),
    "training.momentum": (0, 1),
    "training.warmup": (0, 1),
    "training.clip_norm": (0, math.inf),
    "training.patience": (0, math.inf),
    "training.seed": (0, 2**63 - 1),
    "training.num_threads": (0, 4096),
}
_OPEN_BELOW = frozenset({"training.learning_rate"})
_OPEN_ABOVE = frozenset(
    {"features.words.word_dropout", "model.dropout", "model.input_dropout", "model.output_dropout"}
    | {"training.momentum", "training.warmup"}
)


def config_parser(prog: str = "tagger train") -> "ArgumentParser":
    """The jsonargparse parser of every setting; its help is the schema's documentation."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=prog, exit_on_error=False, add_help=False, usage=None)
    for name, section in SECTIONS.items():
        parser.add_class_arguments(section, name)
    return parser


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads, overrides and checks a config.

    Args:
        path: a YAML file.
        overrides: `--section.key`, `value` pairs as on the command line, or `--section.key=value`.

    Returns:
        The config, with all its paths absolute.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: a key or value that cannot be used; the message names the file and the key.
    """
    path = Path(path)
    settings = _read_yaml(path)
    _check_keys(settings, Config, where=f"{path}: ", prefix="")
    _resolve_paths(settings, path.parent.absolute())
    parser = config_parser()
    try:
        namespace = parser.parse_object(settings, defaults=True)
    except Exception as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from error
    where = str(path)
    if overrides:
        changes = _overrides(overrides)
        try:
            namespace = parser.parse_args([f"--{key}={value}" for key, value in changes.items()], namespace=namespace)
        except Exception as error:
            raise ConfigError(f"{_COMMAND_LINE}: {_one_line(error)}") from error
        where = f"{path} with the command line"
    built = parser.instantiate(namespace)
    config = Config(data=built.data, features=built.features, model=built.model, training=built.training)
    check_config(config, where=where)
    return config


def dump_config(config: Config) -> str:
    """The config as YAML with every key, which `load_config` reads back to an equal config."""
    return yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True)


def check_config(config: Config, *, where: str) -> None:
    """Checks ranges, and that every setting has an effect on the path the others choose.

    Args:
        config: the config.
        where: what to name in messages: the file it came from.

    Raises:
        ConfigError: `where: key: what is wrong`.
    """
    settings, defaults = asdict(config), asdict(Config())
    for key in _leaves(settings):
        if _get(settings, key) is None and _get(defaults, key) is not None:
            raise ConfigError(f"{where}: {key}: expected a value, got null")
    for key, bounds in _RANGES.items():
        _check_range(key, _get(settings, key), bounds, where=where)
    for key, reason in _conflicts(config):
        raise ConfigError(f"{where}: {key}: {reason}")
    for key, reason in _without_effect(config):
        if _get(settings, key) != _get(defaults, key):
            raise ConfigError(f"{where}: {key}: has no effect {reason}; leave it out")


def _conflicts(config: Config) -> Iterator[tuple[str, str]]:
    data, features, model, training = config.data, config.features, config.model, config.training
    if data.format == "hub":
        if not data.name:
            yield "data.name", "format hub needs the dataset's name, such as owner/name"
        if "train" not in (data.splits or {"train": ""}):
            yield "data.splits", "needs train"
        for split in data.splits or {}:
            if split not in ("train", "dev", "test"):
                yield "data.splits", f"{split!r} is none of train, dev, test"
    elif not data.train:
        yield "data.train", "needs a file to train on"
    if isinstance(data.tokens, str) and data.format == "conll" and not data.header:
        yield "data.tokens", "a column's name needs header: true; columns without a header go by number"
    if isinstance(data.tags, str) and data.format == "conll" and not data.header:
        yield "data.tags", "a column's name needs header: true; columns without a header go by number"
    for key, value in (("data.tokens", data.tokens), ("data.tags", data.tags)):
        if isinstance(value, int) and data.format != "conll":
            yield key, f"a column number does not fit format {data.format}"
        if value == 0:
            yield key, "columns count from 1 (-1 is the last)"
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
    if model.num_layers == 1 and model.layers == "mix":
        yield "model.layers", "mix needs num_layers > 1"
    if training.batch_size is not None and training.batch_tokens is not None:
        yield "training.batch_tokens", "give batch_size or batch_tokens, not both"


def _without_effect(config: Config) -> Iterator[tuple[str, str]]:
    data, words, characters = config.data, config.features.words, config.features.characters
    if data.format != "conll":
        yield from ((f"data.{key}", f"on format {data.format}") for key in ("delimiter", "header", "comments"))
    keys: tuple[str, ...]
    if data.format != "hub":
        keys = ("name", "config", "revision", "splits", "labels", "streaming")
        yield from ((f"data.{key}", f"on format {data.format}") for key in keys)
    else:
        yield from ((f"data.{key}", "on format hub (see data.splits)") for key in ("train", "dev", "test"))
    if data.format == "conllu":
        yield "data.tokens", "on format conllu"
    if data.scheme == "plain":
        yield "model.encoding", "on scheme plain"
    if words.dim == 0:
        keys = ("min_count", "lowercase", "vectors", "freeze", "singleton_dropout", "word_dropout")
        yield from ((f"features.words.{key}", "with dim: 0") for key in keys)
    if not words.vectors:
        yield "features.words.freeze", "without vectors"
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
    if config.training.optimizer == "adamw":
        yield "training.momentum", "with optimizer: adamw"
    if not (data.dev or (data.splits or {}).get("dev")):
        yield "training.patience", "without a dev split"


def _read_yaml(path: Path) -> dict[str, Any]:
    from jsonargparse import get_loader

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_one_line(error)}") from error
    try:
        _check_duplicates(yaml.compose(text, Loader=yaml.SafeLoader), path)
        settings = get_loader("yaml")(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or _one_line(error)}") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected sections {', '.join(SECTIONS)}, got {type(settings).__name__}")
    return settings


def _check_duplicates(node: yaml.Node | None, path: Path) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            raise ConfigError(f"{path}:{key.start_mark.line + 1}: {key.value}: stands here twice")
        seen.add(key.value)
        _check_duplicates(value, path)


def _check_keys(settings: Mapping[str, Any], schema: type[Any], *, where: str, prefix: str) -> None:
    known = {item.name: item for item in fields(schema)}
    defaults = schema()
    for key, value in settings.items():
        full = f"{prefix}{key}"
        if key not in known:
            raise ConfigError(f"{where}{full}: no such key{_suggest(str(key), known)}")
        if is_dataclass(getattr(defaults, str(key))):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}{full}: expected a section of keys, got {value!r}")
            _check_keys(value, type(getattr(defaults, str(key))), where=where, prefix=f"{full}.")


def _overrides(arguments: Sequence[str]) -> dict[str, str]:
    """`--a.b 1 --a.c=2` -> {"a.b": "1", "a.c": "2"}, with the paths among them resolved and the keys checked."""
    changes: dict[str, str] = {}
    known = dict.fromkeys(_leaves(asdict(Config())))
    words = iter(arguments)
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if key not in known:
            raise ConfigError(f"{_COMMAND_LINE}: --{key}: no such key{_suggest(key, known)}")
        if not equals:
            try:
                value = next(words)
            except StopIteration:
                raise ConfigError(f"{_COMMAND_LINE}: --{key}: needs a value") from None
        if key in _PATH_KEYS and not value.startswith("["):
            value = value if value in ("", "null") else str(Path(value).absolute())
        changes[key] = value
    return changes


def _resolve_paths(settings: dict[str, Any], folder: Path) -> None:
    for key in _PATH_KEYS:
        *sections, name = key.split(".")
        target: Any = settings
        for section in sections:
            target = target.get(section, {})
        if isinstance(target.get(name), str):
            target[name] = str((folder / Path(target[name]).expanduser()).resolve())


def _check_range(key: str, value: Any, bounds: tuple[float, float], *, where: str) -> None:
    low, high = bounds
    for number in value if isinstance(value, list) else [value]:
        if number is None:
            continue
        below = number <= low if key in _OPEN_BELOW else number < low
        above = number >= high if key in _OPEN_ABOVE and high < math.inf else number > high
        if below or above or not math.isfinite(number):
            left = "(" if key in _OPEN_BELOW else "["
            right = ")" if key in _OPEN_ABOVE or high == math.inf else "]"
            raise ConfigError(f"{where}: {key}: expected a number in {left}{low}, {high}{right}, got {number}")


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _get(settings: Mapping[str, Any], key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = value[part]
    return value


def _suggest(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else f" (there are {', '.join(known)})" if len(known) < 20 else ""


def _one_line(error: Exception) -> str:
    """jsonargparse's message of several lines as one: `model.num_layers: expected a whole number, got x`."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines)
    if lines and lines[0].startswith('Parser key "'):
        key, fields_of = lines[0].split('"')[1], dict(line.partition(": ")[::2] for line in lines[1:])
        expected, got = fields_of.get("Subtypes"), fields_of.get("Given value")
        text = f"{key}: expected {expected.strip('[]')}, got {got}" if expected else f"{key}: {' '.join(lines[1:])}"
        text = re.sub(r"Expected an? (.*?)\. Got value:", r"expected \1, got", text)
    return re.sub(r"<class '(\w+)'>|typing\.Literal(\[.*?\])|NoneType", _plain_name, text)


def _plain_name(match: re.Match[str]) -> str:
    if match[2]:
        return f"one of {match[2].strip('[]')}"
    names = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "NoneType": "null"}
    return names.get(match[1] or "NoneType", str(match[1]))

"""Reads a run's config from YAML, applies overrides, and checks it; errors name the file and the key.

Paths inside a config file are relative to that file's folder, paths given as overrides to the working folder.
"""

import difflib
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tagger.config import Config, DataConfig, FeaturesConfig, ModelConfig, TrainingConfig, names_vectors
from tagger.config_checks import MAX_ENTRIES, PATH_KEYS, check_config
from tagger.config_types import SETTINGS, describe_mismatch, takes_text, value_of
from tagger.config_yaml import dump_yaml, load_yaml
from tagger.errors import ConfigError, MissingInputError
from tagger.presets import overlay, preset_settings

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

SECTIONS = {"data": DataConfig, "features": FeaturesConfig, "model": ModelConfig, "training": TrainingConfig}
_COMMAND_LINE = "command line"
_Section = TypeVar("_Section")


@functools.cache
def config_parser(prog: str = "tagger train") -> "ArgumentParser":
    """The jsonargparse parser of every setting; its help is the schema's documentation."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=prog, exit_on_error=False, add_help=False, usage=None)
    for name, section in SECTIONS.items():
        parser.add_class_arguments(section, name)
    return parser


def load_config(path: str | Path, overrides: Sequence[str] = (), *, preset: str | None = None) -> Config:
    """Reads, overrides and checks a config.

    Args:
        path: a YAML file.
        overrides: `--section.key`, `value` pairs as on the command line, or `--section.key=value`.
        preset: a name of `tagger.presets`, whose settings replace the file's; `overrides` win over both.

    Returns:
        The config, with all its paths absolute.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: a key or value that cannot be used; the message names the file and the key.
    """
    path = Path(path)
    changes = _overrides(overrides)
    settings = _read_settings(_read_text(path), path, preset=preset, changes=changes)
    # jsonargparse reads text as YAML once more, which makes nothing of "# " and a number of "1": it never sees text.
    texts = _take_texts(settings)
    parser = config_parser()
    try:
        namespace = parser.parse_object(settings, defaults=True)
    except Exception as error:
        raise ConfigError(f"{path}: {_explain(error, settings)}") from error
    where = str(path) if preset is None and not overrides else f"{path} with the command line"
    if changes:
        words: dict[str, str] = {}
        for key, value in changes.items():
            texts.pop(key, None)
            (texts if _is_text(key, value) else words)[key] = value
        try:
            namespace = parser.parse_args([f"--{key}={value}" for key, value in words.items()], namespace=namespace)
        except Exception as error:
            raise ConfigError(f"{_COMMAND_LINE}: {_explain(error, words)}") from error
    built = parser.instantiate(namespace)
    config = Config(data=built.data, features=built.features, model=built.model, training=built.training)
    for key, text in texts.items():
        config = _replaced(config, key.split("."), text)
    check_config(config, where=where)
    return config


def restore_config(text: str, *, path: Path) -> Config:
    """A config from what `dump_config` made of it; takes a tenth of the time of `load_config`, but only exact types.

    Args:
        text: the YAML; keys that are not there have their defaults.
        path: the file that it comes from.

    Raises:
        ConfigError: as `load_config`.
    """
    config = _filled(Config(), _read_settings(text, path))
    check_config(config, where=str(path))
    return config


def dump_config(config: Config) -> str:
    """The config as YAML with every key, which `load_config` and `restore_config` read back to an equal config."""
    return dump_yaml(asdict(config))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder, expected a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 (at byte {error.start + 1}); is this a YAML file?") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _read_settings(
    text: str, path: Path, *, preset: str | None = None, changes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A file's settings, their keys checked and their paths absolute, and those of presets."""
    settings = load_yaml(text, path)
    _check_keys(settings, Config, where=f"{path}: ", prefix="")
    settings = _with_presets(settings, path, preset=preset, changes=changes or {})
    _resolve_paths(settings, path)
    return settings


def _check_keys(settings: Mapping[str, Any], schema: type[Any], *, where: str, prefix: str) -> None:
    known = [item.name for item in fields(schema)] + ["preset"] * (schema is Config)
    defaults = schema()
    for key, value in settings.items():
        full = f"{prefix}{key}"
        if key not in known:
            raise ConfigError(f"{where}{full}: no such key{_suggest(str(key), known)}")
        section = getattr(defaults, str(key), None)
        if is_dataclass(section):
            if value is None:
                raise ConfigError(f"{where}{full}: is empty; give it keys, indented below it, or leave it out")
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}{full}: expected a section of keys, got {value!r}")
            _check_keys(value, type(section), where=where, prefix=f"{full}.")
        elif isinstance(value, list | dict) and len(value) > MAX_ENTRIES:
            raise ConfigError(f"{where}{full}: expected at most {MAX_ENTRIES} entries, got {len(value)}")


def _with_presets(
    settings: dict[str, Any], path: Path, *, preset: str | None, changes: Mapping[str, str]
) -> dict[str, Any]:
    """A file's settings over those of its preset, and under those of the command line's."""
    is_sized = changes.get("training.batch_size", "null") != "null"
    own = {key: value for key, value in settings.items() if key != "preset"}
    if "preset" in settings:
        is_sized_here = is_sized or own.get("training", {}).get("batch_size") is not None
        below = preset_settings(settings["preset"], where=f"{path}: preset", has_batch_size=is_sized_here)
        own = overlay(below, own)
    if preset is None:
        return own
    return overlay(own, preset_settings(preset, where=f"{_COMMAND_LINE}: --preset", has_batch_size=is_sized))


def _resolve_paths(settings: dict[str, Any], path: Path) -> None:
    """Makes the paths in a file's settings absolute; they are relative to the file's folder."""
    for key in PATH_KEYS:
        section, name = _section_of(settings, key)
        value = section.get(name)
        if isinstance(value, str) and _is_path(key, value):
            try:
                section[name] = str((path.parent.absolute() / Path(value).expanduser()).resolve())
            except (OSError, RuntimeError, ValueError) as error:
                raise ConfigError(f"{path}: {key}: {value!r} is no path: {error}") from error


def _take_texts(settings: dict[str, Any]) -> dict[str, str]:
    """Takes out of a file's settings those that are text where text is allowed."""
    texts: dict[str, str] = {}
    for key in filter(takes_text, SETTINGS):
        section, name = _section_of(settings, key)
        if isinstance(section.get(name), str):
            texts[key] = section.pop(name)
    return texts


def _section_of(settings: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    *sections, name = key.split(".")
    for section in sections:
        settings = settings.get(section, {})
    return settings, name


def _overrides(arguments: Sequence[str]) -> dict[str, str]:
    """`--a.b 1 --a.c=2` -> {"a.b": "1", "a.c": "2"}, with the keys checked and paths made absolute."""
    changes: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if key not in SETTINGS:
            raise ConfigError(f"{_COMMAND_LINE}: --{key}: no such key{_suggest_setting(key)}")
        if not equals:
            try:
                value = next(words)
            except StopIteration:
                raise ConfigError(f"{_COMMAND_LINE}: --{key}: needs a value") from None
        if _is_path(key, value) and _is_text(key, value):
            try:
                # Not resolved: a pipe such as /dev/fd/63 is a link to nowhere.
                value = str(Path(value).expanduser().absolute())
            except RuntimeError as error:
                raise ConfigError(f"{_COMMAND_LINE}: --{key}: {value!r} is no path: {error}") from error
        changes[key] = value
    return changes


def _is_path(key: str, value: str) -> bool:
    """Whether a setting's text is a path, relative to something; an empty one, and a name of vectors, are none."""
    return key in PATH_KEYS and value != "" and not (key == "features.words.vectors" and names_vectors(value))


def _is_text(key: str, word: str) -> bool:
    """Whether a word of the command line is to be taken as it stands, and not read as null, a number or a list."""
    if not takes_text(key) or word == "null":
        return False
    if key in ("data.tokens", "data.tags"):
        return re.fullmatch(r"[-+]?[0-9]+", word) is None
    return not (key == "data.labels" and word.startswith("["))


def _filled(section: _Section, settings: Mapping[str, Any]) -> _Section:
    """A section of a config with settings in the place of its own."""
    own = {key: getattr(section, key) for key in settings}
    changed = {key: _filled(own[key], value) if is_dataclass(own[key]) else value for key, value in settings.items()}
    return replace(section, **changed)  # type: ignore[type-var]


def _replaced(section: _Section, path: Sequence[str], value: object) -> _Section:
    name, *rest = path
    if rest:
        value = _replaced(getattr(section, name), rest, value)
    return replace(section, **{name: value})  # type: ignore[type-var]


def _suggest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f" (did you mean {near[0]}?)" if near else f" (there are {', '.join(known)})"


def _suggest_setting(key: str) -> str:
    inside = [setting for setting in SETTINGS if setting.startswith(f"{key}.")]
    if inside:
        return f"; it is a section of {', '.join(inside)}"
    near = difflib.get_close_matches(key, list(SETTINGS), n=1)
    return f" (did you mean {near[0]}?)" if near else " (`tagger train --help` lists them)"


def _explain(error: Exception, given: Mapping[str, Any]) -> str:
    """jsonargparse's message of several lines, which spells Python's types, as one line in the config's terms."""
    match = re.match(r'\s*Parser key "([\w.]+)"', str(error))
    if match is None or match[1] not in SETTINGS:
        return _one_line(error)
    key = match[1]
    return f"{key}: {describe_mismatch(key, given[key] if key in given else value_of(given, key))}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

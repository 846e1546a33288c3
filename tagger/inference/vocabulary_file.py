"""`vocabulary.json` of a model folder: a Vocabulary as JSON, and everything checked on its way back."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tagger.config import Config
from tagger.data.vocab import Vocabulary
from tagger.errors import ModelError
from tagger.manifests import parse_object, shorten, to_json
from tagger.schemes import is_plain, tags_to_spans

_LISTS = {"words": str, "characters": str, "tags": str, "prefixes": int, "suffixes": int}
_COUNTS = ("word_counts", "word_labels")  # for each word of train; earlier versions wrote none
_NUMBERS = {"num_train_words": 0, "max_length": 1, "num_buckets": 1}  # and the lowest that each may be
_SWITCHES = ("lowercase", "shape")


def vocabulary_to_json(vocabulary: Vocabulary) -> bytes:
    """The vocabulary as a JSON object."""
    return to_json(asdict(vocabulary))


def parse_vocabulary(content: bytes, config: Config, *, path: Path) -> Vocabulary:
    """What `vocabulary_to_json` wrote.

    Args:
        content: the JSON.
        config: the config it must fit.
        path: what to name in messages.

    Raises:
        ModelError: not the vocabulary of a model by this config; the message names the key.
    """
    values = parse_object(content, path=path)
    values = {name: [] for name in _COUNTS} | values
    names = {field.name for field in fields(Vocabulary)}
    for name in sorted(set(values) ^ names):
        raise ModelError(f"{path}: {shorten(name)}: {'is missing' if name in names else 'no such key'}")
    _check_types(values, path=path)
    for name, value in _settings(config).items():
        if values[name] != value:
            raise ModelError(f"{path}: {name}: expected {value}, as the config has it, got {shorten(values[name])}")
    if values["num_train_words"] > len(values["words"]):
        raise ModelError(f"{path}: num_train_words: more than there are words")
    if not values["tags"]:
        raise ModelError(f"{path}: tags: there are none")
    for name in ("words", "characters", "tags"):
        if len(set(values[name])) < len(values[name]):
            raise ModelError(f"{path}: {name}: one of them occurs twice")
    if not is_plain(config.data.scheme):
        try:
            tags_to_spans(values["tags"], config.model.encoding)
        except ValueError as error:
            raise ModelError(f"{path}: tags: {shorten(error)}") from error
    for name in _COUNTS:
        if values[name] and len(values[name]) != values["num_train_words"]:
            raise ModelError(
                f"{path}: {name}: expected a number for each of the {values['num_train_words']} words of train"
            )
    lists = {name: tuple(values[name]) for name in (*_LISTS, *_COUNTS)}
    return Vocabulary(**(values | lists))


def _check_types(values: dict[str, Any], *, path: Path) -> None:
    for name, kind in _LISTS.items():
        if not isinstance(values[name], list) or not all(type(entry) is kind for entry in values[name]):
            raise ModelError(f"{path}: {name}: expected a list of {'numbers' if kind is int else 'strings'}")
    for name in _COUNTS:
        counts = values[name]
        if not isinstance(counts, list) or not all(type(entry) is int and entry >= 0 for entry in counts):
            raise ModelError(f"{path}: {name}: expected a list of numbers >= 0")
    for name, lowest in _NUMBERS.items():
        if type(values[name]) is not int or values[name] < lowest:
            raise ModelError(f"{path}: {name}: expected a number >= {lowest}")
    for name in _SWITCHES:
        if not isinstance(values[name], bool):
            raise ModelError(f"{path}: {name}: expected true or false")


def _settings(config: Config) -> dict[str, object]:
    """Those keys that repeat what the config says."""
    affixes = config.features.affixes
    return {
        "lowercase": config.features.words.lowercase,
        "max_length": config.features.characters.max_length,
        "num_buckets": affixes.num_buckets,
        "prefixes": list(affixes.prefixes) if affixes.dim else [],
        "suffixes": list(affixes.suffixes) if affixes.dim else [],
        "shape": affixes.shape and affixes.dim > 0,
    }

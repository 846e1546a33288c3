"""A saved model: safetensors + JSON + YAML and a manifest of hashes; nothing executable.

    model.safetensors   the weights
    config.yaml         the resolved config
    vocabulary.json     words, characters, tags, and how affixes are hashed
    manifest.json       format version, SHA-256 of the files above, versions, what was read for training

The safetensors reader accepts flipped bits, so nothing is used before the hashes, shapes and values are checked.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tagger.config import Config
from tagger.config_file import dump_config, load_config
from tagger.data.tag_table import TagTable
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError, MissingInputError, ModelError, OutputError
from tagger.files import find_folder, replacing_folder
from tagger.model.network import SequenceTagger, Sizes, build_network
from tagger.schemes import is_plain, tags_to_spans

FORMAT = 1
_WEIGHTS, _CONFIG, _VOCABULARY, _MANIFEST = "model.safetensors", "config.yaml", "vocabulary.json", "manifest.json"
_HASHED = (_WEIGHTS, _CONFIG, _VOCABULARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """What a model folder holds.

    Attributes:
        network: the network, in evaluation mode, on the CPU, in float32.
        vocabulary: strings <-> ids.
        config: the resolved config it was trained by.
        manifest: the folder's manifest.
    """

    network: SequenceTagger
    vocabulary: Vocabulary
    config: Config
    manifest: Mapping[str, Any]


def sizes_of(vocabulary: Vocabulary, config: Config) -> Sizes:
    """What the vocabulary, and the scheme its tags are spelled in, decide about the network."""
    return Sizes(
        num_words=vocabulary.num_word_ids,
        num_characters=vocabulary.num_character_ids,
        num_affixes=vocabulary.num_affixes,
        num_tags=len(vocabulary.tags),
        table=TagTable.build(vocabulary.tags, encoding=config.model.encoding, scheme=config.data.scheme),
    )


def save_model(
    folder: Path,
    network: SequenceTagger,
    *,
    vocabulary: Vocabulary,
    config: Config,
    facts: Mapping[str, Any],
) -> None:
    """Writes a model folder aside, then puts it in the place of an older one.

    Args:
        folder: where; its parent exists.
        network: the network, on any device.
        vocabulary: strings <-> ids.
        config: the resolved config.
        facts: what else to keep in the manifest, as JSON.

    Raises:
        OutputError: the folder cannot be written, or holds something that is no model; an older model stays as it was.
    """
    from safetensors.torch import save

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    contents = {
        _WEIGHTS: save(weights),
        _CONFIG: dump_config(config).encode(),
        _VOCABULARY: _to_json(asdict(vocabulary)),
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents[_MANIFEST] = _to_json({"format": FORMAT, "sha256": hashes, **facts})
    try:
        if folder.exists() and not (folder / _MANIFEST).is_file():
            raise OutputError(f"{folder}: is there already and is no model; it is not overwritten")
        with replacing_folder(folder) as aside:
            for name, content in contents.items():
                (aside / name).write_bytes(content)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def load_model(folder: Path) -> SavedModel:
    """Reads a model folder, checking everything before it is used.

    Args:
        folder: a model folder, or a run folder that holds one named `model`.

    Raises:
        MissingInputError: there is no model there.
        ModelError: the model is damaged, foreign or of a newer format; the message names the file.
    """
    folder = _find(folder)
    manifest = _read_json(folder / _MANIFEST)
    version = manifest.get("format")
    if not isinstance(version, int):
        raise ModelError(f"{folder / _MANIFEST}: not the manifest of a model: it names no format")
    if not 1 <= version <= FORMAT:
        raise ModelError(f"{folder / _MANIFEST}: format {version!r}; this tagger reads formats 1 to {FORMAT}: upgrade")
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict) or set(hashes) != set(_HASHED):
        raise ModelError(f"{folder / _MANIFEST}: expected the hashes of {', '.join(_HASHED)}")
    contents = {name: _read_hashed(folder / name, hashes[name]) for name in _HASHED}
    vocabulary = _parse_vocabulary(folder / _VOCABULARY, contents[_VOCABULARY])
    try:
        config = load_config(folder / _CONFIG)
    except ConfigError as error:
        raise ModelError(f"{error}; was it saved by another version of tagger?") from error
    _check_vocabulary(vocabulary, config, where=folder / _VOCABULARY)
    network = build_network(config.features, config.model, sizes_of(vocabulary, config))
    _load_weights(network, contents[_WEIGHTS], where=folder / _WEIGHTS)
    network.eval()
    return SavedModel(network=network, vocabulary=vocabulary, config=config, manifest=manifest)


def _find(folder: Path) -> Path:
    try:
        for place in (find_folder(folder), find_folder(folder / "model")):
            if (place / _MANIFEST).is_file():
                return place
        exists = folder.exists()
    except OSError as error:
        raise MissingInputError(f"{folder}: cannot be read: {error.strerror}") from error
    if not exists:
        raise MissingInputError(f"{folder}: no such model folder or run folder")
    if not folder.is_dir():
        raise ModelError(f"{folder}: a model is a folder, this is a file")
    raise ModelError(f"{folder}: neither a model folder nor a run folder: it holds no {_MANIFEST}")


def _read_hashed(path: Path, expected: object) -> bytes:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelError(f"{path}: damaged: its SHA-256 is not the one in {_MANIFEST}")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_read(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return value


def _parse_vocabulary(path: Path, content: bytes) -> Vocabulary:
    try:
        values = json.loads(content)
        lists: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return Vocabulary(**lists)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: not a vocabulary: {error}") from error


def _check_vocabulary(vocabulary: Vocabulary, config: Config, *, where: Path) -> None:
    for name in ("words", "characters", "tags", "prefixes", "suffixes"):
        value, kind = getattr(vocabulary, name), int if name.endswith("fixes") else str
        if not isinstance(value, tuple) or not all(type(entry) is kind for entry in value):
            raise ModelError(f"{where}: {name}: expected a list of {'numbers' if kind is int else 'strings'}")
    for name, lowest in (("num_train_words", 0), ("max_length", 1), ("num_buckets", 1)):
        value = getattr(vocabulary, name)
        if type(value) is not int or value < lowest:
            raise ModelError(f"{where}: {name}: expected a number >= {lowest}")
    for name in ("lowercase", "shape"):
        if not isinstance(getattr(vocabulary, name), bool):
            raise ModelError(f"{where}: {name}: expected true or false")
    if vocabulary.num_buckets != config.features.affixes.num_buckets:
        raise ModelError(f"{where}: num_buckets: not the number that {_CONFIG} names")
    if not vocabulary.tags:
        raise ModelError(f"{where}: tags: there are none")
    if not is_plain(config.data.scheme):
        try:
            tags_to_spans(vocabulary.tags, config.model.encoding)
        except ValueError as error:
            raise ModelError(f"{where}: tags: {error}") from error


def _load_weights(network: SequenceTagger, content: bytes, *, where: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights = load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{where}: not a safetensors file: {error}") from error
    expected = network.state_dict()
    if set(weights) != set(expected):
        odd = sorted(set(weights) ^ set(expected))
        raise ModelError(f"{where}: does not fit {_CONFIG}: {odd[0]} is missing or too much ({len(odd)} such)")
    for name, value in weights.items():
        if value.shape != expected[name].shape or value.dtype != expected[name].dtype:
            came, wanted = (f"{tuple(x.shape)} {x.dtype}" for x in (value, expected[name]))
            raise ModelError(f"{where}: {name}: expected {wanted}, found {came}")
        if not torch.isfinite(value).all():
            raise ModelError(f"{where}: {name}: holds numbers that are not finite")
    network.load_state_dict(weights)


def _to_json(value: Mapping[str, Any]) -> bytes:
    # Escaped ASCII: words may hold lone surrogates, which UTF-8 cannot.
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode("ascii")

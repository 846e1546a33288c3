"""A saved model: safetensors + JSON + YAML and a manifest of hashes; nothing executable.

    model.safetensors   the weights
    config.yaml         the resolved config
    vocabulary.json     words, characters, tags, and how affixes are hashed
    manifest.json       format version, SHA-256 of the files above, versions, what was read for training

The safetensors reader accepts flipped bits, so nothing is used before the hashes, shapes and values are checked.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from tagger.config import Config
from tagger.config_file import dump_config, load_config
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError, MissingInputError, ModelError, OutputError
from tagger.model.network import SequenceTagger, Sizes, build_network

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


def sizes_of(vocabulary: Vocabulary) -> Sizes:
    """What the vocabulary decides about the network."""
    return Sizes(
        num_words=vocabulary.num_word_ids,
        num_characters=vocabulary.num_character_ids,
        num_affixes=vocabulary.num_affixes,
        num_tags=len(vocabulary.tags),
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
        OutputError: the folder cannot be written.
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
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, content in contents.items():
            write_synced(aside / name, content)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
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
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
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
    network = build_network(config.features, config.model, sizes_of(vocabulary))
    _load_weights(network, contents[_WEIGHTS], where=folder / _WEIGHTS)
    network.eval()
    return SavedModel(network=network, vocabulary=vocabulary, config=config, manifest=manifest)


def write_synced(path: Path, content: bytes) -> None:
    """Writes a file and waits until it is on the disk; raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _find(folder: Path) -> Path:
    if (folder / _MANIFEST).is_file():
        return folder
    if (folder / "model" / _MANIFEST).is_file():
        return folder / "model"
    if not folder.exists():
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
        vocabulary = Vocabulary(**lists)
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not a vocabulary: {error}") from error
    for item in fields(Vocabulary):
        value = getattr(vocabulary, item.name)
        expected = {"words": str, "characters": str, "tags": str, "prefixes": int, "suffixes": int}.get(item.name)
        ok = isinstance(value, int) if expected is None else isinstance(value, tuple)
        if expected is not None and ok:
            ok = all(isinstance(entry, expected) for entry in value)
        if not ok:
            raise ModelError(f"{path}: {item.name}: not what a vocabulary holds there")
    return vocabulary


def _load_weights(network: SequenceTagger, content: bytes, *, where: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
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

"""A saved model: a folder of five files, none of them executable.

    model.safetensors   the weights
    config.yaml         the resolved config
    vocabulary.json     words, characters, tags, and how affixes are hashed
    manifest.json       format version; size and SHA-256 of the files above; labels, versions, what was trained on,
                        the temperature of its probabilities
    README.md           a model card for people; it may be edited, and is never read here

Nothing is used before it is checked: against the manifest, for the safetensors reader accepts flipped bits; and against
each other, for whoever forges a file can forge its hash. Sizes are compared before memory is taken for them. Other
files in the folder (a Hub repository has some) are not looked at.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tagger.config import Config
from tagger.config_file import dump_config, restore_config
from tagger.data.tag_table import TagTable
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError, MissingInputError, ModelError, OutputError
from tagger.files import find_folder, replacing_folder, write_synced
from tagger.inference.model_card import README, CardScores, make_card
from tagger.inference.vocabulary_file import parse_vocabulary, vocabulary_to_json
from tagger.inference.weights_file import MAX_HEADER, WithoutInitialisation, check_weights, parse_weights
from tagger.manifests import MANIFEST, MIB, make_manifest, read_listed, read_manifest, shorten
from tagger.model.network import SequenceTagger, Sizes, build_network
from tagger.model.temperature import HIGHEST, LOWEST
from tagger.model.weight_count import count_weights
from tagger.schemes import OUTSIDE, is_plain, split_tag

FORMAT = 2
MAX_TAGS = 5_000  # in a scheme of spans: the time and memory that the table of their transitions takes grow with K²
_KIND = "model"
_WEIGHTS, _CONFIG, _VOCABULARY = "model.safetensors", "config.yaml", "vocabulary.json"
_LISTED = (_WEIGHTS, _CONFIG, _VOCABULARY)
_MAX_CONFIG, _MAX_VOCABULARY = MIB // 16, 256 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """What a model folder holds.

    Attributes:
        network: the network, in evaluation mode, on the CPU, in float32.
        vocabulary: strings <-> ids.
        config: the resolved config it was trained by.
        manifest: the folder's manifest.
        temperature: of its probabilities; 1 where none was fitted.
    """

    network: SequenceTagger
    vocabulary: Vocabulary
    config: Config
    manifest: Mapping[str, Any]
    temperature: float = 1.0


def sizes_of(vocabulary: Vocabulary, config: Config) -> Sizes:
    """What the vocabulary, and the scheme its tags are spelled in, decide about the network.

    Raises:
        ConfigError: more than `MAX_TAGS` tags in a scheme of spans.
    """
    sizes = _sizes_of(vocabulary)
    if not is_plain(config.data.scheme) and sizes.num_tags > MAX_TAGS:
        raise ConfigError(f"model.encoding: {sizes.num_tags} tags; with spans, at most {MAX_TAGS} are possible")
    table = TagTable.build(vocabulary.tags, encoding=config.model.encoding, scheme=config.data.scheme)
    return replace(sizes, table=table)


def save_model(
    folder: Path,
    network: SequenceTagger,
    *,
    vocabulary: Vocabulary,
    config: Config,
    facts: Mapping[str, Any],
) -> None:
    """Writes a model folder aside, then puts it in the place of an older one; a reader finds one of the two, whole.

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
        _VOCABULARY: vocabulary_to_json(vocabulary),
    }
    known = {"labels": labels_of(vocabulary, config), "versions": _versions(), **facts}
    manifest = make_manifest(contents, kind=_KIND, version=FORMAT, facts=known)
    card = make_card(_name(folder), known, config=config)
    contents |= {MANIFEST: manifest, README: card.encode("utf-8", "replace")}
    try:
        if folder.exists() and not (folder / MANIFEST).is_file():
            raise OutputError(f"{folder}: is there already and is no model; it is not overwritten")
        with replacing_folder(folder) as aside:
            for file_name, content in contents.items():
                (aside / file_name).write_bytes(content)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def add_scores(folder: Path, scores: CardScores) -> None:
    """Writes a model's card anew, with its scores: they are known only after the model has been saved.

    Args:
        folder: the model folder.
        scores: the scores.

    Raises:
        ModelError: the folder holds no model of ours.
        OutputError: the card cannot be written; the older one stays.
    """
    manifest = _read_manifest(folder)
    config = _read_config(folder, manifest)
    card = make_card(_name(folder), manifest, config=config, scores=scores)
    try:
        write_synced(folder / README, card.encode("utf-8", "replace"))
    except OSError as error:
        raise OutputError(f"{folder / README}: cannot be written: {error.strerror or error}") from error


def load_model(folder: Path) -> SavedModel:
    """Reads a model folder, checking everything before it is used; nothing in it is executed.

    Args:
        folder: a model folder, or a run folder that holds one named `model`.

    Raises:
        MissingInputError: there is no model there.
        ModelError: the model is damaged, foreign or of another format; the message names the file.
    """
    while True:
        place = find_model(folder)
        before = _state(place)
        try:
            return _load(place)
        except ModelError:
            if _state(find_model(folder)) == before:
                raise
            # A training run has put a newer model in its place meanwhile.


def find_model(folder: Path) -> Path:
    """The model folder that is meant by a run folder or a model folder.

    Raises:
        MissingInputError: there is nothing there.
        ModelError: what is there is no model.
    """
    try:
        for place in (find_folder(folder), find_folder(folder / "model")):
            if (place / MANIFEST).is_file():
                return place
        exists = folder.exists()
    except OSError as error:
        raise MissingInputError(f"{folder}: cannot be read: {error.strerror}") from error
    if not exists:
        raise MissingInputError(f"{folder}: no such model folder or run folder")
    if not folder.is_dir():
        raise ModelError(f"{folder}: a model is a folder, this is a file")
    raise ModelError(f"{folder}: neither a model folder nor a run folder: it holds no {MANIFEST}")


def labels_of(vocabulary: Vocabulary, config: Config) -> list[str]:
    """The labels of the spans that the model marks, or its tags if they are plain."""
    if is_plain(config.data.scheme):
        return list(vocabulary.tags)
    tags = [tag for tag in vocabulary.tags if tag != OUTSIDE]
    return list(dict.fromkeys(split_tag(tag, config.model.encoding)[1] for tag in tags))


def _sizes_of(vocabulary: Vocabulary) -> Sizes:
    """The sizes alone, without the table of tags."""
    return Sizes(
        num_words=vocabulary.num_word_ids,
        num_characters=vocabulary.num_character_ids,
        num_affixes=vocabulary.num_affixes,
        num_tags=len(vocabulary.tags),
    )


def _versions() -> dict[str, str]:
    names = ("tagger", "torch", "safetensors")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def _state(folder: Path) -> object:
    """What is another as soon as the folder has been replaced; None where it is gone."""
    try:
        status = (folder / MANIFEST).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _load(folder: Path) -> SavedModel:
    manifest = _read_manifest(folder)
    config = _read_config(folder, manifest)
    content = read_listed(folder, _VOCABULARY, manifest=manifest, limit=_MAX_VOCABULARY)
    vocabulary = parse_vocabulary(content, config, path=folder / _VOCABULARY)
    if manifest.get("labels") != labels_of(vocabulary, config):
        raise ModelError(f"{folder / MANIFEST}: labels: not those of {_VOCABULARY}")
    temperature = _read_temperature(folder, manifest)
    where = folder / _WEIGHTS
    num_bytes = 4 * sum(count_weights(config.features, config.model, _sizes_of(vocabulary)).values())  # float32
    content = read_listed(folder, _WEIGHTS, manifest=manifest, limit=num_bytes + MAX_HEADER)
    weights = parse_weights(content, path=where)
    if num_bytes > 2 * len(content) + MIB:
        raise ModelError(f"{where}: too small for the network that {_CONFIG} describes")
    try:
        sizes = sizes_of(vocabulary, config)
    except ConfigError as error:
        raise ModelError(f"{folder / _CONFIG}: {error}") from error
    with torch.random.fork_rng(devices=[]), WithoutInitialisation():  # what is drawn all the same is drawn in vain
        network = build_network(config.features, config.model, sizes)
    check_weights(weights, network.state_dict(), path=where)
    network.load_state_dict(weights)
    network.train(mode=False)
    return SavedModel(network=network, vocabulary=vocabulary, config=config, manifest=manifest, temperature=temperature)


def _read_manifest(folder: Path) -> dict[str, Any]:
    return read_manifest(folder, kind=_KIND, version=FORMAT, names=_LISTED)


def _read_temperature(folder: Path, manifest: Mapping[str, Any]) -> float:
    entry = manifest.get("temperature", {"value": 1.0})  # models from before it was fitted have none
    value = entry.get("value") if isinstance(entry, Mapping) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and LOWEST <= value <= HIGHEST:
        return float(value)
    expected = f"expected a value from {LOWEST:g} to {HIGHEST:g}, found {shorten(entry)}"
    raise ModelError(f"{folder / MANIFEST}: temperature: {expected}")


def _read_config(folder: Path, manifest: Mapping[str, Any]) -> Config:
    path = folder / _CONFIG
    try:
        content = read_listed(folder, _CONFIG, manifest=manifest, limit=_MAX_CONFIG)
        return restore_config(content.decode("utf-8"), path=path)
    except (ConfigError, UnicodeDecodeError) as error:
        said = str(error)
        said = said.removeprefix(str(path)) if isinstance(error, ConfigError) else f": {said}"
        raise ModelError(f"{path}{shorten(said)}; was it saved by another version of tagger?") from error


def _name(folder: Path) -> str:
    """What to call the model: the run's name, if it lies in a run."""
    path = folder.absolute()
    return path.parent.name if path.name == "model" else path.name

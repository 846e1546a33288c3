"""evaluate(): a trained model on sentences with gold tags -> Report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tagger.config import DataConfig
from tagger.config_file import dump_config
from tagger.data.corpus import load_corpus, read_sentences
from tagger.data.documents import find_documents
from tagger.data.training_words import training_words
from tagger.data.vocab import known_words
from tagger.errors import ConfigError, DataError
from tagger.evaluation.builder import UNKNOWN_ORIGIN, Origin, Rival, Scaled, build_report
from tagger.evaluation.report import CurvePoint, Fact, Report
from tagger.files import hash_file
from tagger.inference.device import pick_device
from tagger.inference.hub_models import locate_model
from tagger.inference.loading import predictor_of
from tagger.inference.model_folder import SavedModel, load_model
from tagger.inference.predictor import Predictor
from tagger.model.heads import CRFHead
from tagger.schemes import OUTSIDE, convert_tags, is_plain, split_tag
from tagger.sentence import Sentence
from tagger.training.caveats import ON_TRAIN
from tagger.training.dev_temperature import FITTED_ON, describe_fit
from tagger.training.hardware import describe_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """Sentences to score against, and what a report says of them.

    Attributes:
        sentences: sentences with gold tags.
        title: model and data in a few words.
        split: the name of the data.
        facts: where they come from.
        warnings: what to know before the scores are believed.
        documents: the number of each sentence's document; None if none are marked.
        origin: what the model was made from.
    """

    sentences: Sequence[Sentence]
    title: str = "tagger"
    split: str = "test"
    facts: Mapping[str, Fact] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    documents: Sequence[int] | None = None
    origin: Origin = UNKNOWN_ORIGIN


def evaluate(
    model: Predictor | str | Path,
    sentences: Sequence[Sentence] | str | Path,
    *,
    title: str | None = None,
    split: str | None = None,
    curve: Sequence[CurvePoint] = (),
    facts: Mapping[str, Fact] | None = None,
    warnings: Sequence[str] = (),
    documents: Sequence[int] | None = None,
    origin: Origin | None = None,
    rivals: Sequence[Rival] = (),
    min_precision: float | None = None,
) -> Report:
    """Tags sentences and compares the tags with gold; spans are counted a second time by seqeval.

    Args:
        model: a Predictor, or a run folder or model folder to load one from.
        sentences: sentences with gold tags, in the scheme of the model's training data; or, where `model` is a folder,
            a file that is written as its training data were.
        title: what is evaluated, for the report's heading. Default: the run's name and the file's.
        split: the name of the data, for the report's heading. Default: the file's name, or test.
        curve: one point for each epoch of training, for the report.
        facts: how the model was made, for the report, in display order.
        warnings: what to know before the scores are believed, for the report.
        documents: the number of each sentence's document. Default: as the file marks them, if it does.
        origin: what the model was made from, for the report. Default: what its folder says.
        rivals: simple systems' answers, to be set beside the model's (see `tagger.evaluation.baselines`).
        min_precision: find the confidence above which answers are this precise, in [0, 1].

    Raises:
        TypeError: no model, no sentences, or a file for a Predictor, which cannot know how to read it.
        DataError, ConfigError: a sentence without tags; a file that is not as declared (see `read_gold`).
        MissingInputError, ModelError: the model cannot be loaded, or the file is not there.
    """
    predictor, gold = _open(model, sentences)
    gold = replace(
        gold,
        title=gold.title if title is None else title,
        split=gold.split if split is None else split,
        facts={**gold.facts, **(facts or {})},
        warnings=(*warnings, *gold.warnings),
        documents=gold.documents if documents is None else documents,
        origin=gold.origin if origin is None else origin,
    )
    return evaluate_gold(predictor, gold, curve=curve, rivals=rivals, min_precision=min_precision)


def evaluate_gold(
    predictor: Predictor,
    gold: Gold,
    *,
    curve: Sequence[CurvePoint] = (),
    rivals: Sequence[Rival] = (),
    min_precision: float | None = None,
) -> Report:
    """What `evaluate` does, once the data are read.

    Args:
        predictor: the model.
        gold: the data.
        curve: as in `evaluate`.
        rivals: as in `evaluate`.
        min_precision: as in `evaluate`.
    """
    start = time.perf_counter()
    predictions = predictor.predict(sentence.tokens for sentence in gold.sentences)
    seconds = time.perf_counter() - start
    scaled = None
    if predictor.temperature != 1:
        unscaled = predictor.at_temperature(1.0).predict(sentence.tokens for sentence in gold.sentences)
        scaled = Scaled(temperature=predictor.temperature, fitted_on=FITTED_ON, unscaled=unscaled)
    forms = {token for sentence in gold.sentences for token in sentence.tokens}
    num_tokens = sum(map(len, gold.sentences))
    return build_report(
        gold.sentences,
        predictions,
        title=gold.title,
        split=gold.split,
        scheme=predictor.scheme,
        known_words=known_words(predictor.vocabulary, forms),
        words=training_words(predictor.vocabulary, forms),
        encoding=predictor.encoding,
        documents=gold.documents,
        rivals=rivals,
        min_precision=min_precision,
        scaled=scaled,
        curve=curve,
        facts={**_describe(predictor, gold.facts), "predicted tokens/s": round(num_tokens / seconds)},
        warnings=gold.warnings,
        origin=replace(gold.origin, labels=gold.origin.labels or _labels_of(predictor)),
    )


def read_gold(path: Path, data: DataConfig, *, saved: SavedModel, model: str | Path) -> Gold:
    """Reads a file to score a saved model on.

    Args:
        path: the file.
        data: how it is written; its paths are not looked at.
        saved: the model.
        model: the folder it was loaded from.

    Raises:
        ConfigError: `data` describes a Hub dataset, which is no file.
        DataError: a file that is not as declared, or holds no sentence.
        MissingInputError: there is no such file.
    """
    if data.format == "hub":
        raise ConfigError(
            f"{path}: the model was trained on a Hub dataset, which says nothing of how a file is read: "
            "give sentences, or use tagger evaluate --from"
        )
    sentences = list(read_sentences(path, data))
    if not any(len(sentence) for sentence in sentences):
        raise DataError(f"{path}: holds no sentence")
    scheme = saved.config.data.scheme
    if data.scheme != scheme:
        sentences = [
            replace(sentence, tags=tuple(convert_tags(sentence.tags or (), data.scheme, scheme)))
            for sentence in sentences
        ]
    facts: dict[str, Fact] = {"model": str(model), **describe_fit(saved.manifest), "data": str(path)}
    warnings: tuple[str, ...] = ()
    if path.is_file():  # a pipe can be read only once
        facts["data sha256"] = digest = hash_file(path)
        warnings = (ON_TRAIN,) if digest == _hash_of_train(saved) else ()
    return Gold(
        sentences=sentences,
        title=make_title(Path(model), path.name),
        split=path.stem,
        facts=facts,
        warnings=warnings,
        documents=find_documents(path, sentences, source_format=data.format),
        origin=origin_of(saved),
    )


def read_train(saved: SavedModel) -> Sequence[Sentence]:
    """Reads the data that a model was trained on, once more.

    Raises:
        DataError: the file is another than the model was trained on, or not as declared.
        MissingInputError: it is not there.
    """
    data = saved.config.data
    if data.format == "hub":
        return load_corpus(data).train
    path = Path(str(data.train))
    sentences = list(read_sentences(path, data, known_only=False))
    expected = _hash_of_train(saved)
    if expected is not None and hash_file(path) != expected:
        raise DataError(f"{path}: has changed since the model was trained on it: its SHA-256 is another")
    return sentences


def origin_of(saved: SavedModel) -> Origin:
    """The data and the config that a saved model was made from, as its folder says."""
    read = saved.manifest.get("data")
    manifest = {
        str(split): {str(name): value for name, value in found.items() if isinstance(value, str | int)}
        for split, found in (read.items() if isinstance(read, Mapping) else ())
        if isinstance(found, Mapping)
    }
    return Origin(manifest=manifest, config=dump_config(saved.config))


def make_title(model: Path, data: str) -> str:
    """A report's heading: the name of the run, without its folder, on the name of the data.

    Args:
        model: a run folder, or the model folder within it.
        data: the file's name, or the dataset's.
    """
    return f"{_name_of(model)} on {data}"


def _open(model: Predictor | str | Path, sentences: Sequence[Sentence] | str | Path) -> tuple[Predictor, Gold]:
    if isinstance(model, Predictor):
        if isinstance(sentences, str | Path):
            raise TypeError(
                "a Predictor does not know how a file is read: give the model's folder instead of it, "
                f"tagger.evaluate('runs/my_run', {str(sentences)!r}), or sentences"
            )
        return model, Gold(sentences=_checked(sentences))
    if not isinstance(model, str | Path):
        raise TypeError(f"evaluate takes a Predictor or a model's folder, got {type(model).__name__}")
    saved = load_model(locate_model(model))
    if isinstance(sentences, str | Path):
        gold = read_gold(Path(sentences), saved.config.data, saved=saved, model=model)
    else:
        gold = Gold(
            sentences=_checked(sentences),
            title=_name_of(Path(model)),
            facts={"model": str(model), **describe_fit(saved.manifest)},
            origin=origin_of(saved),
        )
    return predictor_of(saved, device=pick_device("auto")), gold


def _describe(predictor: Predictor, facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """The facts, and what they lack of how the predictor works."""
    head = "crf" if isinstance(predictor.network.head, CRFHead) else "softmax"
    own: dict[str, Fact] = {"device": describe_device(predictor.device), "head": head}
    return {**facts, **{name: value for name, value in own.items() if name not in facts}}


def _labels_of(predictor: Predictor) -> tuple[str, ...]:
    """The tags or span types that a model knows."""
    tags = predictor.vocabulary.tags
    if is_plain(predictor.scheme):
        return tags
    return tuple(dict.fromkeys(split_tag(tag, predictor.encoding)[1] for tag in tags if tag != OUTSIDE))


def _checked(sentences: Sequence[Sentence]) -> list[Sentence]:
    """The sentences, all of which have tags: said before the work of tagging, not after."""
    checked = list(sentences)
    for number, sentence in enumerate(checked, start=1):
        if not isinstance(sentence, Sentence):
            raise TypeError(f"sentence {number}: expected a tagger.Sentence, got {type(sentence).__name__}")
        if sentence.tags is None:
            raise DataError(f"{sentence.source or f'sentence {number}'}: no tags to score")
    return checked


def _name_of(model: Path) -> str:
    folder = model.absolute()
    return folder.parent.name if folder.name == "model" else folder.name


def _hash_of_train(saved: SavedModel) -> object:
    read = saved.manifest.get("data")
    train = read.get("train") if isinstance(read, Mapping) else None
    return train.get("sha256") if isinstance(train, Mapping) else None

"""train(config, out) -> Report: puts data, network, loop and evaluation together, and fills the run folder."""

import functools
import logging
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from tagger.config import Config
from tagger.config_checks import check_config
from tagger.config_file import dump_config
from tagger.data.batches import LazyBatches, bucket
from tagger.data.corpus import Corpus, load_corpus
from tagger.data.documents import find_documents
from tagger.data.vocab import FormTable
from tagger.evaluation.baselines import run_baselines
from tagger.evaluation.builder import Origin
from tagger.evaluation.numbers import format_count
from tagger.evaluation.report import CurvePoint, Fact, Report
from tagger.evaluation.scores import score
from tagger.inference.device import pick_device
from tagger.inference.model_folder import add_scores, save_model
from tagger.inference.predictor import Predictor
from tagger.training.assembly import build_tagger, build_vocabulary
from tagger.training.card import scores_of
from tagger.training.caveats import ON_TRAIN, find_caveats
from tagger.training.evaluate import evaluate, make_title
from tagger.training.gold import encode_gold
from tagger.training.hardware import accelerating, choose_precision, describe_device, describe_machine, seeded
from tagger.training.loop import Epoch, Step, build_optimizer, fit, rate_factor
from tagger.training.run_folder import RunFolder

DEFAULT_BATCH_SIZE = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The corpus is read and the network built.

    Attributes:
        corpus: what was read.
        num_weights: numbers to be learned.
        device: where training runs.
        precision: fp32 or bf16, as chosen.
        num_epochs: epochs at most.
        warnings: what is odd about the data.
    """

    corpus: Corpus
    num_weights: int
    device: str
    precision: str
    num_epochs: int
    warnings: tuple[str, ...] = ()


Event = Started | Step | Epoch


def train(config: Config, out: str | Path, *, listener: Callable[[Event], None] | None = None) -> Report:
    """Trains a tagger and fills its run folder.

    Args:
        config: the run, as `load_config` returns it.
        out: the run folder; it must not hold a run yet.
        listener: called with whatever is worth showing, as it happens. Without one, warnings are logged.

    Returns:
        The report of the best epoch's model on the test split, or on dev or train where there is no test.

    Raises:
        TypeError: no Config.
        ConfigError: a setting that cannot be used, or a run folder that holds a run.
        DataError: data that is not as declared.
        MissingInputError: a file or dataset that is not there.
        OutputError: the run folder cannot be written.
    """
    if not isinstance(config, Config):
        raise _no_config(config)
    check_config(config, where="config")
    config = _with_absolute_paths(config)
    folder = RunFolder(Path(out), config)
    tell = _log_warnings if listener is None else listener
    start = time.perf_counter()
    device = pick_device(config.training.device, key="training.device")
    corpus = load_corpus(config.data)
    vocabulary, vectors = build_vocabulary(config, corpus)
    with seeded(config.training), accelerating(device, config.training) as accelerator, folder:
        predictor = build_tagger(config, corpus, vocabulary=vocabulary, vectors=vectors, device=device)
        started = _describe_start(config, corpus, predictor)
        tell(started)
        steps = _fit(config, corpus, accelerator=accelerator, predictor=predictor)
        epochs = _keep_best(steps, config=config, predictor=predictor, started=started, folder=folder, tell=tell)
        facts = _facts(config, epochs, started=started, device=device)
        facts = {"model": str(out), **facts, "seconds": round(time.perf_counter() - start, 1)}
        report = _report(Path(out), started, predictor, config=config, epochs=epochs, facts=facts)
        folder.add_report(report)
        add_scores(folder.model, scores_of(report))
    return report


def _no_config(given: object) -> TypeError:
    hint = f": tagger.load_config({str(given)!r})" if isinstance(given, str | Path) else f", got {type(given).__name__}"
    return TypeError(f"train takes a Config{hint}")


def _log_warnings(event: Event) -> None:
    if isinstance(event, Started):
        for warning in event.warnings:
            _log.warning("%s", warning)


def _describe_start(config: Config, corpus: Corpus, predictor: Predictor) -> Started:
    return Started(
        corpus=corpus,
        num_weights=sum(weight.numel() for weight in predictor.network.parameters() if weight.requires_grad),
        device=str(predictor.device),
        precision=choose_precision(predictor.device, config.training),
        num_epochs=config.training.num_epochs,
        warnings=find_caveats(corpus),
    )


def _keep_best(
    steps: Iterator[Step | Epoch],
    *,
    config: Config,
    predictor: Predictor,
    started: Started,
    folder: RunFolder,
    tell: Callable[[Event], object],
) -> list[Epoch]:
    """Trains to the end, saving each best epoch's model; leaves the best weights in the network."""
    network, manifest = predictor.network, started.corpus.manifest
    epochs: list[Epoch] = []
    best: dict[str, Tensor] = {}
    for event in steps:
        if isinstance(event, Epoch):
            epochs.append(event)
            if event.is_best:
                best = {name: value.detach().clone() for name, value in network.state_dict().items()}
                facts = {"epoch": event.number, "dev_score": event.dev_score, "data": dict(manifest)}
                save_model(folder.model, network, vocabulary=predictor.vocabulary, config=config, facts=facts)
            folder.add_epoch(event)  # after the model, so that no line speaks of a model that is not there
        tell(event)
    network.load_state_dict(best)
    return epochs


def _fit(config: Config, corpus: Corpus, *, accelerator: Accelerator, predictor: Predictor) -> Iterator[Step | Epoch]:
    settings, vocabulary = config.training, predictor.vocabulary
    table = FormTable(vocabulary)
    rows = table.rows(sentence.tokens for sentence in corpus.train)
    tags, allowed = encode_gold(config, corpus, vocabulary)
    batch_size = settings.batch_size
    if batch_size is None and settings.batch_tokens is None:
        batch_size = DEFAULT_BATCH_SIZE

    def batches(epoch: int) -> LazyBatches:
        groups = bucket(
            [len(row) for row in rows],
            batch_size=batch_size,
            batch_tokens=settings.batch_tokens,
            seed=(settings.seed, epoch),
        )
        return LazyBatches(groups, rows=rows, table=table, tags=tags, allowed=allowed)

    def dev_score() -> float | None:
        predictions = predictor.predict(sentence.tokens for sentence in corpus.dev)
        gold = [sentence.tags or () for sentence in corpus.dev]
        return score(gold, [prediction.tags for prediction in predictions], scheme=corpus.scheme).main

    return fit(
        predictor.network,
        batches,
        optimizer=build_optimizer(
            predictor.network,
            name=settings.optimizer,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
        ),
        accelerator=accelerator,
        num_epochs=settings.num_epochs,
        factor=functools.partial(rate_factor, schedule=settings.schedule, warmup=settings.warmup),
        accumulate=settings.accumulate,
        clip_norm=settings.clip_norm,
        patience=settings.patience,
        evaluate=dev_score if corpus.dev else None,
    )


def _with_absolute_paths(config: Config) -> Config:
    """The same config, meaning the same files when it is read from the run folder."""
    data, words = config.data, config.features.words
    labels = _absolute(data.labels) if isinstance(data.labels, str) else data.labels
    train, dev, test = (_absolute(path) for path in (data.train, data.dev, data.test))
    return replace(
        config,
        data=replace(data, train=train, dev=dev, test=test, labels=labels),
        features=replace(config.features, words=replace(words, vectors=_absolute(words.vectors))),
    )


def _absolute(path: str | None) -> str | None:
    return str(Path(path).absolute()) if path else path


def _facts(config: Config, epochs: list[Epoch], *, started: Started, device: torch.device) -> dict[str, Fact]:
    best = max((epoch for epoch in epochs if epoch.is_best), key=lambda epoch: epoch.number)
    trained = [epoch.tokens_per_second for epoch in epochs]
    return {
        "best epoch": f"{best.number} of {len(epochs)}",
        "weights": started.num_weights,
        "head": config.model.head,
        "seed": config.training.seed,
        "machine": describe_machine(),
        "device": describe_device(device),
        "precision": started.precision,
        "trained tokens/s": round(sum(trained) / len(trained)),
        "torch": torch.__version__,
        "tagger": version("tagger"),
        "python": platform.python_version(),
    }


def _report(
    out: Path, started: Started, predictor: Predictor, *, config: Config, epochs: list[Epoch], facts: dict[str, Fact]
) -> Report:
    corpus = started.corpus
    splits = {"test": corpus.test, "dev": corpus.dev, "train": corpus.train}
    split = next(name for name, sentences in splits.items() if sentences)
    for name, read in corpus.manifest.items():
        sentences, tokens = (format_count(int(read[f"{noun}s"]), noun) for noun in ("sentence", "token"))
        facts[f"{name} data"] = f"{read['source']}: {sentences}, {tokens}"
        if "sha256" in read:
            facts[f"{name} sha256"] = str(read["sha256"])
    origin = corpus.manifest[split]
    source = str(origin["source"])  # of a dataset it is a name, which has no folder
    return evaluate(
        predictor,
        splits[split],
        title=make_title(out, source if "commit" in origin else Path(source).name),
        split=split,
        curve=[
            CurvePoint(
                epoch=epoch.number,
                train_loss=epoch.train_loss,
                dev_score=epoch.dev_score,
                seconds=epoch.seconds,
            )
            for epoch in epochs
        ],
        facts=facts,
        warnings=(*started.warnings, *([ON_TRAIN] if split == "train" else [])),
        documents=find_documents(Path(source), splits[split], source_format=config.data.format),
        origin=Origin(labels=corpus.labels, manifest=corpus.manifest, config=dump_config(config)),
        rivals=run_baselines(
            corpus.train,
            [sentence.tokens for sentence in splits[split]],
            scheme=corpus.scheme,
            unknown=config.data.unknown_tag,
        ),
    )

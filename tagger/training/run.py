"""train(config, out) -> Report: puts data, network, loop and evaluation together, and fills the run folder."""

import functools
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from tagger.config import Config
from tagger.config_checks import check_config
from tagger.data.batches import LazyBatches, bucket
from tagger.data.corpus import Corpus, load_corpus
from tagger.data.vectors import read_vectors
from tagger.data.vocab import UNKNOWN, FormTable, Vocabulary, count_words
from tagger.evaluation.report import CurvePoint, Fact, Report
from tagger.evaluation.scores import score
from tagger.inference.device import pick_device
from tagger.inference.model_folder import save_model, sizes_of
from tagger.inference.predictor import Predictor
from tagger.model.network import build_network
from tagger.schemes import is_plain, tags_of_types
from tagger.training.evaluate import evaluate
from tagger.training.gold import cost_of_tags, encode_gold
from tagger.training.hardware import accelerating, choose_precision, seeded
from tagger.training.loop import Epoch, Step, build_optimizer, fit, rate_factor
from tagger.training.run_folder import RunFolder

DEFAULT_BATCH_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The corpus is read and the network built.

    Attributes:
        corpus: what was read.
        num_weights: numbers to be learned.
        device: where training runs.
        precision: fp32 or bf16, as chosen.
        num_epochs: epochs at most.
    """

    corpus: Corpus
    num_weights: int
    device: str
    precision: str
    num_epochs: int


Event = Started | Step | Epoch


def train(config: Config, out: str | Path, *, listener: Callable[[Event], None] | None = None) -> Report:
    """Trains a tagger and fills its run folder.

    Args:
        config: the run, as `load_config` returns it.
        out: the run folder; it must not hold a run yet.
        listener: called with whatever is worth showing, as it happens.

    Returns:
        The report of the best epoch's model on the test split, or on dev or train where there is no test.

    Raises:
        ConfigError: a setting that cannot be used, or a run folder that holds a run.
        DataError: data that is not as declared.
        MissingInputError: a file or dataset that is not there.
        OutputError: the run folder cannot be written.
    """
    check_config(config, where="config")
    config = _with_absolute_paths(config)
    folder = RunFolder(Path(out), config)
    tell: Callable[[Event], object] = listener if listener is not None else lambda event: event
    start = time.perf_counter()
    device = pick_device(config.training.device, key="training.device")
    corpus = load_corpus(config.data)
    vocabulary, vectors = _build_vocabulary(config, corpus)
    with seeded(config.training), accelerating(device, config.training) as accelerator, folder:
        network = build_network(
            config.features,
            config.model,
            sizes_of(vocabulary, config),
            singletons=_singletons(corpus, vocabulary),
            vectors=vectors,
            costs=cost_of_tags(config, vocabulary),
        )
        encoding = config.model.encoding
        predictor = Predictor(network, vocabulary, scheme=corpus.scheme, encoding=encoding, device=device)
        started = Started(
            corpus=corpus,
            num_weights=sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
            device=str(device),
            precision=choose_precision(device, config.training),
            num_epochs=config.training.num_epochs,
        )
        tell(started)
        steps = _fit(config, corpus, accelerator=accelerator, predictor=predictor)
        epochs = _keep_best(steps, config=config, predictor=predictor, started=started, folder=folder, tell=tell)
        facts = _facts(config, epochs, started=started)
        facts["seconds"] = round(time.perf_counter() - start, 1)
        report = _report(corpus, predictor, epochs=epochs, facts=facts)
        folder.add_report(report)
    return report


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


def _build_vocabulary(config: Config, corpus: Corpus) -> tuple[Vocabulary, Tensor | None]:
    """The vocabulary of the train split, and (num_word_ids, dim) initial word vectors where the config names a file."""
    features = config.features
    names: list[str] = []
    if features.words.vectors:
        names, table = read_vectors(Path(features.words.vectors), features.words.dim)
    tags = corpus.labels
    if not is_plain(corpus.scheme):
        tags = tuple(tags_of_types(corpus.labels, config.model.encoding))
    vocabulary = Vocabulary.build(
        _count_forms(corpus),
        tags=tags,
        extra_words=names,
        words=features.words,
        characters=features.characters,
        affixes=features.affixes,
    )
    if not names:
        return vocabulary, None
    vectors = np.random.default_rng(config.training.seed).normal(
        scale=table.std(), size=(vocabulary.num_word_ids, table.shape[1])
    )
    place = {name: number for number, name in enumerate(names)}
    for number, word in enumerate(vocabulary.words, start=UNKNOWN + 1):
        if word in place:
            vectors[number] = table[place[word]]
    return vocabulary, torch.from_numpy(vectors.astype(np.float32))


def _singletons(corpus: Corpus, vocabulary: Vocabulary) -> Tensor:
    """(num_word_ids,) bool: True at words that train holds once."""
    counts = count_words(_count_forms(corpus), lowercase=vocabulary.lowercase)
    once = [False] * (UNKNOWN + 1) + [counts[word] == 1 for word in vocabulary.words]
    return torch.tensor(once)


def _count_forms(corpus: Corpus) -> Counter[str]:
    return Counter(token for sentence in corpus.train for token in sentence.tokens)


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


def _facts(config: Config, epochs: list[Epoch], *, started: Started) -> dict[str, Fact]:
    best = max((epoch for epoch in epochs if epoch.is_best), key=lambda epoch: epoch.number)
    trained = [epoch.tokens_per_second for epoch in epochs]
    return {
        "best epoch": f"{best.number} of {len(epochs)}",
        "weights": started.num_weights,
        "head": config.model.head,
        "seed": config.training.seed,
        "device": f"cpu, {torch.get_num_threads()} threads"
        if started.device == "cpu"
        else torch.cuda.get_device_name(started.device),
        "precision": started.precision,
        "trained tokens/s": round(sum(trained) / len(trained)),
        "torch": torch.__version__,
        "tagger": version("tagger"),
        "python": platform.python_version(),
    }


def _report(corpus: Corpus, predictor: Predictor, *, epochs: list[Epoch], facts: dict[str, Fact]) -> Report:
    splits = {"test": corpus.test, "dev": corpus.dev, "train": corpus.train}
    split = next(name for name, sentences in splits.items() if sentences)
    for name, read in corpus.manifest.items():
        facts[f"{name} data"] = f"{read['source']}: {read['sentences']} sentences, {read['tokens']} tokens"
    return evaluate(
        predictor,
        splits[split],
        title=str(corpus.manifest[split]["source"]),
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
    )

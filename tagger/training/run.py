"""train(config, out) -> Report: puts data, network, loop and evaluation together, and fills the run folder."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from tagger.config import Config, TrainingConfig, names_vectors
from tagger.config_checks import check_config
from tagger.data.corpus import Corpus, load_corpus
from tagger.data.published import Download
from tagger.data.vectors import WordVectors
from tagger.errors import ConfigError
from tagger.evaluation.report import Report
from tagger.evaluation.scores import score
from tagger.inference.device import pick_device
from tagger.inference.model_folder import add_scores
from tagger.inference.predictor import Predictor
from tagger.model.language_model import LanguageModel
from tagger.training.assembly import build_language_model, build_tagger, build_vocabulary, make_optimizer
from tagger.training.card import scores_of
from tagger.training.caveats import find_caveats
from tagger.training.dev_temperature import fit_on_dev
from tagger.training.epochs import encode_train, group_sentences
from tagger.training.hardware import accelerating, choose_precision, seeded
from tagger.training.keeper import Keeper
from tagger.training.loop import BatchError, fit
from tagger.training.optimizer import rate_factor
from tagger.training.position import BEGINNING, Epoch, Position, Step
from tagger.training.resumption import Resumption
from tagger.training.run_folder import RunFolder
from tagger.training.signals import Signals, Terminated
from tagger.training.summary import describe_batch, summarise

TELL_EVERY = 10  # steps

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
        warnings: what is odd about the data, or about how the run is gone on with.
        num_done: epochs that an earlier call has finished.
        resumed: what is gone on from; None: this is the run's beginning.
    """

    corpus: Corpus
    num_weights: int
    device: str
    precision: str
    num_epochs: int
    warnings: tuple[str, ...] = ()
    num_done: int = 0
    resumed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """There was nothing to do: the run is finished already.

    Attributes:
        out: its folder.
        warnings: what is odd about how it was found.
    """

    out: Path
    warnings: tuple[str, ...] = ()


Event = Download | WordVectors | Started | Finished | Step | Epoch


def train(
    config: Config,
    out: str | Path,
    *,
    listener: Callable[[Event], None] | None = None,
    resume: bool = False,
    allow_changes: bool = False,
) -> Report:
    """Trains a tagger and fills its run folder.

    In the main thread, and where SIGINT and SIGTERM are left to Python, they end training after the step under way and
    with a checkpoint, by KeyboardInterrupt and by SystemExit(143).

    Args:
        config: the run, as `load_config` returns it.
        out: the run folder; it must not hold a run yet, unless `resume` is given.
        listener: called with whatever is worth showing, as it happens. Without one, warnings are logged.
        resume: go on with the run in `out` from its newest checkpoint, to the very weights and metrics of a run that
            was never broken off; begin where there is none; where the run is finished, return its report.
        allow_changes: go on though settings, data or versions are not what they were.

    Returns:
        The report of the best epoch's model on the test split, or on dev or train where there is no test.

    Raises:
        TypeError: no Config.
        ConfigError: a setting that cannot be used; a run folder that holds a run, or that another process trains in;
            something that has changed; training that diverges, or a batch that does not fit into memory.
        DataError: data that is not as declared.
        ModelError: the run's checkpoints are damaged, all of them.
        MissingInputError: a file or dataset that is not there.
        OutputError: the run folder cannot be written; the checkpoints in it stay as they are.
    """
    if not isinstance(config, Config):
        raise _no_config(config)
    if allow_changes and not resume:
        raise ConfigError("--allow-changes: has no effect without --resume; leave it out")
    check_config(config, where="config")
    config = _with_absolute_paths(config)
    tell = _log_warnings if listener is None else listener
    device = pick_device(config.training.device, key="training.device")
    with (
        Signals() as signals,
        seeded(config.training),
        RunFolder(Path(out), config, resume=resume) as folder,
        accelerating(device, config.training) as accelerator,
    ):
        resumption = Resumption(folder, config, device=device, allow_changes=allow_changes)
        report = resumption.find_report()
        if report is not None:
            tell(Finished(out=Path(out), warnings=resumption.warnings))
            return report
        corpus = load_corpus(config.data)
        vocabulary, vectors = build_vocabulary(config, corpus, tell=tell)
        origin = resumption.check_data(corpus, vocabulary)
        predictor = build_tagger(config, corpus, vocabulary=vocabulary, vectors=vectors, device=device)
        started = _describe_start(config, corpus, predictor, resumption=resumption)
        tell(started)
        language_model = build_language_model(config, predictor)
        keeper = Keeper(
            folder,
            predictor=predictor,
            optimizer=make_optimizer(config, predictor, language_model),
            config=config,
            origin=origin,
            data=corpus.manifest,
            seconds_before=resumption.seconds,
            language_model=language_model,
        )
        position = BEGINNING if folder.newest is None else keeper.go_on(folder.newest)
        folder.begin(position.epochs)
        steps = fit_predictor(
            config,
            corpus,
            accelerator=accelerator,
            predictor=predictor,
            optimizer=keeper.optimizer,
            signals=signals,
            start=position,
            language_model=language_model,
        )
        with naming_batch(corpus, config.training):
            _follow(steps, keeper=keeper, signals=signals, tell=tell)
        keeper.load_best()
        keeper.add_temperature(fit := fit_on_dev(predictor, corpus.dev))
        report = summarise(
            Path(out), config, corpus, predictor=predictor, keeper=keeper, fit=fit, warnings=started.warnings
        )
        add_scores(folder.model, scores_of(report))
        folder.add_report(report)  # last: where it is, the run is finished
    return report


def _follow(
    steps: Iterator[Step | Epoch], *, keeper: Keeper, signals: Signals, tell: Callable[[Event], object]
) -> None:
    """Trains to the end, or to a signal; either way what is worth keeping is saved."""
    with signals.put_off():
        try:
            for event in steps:
                keeper.add(event)
                if isinstance(event, Epoch) or event.step % TELL_EVERY == 0:
                    tell(event)
                signals.check()
        except (KeyboardInterrupt, Terminated) as stop:
            if signals.has_raised(stop):  # else it may have come within a step, whose end nobody has seen
                keeper.save()
            raise


def fit_predictor(
    config: Config,
    corpus: Corpus,
    *,
    accelerator: Accelerator,
    predictor: Predictor,
    optimizer: torch.optim.Optimizer,
    signals: Signals,
    start: Position = BEGINNING,
    language_model: LanguageModel | None = None,
) -> Iterator[Step | Epoch]:
    """`fit` on a corpus, scored on its dev split after each epoch."""
    settings = config.training

    def dev_score() -> float | None:
        with signals.at_once():  # evaluating changes nothing that a checkpoint holds
            predictions = predictor.predict(sentence.tokens for sentence in corpus.dev)
            gold = [sentence.tags or () for sentence in corpus.dev]
            return score(gold, [prediction.tags for prediction in predictions], scheme=corpus.scheme).main

    return fit(
        predictor.network,
        encode_train(config, corpus, predictor.vocabulary),
        optimizer=optimizer,
        accelerator=accelerator,
        num_epochs=settings.num_epochs,
        factor=functools.partial(rate_factor, schedule=settings.schedule, warmup=settings.warmup),
        accumulate=settings.accumulate,
        clip_norm=settings.clip_norm,
        patience=settings.patience,
        evaluate=dev_score if corpus.dev else None,
        start=start,
        language_model=language_model,
        language_weight=settings.language_model,
    )


@contextmanager
def naming_batch(corpus: Corpus, settings: TrainingConfig) -> Iterator[None]:
    """Says of a batch that failed which sentences are in it."""
    try:
        yield
    except BatchError as error:
        groups = group_sentences(corpus.train.lengths, settings, error.epoch)
        first = (error.step - 1) * settings.accumulate
        chosen = [at for group in groups[first : first + settings.accumulate] for at in group]
        error.add_note(describe_batch(corpus.train[at] for at in chosen))
        raise


def _no_config(given: object) -> TypeError:
    hint = f": tagger.load_config({str(given)!r})" if isinstance(given, str | Path) else f", got {type(given).__name__}"
    return TypeError(f"train takes a Config{hint}")


def _log_warnings(event: Event) -> None:
    if isinstance(event, Started | Finished):
        for warning in event.warnings:
            _log.warning("%s", warning)


def _describe_start(config: Config, corpus: Corpus, predictor: Predictor, *, resumption: Resumption) -> Started:
    return Started(
        corpus=corpus,
        num_weights=sum(weight.numel() for weight in predictor.network.parameters() if weight.requires_grad),
        device=str(predictor.device),
        precision=choose_precision(predictor.device, config.training),
        num_epochs=config.training.num_epochs,
        warnings=(*resumption.warnings, *find_caveats(corpus)),
        num_done=resumption.num_done,
        resumed=resumption.describe(),
    )


def _with_absolute_paths(config: Config) -> Config:
    """The same config, meaning the same files when it is read from the run folder."""
    data, words = config.data, config.features.words
    vectors = words.vectors if words.vectors and names_vectors(words.vectors) else _absolute(words.vectors)
    labels = _absolute(data.labels) if isinstance(data.labels, str) else data.labels
    train, dev, test = (_absolute(path) for path in (data.train, data.dev, data.test))
    return replace(
        config,
        data=replace(data, train=train, dev=dev, test=test, labels=labels),
        features=replace(config.features, words=replace(words, vectors=vectors)),
    )


def _absolute(path: str | None) -> str | None:
    return str(Path(path).absolute()) if path else path

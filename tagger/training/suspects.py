"""Training data that look wrong: models trained on the rest of it disagree with its annotation.

Cross-validation, so that no model is asked about a sentence that it has learned by heart. What is found is worth a look
and not a verdict: a model is sure of its mistakes, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tagger.config import Config, DataConfig
from tagger.config_checks import check_config
from tagger.data.arrow import ArrowSentences
from tagger.data.carve import carve_dev
from tagger.data.corpus import Corpus, load_corpus
from tagger.data.published import Download
from tagger.data.splits import named_splits
from tagger.data.vectors import WordVectors
from tagger.errors import ConfigError
from tagger.inference.device import pick_device
from tagger.schemes import OUTSIDE, is_plain, split_tag
from tagger.sentence import Prediction
from tagger.training.assembly import build_language_model, build_tagger, build_vocabulary, make_optimizer
from tagger.training.disagreements import Disagreements, FoldFinished, SuspectGold, locate
from tagger.training.folds import assign_folds
from tagger.training.hardware import accelerating, seeded
from tagger.training.position import Epoch, Step
from tagger.training.run import TELL_EVERY, fit_predictor, naming_batch
from tagger.training.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldStarted:
    """A fold's model is about to be trained.

    Attributes:
        number: of the fold, from 1.
        num_folds: how many there are.
        num_train: sentences that the model learns from.
        num_held_out: sentences that it will be asked about.
        num_epochs: epochs at most.
        device: where it is trained.
        unseen: labels that only the held-out sentences have, so that the model never sees them.
    """

    number: int
    num_folds: int
    num_train: int
    num_held_out: int
    num_epochs: int
    device: str
    unseen: tuple[str, ...]


Event = Download | WordVectors | FoldStarted | Step | Epoch | FoldFinished


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """What cross-validation found.

    Attributes:
        suspects: the most confident first.
        folds: how each fold went.
        num_sentences: sentences that were held out once: all of train but those without tokens.
        rare: labels that one fold alone has: its model had never seen them, and says nothing about them.
    """

    suspects: tuple[SuspectGold, ...]
    folds: tuple[FoldFinished, ...]
    num_sentences: int
    rare: tuple[str, ...]


def find_suspect_gold(
    config: Config, *, num_folds: int, min_confidence: float, listener: Callable[[Event], object] | None = None
) -> CrossValidation:
    """Cross-validates the training data; nothing is written anywhere.

    Each fold's model is trained as `train` would train it on the other folds: the same settings, the best epoch by the
    config's dev split, or by one that is drawn from those folds (`data.dev_share`). `training.seed` deals the folds.
    Tokens whose gold is unknown (`data.unknown_tag`) are no suspects.

    Args:
        config: the run.
        num_folds: how many folds, each of which has a model of its own.
        min_confidence: the confidence from which on a disagreement is listed, in [0, 1].
        listener: called with whatever is worth showing, as it happens.

    Raises:
        ConfigError: a setting that cannot be used; training that diverges, or a batch that does not fit into memory.
        DataError, MissingInputError: as `train` raises them.
    """
    check_config(config, where="config")
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"--min-confidence: expected a number in [0, 1], got {min_confidence}")
    device = pick_device(config.training.device, key="training.device")
    tell = listener or _ignore
    with Signals() as signals:
        corpus = load_corpus(_without_test(config.data))
        folds = assign_folds(corpus.train, num_folds=num_folds, seed=config.training.seed)
        labels = _labels_of_folds(corpus, folds, num_folds=num_folds, unknown=config.data.unknown_tag)
        found: list[SuspectGold] = []
        finished = []
        for fold in range(num_folds):
            part = _hold_out(corpus, folds, fold, data=config.data)
            elsewhere = set[str]().union(*(labels[other] for other in range(num_folds) if other != fold))
            unseen = tuple(sorted(labels[fold] - elsewhere))
            tell(_describe_start(config, part, number=fold + 1, num_folds=num_folds, device=device, unseen=unseen))
            predictions = _cross_predict(config, part, device=device, signals=signals, tell=tell)
            judged = Disagreements(list(part.test), predictions, scheme=part.scheme, unknown=config.data.unknown_tag)
            suspects = judged.list_suspects(min_confidence, fold=fold + 1)
            finished.append(judged.summarise(number=fold + 1, num_suspects=len(suspects)))
            tell(finished[-1])
            found += suspects
        return CrossValidation(
            suspects=tuple(locate(sorted(found, key=lambda each: -each.confidence), config.data)),
            folds=tuple(finished),
            num_sentences=sum(fold is not None for fold in folds),
            rare=tuple(sorted(label for label in set[str]().union(*labels) if sum(label in of for of in labels) == 1)),
        )


def _ignore(_event: Event) -> None:
    """Nobody listens."""


def _without_test(data: DataConfig) -> DataConfig:
    """The same data without the test split, which is not looked at, and with train whole."""
    if data.format != "hub":
        return replace(data, test=None, dev_share=0.0)
    return replace(
        data, splits={ours: name for ours, name in named_splits(data).items() if ours != "test"}, dev_share=0.0
    )


def _labels_of_folds(
    corpus: Corpus, folds: Sequence[int | None], *, num_folds: int, unknown: str | None
) -> list[set[str]]:
    """The labels that each fold's sentences have: tags, or span types."""
    labels: list[set[str]] = [set() for _ in range(num_folds)]
    for sentence, fold in zip(corpus.train, folds, strict=True):
        if fold is not None:
            labels[fold].update(sentence.tags or ())
    for tags in labels:
        tags.discard(str(unknown))
    if is_plain(corpus.scheme):
        return labels
    return [{split_tag(tag, corpus.scheme)[1] for tag in tags if tag != OUTSIDE} for tags in labels]


def _hold_out(corpus: Corpus, folds: Sequence[int | None], fold: int, *, data: DataConfig) -> Corpus:
    """Train without one fold, which is the test split; dev as it is, or drawn from what is left of train."""
    numbered = list(enumerate(folds))
    rest = ArrowSentences(corpus.train[at] for at, number in numbered if number is not None and number != fold)
    dev = corpus.dev
    if data.dev_share:
        rest, dev = carve_dev(rest, share=data.dev_share, seed=data.dev_seed, where=f"train without fold {fold + 1}")
    held_out = ArrowSentences(corpus.train[at] for at, number in numbered if number == fold)
    # the labels of all of train, so that each model can say whatever gold says
    return replace(corpus, train=rest, dev=dev, test=held_out)


def _describe_start(
    config: Config, part: Corpus, *, number: int, num_folds: int, device: torch.device, unseen: tuple[str, ...]
) -> FoldStarted:
    return FoldStarted(
        number=number,
        num_folds=num_folds,
        num_train=len(part.train),
        num_held_out=len(part.test),
        num_epochs=config.training.num_epochs,
        device=str(device),
        unseen=unseen,
    )


def _cross_predict(
    config: Config, part: Corpus, *, device: torch.device, signals: Signals, tell: Callable[[Event], object]
) -> list[Prediction]:
    """Trains on a part's train split, and tags its test split with the best epoch's weights."""
    with seeded(config.training), accelerating(device, config.training) as accelerator:
        vocabulary, vectors = build_vocabulary(config, part, tell=tell)
        predictor = build_tagger(config, part, vocabulary=vocabulary, vectors=vectors, device=device)
        language_model = build_language_model(config, predictor)
        steps = fit_predictor(
            config,
            part,
            accelerator=accelerator,
            predictor=predictor,
            optimizer=make_optimizer(config, predictor, language_model),
            signals=signals,
            language_model=language_model,
        )
        best: dict[str, Tensor] = {}
        with naming_batch(part, config.training):
            for event in steps:
                if isinstance(event, Epoch) and event.is_best:
                    weights = predictor.network.state_dict()
                    best = {name: value.detach().clone() for name, value in weights.items()}
                if isinstance(event, Epoch) or event.step % TELL_EVERY == 0:
                    tell(event)
        predictor.network.load_state_dict(best)
        return predictor.predict(sentence.tokens for sentence in part.test)

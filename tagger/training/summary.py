"""What a finished run says of itself: its report, with how it was made; and of a batch that failed, where it stands."""

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from tagger.config import Config
from tagger.config_file import dump_config
from tagger.data.corpus import Corpus
from tagger.data.documents import find_documents
from tagger.evaluation.baselines import run_baselines
from tagger.evaluation.builder import Origin
from tagger.evaluation.numbers import format_count
from tagger.evaluation.report import CurvePoint, Fact, Report
from tagger.inference.predictor import Predictor
from tagger.model.temperature import Fit
from tagger.sentence import Sentence
from tagger.training.caveats import ON_TRAIN
from tagger.training.dev_temperature import describe_missing
from tagger.training.evaluate import evaluate, make_title
from tagger.training.hardware import choose_precision, describe_device, describe_machine
from tagger.training.keeper import Keeper

MAX_SOURCES = 40  # of a batch that failed


def summarise(
    out: Path,
    config: Config,
    corpus: Corpus,
    *,
    predictor: Predictor,
    keeper: Keeper,
    fit: Fit,
    warnings: Sequence[str],
) -> Report:
    """Evaluates the network as it is now on the test split, or on dev or train where there is no test.

    Args:
        out: the run folder as it was given.
        config: the run.
        corpus: its data.
        predictor: holds the network.
        keeper: knows how training went.
        fit: the temperature of the network's probabilities.
        warnings: what to know before the scores are believed.
    """
    splits = {"test": corpus.test, "dev": corpus.dev, "train": corpus.train}
    split = next(name for name, sentences in splits.items() if sentences)
    facts = {"model": str(out), **_facts(config, predictor, keeper), **describe_missing(fit.missing)}
    for name, read in corpus.manifest.items():
        sentences, tokens = (format_count(int(read[f"{noun}s"]), noun) for noun in ("sentence", "token"))
        facts[f"{name} data"] = f"{read['source']}: {sentences}, {tokens}"
        if "sha256" in read:
            facts[f"{name} sha256"] = str(read["sha256"])
    origin = corpus.manifest[split]
    source = str(origin["source"])  # of a dataset it is a name, which has no folder
    return evaluate(
        predictor.at_temperature(fit.value),
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
            for epoch in keeper.position.epochs
        ],
        facts=facts,
        warnings=(*warnings, *([ON_TRAIN] if split == "train" else [])),
        documents=find_documents(Path(source), splits[split], source_format=config.data.format),
        origin=Origin(labels=corpus.labels, manifest=corpus.manifest, config=dump_config(config)),
        rivals=run_baselines(
            corpus.train,
            [sentence.tokens for sentence in splits[split]],
            scheme=corpus.scheme,
            unknown=config.data.unknown_tag,
        ),
    )


def describe_batch(sentences: Iterable[Sentence]) -> str:
    """Where a batch's sentences stand: `the batch: a.conll:1, 17, 5, b.conll:2`."""
    sources = [sentence.source or "a sentence of unknown source" for sentence in sentences]
    shown, last = [], ""
    for source in sources[:MAX_SOURCES]:
        path, _, number = source.rpartition(":")
        shown.append(number if path and path == last else source)
        last = path
    more = f" and {len(sources) - MAX_SOURCES} more" if len(sources) > MAX_SOURCES else ""
    return f"the batch: {', '.join(shown)}{more}"


def _facts(config: Config, predictor: Predictor, keeper: Keeper) -> dict[str, Fact]:
    epochs, best = keeper.position.epochs, keeper.best
    speeds = [epoch.tokens_per_second for epoch in epochs]
    return {
        "best epoch": f"{best.number} of {len(epochs)}" if best else None,
        "weights": sum(weight.numel() for weight in predictor.network.parameters() if weight.requires_grad),
        "head": config.model.head,
        "seed": config.training.seed,
        "machine": describe_machine(),
        "device": describe_device(predictor.device),
        "precision": choose_precision(predictor.device, config.training),
        "trained tokens/s": round(sum(speeds) / len(speeds)),
        "torch": torch.__version__,
        "tagger": version("tagger"),
        "python": platform.python_version(),
        "seconds": round(keeper.seconds, 1),
    }

"""`tagger evaluate MODEL DATA...`: how good a model is on data with gold tags."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from tagger.cli.common import (
    add_hardware_options,
    check_folder,
    column_or_key,
    describe_data,
    given,
    given_path,
    print_text,
    set_threads,
    terminal_width,
)
from tagger.errors import ConfigError

if TYPE_CHECKING:
    from tagger.config import DataConfig

SUMMARY = "say how good a model is on data with gold tags"
DESCRIPTION = """\
Tags DATA with MODEL, compares the tags with gold, and prints a report for each file:

  tagger evaluate runs/pos test.conllu
  tagger evaluate runs/ner a.conll b.conll --out reports

The data are read as the model's training data were; --from, --tokens and --tags say otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=given,
        help="a run folder, a model folder, or OWNER/NAME[@REVISION] on the Hugging Face Hub",
    )
    parser.add_argument("data", metavar="DATA", nargs="+", type=given_path, help="files with gold tags")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=given_path,
        help="write report.json, report.md and report.html there; with several files, into FOLDER/NAME for each",
    )
    parser.add_argument(
        "--from", dest="source_format", choices=("conll", "conllu", "jsonl"), help="default: as in training"
    )
    parser.add_argument("--tokens", metavar="WHERE", help="column or key of the tokens; default: as in training")
    parser.add_argument("--tags", metavar="WHERE", help="column or key of the tags; default: as in training")
    parser.add_argument("--scheme", help="how DATA spells spans; default: as in training")
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="set two simple systems beside the model, trained in seconds on the data that it was trained on",
    )
    parser.add_argument(
        "--min-precision",
        metavar="P",
        type=_probability,
        help="find the confidence above which the model's answers are this precise, such as 0.95",
    )
    add_hardware_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    set_threads(options.threads)
    from tagger.evaluation.baselines import run_baselines
    from tagger.evaluation.render import render_text
    from tagger.inference.device import pick_device
    from tagger.inference.hub_models import locate_model
    from tagger.inference.loading import predictor_of
    from tagger.inference.model_folder import load_model
    from tagger.training.evaluate import evaluate_gold, read_gold, read_train
    from tagger.training.run_folder import write_report

    names = [path.stem for path in options.data]
    folders = [options.out if len(names) == 1 else options.out / name for name in names] if options.out else []
    if options.out and len(set(names)) < len(names):
        raise ConfigError("--out: two files have the same name, so their reports would overwrite each other")
    for folder in folders:
        check_folder(folder)  # said before the work, not after
    saved = load_model(locate_model(options.model))
    data = _describe(saved.config.data, options)
    predictor = predictor_of(saved, device=pick_device(options.device, key="--device"))
    train = read_train(saved) if options.baselines else []
    for number, path in enumerate(options.data):
        gold = read_gold(path, data, saved=saved, model=options.model)
        rivals = run_baselines(
            train,
            [sentence.tokens for sentence in gold.sentences],
            scheme=saved.config.data.scheme,
            unknown=saved.config.data.unknown_tag,
        )
        report = evaluate_gold(predictor, gold, rivals=rivals, min_precision=options.min_precision)
        print_text(render_text(report, width=terminal_width()) + ("" if path is options.data[-1] else "\n"))
        if folders:
            write_report(report, folders[number])
            print(f"The report is in {folders[number]}", file=sys.stderr)


def _probability(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number in [0, 1], got {word!r}")
    return value


def _describe(trained: "DataConfig", options: argparse.Namespace) -> "DataConfig":
    """How DATA is to be read: as the training data were, but for what the options say."""
    from typing import get_args

    from tagger.config import SchemeName

    source_format = options.source_format or trained.format
    if source_format == "hub":
        raise ConfigError("--from: the model was trained on a Hub dataset: say what DATA is: conll, conllu or jsonl")
    data = describe_data(trained, source_format=source_format, tokens=options.tokens)
    if options.scheme is not None:
        if options.scheme not in get_args(SchemeName):
            raise ConfigError(f"--scheme: expected one of {', '.join(get_args(SchemeName))}, got {options.scheme}")
        data = replace(data, scheme=options.scheme)
    if (data.scheme == "plain") != (trained.scheme == "plain"):
        raise ConfigError(f"--scheme: the model's tags are {trained.scheme}, those of DATA {data.scheme}")
    if options.tags is not None:
        data = replace(data, tags=column_or_key(options.tags, option="--tags", data=data))
    return data

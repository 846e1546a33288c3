"""`tagger data suspects CONFIG`: training data whose annotation looks wrong."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagger.cli.common import add_preset_option, check_folder, given, given_path, import_torch, open_output
from tagger.errors import OutputError, TaggerError
from tagger.training.output import writing
from tagger.training.signals import Terminated

if TYPE_CHECKING:
    from tagger.config import Config
    from tagger.training.disagreements import SuspectGold
    from tagger.training.suspects import CrossValidation, Event

SUMMARY = "list training data whose annotation looks wrong"
DESCRIPTION = """\
Cross-validates the training data of CONFIG, and lists where a model that is sure of itself, trained on the rest of
them, disagrees with the annotation, the surest first:

  tagger data suspects configs/pos_ewt.yaml
  tagger data suspects my.yaml --folds 10 --min-confidence 0.99 --limit all --out suspects.txt
  tagger data suspects my.yaml --training.num_epochs 5 --json | jq .suspects

It trains one model for each fold, with the config's settings; any can be given as --section.key VALUE, as for
tagger train. No run folder is made. Sentences with the same tokens are in one fold; --training.seed deals the folds.
A suspect is a place to look at, and no verdict. Progress goes to standard error, the list to standard output."""

_FORMAT = 1
_SHOWN = 10  # tokens on either side
_NONE = "(none)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    parser.add_argument("config", metavar="CONFIG", type=given, help="a YAML file, as for tagger train")
    add_preset_option(parser)
    parser.add_argument(
        "--folds", metavar="N", type=_number, default=5, help="parts of the data, a model for each; default: 5"
    )
    parser.add_argument(
        "--min-confidence",
        metavar="P",
        type=float,
        default=0.9,
        help="how sure a model must be, in [0, 1]; default: 0.9",
    )
    parser.add_argument("--limit", metavar="N", type=_limit, default=200, help="suspects to list, or all; default: 200")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=given_path,
        help="where the list goes, complete or not at all; default: standard output",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the action."""
    from tagger.config_file import load_config

    config = load_config(options.config, options.settings, preset=options.preset)
    if options.out is not None:
        _check_output(options.out)
    found = _cross_validate(config, options)
    shown = found.suspects[: options.limit]
    text = _to_json(found, shown, config, options) if options.json else "".join(map(_to_line, shown))
    with open_output(options.out) as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
    print(_sum_up(found, len(shown), options), file=sys.stderr)


def _cross_validate(config: "Config", options: argparse.Namespace) -> "CrossValidation":
    """Cross-validates, showing progress; an error is told what is lost."""
    import_torch()  # takes a second: a wrong config is reported before that
    from tagger.cli.fold_progress import FoldProgress
    from tagger.training.suspects import find_suspect_gold

    with FoldProgress(sys.stderr) as progress:

        def show(event: "Event") -> None:
            with writing("standard error"):  # its disk may be full too
                progress.show(event)

        try:
            return find_suspect_gold(
                config, num_folds=options.folds, min_confidence=options.min_confidence, listener=show
            )
        except (KeyboardInterrupt, Terminated, TaggerError) as error:
            if progress.num_folds:
                done = f"{progress.num_finished} of {progress.num_folds} folds were done"
                error.add_note(f"{done}; nothing was listed, and nothing is kept: the next run begins again")
            raise


def _check_output(path: Path) -> None:
    """Refuses what cannot be written: said before the work, not after."""
    if path.is_dir():
        raise OutputError(f"{path}: is a folder, expected a file")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder")
    check_folder(path.resolve().parent)


def _number(word: str) -> int:
    number = int(word) if word.isdecimal() and word.isascii() and len(word) < 10 else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {word!r}")
    return number


def _limit(word: str) -> int | None:
    return None if word == "all" else _number(word)


def _to_json(
    found: "CrossValidation",
    shown: "tuple[SuspectGold, ...]",
    config: "Config",
    options: argparse.Namespace,
) -> str:
    suspects: list[dict[str, Any]] = [
        {
            "where": each.where,
            "start": each.start,
            "end": each.end,
            "gold": each.gold,
            "predicted": each.predicted,
            "confidence": each.confidence,
            "fold": each.fold,
            "source": each.sentence.source,
            "tokens": each.sentence.tokens,
            "tags": each.sentence.tags,
        }
        for each in shown
    ]
    document = {
        "format": _FORMAT,
        "scheme": config.data.scheme,
        "seed": config.training.seed,
        "min_confidence": options.min_confidence,
        "sentences": found.num_sentences,
        "tokens": sum(fold.num_tokens for fold in found.folds),
        "folds": [
            {
                fold.score_name.replace(" ", "_").lower(): fold.score,
                "tokens": fold.num_tokens,
                "disagreements": fold.num_disagreements,
                "suspects": fold.num_suspects,
            }
            for fold in found.folds
        ],
        "labels_in_one_fold": found.rare,
        "total": len(found.suspects),
        "suspects": suspects,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _to_line(suspect: "SuspectGold") -> str:
    from tagger.evaluation.page import clean

    gold, predicted = (_NONE if label is None else label for label in (suspect.gold, suspect.predicted))
    kind = ", other boundaries" if gold == predicted else ""
    labels = f"{gold} -> {predicted}{kind}"
    return clean(f"{suspect.where}: {suspect.confidence:.4f}  {labels}  {' '.join(_quote(suspect))}") + "\n"


def _quote(suspect: "SuspectGold") -> Iterator[str]:
    """The sentence around a suspect, whose tokens stand in brackets."""
    tokens, start, end = suspect.sentence.tokens, suspect.start, suspect.end
    first, last = max(0, start - _SHOWN), min(len(tokens), end + _SHOWN)
    if first:
        yield "..."
    yield from tokens[first:start]
    yield f"[[{' '.join(tokens[start:end])}]]"
    yield from tokens[end:last]
    if last < len(tokens):
        yield "..."


def _sum_up(found: "CrossValidation", num_shown: int, options: argparse.Namespace) -> str:
    from tagger.evaluation.numbers import format_count

    tokens = sum(fold.num_tokens for fold in found.folds)
    disagreements = sum(fold.num_disagreements for fold in found.folds)
    line = (
        f"{format_count(len(found.suspects), 'suspect')} with a confidence of {options.min_confidence:g} or more, of "
        f"{format_count(disagreements, 'disagreement')} in {format_count(found.num_sentences, 'sentence')}, "
        f"{format_count(tokens, 'token')}"
    )
    if num_shown < len(found.suspects):
        line += f"; the first {num_shown:,} are listed, --limit all lists all"
    return line if options.out is None else f"{line}; the list is in {options.out}"

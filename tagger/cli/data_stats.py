"""`tagger data stats CONFIG | FILES`: what is in a corpus."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tagger.cli.common import print_text
from tagger.cli.data_options import add_split_arguments, describe_splits

if TYPE_CHECKING:
    from tagger.data.stats import CorpusStats, Lengths, Rate, SplitStats

SUMMARY = "say what is in a corpus"
DESCRIPTION = """\
Counts sentences, tokens, labels and lengths, and how much of dev and test train has never seen:

  tagger data stats train.conllu dev.conllu test.conllu
  tagger data stats configs/ner_wnut17.yaml --json

Data that are not as declared end it with code 65; tagger data check says all that is wrong."""

_FORMAT = 1
_NONE = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    add_split_arguments(parser)
    parser.add_argument(
        "--keep-case",
        action="store_true",
        help="words that differ in case only are two; default: as features.words.lowercase of a config, else no",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Runs the action."""
    from tagger.data.stats import describe_corpus

    described = describe_splits(options)
    stats = describe_corpus(described.data, lowercase=described.lowercase and not options.keep_case)
    print_text(_to_json(stats, described.is_guessed) if options.json else _to_text(stats, described.is_guessed))


def _to_json(stats: "CorpusStats", is_guessed: bool) -> str:
    document: dict[str, Any] = {
        "format": _FORMAT,
        "scheme": stats.scheme,
        "scheme_guessed": is_guessed,
        "lowercase": stats.lowercase,
        "splits": {name: asdict(split) for name, split in stats.splits.items()},
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _to_text(stats: "CorpusStats", is_guessed: bool) -> str:
    from tagger.evaluation.page import clean
    from tagger.schemes import is_plain

    splits = list(stats.splits.values())
    lines = [f"{name:<5}  {clean(split.source)}" for name, split in stats.splits.items()]
    lines += [f"scheme {stats.scheme}{' (guessed from the tags; --scheme says otherwise)' if is_guessed else ''}", ""]
    rows = [["", *stats.splits]]
    rows += [[name, *map(cell, splits)] for name, cell in _ROWS.items()]
    if not any(split.unknown_tags for split in splits):
        rows = [row for row in rows if row[0] != "unknown tags"]
    if not any(split.empty_sentences for split in splits):
        rows = [row for row in rows if row[0] != "  of them empty"]
    if not is_plain(stats.scheme):
        rows.append(["tokens in spans", *(_percent(split.inside) for split in splits)])
    if len(splits) > 1 and "train" in stats.splits:
        rows.append(["unknown words", *(_percent(split.unknown_words) for split in splits)])
        rows.append(["unknown forms", *(_percent(split.unknown_forms) for split in splits)])
    rows += [[""], ["tags" if is_plain(stats.scheme) else "spans", *(_sum(split) for split in splits)]]
    labels = dict.fromkeys(label for split in splits for label in split.labels)
    rows += [[f"  {clean(label)}", *(f"{split.labels.get(label, 0):,}" for split in splits)] for label in labels]
    return "\n".join([*lines, *_align(rows)]) + "\n"


def _length(pick: "Callable[[Lengths], str]") -> "Callable[[SplitStats], str]":
    return lambda split: _NONE if split.lengths is None else pick(split.lengths)


_ROWS: "dict[str, Callable[[SplitStats], str]]" = {
    "sentences": lambda split: f"{split.sentences:,}",
    "  of them empty": lambda split: f"{split.empty_sentences:,}",
    "tokens": lambda split: f"{split.tokens:,}",
    "  a sentence, mean": _length(lambda lengths: f"{lengths.mean:.1f}"),
    "  shortest": _length(lambda lengths: f"{lengths.min:,}"),
    "  25 of 100 up to": _length(lambda lengths: f"{lengths.q25:,}"),
    "  50 of 100 up to": _length(lambda lengths: f"{lengths.median:,}"),
    "  75 of 100 up to": _length(lambda lengths: f"{lengths.q75:,}"),
    "  95 of 100 up to": _length(lambda lengths: f"{lengths.q95:,}"),
    "  longest": _length(lambda lengths: f"{lengths.max:,}"),
    "distinct forms": lambda split: f"{split.forms:,}",
    "distinct words": lambda split: f"{split.words:,}",
    "unknown tags": lambda split: f"{split.unknown_tags:,}",
}


def _percent(rate: "Rate | None") -> str:
    return _NONE if rate is None or rate.value is None else f"{rate.value:.2%}"


def _sum(split: "SplitStats") -> str:
    return f"{sum(split.labels.values()):,}"


def _align(rows: list[list[str]]) -> list[str]:
    num_columns = len(rows[0])
    padded = [[*row, *[""] * (num_columns - len(row))] for row in rows]
    widths = [max(len(row[column]) for row in padded) for column in range(num_columns)]
    lines = []
    for name, *cells in padded:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *numbers]).rstrip())
    return lines

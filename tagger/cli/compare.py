"""`tagger compare A B [C ...]`: whether one system is better than another."""

import argparse
import sys
from pathlib import Path

from tagger.cli.common import (
    add_hardware_options,
    check_folder,
    given,
    given_path,
    print_text,
    set_threads,
    terminal_width,
)

SUMMARY = "say whether one system is better than another"
DESCRIPTION = """\
Compares reports of the same data: overall, for each tag or type, and by word, span and sentence, with p-values by
approximate randomisation and paired bootstrap intervals, corrected for their number:

  tagger compare runs/a runs/b
  tagger compare runs/a runs/b runs/c --out comparison
  tagger compare runs/a runs/b --data new.conllu

A, B and C are run folders, report.json files, or folders of runs with several seeds (A/seed-1, A/seed-2, ...)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("first", metavar="A", type=given, help="a run folder, a report.json, or a folder of runs")
    parser.add_argument("others", metavar="B", nargs="+", type=given, help="what to compare it with")
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=given_path,
        help="score the models on this file now; default: compare the reports that are there",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=given_path,
        help="write comparison.json, comparison.md and comparison.html there",
    )
    parser.add_argument(
        "--shuffles", metavar="R", type=_count, default=10_000, help="of approximate randomisation; default: 10000"
    )
    add_hardware_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    set_threads(options.threads)
    from tagger.evaluation.render import render_text
    from tagger.training.compare import compare, write_comparison

    if options.out:
        check_folder(Path(options.out))  # said before the work, not after
    comparison = compare(
        options.first, *options.others, data=options.data, num_shuffles=options.shuffles, device=options.device
    )
    print_text(render_text(comparison, width=terminal_width()))
    if options.out:
        write_comparison(comparison, options.out)
        print(f"The comparison is in {options.out}", file=sys.stderr)


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word)):
        raise argparse.ArgumentTypeError(f"expected a number >= 1, got {word!r}")
    return int(word)

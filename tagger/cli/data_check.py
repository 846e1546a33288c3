"""`tagger data check CONFIG | FILES`: what is wrong with a corpus."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tagger.cli.common import print_text
from tagger.cli.data_options import add_split_arguments, describe_splits
from tagger.errors import DataError

if TYPE_CHECKING:
    from tagger.data.findings import LintReport

SUMMARY = "say what is wrong with a corpus, and where"
DESCRIPTION = """\
Looks through all splits and reports what is wrong or odd, by file and line:

  tagger data check train.conll dev.conll test.conll
  tagger data check --train a.jsonl --test b.jsonl --scheme BIOES --json
  tagger data check configs/pos_ewt.yaml --examples all

Errors are what the readers refuse and what contradicts the tag scheme; it ends with code 65 if there are
any. Warnings are what is seldom meant. docs/data.md says what each finding means."""

_FORMAT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    add_split_arguments(parser)
    parser.add_argument("--forbid-leakage", action="store_true", help="the same sentence in two splits is an error")
    parser.add_argument(
        "--examples", metavar="N", type=_examples, default=5, help="findings to show of each kind, or all; default: 5"
    )
    parser.add_argument(
        "--max-length", metavar="N", type=_count, default=250, help="tokens; longer sentences are told; default: 250"
    )
    parser.add_argument(
        "--min-length",
        metavar="N",
        type=_count,
        default=5,
        help="tokens; shorter sentences that come again are counted, not told; default: 5",
    )
    parser.add_argument(
        "--min-count",
        metavar="N",
        type=_count,
        default=10,
        help="labels with fewer spans (plain: tokens) in train are told; default: 10",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Runs the action."""
    from tagger.data.findings import ERROR, LintOptions
    from tagger.data.lint import lint

    described = describe_splits(options)
    report = lint(
        described.data,
        LintOptions(
            examples=options.examples,
            forbid_leakage=options.forbid_leakage,
            max_length=options.max_length,
            min_recurring=options.min_length,
            min_count=options.min_count,
        ),
    )
    print_text(_to_json(report, described.is_guessed) if options.json else _to_text(report, described.is_guessed))
    if report.count(ERROR):
        raise DataError(_total(report))


def _examples(word: str) -> int | None:
    return None if word == "all" else _count(word)


def _count(word: str) -> int:
    number = int(word) if word.isdecimal() and word.isascii() else 0
    if not 0 < number < 10**9:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {word!r}")
    return number


def _to_json(report: "LintReport", is_guessed: bool) -> str:
    from tagger.data.findings import ERROR, WARNING

    findings: list[dict[str, Any]] = [
        {
            "kind": group.kind.name,
            "severity": group.kind.severity,
            "title": group.kind.title,
            "total": group.total,
            "examples": [asdict(example) for example in group.examples],
        }
        for group in report.groups
    ]
    document = {
        "format": _FORMAT,
        "scheme": report.scheme,
        "scheme_guessed": is_guessed,
        "splits": {name: asdict(size) for name, size in report.splits.items()},
        "errors": report.count(ERROR),
        "warnings": report.count(WARNING),
        "findings": findings,
        "notes": list(report.notes),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _to_text(report: "LintReport", is_guessed: bool) -> str:
    from tagger.evaluation.numbers import format_count
    from tagger.evaluation.page import clean

    lines = []
    for name, size in report.splits.items():
        counts = f"{format_count(size.sentences, 'sentence')}, {format_count(size.tokens, 'token')}"
        lines.append(f"{name:<5}  {counts}  {clean(size.source)}")
    lines.append(f"scheme {report.scheme}{' (guessed from the tags; --scheme says otherwise)' if is_guessed else ''}")
    for group in report.groups:
        lines += ["", f"{group.kind.severity}: {group.kind.title}: {group.total:,}"]
        lines += [f"  {clean(example.where)}: {clean(example.message)}" for example in group.examples]
        if hidden := group.total - len(group.examples):
            lines.append(f"  and {hidden:,} more")
        if group.kind.advice:
            lines.append(f"  ({group.kind.advice})")
    lines += ["", *(f"note: {note}" for note in report.notes)]
    return "\n".join([*lines, _total(report)]) + "\n"


def _total(report: "LintReport") -> str:
    from tagger.data.findings import ERROR, WARNING
    from tagger.evaluation.numbers import format_count

    return f"{format_count(report.count(ERROR), 'error')}, {format_count(report.count(WARNING), 'warning')}"

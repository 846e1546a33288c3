"""`tagger data convert [IN] [OUT]`: other ways to write a corpus."""

import argparse
import gzip
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tagger.cli.common import given, open_output
from tagger.cli.data_options import FORMATS, add_format_options, describe_format, format_of
from tagger.errors import ConfigError, MissingInputError

if TYPE_CHECKING:
    from tagger.data.repair import Change

SUMMARY = "write a corpus in another format or tag scheme"
DESCRIPTION = """\
Reads IN, or standard input, and writes OUT, or standard output; OUT appears when it is complete:

  tagger data convert train.iob train.jsonl
  tagger data convert eng.train eng.bio --scheme IOB1 --to-scheme BIO
  tagger data convert --from jsonl --to conllu --scheme BIO --repair < in.jsonl > out.conllu

Within one format all but the tags stays as it is: further columns and keys, comments, blank lines.
From one format to another tokens and tags go over. What was repaired and what was left out is counted
on standard error. Without --repair anything wrong is an error with its line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    parser.add_argument("input", metavar="IN", nargs="?", type=given, default="-", help="default: standard input (-)")
    parser.add_argument("output", metavar="OUT", nargs="?", type=given, default="-", help="default: standard output")
    parser.add_argument(
        "--to",
        dest="target_format",
        choices=FORMATS,
        help="default: by OUT's ending (.conllu, .jsonl, else conll); on standard output that of the input",
    )
    parser.add_argument("--scheme", help="how IN spells spans; default: plain, tags go over as they are")
    parser.add_argument("--to-scheme", metavar="SCHEME", help="how OUT is to spell spans; default: as IN does")
    parser.add_argument(
        "--to-tags",
        metavar="WHERE",
        help="conllu: UPOS, XPOS or a key of MISC; default: UPOS, in a span scheme NER. jsonl: a key; default: tags",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="repair what has one meaning only: tags that may not follow each other (as conlleval reads them), CRLF, "
        "byte-order marks, NULs, lines of blanks, blanks around cells",
    )
    parser.add_argument("--quiet", action="store_true", help="no summary on standard error, what was lost apart")
    add_format_options(parser)


def run(options: argparse.Namespace) -> None:
    """Runs the action."""
    from typing import get_args

    from tagger.config import SchemeName
    from tagger.data.convert import Target, check_target, convert
    from tagger.evaluation.numbers import format_count

    if options.settings:
        raise ConfigError(f"{options.settings[0]}: convert takes no settings")
    if options.to_scheme is not None and options.to_scheme not in get_args(SchemeName):
        raise ConfigError(f"--to-scheme: expected one of {', '.join(get_args(SchemeName))}, got {options.to_scheme}")
    source_format = options.source_format or _format_by_name(options.input)
    if source_format is None:
        raise ConfigError("--from: standard input has no ending; say what it is: conll, conllu or jsonl")
    target_format = options.target_format or _format_by_name(options.output) or source_format
    data = describe_format(options, source_format)
    target = Target(format=target_format, scheme=options.to_scheme, tags=options.to_tags)
    check_target(data, target)
    source = _open_input() if options.input == "-" else Path(options.input)
    output = None if options.output == "-" else Path(options.output)
    with open_output(output) as stream, _packed(stream, output) as sink:
        done = convert(source, sink, data, target=target, repair=options.repair)
    if not options.quiet:
        sizes = f"{format_count(done.sentences, 'sentence')}, {format_count(done.tokens, 'token')}"
        _say(f"{sizes}: {source_format} -> {target_format}", done.repaired)
    if done.lost:
        _say("not carried over:", done.lost)


def _format_by_name(name: str) -> str | None:
    return None if name == "-" else format_of(Path(name))


def _open_input() -> BinaryIO:
    if sys.stdin is None:
        raise MissingInputError("standard input: is closed")
    return sys.stdin.buffer


@contextmanager
def _packed(stream: BinaryIO, output: Path | None) -> Iterator[BinaryIO]:
    """The stream itself, or what packs it where the file's name ends in .gz."""
    if output is None or output.suffix.lower() != ".gz":
        yield stream
        return
    # no name and no time within: the same data are the same bytes
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) as packed:
        yield cast(BinaryIO, packed)


def _say(heading: str, changes: "Sequence[Change]") -> None:
    print(heading, file=sys.stderr)
    for change in changes:
        print(f"  {change.what}: {change.count:,} (first at {change.first})", file=sys.stderr)

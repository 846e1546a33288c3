"""`tagger predict MODEL [INPUT]`: tags a file or standard input, in constant memory, writing as it goes."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tagger.errors import OutputError

if TYPE_CHECKING:
    from tagger.inference.predictor import Predictor
    from tagger.sentence import Prediction

SUMMARY = "tag text"
DESCRIPTION = """\
Tags INPUT, or standard input, and writes to standard output, or to --output, as it goes:

  echo "The cat sleeps." | tagger predict runs/pos
  tagger predict runs/pos corpus.conllu --to jsonl --output tagged.jsonl

Raw text is taken line by line: each line is split into sentences and tokens and gets one answer.
A summary goes to standard error."""

_BY_SUFFIX = {".conll": "conll", ".conllu": "conllu", ".jsonl": "jsonl"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a run folder or a model folder")
    parser.add_argument("input", metavar="INPUT", nargs="?", default="-", help="a file; default: standard input (-)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: standard output")
    parser.add_argument(
        "--from",
        dest="source_format",
        choices=("raw", "conll", "conllu", "jsonl"),
        help="what the input is; default: by its suffix (.conll, .conllu, .jsonl), else raw",
    )
    parser.add_argument(
        "--to",
        dest="target_format",
        choices=("conll", "jsonl"),
        default="conll",
        help="conll: TOKEN TAB TAG, an empty line after each sentence; jsonl: also spans, confidence and character "
        "offsets; default: conll",
    )
    parser.add_argument(
        "--tokens",
        metavar="WHERE",
        help="where the tokens are: a column number of conll input (default: 1), or a key of jsonl (default: tokens)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N; default: auto")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads; default: torch's choice")
    parser.add_argument("--quiet", action="store_true", help="no summary on standard error")


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    source = None if options.input == "-" else Path(options.input)
    source_format = options.source_format or _BY_SUFFIX.get(source.suffix if source else "", "raw")
    from tagger.cli.common import set_threads

    set_threads(options.threads)
    from tagger.cli.progress import PredictionProgress
    from tagger.data.columns import format_conll
    from tagger.data.rows import format_jsonl
    from tagger.inference.predictor import load

    predictor = load(options.model, device=options.device)
    predictions = _predict(predictor, source or sys.stdin.buffer, source_format=source_format, tokens=options.tokens)
    write: Callable[[Prediction], str] = format_conll if options.target_format == "conll" else format_jsonl
    progress = PredictionProgress(sys.stderr, live=options.output is not None and not options.quiet)
    with _open_output(options.output) as stream:
        for prediction in predictions:
            stream.write(write(prediction).encode("utf-8"))
            progress.add(len(prediction))
    if not options.quiet:
        progress.finish()


def _predict(
    predictor: "Predictor", source: Path | BinaryIO, *, source_format: str, tokens: str | None
) -> "Iterator[Prediction]":
    from tagger.cli.common import column_or_key
    from tagger.config import DataConfig
    from tagger.data.corpus import read_sentences
    from tagger.data.lines import read_lines

    if source_format == "raw":
        return predictor.predict_text_stream(line for _, line in read_lines(source))
    data = DataConfig(format=source_format, tokens=column_or_key(tokens, source_format))  # type: ignore[arg-type]
    return predictor.predict_stream(sentence.tokens for sentence in read_sentences(source, data, tagged=False))


@contextmanager
def _open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears under its name when it is complete."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    aside = path.with_name(f"{path.name}.part")
    try:
        stream = aside.open("wb")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    with stream:
        yield stream
    aside.rename(path)

"""`tagger predict MODEL [INPUT]`: tags a file or standard input, in constant memory, writing as it goes."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tagger.errors import ConfigError, MissingInputError

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
        help="what the input is; default: by its suffix (.conll, .conllu, .jsonl, each also with .gz), else raw",
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
    source_format = options.source_format or _format_of(source)
    if options.tokens is not None and source_format in ("raw", "conllu"):
        raise ConfigError(f"--tokens: has no effect on {source_format} input; leave it out")
    from tagger.cli.common import set_threads

    set_threads(options.threads)
    from tagger.cli.progress import PredictionProgress
    from tagger.data.columns import format_conll
    from tagger.data.rows import format_jsonl
    from tagger.inference.device import pick_device
    from tagger.inference.model_folder import load_model
    from tagger.inference.predictor import predictor_of

    device = pick_device(options.device, key="--device")
    predictor = predictor_of(load_model(Path(options.model)), device=device)
    opened = source or _open_input(source_format, quiet=options.quiet)
    predictions = _predict(predictor, opened, source_format=source_format, tokens=options.tokens)
    write: Callable[[Prediction], str] = format_conll if options.target_format == "conll" else format_jsonl
    # No live line where the answers, or what a pager shows of them, may stand on the same terminal.
    progress = PredictionProgress(sys.stderr, live=options.output is not None and not options.quiet)
    interactive = not isinstance(opened, Path) and opened.isatty()
    with _open_output(options.output) as stream, progress:
        for prediction in predictions:
            stream.write(write(prediction).encode("utf-8"))
            if interactive:
                stream.flush()
            progress.add(len(prediction))
    if not options.quiet:
        progress.finish()


def _format_of(source: Path | None) -> str:
    """The format that a file's suffix tells."""
    if source is None:
        return "raw"
    name = source.name.lower().removesuffix(".gz")
    return _BY_SUFFIX.get(Path(name).suffix, "raw")


def _open_input(source_format: str, *, quiet: bool) -> BinaryIO:
    """Standard input; a terminal is told that it is waited for."""
    if sys.stdin is None:
        raise MissingInputError("standard input: is closed")
    if sys.stdin.isatty() and not quiet:
        name = "raw text" if source_format == "raw" else source_format
        print(f"reading {name} from standard input, Ctrl-D ends", file=sys.stderr)
    return sys.stdin.buffer


def _predict(
    predictor: "Predictor", source: Path | BinaryIO, *, source_format: str, tokens: str | None
) -> "Iterator[Prediction]":
    from tagger.cli.common import column_or_key
    from tagger.config import DataConfig
    from tagger.data.corpus import read_sentences
    from tagger.data.lines import read_lines

    if source_format == "raw":
        lines = (line for _, line in read_lines(source))
        interactive = not isinstance(source, Path) and source.isatty()
        if interactive:
            return (predictor.predict_text(line) for line in lines)  # who types a line waits for its answer
        return predictor.predict_text_stream(lines)
    data = DataConfig(format=source_format)  # type: ignore[arg-type]
    if tokens is not None:
        data = replace(data, tokens=column_or_key(tokens, option="--tokens", data=data))
    return predictor.predict_stream(sentence.tokens for sentence in read_sentences(source, data, tagged=False))


@contextmanager
def _open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears under its name when it is complete."""
    from tagger.cli.common import standard_output, writing

    if path is None:
        with standard_output() as stream:
            yield stream
        return
    with writing(str(path)):
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:  # a pipe or a device: it must stay where it is
                yield stream
            return
        target = path.resolve()  # a link stays, and its file is replaced
        aside = target.with_name(f"{target.name}.part")
        with aside.open("wb") as stream:
            try:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)

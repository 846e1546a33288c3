"""`tagger predict MODEL [INPUT]`: tags a file or standard input, in constant memory, writing as it goes."""

import argparse
import hashlib
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tagger.cli.common import add_hardware_options, describe_data, given, given_path, open_output, set_threads
from tagger.errors import ConfigError, DataError, MissingInputError

if TYPE_CHECKING:
    from tagger.cli.partial_output import PartialOutput
    from tagger.cli.predict_input import Input, Text
    from tagger.cli.progress import PredictionProgress
    from tagger.inference.model_folder import SavedModel
    from tagger.inference.predictor import Predictor
    from tagger.sentence import Prediction

SUMMARY = "tag text"
DESCRIPTION = """\
Tags INPUT, or standard input, and writes to standard output, or to --output, as it goes:

  echo "The cat sleeps." | tagger predict runs/pos
  tagger predict runs/pos corpus.conllu --to jsonl --output tagged.jsonl

Raw text is taken line by line: each line is split into sentences and tokens and gets one answer.
conll, conllu and jsonl are read as the model's training data were if those came in the same format
(columns, header, delimiter, comments, keys), else by the format's defaults; --tokens says otherwise.
They get one answer a sentence: for jsonl input, one for each line that is not blank. Input may be
gzip-compressed, standard input too.

An answer of --to jsonl is one object a line that holds tokens, tags, confidence, spans and, for raw
text, offsets; other keys of the input are not passed through. Answers come in windows of some 4,000
sentences, but one by one if standard input is a terminal. A summary goes to standard error.

With --output FILE, answers grow in FILE.partial, which becomes FILE when all is answered. A run that broke
off (Ctrl-C, kill, no power, a full disk, a bad line of the input) goes on with the same command and --resume:

  tagger predict runs/pos corpus.conllu --to jsonl --output tagged.jsonl --resume

At most the last 16,384 texts are tagged again. The model and the options must be the same, and so must the
texts that are answered: what comes after them may be mended, or grow. Standard input must begin anew."""

_BY_SUFFIX = {".conll": "conll", ".conllu": "conllu", ".jsonl": "jsonl"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=given,
        help="a run folder, a model folder, or OWNER/NAME[@REVISION] on the Hugging Face Hub",
    )
    parser.add_argument(
        "input", metavar="INPUT", nargs="?", type=given, default="-", help="a file; default: standard input (-)"
    )
    parser.add_argument("--output", metavar="FILE", type=given_path, help="default: standard output")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with an --output that broke off; where there is none, begin",
    )
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
        help="where the tokens are: a column of conll input, or a key of jsonl; default: as in training if that was in "
        "the same format, else column 1 or the key tokens",
    )
    add_hardware_options(parser)
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "int8"),
        default="fp32",
        help="bf16: faster where the hardware computes in it; int8: faster on CPUs with VNNI; elsewhere both are many "
        "times slower; a few tags in ten thousand may differ; auto: bf16 where the hardware has it, else fp32; "
        "default: fp32",
    )
    parser.add_argument("--quiet", action="store_true", help="no summary on standard error")


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    path = None if options.input == "-" else Path(options.input)
    source_format = options.source_format or _format_of(path)
    if options.tokens is not None and source_format in ("raw", "conllu"):
        raise ConfigError(f"--tokens: has no effect on {source_format} input; leave it out")
    # oneDNN keeps what it compiles for each shape of batch (LSTMs, products in bf16), up to 1024 of them; a long stream
    # would collect them all.
    # The setting is read when torch first computes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    set_threads(options.threads)
    from tagger.cli.partial_output import PartialOutput
    from tagger.cli.predict_input import Input, find_position
    from tagger.cli.progress import PredictionProgress
    from tagger.data.lines import open_file
    from tagger.inference.device import pick_device, pick_precision, warn_of_precision
    from tagger.inference.hub_models import locate_model
    from tagger.inference.loading import predictor_of
    from tagger.inference.model_folder import load_model

    device = pick_device(options.device, key="--device")
    precision = pick_precision(options.precision, device, key="--precision")
    if not options.quiet and (slower := warn_of_precision(precision, device)) is not None:
        print(slower, file=sys.stderr)
    saved = load_model(locate_model(options.model))
    data = None
    if source_format != "raw":
        data = describe_data(saved.config.data, source_format=source_format, tokens=options.tokens)
    predictor = predictor_of(saved, device=device, precision=precision)
    # No live line where the answers, or what a pager shows of them, may stand on the same terminal.
    progress = PredictionProgress(sys.stderr, live=options.output is not None and not options.quiet)
    with ExitStack() as stack:
        if path is None:
            source = _open_standard_input(source_format, quiet=options.quiet)
        else:
            source = stack.enter_context(open_file(path))
        interactive = path is None and source.isatty()
        work = _describe_work(saved, options, source_format=source_format, precision=precision)
        sink = stack.enter_context(_open_sink(options, work, interactive=interactive))
        stack.enter_context(progress)
        texts = Input(source, data)
        if options.resume and isinstance(sink, PartialOutput):
            _go_on(sink, texts, progress=progress, quiet=options.quiet)
        progress.begin(find_position(source))
        _tag(predictor, texts, sink, to=options.target_format, progress=progress, interactive=interactive)
    if not options.quiet:
        progress.finish()


def _format_of(source: Path | None) -> str:
    """The format that a file's suffix tells."""
    if source is None:
        return "raw"
    name = source.name.lower().removesuffix(".gz")
    return _BY_SUFFIX.get(Path(name).suffix, "raw")


def _open_standard_input(source_format: str, *, quiet: bool) -> BinaryIO:
    """Standard input; a terminal is told that it is waited for."""
    if sys.stdin is None:
        raise MissingInputError("standard input: is closed")
    if sys.stdin.isatty() and not quiet:
        name = "raw text" if source_format == "raw" else source_format
        print(f"reading {name} from standard input, Ctrl-D ends", file=sys.stderr)
    return sys.stdin.buffer


def _describe_work(
    saved: "SavedModel", options: argparse.Namespace, *, source_format: str, precision: str
) -> dict[str, str]:
    """What the answers to a text depend on."""
    from tagger import __version__

    manifest = json.dumps(saved.manifest, sort_keys=True).encode()
    return {
        "the model": f"SHA-256 {hashlib.sha256(manifest).hexdigest()[:16]}",
        "--from": source_format,
        "--tokens": str(options.tokens or "as in training"),
        "--to": options.target_format,
        "--precision": precision,
        "tagger": __version__,
    }


def _open_sink(
    options: argparse.Namespace, work: Mapping[str, str], *, interactive: bool
) -> "AbstractContextManager[BinaryIO | PartialOutput]":
    """Where answers go; a file can be gone on with, unless its input is typed."""
    from tagger.cli.partial_output import open_partial

    path = options.output
    if path is None or interactive or (os.path.exists(path) and not os.path.isfile(path)):  # noqa: PTH110, PTH113 they never raise
        if options.resume:
            raise ConfigError("--resume: goes on with a file only, from an input that is not typed; give --output FILE")
        return open_output(path)
    return open_partial(path, work, resume=options.resume)


def _go_on(output: "PartialOutput", texts: "Input", *, progress: "PredictionProgress", quiet: bool) -> None:
    """Reads past what an earlier run has answered."""
    kept = output.record
    if not kept.texts:
        if not quiet:
            progress.say(f"{output.path}: nothing to go on from, so this begins at the beginning")
        return
    if not quiet:
        progress.say(f"{output.path}: goes on after {kept.texts:,} texts")
    progress.go_on(num_texts=kept.texts, num_tokens=kept.tokens)
    try:
        texts.skip(kept.texts, digest=kept.input)
    except ConfigError as error:
        raise ConfigError(f"{error}; to begin anew, remove {output.path}") from None


def _tag(
    predictor: "Predictor",
    texts: "Input",
    sink: "BinaryIO | PartialOutput",
    *,
    to: str,
    progress: "PredictionProgress",
    interactive: bool,
) -> None:
    """Tags all texts and writes the answers."""
    from tagger.cli.partial_output import PartialOutput
    from tagger.data.columns import format_conll
    from tagger.data.rows import format_jsonl

    write = format_conll if to == "conll" else format_jsonl
    for block in texts.blocks():
        for where, prediction in _predict(predictor, block, waiting=texts.waiting, interactive=interactive):
            sink.write(_spell(prediction, write, where=where))
            if not isinstance(sink, PartialOutput) and interactive:
                sink.flush()
            progress.add(len(prediction))
        if isinstance(sink, PartialOutput):
            sink.keep(texts=progress.num_texts, tokens=progress.num_tokens, read=texts.digest)


def _predict(
    predictor: "Predictor", texts: "Iterator[Text]", *, waiting: deque[str], interactive: bool
) -> "Iterator[tuple[str, Prediction]]":
    """Each answer, with the `file:line` that it answers.

    Args:
        predictor: tags.
        texts: a block of texts; all are raw or all are tokens.
        waiting: the `file:line` of each that is read and not answered yet.
        interactive: whether each text waits for its answer.
    """
    from tagger.inference.inputs import LongSentenceError

    first = next(texts)
    block = chain([first], texts)
    predictions: Iterable[Prediction]
    if isinstance(first, str):
        lines = cast("Iterator[str]", block)
        predictions = map(predictor.predict_text, lines) if interactive else predictor.predict_text_stream(lines)
    else:
        sentences = cast("Iterator[tuple[str, ...]]", block)
        if interactive:
            predictions = (predictor.predict([tokens])[0] for tokens in sentences)
        else:
            predictions = predictor.predict_stream(sentences)
    try:
        for prediction in predictions:
            yield waiting.popleft(), prediction
    except LongSentenceError as error:  # what was read last
        raise DataError(f"{waiting[-1]}: {error}") from error


def _spell(prediction: "Prediction", write: "Callable[[Prediction], str]", *, where: str) -> bytes:
    try:
        return write(prediction).encode("utf-8")
    except DataError as error:
        raise DataError(f"{where}: {error}") from None

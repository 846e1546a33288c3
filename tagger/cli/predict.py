"""`tagger predict MODEL [INPUT]`: tags a file or standard input, in constant memory, writing as it goes."""

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from tagger.cli.common import add_hardware_options, describe_data, given, given_path, open_output, set_threads
from tagger.errors import ConfigError, DataError, MissingInputError

if TYPE_CHECKING:
    from tagger.config import DataConfig
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
text, offsets; other keys of the input are not passed through. Answers come in windows of some 2,000
sentences, but one by one if standard input is a terminal. A summary goes to standard error."""

Item = TypeVar("Item")

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
    parser.add_argument("--quiet", action="store_true", help="no summary on standard error")


def run(options: argparse.Namespace) -> None:
    """Runs the verb."""
    source = None if options.input == "-" else Path(options.input)
    source_format = options.source_format or _format_of(source)
    if options.tokens is not None and source_format in ("raw", "conllu"):
        raise ConfigError(f"--tokens: has no effect on {source_format} input; leave it out")
    # oneDNN keeps a compiled LSTM for each shape of batch, up to 1024 of them; a long stream would collect them all.
    # The setting is read when torch first computes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    set_threads(options.threads)
    from tagger.cli.progress import PredictionProgress
    from tagger.data.columns import format_conll
    from tagger.data.rows import format_jsonl
    from tagger.inference.device import pick_device
    from tagger.inference.hub_models import locate_model
    from tagger.inference.loading import predictor_of
    from tagger.inference.model_folder import load_model

    device = pick_device(options.device, key="--device")
    saved = load_model(locate_model(options.model))
    data = None
    if source_format != "raw":
        data = describe_data(saved.config.data, source_format=source_format, tokens=options.tokens)
    opened = source or _open_input(source_format, quiet=options.quiet)
    interactive = not isinstance(opened, Path) and opened.isatty()
    answers = _predict(predictor_of(saved, device=device), opened, data=data, interactive=interactive)
    write: Callable[[Prediction], str] = format_conll if options.target_format == "conll" else format_jsonl
    # No live line where the answers, or what a pager shows of them, may stand on the same terminal.
    progress = PredictionProgress(sys.stderr, live=options.output is not None and not options.quiet)
    with open_output(options.output) as stream, progress:
        for where, prediction in answers:
            stream.write(_spell(prediction, write, where=where))
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
    predictor: "Predictor", source: Path | BinaryIO, *, data: "DataConfig | None", interactive: bool
) -> "Iterator[tuple[str, Prediction]]":
    """Each answer, with the `file:line` that it answers.

    Args:
        predictor: tags.
        source: the input.
        data: how the input is to be read; None: as raw text.
        interactive: whether each line or sentence waits for its answer.
    """
    waiting: deque[str] = deque()  # where that comes from which is read and not answered yet: at most a window

    def note(items: Iterable[tuple[str, Item]]) -> Iterator[Item]:
        for where, item in items:
            waiting.append(where)
            yield item

    if data is None:
        texts = note(_read_texts(source))
        predictions = map(predictor.predict_text, texts) if interactive else predictor.predict_text_stream(texts)
    else:
        sentences = note(_read_tokens(source, data))
        if interactive:
            predictions = (predictor.predict([tokens])[0] for tokens in sentences)
        else:
            predictions = predictor.predict_stream(sentences)
    return _pair(waiting, predictions)


def _pair(waiting: deque[str], predictions: "Iterable[Prediction]") -> "Iterator[tuple[str, Prediction]]":
    from tagger.inference.inputs import LongSentenceError

    try:
        for prediction in predictions:
            yield waiting.popleft(), prediction
    except LongSentenceError as error:  # what was read last
        raise DataError(f"{waiting[-1]}: {error}") from error


def _read_texts(source: Path | BinaryIO) -> Iterator[tuple[str, str]]:
    from tagger.data.lines import read_lines, source_name

    with closing(read_lines(source)) as lines:
        for number, line in lines:
            yield f"{source_name(source)}:{number}", line


def _read_tokens(source: Path | BinaryIO, data: "DataConfig") -> Iterator[tuple[str, tuple[str, ...]]]:
    from tagger.data.corpus import read_sentences

    for sentence in read_sentences(source, data, tagged=False):
        yield str(sentence.source), sentence.tokens


def _spell(prediction: "Prediction", write: "Callable[[Prediction], str]", *, where: str) -> bytes:
    try:
        return write(prediction).encode("utf-8")
    except DataError as error:
        raise DataError(f"{where}: {error}") from None

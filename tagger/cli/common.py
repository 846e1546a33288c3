"""What several verbs share."""

import argparse
import errno
import gc
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tagger.errors import ConfigError, OutputError
from tagger.training.output import writing

if TYPE_CHECKING:
    from tagger.config import DataConfig

_SPINS = 10_000
_MAX_THREADS = 4096
_NARROWEST, _WIDTH = 60, 88  # columns of tables


def given(word: str) -> str:
    """A word of the command line, as it is; an empty one is refused."""
    if not word:
        raise argparse.ArgumentTypeError("expected a path, got nothing (a shell variable that is not set?)")
    return word


def given_path(word: str) -> Path:
    """A path of the command line; an empty one, which would mean the working folder, is refused."""
    return Path(given(word))


def add_hardware_options(parser: argparse.ArgumentParser) -> None:
    """Adds --device and --threads."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N; default: auto")
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads; default: torch's choice; on a machine that others use too, 1 is often fastest",
    )


def add_preset_option(parser: argparse.ArgumentParser) -> None:
    """Adds --preset."""
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="fast (half the width, larger batches, fewer epochs) or accurate (a language model in training): its "
        "settings replace the file's, and --section.key wins over both",
    )


def set_threads(count: int) -> None:
    """Sets torch's CPU threads; 0 leaves torch's choice."""
    if not 0 <= count <= _MAX_THREADS:
        raise ConfigError(f"--threads: expected a number in [0, {_MAX_THREADS}], got {count}")
    import_torch()
    if count:
        import torch

        torch.set_num_threads(count)


def import_torch() -> None:
    """Imports torch in less time than by itself, lets the process end sooner, and its threads wait for less long.

    A thread of GNU's OpenMP that waits for another spins some 300,000 times before it sleeps: for nothing, and at every
    operation, where other work holds the other's core (`docs/benchmarks.md`, Shared machines). Whoever has said in the
    environment how threads wait is left alone.

    What torch makes while it is imported lives as long as the process. Python would look through it for garbage several
    times during the import, in every full collection later, and when the process ends.
    """
    if "torch" in sys.modules or not gc.isenabled():
        return
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(_SPINS))  # read when torch is loaded
    gc.disable()
    try:
        import torch  # noqa: F401 what comes after finds it imported

        gc.freeze()
    finally:
        gc.enable()


def describe_data(trained: "DataConfig", *, source_format: str, tokens: str | None) -> "DataConfig":
    """How data are to be read: as the training data were if the format is theirs, else by the format's defaults.

    Args:
        trained: the data section that the model was trained by.
        source_format: conll, conllu or jsonl.
        tokens: what `--tokens` says, which wins; None: nothing.

    Raises:
        ConfigError: `--tokens` does not suit the format.
    """
    from tagger.config import DataConfig

    data = trained
    if source_format != trained.format:
        data = DataConfig(format=source_format, scheme=trained.scheme, unknown_tag=trained.unknown_tag)  # type: ignore[arg-type]
    if tokens is None:
        return data
    if data.format == "conllu":
        raise ConfigError("--tokens: has no effect on conllu data; leave it out")
    return replace(data, tokens=column_or_key(tokens, option="--tokens", data=data))


def column_or_key(where: str, *, option: str, data: "DataConfig") -> int | str:
    """What `--tokens` or `--tags` says: `3` -> column 3 where the format has columns, otherwise a key or a name.

    Args:
        where: the option's value.
        option: the option, for messages.
        data: how the data are to be read.

    Raises:
        ConfigError: a name where columns have none.
    """
    if data.format != "conll":
        return where
    try:
        return int(where)
    except ValueError:
        if data.header:
            return where
        raise ConfigError(f"{option}: expected a column number (from 1; -1 is the last), got {where!r}") from None


def terminal_width() -> int:
    """Columns to print tables within: those of a narrow terminal, else what reads well, in files too."""
    return max(_NARROWEST, min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns))


def print_text(text: str) -> None:
    """Prints text that ends its own lines, as UTF-8 whatever the locale, at once."""
    with standard_output() as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output, flushed at the end.

    Raises:
        OutputError: it is closed, or takes no more (a full disk).
        BrokenPipeError: what reads it has gone.
    """
    if sys.stdout is None:
        raise OutputError("standard output: is closed")
    try:
        with writing("standard output"):
            sys.stdout.flush()  # what was printed before comes first
            try:
                yield sys.stdout.buffer
            finally:
                sys.stdout.flush()  # what was written before an error is shown before it
    except (BrokenPipeError, OutputError):
        abandon_standard_output()
        raise


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears under its name when it is complete."""
    from tagger.files import replacing

    if path is None:
        with standard_output() as stream:
            yield stream
        return
    with writing(str(path)):
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:  # a pipe or a device: it must stay where it is
                yield stream
            return
        with replacing(path.resolve()) as stream:  # a link stays, and its file is replaced
            yield stream


def check_folder(folder: Path) -> None:
    """Raises an OutputError if a folder is not there and cannot be made, or cannot be written to."""
    with writing(str(folder)):
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.is_symlink() or path.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def abandon_standard_output() -> None:
    """Drops what standard output could not take; Python would try again when it ends, and complain."""
    with suppress(OSError, ValueError, AttributeError):  # no such stream, or one that is no file
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)

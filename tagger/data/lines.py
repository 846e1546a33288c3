"""What the readers of text files share: strict lines and checked tags, every error with its `path:line`.

Lines end at `\\n` alone. `str.splitlines` and text-mode files also break at U+2028, U+0085 or a lone CR, which shifts
every line number after it and cuts tokens that hold such a character.
"""

import gzip
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from tagger.errors import DataError, MissingInputError
from tagger.schemes import is_plain, split_tag
from tagger.sentence import MAX_TOKENS

Source = Path | BinaryIO

STDIN = "<stdin>"
BLANKS = " \t"

_GZIP_MAGIC = b"\x1f\x8b"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Far above any real line; a file without newlines (a disk image, a device) must not fill the memory.
_LINE_LIMIT = 1 << 26
_SHOWN = 60  # characters of a piece of text in a message
_LISTED = 40  # names in a message


def source_name(source: Source) -> str:
    """What errors call a source: its path; of an open stream the `source_name` it brings along, else `<stdin>`."""
    return str(source) if isinstance(source, Path) else str(getattr(source, "source_name", STDIN))


def read_lines(source: Source) -> Generator[tuple[int, str], None, None]:
    """Reads a source line by line, in constant memory.

    A byte-order mark at the start of the file and CRLF line ends are taken off; so is the newline. A source that
    is gzip-compressed is unpacked as it is read, a stream only if it can peek, as `sys.stdin.buffer` can.

    The file stays open until the last line or `close()`: whoever may stop before the end, by an error or by choice,
    wraps this in `contextlib.closing`. A kept exception would otherwise keep the file open.

    Args:
        source: a file, or an open binary stream, which is left open.

    Yields:
        Line number, counted from 1, and the line's text.

    Raises:
        MissingInputError: there is no such file, or it may not be read.
        DataError: a folder; not UTF-8; a NUL; a lone CR; damaged gzip; a line of more than 64 MiB.
    """
    name = source_name(source)
    with closing(read_raw_lines(source)) as lines:
        for number, raw in lines:
            yield number, decode_line(raw, f"{name}:{number}", number == 1)


def read_raw_lines(source: Source) -> Generator[tuple[int, bytes], None, None]:
    """Reads a source line by line as it is, but for gzip; for those who go on after a line that is no text.

    Args:
        source: as in `read_lines`.

    Yields:
        Line number, counted from 1, and the line's bytes, its end included.

    Raises:
        MissingInputError: there is no such file.
        DataError: a folder; damaged gzip; a line of more than 64 MiB.
    """
    name = source_name(source)
    with _open_source(source) as stream:
        number = 0
        while raw := _read_line(stream, name, number + 1):
            number += 1
            yield number, raw


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChecker:
    """Checks tags against a scheme, each distinct tag once.

    Attributes:
        scheme: name of the scheme.
        unknown: the tag that stands where nobody knows the tag, whatever it means in the scheme; None: there is none.
        known_only: whether `unknown` is refused.
    """

    scheme: str
    unknown: str | None = None
    known_only: bool = False
    _known: set[str] = field(default_factory=set, init=False)

    def check(self, tag: str, where: str) -> None:
        """Raises DataError at `where` if the tag is blank or none of the scheme's, or may not be unknown."""
        if tag in self._known:
            return
        if tag == self.unknown:
            if self.known_only:
                raise DataError(
                    f"{where}: the tag is unknown ({tag!r}), but gold must be known here: data.unknown_tag is for train"
                )
            self._known.add(tag)
            return
        if not tag.strip(BLANKS):
            raise DataError(f"{where}: empty tag")
        if not is_plain(self.scheme):
            try:
                split_tag(tag, self.scheme)
            except ValueError as error:
                raise DataError(f"{where}: {str(error).replace(repr(tag), quote(tag))}") from None
        self._known.add(tag)


def check_length(num_tokens: int, name: str, *, line: int, start: int | None = None) -> None:
    """Raises DataError at `name:line` if a sentence has too many tokens so far; `start` is the line it began on."""
    if num_tokens > MAX_TOKENS:
        found = f"{num_tokens:,}"
        if start is not None:
            found = f"more (it began on line {start}; is an empty line missing after each sentence?)"
        raise DataError(f"{name}:{line}: expected a sentence of at most {MAX_TOKENS:,} tokens, found {found}")


def show(text: str) -> str:
    """Text from a file as a message can hold it: what a terminal cannot show is escaped, what is long is cut."""
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if text.isprintable() else repr(text)[1:-1]


def quote(text: str) -> str:
    """`show` in quotes."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def list_names(names: Iterable[str]) -> str:
    """Names from a file for a message: `a, b, c`, the first of them if they are many."""
    shown = [show(name) for name in islice(names, _LISTED + 1)]
    return ", ".join(shown[:_LISTED]) + (", ..." if len(shown) > _LISTED else "") if shown else "none"


def surrogate(text: str) -> str | None:
    """Why no file can hold this text, as `it ...`; None if it can: UTF-8 spells no half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "holds half a surrogate pair, which no file can hold"
    return None


def open_file(path: Path) -> BinaryIO:
    """Opens a file to be read, for those who want to know how far its reader is.

    Raises:
        MissingInputError: there is no such file, or it may not be read.
        DataError: a folder.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file")
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror}") from None
    stream.source_name = str(path)  # type: ignore[attr-defined]
    return stream


@contextmanager
def _open_source(source: Source) -> Iterator[BinaryIO]:
    if not isinstance(source, Path):
        with _unpacked(source, source_name(source)) as unpacked:
            yield unpacked
        return
    with open_file(source) as stream, _unpacked(stream, str(source)) as unpacked:
        yield unpacked


@contextmanager
def _unpacked(stream: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The stream, or what it unpacks to if it is gzip; it is left open."""
    # Peeking, unlike seeking back, also works on pipes.
    peek = getattr(stream, "peek", None)
    try:
        is_packed = peek is not None and peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
    except OSError as error:
        raise MissingInputError(f"{name}:1: cannot be read: {error.strerror}") from None
    if is_packed:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield cast(BinaryIO, unpacked)
    else:
        yield stream


def _read_line(stream: BinaryIO, name: str, number: int) -> bytes:
    try:
        raw = stream.readline(_LINE_LIMIT + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}:{number}: damaged gzip file: {error}") from None
    except OSError as error:
        raise MissingInputError(f"{name}:{number}: cannot be read: {error.strerror}") from None
    if len(raw) > _LINE_LIMIT:
        raise DataError(f"{name}:{number}: a line of more than {_LINE_LIMIT >> 20} MiB; is this a text file?")
    return raw


def decode_line(raw: bytes, where: str, is_first: bool) -> str:
    """The text of a line without its end and, in the first line, without a byte-order mark.

    Raises:
        DataError: at `where`: not UTF-8; a NUL; a lone CR; the start of a file that is no text.
    """
    if is_first and raw.startswith(_UTF16_MARKS):
        raise DataError(f"{where}: looks like UTF-16, expected UTF-8; convert the file first")
    if raw.startswith(_GZIP_MAGIC) and is_first:
        raise DataError(f"{where}: gzip-compressed, expected text; unpack it first")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise DataError(f"{where}: not UTF-8 (byte 0x{byte:02x} at byte {error.start + 1} of the line)") from None
    if is_first:
        line = line.removeprefix("\ufeff")
    line = line.removesuffix("\r\n") if line.endswith("\r\n") else line.removesuffix("\n")
    if "\0" in line:
        raise DataError(f"{where}: holds a NUL character; is this a text file?")
    if "\r" in line:
        raise DataError(f"{where}: holds a carriage return that is not part of a line end (expected LF or CRLF)")
    return line

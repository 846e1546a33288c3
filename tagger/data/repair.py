"""Lines on their way from a file to a reader: kept for those who rewrite them, and repaired where that is asked for.

Repaired is what has one meaning only: line ends, byte-order marks, NULs, lines of blanks, blanks around cells. What
could be meant in two ways (a missing column, bytes that are not UTF-8, a carriage return within a line) stays an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tagger.data.lines import Source, read_raw_lines, source_name

_MARK = b"\xef\xbb\xbf"
_PADDED_TAB = re.compile(rb" *\t *")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that was changed or left out, and how often.

    Attributes:
        what: what was done, such as `CRLF line ends made LF`.
        count: how often.
        first: where first.
    """

    what: str
    count: int
    first: str


class Changes:
    """Counts changes by what they are."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, str]] = {}

    def add(self, what: str, where: str, *, count: int = 1) -> None:
        """Counts some changes."""
        known, first = self._counts.get(what, (0, where))
        self._counts[what] = known + count, first

    def listed(self) -> tuple[Change, ...]:
        """What was counted, in the order in which it was first met."""
        return tuple(Change(what=what, count=count, first=first) for what, (count, first) in self._counts.items())


class LineSource:
    """An open stream of lines, as the readers take one, that keeps what was read from it.

    Args:
        source: the file, or an open binary stream.
        repairs: counts repairs; None: lines pass as they are.
        has_cells: whether tabs separate cells in which blanks around the text mean nothing.

    Attributes:
        source_name: what errors call it.
    """

    def __init__(self, source: Source, *, repairs: Changes | None, has_cells: bool) -> None:
        self.source_name = source_name(source)
        self._repairs, self._has_cells = repairs, has_cells
        self._lines: Iterator[tuple[int, bytes]] = read_raw_lines(source)
        self._kept: list[tuple[int, bytes]] = []

    def readline(self, _limit: int = -1) -> bytes:
        """The next line, its end included; nothing at the end. Lines are short enough: their reader has seen to it."""
        number, raw = next(self._lines, (0, b""))
        if raw:
            if self._repairs is not None:
                raw = self._repair(number, raw, self._repairs)
            self._kept.append((number, raw))
        return raw

    def take(self) -> list[tuple[int, bytes]]:
        """Number and bytes of the lines that were read since the last call."""
        kept, self._kept = self._kept, []
        return kept

    def _repair(self, number: int, raw: bytes, repairs: Changes) -> bytes:
        where = f"{self.source_name}:{number}"
        if number == 1 and raw.startswith(_MARK):
            repairs.add("byte-order marks removed", where)
            raw = raw[len(_MARK) :]
        if b"\0" in raw:
            repairs.add("NUL characters removed", where, count=raw.count(b"\0"))
            raw = raw.replace(b"\0", b"")
        if raw.endswith(b"\r\n"):
            repairs.add("CRLF line ends made LF", where)
            raw = raw.rstrip(b"\r\n") + b"\n"
        end = b"\n" if raw.endswith(b"\n") else b""
        text = raw.removesuffix(b"\n")
        if text and not text.strip(b" \t"):
            repairs.add("lines of blanks made empty", where)
            return end or b"\n"  # never nothing, which would be the end of the file
        if self._has_cells and b"\t" in text and (b" \t" in text or b"\t " in text or text != text.strip(b" ")):
            text = _PADDED_TAB.sub(b"\t", text.strip(b" "))
            repairs.add("lines with blanks around cells trimmed", where)
        return text + end or b"\n"

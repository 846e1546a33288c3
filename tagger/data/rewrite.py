"""Files rewritten with other tags, all else as it was; and, where not all goes over, what is left out."""

import json
import re
from collections.abc import Iterable, Iterator

from tagger.config import DataConfig
from tagger.data.columns import DOCSTART, decide_delimiter, is_boundary, split_cells
from tagger.data.lines import BLANKS
from tagger.data.repair import Changes, LineSource
from tagger.schemes import OUTSIDE
from tagger.sentence import Sentence

_FIELDS = {"UPOS": 3, "XPOS": 4}
_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_MISC = 9
_MARK = "\ufeff"
_RUN = re.compile(r"([ \t]+)")
_WORD = re.compile(r"[0-9]+")
_JSON_BLANKS, _JSON_COLON, _JSON_COMMA = (re.compile(rf"[ \t]*{mark}[ \t]*") for mark in ("", ":", ","))


class Rewriter:
    """Writes the lines of a source again, with other tags.

    Args:
        data: how the source is read.
        lines: what the reader reads from.
    """

    def __init__(self, data: DataConfig, lines: LineSource) -> None:
        self._data, self._lines = data, lines
        self._layout: _Layout | None = None

    def rewrite(self, sentences: Iterable[tuple[Sentence, list[str]]]) -> Iterator[bytes]:
        """Yields the source's bytes, sentence by sentence, with the tags that come beside each sentence."""
        for sentence, tags in sentences:
            kept = self._lines.take()
            start = _line_of(sentence)
            if self._data.format == "conll" and self._layout is None:
                self._layout = _find_layout([raw.decode() for number, raw in kept if number <= start], self._data)
            if list(sentence.tags or ()) == tags:
                yield b"".join(raw for _, raw in kept)
            else:
                yield self._respell(kept, start, tags)
        yield b"".join(raw for _, raw in self._lines.take())

    def _respell(self, kept: list[tuple[int, bytes]], start: int, tags: list[str]) -> bytes:
        rest = iter(tags)
        lines = []
        for number, raw in kept:
            text = raw.decode()
            body = text.rstrip("\r\n")
            end = text[len(body) :]
            if number < start or not body.strip(BLANKS):
                lines.append(text)
            elif self._data.format == "jsonl":
                lines.append(_replace_value(body, str(self._data.tags or "tags"), tags) + end)
            elif self._data.format == "conllu":
                cells = body.split("\t")
                if _WORD.fullmatch(cells[0]):
                    _set_tag(cells, next(rest), str(self._data.tags or "UPOS"))
                lines.append("\t".join(cells) + end)
            else:
                tag = next(rest, None)  # none for a -DOCSTART- that ends the sentence
                lines.append(text if tag is None or self._layout is None else self._layout.replace(body, tag) + end)
        return "".join(lines).encode()


def _replace_value(line: str, key: str, value: list[str]) -> str:
    """A line that holds a JSON object, with another value under a key; all else stays as it is spelled.

    An object read and written again would lose digits of numbers, and half surrogate pairs could not be written.
    """
    decode = json.JSONDecoder().raw_decode
    at = line.index("{") + 1
    while True:
        at = _JSON_BLANKS.match(line, at).end()  # type: ignore[union-attr]
        name, at = decode(line, at)
        start = _JSON_COLON.match(line, at).end()  # type: ignore[union-attr]
        _, at = decode(line, start)
        if name == key:
            return line[:start] + json.dumps(value, ensure_ascii=False) + line[at:]
        at = _JSON_COMMA.match(line, at).end()  # type: ignore[union-attr]


class _Layout:
    """Where the tag of a row of columns is."""

    def __init__(self, *, is_tabbed: bool, column: int) -> None:
        self._is_tabbed, self._column = is_tabbed, column

    def replace(self, line: str, tag: str) -> str:
        """The line with another tag."""
        if self._is_tabbed:
            cells = line.split("\t")
            cells[self._column] = tag
            return "\t".join(cells)
        body = line.strip(BLANKS)
        before = line[: len(line) - len(line.lstrip(BLANKS))]
        after = line[len(before) + len(body) :]
        pieces = _RUN.split(body)  # cells and what is between them, by turns
        pieces[range(0, len(pieces), 2)[self._column]] = tag
        return before + "".join(pieces) + after


def _find_layout(lines: list[str], data: DataConfig) -> _Layout:
    """Where tags are, by the lines up to the first token's; the first row decides, as it does in reading."""
    rows = [line.removeprefix(_MARK).rstrip("\r\n") for line in lines]
    comments = data.comments
    first = next(
        row for row in rows if not is_boundary(row) and not (comments is not None and row.startswith(comments))
    )
    delimiter = decide_delimiter(data.delimiter, first)
    is_tabbed = delimiter == "tab"
    column = -1 if data.tags is None else data.tags
    if isinstance(column, str):
        return _Layout(is_tabbed=is_tabbed, column=split_cells(first, delimiter).index(column))
    return _Layout(is_tabbed=is_tabbed, column=column - 1 if column > 0 else column)


def _set_tag(cells: list[str], tag: str, place: str) -> None:
    """Puts a tag into a word's cells; in MISC, a word without the key is O."""
    if place in _FIELDS:
        cells[_FIELDS[place]] = tag
        return
    items = [] if cells[_MISC] == "_" else cells[_MISC].split("|")
    for index, item in enumerate(items):
        if item.startswith(f"{place}="):
            items[index] = f"{place}={tag}"
            break
    else:
        items += [] if tag == OUTSIDE else [f"{place}={tag}"]
    cells[_MISC] = "|".join(items) or "_"


def _line_of(sentence: Sentence) -> int:
    return int(str(sentence.source).rpartition(":")[2])


class LeftOut:
    """Counts what another format has no place for.

    Args:
        data: how the source is read.
        lines: what the reader reads from.
        lost: where to count.
    """

    def __init__(self, data: DataConfig, lines: LineSource, lost: Changes) -> None:
        self._data, self._lines, self._lost = data, lines, lost
        self._is_header = data.header
        self._delimiter: str = data.delimiter
        self._is_inside = False  # a sentence of columns, in which no line is a comment

    def count(self, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
        """Lets sentences pass, and looks at the lines that each came from."""
        for sentence in sentences:
            self._look()
            yield sentence
        self._look()

    def _look(self) -> None:
        find = {"conll": self._find_columns, "conllu": self._find_fields, "jsonl": self._find_keys}[self._data.format]
        for number, raw in self._lines.take():
            line = raw.decode().removeprefix(_MARK if number == 1 else "").rstrip("\r\n")
            if not line.strip(BLANKS):
                self._is_inside = False
                continue
            for what in find(line):
                self._lost.add(what, f"{self._lines.source_name}:{number}")

    def _find_columns(self, line: str) -> Iterable[str]:
        if is_boundary(line):
            self._is_inside = False
            return [f"{DOCSTART} lines"]
        if not self._is_inside and self._data.comments is not None and line.startswith(self._data.comments):
            return ["comments"]
        self._delimiter = decide_delimiter(self._delimiter, line)
        if self._is_header:
            self._is_header = False
            return ["header lines"]
        self._is_inside = True
        columns = len(split_cells(line, self._delimiter))
        return ["rows with further columns"] if columns > len(("token", "tag")) else []

    def _find_fields(self, line: str) -> Iterable[str]:
        if line.startswith("#"):
            return ["comments"]
        cells = line.split("\t")
        if not _WORD.fullmatch(cells[0]):
            return ["ranges and empty nodes"]
        place = str(self._data.tags or "UPOS")
        found = [
            f"words with {name}"
            for name, cell in zip(_COLUMNS[2:_MISC], cells[2:_MISC], strict=False)
            if cell != "_" and name != place
        ]
        others = [item for item in cells[_MISC].split("|") if item != "_" and not item.startswith(f"{place}=")]
        return [*found, "words with further keys of MISC"] if others else found

    def _find_keys(self, line: str) -> Iterable[str]:
        known = {str(self._data.tokens or "tokens"), str(self._data.tags or "tags")}
        return [f"rows with the key {key!r}" for key in json.loads(line) if key not in known]

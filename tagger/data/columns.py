"""CoNLL columns, read and written: one token a line, an empty line after each sentence.

CoNLL-2000, CoNLL-2003 and WNUT-17 come so; CoNLL-U, which is stricter, has a reader of its own in `conllu`.

Reading is strict: what does not fit its declaration is an error with `path:line`, never a guess.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from tagger.data.lines import BLANKS, Source, TagChecker, check_length, list_names, read_lines, source_name, surrogate
from tagger.errors import ConfigError, DataError
from tagger.sentence import Prediction, Sentence

DOCSTART = "-DOCSTART-"

_BLANK_RUN = re.compile(r"[ \t]+")


def read_conll(
    source: Source,
    *,
    tokens: int | str = 1,
    tags: int | str | None = -1,
    scheme: str = "plain",
    delimiter: str = "auto",
    header: bool = False,
    comments: str | None = None,
    unknown: str | None = None,
    known_only: bool = False,
) -> Iterator[Sentence]:
    """Reads sentences from columns, one at a time.

    A line of blanks ends a sentence; a line whose first column is `-DOCSTART-` does too and is no token. Every line
    must have as many columns as the first.

    Args:
        source: a file (plain or gzip), or an open binary stream, whose errors say `<stdin>:LINE`.
        tokens: the tokens' column: a number (from 1; -1 is the last) or a name in the header.
        tags: the tags' column, likewise; None: no tags are read.
        scheme: how tags spell spans; every tag must be one of the scheme's.
        delimiter: tab = one tab; space = any run of blanks and tabs; auto = tab if the first line that is read
            (header or token) holds one, else space.
        header: the first line that is not blank names the columns.
        comments: prefix of lines to skip between sentences. Within a sentence such a line is data.
        unknown: the tag that stands where nobody knows the tag; None: every tag is known.
        known_only: whether an unknown tag is an error.

    Yields:
        Sentences whose source is the `path:line` of their first token.

    Raises:
        ConfigError: a column number 0, an unknown delimiter, or a column name without a header.
        MissingInputError: there is no such file.
        DataError: a line that does not fit, with its `path:line`.
    """
    check_settings(tokens=tokens, tags=tags, delimiter=delimiter, header=header, comments=comments)
    checker = TagChecker(scheme=scheme, unknown=unknown, known_only=known_only)
    reader = ColumnReader(name=source_name(source), tokens=tokens, tags=tags, checker=checker, delimiter=delimiter)
    return _read_columns(source, reader=reader, header=header, comments=comments)


def check_settings(
    *, tokens: int | str, tags: int | str | None, delimiter: str, header: bool, comments: str | None
) -> None:
    """Raises a ConfigError where `read_conll` could read no file by these settings."""
    if delimiter not in ("auto", "tab", "space"):
        raise ConfigError(f"delimiter: expected auto, tab or space, found {delimiter!r}")
    for key, column in (("tokens", tokens), ("tags", tags)):
        if column == 0:
            raise ConfigError(f"{key}: columns are counted from 1, or from -1 at the right; found 0")
        if isinstance(column, str) and not header:
            raise ConfigError(f"{key}: the column name {column!r} needs a header (header: true), or give a number")
    if comments == "":
        raise ConfigError("comments: an empty prefix would skip every line")


def _read_columns(source: Source, *, reader: "ColumnReader", header: bool, comments: str | None) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    start = 0
    awaits_header = header
    with closing(read_lines(source)) as lines:
        for number, line in lines:
            if is_boundary(line):
                if words:
                    yield reader.sentence(words, tags, start)
                    words, tags = [], []
            elif not words and comments is not None and line.startswith(comments):
                continue
            elif awaits_header:
                reader.read_header(line, number)
                awaits_header = False
            else:
                word, tag = reader.read_row(line, number)
                start = start if words else number
                words.append(word)
                check_length(len(words), reader.name, line=number, start=start)
                if tag is not None:
                    tags.append(tag)
    if words:
        yield reader.sentence(words, tags, start)


def is_boundary(line: str) -> bool:
    """Whether a line ends a sentence: blank, or the start of a document."""
    is_docstart = line.startswith(DOCSTART) and line[len(DOCSTART) : len(DOCSTART) + 1] in ("", " ", "\t")
    return is_docstart or not line.strip(BLANKS)


def read_first_row(
    source: Source, *, delimiter: str = "auto", header: bool = False, comments: str | None = None
) -> tuple[int, list[str]] | None:
    """The number and the cells of the first line of a token, split as `read_conll` splits it; None where there is none.

    Args:
        source: as in `read_conll`.
        delimiter: as in `read_conll`.
        header: as in `read_conll`.
        comments: as in `read_conll`.

    Raises:
        MissingInputError: there is no such file.
        DataError: what is not text.
    """
    with closing(read_lines(source)) as lines:
        for number, line in lines:
            if is_boundary(line) or (comments is not None and line.startswith(comments)):
                continue
            delimiter = decide_delimiter(delimiter, line)
            if not header:
                return number, split_cells(line, delimiter)
            header = False
    return None


@dataclass(slots=True, kw_only=True)
class ColumnReader:
    """Splits rows; what the first row decides (delimiter, number of columns) is kept for the rest of the file."""

    name: str
    tokens: int | str
    tags: int | str | None
    checker: TagChecker
    delimiter: str
    num_columns: int = 0
    token_index: int = 0
    tag_index: int | None = None

    def sentence(self, words: list[str], tags: list[str], start: int) -> Sentence:
        """The sentence that begins on line `start`."""
        return Sentence(
            tokens=tuple(words), tags=None if self.tags is None else tuple(tags), source=f"{self.name}:{start}"
        )

    def read_header(self, line: str, number: int) -> None:
        """Finds the columns by their names."""
        self._fix_columns(names := self.split(line), number, names)

    def read_row(self, line: str, number: int) -> tuple[str, str | None]:
        """Token and tag of a line; DataError if it does not fit, after which other lines still can be read."""
        cells = self.split(line)
        if not self.num_columns:
            self._fix_columns(cells, number, None)
        if len(cells) != self.num_columns:
            hint = "one tab separates columns" if self.delimiter == "tab" else "blanks separate columns"
            if self.delimiter == "tab" and len(_BLANK_RUN.split(line.strip(BLANKS))) == self.num_columns:
                hint += "; for columns separated by blanks, set delimiter: space"
            elif self.delimiter == "space" and line.count("\t") + 1 == self.num_columns:
                hint += "; if tokens hold blanks, set delimiter: tab"
            raise DataError(f"{self.name}:{number}: expected {self.num_columns} columns, found {len(cells)} ({hint})")
        word = cells[self.token_index]
        if not word.strip(BLANKS):
            raise DataError(f"{self.name}:{number}: empty token in column {self.token_index + 1}")
        if self.tag_index is None:
            return word, None
        tag = cells[self.tag_index]
        self.checker.check(tag, f"{self.name}:{number}")
        return word, tag

    def split(self, line: str) -> list[str]:
        """The cells of a line."""
        self.delimiter = decide_delimiter(self.delimiter, line)
        return split_cells(line, self.delimiter)

    def _fix_columns(self, cells: list[str], number: int, names: list[str] | None) -> None:
        where = f"{self.name}:{number}"
        self.num_columns = len(cells)
        self.token_index = self._find_column(self.tokens, names, f"{where}: tokens")
        if self.tags is None:
            return
        self.tag_index = self._find_column(self.tags, names, f"{where}: tags")
        if self.tag_index == self.token_index:
            raise DataError(
                f"{where}: expected a column for tokens and another for tags, found {len(cells)} in all and both in "
                f"column {self.token_index + 1}"
            )

    def _find_column(self, column: int | str, names: list[str] | None, where: str) -> int:
        if isinstance(column, str):
            if names is None or names.count(column) != 1:
                found = "two columns named" if names and column in names else "no column"
                raise DataError(f"{where}: {found} {column!r}; the columns are {list_names(names or [])}")
            return names.index(column)
        if abs(column) > self.num_columns:
            separator = "tabs" if self.delimiter == "tab" else "blanks"
            raise DataError(
                f"{where} are in column {column}: expected {abs(column)} columns, found {self.num_columns} "
                f"(separated by {separator})"
            )
        return column - 1 if column > 0 else self.num_columns + column


def decide_delimiter(delimiter: str, line: str) -> str:
    """What separates columns, by the first line that is read."""
    if delimiter != "auto":
        return delimiter
    return "tab" if "\t" in line else "space"


def split_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a line; `delimiter` is tab or space."""
    return line.split("\t") if delimiter == "tab" else _BLANK_RUN.split(line.strip(BLANKS))


def format_conll(prediction: Prediction) -> str:
    r"""Writes a prediction as two tab-separated columns, `token\ttag`, with an empty line after each sentence.

    `read_conll` reads it back: what it could not read back is refused here.

    Args:
        prediction: one prediction; its `sentence_starts` say where sentences begin.

    Returns:
        The lines; a single empty line for a prediction without tokens.

    Raises:
        DataError: a token or tag that columns cannot hold: empty, blank, or with a tab or a line end in it.
    """
    starts = set(prediction.sentence_starts) - {0}
    lines: list[str] = []
    for position, (token, tag) in enumerate(zip(prediction.tokens, prediction.tags, strict=True)):
        problem = unwritable(token) or unwritable(tag)
        if problem or token == DOCSTART or token.startswith(f"{DOCSTART} "):
            problem = problem or f"is read as the start of a document ({DOCSTART})"
            raise DataError(
                f"token {position + 1} ({token!r}, tag {tag!r}) cannot be written in columns: it {problem}; "
                "use --to jsonl"
            )
        if position in starts:
            lines.append("\n")
        lines.append(f"{token}\t{tag}\n")
    lines.append("\n")
    return "".join(lines)


def unwritable(cell: str) -> str | None:
    """Why a cell cannot hold this text, as `it ...`; None if it can."""
    if not cell.strip(BLANKS):
        return "is blank" if cell else "is empty"
    if any(character in cell for character in "\t\n\r\0"):
        return "holds a tab, a line end or a NUL"
    return surrogate(cell)

"""Files read to their end whatever is wrong in them: for those who look for all mistakes and not the first.

Lines are judged by the readers' own code, so what a scan finds wrong a reader refuses, and the other way round; but a
line that does not fit is reported and left out, and reading goes on after it.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tagger.config import DataConfig
from tagger.data.columns import ColumnReader, check_settings, is_boundary
from tagger.data.conllu import TagReader, is_word, split_row
from tagger.data.lines import BLANKS, TagChecker, check_length, decode_line, read_raw_lines
from tagger.data.rows import parse_row, string_list
from tagger.data.scanned import BAD_LINE, BAD_TAG, BAD_TEXT, RAGGED, AnyTag, Draft, Report, Scanned, message_of
from tagger.errors import DataError

_NUM_COLUMNS = 10
_WORD_ID = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(slots=True)
class LineTally:
    """What readers take as it is, though it seldom is meant.

    Attributes:
        has_mark: whether the file starts with a byte-order mark.
        carriage_returns: lines that end in CRLF.
        first_carriage_return: the first of them.
        blank: lines that hold blanks or tabs and nothing else.
        first_blank: the first of them.
        total: all lines.
    """

    has_mark: bool = False
    carriage_returns: int = 0
    first_carriage_return: int = 0
    blank: int = 0
    first_blank: int = 0
    total: int = 0

    def add(self, number: int, raw: bytes) -> None:
        """Counts a line."""
        self.total = number
        if number == 1:
            self.has_mark = raw.startswith(b"\xef\xbb\xbf")
        if raw.endswith(b"\r\n"):
            self.carriage_returns += 1
            self.first_carriage_return = self.first_carriage_return or number
        if raw[:1] in (b" ", b"\t") and raw != b"\n" and not raw.strip(b" \t\r\n"):
            self.blank += 1
            self.first_blank = self.first_blank or number


def scan(path: Path, data: DataConfig, *, known_only: bool, report: Report, tally: LineTally) -> Iterator[Scanned]:
    """Reads one file to its end.

    Args:
        path: the file.
        data: how it is to be read; its paths are not looked at.
        known_only: whether `data.unknown_tag` is a problem.
        report: gets each problem as it is met.
        tally: counts the lines.

    Yields:
        Its sentences; those with a problem in them say so.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: settings that no file could be read by.
    """
    checker = TagChecker(scheme=data.scheme, unknown=data.unknown_tag, known_only=known_only)
    any_tag = AnyTag(scheme=data.scheme, unknown=data.unknown_tag)
    lines = _read_text(path, report, tally)
    if data.format == "conllu":
        tag_reader = TagReader(tags=str(data.tags or "UPOS"), checker=any_tag)
        return _scan_conllu(lines, tag_reader, Draft(checker=checker, report=report))
    if data.format == "jsonl":
        keys = str(data.tokens or "tokens"), str(data.tags or "tags")
        return _scan_rows(lines, keys, Draft(checker=checker, report=report))
    tokens, tags = 1 if data.tokens is None else data.tokens, -1 if data.tags is None else data.tags
    check_settings(tokens=tokens, tags=tags, delimiter=data.delimiter, header=data.header, comments=data.comments)
    reader = ColumnReader(name="", tokens=tokens, tags=tags, checker=any_tag, delimiter=data.delimiter)
    draft = Draft(checker=checker, report=report)
    return _scan_columns(lines, reader, draft, header=data.header, comments=data.comments)


def _read_text(path: Path, report: Report, tally: LineTally) -> Iterator[tuple[int, str | None]]:
    """Line number and text of each line; no text where it is none."""
    number = 0
    try:
        with closing(read_raw_lines(path)) as lines:
            for number, raw in lines:
                tally.add(number, raw)
                try:
                    line = decode_line(raw, "", number == 1)
                except DataError as error:
                    report(BAD_TEXT, number, message_of(error))
                    yield number, None
                else:
                    yield number, line
    except DataError as error:  # nothing after it can be read
        report(BAD_TEXT, number + 1 if number else None, message_of(error, str(path)))


def _scan_columns(
    lines: Iterator[tuple[int, str | None]], reader: ColumnReader, draft: Draft, *, header: bool, comments: str | None
) -> Iterator[Scanned]:
    for number, line in lines:
        if line is None:
            draft.open(number)
            draft.is_whole = False
        elif is_boundary(line):
            if draft.rows:
                yield draft.finish()
        elif not draft.rows and comments is not None and line.startswith(comments):
            continue
        elif header and not reader.num_columns:
            try:
                reader.read_header(line, number)
            except DataError as error:
                draft.fail(BAD_LINE, number, error)
                return  # where the tokens and tags of all further lines are is not known
        else:
            draft.open(number)
            try:
                word, tag = reader.read_row(line, number)
            except DataError as error:
                is_ragged = len(reader.split(line)) != reader.num_columns
                draft.fail(RAGGED if is_ragged else BAD_LINE, number, error)
                if reader.tag_index is None:
                    return
            else:
                draft.add(word, str(tag), number)
    if draft.rows:
        yield draft.finish()


def _scan_conllu(lines: Iterator[tuple[int, str | None]], reader: TagReader, draft: Draft) -> Iterator[Scanned]:
    expected = 1
    for number, line in lines:
        if line is not None and not line.strip(BLANKS):
            if draft.rows:
                yield _finish_words(draft)
                expected = 1
            continue
        if line is not None and not draft.rows and line.startswith("#"):
            continue
        draft.open(number)
        if line is None:
            draft.is_whole = False
            expected += 1  # most lines are words
            continue
        try:
            cells = split_row(line, "")
        except DataError as error:
            cells = line.split("\t")
            draft.fail(RAGGED if len(cells) != _NUM_COLUMNS else BAD_LINE, number, error)
            expected += _WORD_ID.fullmatch(cells[0]) is not None
            continue
        try:
            finds_word = is_word(cells[0], expected, "")
        except DataError as error:
            draft.fail(BAD_LINE, number, error)
            finds_word = _WORD_ID.fullmatch(cells[0]) is not None
            expected = int(cells[0]) if finds_word else expected
        if finds_word:
            expected += 1
            try:
                tag = reader.read(cells, "")
            except DataError as error:
                draft.fail(BAD_TAG, number, error)
            else:
                draft.add(cells[1], tag, number)
    if draft.rows:
        yield _finish_words(draft)
    try:
        reader.check_key("")
    except DataError as error:
        draft.fail(BAD_TAG, None, error)


def _finish_words(draft: Draft) -> Scanned:
    if draft.is_whole and not draft.words:
        draft.fail(BAD_LINE, draft.start, DataError(": a sentence without words"))
    return draft.finish()


def _scan_rows(lines: Iterator[tuple[int, str | None]], keys: tuple[str, str], draft: Draft) -> Iterator[Scanned]:
    for number, line in lines:
        if line is None or not line.strip(BLANKS):
            continue
        draft.open(number)
        try:
            row = parse_row(line, "")
            words, tags = (string_list(row, key, "", may_hold_surrogates="\\u" in line) for key in keys)
            check_length(len(words), "", line=number)
            if len(words) != len(tags):
                raise DataError(f": {len(words)} {keys[0]} but {len(tags)} {keys[1]}")
        except DataError as error:
            draft.fail(BAD_LINE, number, error)
            draft.clear()
            continue
        for word, tag in zip(words, tags, strict=True):
            draft.add(word, tag, number)
        yield draft.finish()

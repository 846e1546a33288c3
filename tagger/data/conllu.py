"""CoNLL-U, read: the format of Universal Dependencies, https://universaldependencies.org/format.html.

Reading is strict: what does not fit the format is an error with `path:line`, never a guess.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from tagger.data.lines import BLANKS, Source, TagChecker, check_length, list_names, quote, read_lines, source_name
from tagger.errors import DataError
from tagger.schemes import OUTSIDE, is_plain
from tagger.sentence import Sentence

_NUM_COLUMNS = 10
_FIELDS = {"UPOS": 3, "XPOS": 4}
_MISC = 9
_SKIPPED_ID = re.compile(r"[1-9][0-9]*-[1-9][0-9]*|[0-9]+\.[1-9][0-9]*")
_UNSPECIFIED = "_"


def read_conllu(
    source: Source,
    *,
    tags: str | None = "UPOS",
    scheme: str = "plain",
    unknown: str | None = None,
    known_only: bool = False,
) -> Iterator[Sentence]:
    """Reads sentences from CoNLL-U, one at a time; tokens are the words (FORM), which may hold blanks.

    Ranges (`3-4`) and empty nodes (`8.1`) are no words.

    A span scheme reads a word without the key of MISC as `O`, so a misspelt key would pass for a file without spans:
    after the last sentence, a key that no word has is an error. A file whose spans are spelled by leaving the key out,
    and which happens to hold none, cannot be told from that and is refused too; write `NER=O` there.

    Args:
        source: a file (plain or gzip), or an open binary stream, whose errors say `<stdin>:LINE`.
        tags: UPOS, XPOS, or a key of MISC (`NER` for `NER=B-PER|SpaceAfter=No`); None: no tags are read.
        scheme: how tags spell spans. In a span scheme a word without the key of MISC is `O`.
        unknown: the tag that stands where nobody knows the tag, such as `_`; None: every tag is known.
        known_only: whether an unknown tag is an error.

    Yields:
        Sentences whose source is the `path:line` of their first word.

    Raises:
        MissingInputError: there is no such file.
        DataError: a line that does not fit, with its `path:line`; a key of MISC that no word has.
    """
    checker = TagChecker(scheme=scheme, unknown=unknown, known_only=known_only)
    return _read_words(source, None if tags is None else TagReader(tags=tags, checker=checker))


def _read_words(source: Source, reader: "TagReader | None") -> Generator[Sentence, None, None]:
    name = source_name(source)
    words: list[str] = []
    found: list[str] = []
    start = 0
    rows = 0  # lines of the sentence so far, words or not

    def finish() -> Sentence:
        if not words:
            raise DataError(f"{name}:{start}: a sentence without words")
        return Sentence(tokens=tuple(words), tags=None if reader is None else tuple(found), source=f"{name}:{start}")

    with closing(read_lines(source)) as lines:
        for number, line in lines:
            where = f"{name}:{number}"
            if not line.strip(BLANKS):
                if rows:
                    yield finish()
                    words, found, rows = [], [], 0
                continue
            if not rows and line.startswith("#"):
                continue
            cells = split_row(line, where)
            start = start if words else number
            rows += 1
            if is_word(cells[0], len(words) + 1, where):
                words.append(cells[1])
                check_length(len(words), name, line=number, start=start)
                if reader is not None:
                    found.append(reader.read(cells, where))
    if rows:
        yield finish()
    if reader is not None:
        reader.check_key(name)


def split_row(line: str, where: str) -> list[str]:
    """The cells of a line; DataError if they are no row of CoNLL-U."""
    cells = line.split("\t")
    if len(cells) != _NUM_COLUMNS:
        hint = "CoNLL-U has one tab between columns"
        if line.startswith("#"):
            hint = "comments stand before the first word of a sentence; is an empty line missing?"
        raise DataError(f"{where}: expected {_NUM_COLUMNS} columns, found {len(cells)} ({hint})")
    if not cells[1].strip(BLANKS):
        raise DataError(f"{where}: empty token in FORM (column 2)")
    return cells


def is_word(identifier: str, expected: int, where: str) -> bool:
    """Whether an ID is that of the next word, and not a range or an empty node; DataError if it is none of them."""
    if identifier == str(expected):
        return True
    if _SKIPPED_ID.fullmatch(identifier):
        return False
    hint = "; is the empty line between two sentences missing?" if identifier == "1" else ""
    raise DataError(
        f"{where}: expected ID {expected}, a range such as 3-4 or an empty node such as 8.1, "
        f"found {quote(identifier)}{hint}"
    )


@dataclass(slots=True, kw_only=True)
class TagReader:
    """Finds each word's tag, and remembers whether the key of MISC was ever there."""

    tags: str
    checker: TagChecker
    has_key: bool = False
    lacks_key: bool = False
    other_keys: set[str] = field(default_factory=set)

    def read(self, cells: list[str], where: str) -> str:
        """The tag of a word; DataError if it has none, or a wrong one."""
        tag = self._field(cells, where) if self.tags in _FIELDS else self._misc(cells, where)
        self.checker.check(tag, where)
        return tag

    def check_key(self, name: str) -> None:
        """Raises DataError, once all words are read, if none of them had the key of MISC."""
        if self.lacks_key and not self.has_key:
            keys = list_names(sorted(self.other_keys))
            raise DataError(f"{name}: no word has {self.tags}=... in MISC (column 10); the keys are {keys}")

    def _field(self, cells: list[str], where: str) -> str:
        tag = cells[_FIELDS[self.tags]]
        if tag == _UNSPECIFIED and self.checker.unknown != _UNSPECIFIED:
            raise DataError(f"{where}: {self.tags} is not annotated ('_'), but tags are read from it")
        return tag

    def _misc(self, cells: list[str], where: str) -> str:
        items = [item.partition("=") for item in cells[_MISC].split("|")]
        for key, equals, value in items:
            if key == self.tags and equals:
                self.has_key = True
                return value
        if is_plain(self.checker.scheme):
            raise DataError(f"{where}: no {self.tags}=... in MISC (column 10), found {quote(cells[_MISC])}")
        self.lacks_key = True
        if not self.has_key:
            self.other_keys.update(key for key, equals, _ in items if equals)
        return OUTSIDE

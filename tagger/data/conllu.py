"""CoNLL-U, read: the format of Universal Dependencies, https://universaldependencies.org/format.html.

Reading is strict: what does not fit the format is an error with `path:line`, never a guess.
"""

import re
from collections.abc import Iterator
from contextlib import closing

from tagger.data.lines import BLANKS, Source, TagChecker, read_lines, source_name
from tagger.errors import DataError
from tagger.schemes import OUTSIDE, is_plain
from tagger.sentence import Sentence

_NUM_COLUMNS = 10
_FIELDS = {"UPOS": 3, "XPOS": 4}
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
        DataError: a line that does not fit, with its `path:line`.
    """
    name = source_name(source)
    checker = TagChecker(scheme=scheme, unknown=unknown, known_only=known_only)
    words: list[str] = []
    found: list[str] = []
    start = 0
    rows = 0  # lines of the sentence so far, words or not

    def finish() -> Sentence:
        if not words:
            raise DataError(f"{name}:{start}: a sentence without words")
        return Sentence(tokens=tuple(words), tags=None if tags is None else tuple(found), source=f"{name}:{start}")

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
            cells = _split(line, where)
            start = start if words else number
            rows += 1
            if _is_word(cells[0], len(words) + 1, where):
                words.append(cells[1])
                if tags is not None:
                    tag = _find_tag(cells, tags, is_plain(scheme), where)
                    if tags in _FIELDS and tag == _UNSPECIFIED and unknown != _UNSPECIFIED:
                        raise DataError(f"{where}: {tags} is not annotated ('_'), but tags are read from it")
                    checker.check(tag, where)
                    found.append(tag)
    if rows:
        yield finish()


def _split(line: str, where: str) -> list[str]:
    cells = line.split("\t")
    if len(cells) != _NUM_COLUMNS:
        hint = "CoNLL-U has one tab between columns"
        if line.startswith("#"):
            hint = "comments stand before the first word of a sentence; is an empty line missing?"
        raise DataError(f"{where}: expected {_NUM_COLUMNS} columns, found {len(cells)} ({hint})")
    if not cells[1].strip(BLANKS):
        raise DataError(f"{where}: empty token in FORM (column 2)")
    return cells


def _is_word(identifier: str, expected: int, where: str) -> bool:
    if identifier == str(expected):
        return True
    if _SKIPPED_ID.fullmatch(identifier):
        return False
    hint = "; is the empty line between two sentences missing?" if identifier == "1" else ""
    raise DataError(
        f"{where}: expected ID {expected}, a range such as 3-4 or an empty node such as 8.1, found {identifier!r}{hint}"
    )


def _find_tag(cells: list[str], tags: str, plain: bool, where: str) -> str:
    if tags in _FIELDS:
        return cells[_FIELDS[tags]]
    for item in cells[9].split("|"):
        key, equals, value = item.partition("=")
        if key == tags and equals:
            return value
    if plain:
        raise DataError(f"{where}: no {tags}=... in MISC (column 10), found {cells[9]!r}")
    return OUTSIDE

"""Pretrained word vectors from text files: GloVe, fastText `.vec`, word2vec text.

torchtext's own `Vectors(...)` is not used: it switches off TLS verification for the whole process, caches by base
name, and accepts NaN and cut numbers.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tagger.data.lines import quote, read_lines, show
from tagger.data.vector_cache import Block, Vectors, cached_blocks
from tagger.errors import DataError

_BLOCK_ROWS = 4096  # vectors that are Python numbers at a time
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_OF_NUMBERS = re.compile(r"[0-9+\-.eE ]*")
_NOT_FINITE = ("nan", "inf", "infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class WordVectors:
    """What was kept of a file of vectors.

    Attributes:
        words: V distinct words, in the file's order.
        vectors: (V, dim) float32.
        num_rows: vectors in the file.
        num_repeated: vectors of words that were kept already: repeated words and, in lower case, other spellings.
        num_wanted: words that were asked for; None: all that there are.
        source: the file.
    """

    words: list[str]
    vectors: Vectors
    num_rows: int
    num_repeated: int
    num_wanted: int | None
    source: Path


def read_vectors(
    path: Path, dim: int, *, lowercase: bool = False, wanted: Collection[str] | None = None
) -> WordVectors:
    """Reads a text file of word vectors, plain or gzip; of a file that is known already, what the cache has of it.

    Each line holds a word and `dim` numbers, separated by single spaces; the numbers are split off from the right, so
    that a word may hold spaces. A first line of two whole numbers (rows, width) is word2vec's header. Every line is
    checked, wanted or not. Memory is needed for the vectors that are kept alone.

    Args:
        path: the file, in UTF-8.
        dim: width of a vector.
        lowercase: put the words into lower case, as `Vocabulary` does with those it looks up. Of a cased file's `The`
            and `the` the first counts, which is the commoner one where the file is sorted by frequency.
        wanted: the words to keep, as they are looked up; None: all.

    Returns:
        The words and their vectors; the first vector of a repeated word counts, and the others are counted.

    Raises:
        MissingInputError: there is no such file.
        DataError: `path:line` of a vector of another width, of a number that is none or not finite, or of what is not
            text; a file without vectors, or with none that is wanted.
    """
    kept: dict[str, None] = {}
    vectors: list[Vectors] = []
    num_rows = num_repeated = 0
    for words, block in cached_blocks(path, dim, parse=partial(_parse_file, path, dim)):
        num_rows += len(words)
        rows = []
        for row, word in enumerate(words):
            word = word.lower() if lowercase else word
            if word in kept:
                num_repeated += 1
            elif wanted is None or word in wanted:
                kept[word] = None
                rows.append(row)
        vectors.append(block[rows])
    if not num_rows:
        raise DataError(f"{path}: holds no vectors")
    if not kept:
        raise DataError(
            f"{path}: of its {num_rows:,} words none occurs in the data; is features.words.lowercase right?"
        )
    return WordVectors(
        words=list(kept),
        vectors=np.concatenate(vectors),
        num_rows=num_rows,
        num_repeated=num_repeated,
        num_wanted=None if wanted is None else len(wanted),
        source=path,
    )


def _parse_file(path: Path, dim: int) -> Iterator[Block]:
    """The file's vectors in order, some thousands at a time."""
    words: list[str] = []
    rows: list[list[float]] = []
    numbers: list[int] = []  # the rows' lines
    with closing(read_lines(path)) as lines:
        for number, line in lines:
            text = line.rstrip(" ")
            if number == 1:
                _check_width(text, dim, where=f"{path}:{number}")
                if _is_header(text):
                    continue
            word, row = _parse_line(text, dim, where=f"{path}:{number}")
            words.append(word)
            rows.append(row)
            numbers.append(number)
            if len(rows) == _BLOCK_ROWS:
                yield words, _to_float32(rows, path, numbers)
                words, rows, numbers = [], [], []
    if rows:
        yield words, _to_float32(rows, path, numbers)


def _parse_line(text: str, dim: int, *, where: str) -> tuple[str, list[float]]:
    word, *fields = text.rsplit(" ", dim)
    if len(fields) != dim or not word:
        found = f"{len(fields)} numbers" if word else "no word"
        expected = f"a word and {dim} numbers (features.words.dim), separated by single spaces"
        raise DataError(f"{where}: expected {expected}, found {found}")
    # Python also takes 1_0 and Arabic digits for numbers: what is of other characters is looked at one by one.
    if not _OF_NUMBERS.fullmatch(text, len(word)):
        _check_numbers(fields, where=where)
    try:
        return word, list(map(float, fields))
    except ValueError:
        _check_numbers(fields, where=where)
        raise


def _to_float32(rows: list[list[float]], path: Path, numbers: list[int]) -> Vectors:
    """(V, dim)."""
    with np.errstate(over="ignore"):
        vectors = np.array(rows, dtype=np.float64).astype(np.float32)
    if not np.isfinite(vectors).all():
        row, at = np.argwhere(~np.isfinite(vectors))[0]
        raise DataError(f"{path}:{numbers[row]}: {rows[row][at]} is not a finite number of 32 bits")
    return vectors


def _is_header(text: str) -> bool:
    fields = text.split(" ")
    return len(fields) == 2 and all(field.isascii() and field.isdigit() for field in fields)


def _check_width(text: str, dim: int, *, where: str) -> None:
    """Refuses a first line of more numbers than `dim`: a word may hold spaces, so they would all pass for words."""
    fields = text.split(" ")
    width = next((at for at, field in enumerate(reversed(fields[1:])) if not _is_number(field)), len(fields) - 1)
    if _is_header(text):
        width = int(fields[1])
    if width > dim or (_is_header(text) and width != dim):
        raise DataError(f"{where}: its vectors have {width} numbers, but features.words.dim is {dim}")


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _check_numbers(fields: list[str], *, where: str) -> None:
    """Raises a DataError at the first field that is no finite number in decimals."""
    for field in fields:
        if field.lower().lstrip("+-") in _NOT_FINITE:
            raise DataError(f"{where}: {show(field)} is not a finite number of 32 bits")
        if not _is_number(field):
            raise DataError(f"{where}: {quote(field)} is not a number; is features.words.dim the width of this file?")

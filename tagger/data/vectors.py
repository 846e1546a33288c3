"""Pretrained word vectors from text files: GloVe, fastText `.vec`, word2vec text.

torchtext's own `Vectors(...)` is not used: it switches off TLS verification for the whole process, caches by base
name, and accepts NaN and cut numbers.
"""

from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tagger.data.lines import read_lines
from tagger.errors import DataError


def read_vectors(path: Path, dim: int, *, lowercase: bool = False) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Reads a text file of word vectors, plain or gzip.

    Each line holds a word and `dim` numbers, separated by single spaces; the numbers are split off from the right, so
    that a word may hold spaces. A first line of two whole numbers (rows, width) is word2vec's header.

    Args:
        path: the file, in UTF-8.
        dim: width of a vector.
        lowercase: put the words into lower case, as `Vocabulary` does with those it looks up. Of a cased file's `The`
            and `the` the first counts, which is the commoner one where the file is sorted by frequency.

    Returns:
        The V distinct words in the file's order (the first of a repeated word counts), and their vectors (V, dim).

    Raises:
        MissingInputError: there is no such file.
        DataError: `path:line` of a vector of another width, of a number that is none or not finite, or of what is not
            text; a file without vectors.
    """
    words: dict[str, int] = {}
    vectors: list[npt.NDArray[np.float32]] = []
    with closing(read_lines(path)) as lines:
        for number, line in lines:
            where = f"{path}:{number}"
            text = line.rstrip(" ")
            if number == 1:
                _check_width(text, dim, where=where)
                if _is_header(text):
                    continue
            fields = text.rsplit(" ", dim)
            if len(fields) != dim + 1 or not fields[0]:
                found = f"{len(fields) - 1} numbers" if fields[0] else "no word"
                expected = f"a word and {dim} numbers (features.words.dim), separated by single spaces"
                raise DataError(f"{where}: expected {expected}, found {found}")
            vector = _parse(fields[1:], where=where)
            word = fields[0].lower() if lowercase else fields[0]
            if word not in words:
                words[word] = number
                vectors.append(vector)
    if not words:
        raise DataError(f"{path}: holds no vectors")
    return list(words), np.stack(vectors)


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
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse(fields: list[str], *, where: str) -> npt.NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            vector = np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError as error:
        raise DataError(f"{where}: {error}; is features.words.dim the width of this file?") from error
    if not np.isfinite(vector).all():
        worst = next(field for field, number in zip(fields, vector, strict=True) if not np.isfinite(number))
        raise DataError(f"{where}: {worst} is not a finite number of 32 bits")
    return vector

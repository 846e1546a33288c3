"""Pretrained word vectors from text files: GloVe, fastText `.vec`, word2vec text.

torchtext's own `Vectors(...)` is not used: it switches off TLS verification for the whole process, caches by base
name, and accepts NaN and cut numbers.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError, MissingInputError


def read_vectors(path: Path, dim: int) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Reads a text file of word vectors.

    Each line holds a word and `dim` numbers, separated by single spaces; the numbers are split off from the right, so
    that a word may hold spaces. A first line of two whole numbers (rows, width) is word2vec's header.

    Args:
        path: the file, in UTF-8.
        dim: width of a vector.

    Returns:
        The V distinct words in the file's order (the first of a repeated word counts), and their vectors (V, dim).

    Raises:
        MissingInputError: there is no such file.
        DataError: `path:line` of a vector of another width, or of a number that is none or not finite.
    """
    words: dict[str, int] = {}
    vectors: list[npt.NDArray[np.float32]] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.rstrip("\r\n").rstrip(" ")
                fields = text.rsplit(" ", dim)
                if number == 1 and _is_header(text):
                    continue
                if len(fields) != dim + 1 or not fields[0]:
                    raise DataError(
                        f"{path}:{number}: expected a word and {dim} numbers, found {len(fields) - 1} numbers"
                    )
                if fields[0] in words:
                    continue
                words[fields[0]] = number
                vectors.append(_parse(fields[1:], where=f"{path}:{number}"))
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file of word vectors") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8: {error.reason} at byte {error.start} of a block") from error
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror}") from error
    if not words:
        raise DataError(f"{path}: holds no vectors")
    return list(words), np.stack(vectors)


def _is_header(text: str) -> bool:
    fields = text.split(" ")
    return len(fields) == 2 and all(field.isascii() and field.isdigit() for field in fields)


def _parse(fields: list[str], *, where: str) -> npt.NDArray[np.float32]:
    try:
        vector = np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError as error:
        raise DataError(f"{where}: {error}; is features.words.dim the width of this file?") from error
    if not np.isfinite(vector).all():
        raise DataError(f"{where}: a number that is not finite")
    return vector

"""Parsed word vectors, kept: a text file is parsed once, and never read from the cache after it has changed.

An entry is found by the SHA-256 of the file's content. It is an Arrow stream with its own SHA-256 behind it: one that
is cut short or damaged is made anew.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tagger.data.published import cache_folder
from tagger.files import hash_file, replacing

Vectors = npt.NDArray[np.float32]
Block = tuple[list[str], Vectors]  # some words and their vectors, (V, dim)

_VERSION = 1  # of the entries: another one finds none of these
_DIGEST_SIZE = hashlib.sha256().digest_size

_log = logging.getLogger(__name__)


def cached_blocks(path: Path, dim: int, *, parse: Callable[[], Iterable[Block]]) -> Iterator[Block]:
    """The vectors of a file, from the cache where it has them, which it has from then on.

    Args:
        path: the text file.
        dim: width of a vector.
        parse: reads the file.
    """
    digest = None
    with suppress(OSError):  # the reader says what is wrong
        digest = hash_file(path) if path.is_file() else None  # a pipe can be read only once
    if digest is None:
        yield from parse()
        return
    entry = cache_folder() / "vectors" / f"{digest}-{dim}-{_VERSION}.arrow"
    if not _is_sound(entry):
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with replacing(entry) as file:
                _write(file, parse(), dim)
                if hash_file(path) != digest:
                    raise InterruptedError(f"{path} changed while it was read")
        except OSError as error:
            # no cache is no reason to stop: the file itself is there
            _log.warning("%s: not cached: %s", path, error.strerror or error)
            yield from parse()
            return
    yield from _read(entry, dim)


def _is_sound(entry: Path) -> bool:
    """Whether an entry is there, whole and undamaged."""
    with suppress(OSError), entry.open("rb") as file:
        left = entry.stat().st_size - _DIGEST_SIZE
        digest = hashlib.sha256()
        while left > 0 and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
        return left == 0 and file.read() == digest.digest()
    return False


class _Hashing:
    """A file to write to that knows the hash of what was written."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, content: Any) -> int:
        self.digest.update(content)
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True


def _schema(dim: int) -> Any:
    import pyarrow as pa

    return pa.schema([("word", pa.binary()), ("vector", pa.list_(pa.float32(), dim))])


def _write(file: BinaryIO, blocks: Iterable[Block], dim: int) -> None:
    import pyarrow as pa

    target = _Hashing(file)
    schema = _schema(dim)
    with pa.ipc.new_stream(pa.PythonFile(target, mode="w"), schema) as writer:
        for words, vectors in blocks:
            names = pa.array([word.encode() for word in words], type=pa.binary())
            rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim)
            writer.write_batch(pa.record_batch([names, rows], schema=schema))
    file.write(target.digest.digest())


def _read(entry: Path, dim: int) -> Iterator[Block]:
    import pyarrow as pa

    with pa.memory_map(str(entry)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            vectors = batch.column("vector").flatten().to_numpy().reshape(-1, dim)
            yield [word.decode() for word in batch.column("word").to_pylist()], vectors

"""What `tagger predict` reads: texts one after the other, in blocks that an interrupted run can begin anew with."""

import hashlib
import json
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO

from tagger.errors import ConfigError

if TYPE_CHECKING:
    from tagger.config import DataConfig

Text = str | tuple[str, ...]

BLOCK_TEXTS = 2**14
BLOCK_TOKENS = 2**19
BLOCK_CHARACTERS = 2**21


class Input:
    """The texts of an input: raw lines, or sentences of tokens.

    They come in blocks, and each block is tagged by itself: sentences share batches, whose shape shows in the last bits
    of a confidence, so a run that goes on must find the batches that it would have made.

    Args:
        source: the open input.
        data: how it is read; None: as raw text.

    Attributes:
        waiting: the `file:line` of each text that is read and not answered yet; whoever answers takes it away.
    """

    def __init__(self, source: BinaryIO, data: "DataConfig | None") -> None:
        self._texts = _read_lines(source) if data is None else _read_tokens(source, data)
        self._max_size = BLOCK_CHARACTERS if data is None else BLOCK_TOKENS
        self._digest = hashlib.sha256()
        self.waiting: deque[str] = deque()

    @property
    def digest(self) -> str:
        """SHA-256 of all texts that are read so far, however the file spells them."""
        return self._digest.hexdigest()

    def skip(self, count: int, *, digest: str) -> None:
        """Reads past the first texts.

        Args:
            count: how many.
            digest: what `digest` must then be.

        Raises:
            ConfigError: they are others, or fewer.
        """
        found = sum(1 for _ in islice(self._read(), count))
        if found < count:
            raise ConfigError(f"--resume: {count:,} texts are answered, but the input holds {found:,}: it has changed")
        if self.digest != digest:
            raise ConfigError(
                f"--resume: the first {count:,} texts of the input are not those that are answered: it has changed"
            )

    def blocks(self) -> Iterator[Iterator[Text]]:
        """The texts; each block is to be read to its end before the next."""
        texts = self._read()
        for first in texts:
            yield self._block(first, texts)

    def _read(self) -> Iterator[tuple[str, Text]]:
        for where, text in self._texts:
            self._digest.update(json.dumps(text).encode())
            yield where, text

    def _block(self, first: tuple[str, Text], texts: Iterator[tuple[str, Text]]) -> Iterator[Text]:
        size = 0
        for where, text in islice(chain([first], texts), BLOCK_TEXTS):
            self.waiting.append(where)
            yield text
            size += len(text)
            if size >= self._max_size:
                break


def find_position(source: BinaryIO) -> Callable[[], float] | None:
    """What tells how much of an open input has been read, in [0, 1]; None where its size is not known."""
    try:
        status = os.fstat(source.fileno())
    except (OSError, ValueError):  # no file
        return None
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return None
    return lambda: min(1.0, source.tell() / status.st_size)


def _read_lines(source: BinaryIO) -> Iterator[tuple[str, Text]]:
    from tagger.data.lines import read_lines, source_name

    with closing(read_lines(source)) as lines:
        for number, line in lines:
            yield f"{source_name(source)}:{number}", line


def _read_tokens(source: BinaryIO, data: "DataConfig") -> Iterator[tuple[str, Text]]:
    from tagger.data.corpus import read_sentences

    for sentence in read_sentences(source, data, tagged=False):
        yield str(sentence.source), sentence.tokens

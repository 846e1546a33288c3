"""Sentences in columns: a corpus does not have to fit into memory as Python objects.

Tokens and tags are dictionary-encoded, as Arrow does it: each distinct string is held once, and each token is a number
of 32 bits. Sources and offsets are Arrow arrays. A `Sentence` is made when it is asked for.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from tagger.sentence import Sentence

BOUNDARY = -2  # in `tag_blocks`: stands before, between and after sentences
NO_TAG = -1

_CHUNK = 1 << 16  # sentences whose sources are Python strings at a time, while they are read
_BLOCK = 1 << 20  # tokens that are looked at together, however large the corpus

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One string a token, dictionary-encoded.

    Attributes:
        values: the V distinct strings, in the order in which they first occur.
        codes: (N,) int32, the index of each token's string; NO_TAG where there is none.
    """

    values: tuple[str, ...]
    codes: Codes

    def count(self) -> Counter[str]:
        """How often each string occurs."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.values)).tolist()
        return Counter({value: count for value, count in zip(self.values, counts, strict=True) if count})


class ArrowSentences(Sequence[Sentence]):
    """Any number of sentences, read once, in columns.

    Args:
        sentences: what to hold; an iterator is read as it comes, and no sentence is kept.

    Attributes:
        tokens: the N tokens of all S sentences, one after the other.
        tags: their tags.
        starts: (S + 1,) int64: sentence i holds the tokens from starts[i] to starts[i + 1].
    """

    tokens: Column
    tags: Column
    starts: npt.NDArray[np.int64]

    def __init__(self, sentences: Iterable[Sentence] = ()) -> None:
        import pyarrow as pa

        tokens, tags = _Encoder(), _Encoder()
        starts, tagged = array("q", [0]), bytearray()
        sources, offsets = _Chunks(pa.binary()), _Chunks(pa.list_(pa.list_(pa.int64(), 2)))
        for sentence in sentences:
            tokens.add(sentence.tokens)
            tagged.append(sentence.tags is not None)
            if sentence.tags is None:
                tags.codes.extend([NO_TAG] * len(sentence.tokens))
            else:
                tags.add(sentence.tags)
            starts.append(len(tokens.codes))
            # bytes, since a path may hold what is no text: half a surrogate pair
            sources.add(None if sentence.source is None else sentence.source.encode("utf-8", "surrogatepass"))
            offsets.add(sentence.offsets)
        self.tokens, self.tags = tokens.finish(), tags.finish()
        self.starts = np.frombuffer(starts, dtype=np.int64)
        self._tagged = bytes(tagged)
        self._sources, self._offsets = sources.finish(), offsets.finish()

    def __len__(self) -> int:
        return len(self._tagged)

    @overload
    def __getitem__(self, index: int) -> Sentence: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sentence]: ...
    def __getitem__(self, index: int | slice) -> Sentence | list[Sentence]:
        if isinstance(index, slice):
            return [self._make(at) for at in range(len(self))[index]]
        return self._make(range(len(self))[index])

    def __iter__(self) -> Iterator[Sentence]:
        return map(self._make, range(len(self)))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(S,) tokens of each sentence."""
        return np.diff(self.starts)

    def tag_blocks(self) -> Iterator[tuple[slice, Codes]]:
        """The codes of the tags, a stretch of whole sentences at a time, so that passes over them need little memory.

        Yields:
            The stretch's tokens; and their tags' codes with a BOUNDARY before the first sentence and after each, so
            that an empty sentence is two of them side by side.
        """
        first = 0
        while first < len(self):
            # at least one sentence, and no more than fit into a block
            last = int(np.searchsorted(self.starts, self.starts[first] + _BLOCK, side="right")) - 1
            last = max(last, first + 1)
            tokens = slice(int(self.starts[first]), int(self.starts[last]))
            edges = self.starts[first : last + 1] - tokens.start
            yield tokens, np.insert(self.tags.codes[tokens], edges, BOUNDARY)
            first = last

    def count_transitions(self) -> Counter[tuple[str | None, str | None]]:
        """How often each tag follows another in a sentence; None stands for a sentence's start and end.

        A sentence without tokens is one transition from start to end. Those from and to a token without a tag are
        left out.
        """
        base = len(self.tags.values) - BOUNDARY
        counts: Counter[tuple[int, int]] = Counter()
        for _, codes in self.tag_blocks():
            shifted = codes.astype(np.int64) - BOUNDARY
            pairs, times = np.unique(shifted[:-1] * base + shifted[1:], return_counts=True)
            for pair, count in zip(pairs.tolist(), times.tolist(), strict=True):
                before, after = divmod(pair, base)
                counts[before + BOUNDARY, after + BOUNDARY] += count
        names = dict(enumerate(self.tags.values)) | {BOUNDARY: None}
        return Counter({(names[i], names[j]): count for (i, j), count in counts.items() if NO_TAG not in (i, j)})

    def _make(self, at: int) -> Sentence:
        start, end = self.starts[at], self.starts[at + 1]
        source, offsets = self._sources[at].as_py(), self._offsets[at].as_py()
        return Sentence(
            tokens=_decode(self.tokens, start, end),
            tags=_decode(self.tags, start, end) if self._tagged[at] else None,
            source=None if source is None else source.decode("utf-8", "surrogatepass"),
            offsets=None if offsets is None else tuple(map(tuple, offsets)),
        )


def _decode(column: Column, start: int, end: int) -> tuple[str, ...]:
    return tuple(map(column.values.__getitem__, column.codes[start:end].tolist()))


class _Encoder:
    """A column as it grows."""

    def __init__(self) -> None:
        self.codes = array("i")
        self._known: dict[str, int] = {}

    def add(self, strings: tuple[str, ...]) -> None:
        known = self._known
        try:
            self.codes.extend([known[string] for string in strings])
        except KeyError:
            self.codes.extend([known.setdefault(string, len(known)) for string in strings])

    def finish(self) -> Column:
        return Column(values=tuple(self._known), codes=np.frombuffer(self.codes, dtype=np.int32))


class _Chunks:
    """An Arrow array as it grows: one value a sentence."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._chunks: list[Any] = []
        self._waiting: list[Any] = []

    def add(self, value: object) -> None:
        self._waiting.append(value)
        if len(self._waiting) == _CHUNK:
            self._flush()

    def finish(self) -> Any:
        import pyarrow as pa

        self._flush()
        return pa.chunked_array(self._chunks, type=self._kind)

    def _flush(self) -> None:
        import pyarrow as pa

        self._chunks.append(pa.array(self._waiting, type=self._kind))
        self._waiting.clear()

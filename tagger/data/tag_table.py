"""What the network's tags mean to their scheme, as tensors; and which of them a tag of the data can stand for.

The network's K tags are spelled in its own encoding (BIOES, say), those of the data in another scheme (BIO, say).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product

import numpy as np
import torch
from torch import Tensor

from tagger.data.batches import Flags
from tagger.schemes import (
    OUTSIDE,
    convert_tags,
    illegal_transitions,
    is_legal,
    is_plain,
    join_tag,
    split_tag,
    tags_of_types,
    tags_to_spans,
)

NO_LABEL = -1
_LABEL, _OTHER_LABEL = "X", "Y"  # any two will do: prefixes mean the same for all labels


@dataclass(frozen=True, slots=True, kw_only=True)
class TagTable:
    """What the K tags of a span scheme mean.

    Attributes:
        start: (K,) bool, tags that may begin a sentence.
        transitions: (K, K) bool, whether tag j may follow tag i, at [i, j].
        end: (K,) bool, tags that may end a sentence.
        opens: (K, K) bool, whether tag j, following tag i, is the first of a span.
        labels: (K,) int64, the number of each tag's span label; NO_LABEL for O.
        label_names: the span labels in the order of their numbers.
    """

    start: Tensor
    transitions: Tensor
    end: Tensor
    opens: Tensor
    labels: Tensor
    label_names: tuple[str, ...]

    @classmethod
    def build(cls, tags: Sequence[str], *, encoding: str, scheme: str) -> "TagTable | None":
        """The table of a network's tags.

        Args:
            tags: the K tags, in the order of their ids.
            encoding: the scheme they are spelled in.
            scheme: the scheme answers are given in; where it is IO, two spans of one label that touch are one.

        Returns:
            The table; None for plain tags.
        """
        if is_plain(scheme):
            return None
        labels = [split_tag(tag, encoding)[1] if tag != OUTSIDE else None for tag in tags]
        names = tuple(dict.fromkeys(label for label in labels if label is not None))
        pairs = [[_pair(*_alike(one, other), encoding=encoding, scheme=scheme) for other in tags] for one in tags]
        return cls(
            start=torch.tensor([is_legal(None, tag, encoding) for tag in tags]),
            transitions=torch.tensor([[legal for legal, _ in row] for row in pairs]),
            end=torch.tensor([is_legal(tag, None, encoding) for tag in tags]),
            opens=torch.tensor([[opens for _, opens in row] for row in pairs]),
            labels=torch.tensor([NO_LABEL if label is None else names.index(label) for label in labels]),
            label_names=names,
        )


class TagSpelling:
    """Which tags of the data the network's tags can stand for, each by itself.

    Args:
        tags: the network's K tags, in the order of their ids.
        encoding: the scheme they are spelled in.
        scheme: the data's scheme.

    Attributes:
        data_tags: for each network tag, the data tags it can stand for.
    """

    def __init__(self, tags: Sequence[str], *, encoding: str, scheme: str) -> None:
        self._tags, self._encoding, self._scheme = tuple(tags), encoding, scheme
        self.data_tags: list[frozenset[str]] = [
            frozenset({tag}) if is_plain(scheme) else _data_tags(tag, encoding, scheme) for tag in tags
        ]
        self._follows: dict[tuple[str, str], Flags] = {}

    @property
    def is_one_to_one(self) -> bool:
        """Whether each network tag stands for one data tag, whatever its neighbours are."""
        return all(len(tags) == 1 for tags in self.data_tags)

    def allowed(self, data_tags: Iterable[str]) -> list[bool]:
        """(K,): the network tags that can stand for one of `data_tags`.

        Raises:
            ValueError: a tag that no network tag can stand for.
        """
        wanted = set(data_tags)
        for tag in wanted:
            if not any(tag in known for known in self.data_tags):
                raise ValueError(f"the model has no tag {tag!r}")
        return [not wanted.isdisjoint(known) for known in self.data_tags]

    def of_sentence(self, data_tags: Sequence[str], *, unknown: str) -> list[list[bool]]:
        """(T, K): the network tags that agree with a sentence's gold tags, some of which are not known.

        Where all are known that is one tag a token: the same spans, respelled. Otherwise it is each token's tags in all
        legal sequences that spell what is known; where there are none, since gold is illegal in itself, all tags that
        can stand for the token's own.

        Args:
            data_tags: T tags in the data's scheme.
            unknown: the tag that means "not annotated": every tag agrees with it.

        Raises:
            ValueError: a tag that no network tag can stand for.
        """
        if unknown not in data_tags:
            respelled = convert_tags(data_tags, self._scheme, self._encoding)
            for tag, known in zip(data_tags, respelled, strict=True):
                if known not in self._tags:
                    raise ValueError(f"the model has no tag {tag!r}")
            return [[tag == known for tag in self._tags] for known in respelled]
        rows = [[True] * len(self._tags) if tag == unknown else self.allowed([tag]) for tag in data_tags]
        if is_plain(self._scheme):
            return rows
        kept = self._prune(np.array(rows), ["" if tag == unknown else tag[0] for tag in data_tags])
        return kept.tolist() if kept.any(axis=1).all() else rows

    def _prune(self, rows: Flags, prefixes: list[str]) -> Flags:
        """`rows` (T, K) less the tags that nothing can precede or follow; prefixes as in `_may_follow`, one a token."""
        kept = rows.copy()
        follows = [self._may_follow(before, after) for before, after in pairwise(prefixes)]
        kept[0] &= [is_legal(None, tag, self._encoding) for tag in self._tags]
        for position, pairs in enumerate(follows):
            kept[position + 1] &= kept[position] @ pairs
        kept[-1] &= [is_legal(tag, None, self._encoding) for tag in self._tags]
        for position, pairs in reversed(list(enumerate(follows))):
            kept[position] &= pairs @ kept[position + 1]
        return kept

    def _may_follow(self, before: str, after: str) -> Flags:
        """(K, K): whether tag j may follow tag i where the data's tags have these prefixes, "" for one not known."""
        if (before, after) not in self._follows:
            pairs = {
                pair
                for pair, data in _spellings(self._encoding, self._scheme, size=2)
                if before in ("", data[0][0]) and after in ("", data[1][0])
            }
            self._follows[before, after] = np.array([[_alike(i, j) in pairs for j in self._tags] for i in self._tags])
        return self._follows[before, after]


def _alike(first: str, second: str) -> tuple[str, str]:
    """Two tags of labels X and Y that are to any scheme what these two are: so few pairs that all can be looked at."""
    label = _LABEL if first[1:] == second[1:] else _OTHER_LABEL
    return _relabel(first, _LABEL), _relabel(second, label)


def _relabel(tag: str, label: str) -> str:
    return tag if tag == OUTSIDE else join_tag(tag[0], label)


@cache
def _pair(first: str, second: str, *, encoding: str, scheme: str) -> tuple[bool, bool]:
    """Whether one tag may follow another, and whether a span opens at it then."""
    spans = tags_to_spans(convert_tags([first, second], encoding, scheme), scheme)
    return is_legal(first, second, encoding), any(span.start == 1 for span in spans)


@cache
def _spellings(encoding: str, scheme: str, *, size: int) -> frozenset[tuple[tuple[str, ...], tuple[str, ...]]]:
    """All that `size` tags of the encoding, side by side, can stand for: beside them the scheme's tags of that place.

    Taken from all legal sentences with labels X and Y and a neighbour on either side, which shows every case there is:
    the first, an inner and the last token of a span, and spans that touch.
    """
    tags = tags_of_types((_LABEL, _OTHER_LABEL), encoding)
    found: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for length in range(size, size + 3):
        for sentence in product(tags, repeat=length):
            if not illegal_transitions(sentence, encoding):
                data = tuple(convert_tags(sentence, encoding, scheme))
                windows = [slice(start, start + size) for start in range(length - size + 1)]
                found.update((sentence[window], data[window]) for window in windows)
    return frozenset(found)


def _data_tags(tag: str, encoding: str, scheme: str) -> frozenset[str]:
    """The tags of the scheme that a tag of the encoding can stand for."""
    label = split_tag(tag, encoding)[1]
    alike = _relabel(tag, _LABEL)
    return frozenset(
        _relabel(other, label) for (one,), (other,) in _spellings(encoding, scheme, size=1) if one == alike
    )

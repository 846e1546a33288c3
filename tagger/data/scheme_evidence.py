"""Which scheme do tags follow? Counted over sentences: what each scheme allows, and what only one of them does."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tagger.config import SchemeName
from tagger.schemes import OUTSIDE, is_legal, split_tag

# The commoner first where two fit equally.
CANDIDATES: tuple[SchemeName, ...] = ("BIO", "IO", "IOB1", "BIOES", "BILOU")
_BITS: dict[str, int] = {name: 1 << number for number, name in enumerate(CANDIDATES)}
_ALL = (1 << len(CANDIDATES)) - 1
_SPAN_TAG = re.compile(r"[BIESLU]-.+", re.DOTALL)
# So much of what is not O must look like spans, and so much must fit a scheme, before slips are taken for slips.
_MOST = 0.7


class SchemeEvidence:
    """Counts sentences by the schemes that allow them.

    Args:
        unknown: the tag that stands where nobody knows the tag; it may stand beside any; None: there is none.
    """

    def __init__(self, *, unknown: str | None = None) -> None:
        self._unknown = unknown
        self._masks: dict[tuple[str | None, str | None], int] = {}
        self._sentences: Counter[int] = Counter()  # those with a span, by the set of schemes that allow them
        self._first: dict[int, str] = {}
        self.tags: Counter[str] = Counter()

    def add(self, tags: Sequence[str], where: str) -> None:
        """Counts a sentence.

        Args:
            tags: its tags.
            where: its place.
        """
        self.tags.update(tags)
        before: str | None = None
        mask, has_span = _ALL, False
        for tag in (*tags, None):
            if before != OUTSIDE or tag != OUTSIDE:
                mask &= self._mask(before, tag)
                has_span = has_span or (tag is not None and tag != OUTSIDE)
            before = tag
        if has_span:
            self._sentences[mask] += 1
            self._first.setdefault(mask, where)

    def allowed(self, scheme: str, *, not_by: str | None = None) -> int:
        """How many sentences with spans a scheme allows, and another, `not_by`, does not."""
        bit, other = _BITS[scheme], 0 if not_by is None else _BITS[not_by]
        return sum(count for mask, count in self._sentences.items() if mask & bit and not mask & other)

    def example(self, scheme: str, *, not_by: str) -> str:
        """The place of the first sentence of a kind that `allowed` has counted."""
        bit, other = _BITS[scheme], _BITS[not_by]
        return next(where for mask, where in self._first.items() if mask & bit and not mask & other)

    def is_legal(self, tags: Sequence[str], scheme: str) -> bool:
        """Whether a scheme allows a sentence's tags, as far as they are known."""
        bit, mask = _BITS[scheme], self._mask
        return all(mask(*pair) & bit for pair in pairwise((None, *tags, None)))

    def illegal(self, tags: Sequence[str], scheme: str) -> list[int]:
        """Positions t (0 <= t <= T) where tag t may not follow tag t-1, as far as both are known and the scheme's."""
        bit = _BITS[scheme]
        return [
            position
            for position, pair in enumerate(pairwise((None, *tags, None)))
            if not self._mask(*pair) & bit and all(tag is None or is_tag(tag, scheme) for tag in pair)
        ]

    @property
    def total(self) -> int:
        """How many sentences have a span."""
        return self._sentences.total()

    def guess(self) -> SchemeName:
        """The scheme that allows most sentences; plain where most tags spell no spans."""
        others = {tag: count for tag, count in self.tags.items() if tag not in (OUTSIDE, self._unknown)}
        total = sum(others.values())
        spelled = sum(count for tag, count in others.items() if _SPAN_TAG.fullmatch(tag))
        if not total or spelled < _MOST * total:
            return "plain"
        best = max(CANDIDATES, key=lambda name: (self.allowed(name), _count_fitting(others, name)))
        return best if _count_fitting(others, best) >= _MOST * total else "plain"

    def _mask(self, before: str | None, tag: str | None) -> int:
        pair = before, tag
        if pair not in self._masks:
            self._masks[pair] = sum(bit for name, bit in _BITS.items() if self._allows(pair, name))
        return self._masks[pair]

    def _allows(self, pair: tuple[str | None, str | None], scheme: str) -> bool:
        if not all(tag is None or tag == self._unknown or is_tag(tag, scheme) for tag in pair):
            return False
        if self._unknown is not None and self._unknown in pair:
            return True
        return is_legal(*pair, scheme)


def is_tag(tag: str, scheme: str) -> bool:
    """Whether a scheme has such a tag."""
    try:
        split_tag(tag, scheme)
    except ValueError:
        return False
    return True


def _count_fitting(tags: Mapping[str, int], scheme: str) -> int:
    return sum(count for tag, count in tags.items() if is_tag(tag, scheme))

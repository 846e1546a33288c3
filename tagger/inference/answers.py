"""From the network's tag ids to answers in the data's own scheme, and back for what is known beforehand."""

from collections.abc import Collection, Sequence
from functools import cache, partial
from itertools import pairwise

import numpy as np

from tagger.data.batches import Flags
from tagger.data.tag_table import TagSpelling, TagTable
from tagger.schemes import convert_tags, is_legal, is_plain, tags_of_types
from tagger.sentence import Prediction, Span

AllowedTags = Sequence[Collection[str] | None]  # for each token the tags it may get, or None for any

EMPTY = Prediction(tokens=(), tags=(), spans=(), confidence=())


class Speller:
    """Spells the network's tags as the data does.

    Args:
        tags: the network's K tags, in the order of their ids.
        encoding: the scheme they are spelled in.
        scheme: the data's scheme.

    Attributes:
        encoding: as given.
        labels: number of each span label; empty for plain tags.
        answers: every tag an answer can hold.
        stands_for: (K, A) 0 or 1, the one answer that each tag stands for; where that depends on the neighbours (IOB1),
            each tag stands for itself: A = K.
    """

    def __init__(self, tags: Sequence[str], *, encoding: str, scheme: str) -> None:
        self._tags, self._scheme, self.encoding = tuple(tags), scheme, encoding
        self._is_plain = is_plain(encoding) and is_plain(scheme)
        self._is_illegal = cache(partial(_is_illegal, tags=self._tags, encoding=encoding))
        self._spelling = TagSpelling(tags, encoding=encoding, scheme=scheme)
        table = TagTable.build(tags, encoding=encoding, scheme=scheme)
        self.labels = {} if table is None else {name: number for number, name in enumerate(table.label_names)}
        self.answers = self._tags if table is None else tuple(tags_of_types(table.label_names, scheme))
        names = [min(known) for known in self._spelling.data_tags] if self._spelling.is_one_to_one else self._tags
        columns = list(dict.fromkeys(names))
        self.stands_for = [[float(name == column) for column in columns] for name in names]

    def respell(self, ids: list[int], flags: Flags | None = None) -> list[str]:
        """Tag ids of a sentence -> tags of the data's scheme, the spans kept.

        Args:
            ids: T tag ids.
            flags: (T, K), the tags that each token may get; they are kept, even if the answer then is illegal.
        """
        tags = [self._tags[number] for number in ids]
        if not self._is_plain:
            tags = convert_tags(tags, self.encoding, self._scheme)
        if flags is None:
            return tags
        return [
            tag if may_be[self._spelling.allowed([tag])].any() else min(self._spelling.data_tags[number])
            for tag, number, may_be in zip(tags, ids, flags, strict=True)
        ]

    def count_illegal(self, ids: Sequence[int]) -> int:
        """How many transitions between these tag ids the encoding forbids, those at the sentence's ends included."""
        if self._is_plain:
            return 0
        return sum(self._is_illegal(before, after) for before, after in pairwise((None, *ids, None)))

    def flags(self, tokens: tuple[str, ...], allowed: AllowedTags | None) -> Flags:
        """(T, K): the network's tags that each token may get."""
        if not self._spelling.is_one_to_one:
            raise ValueError(f"tags cannot be fixed one by one: in {self._scheme} they depend on their neighbours")
        limits: AllowedTags = [None] * len(tokens) if allowed is None else allowed
        if len(limits) != len(tokens):
            raise ValueError(f"{len(tokens)} tokens but allowed tags for {len(limits)}")
        rows = []
        for token, tags in zip(tokens, limits, strict=True):
            if isinstance(tags, str):
                raise TypeError(f"allowed tags are a collection of tags, got the string {tags!r}")
            row = [True] * len(self._tags) if tags is None else self._spelling.allowed(tags)
            if not any(row):
                raise ValueError(f"token {token!r} is left without a tag it may get")
            rows.append(row)
        return np.array(rows, dtype=np.bool_).reshape(len(tokens), len(self._tags))


def _is_illegal(before: int | None, after: int | None, *, tags: Sequence[str], encoding: str) -> bool:
    """Whether a tag id may not follow another; None stands for the sentence's start and end."""
    one, other = (None if number is None else tags[number] for number in (before, after))
    return not is_legal(one, other, encoding)


def join(parts: list[Prediction], offsets: tuple[tuple[int, int], ...]) -> Prediction:
    """One Prediction for a text out of those of its sentences."""
    tokens: list[str] = []
    tags: list[str] = []
    spans: list[Span] = []
    confidence: list[float] = []
    starts: list[int] = []
    for part in parts:
        shift = len(tokens)
        if part.tokens:
            starts.append(shift)
        spans += [
            Span(start=span.start + shift, end=span.end + shift, label=span.label, confidence=span.confidence)
            for span in part.spans
        ]
        tokens += part.tokens
        tags += part.tags
        confidence += part.confidence
    return Prediction(
        tokens=tuple(tokens),
        tags=tuple(tags),
        spans=tuple(spans),
        confidence=tuple(confidence),
        offsets=offsets,
        sentence_starts=tuple(starts),
        num_illegal=sum(part.num_illegal for part in parts),
    )

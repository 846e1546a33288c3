"""Sentences laid end to end in arrays, so that 100,000 of them are scored in seconds: N sentences, M tokens in all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.schemes import OUTSIDE, get_scheme, split_tag

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# conlleval's rule: BILOU says L for E and U for S
_STARTS, _ENDS = frozenset("BSU"), frozenset("ESLU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where sentences and words stand.

    Attributes:
        offsets: (N + 1,) where each sentence starts; the last is M.
        sentences: (M,) the sentence of each token.
        forms: (M,) the form of each token, an index into `words`.
        words: the distinct forms, in order of appearance.
    """

    offsets: Ids
    sentences: Ids
    forms: Ids
    words: tuple[str, ...]

    @property
    def num_sentences(self) -> int:
        """N."""
        return len(self.offsets) - 1

    @property
    def positions(self) -> Ids:
        """(M,) the index of each token in its sentence."""
        return np.arange(len(self.sentences)) - self.offsets[self.sentences]

    @property
    def lengths(self) -> Ids:
        """(N,) tokens of each sentence."""
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """S spans, in order.

    Attributes:
        starts: (S,) the first token, counted over all sentences.
        ends: (S,) the token after the last.
        labels: (S,) the type, an index into the labels that they were read with.
        strict: (S,) whether it is spelled exactly as the scheme spells it.
    """

    starts: Ids
    ends: Ids
    labels: Ids
    strict: Flags


def lay_out(tokens: Sequence[Sequence[str]]) -> Layout:
    """Lays out the tokens of N sentences."""
    lengths = np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens))
    known: dict[str, int] = {}
    forms = [known.setdefault(token, len(known)) for sentence in tokens for token in sentence]
    return Layout(
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
        sentences=np.repeat(np.arange(len(tokens)), lengths),
        forms=np.array(forms, dtype=np.int64),
        words=tuple(known),
    )


def lay_out_tags(tags: Sequence[Sequence[str]], known: dict[str, int]) -> Ids:
    """(M,) ids of the tags of N sentences; tags that are new get the next ids of `known`."""
    return np.array([known.setdefault(tag, len(known)) for sentence in tags for tag in sentence], dtype=np.int64)


def read_spans(
    ids: Ids, layout: Layout, *, tags: Sequence[str], scheme: str, labels: Sequence[str], lenient: bool = True
) -> Spans:
    """Reads the spans of all sentences by conlleval's rule: what `tags_to_spans` does for one.

    Args:
        ids: (M,) tag ids.
        layout: where the sentences stand.
        tags: the tag of each id.
        scheme: how they spell spans.
        labels: the types.
        lenient: False leaves out what is not spelled exactly as the scheme spells it.
    """
    parts = [split_tag(tag, scheme) for tag in tags]
    label_ids = {label: number for number, label in enumerate(labels)}
    if not len(ids):
        nothing = np.zeros(0, dtype=np.int64)
        return Spans(starts=nothing, ends=nothing, labels=nothing, strict=nothing.astype(bool))
    label = np.array([-1 if letter == OUTSIDE else label_ids[name] for letter, name in parts])[ids]  # (M,)
    begins = np.array([letter in _STARTS for letter, _ in parts])[ids]
    closes = np.array([letter in _ENDS for letter, _ in parts])[ids]
    inside = label >= 0
    first = np.zeros(len(ids), dtype=bool)  # of its sentence
    first[layout.offsets[:-1][layout.lengths > 0]] = True
    fresh = np.ones(len(ids), dtype=bool)  # nothing before it that it could go on with
    fresh[1:] = ~inside[:-1] | closes[:-1] | (label[1:] != label[:-1])
    is_start = inside & (begins | first | fresh)
    edges = np.append(np.flatnonzero(is_start | ~inside | first), len(ids))
    starts = np.flatnonzero(is_start)
    ends = edges[np.searchsorted(edges, starts, side="right")]
    spans = Spans(starts=starts, ends=ends, labels=label[starts], strict=np.ones(len(starts), dtype=bool))
    letters = np.array([letter for letter, _ in parts])[ids]
    strict = _is_strict(spans, letters, first, scheme)
    if lenient:
        return Spans(starts=starts, ends=ends, labels=spans.labels, strict=strict)
    return Spans(starts=starts[strict], ends=ends[strict], labels=spans.labels[strict], strict=strict[strict])


def _is_strict(spans: Spans, letters: npt.NDArray[np.str_], first: Flags, scheme: str) -> Flags:
    """(S,) whether every letter of a span is the one that the scheme spells it with."""
    table = get_scheme(scheme)
    if not len(spans.starts):
        return spans.strict
    touches = np.zeros(len(spans.starts), dtype=bool)  # a span of its own type without a gap
    touches[1:] = (spans.starts[1:] == spans.ends[:-1]) & (spans.labels[1:] == spans.labels[:-1])
    touches &= ~first[spans.starts]
    single = spans.ends - spans.starts == 1
    expected = np.full(len(letters), "I")
    expected[spans.ends - 1] = table.end
    expected[spans.starts] = np.where(single, table.single, table.begin)
    if table.adjacent != table.begin:
        expected[spans.starts[touches]] = table.adjacent
    wrong = np.append(np.cumsum(letters != expected), 0)  # the 0 at the end is what index -1 finds
    same: Flags = wrong[spans.ends - 1] == wrong[spans.starts - 1]
    return same


def extreme_over(values: Ids, spans: Spans, *, largest: bool) -> Ids:
    """(S,) the largest or smallest number of each span's tokens."""
    if not len(spans.starts):
        return spans.starts
    edges = np.stack([spans.starts, spans.ends], axis=1).ravel()
    padded = np.append(values, values[-1:])  # an end may lie behind the last token
    found: Ids = (np.maximum if largest else np.minimum).reduceat(padded, edges)[::2]
    return found

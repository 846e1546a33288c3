"""What tokens and spans are sorted by, to see where a system fails: words, sentences, places.

Each property has a few buckets in natural order, a number for each token, and a rule that makes it one of a span.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tagger.evaluation.layout import Ids, Layout, Spans, extreme_over

NO_COUNTS = "not known how often train holds each word: no word counts were saved with the model"
NO_WORDS = "not known which words train holds"

_FREQUENCIES = (0, 1, 2, 6, 21, 101)  # the lowest of each bucket, likewise below
_AMBIGUITIES = (1, 2, 3, 4)
_SENTENCE_LENGTHS = (1, 6, 11, 21, 41)
_SPAN_LENGTHS = (1, 2, 3, 4, 6)
_POSITIONS = (1, 2, 6, 11, 21, 41)
_CASES = ("lower case", "First letter upper case", "ALL UPPER CASE", "other mixtures", "no letters")

# word -> (how often train holds it, how many different tags or span types train gives it)
TrainingWords = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of tokens and spans.

    Attributes:
        name: what it is called.
        of_token: how a token is sorted.
        of_span: how a span is sorted; what its `of_spans` does.
        buckets: their names, in natural order.
        of_tokens: (M,) the bucket of each token.
        of_spans: spans -> (S,) the bucket of each.
    """

    name: str
    of_token: str
    of_span: str
    buckets: tuple[str, ...]
    of_tokens: Ids
    of_spans: Callable[[Spans], Ids]


def find_properties(
    layout: Layout, *, known_words: Collection[str] | None, words: TrainingWords | None, spans: bool
) -> Iterator[Property | tuple[str, str]]:
    """The properties in display order; (name, why it is missing) for one that cannot be told.

    Args:
        layout: the sentences.
        known_words: the words of the training data, spelled as the tokens are; None if unknown.
        words: what train holds of each word that the sentences hold; None if unknown.
        spans: whether spans are scored, which have a length.
    """
    if known_words is None:
        yield "known words", NO_WORDS
    else:
        unknown = _of_forms(layout, [int(word not in known_words) for word in layout.words])
        yield Property(
            name="known words",
            of_token="whether train holds the word",
            of_span="whether train holds all its words",
            buckets=("known", "unknown"),
            of_tokens=unknown,
            of_spans=lambda spans: extreme_over(unknown, spans, largest=True),
        )
    yield from _training_properties(layout, words)
    yield _sentence_length(layout)
    if spans:
        yield _span_length(layout)
    yield _position(layout)
    yield from _spelling_properties(layout)


def _training_properties(layout: Layout, words: TrainingWords | None) -> Iterator[Property | tuple[str, str]]:
    names = ("training frequency", "tag ambiguity in train")
    if words is None:
        yield from ((name, NO_COUNTS) for name in names)
        return
    found = [words.get(word, (0, 0)) for word in layout.words]
    frequency = _of_forms(layout, [_rank(count, _FREQUENCIES) for count, _ in found])
    yield Property(
        name=names[0],
        of_token="how often train holds the word",
        of_span="how often train holds its rarest word",
        buckets=_name_ranges(_FREQUENCIES),
        of_tokens=frequency,
        of_spans=lambda spans: extreme_over(frequency, spans, largest=False),
    )
    unknown = len(_AMBIGUITIES)
    ambiguity = _of_forms(layout, [_rank(tags, _AMBIGUITIES) if tags else unknown for _, tags in found])
    yield Property(
        name=names[1],
        of_token="how many different tags train gives the word",
        of_span="how many different types, O among them, train gives its most ambiguous word",
        buckets=(*_name_ranges(_AMBIGUITIES), "not in train"),
        of_tokens=ambiguity,
        of_spans=lambda spans: extreme_over(ambiguity, spans, largest=True),
    )


def _sentence_length(layout: Layout) -> Property:
    lengths = _ranks(layout.lengths, _SENTENCE_LENGTHS)[layout.sentences]
    return Property(
        name="sentence length",
        of_token="how many tokens its sentence has",
        of_span="how many tokens its sentence has",
        buckets=_name_ranges(_SENTENCE_LENGTHS),
        of_tokens=lengths,
        of_spans=lambda spans: lengths[spans.starts],
    )


def _span_length(layout: Layout) -> Property:
    return Property(
        name="span length",
        of_token="",
        of_span="how many tokens it has",
        buckets=_name_ranges(_SPAN_LENGTHS),
        of_tokens=np.zeros_like(layout.forms),
        of_spans=lambda spans: _ranks(spans.ends - spans.starts, _SPAN_LENGTHS),
    )


def _position(layout: Layout) -> Property:
    positions = _ranks(layout.positions + 1, _POSITIONS)
    return Property(
        name="position",
        of_token="its place in the sentence, from 1",
        of_span="the place of its first token in the sentence, from 1",
        buckets=_name_ranges(_POSITIONS),
        of_tokens=positions,
        of_spans=lambda spans: positions[spans.starts],
    )


def _spelling_properties(layout: Layout) -> Iterator[Property]:
    cases = _of_forms(layout, [_case_of(word) for word in layout.words])
    yield Property(
        name="capitalisation",
        of_token="how the word is written",
        of_span="how its first word is written",
        buckets=_CASES,
        of_tokens=cases,
        of_spans=lambda spans: cases[spans.starts],
    )
    digits = _of_forms(layout, [int(any(map(str.isdigit, word))) for word in layout.words])
    yield Property(
        name="digits",
        of_token="whether the word has a digit",
        of_span="whether one of its words has a digit",
        buckets=("no digit", "digits"),
        of_tokens=digits,
        of_spans=lambda spans: extreme_over(digits, spans, largest=True),
    )


def _case_of(word: str) -> int:
    letters = [character for character in word if character.isalpha()]
    if not letters:
        return 4
    upper = [character.isupper() for character in letters]
    if not any(upper):
        return 0
    if len(upper) > 1 and all(upper):
        return 2
    return 1 if word[0].isupper() and not any(upper[1:]) else 3


def _of_forms(layout: Layout, values: Sequence[int]) -> Ids:
    return np.array(values, dtype=np.int64)[layout.forms]


def _rank(value: int, lowest: Sequence[int]) -> int:
    return sum(value >= each for each in lowest) - 1


def _ranks(values: Ids, lowest: Sequence[int]) -> Ids:
    return np.searchsorted(np.array(lowest), values, side="right") - 1


def _name_ranges(lowest: Sequence[int]) -> tuple[str, ...]:
    pairs = pairwise(lowest)
    ranges = [str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in pairs]
    return (*ranges, f"{lowest[-1]}+")

"""What is in a corpus: sizes, lengths, labels, and how much of dev and test train has never seen.

One pass over each split; memory grows with the number of distinct words, not with the text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from tagger.config import DataConfig
from tagger.data.splits import describe_source, named_splits, read_split
from tagger.schemes import OUTSIDE, is_plain, tags_to_spans
from tagger.sentence import Sentence

TRAIN = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many of so many.

    Attributes:
        count: how many.
        total: of how many.
    """

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """In [0, 1]; None of nothing."""
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long sentences are, in tokens; quantiles are lengths that occur (nearest rank).

    Attributes:
        mean: tokens divided by sentences.
        min: the shortest.
        q25: a quarter of the sentences are at most so long.
        median: half of them are.
        q75: three quarters are.
        q95: 95 of 100 are.
        max: the longest.
    """

    mean: float
    min: int
    q25: int
    median: int
    q75: int
    q95: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStats:
    """What is in a split.

    Attributes:
        source: its file, or `dataset/split`.
        sentences: how many, the empty ones included.
        empty_sentences: how many have no tokens.
        tokens: how many in all.
        forms: distinct tokens as spelled.
        words: distinct tokens as a model looks them up: in lower case, unless it keeps the case.
        lengths: of the sentences that are not empty; None if there are none.
        labels: spans by label; in plain, tokens by tag; the commonest first.
        inside: tokens within spans; None in plain.
        unknown_tags: tokens whose tag nobody knows.
        unknown_words: tokens whose word is not in train; None for train, and without one.
        unknown_forms: tokens that are not in train as spelled; likewise.
    """

    source: str
    sentences: int
    empty_sentences: int
    tokens: int
    forms: int
    words: int
    lengths: Lengths | None
    labels: Mapping[str, int]
    inside: Rate | None
    unknown_tags: int
    unknown_words: Rate | None
    unknown_forms: Rate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStats:
    """What is in a corpus.

    Attributes:
        scheme: how its tags were read.
        lowercase: whether words are looked up in lower case.
        splits: split -> what is in it.
    """

    scheme: str
    lowercase: bool
    splits: Mapping[str, SplitStats]


def describe_corpus(data: DataConfig, *, lowercase: bool = True) -> CorpusStats:
    """Counts what is in every split that a data section names.

    Args:
        data: the data section.
        lowercase: whether words are looked up in lower case, as `features.words.lowercase` says.

    Raises:
        MissingInputError: a file or dataset that is not there.
        DataError: data that are not as declared.
    """
    known_forms: frozenset[str] = frozenset()
    known_words: frozenset[str] = frozenset()
    splits: dict[str, SplitStats] = {}
    for split in named_splits(data):
        counts = _Counts(scheme=data.scheme, unknown=data.unknown_tag)
        counts.add(read_split(data, split))
        words = _fold(counts.forms) if lowercase else counts.forms
        unknown = None
        if TRAIN in splits:
            unknown = _count_unknown(words, known_words), _count_unknown(counts.forms, known_forms)
        splits[split] = counts.summary(describe_source(data, split), words=len(words), unknown=unknown)
        if split == TRAIN:
            known_forms, known_words = frozenset(counts.forms), frozenset(words)
    return CorpusStats(scheme=data.scheme, lowercase=lowercase, splits=splits)


def quantiles(lengths: Mapping[int, int]) -> Lengths | None:
    """The quantiles of a distribution.

    Args:
        lengths: length -> how many are so long.
    """
    total = sum(lengths.values())
    if not total:
        return None
    ordered = sorted(lengths)
    reached = list(accumulate(lengths[length] for length in ordered))

    def rank(percent: int) -> int:
        needed = -(-percent * total // 100)  # rounded up, in whole numbers: no float decides
        return next(length for length, count in zip(ordered, reached, strict=True) if count >= needed)

    return Lengths(
        mean=sum(length * count for length, count in lengths.items()) / total,
        min=ordered[0],
        q25=rank(25),
        median=rank(50),
        q75=rank(75),
        q95=rank(95),
        max=ordered[-1],
    )


@dataclass(slots=True, kw_only=True)
class _Counts:
    scheme: str
    unknown: str | None
    forms: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    unknown_tags: int = 0

    def add(self, sentences: Iterable[Sentence]) -> None:
        for sentence in sentences:
            self.lengths[len(sentence)] += 1
            self.forms.update(sentence.tokens)
            tags = sentence.tags or ()
            if self.unknown is not None:
                self.unknown_tags += tags.count(self.unknown)
            if is_plain(self.scheme):
                self.labels.update(tags)
                continue
            known = [OUTSIDE if tag == self.unknown else tag for tag in tags]
            self.inside += len(known) - known.count(OUTSIDE)
            self.labels.update(span.label for span in tags_to_spans(known, self.scheme))

    def summary(self, source: str, *, words: int, unknown: tuple[Rate, Rate] | None) -> SplitStats:
        tokens = self.forms.total()
        labels = {label: count for label, count in self.labels.items() if label != self.unknown}
        return SplitStats(
            source=source,
            sentences=self.lengths.total(),
            empty_sentences=self.lengths[0],
            tokens=tokens,
            forms=len(self.forms),
            words=words,
            lengths=quantiles({length: count for length, count in self.lengths.items() if length}),
            labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
            inside=None if is_plain(self.scheme) else Rate(count=self.inside, total=tokens),
            unknown_tags=self.unknown_tags,
            unknown_words=unknown[0] if unknown else None,
            unknown_forms=unknown[1] if unknown else None,
        )


def _fold(forms: Counter[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for form, count in forms.items():
        words[form.lower()] += count
    return words


def _count_unknown(counts: Counter[str], known: frozenset[str]) -> Rate:
    unknown = sum(count for form, count in counts.items() if form not in known)
    return Rate(count=unknown, total=counts.total())

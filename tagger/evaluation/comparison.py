"""Whether one system is better than another, as plain data: strict JSON in and out."""

import statistics
from dataclasses import dataclass
from typing import ClassVar

from tagger.errors import DataError
from tagger.evaluation.counts import SpanScores, TagScores
from tagger.evaluation.document import read_document, write_document
from tagger.evaluation.findings import Interval

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One of those compared.

    Attributes:
        name: what it is called here: its folder or file; no two have the same.
        title: the title of its report.
        runs: the scores of each of its runs: one, or one for each seed.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("mean", "deviation")
    name: str
    title: str
    runs: tuple[TagScores | SpanScores, ...]

    @property
    def mean(self) -> float | None:
        """The mean of the runs' main scores; None if one of them is undefined."""
        found = [run.main for run in self.runs if run.main is not None]
        return statistics.fmean(found) if found and len(found) == len(self.runs) else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation of the runs' main scores; None for fewer than two."""
        found = [run.main for run in self.runs if run.main is not None]
        return statistics.stdev(found) if len(found) > 1 and len(found) == len(self.runs) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One score of two systems. Several runs of a system count as one whose counts are their mean.

    Attributes:
        group: `overall`, `tag`, `type`, or the name of a breakdown.
        name: which score, label or bucket.
        count: gold in it: tokens, or spans.
        first: the first system's score in [0, 1]; None where undefined.
        second: the second's.
        interval: 95 % paired bootstrap interval of the difference; None where it is undefined.
        p: two-sided, by approximate randomisation; None where a score is undefined.
        corrected_p: the same, corrected for all the tests of the comparison.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("difference",)
    group: str
    name: str
    count: int
    first: float | None
    second: float | None
    interval: Interval | None
    p: float | None
    corrected_p: float | None

    @property
    def difference(self) -> float | None:
        """Second less first: above 0 where the second is better."""
        return None if self.first is None or self.second is None else self.second - self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedTest:
    """Whether the difference of two systems is more than that of their seeds.

    Attributes:
        num_runs: how many runs each of the two has.
        difference: mean main score of the second less that of the first.
        p: two-sided, by permuting which system a run belongs to.
        num_permutations: how many; all there are, where that is no more than were asked for.
        exact: whether those are all there are, as 1 or 0.
    """

    num_runs: tuple[int, int]
    difference: float
    p: float
    num_permutations: int
    exact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A sentence that the first run of one system gets better than that of the other.

    Attributes:
        sentence: its index among the comparison's `sentences`.
        first: errors of the first system in it: wrong tokens, or missed and spurious spans.
        second: errors of the second.
    """

    sentence: int
    first: int
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two systems, compared.

    Attributes:
        first: index of the one.
        second: index of the other, which is better where differences are above 0.
        differences: overall, then of each tag or type, then of each bucket.
        across_seeds: whether it is more than the seeds; None unless both have several runs.
        improved: sentences in which the second makes fewer errors, most first.
        worsened: sentences in which it makes more, most first.
    """

    first: int
    second: int
    differences: tuple[Difference, ...]
    across_seeds: SeedTest | None
    improved: tuple[Flip, ...]
    worsened: tuple[Flip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSentence:
    """A sentence on which systems differ.

    Attributes:
        index: its index in the data, from 0.
        tokens: T tokens.
        gold: T indices into the comparison's `tags`.
        predicted: T indices for each system, by its first run.
        source: where it comes from; None if unknown.
    """

    index: int
    tokens: tuple[str, ...]
    gold: tuple[int, ...]
    predicted: tuple[tuple[int, ...], ...]
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Systems compared on the same sentences.

    Attributes:
        split: which data.
        scheme: their tag scheme.
        num_sentences: sentences.
        num_tokens: tokens.
        unit: what is resampled and shuffled: `sentence` or `document`.
        num_units: how many of those there are.
        num_shuffles: R of approximate randomisation: p = (1 + k) / (R + 1).
        num_resamples: of the paired bootstrap.
        correction: how p-values are corrected for their number.
        num_tests: how many tests they are corrected for.
        systems: those compared, in the order given.
        pairs: every two of them.
        tags: every tag; sentences name them by their index.
        sentences: those that flipped between any two systems.
        warnings: what to know before the differences are believed.
    """

    split: str
    scheme: str
    num_sentences: int
    num_tokens: int
    unit: str
    num_units: int
    num_shuffles: int
    num_resamples: int
    correction: str
    num_tests: int
    systems: tuple[System, ...]
    pairs: tuple[Pair, ...]
    tags: tuple[str, ...]
    sentences: tuple[ComparedSentence, ...]
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pair in self.pairs:
            if not pair.first < pair.second < len(self.systems):
                raise ValueError(f"systems {pair.first} and {pair.second} are no pair of {len(self.systems)}")
            if any(flip.sentence >= len(self.sentences) for flip in (*pair.improved, *pair.worsened)):
                raise ValueError("a flip names a sentence that the comparison does not list")
        for each in self.sentences:
            sides = (each.gold, *each.predicted)
            if len(each.predicted) != len(self.systems) or any(len(side) != len(each.tokens) for side in sides):
                raise ValueError(f"sentence {each.index} does not have a tag of every system for every token")
            if max(max(side, default=-1) for side in sides) >= len(self.tags):
                raise ValueError(f"sentence {each.index} names a tag that the comparison does not list")

    def to_json(self) -> str:
        """Writes the comparison as JSON; `from_json` gives the same back."""
        return write_document(self, version=FORMAT)

    @staticmethod
    def from_json(text: str) -> "Comparison":
        """Reads what `to_json` wrote; raises a DataError, which names the key, for anything else."""
        try:
            comparison: Comparison = read_document(Comparison, text, name="comparison", versions=(FORMAT,))
        except (ValueError, OverflowError) as error:
            raise DataError(f"not a comparison: {error}") from error
        return comparison

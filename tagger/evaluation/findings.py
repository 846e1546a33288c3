"""What a report holds beside its scores, as plain data; sentences are named by their index in the report, from 0."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
from tagger.evaluation.plain import ADDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % bootstrap interval: the 2.5th and 97.5th percentile of a score over the resamples that define it."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"no interval: [{self.low}, {self.high}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsIntervals:
    """The intervals of what counts give; each is None where the score is undefined."""

    precision: Interval | None
    recall: Interval | None
    f1: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How sure the scores are: percentile bootstrap (Efron & Tibshirani, 1993) over sentences or documents.

    Attributes:
        unit: what is resampled: `sentence`, or `document` where the data mark enough of them.
        num_units: how many of those there are.
        num_resamples: how often as many are drawn again, with replacement.
        main: of the main score: accuracy, or micro F1.
        macro_f1: of macro F1.
        tokens: of the accuracy over tokens.
        sentences: of the part of sentences with every tag right.
        micro: of all spans by conlleval's rule; None for plain tags.
        strict: of spans spelled exactly; None for plain tags.
        boundaries: of boundaries alone; None for plain tags.
        types: of types alone; None for plain tags.
        per_label: of each tag or span type by conlleval's rule; of the commonest in gold where there are very many.
    """

    unit: str
    num_units: int
    num_resamples: int
    main: Interval | None
    macro_f1: Interval | None
    tokens: Interval | None
    sentences: Interval | None
    micro: CountsIntervals | None
    strict: CountsIntervals | None
    boundaries: CountsIntervals | None
    types: CountsIntervals | None
    per_label: dict[str, CountsIntervals]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A part of the tokens or spans.

    Attributes:
        name: which part.
        score: tokens with the right tag, or the spans of both sides by conlleval's rule.
        interval: of the score's value, or of its F1; None where that is undefined.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("count", "main")
    name: str
    score: Ratio | Counts
    interval: Interval | None

    @property
    def count(self) -> int:
        """How much gold is in it: tokens, or spans."""
        return self.score.total if isinstance(self.score, Ratio) else self.score.gold

    @property
    def main(self) -> float | None:
        """Accuracy, or F1, in [0, 1]; None over nothing."""
        return self.score.value if isinstance(self.score, Ratio) else self.score.f1


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The main score by one property of words, spans or sentences.

    Attributes:
        name: the property, such as `sentence length`.
        rule: how tokens or spans are sorted into buckets, and what is scored.
        buckets: in natural order, the empty ones left out.
        missing: why there are no buckets; None where there are.
    """

    name: str
    rule: str
    buckets: tuple[Bucket, ...]
    missing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Tokens `[start, end)` of a sentence."""

    sentence: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """One label taken for another: tags of tokens, or types of spans that were paired (see `MatchCounts`).

    Attributes:
        gold: the label in gold; None for a spurious span.
        predicted: the label predicted instead; None for a missed span.
        count: how often.
        examples: some places where it happened: gold's, or the prediction's for a spurious span.
    """

    gold: str | None
    predicted: str | None
    count: int
    examples: tuple[Place, ...] = field(default=(), metadata=ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionCell:
    """One cell of the confusion matrix that is not 0.

    Attributes:
        gold: the label in gold; None for spurious spans.
        predicted: the label predicted; None for missed spans.
        count: tokens, or pairs of spans.
        exact: how many of them have the same boundaries: all tokens.
    """

    gold: str | None
    predicted: str | None
    count: int
    exact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Predictions whose confidence lies in `[low, high)`; the last bin holds 1 too.

    Attributes:
        low, high: its edges.
        right: predictions that are right, and all of them.
        mean_confidence: of them; None where there are none.
    """

    low: float
    high: float
    right: Ratio
    mean_confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Whether a confidence of 0.8 is right eight times out of ten.

    Attributes:
        unit: what is predicted: `tokens` or `spans` (the predicted ones, right if gold has just that span).
        bins: by confidence, of equal width, from 0 to 1.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("expected_error",)
    unit: str
    bins: tuple[ReliabilityBin, ...]

    @property
    def expected_error(self) -> float | None:
        """Expected calibration error (Naeini et al., 2015): the bins' |accuracy - mean confidence|, by their counts."""
        total = sum(each.right.total for each in self.bins)
        gaps = [
            each.right.total * abs(each.right.correct / each.right.total - each.mean_confidence)
            for each in self.bins
            if each.mean_confidence is not None and each.right.total
        ]
        return sum(gaps) / total if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """What the model's scores are divided by before they become probabilities (Guo et al., 2017).

    Attributes:
        value: the temperature, > 0.
        fitted_on: the data it was fitted on, such as `dev`.
        before: the calibration without it, as it would have been on this split.
    """

    value: float
    fitted_on: str
    before: tuple[Calibration, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPoint:
    """What is left where predictions below a confidence are dropped.

    Attributes:
        threshold: predictions with at least this confidence are kept.
        counts: of those: correct and kept, kept, and all in gold.
    """

    threshold: float
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecall:
    """Precision and recall over the confidence threshold.

    Attributes:
        label: a tag or span type; None for all of them together.
        unit: `tokens` or `spans`.
        points: thresholds in ascending order; the first keeps everything.
        chosen: the point with the most recall among those that have the precision asked for, over all thresholds and
            not only those of `points`; None where none has, or none was asked for.
    """

    label: str | None
    unit: str
    points: tuple[ThresholdPoint, ...]
    chosen: ThresholdPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A place where a confident model disagrees with the annotation.

    Attributes:
        place: the tokens.
        gold: what gold says of them: a tag, a span type, or None for no such span.
        predicted: what the model says: likewise.
        confidence: the model's, in [0, 1]; of a span that it does not see, its least confidence in those tokens' tags.
    """

    place: Place
    gold: str | None
    predicted: str | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A simple system trained on the same data, scored on the same split.

    Attributes:
        name: what it is called.
        rule: what it does, in a line.
        scores: its scores.
        interval: of its main score; None where that is undefined.
        seconds: how long training and tagging took.
    """

    name: str
    rule: str
    scores: TagScores | SpanScores
    interval: Interval | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSentence:
    """One sentence with gold and prediction, kept small.

    Attributes:
        tokens: T tokens.
        gold: T indices into the report's `tags`.
        predicted: T indices likewise; None where it is the same as gold.
        confidence: T confidences in percent of a percent, 9876 for 0.9876; None where the system has none.
        span_confidence: the same for each predicted span, in order; None likewise, and for plain tags.
        source: where it comes from, `path:line`; None if unknown.
        document: the number of its document, from 0; None where the data mark none.
    """

    tokens: tuple[str, ...]
    gold: tuple[int, ...]
    predicted: tuple[int, ...] | None
    confidence: tuple[int, ...] | None = None
    span_confidence: tuple[int, ...] | None = None
    source: str | None = None
    document: int | None = None

    def __post_init__(self) -> None:
        for name in ("gold", "predicted", "confidence"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.tokens):
                raise ValueError(f"{len(self.tokens)} tokens but {len(value)} of {name}")

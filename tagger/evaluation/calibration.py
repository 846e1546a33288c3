"""Whether confidences can be trusted: reliability, and what is gained by dropping what the model is not sure of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.evaluation.counts import Counts, Ratio
from tagger.evaluation.findings import Calibration, PrecisionRecall, ReliabilityBin, ThresholdPoint
from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import Flags, Ids
from tagger.sentence import Prediction

NUM_BINS = 10
NUM_POINTS = 50  # of a curve; its ends are kept
MAX_CURVES = 50  # beside the one of all labels: those of the labels that gold has most of

Confidences = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How sure a system is.

    Attributes:
        tokens: (M,) of each token's tag, in [0, 1].
        spans: (S,) of each predicted span; None for plain tags.
    """

    tokens: Confidences
    spans: Confidences | None


def read_confidence(predicted: Sequence[object], judged: Judgement) -> Confidence | None:
    """The confidences of predictions; None where one of them has none, or not as many as tags and spans."""
    tokens: list[float] = []
    spans: list[float] = []
    for each in predicted:
        if not isinstance(each, Prediction) or len(each.confidence) != len(each.tokens):
            return None
        tokens += each.confidence
        spans += [span.confidence for span in each.spans if span.confidence is not None]
    if judged.is_plain:
        return Confidence(tokens=np.array(tokens, dtype=np.float64), spans=None)
    known = len(spans) == len(judged.predicted_spans.starts)
    return Confidence(
        tokens=np.array(tokens, dtype=np.float64), spans=np.array(spans, dtype=np.float64) if known else None
    )


def calibrate(judged: Judgement, confidence: Confidence) -> tuple[Calibration, ...]:
    """Reliability of tokens, and of predicted spans where there are any."""
    found = [_calibration("tokens", confidence.tokens, judged.right)]
    if confidence.spans is not None:
        found.append(_calibration("spans", confidence.spans, judged.correct))
    return tuple(found)


def draw_curves(judged: Judgement, confidence: Confidence, *, min_precision: float | None) -> Iterator[PrecisionRecall]:
    """Precision and recall over the threshold, of all labels first and then of each.

    Args:
        judged: gold and prediction.
        confidence: how sure the system is.
        min_precision: the precision that a threshold is looked for, in [0, 1]; None for none.
    """
    if judged.is_plain:
        unit, values, right = "tokens", confidence.tokens, judged.right
        ours, theirs = judged.gold_labels, judged.predicted_labels
    elif confidence.spans is not None:
        unit, values, right = "spans", confidence.spans, judged.correct
        ours, theirs = judged.gold_spans.labels, judged.predicted_spans.labels
    else:
        return
    yield _curve(None, unit, values, right, num_gold=len(ours), min_precision=min_precision)
    in_gold = np.bincount(ours, minlength=len(judged.labels))
    commonest = sorted(np.argsort(-in_gold, kind="stable")[:MAX_CURVES].tolist())
    for label in commonest:
        inside = theirs == label
        yield _curve(
            judged.labels[label],
            unit,
            values[inside],
            right[inside],
            num_gold=int(in_gold[label]),
            min_precision=min_precision,
        )


def _calibration(unit: str, values: Confidences, right: Flags) -> Calibration:
    place = np.minimum((values * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    total = np.bincount(place, minlength=NUM_BINS)
    correct = np.bincount(place[right], minlength=NUM_BINS)
    summed = np.bincount(place, weights=values, minlength=NUM_BINS)
    return Calibration(
        unit=unit,
        bins=tuple(
            ReliabilityBin(
                low=number / NUM_BINS,
                high=(number + 1) / NUM_BINS,
                right=Ratio(correct=int(correct[number]), total=int(total[number])),
                mean_confidence=float(summed[number] / total[number]) if total[number] else None,
            )
            for number in range(NUM_BINS)
        ),
    )


def _curve(
    label: str | None, unit: str, values: Confidences, right: Flags, *, num_gold: int, min_precision: float | None
) -> PrecisionRecall:
    order = np.argsort(-values, kind="stable")
    values = values[order]
    correct: Ids = np.cumsum(right[order], dtype=np.int64)  # of the surest first, ..., of all
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.zeros(0, dtype=np.int64)
    chosen = None
    if min_precision is not None and len(last):
        precise = last[correct[last] / (last + 1) >= min_precision]
        if len(precise):
            # the most recall, and of the points that share it the highest threshold
            best = precise[np.argmax(correct[precise])]
            chosen = _point(best, values, correct, num_gold)
    kept = last[np.unique(np.linspace(0, len(last) - 1, NUM_POINTS).round().astype(int))] if len(last) else last
    points = tuple(_point(place, values, correct, num_gold) for place in kept[::-1])
    return PrecisionRecall(label=label, unit=unit, points=points, chosen=chosen)


def _point(place: np.int64, values: Confidences, correct: Ids, num_gold: int) -> ThresholdPoint:
    counts = Counts(correct=int(correct[place]), predicted=int(place) + 1, gold=num_gold)
    return ThresholdPoint(threshold=float(values[place]), counts=counts)

"""What is taken for what, where, and which gold looks wrong."""

from collections.abc import Iterator

import numpy as np

from tagger.evaluation.calibration import Confidence
from tagger.evaluation.findings import Confusion, ConfusionCell, Place, Suspect
from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import Flags, Ids

MAX_CONFUSIONS = 15
MAX_EXAMPLES = 5
MAX_SUSPECTS = 200
SUSPECT_CONFIDENCE = 0.9  # a model less sure than this is no reason to doubt gold


def fill_matrix(judged: Judgement) -> tuple[ConfusionCell, ...]:
    """The cells of the confusion matrix that are not 0, gold by gold; missed and spurious spans last."""
    ours, theirs, exact = _labels(judged)
    size = len(judged.labels) + 1  # the last is: no such span
    cells = np.where(ours < 0, size - 1, ours) * size + np.where(theirs < 0, size - 1, theirs)
    found, counts = np.unique(cells, return_counts=True)
    exact_counts = np.bincount(np.searchsorted(found, cells), weights=exact, minlength=len(found))
    names = (*judged.labels, None)
    return tuple(
        ConfusionCell(gold=names[cell // size], predicted=names[cell % size], count=count, exact=same)
        for cell, count, same in zip(
            found.tolist(), counts.tolist(), exact_counts.astype(np.int64).tolist(), strict=True
        )
    )


def find_confusions(judged: Judgement) -> tuple[Confusion, ...]:
    """The commonest cells off the diagonal, each with examples spread over the data."""
    ours, theirs, _ = _labels(judged)
    cells = [each for each in fill_matrix(judged) if each.gold != each.predicted]
    cells.sort(key=lambda each: (-each.count, *_order(each.gold), *_order(each.predicted)))
    place = {label: number for number, label in enumerate(judged.labels)}
    found = []
    for each in cells[:MAX_CONFUSIONS]:
        one = -1 if each.gold is None else place[each.gold]
        other = -1 if each.predicted is None else place[each.predicted]
        where = np.flatnonzero((ours == one) & (theirs == other))
        spread = where[np.unique(np.linspace(0, len(where) - 1, MAX_EXAMPLES).round().astype(int))]
        examples = sorted(((_place(judged, int(at))) for at in spread), key=lambda at: (at.sentence, at.start))
        found.append(Confusion(gold=each.gold, predicted=each.predicted, count=each.count, examples=tuple(examples)))
    return tuple(found)


def find_suspects(
    judged: Judgement, confidence: Confidence, *, least: float = SUSPECT_CONFIDENCE, limit: int | None = MAX_SUSPECTS
) -> tuple[Suspect, ...]:
    """The places where a confident model disagrees with gold, the most confident first.

    Args:
        judged: gold and prediction.
        confidence: how sure the model is.
        least: the confidence from which on a place is listed, in [0, 1].
        limit: how many are listed at most; None: all.
    """
    suspects = _suspect_tokens if judged.is_plain else _suspect_spans
    found = list(suspects(judged, confidence, least))
    found.sort(key=lambda each: (-each.confidence, each.place.sentence, each.place.start))
    return tuple(found[:limit])


def _suspect_tokens(judged: Judgement, confidence: Confidence, least: float) -> Iterator[Suspect]:
    for at in np.flatnonzero(~judged.right & (confidence.tokens >= least)).tolist():
        yield Suspect(
            place=_at(judged, at, at + 1),
            gold=judged.tags[judged.gold[at]],
            predicted=judged.tags[judged.predicted[at]],
            confidence=float(confidence.tokens[at]),
        )


def _suspect_spans(judged: Judgement, confidence: Confidence, least: float) -> Iterator[Suspect]:
    gold, predicted, pairs = judged.gold_spans, judged.predicted_spans, judged.pairs
    for one, other in zip(pairs.gold.tolist(), pairs.predicted.tolist(), strict=True):
        if other >= 0:
            if confidence.spans is None or judged.correct[other]:
                continue
            start, end, sure = predicted.starts[other], predicted.ends[other], confidence.spans[other]
        else:
            start, end = gold.starts[one], gold.ends[one]
            sure = confidence.tokens[start:end].min()
        if sure >= least:
            yield Suspect(
                place=_at(judged, int(start), int(end)),
                gold=None if one < 0 else judged.labels[gold.labels[one]],
                predicted=None if other < 0 else judged.labels[predicted.labels[other]],
                confidence=float(sure),
            )


def _labels(judged: Judgement) -> tuple[Ids, Ids, Flags]:
    """Of each token, or each pair of spans: gold's label, the predicted one, -1 where there is none; same place."""
    if judged.is_plain:
        return judged.gold_labels, judged.predicted_labels, np.ones(len(judged.gold), dtype=bool)
    pairs, gold, predicted = judged.pairs, judged.gold_spans, judged.predicted_spans
    # the -1 behind the labels is what index -1 finds
    ours, theirs = np.append(gold.labels, -1)[pairs.gold], np.append(predicted.labels, -1)[pairs.predicted]
    return ours, theirs, pairs.same_place


def _order(label: str | None) -> tuple[bool, str]:
    """In alphabetical order, "no such span" last."""
    return (label is None, label or "")


def _place(judged: Judgement, number: int) -> Place:
    """Where a token, or a pair of spans, stands."""
    if judged.is_plain:
        return _at(judged, number, number + 1)
    at, spans = int(judged.pairs.gold[number]), judged.gold_spans
    if at < 0:
        at, spans = int(judged.pairs.predicted[number]), judged.predicted_spans
    return _at(judged, int(spans.starts[at]), int(spans.ends[at]))


def _at(judged: Judgement, start: int, end: int) -> Place:
    sentence = int(judged.layout.sentences[start])
    offset = int(judged.layout.offsets[sentence])
    return Place(sentence=sentence, start=start - offset, end=end - offset)

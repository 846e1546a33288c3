"""The mistakes of a report, each with its place: what an error browser shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagger.evaluation.matching import CORRECT, match_spans
from tagger.evaluation.report import Report
from tagger.schemes import is_plain, tags_to_spans
from tagger.sentence import Span

WRONG_TAG = "wrong tag"
_SCALE = 10_000  # of the confidences in a report's sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One wrong token or span.

    Attributes:
        sentence: index of the sentence in the report.
        kind: `wrong tag`; or what became of a span: `wrong type`, `wrong boundary`, `wrong both`, `missed`, `spurious`.
        gold: where gold has what label; None for a spurious span.
        predicted: where the prediction has what label, with its confidence if known; None for a missed span.
    """

    sentence: int
    kind: str
    gold: Span | None
    predicted: Span | None


def list_mistakes(report: Report) -> Iterator[Mistake]:
    """Every mistake in a report's sentences, in order; nothing where the report lists no sentences."""
    plain = is_plain(report.scheme)
    for index, sentence in enumerate(report.sentences):
        if sentence.predicted is None:
            continue
        gold, predicted = report.gold_tags(index), report.predicted_tags(index)
        if plain:
            yield from _wrong_tags(index, gold, predicted, sentence.confidence)
            continue
        found = tags_to_spans(predicted, report.scheme)
        confidence = sentence.span_confidence or ()
        sure = [
            Span(start=span.start, end=span.end, label=span.label, confidence=number / _SCALE)
            for span, number in zip(found, confidence, strict=False)
        ]
        matches = match_spans(tags_to_spans(gold, report.scheme), sure if len(sure) == len(found) else found)
        mistakes = [
            Mistake(sentence=index, kind=kind, gold=a, predicted=b) for kind, a, b in matches if kind != CORRECT
        ]
        yield from sorted(mistakes, key=_start)


def _wrong_tags(
    index: int, gold: Sequence[str], predicted: Sequence[str], confidence: Sequence[int] | None
) -> Iterator[Mistake]:
    for at, (ours, theirs) in enumerate(zip(gold, predicted, strict=True)):
        if ours != theirs:
            sure = None if confidence is None else confidence[at] / _SCALE
            yield Mistake(
                sentence=index,
                kind=WRONG_TAG,
                gold=Span(start=at, end=at + 1, label=ours),
                predicted=Span(start=at, end=at + 1, label=theirs, confidence=sure),
            )


def _start(mistake: Mistake) -> int:
    span = mistake.gold or mistake.predicted
    return 0 if span is None else span.start

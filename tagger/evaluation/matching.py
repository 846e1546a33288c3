"""What became of each span: gold and predicted spans of a sentence in pairs, and how many there are of each kind."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tagger.evaluation.counts import MatchCounts
from tagger.sentence import Span

CORRECT, WRONG_TYPE, WRONG_BOUNDARY, WRONG_BOTH = "correct", "wrong type", "wrong boundary", "wrong both"
MISSED, SPURIOUS = "missed", "spurious"

Match = tuple[str, Span | None, Span | None]  # what became of it, gold, predicted


def match_spans(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[Match]:
    """Pairs the spans of one sentence, each at most once, by the rule of `MatchCounts`.

    Args:
        gold: spans that do not overlap, in order.
        predicted: likewise.

    Yields:
        Every span of both sides once, alone or in its pair.
    """
    places = {(span.start, span.end): span for span in predicted}
    free_gold: list[Span] = []
    for span in gold:
        other = places.pop((span.start, span.end), None)
        if other is None:
            free_gold.append(span)
        else:
            yield CORRECT if span.label == other.label else WRONG_TYPE, span, other
    free_predicted = list(places.values())
    for kind, any_label in ((WRONG_BOUNDARY, False), (WRONG_BOTH, True)):
        for span in list(free_gold):
            for other in free_predicted:
                overlap = span.start < other.end and other.start < span.end
                if overlap and (any_label or span.label == other.label):
                    yield kind, span, other
                    free_gold.remove(span)
                    free_predicted.remove(other)
                    break
    yield from ((MISSED, span, None) for span in free_gold)
    yield from ((SPURIOUS, None, span) for span in free_predicted)


def count_matches(kinds: Counter[str]) -> MatchCounts:
    """The counts of every kind that `match_spans` yields."""
    return MatchCounts(
        correct=kinds[CORRECT],
        wrong_type=kinds[WRONG_TYPE],
        wrong_boundary=kinds[WRONG_BOUNDARY],
        wrong_both=kinds[WRONG_BOTH],
        missed=kinds[MISSED],
        spurious=kinds[SPURIOUS],
    )

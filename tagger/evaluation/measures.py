"""From tallies to what a report holds: intervals of the scores, and the scores of each bucket."""

from collections.abc import Iterable, Sequence

import numpy as np

from tagger.evaluation.counts import Counts, Ratio
from tagger.evaluation.findings import Breakdown, Bucket, CountsIntervals, Interval, Intervals
from tagger.evaluation.layout import Ids, Layout
from tagger.evaluation.properties import Property
from tagger.evaluation.statistics import NUM_RESAMPLES, Floats, find_interval, resample_totals
from tagger.evaluation.tallies import LABEL, OVERALL, Tallies, Tally

MIN_DOCUMENTS = 20  # too few to draw from say little; sentences are drawn then


def choose_units(layout: Layout, documents: Sequence[int | None] | None) -> tuple[str, Ids, int]:
    """What is resampled: documents where every sentence has one and there are enough of them, else sentences.

    Args:
        layout: the sentences.
        documents: the number of each sentence's document; None where none is marked.

    Returns:
        `document` or `sentence`; the unit of each sentence (N,); how many units there are.
    """
    numbers = [number for number in documents or () if number is not None]
    if len(numbers) == layout.num_sentences and len(set(numbers)) >= MIN_DOCUMENTS:
        _, units = np.unique(np.array(numbers), return_inverse=True)
        return "document", units.astype(np.int64), int(units.max()) + 1
    return "sentence", np.arange(layout.num_sentences), layout.num_sentences


def find_intervals(tallies: Tallies, totals: Floats, *, unit: str) -> Intervals:
    """The intervals of a report.

    Args:
        tallies: the scores.
        totals: (R, C) their columns, resampled.
        unit: what was resampled.
    """
    overall = tallies.find(OVERALL)
    main = overall.get("accuracy") or overall["micro F1"]
    three = {name: _three(overall[name], totals) for name in overall if name.endswith("F1")}
    return Intervals(
        unit=unit,
        num_units=len(tallies.counts),
        num_resamples=len(totals),
        main=find_interval(main.f1(totals)),
        macro_f1=find_interval(tallies.macro_f1(totals)),
        tokens=find_interval(overall.get("tokens", main).f1(totals)),
        sentences=find_interval(overall["sentences"].f1(totals)),
        micro=three.get("micro F1"),
        strict=three.get("strict F1"),
        boundaries=three.get("boundaries F1"),
        types=three.get("types F1"),
        per_label={name: _three(each, totals) for name, each in tallies.find(LABEL).items()},
    )


def main_interval(tallies: Tallies, *, num_resamples: int = NUM_RESAMPLES) -> Interval | None:
    """The interval of the main score alone; None where there is nothing to resample."""
    overall = tallies.find(OVERALL)
    main = overall.get("accuracy") or overall["micro F1"]
    columns = [main.correct, main.predicted, main.gold]
    totals = resample_totals(tallies.counts[:, columns], num_resamples=num_resamples)
    alone = Tally(group=OVERALL, name=main.name, correct=0, predicted=1, gold=2)
    return find_interval(alone.f1(totals))


def break_down(
    tallies: Tallies, totals: Floats, *, properties: Iterable[Property | tuple[str, str]], plain: bool
) -> tuple[Breakdown, ...]:
    """The scores of each property's buckets; the empty ones are left out.

    Args:
        tallies: the scores, those of the properties among them.
        totals: (R, C) their columns, resampled.
        properties: as `find_properties` gives them.
        plain: whether tokens are scored, or spans.
    """
    counts = tallies.counts.sum(axis=0)
    found: list[Breakdown] = []
    for each in properties:
        if not isinstance(each, Property):
            found.append(Breakdown(name=each[0], rule="", buckets=(), missing=each[1]))
            continue
        rule = f"accuracy over tokens, by {each.of_token}" if plain else f"F1 over spans, by {each.of_span}"
        scores = tallies.find(each.name).values()
        buckets = [
            _bucket(score, counts, totals, plain=plain)
            for score in scores
            if counts[score.predicted] or counts[score.gold]
        ]
        found.append(Breakdown(name=each.name, rule=rule, buckets=tuple(buckets)))
    return tuple(found)


def _bucket(score: Tally, counts: Floats, totals: Floats, *, plain: bool) -> Bucket:
    correct, predicted, gold = (int(counts[each]) for each in (score.correct, score.predicted, score.gold))
    return Bucket(
        name=score.name,
        score=Ratio(correct=correct, total=gold) if plain else Counts(correct=correct, predicted=predicted, gold=gold),
        interval=find_interval(score.f1(totals)),
    )


def _three(score: Tally, totals: Floats) -> CountsIntervals:
    return CountsIntervals(
        precision=find_interval(score.precision(totals)),
        recall=find_interval(score.recall(totals)),
        f1=find_interval(score.f1(totals)),
    )

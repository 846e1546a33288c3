"""Reports of several systems in, a Comparison out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from tagger.evaluation.comparison import ComparedSentence, Comparison, Difference, Flip, Pair, System
from tagger.evaluation.contenders import Contender, check_comparable, shared_words, warn_of_seeds
from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import Ids, Layout, lay_out
from tagger.evaluation.measures import choose_units
from tagger.evaluation.properties import Property, TrainingWords, find_properties
from tagger.evaluation.report import Report
from tagger.evaluation.seeds import compare_seeds
from tagger.evaluation.statistics import (
    NUM_RESAMPLES,
    NUM_SHUFFLES,
    Floats,
    correct_by_holm,
    find_interval,
    paired_interval,
    randomise,
)
from tagger.evaluation.tallies import LABEL, OVERALL, Tallies, tally
from tagger.schemes import is_plain

MACRO = "macro F1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """A contender, counted: the mean of its runs' tallies, and the errors of its first run in each sentence (N,)."""

    tallies: Tallies
    errors: Ids


def compare_reports(contenders: Sequence[Contender], *, num_shuffles: int = NUM_SHUFFLES) -> Comparison:
    """Compares every two of several systems.

    Args:
        contenders: two or more.
        num_shuffles: R of approximate randomisation.

    Raises:
        DataError: they were not scored on the same sentences with the same gold, or know different labels; or a report
            lists no sentences. The message says what differs.
        ValueError: fewer than two, or two of the same name.
    """
    if len(contenders) < 2 or len({each.name for each in contenders}) < len(contenders):
        raise ValueError("a comparison takes two systems or more, of different names")
    check_comparable(contenders)
    one = contenders[0].reports[0]
    layout = lay_out([sentence.tokens for sentence in one.sentences])
    unit, units, num_units = choose_units(layout, [sentence.document for sentence in one.sentences])
    tags = list(dict.fromkeys(tag for each in contenders for report in each.reports for tag in report.tags))
    words, warnings = shared_words(contenders)
    properties = _find_properties(layout, words, plain=is_plain(one.scheme))
    counted = []
    for each in contenders:
        runs = [_judge(report, layout, tags) for report in each.reports]
        tallies = [tally(run, properties, units=units, num_units=num_units) for run in runs]
        mean = np.mean([run.counts for run in tallies], axis=0)
        counted.append(_Counted(tallies=replace(tallies[0], counts=mean), errors=_count_errors(runs[0])))
    pairs = [
        _compare(contenders, counted, first=first, second=second, num_shuffles=num_shuffles)
        for first, second in combinations(range(len(contenders)), 2)
    ]
    pairs, num_main, num_others = _correct(pairs)
    flipped = sorted({flip.sentence for pair in pairs for flip in (*pair.improved, *pair.worsened)})
    place = {sentence: number for number, sentence in enumerate(flipped)}
    return Comparison(
        split=one.split,
        scheme=one.scheme,
        num_sentences=one.num_sentences,
        num_tokens=one.num_tokens,
        unit=unit,
        num_units=num_units,
        num_shuffles=num_shuffles,
        num_resamples=NUM_RESAMPLES,
        correction=f"Holm (1979): main scores for {num_main}, all others for {num_others}",
        num_tests=num_main + num_others,
        systems=tuple(
            System(name=each.name, title=each.reports[0].title, runs=tuple(report.scores for report in each.reports))
            for each in contenders
        ),
        pairs=tuple(_renumber(pair, place) for pair in pairs),
        tags=tuple(tags),
        sentences=tuple(_list_sentences(contenders, flipped, tags)),
        warnings=(*warnings, *warn_of_seeds(contenders)),
    )


def _find_properties(layout: Layout, words: TrainingWords | None, *, plain: bool) -> list[Property]:
    known = None if words is None else {word for word, (count, _) in words.items() if count}
    found = find_properties(layout, known_words=known, words=words, spans=not plain)
    return [each for each in found if isinstance(each, Property)]


def _judge(report: Report, layout: Layout, tags: Sequence[str]) -> Judgement:
    numbers = range(report.num_sentences)
    gold, predicted = [report.gold_tags(each) for each in numbers], [report.predicted_tags(each) for each in numbers]
    return Judgement(gold, predicted, layout=layout, scheme=report.scheme, tags=tags)


def _count_errors(judged: Judgement) -> Ids:
    """(N,) wrong tokens of each sentence, or its missed and spurious spans."""
    of, size = judged.layout.sentences, judged.layout.num_sentences
    if judged.is_plain:
        return np.bincount(of[~judged.right], minlength=size)
    missed = np.bincount(of[judged.gold_spans.starts[~judged.found]], minlength=size)
    return missed + np.bincount(of[judged.predicted_spans.starts[~judged.correct]], minlength=size)


def _compare(
    contenders: Sequence[Contender], counted: Sequence[_Counted], *, first: int, second: int, num_shuffles: int
) -> Pair:
    one, other = counted[first].tallies, counted[second].tallies
    errors, others = counted[first].errors, counted[second].errors
    seeds = [[report.scores.main for report in contenders[at].reports] for at in (first, second)]
    label = "tag" if is_plain(contenders[first].reports[0].scheme) else "type"
    flips = [
        Flip(sentence=int(at), first=int(errors[at]), second=int(others[at]))
        for at in np.argsort(-np.abs(errors - others), kind="stable")
        if errors[at] != others[at]
    ]
    return Pair(
        first=first,
        second=second,
        differences=tuple(_find_differences(one, other, label=label, num_shuffles=num_shuffles)),
        across_seeds=compare_seeds(*seeds, num_shuffles=num_shuffles),
        improved=tuple(flip for flip in flips if flip.second < flip.first),
        worsened=tuple(flip for flip in flips if flip.second > flip.first),
    )


def _find_differences(one: Tallies, other: Tallies, *, label: str, num_shuffles: int) -> Iterator[Difference]:
    """The differences of every score, the main one first."""
    if not len(one.counts):
        return
    scores = [each for each in one.scores if each.group == OVERALL]
    scores.sort(key=lambda each: each.name not in ("accuracy", "micro F1"))
    scores += [each for each in one.scores if each.group != OVERALL]

    def score(totals: Floats) -> Floats:
        return np.stack([one.macro_f1(totals), *(each.f1(totals) for each in scores)], axis=1)

    values = [score(each.counts.sum(axis=0)[None])[0] for each in (one, other)]
    chances = randomise(one.counts, other.counts, score, num_shuffles=num_shuffles)
    resampled = paired_interval(one.counts, other.counts, score)
    totals = one.counts.sum(axis=0), other.counts.sum(axis=0)

    def difference(group: str, name: str, column: int, count: int) -> Difference:
        defined = not math.isnan(chances[column])
        return Difference(
            group=group,
            name=name,
            count=count,
            first=_number(values[0][column]),
            second=_number(values[1][column]),
            interval=find_interval(resampled[:, column]) if defined else None,
            p=_number(chances[column]),
            corrected_p=None,
        )

    gold = {each.name: int(totals[0][each.gold]) for each in scores if each.group == OVERALL}
    for column, each in enumerate(scores, start=1):
        if any(total[each.predicted] + total[each.gold] for total in totals):
            group = label if each.group == LABEL else each.group
            yield difference(group, each.name, column, int(totals[0][each.gold]))
        if column == 1:
            yield difference(OVERALL, MACRO, 0, gold[each.name])


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _correct(pairs: Sequence[Pair]) -> tuple[list[Pair], int, int]:
    """The pairs with corrected p-values; how many main scores were tested, and how many others."""
    places = [(pair, at) for pair, each in enumerate(pairs) for at in range(len(each.differences))]
    corrected: dict[tuple[int, int], float | None] = {}
    sizes = []
    for family in ([place for place in places if place[1] == 0], [place for place in places if place[1] > 0]):
        values = [pairs[pair].differences[at].p for pair, at in family]
        corrected.update(zip(family, correct_by_holm(values), strict=True))
        sizes.append(sum(value is not None for value in values))
    return (
        [
            replace(
                each,
                differences=tuple(
                    replace(found, corrected_p=corrected[pair, at]) for at, found in enumerate(each.differences)
                ),
            )
            for pair, each in enumerate(pairs)
        ],
        sizes[0],
        sizes[1],
    )


def _renumber(pair: Pair, place: dict[int, int]) -> Pair:
    """The pair with flips that name sentences of the comparison, not of the data."""
    improved, worsened = (
        tuple(replace(flip, sentence=place[flip.sentence]) for flip in flips)
        for flips in (pair.improved, pair.worsened)
    )
    return replace(pair, improved=improved, worsened=worsened)


def _list_sentences(
    contenders: Sequence[Contender], flipped: Sequence[int], tags: Sequence[str]
) -> Iterator[ComparedSentence]:
    ids = {tag: number for number, tag in enumerate(tags)}
    first = [each.reports[0] for each in contenders]
    for index in flipped:
        sentence = first[0].sentences[index]
        yield ComparedSentence(
            index=index,
            tokens=sentence.tokens,
            gold=tuple(ids[tag] for tag in first[0].gold_tags(index)),
            predicted=tuple(tuple(ids[tag] for tag in report.predicted_tags(index)) for report in first),
            source=sentence.source,
        )

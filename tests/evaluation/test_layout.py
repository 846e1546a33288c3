"""Spans read in arrays, and their pairs, are those of reading and pairing sentence by sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import lay_out
from tagger.evaluation.matching import match_spans
from tagger.schemes import strict_spans, tags_to_spans
from tests.evaluation.test_scores import random_corpora
from tests.strategies import SPAN_SCHEMES, Corpus, corpora


def judge(corpus: Corpus, scheme: str) -> Judgement:
    layout = lay_out([[f"w{number}" for number in range(len(tags))] for tags in corpus[0]])
    return Judgement(*corpus, layout=layout, scheme=scheme)


def check(corpus: Corpus, scheme: str) -> None:
    judged = judge(corpus, scheme)
    offsets = judged.layout.offsets
    expected_kinds = []
    for side, spans in zip(corpus, (judged.gold_spans, judged.predicted_spans), strict=True):
        read = list(
            zip(
                spans.starts.tolist(),
                spans.ends.tolist(),
                [judged.labels[n] for n in spans.labels],
                spans.strict,
                strict=True,
            )
        )
        assert [(a, b, label) for a, b, label, _ in read] == [
            (offsets[n] + span.start, offsets[n] + span.end, span.label)
            for n, tags in enumerate(side)
            for span in tags_to_spans(tags, scheme)
        ]
        assert [(a, b, label) for a, b, label, strict in read if strict] == [
            (offsets[n] + span.start, offsets[n] + span.end, span.label)
            for n, tags in enumerate(side)
            for span in strict_spans(tags, scheme)
        ]
    for number, (ours, theirs) in enumerate(zip(*corpus, strict=True)):
        for _, gold, predicted in match_spans(tags_to_spans(ours, scheme), tags_to_spans(theirs, scheme)):
            places = [-1 if each is None else int(offsets[number]) + each.start for each in (gold, predicted)]
            expected_kinds.append(tuple(places))
    pairs = judged.pairs
    found = [
        (
            -1 if one < 0 else int(judged.gold_spans.starts[one]),
            -1 if other < 0 else int(judged.predicted_spans.starts[other]),
        )
        for one, other in zip(pairs.gold.tolist(), pairs.predicted.tolist(), strict=True)
    ]
    assert sorted(found) == sorted(expected_kinds)


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
def test_on_random_corpora(scheme: str) -> None:
    for corpus in random_corpora(scheme, 300):
        check(corpus, scheme)


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@given(data=st.data())
def test_whatever_the_types_are_called(scheme: str, data: st.DataObject) -> None:
    check(data.draw(corpora(scheme)), scheme)

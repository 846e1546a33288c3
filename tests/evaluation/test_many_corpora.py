"""Spans on many random corpora, illegal ones among them: conlleval's rule, seqeval's, and our arrays count the same.

TAGGER_NUM_CORPORA=5000 asks for as many; every run has fewer, for seqeval is slow.
"""

import os
import random
from collections import Counter

import pytest

from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import lay_out
from tagger.evaluation.matching import count_matches, match_spans
from tagger.evaluation.scores import audit_with_seqeval, score
from tagger.evaluation.tallies import LABEL, OVERALL, tally
from tagger.schemes import tags_of_types, tags_to_spans
from tests.evaluation.test_scores import by_type, random_corpora, score_spans, total, triple
from tests.oracles import conlleval_counts
from tests.strategies import SPAN_SCHEMES, Corpus

NUM_CORPORA = int(os.environ.get("TAGGER_NUM_CORPORA", "1000"))


def judge(corpus: Corpus, scheme: str) -> Judgement:
    layout = lay_out([["w"] * len(tags) for tags in corpus[0]])
    return Judgement(*corpus, layout=layout, scheme=scheme)


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
def test_conlleval_seqeval_and_arrays_agree(scheme: str) -> None:
    for corpus in [*random_corpora(scheme, NUM_CORPORA), ([["O", "O"], []], [["O", "O"], []]), ([], [])]:
        scores, expected = score_spans(corpus, scheme), conlleval_counts(*corpus)
        assert by_type(scores.per_type) == expected
        audit_with_seqeval(*corpus, scheme=scheme, scores=scores)  # raises where seqeval counts otherwise
        judged = judge(corpus, scheme)
        counted = tally(judged, (), units=judged.layout.lengths * 0, num_units=1)
        totals = counted.counts.sum(axis=0).astype(int).tolist()
        found = {
            name: (totals[each.correct], totals[each.predicted], totals[each.gold])
            for name, each in (counted.find(LABEL) | counted.find(OVERALL)).items()
        }
        # gold may hold no span of a type that occurs: conlleval does not list it
        assert {name: found[name] for name in expected} == expected
        assert scores.matches is not None
        assert found["micro F1"] == total(expected)
        assert found["strict F1"] == triple(scores.strict)
        assert found["boundaries F1"] == triple(scores.matches.boundaries)
        assert found["types F1"] == triple(scores.matches.types)
        assert found["tokens"][::2] == (scores.tokens.correct, scores.tokens.total)
        assert found["sentences"][::2] == (scores.sentences.correct, scores.sentences.total)


@pytest.mark.parametrize(("scheme", "strict_scheme"), [("BIO", "IOB2"), ("BIOES", "IOBES")])
def test_strict_counts_are_those_of_seqevals_strict_mode(scheme: str, strict_scheme: str) -> None:
    import seqeval.scheme
    from seqeval.metrics.v1 import precision_recall_fscore_support

    for gold, predicted in random_corpora(scheme, NUM_CORPORA):
        if not gold:
            continue
        strict = score_spans((gold, predicted), scheme).strict
        theirs = precision_recall_fscore_support(
            gold, predicted, average="micro", scheme=getattr(seqeval.scheme, strict_scheme), zero_division=0
        )
        ours = (strict.precision or 0, strict.recall or 0, strict.f1 or 0, strict.gold)
        assert tuple(map(float, theirs)) == pytest.approx(ours)


@pytest.mark.parametrize("label", ["event-film", "event_film", "a-", "-a", "_", "O", "B", "I-x"])
def test_seqevals_default_mode_reads_bio_itself(label: str) -> None:
    """Not spelled anew for it: the tags as they are."""
    from seqeval.metrics.sequence_labeling import get_entities

    chance = random.Random(label)
    tags = tags_of_types([label, "PER"], "BIO")
    for _ in range(50):
        sentence = chance.choices(tags, k=8)
        spans = [(span.label, span.start, span.end - 1) for span in tags_to_spans(sentence, "BIO")]
        assert get_entities(sentence) == spans


def test_matches_add_up_to_both_sides() -> None:
    for gold, predicted in random_corpora("BIO", 200):
        matches = score([*gold], [*predicted], scheme="BIO").matches  # type: ignore[union-attr]
        assert matches is not None
        assert matches.boundaries.gold == sum(len(tags_to_spans(tags, "BIO")) for tags in gold)
        assert matches.boundaries.predicted == sum(len(tags_to_spans(tags, "BIO")) for tags in predicted)


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ("B-X I-X O", "B-X I-X O", ["correct"]),
        ("B-X I-X O", "B-Y I-Y O", ["wrong type"]),
        ("B-X I-X O", "B-X O O", ["wrong boundary"]),
        ("B-X I-X O", "B-Y O O", ["wrong both"]),
        ("B-X I-X O", "O O B-X", ["missed", "spurious"]),
        # one long span over two short ones: the first of its own type is its partner, the other stays alone
        ("B-X I-X I-X", "B-Y B-X B-X", ["wrong boundary", "spurious", "spurious"]),
        ("B-X B-X B-X", "B-Y I-Y I-Y", ["wrong both", "missed", "missed"]),
        # its own type comes before an earlier place
        ("B-X I-X O", "B-Y B-X I-X", ["wrong boundary", "spurious"]),
    ],
)
def test_kinds_of_matches(gold: str, predicted: str, kinds: list[str]) -> None:
    spans = [tags_to_spans(tags.split(), "BIO") for tags in (gold, predicted)]
    assert [kind for kind, _, _ in match_spans(*spans)] == kinds
    assert count_matches(Counter(kinds)) == score([gold.split()], [predicted.split()], scheme="BIO").matches  # type: ignore[union-attr]

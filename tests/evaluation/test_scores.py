"""Scores against conlleval's rules, against seqeval, and against counting by hand."""

import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import TaggerError
from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
from tagger.evaluation.scores import audit_with_seqeval, score
from tagger.schemes import illegal_transitions, strict_spans, tags_of_types
from tests.oracles import conlleval_counts
from tests.strategies import SPAN_SCHEMES, Corpus, corpora, plain_corpora

Triple = tuple[int, int, int]


def score_spans(corpus: Corpus, scheme: str) -> SpanScores:
    scores = score(*corpus, scheme=scheme)
    assert isinstance(scores, SpanScores)
    return scores


def score_tags(corpus: Corpus, **words: object) -> TagScores:
    scores = score(*corpus, scheme="plain", **words)  # type: ignore[arg-type]
    assert isinstance(scores, TagScores)
    return scores


def triple(counts: Counts) -> Triple:
    return counts.correct, counts.predicted, counts.gold


def by_type(per_type: dict[str, Counts]) -> dict[str, Triple]:
    return {label: triple(counts) for label, counts in per_type.items()}


def total(per_type: dict[str, Triple]) -> Triple:
    first, second, third = (sum(each[index] for each in per_type.values()) for index in range(3))
    return first, second, third


def random_corpora(scheme: str, number: int) -> Iterator[Corpus]:
    """Predictions near gold, so that correct spans are common; gold itself is mostly illegal."""
    chance = random.Random(f"{scheme} {number}")
    tags = tags_of_types(["PER", "event-film", "event_film"], scheme)
    for _ in range(number):
        outside = chance.choice([1, 8, 30])
        gold = [
            chance.choices(tags, [outside] + [1] * (len(tags) - 1), k=chance.randrange(9))
            for _ in range(chance.randrange(5))
        ]
        yield gold, [[chance.choice(tags) if chance.random() < 0.2 else tag for tag in sentence] for sentence in gold]


class TestCounts:
    def test_ratios(self) -> None:
        counts = Counts(correct=3, predicted=4, gold=6)
        assert (counts.precision, counts.recall, counts.f1) == (0.75, 0.5, 0.6)
        assert Ratio(correct=1, total=4).value == 0.25

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [((0, 0, 0), (None, None, None)), ((0, 2, 0), (0.0, None, 0.0)), ((0, 0, 2), (None, 0.0, 0.0))],
    )
    def test_over_nothing_a_ratio_is_undefined(self, counts: Triple, expected: tuple[float | None, ...]) -> None:
        correct, predicted, gold = counts
        made = Counts(correct=correct, predicted=predicted, gold=gold)
        assert (made.precision, made.recall, made.f1) == expected
        assert Ratio(correct=0, total=0).value is None

    @pytest.mark.parametrize("counts", [(2, 1, 3), (2, 3, 1), (-1, 1, 1)])
    def test_impossible_counts_are_refused(self, counts: Triple) -> None:
        correct, predicted, gold = counts
        with pytest.raises(ValueError, match="correct of"):
            Counts(correct=correct, predicted=predicted, gold=gold)
        with pytest.raises(ValueError, match="correct of"):
            Ratio(correct=2, total=1)


class TestSpans:
    @pytest.mark.parametrize("scheme", SPAN_SCHEMES)
    def test_counts_are_conllevals_on_random_corpora(self, scheme: str) -> None:
        for corpus in random_corpora(scheme, 500):
            scores, expected = score_spans(corpus, scheme), conlleval_counts(*corpus)
            assert by_type(scores.per_type) == expected
            assert triple(scores.micro) == total(expected)

    @pytest.mark.parametrize("scheme", SPAN_SCHEMES)
    @given(data=st.data())
    def test_counts_are_conllevals_whatever_the_types_are_called(self, scheme: str, data: st.DataObject) -> None:
        corpus = data.draw(corpora(scheme))
        assert by_type(score_spans(corpus, scheme).per_type) == conlleval_counts(*corpus)

    @pytest.mark.parametrize("scheme", SPAN_SCHEMES)
    def test_everything_else_is_what_counting_one_by_one_gives(self, scheme: str) -> None:
        for gold, predicted in random_corpora(scheme, 100):
            scores = score_spans((gold, predicted), scheme)
            correct = sum(
                len({s.key for s in strict_spans(ours, scheme)} & {s.key for s in strict_spans(theirs, scheme)})
                for ours, theirs in zip(gold, predicted, strict=True)
            )
            sides = [sum(len(strict_spans(tags, scheme)) for tags in side) for side in (predicted, gold)]
            assert triple(scores.strict) == (correct, *sides)
            assert triple(scores.strict) == total(by_type(scores.strict_per_type))
            assert scores.illegal_gold == sum(len(illegal_transitions(tags, scheme)) for tags in gold)
            assert scores.illegal_predicted == sum(len(illegal_transitions(tags, scheme)) for tags in predicted)
            pairs = [pair for each in zip(gold, predicted, strict=True) for pair in zip(*each, strict=True)]
            assert scores.tokens == Ratio(correct=sum(ours == theirs for ours, theirs in pairs), total=len(pairs))
            whole = [ours == theirs for ours, theirs in zip(gold, predicted, strict=True) if ours]
            assert scores.sentences == Ratio(correct=sum(whole), total=len(whole))

    @pytest.mark.parametrize(("scheme", "strict_scheme"), [("BIO", "IOB2"), ("BIOES", "IOBES")])
    def test_strict_counts_are_seqevals_strict_mode(self, scheme: str, strict_scheme: str) -> None:
        import seqeval.scheme
        from seqeval.metrics.v1 import precision_recall_fscore_support

        for gold, predicted in random_corpora(scheme, 200):
            if not gold:
                continue
            strict = score_spans((gold, predicted), scheme).strict
            theirs = precision_recall_fscore_support(
                gold, predicted, average="micro", scheme=getattr(seqeval.scheme, strict_scheme), zero_division=0
            )
            ours = (strict.precision or 0, strict.recall or 0, strict.f1 or 0, strict.gold)
            assert tuple(map(float, theirs)) == pytest.approx(ours)

    def test_illegal_bio_counts_leniently_and_not_strictly(self) -> None:
        scores = score_spans(([["B-X", "I-X", "O", "B-Y"]], [["I-X", "I-X", "O", "B-Y"]]), "BIO")
        assert triple(scores.micro) == (2, 2, 2)
        assert triple(scores.strict) == (1, 1, 2)
        assert scores.strict_per_type["X"] == Counts(correct=0, predicted=0, gold=1)
        assert (scores.illegal_gold, scores.illegal_predicted) == (0, 1)
        assert (scores.main, scores.main_name) == (1.0, "micro F1")

    def test_a_sentence_that_never_ends_its_span_is_illegal(self) -> None:
        scores = score_spans(([["B-X", "E-X"]], [["B-X", "I-X"]]), "IOBES")
        assert (triple(scores.micro), triple(scores.strict), scores.illegal_predicted) == ((1, 1, 1), (0, 0, 1), 1)

    def test_all_outside_is_undefined_and_right(self) -> None:
        scores = score_spans(([["O", "O"], []], [["O", "O"], []]), "BIO")
        assert (scores.main, scores.micro.precision, scores.macro_f1, scores.per_type) == (None, None, None, {})
        assert (scores.tokens.value, scores.sentences) == (1.0, Ratio(correct=1, total=1))

    def test_no_sentences(self) -> None:
        scores = score_spans(([], []), "BIO")
        assert (scores.main, scores.tokens.value, scores.sentences.value) == (None, None, None)

    def test_macro_f1_is_over_the_types_of_gold(self) -> None:
        scores = score_spans(([["B-X", "B-Y", "O", "O"]], [["B-X", "O", "B-Z", "B-X"]]), "BIO")
        assert scores.macro_f1 == pytest.approx((2 / 3 + 0) / 2)

    def test_recall_over_spans_with_unknown_words(self) -> None:
        gold, predicted = [["B-X", "I-X", "O", "B-Y", "B-Y"]], [["B-X", "I-X", "O", "B-Y", "O"]]
        tokens = [["New", "York", "unseen", "is", "Oslo"]]
        scores = score(gold, predicted, scheme="BIO", tokens=tokens, known_words=["New", "is"])
        assert isinstance(scores, SpanScores)
        assert scores.unknown_word_spans == Ratio(correct=1, total=2)
        assert scores.known_word_spans == Ratio(correct=1, total=1)
        without = score_spans((gold, predicted), "BIO")
        assert (without.unknown_word_spans, without.known_word_spans) == (None, None)

    def test_tuples_and_lists_may_be_mixed(self) -> None:
        assert score([("B-X", "O")], [["B-X", "O"]], scheme="BIO") == score(
            [["B-X", "O"]], [["B-X", "O"]], scheme="BIO"
        )


class TestTags:
    @given(corpus=plain_corpora())
    def test_counts_are_those_of_counting_token_by_token(self, corpus: Corpus) -> None:
        scores = score_tags(corpus)
        pairs = [pair for each in zip(*corpus, strict=True) for pair in zip(*each, strict=True)]
        assert scores.accuracy == Ratio(correct=sum(a == b for a, b in pairs), total=len(pairs))
        assert by_type(scores.per_tag) == {
            tag: (pairs.count((tag, tag)), sum(b == tag for _, b in pairs), sum(a == tag for a, _ in pairs))
            for tag in {tag for pair in pairs for tag in pair}
        }

    def test_tags_that_look_like_spans_are_just_tags(self) -> None:
        scores = score_tags(([["B-x", "I-x"]], [["B-x", "NOUN"]]))
        assert by_type(scores.per_tag) == {"B-x": (1, 1, 1), "I-x": (0, 0, 1), "NOUN": (0, 1, 0)}
        assert (scores.main, scores.main_name, scores.macro_f1) == (0.5, "accuracy", 0.5)

    def test_unknown_and_known_words(self) -> None:
        corpus = [["N", "V"], [], ["N"]], [["N", "N"], [], ["N"]]
        scores = score_tags(corpus, tokens=[["a", "b"], [], ["c"]], known_words={"a"})
        assert scores.unknown_words == Ratio(correct=1, total=2)
        assert scores.known_words == Ratio(correct=1, total=1)
        assert scores.sentences == Ratio(correct=1, total=2)
        assert (score_tags(corpus).unknown_words, score_tags(corpus).known_words) == (None, None)

    def test_no_unknown_words_is_undefined_not_perfect(self) -> None:
        scores = score_tags(([["N"]], [["N"]]), tokens=[["a"]], known_words=["a"])
        assert scores.unknown_words == Ratio(correct=0, total=0)

    def test_no_tokens(self) -> None:
        scores = score_tags(([[]], [[]]))
        assert (scores.main, scores.macro_f1, scores.sentences.value) == (None, None, None)


class TestRefusals:
    @pytest.mark.parametrize("scheme", ["plain", "BIO"])
    def test_sentences_that_do_not_match_are_named(self, scheme: str) -> None:
        with pytest.raises(ValueError, match="sentence 2: 1 gold tags but 2 predicted tags"):
            score([["O"], ["O"]], [["O"], ["O", "O"]], scheme=scheme)
        with pytest.raises(ValueError, match="sentence 2 has no predicted tags: 2 sentences of gold, 1 of"):
            score([["O"], ["O"]], [["O"]], scheme=scheme)
        with pytest.raises(ValueError, match="sentence 1 has no gold tags"):
            score([], [["O"]], scheme=scheme)
        with pytest.raises(ValueError, match="sentence 1: 1 gold tags but 0 tokens"):
            score([["O"]], [["O"]], scheme=scheme, tokens=[[]])

    def test_shifted_lengths_are_not_taken_for_equal(self) -> None:
        with pytest.raises(ValueError, match="sentence 1: 1 gold tags but 2 predicted"):
            score([["N"], ["N", "N"]], [["N", "N"], ["N"]], scheme="plain")

    @pytest.mark.parametrize("side", [0, 1])
    def test_tags_of_another_scheme_are_named_with_their_sentence(self, side: int) -> None:
        sides = [["O"], ["O"]], [["O"], ["O"]]
        sides[side][1][0] = "S-X"
        with pytest.raises(ValueError, match="sentence 2: 'S-X' is no tag of scheme BIO"):
            score(*sides, scheme="BIO")

    def test_unknown_schemes_and_known_words_without_tokens(self) -> None:
        with pytest.raises(ValueError, match="no span scheme 'BOI'"):
            score([], [], scheme="BOI")
        with pytest.raises(ValueError, match="known_words need tokens"):
            score([], [], scheme="plain", known_words=["a"])


class TestAudit:
    @pytest.mark.parametrize("scheme", SPAN_SCHEMES)
    def test_seqeval_agrees_on_random_corpora(self, scheme: str) -> None:
        for corpus in random_corpora(scheme, 100):
            micro = score_spans(corpus, scheme).micro
            audited = audit_with_seqeval(*corpus, scheme=scheme)
            for theirs, ours in zip(audited, (micro.precision, micro.recall, micro.f1), strict=True):
                assert (theirs is None) == (ours is None)
                assert theirs is None or theirs == pytest.approx(ours)

    @pytest.mark.parametrize("scheme", SPAN_SCHEMES)
    @given(data=st.data())
    def test_seqeval_agrees_whatever_the_types_are_called(self, scheme: str, data: st.DataObject) -> None:
        audit_with_seqeval(*data.draw(corpora(scheme)), scheme=scheme)

    def test_the_empty_type_is_not_taken_for_an_underscore(self) -> None:
        corpus = [["B", "B-_", "B-__"]], [["B-_", "B-_", "B"]]
        assert audit_with_seqeval(*corpus, scheme="BIO") == pytest.approx((1 / 3, 1 / 3, 1 / 3))

    @pytest.mark.parametrize("corpus", [([], []), ([[]], [[]]), ([["O", "O"]], [["O", "O"]])])
    def test_nothing_to_count_is_undefined_without_a_warning(self, corpus: Corpus) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert audit_with_seqeval(*corpus, scheme="BIO") == (None, None, None)

    def test_undefined_precision_only(self) -> None:
        assert audit_with_seqeval([["B-X"]], [["O"]], scheme="BIO") == (None, 0.0, 0.0)

    @pytest.mark.parametrize("wrong", [{"micro": Counts(correct=0, predicted=1, gold=1)}, {"per_type": {}}])
    def test_scores_that_seqeval_does_not_confirm_are_a_defect(self, wrong: dict[str, Counts]) -> None:
        corpus = [["B-X"]], [["B-X"]]
        scores = replace(score_spans(corpus, "BIO"), **wrong)  # type: ignore[arg-type]
        with pytest.raises(TaggerError, match="a defect") as caught:
            audit_with_seqeval(*corpus, scheme="BIO", scores=scores)
        assert caught.value.exit_code == 70

    def test_plain_tags_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no span scheme 'plain'"):
            audit_with_seqeval([["NOUN"]], [["NOUN"]], scheme="plain")


def test_importing_and_scoring_load_neither_seqeval_nor_torch() -> None:
    program = (
        "import sys; from tagger.evaluation import render, report, scores\n"
        "scores.score([['B-X']], [['O']], scheme='BIO')\n"
        "sys.exit(any(name in sys.modules for name in ('seqeval', 'sklearn', 'numpy', 'torch')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

"""Reports and comparisons in which every field holds something: for the tests of whatever shows them."""

from tagger.evaluation.comparison import ComparedSentence, Comparison, Difference, Flip, Pair, SeedTest, System
from tagger.evaluation.counts import Counts, MatchCounts, Ratio, SpanScores, TagScores
from tagger.evaluation.findings import (
    Baseline,
    Breakdown,
    Bucket,
    Calibration,
    Confusion,
    ConfusionCell,
    CountsIntervals,
    Interval,
    Intervals,
    Place,
    PrecisionRecall,
    ReliabilityBin,
    ScoredSentence,
    Suspect,
    Temperature,
    ThresholdPoint,
)
from tagger.evaluation.report import CurvePoint, OwnTags, Report

NOTHING = CountsIntervals(precision=None, recall=None, f1=None)


def counts(correct: int, predicted: int, gold: int) -> Counts:
    return Counts(correct=correct, predicted=predicted, gold=gold)


def ratio(correct: int, total: int) -> Ratio:
    return Ratio(correct=correct, total=total)


def around(low: float, high: float) -> Interval:
    return Interval(low=low, high=high)


def three(low: float, high: float) -> CountsIntervals:
    return CountsIntervals(precision=around(low, high), recall=around(low, high), f1=around(low, high))


def calibration(unit: str, right: tuple[tuple[int, int, float], ...]) -> Calibration:
    """Ten bins, of which the last are given as (right, all, mean confidence)."""
    filled = [None] * (10 - len(right)) + [*right]
    return Calibration(
        unit=unit,
        bins=tuple(
            ReliabilityBin(
                low=number / 10,
                high=(number + 1) / 10,
                right=ratio(0, 0) if each is None else ratio(each[0], each[1]),
                mean_confidence=each[2] if each and each[1] else None,
            )
            for number, each in enumerate(filled)
        ),
    )


def threshold(at: float, correct: int, predicted: int, gold: int) -> ThresholdPoint:
    return ThresholdPoint(threshold=at, counts=counts(correct, predicted, gold))


CURVE = (
    CurvePoint(epoch=1, train_loss=1.25, dev_score=0.25, seconds=2.0),
    CurvePoint(epoch=2, train_loss=0.5, dev_score=0.625, seconds=1.75),
    CurvePoint(epoch=3, train_loss=0.375, dev_score=0.5, seconds=1.75),
)
MANIFEST: dict[str, dict[str, str | int]] = {
    "train": {"source": "train.conll", "sha256": "ab" * 32, "sentences": 40, "tokens": 400, "empty_sentences": 0},
    "test": {"source": "test.conll", "sha256": "cd" * 32, "sentences": 4, "tokens": 14, "empty_sentences": 1},
}
SPAN_TAGS = ("O", "B-PER", "I-PER", "B-LOC", "B-<b>ORG</b>", "I-<b>ORG</b>")


def span_sentences() -> tuple[ScoredSentence, ...]:
    return (
        ScoredSentence(
            tokens=("Anna", "Lee", "saw", "<script>alert(1)</script>", "."),
            gold=(1, 2, 0, 3, 0),
            predicted=(1, 0, 0, 3, 0),
            confidence=(9900, 5100, 9990, 8000, 10000),
            span_confidence=(5000, 7900),
            source="test.conll:1",
            document=0,
        ),
        ScoredSentence(
            tokens=("Paris", "won", "in", "Basle"),
            gold=(4, 0, 0, 3),
            predicted=(3, 0, 0, 0),
            confidence=(9700, 9990, 9990, 9400),
            span_confidence=(9700,),
            source="test.conll:7",
            document=0,
        ),
        ScoredSentence(
            tokens=("The", "Red", "Cross", "came", "&"),
            gold=(0, 4, 5, 0, 0),
            predicted=(0, 4, 5, 0, 1),
            confidence=(9990, 9000, 9100, 9900, 4200),
            span_confidence=(8900, 4100),
            source="test.conll:12",
            document=1,
        ),
        ScoredSentence(tokens=(), gold=(), predicted=None, confidence=(), span_confidence=(), source=None, document=1),
    )


def span_scores() -> SpanScores:
    per_type = {"<b>ORG</b>": counts(1, 1, 2), "LOC": counts(1, 2, 2), "PER": counts(0, 2, 1)}
    return SpanScores(
        micro=counts(2, 5, 5),
        per_type=per_type,
        strict=counts(2, 5, 5),
        strict_per_type=per_type,
        illegal_gold=0,
        illegal_predicted=0,
        tokens=ratio(10, 14),
        sentences=ratio(0, 3),
        unknown_word_spans=ratio(1, 3),
        known_word_spans=ratio(1, 2),
        matches=MatchCounts(correct=2, wrong_type=1, wrong_boundary=1, wrong_both=0, missed=1, spurious=1),
    )


def span_breakdowns() -> tuple[Breakdown, ...]:
    rule = "F1 over spans, by whether train holds all their words"
    return (
        Breakdown(
            name="known words",
            rule=rule,
            buckets=(
                Bucket(name="all known", score=counts(1, 2, 2), interval=around(0.0, 1.0)),
                Bucket(name="some unknown", score=counts(1, 3, 3), interval=around(0.0, 0.75)),
            ),
        ),
        Breakdown(
            name="span length",
            rule="F1 over spans, by their number of tokens",
            buckets=(
                Bucket(name="1", score=counts(1, 4, 3), interval=around(0.0, 0.5)),
                Bucket(name="2", score=counts(1, 1, 2), interval=None),
            ),
        ),
        Breakdown(
            name="training frequency",
            rule="F1 over spans, by how often train holds their rarest word",
            buckets=(),
            missing="the model folder holds no word counts: it was saved by an earlier version",
        ),
    )


def span_report() -> Report:
    """Entities in BIO; a type and a token look like HTML."""
    scores = span_scores()
    return Report(
        title="ner on test.conll",
        split="test",
        scheme="BIO",
        num_sentences=4,
        num_tokens=14,
        scores=scores,
        most_confused=(
            Confusion(gold="<b>ORG</b>", predicted="LOC", count=1, examples=(Place(sentence=1, start=0, end=1),)),
            Confusion(gold="LOC", predicted=None, count=1, examples=(Place(sentence=1, start=3, end=4),)),
            Confusion(gold=None, predicted="PER", count=1, examples=(Place(sentence=2, start=4, end=5),)),
        ),
        curve=CURVE,
        facts={"seed": 1, "device": "cpu, 1 thread", "predicted tokens/s": 1234, "torch": "2.13.0", "note": None},
        seqeval=(0.4, 0.4, 0.4),
        own_tags=OwnTags(encoding="BIOES", num_illegal=1),
        warnings=("2 span types of test never occur in train: <b>ORG</b>, LOC",),
        intervals=Intervals(
            unit="sentence",
            num_units=4,
            num_resamples=1000,
            main=around(0.0, 0.75),
            macro_f1=around(0.0, 0.625),
            tokens=around(0.5, 0.875),
            sentences=around(0.0, 0.5),
            micro=three(0.0, 0.75),
            strict=three(0.0, 0.75),
            boundaries=three(0.25, 0.875),
            types=three(0.125, 0.875),
            per_label={"<b>ORG</b>": three(0.0, 1.0), "LOC": three(0.0, 1.0), "PER": NOTHING},
        ),
        breakdowns=span_breakdowns(),
        confusion_matrix=(
            ConfusionCell(gold="<b>ORG</b>", predicted="<b>ORG</b>", count=1, exact=1),
            ConfusionCell(gold="<b>ORG</b>", predicted="LOC", count=1, exact=1),
            ConfusionCell(gold="LOC", predicted="LOC", count=1, exact=1),
            ConfusionCell(gold="LOC", predicted=None, count=1, exact=0),
            ConfusionCell(gold="PER", predicted="PER", count=1, exact=0),
            ConfusionCell(gold=None, predicted="PER", count=1, exact=0),
        ),
        calibration=(
            calibration("tokens", ((0, 1, 0.42), (0, 1, 0.51), (0, 0, 0.0), (0, 0, 0.0), (1, 1, 0.8), (9, 11, 0.97))),
            calibration("spans", ((0, 2, 0.45), (0, 0, 0.0), (0, 0, 0.0), (1, 1, 0.79), (1, 1, 0.89), (0, 1, 0.97))),
        ),
        temperature=Temperature(
            value=1.5, fitted_on="dev", before=(calibration("spans", ((1, 1, 0.85), (1, 4, 0.97))),)
        ),
        precision_recall=(
            PrecisionRecall(
                label=None,
                unit="spans",
                points=(
                    threshold(0.41, 2, 5, 5),
                    threshold(0.5, 2, 4, 5),
                    threshold(0.79, 2, 3, 5),
                    threshold(0.97, 0, 1, 5),
                ),
            ),
            PrecisionRecall(
                label="<b>ORG</b>",
                unit="spans",
                points=(threshold(0.89, 1, 1, 2),),
                chosen=threshold(0.89, 1, 1, 2),
            ),
            PrecisionRecall(label="LOC", unit="spans", points=(threshold(0.79, 1, 2, 2), threshold(0.97, 0, 1, 2))),
        ),
        min_precision=0.95,
        suspects=(
            Suspect(place=Place(sentence=1, start=0, end=1), gold="<b>ORG</b>", predicted="LOC", confidence=0.97),
            Suspect(place=Place(sentence=1, start=3, end=4), gold="LOC", predicted=None, confidence=0.94),
        ),
        baselines=(
            Baseline(
                name="most frequent tag",
                rule="each word's most frequent tag in train; the most frequent tag of all for unknown words",
                scores=SpanScores(
                    micro=counts(1, 3, 5),
                    per_type={"LOC": counts(1, 3, 2), "PER": counts(0, 0, 1), "<b>ORG</b>": counts(0, 0, 2)},
                    strict=counts(1, 3, 5),
                    strict_per_type={"LOC": counts(1, 3, 2), "PER": counts(0, 0, 1), "<b>ORG</b>": counts(0, 0, 2)},
                    illegal_gold=0,
                    illegal_predicted=0,
                    tokens=ratio(8, 14),
                    sentences=ratio(0, 3),
                    matches=MatchCounts(correct=1, wrong_type=1, wrong_boundary=0, wrong_both=1, missed=2, spurious=0),
                ),
                interval=around(0.0, 0.5),
                seconds=0.25,
            ),
        ),
        labels=("<b>ORG</b>", "LOC", "PER"),
        manifest=MANIFEST,
        config="data:\n  train: train.conll\ntraining:\n  seed: 1\n",
        tags=SPAN_TAGS,
        sentences=span_sentences(),
        words={"Anna": (3, 1), "<script>alert(1)</script>": (0, 0), "saw": (12, 2)},
    )


def tag_scores() -> TagScores:
    return TagScores(
        accuracy=ratio(3, 5),
        per_tag={"NOUN": counts(1, 2, 2), "VERB": counts(1, 2, 1), "|": counts(1, 1, 1), "PRP$": counts(0, 0, 1)},
        sentences=ratio(1, 2),
        unknown_words=ratio(1, 2),
        known_words=ratio(2, 3),
    )


def tag_report() -> Report:
    """Plain tags."""
    return Report(
        title="pos on test.conll",
        split="test",
        scheme="plain",
        num_sentences=2,
        num_tokens=5,
        scores=tag_scores(),
        most_confused=(
            Confusion(gold="NOUN", predicted="VERB", count=1, examples=(Place(sentence=0, start=1, end=2),)),
            Confusion(gold="PRP$", predicted="NOUN", count=1, examples=(Place(sentence=0, start=2, end=3),)),
        ),
        curve=CURVE,
        facts={"seed": 7, "weights": 123456, "device": "cpu, 1 thread"},
        intervals=Intervals(
            unit="document",
            num_units=2,
            num_resamples=1000,
            main=around(0.25, 1.0),
            macro_f1=around(0.125, 1.0),
            tokens=around(0.25, 1.0),
            sentences=around(0.0, 1.0),
            micro=None,
            strict=None,
            boundaries=None,
            types=None,
            per_label={"NOUN": three(0.0, 1.0), "VERB": three(0.0, 1.0), "|": three(1.0, 1.0), "PRP$": NOTHING},
        ),
        breakdowns=(
            Breakdown(
                name="known words",
                rule="accuracy over tokens, by whether train holds the word",
                buckets=(
                    Bucket(name="known", score=ratio(2, 3), interval=around(0.25, 1.0)),
                    Bucket(name="unknown", score=ratio(1, 2), interval=around(0.0, 1.0)),
                ),
            ),
        ),
        confusion_matrix=(
            ConfusionCell(gold="NOUN", predicted="NOUN", count=1, exact=1),
            ConfusionCell(gold="NOUN", predicted="VERB", count=1, exact=1),
            ConfusionCell(gold="PRP$", predicted="NOUN", count=1, exact=1),
            ConfusionCell(gold="VERB", predicted="VERB", count=1, exact=1),
            ConfusionCell(gold="|", predicted="|", count=1, exact=1),
        ),
        calibration=(calibration("tokens", ((0, 1, 0.55), (0, 0, 0.0), (0, 0, 0.0), (1, 2, 0.87), (2, 2, 0.99))),),
        precision_recall=(
            PrecisionRecall(
                label=None,
                unit="tokens",
                points=(threshold(0.55, 3, 5, 5), threshold(0.87, 3, 4, 5), threshold(0.99, 2, 2, 5)),
                chosen=threshold(0.99, 2, 2, 5),
            ),
            PrecisionRecall(label="NOUN", unit="tokens", points=(threshold(0.55, 1, 2, 2), threshold(0.99, 1, 1, 2))),
        ),
        min_precision=0.95,
        suspects=(Suspect(place=Place(sentence=0, start=1, end=2), gold="NOUN", predicted="VERB", confidence=0.91),),
        baselines=(
            Baseline(
                name="HMM",
                rule="bigram hidden Markov model",
                scores=tag_scores(),
                interval=around(0.25, 1.0),
                seconds=0.125,
            ),
        ),
        labels=("NOUN", "PRP$", "VERB", "|"),
        manifest=MANIFEST,
        config="training:\n  seed: 7\n",
        tags=("NOUN", "VERB", "|", "PRP$"),
        sentences=(
            ScoredSentence(
                tokens=("dogs", "walk", "her"),
                gold=(0, 0, 3),
                predicted=(0, 1, 0),
                confidence=(9900, 9100, 5500),
                source="test.conll:1",
                document=0,
            ),
            ScoredSentence(
                tokens=("go", "|"),
                gold=(1, 2),
                predicted=None,
                confidence=(8300, 9900),
                source="test.conll:5",
                document=1,
            ),
        ),
    )


def comparison() -> Comparison:
    """Two systems, one of them with three seeds."""
    better = span_scores()
    return Comparison(
        split="test",
        scheme="BIO",
        num_sentences=4,
        num_tokens=14,
        unit="sentence",
        num_units=4,
        num_shuffles=10_000,
        num_resamples=1000,
        correction="Holm",
        num_tests=3,
        systems=(
            System(name="runs/a", title="a on test.conll", runs=(better,)),
            System(name="runs/<b>", title="b on test.conll", runs=(better, better, better)),
        ),
        pairs=(
            Pair(
                first=0,
                second=1,
                differences=(
                    Difference(
                        group="overall", name="micro F1", count=5, first=0.4, second=0.6,
                        interval=around(-0.1, 0.5), p=0.04, corrected_p=0.12,
                    ),
                    Difference(
                        group="type", name="<b>ORG</b>", count=2, first=None, second=0.5,
                        interval=None, p=None, corrected_p=None,
                    ),
                    Difference(
                        group="span length", name="1", count=3, first=0.5, second=0.25,
                        interval=around(-0.5, 0.0), p=0.5, corrected_p=1.0,
                    ),
                ),
                across_seeds=SeedTest(num_runs=(1, 3), difference=0.2, p=0.5, num_permutations=4, exact=1),
                improved=(Flip(sentence=0, first=2, second=0),),
                worsened=(Flip(sentence=1, first=0, second=1),),
            ),
        ),
        tags=SPAN_TAGS,
        sentences=(
            ComparedSentence(
                index=0, tokens=("Anna", "<i>Lee</i>"), gold=(1, 2), predicted=((0, 0), (1, 2)), source="test.conll:1"
            ),
            ComparedSentence(index=2, tokens=("in", "Basle"), gold=(0, 3), predicted=((0, 3), (0, 0)), source=None),
        ),
        warnings=("runs/a has one run only",),
    )  # fmt: skip

"""Every part of a report against counting by hand; and reports of next to nothing."""

import json
import random

import pytest

from tagger.evaluation.builder import Rival, build_report
from tagger.evaluation.calibration import NUM_BINS, NUM_POINTS
from tagger.evaluation.counts import Counts, Ratio
from tagger.evaluation.findings import Breakdown, ConfusionCell, Place
from tagger.evaluation.properties import NO_COUNTS, NO_WORDS
from tagger.evaluation.render import render_markdown, render_text
from tagger.evaluation.report import Report
from tagger.evaluation.tallies import MAX_LABELS
from tagger.schemes import tags_to_spans
from tagger.sentence import Prediction, Sentence, Span
from tests.evaluation.test_scores import random_corpora

WORDS = {"the": (40, 1), "Berlin": (3, 2), "walk": (1, 2)}


def predict(tokens: tuple[str, ...], tags: list[str], *, scheme: str, sure: list[float]) -> Prediction:
    spans = [] if scheme == "plain" else tags_to_spans(tags, scheme)
    return Prediction(
        tokens=tokens,
        tags=tuple(tags),
        spans=tuple(
            Span(start=span.start, end=span.end, label=span.label, confidence=min(sure[span.start : span.end]))
            for span in spans
        ),
        confidence=tuple(sure),
    )


def build(
    lines: list[tuple[str, str, str]], *, scheme: str, sure: list[list[float]] | None = None, **options: object
) -> Report:
    """Of (tokens, gold, predicted), each separated by blanks."""
    gold, predicted = [], []
    for number, (tokens, ours, theirs) in enumerate(lines):
        words = tuple(tokens.split())
        gold.append(Sentence(tokens=words, tags=tuple(ours.split()), source=f"f:{number}"))
        confidence = [0.8] * len(words) if sure is None else sure[number]
        predicted.append(predict(words, theirs.split(), scheme=scheme, sure=confidence))
    return build_report(gold, predicted, title="T", split="test", scheme=scheme, **options)  # type: ignore[arg-type]


def buckets(report: Report, name: str) -> dict[str, Counts | Ratio]:
    (found,) = (each for each in report.breakdowns if each.name == name)
    assert found.missing is None
    return {bucket.name: bucket.score for bucket in found.buckets}


def ratio(correct: int, total: int) -> Ratio:
    return Ratio(correct=correct, total=total)


def counts(correct: int, predicted: int, gold: int) -> Counts:
    return Counts(correct=correct, predicted=predicted, gold=gold)


class TestBreakdowns:
    def tags(self) -> Report:
        lines = [("the Berlin walk xyz 3rd !", "D P N X A .", "D P V X A ."), ("WALK iPhone", "V N", "N N")]
        return build(lines, scheme="plain", known_words={"the", "Berlin", "walk"}, words=WORDS)

    def test_tags_by_word(self) -> None:
        report = self.tags()
        assert buckets(report, "known words") == {"known": ratio(2, 3), "unknown": ratio(4, 5)}
        assert buckets(report, "training frequency") == {
            "0": ratio(4, 5), "1": ratio(0, 1), "2-5": ratio(1, 1), "21-100": ratio(1, 1),
        }  # fmt: skip
        assert buckets(report, "tag ambiguity in train") == {
            "1": ratio(1, 1), "2": ratio(1, 2), "not in train": ratio(4, 5),
        }  # fmt: skip
        assert buckets(report, "capitalisation") == {
            "lower case": ratio(3, 4),
            "First letter upper case": ratio(1, 1),
            "ALL UPPER CASE": ratio(0, 1),
            "other mixtures": ratio(1, 1),
            "no letters": ratio(1, 1),
        }
        assert buckets(report, "digits") == {"no digit": ratio(5, 7), "digits": ratio(1, 1)}

    def test_tags_by_place(self) -> None:
        report = self.tags()
        assert buckets(report, "sentence length") == {"1-5": ratio(1, 2), "6-10": ratio(5, 6)}
        assert buckets(report, "position") == {"1": ratio(1, 2), "2-5": ratio(4, 5), "6-10": ratio(1, 1)}
        assert "span length" not in {each.name for each in report.breakdowns}

    def test_spans(self) -> None:
        lines = [("the Berlin walk in New York 2", "O B-L O O B-L I-L O", "O B-L B-P O B-L O O")]
        report = build(lines, scheme="BIO", known_words={"the", "Berlin", "walk"}, words=WORDS)
        assert buckets(report, "known words") == {"known": counts(1, 2, 1), "unknown": counts(0, 1, 1)}
        assert buckets(report, "training frequency") == {
            "0": counts(0, 1, 1), "1": counts(0, 1, 0), "2-5": counts(1, 1, 1),
        }  # fmt: skip
        assert buckets(report, "span length") == {"1": counts(1, 3, 1), "2": counts(0, 0, 1)}
        assert buckets(report, "position") == {"2-5": counts(1, 3, 2)}
        assert buckets(report, "digits") == {"no digit": counts(1, 3, 2)}

    @pytest.mark.parametrize("scheme", ["plain", "BIO"])
    def test_buckets_add_up_to_the_whole(self, scheme: str) -> None:
        for gold, predicted in random_corpora("BIO", 20):
            lines = [
                (" ".join(f"w{n % 4}" for n in range(len(ours))), " ".join(ours), " ".join(theirs))
                for ours, theirs in zip(gold, predicted, strict=True)
            ]
            report = build(lines, scheme=scheme, known_words={"w0"}, words={"w0": (9, 2)})
            scores = report.scores
            whole = scores.micro if hasattr(scores, "micro") else scores.accuracy
            for each in report.breakdowns:
                found = [bucket.score for bucket in each.buckets]
                for field in whole.__dataclass_fields__:
                    if field != "DERIVED":
                        assert sum(getattr(score, field) for score in found) == getattr(whole, field), each.name

    def test_what_is_not_known_is_said(self) -> None:
        report = build([("a", "N", "N")], scheme="plain")
        missing = {each.name: each.missing for each in report.breakdowns if each.missing}
        assert missing == {
            "known words": NO_WORDS, "training frequency": NO_COUNTS, "tag ambiguity in train": NO_COUNTS,
        }  # fmt: skip
        assert NO_COUNTS in render_markdown(report).replace("\\", "")


class TestConfusions:
    def test_matrix_of_tags(self) -> None:
        report = build([("a b c d", "N N V V", "N V V N")], scheme="plain")
        assert report.confusion_matrix == tuple(
            ConfusionCell(gold=ours, predicted=theirs, count=1, exact=1) for ours in "NV" for theirs in "NV"
        )

    def test_matrix_of_spans_has_missed_and_spurious(self) -> None:
        lines = [("a b c d e", "B-X I-X O B-Y B-Y", "B-X O B-X B-X O")]
        report = build(lines, scheme="BIO")
        assert report.confusion_matrix == (
            ConfusionCell(gold="X", predicted="X", count=1, exact=0),  # wrong boundary
            ConfusionCell(gold="Y", predicted="X", count=1, exact=1),
            ConfusionCell(gold="Y", predicted=None, count=1, exact=0),
            ConfusionCell(gold=None, predicted="X", count=1, exact=0),
        )
        assert [(each.gold, each.predicted, each.examples) for each in report.most_confused] == [
            ("Y", "X", (Place(sentence=0, start=3, end=4),)),
            ("Y", None, (Place(sentence=0, start=4, end=5),)),
            (None, "X", (Place(sentence=0, start=2, end=3),)),
        ]

    def test_the_matrix_adds_up(self) -> None:
        for gold, predicted in random_corpora("BIOES", 50):
            lines = [
                (" ".join("w" * 1 for _ in ours), " ".join(ours), " ".join(theirs))
                for ours, theirs in zip(gold, predicted, strict=True)
            ]
            report = build(lines, scheme="BIOES")
            cells = report.confusion_matrix
            matches = report.scores.matches  # type: ignore[union-attr]
            assert matches is not None
            assert sum(each.count for each in cells if each.gold is not None) == matches.types.gold
            assert sum(each.count for each in cells if each.predicted is not None) == matches.types.predicted
            assert sum(each.exact for each in cells if each.gold == each.predicted) == matches.correct
            assert sum(each.count for each in cells if each.predicted is None) == matches.missed

    def test_suspects_are_ranked_and_confident(self) -> None:
        lines = [("a b c", "N N N", "V V V"), ("d", "N", "V")]
        report = build(lines, scheme="plain", sure=[[0.95, 0.5, 0.9], [0.99]])
        assert [(each.place, each.confidence) for each in report.suspects] == [
            (Place(sentence=1, start=0, end=1), 0.99),
            (Place(sentence=0, start=0, end=1), 0.95),
            (Place(sentence=0, start=2, end=3), 0.9),
        ]
        assert {(each.gold, each.predicted) for each in report.suspects} == {("N", "V")}

    def test_suspect_spans(self) -> None:
        lines = [("a b c d", "B-X I-X O B-Y", "O O B-Z B-Y")]
        report = build(lines, scheme="BIO", sure=[[0.97, 0.92, 0.95, 1.0]])
        assert [(each.gold, each.predicted, each.confidence) for each in report.suspects] == [
            (None, "Z", 0.95),
            ("X", None, 0.92),
        ]


class TestConfidence:
    def test_bins_and_error_by_hand(self) -> None:
        report = build([("a b c d", "N N N N", "N V N N")], scheme="plain", sure=[[1.0, 0.55, 0.59, 0.0]])
        (tokens,) = report.calibration
        assert len(tokens.bins) == NUM_BINS
        filled = {round(each.low, 1): (each.right, each.mean_confidence) for each in tokens.bins if each.right.total}
        assert filled == {
            0.0: (ratio(1, 1), 0.0), 0.5: (ratio(1, 2), pytest.approx(0.57)), 0.9: (ratio(1, 1), 1.0),
        }  # fmt: skip
        assert tokens.expected_error == pytest.approx((1 * 1.0 + 2 * 0.07 + 0) / 4)

    def test_spans_have_a_calibration_of_their_own(self) -> None:
        report = build([("a b", "B-X O", "B-X B-Y")], scheme="BIO", sure=[[0.9, 0.3]])
        assert [each.unit for each in report.calibration] == ["tokens", "spans"]
        assert report.calibration[1].expected_error == pytest.approx((0.1 + 0.3) / 2)

    def test_curves_are_those_of_dropping_one_by_one(self) -> None:
        chance = random.Random(1)
        gold = [chance.choice("NV") for _ in range(30)]
        predicted = [chance.choice([tag, "N"]) for tag in gold]
        sure = [chance.choice([0.2, 0.4, 0.5, 0.7, 0.9]) for _ in gold]
        lines = [(" ".join("w" for _ in gold), " ".join(gold), " ".join(predicted))]
        report = build(lines, scheme="plain", sure=[sure], min_precision=0.8)
        for curve in report.precision_recall:
            expected = {}
            for at in sorted(set(sure)):
                kept = [
                    (ours, theirs)
                    for ours, theirs, value in zip(gold, predicted, sure, strict=True)
                    if value >= at and curve.label in (None, theirs)
                ]
                in_gold = len(gold) if curve.label is None else gold.count(curve.label)
                if kept:
                    expected[at] = counts(sum(a == b for a, b in kept), len(kept), in_gold)
            found = {point.threshold: point.counts for point in curve.points}
            assert {at: expected[at] for at in found} == found
            assert [point.threshold for point in curve.points] == sorted(found)
            precise = [each for each in expected.values() if (each.precision or 0) >= 0.8]
            if precise:
                assert curve.chosen is not None
                assert curve.chosen.counts.correct == max(each.correct for each in precise)
                assert (curve.chosen.counts.precision or 0) >= 0.8
            else:
                assert curve.chosen is None

    def test_long_curves_are_thinned_with_their_ends_kept(self) -> None:
        sure = [number / 1000 for number in range(200)]
        report = build([(" ".join("w" * 200), "N " * 200, "N " * 200)], scheme="plain", sure=[sure])
        points = report.precision_recall[0].points
        assert len(points) == NUM_POINTS
        assert (points[0].threshold, points[-1].threshold) == (0.0, 0.199)

    def test_a_system_without_confidence_has_none(self) -> None:
        sentence = Sentence(tokens=("a",), tags=("N",))
        report = build_report([sentence], [sentence], title="T", split="s", scheme="plain")
        assert (report.calibration, report.precision_recall, report.suspects) == ((), (), ())
        assert report.sentences[0].confidence is None


class TestSentences:
    def test_they_are_what_was_scored(self) -> None:
        lines = [("a b", "B-X O", "B-X B-Y"), ("c", "O", "O")]
        report = build(lines, scheme="BIO", sure=[[0.98765, 0.5], [1.0]], documents=[4, 5])
        first, second = report.sentences
        assert (report.gold_tags(0), report.predicted_tags(0)) == (("B-X", "O"), ("B-X", "B-Y"))
        assert (first.confidence, first.span_confidence) == ((9876, 5000), (9876, 5000))
        assert (second.predicted, report.predicted_tags(1), second.confidence) == (None, ("O",), (10000,))
        assert (first.source, first.document, second.document) == ("f:0", 4, 5)

    def test_rivals_are_scored_on_the_same_sentences(self) -> None:
        rival = Rival(name="O", rule="all outside", tags=[["O", "O"], ["O"]], seconds=0.5)
        report = build([("a b", "B-X O", "B-X O"), ("c", "O", "O")], scheme="BIO", rivals=[rival])
        (found,) = report.baselines
        assert (found.name, found.rule, found.scores.main, found.seconds) == ("O", "all outside", 0.0, 0.5)
        assert "all outside" in render_text(report)

    def test_documents_are_drawn_where_there_are_enough(self) -> None:
        lines = [("a b", "N V", "N N")] * 60
        by_document = build(lines, scheme="plain", documents=[n // 3 for n in range(60)])
        assert by_document.intervals is not None
        assert (by_document.intervals.unit, by_document.intervals.num_units) == ("document", 20)
        for documents in ([n // 4 for n in range(60)], [None] * 60, None):
            report = build(lines, scheme="plain", documents=documents)
            assert report.intervals is not None
            assert (report.intervals.unit, report.intervals.num_units) == ("sentence", 60)


EMPTY: list[tuple[str, str, str]] = []
DEGENERATE = {
    "no sentences": EMPTY,
    "an empty sentence": [("", "", "")],
    "one token": [("a", "{X}", "{X}")],
    "nothing but O": [("a b", "O O", "O O")],
    "nothing predicted": [("a b", "{X} O", "O O")],
    "a label only in the prediction": [("a b", "O O", "{X} O")],
    "one class, all right": [("a b", "{X} {X}", "{X} {X}")] * 3,
    "all wrong": [("a b", "{X} {X}", "{Y} {Y}")] * 3,
}


@pytest.mark.parametrize("scheme", ["plain", "BIO", "BIOES"])
@pytest.mark.parametrize("case", DEGENERATE)
def test_reports_of_next_to_nothing_hold_no_nan(case: str, scheme: str) -> None:
    tags = {"plain": ("X", "Y"), "BIO": ("B-X", "B-Y"), "BIOES": ("S-X", "S-Y")}[scheme]
    lines = [
        (tokens, *(each.replace("{X}", tags[0]).replace("{Y}", tags[1]) for each in (ours, theirs)))
        for tokens, ours, theirs in DEGENERATE[case]
    ]
    report = build(lines, scheme=scheme, known_words={"a"}, words={"a": (1, 1)}, min_precision=0.95)
    text = report.to_json()
    assert Report.from_json(text) == report
    json.loads(text, parse_constant=pytest.fail)
    for shown in (render_text(report), render_markdown(report)):
        assert "nan" not in shown.lower().replace("tagger", "")
        assert "None" not in shown


def test_undefined_scores_are_null_with_their_counts() -> None:
    document = json.loads(build([("a b", "O O", "O O")] * 2, scheme="BIO").to_json())
    micro = document["scores"]["micro"]
    assert (micro["f1"], micro["correct"], micro["predicted"], micro["gold"]) == (None, 0, 0, 0)
    assert document["intervals"]["main"] is None
    assert document["intervals"]["tokens"] is None  # all are right: no resample differs
    empty = json.loads(build([], scheme="plain").to_json())
    assert (empty["scores"]["main"], empty["intervals"]) == (None, None)
    assert empty["calibration"][0]["expected_error"] is None


def test_intervals_hold_the_scores() -> None:
    """Of corpora that are large enough: the percentiles of few sentences may leave out the score itself."""
    lines = [("a b c", "B-X O B-Y", "B-X O O"), ("a b", "O O", "B-Y O"), ("a", "B-Y", "B-Y")] * 20
    report = build(lines, scheme="BIO")
    sure, scores = report.intervals, report.scores
    assert sure is not None
    for interval, value in (
        (sure.main, scores.main),
        (sure.macro_f1, scores.macro_f1),
        (sure.sentences, scores.sentences.value),
        (sure.per_label["Y"].recall, scores.per_type["Y"].recall),  # type: ignore[union-attr]
    ):
        assert interval is not None
        assert value is not None
        assert interval.low < value < interval.high
        assert interval.high - interval.low < 0.4
    assert sure.per_label["X"].f1 is None  # all are right: 100 to 100 would pass for certainty


def test_macro_f1_has_no_interval_where_not_every_label_is_counted() -> None:
    """The mean of the commonest labels is another score: its interval may not even hold the score."""
    for num_labels, is_there in ((MAX_LABELS, True), (MAX_LABELS + 1, False)):
        labels = [f"T{number}" for number in range(num_labels)]
        lines = [("a b", f"{label} T0", f"{label} {label}") for label in labels]
        sure = build(lines, scheme="plain").intervals
        assert sure is not None
        assert (sure.macro_f1 is not None) == is_there
        assert sure.main is not None


def test_one_sentence_has_no_intervals() -> None:
    report = build([("a b", "N V", "N N")], scheme="plain", known_words={"a"})
    assert report.intervals is None
    assert {bucket.interval for each in report.breakdowns for bucket in each.buckets} == {None}


def test_a_breakdown_says_how_it_sorts() -> None:
    report = build([("a", "N", "N")], scheme="plain")
    rules = {each.name: each.rule for each in report.breakdowns if isinstance(each, Breakdown) and not each.missing}
    assert rules["sentence length"] == "accuracy over tokens, by how many tokens its sentence has"

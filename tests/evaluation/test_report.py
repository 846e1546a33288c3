"""Reports: built from sentences, written as strict JSON, read back equal, refused when anything is wrong."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.errors import DataError
from tagger.evaluation.builder import build_report
from tagger.evaluation.counts import Ratio, SpanScores, TagScores
from tagger.evaluation.findings import Confusion, Place
from tagger.evaluation.report import CurvePoint, Fact, OwnTags, Report
from tagger.evaluation.scores import score
from tagger.sentence import Prediction, Sentence
from tests.strategies import SPAN_SCHEMES, Corpus, corpora, plain_corpora

finite = st.floats(allow_nan=False, allow_infinity=False)
facts = st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | finite | st.none(), max_size=4)
points = st.builds(
    CurvePoint, epoch=st.integers(1, 99), train_loss=finite, dev_score=st.none() | st.floats(0, 1), seconds=finite
)


def sentences(tags: list[list[str]], *, tokens: str = "w") -> list[Sentence]:
    return [
        Sentence(tokens=tuple(f"{tokens}{index % 3}" for index in range(len(each))), tags=tuple(each)) for each in tags
    ]


def build(corpus: Corpus, *, scheme: str, curve: tuple[CurvePoint, ...] = (), facts: Any = None) -> Report:
    gold, predicted = map(sentences, corpus)
    return build_report(
        gold, predicted, title="T", split="test", scheme=scheme, known_words=["w0"], curve=curve, facts=facts
    )


def example(scheme: str = "BIO") -> Report:
    curve = (CurvePoint(epoch=1, train_loss=0.5, dev_score=None, seconds=2.0),)
    return build(([["B-X", "O", "O"]], [["B-X", "B-Y", "O"]]), scheme=scheme, curve=curve, facts={"seed": 1})


class TestBuild:
    def test_spans(self) -> None:
        report = example()
        assert (report.num_sentences, report.num_tokens, report.scheme, report.split) == (1, 3, "BIO", "test")
        tags = [["B-X", "O", "O"]], [["B-X", "B-Y", "O"]]
        assert report.scores == score(*tags, scheme="BIO", tokens=[["w0", "w1", "w2"]], known_words=["w0"])
        assert report.seqeval == pytest.approx((0.5, 1.0, 2 / 3))
        place = Place(sentence=0, start=1, end=2)
        assert report.most_confused == (Confusion(gold=None, predicted="Y", count=1, examples=(place,)),)
        assert report.facts == {"seed": 1}

    def test_plain_tags_are_not_given_to_seqeval(self) -> None:
        report = build(([["ADJ"]], [["ADJ"]]), scheme="plain")
        assert isinstance(report.scores, TagScores)
        assert (report.seqeval, report.scores.unknown_words) == (None, Ratio(correct=0, total=0))

    def test_predictions_are_taken_too(self) -> None:
        gold = Sentence(tokens=("a",), tags=("B-X",))
        predicted = Prediction(tokens=("a",), tags=("B-X",), spans=(), confidence=(1.0,))
        report = build_report([gold], [predicted], title="T", split="dev", scheme="BIO")
        assert report.scores.main == 1.0
        assert isinstance(report.scores, SpanScores)
        assert report.scores.unknown_word_spans is None

    def test_confusions_are_the_commonest_fifteen_then_by_name(self) -> None:
        tags = [f"T{index:02}" for index in range(20)]
        gold = [[*tags, "T19", "T18", "T18"]]
        report = build((gold, [["A"] * 23]), scheme="plain")
        assert len(report.most_confused) == 15
        assert [(each.gold, each.count) for each in report.most_confused[:4]] == [
            ("T18", 3), ("T19", 2), ("T00", 1), ("T01", 1),
        ]  # fmt: skip

    def test_sentences_without_tags_are_named_by_their_source(self) -> None:
        bare, tagged = Sentence(tokens=("a",), source="dev.conll:7"), Sentence(tokens=("a",), tags=("N",))
        with pytest.raises(DataError, match=r"dev\.conll:7: no tags"):
            build_report([bare], [tagged], title="T", split="dev", scheme="plain")
        with pytest.raises(DataError, match="predicted sentence 1: no tags"):
            build_report([tagged], [Sentence(tokens=("a",))], title="T", split="dev", scheme="plain")

    def test_other_tokens_and_other_lengths_are_refused(self) -> None:
        gold, other = sentences([["N"]]), sentences([["N"]], tokens="v")
        with pytest.raises(ValueError, match="sentence 1: gold and prediction have different tokens"):
            build_report(gold, other, title="T", split="dev", scheme="plain")
        with pytest.raises(ValueError, match="sentence 1 has no predicted tags"):
            build_report(gold, [], title="T", split="dev", scheme="plain")

    def test_reports_that_contradict_themselves_are_refused(self) -> None:
        scores = score([["N"]], [["N"]], scheme="plain")
        with pytest.raises(ValueError, match="do not belong to scheme BIO"):
            Report(title="T", split="s", scheme="BIO", num_sentences=1, num_tokens=1, scores=scores)
        with pytest.raises(ValueError, match="1 tokens in 1 sentences were scored"):
            Report(title="T", split="s", scheme="plain", num_sentences=1, num_tokens=2, scores=scores)
        with pytest.raises(ValueError, match="1 tokens in 1 sentences were scored"):
            Report(title="T", split="s", scheme="plain", num_sentences=0, num_tokens=1, scores=scores)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_numbers_that_are_not_finite_are_refused(self, value: float) -> None:
        with pytest.raises(ValueError, match="fact 'x'"):
            build(([], []), scheme="plain", facts={"x": value})
        for numbers in ((value, 0.5, 1.0), (1.0, value, 1.0), (1.0, 0.5, value)):
            loss, dev, seconds = numbers
            with pytest.raises(ValueError, match="epoch 3"):
                CurvePoint(epoch=3, train_loss=loss, dev_score=dev, seconds=seconds)


class TestOwnTags:
    def predicted(self, num_illegal: int) -> Prediction:
        return Prediction(tokens=("a",), tags=("B-X",), spans=(), confidence=(1.0,), num_illegal=num_illegal)

    def test_illegal_transitions_of_the_network_are_added_up(self) -> None:
        gold = [Sentence(tokens=("a",), tags=("B-X",))] * 2
        predicted = [self.predicted(2), self.predicted(1)]
        report = build_report(gold, predicted, title="T", split="dev", scheme="BIO", encoding="BIOES")
        assert report.own_tags == OwnTags(encoding="BIOES", num_illegal=3)
        assert isinstance(report.scores, SpanScores)
        assert report.scores.illegal_predicted == 0  # of the answers, which are respelled
        assert Report.from_json(report.to_json()) == report

    def test_unknown_encoding_and_plain_tags_have_none(self) -> None:
        gold = [Sentence(tokens=("a",), tags=("B-X",))]
        spans = build_report(gold, [self.predicted(1)], title="T", split="dev", scheme="BIO")
        plain = build_report(gold, gold, title="T", split="dev", scheme="plain", encoding="plain")
        assert (spans.own_tags, plain.own_tags) == (None, None)


class TestJson:
    def test_reports_of_earlier_versions_are_read(self) -> None:
        """They lack what was added since; nothing else may be missing."""
        document = json.loads(example().to_json())
        del document["own_tags"], document["warnings"]
        assert Report.from_json(json.dumps(document)) == example()

    def test_warnings_are_kept_in_order(self) -> None:
        gold = sentences([["N"]])
        report = build_report(gold, gold, title="T", split="dev", scheme="plain", warnings=["b", "a"])
        assert Report.from_json(report.to_json()).warnings == ("b", "a")

    @pytest.mark.parametrize("scheme", ["plain", *SPAN_SCHEMES])
    @settings(max_examples=20)
    @given(data=st.data(), curve=st.lists(points, max_size=3), facts=facts)
    def test_round_trip(
        self, scheme: str, data: st.DataObject, curve: list[CurvePoint], facts: dict[str, Fact]
    ) -> None:
        corpus = data.draw(plain_corpora() if scheme == "plain" else corpora(scheme))
        report = build(corpus, scheme=scheme, curve=tuple(curve), facts=facts)
        text = report.to_json()
        assert Report.from_json(text) == report
        assert Report.from_json(text).to_json() == text
        assert list(Report.from_json(text).facts) == list(facts)  # display order
        json.loads(text, parse_constant=pytest.fail)  # no NaN, no Infinity

    def test_derived_scores_are_written_for_the_reader(self) -> None:
        document = json.loads(example().to_json())
        assert document["format"] == 2
        scores = document["scores"]
        assert (scores["main_name"], scores["rule"]) == ("micro F1", "spans by conlleval's rule, micro")
        assert (scores["micro"]["precision"], scores["micro"]["recall"]) == (0.5, 1.0)
        assert scores["main"] == scores["micro"]["f1"] == pytest.approx(2 / 3)
        assert scores["tokens"]["value"] == pytest.approx(2 / 3)
        assert scores["macro_f1"] == 1.0

    def test_undefined_is_null(self) -> None:
        scores = json.loads(build(([["O"]], [["O"]]), scheme="BIO").to_json())["scores"]
        assert [scores["micro"][name] for name in ("precision", "recall", "f1")] == [None] * 3
        assert [scores["main"], scores["macro_f1"], scores["unknown_word_spans"]["value"]] == [None] * 3

    def test_derived_scores_are_not_trusted(self) -> None:
        document = json.loads(example().to_json())
        document["scores"]["micro"]["f1"] = 1.0
        document["scores"]["main"] = "splendid"
        del document["scores"]["tokens"]["value"]
        assert Report.from_json(json.dumps(document)) == example()


def _change(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


def _remove(*path: str) -> Callable[[Any], None]:
    def remove(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return remove


class TestRefusals:
    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (_change("format", to=3), "format: expected 1 or 2, got 3: a newer tagger may read it"),
            (_remove("format"), "no key 'format'"),
            (_remove("scores"), "report: no key 'scores'"),
            (_remove("scores", "micro", "gold"), r"report\.scores\.micro: no key 'gold'"),
            (_change("extra", to=1), "report: no such key 'extra'"),
            (_change("title", to=3), r"report\.title: expected a string, got 3"),
            (_change("num_tokens", to=3.0), r"report\.num_tokens: expected an integer"),
            (_change("num_tokens", to=True), r"report\.num_tokens: expected an integer"),
            (_change("num_tokens", to=4), "3 tokens in 1 sentences were scored"),
            (_change("scheme", to="BOI"), "report: no span scheme 'BOI'"),
            (_change("scheme", to="plain"), "do not belong to scheme plain"),
            (_change("scores", to=[]), r"report\.scores: expected an object"),
            (_change("scores", "micro", "correct", to=-1), r"report\.scores\.micro\.correct: expected an integer >= 0"),
            (_change("scores", "micro", "correct", to=9), r"report\.scores\.micro: 9 correct of"),
            (_change("scores", "micro", "correct", to=10**400), "not a report"),
            (_change("scores", "per_type", to=[]), r"report\.scores\.per_type: expected an object"),
            (_change("scores", "per_type", "X", to=None), r"report\.scores\.per_type\.X: expected an object"),
            (_change("most_confused", to={}), r"report\.most_confused: expected a list"),
            (_change("most_confused", 0, "count", to="1"), r"report\.most_confused\[0\]\.count: expected an integer"),
            (_change("curve", 0, "train_loss", to="low"), r"report\.curve\[0\]\.train_loss: expected a finite number"),
            (_change("curve", 0, "train_loss", to=None), r"report\.curve\[0\]\.train_loss: expected a finite number"),
            (_change("seqeval", to=[1.0, 1.0]), r"report\.seqeval: expected a list of 3"),
            (_change("facts", "seed", to=[1]), r"report\.facts\.seed: expected a string, a number or null"),
            (_change("own_tags", to={"encoding": "BIO"}), r"report\.own_tags: no key 'num_illegal'"),
            (_change("warnings", to=[1]), r"report\.warnings\[0\]: expected a string"),
            (_change("most_confused", 0, "examples", 0, "end", to=9), "is no place in the sentences"),
            (_change("sentences", 0, "gold", 0, to=9), "sentence 1 names a tag that the report does not list"),
            (_change("sentences", 0, "gold", to=[0]), r"report\.sentences\[0\]: 3 tokens but 1 of gold"),
            (_change("sentences", to=[]), "is no place in the sentences"),
            (_change("intervals", to={}), r"report\.intervals: no key 'unit'"),
            (_change("breakdowns", 0, "buckets", to=[{"name": "x"}]), r"report\.breakdowns\[0\]\.buckets\[0\]: no key"),
            (_change("words", to={"a": [1]}), r"report\.words\.a: expected a list of 2"),
            (_remove("facts"), "report: no key 'facts'"),
            (_change("facts", to=None), r"report\.facts: expected an object"),
        ],
    )
    def test_every_damage_is_named(self, damage: Callable[[Any], None], message: str) -> None:
        document = json.loads(example().to_json())
        damage(document)
        with pytest.raises(DataError, match=message):
            Report.from_json(json.dumps(document))

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '"report"', "[" * 100_000, "{}", '{"format": 1}'])
    def test_what_is_no_report_is_refused(self, text: str) -> None:
        with pytest.raises(DataError, match="not a report"):
            Report.from_json(text)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_numbers_that_are_not_finite_are_refused(self, number: str) -> None:
        text = example().to_json()
        for before in ('"train_loss": 0.5', '"seed": 1'):
            assert before in text
            with pytest.raises(DataError, match="not a report"):
                Report.from_json(text.replace(before, f"{before.split(':')[0]}: {number}"))

    def test_nan_is_refused_even_where_the_value_is_not_read(self) -> None:
        text = example().to_json().replace('"macro_f1": 1.0', '"macro_f1": NaN')
        with pytest.raises(DataError, match="NaN is not a JSON number"):
            Report.from_json(text)

    def test_repeated_keys_are_refused(self) -> None:
        text = example().to_json().replace('"seed": 1', '"seed": 1, "seed": 2')
        with pytest.raises(DataError, match="key 'seed' occurs twice"):
            Report.from_json(text)

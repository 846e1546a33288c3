"""The example reports are what they claim to be: round trips, and nothing left out."""

from dataclasses import fields

import pytest

from tagger.evaluation.comparison import Comparison
from tagger.evaluation.mistakes import list_mistakes
from tagger.evaluation.report import Report
from tests.evaluation.examples import comparison, span_report, tag_report


@pytest.mark.parametrize("report", [span_report(), tag_report()])
def test_reports_are_read_back(report: Report) -> None:
    text = report.to_json()
    assert Report.from_json(text) == report
    assert Report.from_json(text).to_json() == text


def test_every_field_holds_something() -> None:
    report = span_report()
    assert [each.name for each in fields(Report) if not getattr(report, each.name)] == []


def test_comparisons_are_read_back() -> None:
    assert Comparison.from_json(comparison().to_json()) == comparison()


def test_mistakes_are_those_of_the_matches() -> None:
    kinds = [(each.sentence, each.kind) for each in list_mistakes(span_report())]
    assert kinds == [(0, "wrong boundary"), (1, "wrong type"), (1, "missed"), (2, "spurious")]
    assert [(each.sentence, each.kind) for each in list_mistakes(tag_report())] == [(0, "wrong tag"), (0, "wrong tag")]
    wrong = next(list_mistakes(tag_report()))
    assert wrong.gold is not None
    assert wrong.predicted is not None
    assert (wrong.gold.label, wrong.predicted.label, wrong.predicted.confidence) == ("NOUN", "VERB", 0.91)

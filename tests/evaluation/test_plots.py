"""The charts of a report: their points are the report's numbers."""

from dataclasses import replace

import pytest

from tagger.evaluation.plots import plot_curve, plot_reliability, plot_thresholds
from tests.evaluation import examples


def test_the_learning_curve_has_a_point_for_each_epoch() -> None:
    score, loss = plot_curve(examples.CURVE, main_name="micro F1")
    assert score.series[0].name == "dev micro F1, percent"
    for chart, values in ((score, (0.25, 0.625, 0.5)), (loss, (1.25, 0.5, 0.375))):
        marks = chart.series[0].marks
        assert [mark.x for mark in marks] == [chart.x.at(epoch) for epoch in (1, 2, 3)]
        assert [mark.y for mark in marks] == [chart.y.at(value) for value in values]


def test_without_dev_there_is_the_loss_alone_and_one_epoch_makes_no_curve() -> None:
    blind = [replace(point, dev_score=None) for point in examples.CURVE]
    (loss,) = plot_curve(blind, main_name="accuracy")
    assert "loss" in loss.series[0].name
    assert plot_curve(examples.CURVE[:1], main_name="accuracy") == []
    assert plot_curve([], main_name="accuracy") == []


def test_reliability_draws_the_bins_that_hold_something() -> None:
    calibration = examples.calibration("spans", ((0, 2, 0.45), (0, 0, 0.0), (1, 1, 0.79), (3, 5, 0.89)))
    chart = plot_reliability(calibration, None)
    assert [(mark.x, mark.y) for mark in chart.series[0].marks] == [
        (chart.x.at(confidence), chart.y.at(right)) for confidence, right in ((0.45, 0.0), (0.79, 1.0), (0.89, 0.6))
    ]
    shares = [block.height / (chart.y.start - chart.y.end) for block in chart.parts]
    assert shares == pytest.approx([2 / 8, 1 / 8, 5 / 8], abs=0.001)
    assert chart.diagonal
    assert [series.name for series in plot_reliability(calibration, calibration).series] == [
        "as it is",
        "without temperature",
    ]


def test_thresholds_begin_where_everything_is_kept() -> None:
    chart = plot_thresholds(examples.span_report().precision_recall[0])
    precision, recall = chart.series
    start = f"M{chart.x.at(0.0):g} {chart.y.at(0.4):g}"
    assert precision.path.startswith(start)
    assert recall.path.startswith(start)
    assert precision.path.endswith(f"L{chart.x.at(0.97):g} {chart.y.at(0.0):g}")

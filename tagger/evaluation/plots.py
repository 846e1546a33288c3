"""The charts of an HTML report: its learning curve, its reliability, its precision and recall over the threshold."""

from collections.abc import Sequence
from dataclasses import replace

from tagger.evaluation.charts import Axis, Chart, place_histogram, place_series, thin, widen
from tagger.evaluation.findings import Calibration, PrecisionRecall
from tagger.evaluation.report import CurvePoint

_WIDTH, _HEIGHT = 300.0, 240.0  # three beside each other at 1280 pixels, one at 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 288.0, 28.0, 200.0
_MOST_MARKS, _MOST_POINTS = 40, 200


def plot_curve(curve: Sequence[CurvePoint], *, main_name: str) -> list[Chart]:
    """The learning curve: the score on dev, if there is one, and the loss on train, over epochs."""
    epochs = [point.epoch for point in curve]
    if len(epochs) < 2:
        return []
    across = _across(min(epochs), max(epochs), "epoch")
    scores, losses = [point.dev_score for point in curve], [point.train_loss for point in curve]
    charts = []
    for name, values in ((f"dev {main_name}, percent", scores), ("train loss, nats per token", losses)):
        if all(value is None for value in values):
            continue
        is_score = values is scores
        low, high = widen(values, low=0.0, high=1.0 if is_score else None)
        up = _up(low, high, name, is_percent=is_score)
        points = list(zip(epochs, values, strict=True))
        charts.append(_chart(across, up, [(name, points)], marked=len(points) <= _MOST_MARKS))
    return charts


def plot_reliability(calibration: Calibration, before: Calibration | None) -> Chart:
    """How often predictions are right over the confidence that the model states; `before` is without temperature."""
    across = _across(0.0, 1.0, "mean confidence, percent", is_percent=True)
    up = _up(0.0, 1.0, "right, percent", is_percent=True)
    lines = [("as it is", calibration), *([("without temperature", before)] if before else [])]
    points = [
        (name, [(each.mean_confidence, each.right.value) for each in line.bins if each.right.total])
        for name, line in lines
    ]
    total = sum(each.right.total for each in calibration.bins)
    shares = [(each.low, each.high, each.right.total / max(total, 1)) for each in calibration.bins]
    return replace(_chart(across, up, points, diagonal=True), parts=place_histogram(shares, x=across, y=up))


def plot_thresholds(curve: PrecisionRecall) -> Chart:
    """Precision and recall over the confidence below which predictions are dropped."""
    across, up = _across(0.0, 1.0, "confidence threshold"), _up(0.0, 1.0, "percent", is_percent=True)
    kept = [curve.points[index] for index in thin(len(curve.points), _MOST_POINTS)]
    points = [(point.threshold, point.counts) for point in kept]
    if points:  # the lowest threshold keeps everything, and so does 0
        points.insert(0, (0.0, points[0][1]))
    lines = [
        ("precision", [(threshold, counts.precision) for threshold, counts in points]),
        ("recall", [(threshold, counts.recall) for threshold, counts in points]),
    ]
    return _chart(across, up, lines, marked=False)


def _across(low: float, high: float, label: str, *, is_percent: bool = False) -> Axis:
    return Axis(low=low, high=high, start=_LEFT, end=_RIGHT, label=label, is_percent=is_percent)


def _up(low: float, high: float, label: str, *, is_percent: bool = False) -> Axis:
    return Axis(low=low, high=high, start=_BOTTOM, end=_TOP, label=label, is_percent=is_percent)


def _chart(
    x: Axis,
    y: Axis,
    lines: Sequence[tuple[str, Sequence[tuple[float | None, float | None]]]],
    *,
    marked: bool = True,
    diagonal: bool = False,
) -> Chart:
    return Chart(
        width=_WIDTH,
        height=_HEIGHT,
        x=x,
        y=y,
        series=tuple(place_series(name, points, x=x, y=y, marked=marked) for name, points in lines),
        diagonal=diagonal,
    )

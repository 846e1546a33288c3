"""What a report shows of a model's confidence: whether it can be trusted, and what it is good for."""

from collections.abc import Iterator

from tagger.evaluation.findings import PrecisionRecall
from tagger.evaluation.numbers import UNDEFINED, format_percent
from tagger.evaluation.page import Row, Section, clean
from tagger.evaluation.report import Report

_SHORT_LIST = 8


def list_confidence(report: Report, *, full: bool) -> Iterator[Section]:
    """Calibration; the thresholds that give the precision asked for; and what others would give.

    Args:
        report: the report.
        full: everything, or what matters most.
    """
    if report.calibration:
        yield from _list_calibration(report, full=full)
    if report.min_precision is not None and report.precision_recall:
        yield _list_thresholds(report, full=full)
    if full and report.precision_recall:
        yield _list_curve(report.precision_recall[0])


def _list_calibration(report: Report, *, full: bool) -> Iterator[Section]:
    fitted = report.temperature
    before = {each.unit: each.expected_error for each in fitted.before} if fitted else {}
    rows = tuple(
        (
            each.unit,
            format_percent(each.expected_error),
            *((format_percent(before.get(each.unit)),) if fitted else ()),
            f"{sum(one.right.total for one in each.bins):,}",
            f"mean of |accuracy - confidence| over {len(each.bins)} bins of equal width, by their counts",
        )
        for each in report.calibration
    )
    yield Section(
        heading="Can its confidence be trusted? Expected calibration error, in percent",
        columns=("of", "error", *(("without temperature",) if fitted else ()), "predictions", "rule"),
        align="lrrrl" if fitted else "lrrl",
        rows=rows,
        notes=(_describe_temperature(report),),
    )
    for each in report.calibration if full else ():
        yield Section(
            heading=f"Reliability of {each.unit}, in percent",
            columns=("confidence", "mean confidence", "right", "predictions"),
            align="lrrr",
            rows=tuple(
                (
                    f"{100 * one.low:.0f} to {100 * one.high:.0f}",
                    format_percent(one.mean_confidence),
                    format_percent(one.right.value),
                    f"{one.right.total:,}",
                )
                for one in each.bins
            ),
        )


def _describe_temperature(report: Report) -> str:
    if report.temperature is None:
        return "Confidences are the model's own: no temperature was fitted."
    value, split = report.temperature.value, clean(report.temperature.fitted_on)
    return (
        f"Scores are divided by a temperature of {value:.4g}, fitted on {split}; all confidences below, thresholds and "
        "suspects are those after it."
    )


def _list_thresholds(report: Report, *, full: bool) -> Section:
    curves = report.precision_recall if full else report.precision_recall[:_SHORT_LIST]
    wanted = "" if report.min_precision is None else f" {format_percent(report.min_precision)} %"
    return Section(
        heading=f"The confidence to ask for, for a precision of{wanted} or more",
        columns=("of", "confidence >=", "precision", "recall", "kept", "gold"),
        align="lrrrrr",
        rows=tuple(_show_threshold(each) for each in curves),
        notes=(
            "Found on this very split: on other data the precision will differ. Choose it on dev, check it on test.",
        ),
    )


def _show_threshold(curve: PrecisionRecall) -> Row:
    name = "all" if curve.label is None else clean(curve.label) or "(empty)"
    if curve.chosen is None:
        return (name, UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED)
    counts = curve.chosen.counts
    return (
        name,
        f"{curve.chosen.threshold:.4f}",
        format_percent(counts.precision),
        format_percent(counts.recall),
        f"{counts.predicted:,}",
        f"{counts.gold:,}",
    )


def _list_curve(curve: PrecisionRecall) -> Section:
    return Section(
        heading="What is gained by dropping what it is not sure of, in percent",
        columns=("confidence >=", "precision", "recall", "kept", "gold"),
        align="rrrrr",
        rows=tuple(
            (
                f"{each.threshold:.4f}",
                format_percent(each.counts.precision),
                format_percent(each.counts.recall),
                f"{each.counts.predicted:,}",
                f"{each.counts.gold:,}",
            )
            for each in curve.points
        ),
        notes=(f"All {curve.unit} together; report.json has each label.",),
    )

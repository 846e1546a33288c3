"""What a report shows beside its scores: where it fails, what it confuses, whether to trust it, simpler systems."""

from collections.abc import Iterator

from tagger.evaluation.confidence_sections import list_confidence
from tagger.evaluation.counts import TagScores
from tagger.evaluation.findings import Bucket, Place
from tagger.evaluation.numbers import format_count, format_interval, format_percent
from tagger.evaluation.page import Row, Section, clean
from tagger.evaluation.report import Report

NONE = "(none)"  # no such span
_SHORT_LIST = 8
_SMALL_BUCKET = 20  # gold tokens or spans; what is said of fewer is mostly chance
_LARGEST_MATRIX = 30  # labels


def make_details(report: Report, *, full: bool) -> Iterator[Section]:
    """The sections, in display order.

    Args:
        report: the report.
        full: everything, or what matters most.
    """
    if report.baselines:
        yield _list_baselines(report)
    if full:
        yield from _list_breakdowns(report)
    else:
        yield from _list_weakest(report)
    if not isinstance(report.scores, TagScores) and report.scores.matches is not None:
        yield _list_matches(report)
    if report.most_confused:
        yield _list_confusions(report, full=full)
    if full and report.confusion_matrix:
        yield _show_matrix(report)
    yield from list_confidence(report, full=full)
    if report.suspects:
        yield _list_suspects(report, full=full)


def list_origin(report: Report) -> Iterator[Section]:
    """The data, labels and config that a system was made from."""
    rows = [
        (clean(f"{split}: {name}"), clean(f"{value:,}" if isinstance(value, int) else value))
        for split, read in report.manifest.items()
        for name, value in read.items()
    ]
    if report.labels:
        rows.append(("labels", clean(", ".join(report.labels))))
    if rows:
        yield Section(heading="Data and labels", columns=("what", "value"), align="ll", rows=tuple(rows))
    if report.config:
        lines = tuple((clean(line.replace("  ", "\u00a0\u00a0")),) for line in report.config.splitlines())
        yield Section(heading="Config", columns=("resolved",), align="l", rows=lines)


def _list_baselines(report: Report) -> Section:
    name = report.scores.main_name
    sure = report.intervals
    rows = [("this model", report.scores, sure.main if sure else None, "", report.title)]
    rows += [(each.name, each.scores, each.interval, f"{each.seconds:.1f}", each.rule) for each in report.baselines]
    return Section(
        heading="Beside simple systems trained on the same data, in percent",
        columns=("system", name, "95 % interval", "macro F1", "s", "what it does"),
        align="lrrrrl",
        rows=tuple(
            (
                clean(system),
                format_percent(scores.main),
                format_interval(interval),
                format_percent(scores.macro_f1),
                seconds,
                clean(rule),
            )
            for system, scores, interval, seconds, rule in rows
        ),
    )


def _list_breakdowns(report: Report) -> Iterator[Section]:
    for each in report.breakdowns:
        if each.missing is not None:
            yield Section(
                heading=f"By {each.name}", columns=("bucket",), align="l", rows=(), notes=(f"{each.missing}.",)
            )
            continue
        yield Section(
            heading=f"By {each.name}, in percent",
            columns=("bucket", _score_name(report), "95 % interval", "gold"),
            align="lrrr",
            rows=tuple(_show_bucket(bucket.name, bucket) for bucket in each.buckets),
            notes=(f"{each.rule}.",),
        )


def _list_weakest(report: Report) -> Iterator[Section]:
    found = [
        (bucket.main, f"{each.name}: {bucket.name}", bucket)
        for each in report.breakdowns
        for bucket in each.buckets
        if bucket.main is not None and bucket.count >= _SMALL_BUCKET and bucket.main < (report.scores.main or 0.0)
    ]
    if not found:
        return
    found.sort(key=lambda item: (item[0], item[1]))
    yield Section(
        heading="Where it is weakest, in percent",
        columns=("what", _score_name(report), "95 % interval", "gold"),
        align="lrrr",
        rows=tuple(_show_bucket(name, bucket) for _, name, bucket in found[:_SHORT_LIST]),
        notes=(f"Buckets below the main score with {_SMALL_BUCKET} or more {_unit(report)}; report.md has every one.",),
    )


def _list_matches(report: Report) -> Section:
    scores = report.scores
    matches = None if isinstance(scores, TagScores) else scores.matches
    rows: tuple[Row, ...] = ()
    if matches is not None:
        rows = (
            ("correct", f"{matches.correct:,}", "same boundaries, same type"),
            ("wrong type", f"{matches.wrong_type:,}", "same boundaries"),
            ("wrong boundary", f"{matches.wrong_boundary:,}", "overlapping, same type"),
            ("wrong both", f"{matches.wrong_both:,}", "overlapping, another type"),
            ("missed", f"{matches.missed:,}", "gold spans without a partner"),
            ("spurious", f"{matches.spurious:,}", "predicted spans without a partner"),
        )
    return Section(
        heading="What became of the spans",
        columns=("kind", "spans", "rule"),
        align="lrl",
        rows=rows,
        notes=("Each span counts once; those with the same boundaries are paired first, then from left to right.",),
    )


def _list_confusions(report: Report, *, full: bool) -> Section:
    shown = report.most_confused if full else report.most_confused[:_SHORT_LIST]
    rows = tuple(
        (
            _show_label(each.gold),
            _show_label(each.predicted),
            f"{each.count:,}",
            _show_examples(report, each.examples[:3]),
        )
        for each in shown
    )
    return Section(
        heading=f"Commonest confusions of {'tags' if isinstance(report.scores, TagScores) else 'types'}",
        columns=("gold", "predicted", _unit(report), "such as"),
        align="llrl",
        rows=rows,
    )


def _show_examples(report: Report, examples: tuple[Place, ...]) -> str:
    words = [" ".join(report.sentences[each.sentence].tokens[each.start : each.end]) for each in examples]
    return clean(" · ".join(dict.fromkeys(words)))


def _show_matrix(report: Report) -> Section:
    cells = {(each.gold, each.predicted): each.count for each in report.confusion_matrix}
    gold = sorted({each.gold for each in report.confusion_matrix}, key=_order)
    predicted = sorted({each.predicted for each in report.confusion_matrix}, key=_order)
    heading, corner = "Confusion matrix", "gold \\ predicted"
    if max(len(gold), len(predicted)) > _LARGEST_MATRIX:
        note = f"{len(gold):,} times {len(predicted):,} labels are too many to show: report.json has every cell."
        return Section(heading=heading, columns=(corner,), align="l", rows=(), notes=(note,))
    return Section(
        heading=heading,
        columns=(corner, *(_show_label(label) for label in predicted)),
        align="l" + "r" * len(predicted),
        rows=tuple((_show_label(row), *(f"{cells.get((row, column), 0):,}" for column in predicted)) for row in gold),
        notes=()
        if isinstance(report.scores, TagScores)
        else ("Pairs of spans: the diagonal holds wrong boundaries too.",),
    )


def _list_suspects(report: Report, *, full: bool) -> Section:
    shown = report.suspects if full else report.suspects[:_SHORT_LIST]
    rows = []
    for each in shown:
        sentence = report.sentences[each.place.sentence] if report.sentences else None
        words = "" if sentence is None else " ".join(sentence.tokens[each.place.start : each.place.end])
        where = f"sentence {each.place.sentence + 1}"
        if sentence is not None and sentence.source is not None:
            where = sentence.source if full else sentence.source.rpartition("/")[2]
        rows.append(
            (f"{each.confidence:.4f}", _show_label(each.gold), _show_label(each.predicted), clean(words), clean(where))
        )
    rest = len(report.suspects) - len(shown)
    return Section(
        heading="Gold to look at again: the model is sure that it is wrong",
        columns=("confidence", "gold", "predicted", "words", "where"),
        align="rllll",
        rows=tuple(rows),
        notes=(f"{format_count(rest, 'place')} more in report.md.",) if rest else (),
    )


def _show_bucket(name: str, bucket: Bucket) -> Row:
    return (clean(name), format_percent(bucket.main), format_interval(bucket.interval), f"{bucket.count:,}")


def _score_name(report: Report) -> str:
    return "accuracy" if isinstance(report.scores, TagScores) else "F1"


def _unit(report: Report) -> str:
    return "tokens" if isinstance(report.scores, TagScores) else "spans"


def _show_label(label: str | None) -> str:
    return NONE if label is None else clean(label) or "(empty)"


def _order(label: str | None) -> tuple[bool, str]:
    return (label is None, label or "")

"""What a report shows, as sections of tables and notes: each score with its rule and its counts beside it."""

from collections.abc import Iterator, Sequence

from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
from tagger.evaluation.details import list_origin, make_details
from tagger.evaluation.findings import CountsIntervals, Interval, Intervals
from tagger.evaluation.numbers import UNDEFINED, format_count, format_interval, format_percent
from tagger.evaluation.page import INDENT, Page, Row, Section, clean
from tagger.evaluation.report import CurvePoint, Fact, Report

_BARS = "▁▂▃▄▅▆▇█"
_LONGEST_CURVE = 40
_NAMES = frozenset({"seed"})  # numbers that are names, not amounts
_NOTHING = CountsIntervals(precision=None, recall=None, f1=None)
_UNSURE = Intervals(
    unit="sentence",
    num_units=0,
    num_resamples=0,
    main=None,
    macro_f1=None,
    tokens=None,
    sentences=None,
    micro=None,
    strict=None,
    boundaries=None,
    types=None,
    per_label={},
)
_SHORT_LIST = 20  # labels shown where not everything is


def describe(report: Report) -> str:
    """What was evaluated on, in one line."""
    sentences = format_count(report.num_sentences, "sentence")
    tokens = format_count(report.num_tokens, "token")
    return f"{clean(report.split)} · {sentences} · {tokens} · scheme {report.scheme}"


def make_page(report: Report, *, full: bool) -> Page:
    """What is shown of a report.

    Args:
        report: the report.
        full: everything, or what matters most.
    """
    scores = report.scores
    if isinstance(scores, TagScores):
        sections = [_summarise_tags(scores, report), _list_tags(scores, report, full=full)]
    else:
        sections = [_summarise_spans(scores, report), _list_types(scores, report, full=full)]
    sections += make_details(report, full=full)
    if report.curve:
        sections.append(_draw_curve(report.curve, scores.main_name))
    if report.facts:
        facts = [(name, value) for name, value in report.facts.items() if full or not name.endswith("sha256")]
        rows = tuple((clean(name), _show_fact(name, value)) for name, value in facts)
        sections.append(Section(heading="How it was made", columns=("what", "value"), align="ll", rows=rows))
    if full:
        sections += list_origin(report)
    return Page(title=report.title, subtitle=describe(report), warnings=report.warnings, sections=tuple(sections))


def _summarise(rows: Sequence[Row | None], report: Report, *notes: str) -> Section:
    sure = report.intervals
    if sure is not None:
        drawn = f"{sure.num_resamples:,} resamples of {format_count(sure.num_units, sure.unit)}"
        notes = (*notes, f"95 %: percentile bootstrap interval, {drawn}.")
    return Section(
        heading="Scores, in percent",
        columns=("score", "value", "right", "of", "95 % interval", "rule"),
        align="lrrrrl",
        rows=tuple(row for row in rows if row is not None),
        notes=notes,
    )


def _summarise_tags(scores: TagScores, report: Report) -> Section:
    occurring = sum(1 for counts in scores.per_tag.values() if counts.gold)
    macro_rule = f"mean F1 of the {format_count(occurring, 'tag')} in gold"
    sure = report.intervals or _UNSURE
    of_words = _of_buckets(report, "known words")
    return _summarise(
        [
            _show_ratio(scores.main_name, scores.accuracy, scores.rule, sure.main),
            _show_ratio(
                f"{INDENT}unknown words",
                scores.unknown_words,
                "accuracy over tokens never seen in training",
                of_words.get("unknown"),
            ),
            _show_ratio(
                f"{INDENT}known words",
                scores.known_words,
                "accuracy over tokens seen in training",
                of_words.get("known"),
            ),
            ("macro F1", format_percent(scores.macro_f1), "", "", format_interval(sure.macro_f1), macro_rule),
            _show_ratio("sentences", scores.sentences, "sentences with every tag right", sure.sentences),
        ],
        report,
    )


def _summarise_spans(scores: SpanScores, report: Report) -> Section:
    occurring = sum(1 for counts in scores.per_type.values() if counts.gold)
    strict_rule = f"strict: spans spelled exactly as {report.scheme} spells them"
    audit: list[Row] = []
    if report.seqeval is not None:
        precision, recall, f1 = map(format_percent, report.seqeval)
        audit = [("seqeval F1", f1, "", "", "", f"seqeval's own count: precision {precision}, recall {recall}")]
    macro_rule = f"mean F1 of the {format_count(occurring, 'type')} in gold, by conlleval's rule"
    unknown_rule = "recall over gold spans with a word never seen in training"
    sure = report.intervals or _UNSURE
    return _summarise(
        [
            *_show_counts(scores.main_name, scores.micro, scores.rule, sure.micro, spans="spans"),
            *_show_counts("strict F1", scores.strict, strict_rule, sure.strict, spans="strict spans"),
            *audit,
            ("macro F1", format_percent(scores.macro_f1), "", "", format_interval(sure.macro_f1), macro_rule),
            *_show_parts(scores, report),
            _show_ratio("unknown words", scores.unknown_word_spans, unknown_rule),
            _show_ratio("known words", scores.known_word_spans, "recall over all other gold spans"),
            _show_ratio("tokens", scores.tokens, "accuracy over tokens", sure.tokens),
            _show_ratio("sentences", scores.sentences, "sentences with every tag right", sure.sentences),
        ],
        report,
        *_remark_on_spans(scores, report),
    )


def _show_parts(scores: SpanScores, report: Report) -> Iterator[Row]:
    """What is left of F1 where only the boundaries, or only the types, have to be right."""
    if scores.matches is None:
        return
    sure, matches = report.intervals or _UNSURE, scores.matches
    for name, counts, rule, of in (
        ("boundaries F1", matches.boundaries, "right boundaries, whatever the type", sure.boundaries),
        ("types F1", matches.types, "overlaps a span of its own type, whatever the boundaries", sure.types),
    ):
        yield (name, format_percent(counts.f1), "", "", format_interval((of or _NOTHING).f1), rule)


def _of_buckets(report: Report, name: str) -> dict[str, Interval | None]:
    return {bucket.name: bucket.interval for each in report.breakdowns if each.name == name for bucket in each.buckets}


def _remark_on_spans(scores: SpanScores, report: Report) -> Iterator[str]:
    if not scores.micro.gold:
        yield "Gold holds no span."
    if not scores.micro.predicted:
        yield "The model predicted no span at all."
    illegal = f"{scores.illegal_gold:,} in gold, {scores.illegal_predicted:,} in the prediction"
    yield f"Transitions that {report.scheme} forbids: {illegal}."
    if own := report.own_tags:
        were = "was" if own.num_illegal == 1 else "were"
        number = format_count(own.num_illegal, "transition")
        yield f"{number} in the network's own encoding {own.encoding} {were} illegal before respelling."
        yield "Answers are spelled anew from their spans, so strict scores tell of gold's spelling, not the network's."


def _show_ratio(name: str, ratio: Ratio | None, rule: str, interval: Interval | None = None) -> Row | None:
    if ratio is None:
        return None
    shown = "" if interval is None else format_interval(interval)
    return (name, format_percent(ratio.value), f"{ratio.correct:,}", f"{ratio.total:,}", shown, rule)


def _show_counts(name: str, counts: Counts, rule: str, sure: CountsIntervals | None, *, spans: str) -> list[Row]:
    right = f"{counts.correct:,}"
    sure = sure or _NOTHING
    f1, precision, recall = (format_interval(each) for each in (sure.f1, sure.precision, sure.recall))
    return [
        (name, format_percent(counts.f1), "", "", f1, rule),
        (
            f"{INDENT}precision",
            format_percent(counts.precision),
            right,
            f"{counts.predicted:,}",
            precision,
            f"of the predicted {spans}",
        ),
        (
            f"{INDENT}recall",
            format_percent(counts.recall),
            right,
            f"{counts.gold:,}",
            recall,
            f"of the gold {spans}",
        ),
    ]


def _list_tags(scores: TagScores, report: Report, *, full: bool) -> Section:
    shown, notes = _shorten(_by_frequency(scores.per_tag), "tag", full=full)
    return Section(
        heading="Each tag, over tokens, in percent",
        columns=("tag", "F1", "95 %", "precision", "recall", "right", "predicted", "gold"),
        align="lrrrrrrr",
        rows=tuple(_show_label(label, counts, report) for label, counts in shown),
        notes=notes,
    )


def _list_types(scores: SpanScores, report: Report, *, full: bool) -> Section:
    nothing = Counts(correct=0, predicted=0, gold=0)  # a type may have no span that is spelled strictly
    shown, notes = _shorten(_by_frequency(scores.per_type), "type", full=full)
    rows = tuple(
        (*_show_label(label, counts, report), format_percent(scores.strict_per_type.get(label, nothing).f1))
        for label, counts in shown
    )
    return Section(
        heading="Each type, spans by conlleval's rule, in percent",
        columns=("type", "F1", "95 %", "precision", "recall", "right", "predicted", "gold", "strict"),
        align="lrrrrrrrr",
        rows=rows,
        notes=notes,
    )


def _shorten(
    labels: list[tuple[str, Counts]], noun: str, *, full: bool
) -> tuple[list[tuple[str, Counts]], tuple[str, ...]]:
    if full or len(labels) <= _SHORT_LIST:
        return labels, ()
    return labels[:_SHORT_LIST], (f"{format_count(len(labels) - _SHORT_LIST, noun)} more in report.md.",)


def _by_frequency(per_label: dict[str, Counts]) -> list[tuple[str, Counts]]:
    return sorted(per_label.items(), key=lambda item: (-item[1].gold, item[0]))


def _show_label(label: str, counts: Counts, report: Report) -> Row:
    interval = format_interval((report.intervals or _UNSURE).per_label.get(label, _NOTHING).f1)
    f1, precision, recall = map(format_percent, (counts.f1, counts.precision, counts.recall))
    numbers = (f"{number:,}" for number in (counts.correct, counts.predicted, counts.gold))
    return (clean(label) or "(empty)", f1, interval, precision, recall, *numbers)


def _draw_curve(curve: Sequence[CurvePoint], main_name: str) -> Section:
    epochs = [point.epoch for point in curve]
    dev, losses = [point.dev_score for point in curve], [point.train_loss for point in curve]
    rows = (
        _show_series(f"dev {main_name}, percent", dev, epochs=epochs, is_score=True),
        _show_series("train loss, nats per token", losses, epochs=epochs, is_score=False),
    )
    seconds = sum(point.seconds for point in curve)
    return Section(
        heading="Learning curve",
        columns=("series", "first", "last", "best", "at epoch", "shape"),
        align="lrrrrl",
        rows=tuple(row for row in rows if row is not None),
        notes=(f"{format_count(len(curve), 'epoch')} in {seconds:,.1f} s.",),
    )


def _show_series(name: str, values: Sequence[float | None], *, epochs: Sequence[int], is_score: bool) -> Row | None:
    defined = [(value, epoch) for value, epoch in zip(values, epochs, strict=True) if value is not None]
    if not defined:
        return None
    best, epoch = max(defined, key=lambda pair: pair[0] if is_score else -pair[0])
    shown = (defined[0][0], defined[-1][0], best)
    return (name, *(format_percent(n) if is_score else f"{n:.4f}" for n in shown), str(epoch), _draw(values))


def _draw(values: Sequence[float | None]) -> str:
    """A sparkline from the lowest value to the highest; long series are thinned, both ends kept."""
    if len(values) > _LONGEST_CURVE:
        step = (len(values) - 1) / (_LONGEST_CURVE - 1)
        values = [values[round(index * step)] for index in range(_LONGEST_CURVE)]
    defined = [value for value in values if value is not None]
    low = min(defined, default=0.0)
    scale = (len(_BARS) - 1) / ((max(defined, default=0.0) - low) or 1.0)
    return "".join("·" if value is None else _BARS[round((value - low) * scale)] for value in values)


def _show_fact(name: str, value: Fact) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name not in _NAMES:
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.6g}"
    return clean(str(value))

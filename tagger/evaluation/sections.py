"""What a report shows, as sections of tables and notes: each score with its rule and its counts beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
from tagger.evaluation.numbers import UNDEFINED, format_count, format_percent
from tagger.evaluation.report import CurvePoint, Fact, Report

INDENT = "  "  # in front of the name of what is a part of the score above it
_BARS = "▁▂▃▄▅▆▇█"
_LONGEST_CURVE = 40
_NAMES = frozenset({"seed"})  # numbers that are names, not amounts

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, a table (`align` holds `l` or `r` for each column), and notes under it."""

    heading: str
    columns: Row
    align: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def clean(text: str) -> str:
    """Spells out line ends, control characters and the like, which would break a table or drive a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def describe(report: Report) -> str:
    """What was evaluated on, in one line."""
    sentences = format_count(report.num_sentences, "sentence")
    tokens = format_count(report.num_tokens, "token")
    return f"{clean(report.split)} · {sentences} · {tokens} · scheme {report.scheme}"


def make_sections(report: Report) -> list[Section]:
    """The report's sections, in display order."""
    scores = report.scores
    if isinstance(scores, TagScores):
        sections = [_summarise_tags(scores), _list_tags(scores)]
    else:
        sections = [_summarise_spans(scores, report), _list_types(scores)]
    if report.most_confused:
        sections.append(_list_confusions(report))
    if report.curve:
        sections.append(_draw_curve(report.curve, scores.main_name))
    if report.facts:
        rows = tuple((clean(name), _show_fact(name, value)) for name, value in report.facts.items())
        sections.append(Section(heading="How it was made", columns=("what", "value"), align="ll", rows=rows))
    return sections


def _summarise(rows: Sequence[Row | None], *notes: str) -> Section:
    return Section(
        heading="Scores, in percent",
        columns=("score", "value", "right", "of", "rule"),
        align="lrrrl",
        rows=tuple(row for row in rows if row is not None),
        notes=notes,
    )


def _summarise_tags(scores: TagScores) -> Section:
    occurring = sum(1 for counts in scores.per_tag.values() if counts.gold)
    macro_rule = f"mean F1 of the {format_count(occurring, 'tag')} in gold"
    return _summarise(
        [
            _show_ratio(scores.main_name, scores.accuracy, scores.rule),
            _show_ratio(f"{INDENT}unknown words", scores.unknown_words, "accuracy over tokens never seen in training"),
            _show_ratio(f"{INDENT}known words", scores.known_words, "accuracy over tokens seen in training"),
            ("macro F1", format_percent(scores.macro_f1), "", "", macro_rule),
            _show_ratio("sentences", scores.sentences, "sentences with every tag right"),
        ]
    )


def _summarise_spans(scores: SpanScores, report: Report) -> Section:
    occurring = sum(1 for counts in scores.per_type.values() if counts.gold)
    strict_rule = f"strict: spans spelled exactly as {report.scheme} spells them"
    audit: list[Row] = []
    if report.seqeval is not None:
        precision, recall, f1 = map(format_percent, report.seqeval)
        audit = [("seqeval F1", f1, "", "", f"seqeval's own count: precision {precision}, recall {recall}")]
    macro_rule = f"mean F1 of the {format_count(occurring, 'type')} in gold, by conlleval's rule"
    unknown_rule = "recall over gold spans with a word never seen in training"
    return _summarise(
        [
            *_show_counts(scores.main_name, scores.micro, scores.rule, spans="spans"),
            *_show_counts("strict F1", scores.strict, strict_rule, spans="strict spans"),
            *audit,
            ("macro F1", format_percent(scores.macro_f1), "", "", macro_rule),
            _show_ratio("unknown words", scores.unknown_word_spans, unknown_rule),
            _show_ratio("known words", scores.known_word_spans, "recall over all other gold spans"),
            _show_ratio("tokens", scores.tokens, "accuracy over tokens"),
            _show_ratio("sentences", scores.sentences, "sentences with every tag right"),
        ],
        *_remark_on_spans(scores, report),
    )


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


def _show_ratio(name: str, ratio: Ratio | None, rule: str) -> Row | None:
    if ratio is None:
        return None
    return (name, format_percent(ratio.value), f"{ratio.correct:,}", f"{ratio.total:,}", rule)


def _show_counts(name: str, counts: Counts, rule: str, *, spans: str) -> list[Row]:
    right = f"{counts.correct:,}"
    return [
        (name, format_percent(counts.f1), "", "", rule),
        (
            f"{INDENT}precision",
            format_percent(counts.precision),
            right,
            f"{counts.predicted:,}",
            f"of the predicted {spans}",
        ),
        (f"{INDENT}recall", format_percent(counts.recall), right, f"{counts.gold:,}", f"of the gold {spans}"),
    ]


def _list_tags(scores: TagScores) -> Section:
    return Section(
        heading="Each tag, over tokens, in percent",
        columns=("tag", "F1", "precision", "recall", "right", "predicted", "gold"),
        align="lrrrrrr",
        rows=tuple(_show_label(label, counts) for label, counts in _by_frequency(scores.per_tag)),
    )


def _list_types(scores: SpanScores) -> Section:
    nothing = Counts(correct=0, predicted=0, gold=0)  # a type may have no span that is spelled strictly
    rows = tuple(
        (*_show_label(label, counts), format_percent(scores.strict_per_type.get(label, nothing).f1))
        for label, counts in _by_frequency(scores.per_type)
    )
    return Section(
        heading="Each type, spans by conlleval's rule, in percent",
        columns=("type", "F1", "precision", "recall", "right", "predicted", "gold", "strict F1"),
        align="lrrrrrrr",
        rows=rows,
    )


def _by_frequency(per_label: dict[str, Counts]) -> list[tuple[str, Counts]]:
    return sorted(per_label.items(), key=lambda item: (-item[1].gold, item[0]))


def _show_label(label: str, counts: Counts) -> Row:
    scores = map(format_percent, (counts.f1, counts.precision, counts.recall))
    return (clean(label) or "(empty)", *scores, *(f"{n:,}" for n in (counts.correct, counts.predicted, counts.gold)))


def _list_confusions(report: Report) -> Section:
    rows = tuple(
        (clean(each.gold or "(none)"), clean(each.predicted or "(none)"), f"{each.count:,}")
        for each in report.most_confused
    )
    heading, columns = "Commonest confusions of tags", ("gold", "predicted", "tokens")
    return Section(heading=heading, columns=columns, align="llr", rows=rows)


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

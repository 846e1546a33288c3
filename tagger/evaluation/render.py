"""A report as plain text and as Markdown: the same sections, each score with its rule and its counts beside it."""

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
from tagger.evaluation.report import CurvePoint, Fact, Report

UNDEFINED = "-"
_BARS = "▁▂▃▄▅▆▇█"
_LONGEST_CURVE = 40
_SHORTEST_CELL = 16
_MARKDOWN_SPECIAL = frozenset("\\`*_[]<>|#&~$")

_Row = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A heading, a table (`align` holds `l` or `r` for each column), and notes under it."""

    heading: str
    columns: _Row
    align: str
    rows: tuple[_Row, ...]
    notes: tuple[str, ...] = ()


def render_text(report: Report, *, width: int = 88) -> str:
    """Renders a report for a terminal or a log: aligned tables, no colours, no escape sequences.

    Args:
        report: what to render.
        width: columns to stay within as far as names and numbers allow; labels too long for it lose their middle.

    Returns:
        Lines of text, the last one ended.
    """
    title = _clean(report.title)
    lines = [title, "=" * min(width, _measure(title)), _describe(report)]
    for section in _make_sections(report):
        lines += ["", section.heading, *_align(section, width)]
        for note in section.notes:
            lines += textwrap.wrap(note, width, break_long_words=False)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_markdown(report: Report) -> str:
    """Renders a report as Markdown with tables, fit for a pull request or a model card.

    Args:
        report: what to render.

    Returns:
        Markdown text, the last line ended.
    """
    lines = [f"# {_escape(_clean(report.title))}", "", _escape(_describe(report))]
    for section in _make_sections(report):
        lines += ["", f"## {_escape(section.heading)}", ""]
        lines.append(_join_cells([_escape(cell) for cell in section.columns]))
        lines.append(_join_cells(["---:" if letter == "r" else "---" for letter in section.align]))
        lines += [_join_cells([_escape(cell) for cell in row]) for row in section.rows]
        for note in section.notes:
            lines += ["", _escape(note)]
    return "\n".join(lines) + "\n"


def format_percent(value: float | None) -> str:
    """A score in [0, 1] as a percentage with two decimals, `-` where it is undefined."""
    return UNDEFINED if value is None else f"{100 * value:.2f}"


def _describe(report: Report) -> str:
    sentences, tokens = _count(report.num_sentences, "sentence"), _count(report.num_tokens, "token")
    return f"{_clean(report.split)} · {sentences} · {tokens} · scheme {report.scheme}"


def _make_sections(report: Report) -> list[_Section]:
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
        rows = tuple((_clean(name), _show_fact(value)) for name, value in report.facts.items())
        sections.append(_Section(heading="How it was made", columns=("what", "value"), align="ll", rows=rows))
    return sections


def _summarise(rows: Sequence[_Row | None], *notes: str) -> _Section:
    return _Section(
        heading="Scores, in percent",
        columns=("score", "value", "right", "of", "rule"),
        align="lrrrl",
        rows=tuple(row for row in rows if row is not None),
        notes=notes,
    )


def _summarise_tags(scores: TagScores) -> _Section:
    occurring = sum(1 for counts in scores.per_tag.values() if counts.gold)
    return _summarise(
        [
            _show_ratio(scores.main_name, scores.accuracy, scores.rule),
            _show_ratio("  unknown words", scores.unknown_words, "accuracy over tokens never seen in training"),
            _show_ratio("  known words", scores.known_words, "accuracy over tokens seen in training"),
            ("macro F1", format_percent(scores.macro_f1), "", "", f"mean F1 of the {_count(occurring, 'tag')} in gold"),
            _show_ratio("sentences", scores.sentences, "sentences with every tag right"),
        ]
    )


def _summarise_spans(scores: SpanScores, report: Report) -> _Section:
    occurring = sum(1 for counts in scores.per_type.values() if counts.gold)
    strict_rule = f"strict: spans spelled exactly as {report.scheme} spells them"
    audit: list[_Row] = []
    if report.seqeval is not None:
        precision, recall, f1 = map(format_percent, report.seqeval)
        audit = [("seqeval F1", f1, "", "", f"seqeval's own count: precision {precision}, recall {recall}")]
    macro_rule = f"mean F1 of the {_count(occurring, 'type')} in gold, by conlleval's rule"
    unknown_rule = "recall over gold spans with a word never seen in training"
    illegal = f"{scores.illegal_gold:,} in gold, {scores.illegal_predicted:,} in the prediction"
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
        f"Transitions that {report.scheme} forbids: {illegal}.",
    )


def _show_ratio(name: str, ratio: Ratio | None, rule: str) -> _Row | None:
    if ratio is None:
        return None
    return (name, format_percent(ratio.value), f"{ratio.correct:,}", f"{ratio.total:,}", rule)


def _show_counts(name: str, counts: Counts, rule: str, *, spans: str) -> list[_Row]:
    right = f"{counts.correct:,}"
    return [
        (name, format_percent(counts.f1), "", "", rule),
        ("  precision", format_percent(counts.precision), right, f"{counts.predicted:,}", f"of the predicted {spans}"),
        ("  recall", format_percent(counts.recall), right, f"{counts.gold:,}", f"of the gold {spans}"),
    ]


def _list_tags(scores: TagScores) -> _Section:
    return _Section(
        heading="Each tag, over tokens, in percent",
        columns=("tag", "F1", "precision", "recall", "right", "predicted", "gold"),
        align="lrrrrrr",
        rows=tuple(_show_label(label, counts) for label, counts in _by_frequency(scores.per_tag)),
    )


def _list_types(scores: SpanScores) -> _Section:
    nothing = Counts(correct=0, predicted=0, gold=0)  # a type may have no span that is spelled strictly
    rows = tuple(
        (*_show_label(label, counts), format_percent(scores.strict_per_type.get(label, nothing).f1))
        for label, counts in _by_frequency(scores.per_type)
    )
    return _Section(
        heading="Each type, spans by conlleval's rule, in percent",
        columns=("type", "F1", "precision", "recall", "right", "predicted", "gold", "strict F1"),
        align="lrrrrrrr",
        rows=rows,
    )


def _by_frequency(per_label: dict[str, Counts]) -> list[tuple[str, Counts]]:
    return sorted(per_label.items(), key=lambda item: (-item[1].gold, item[0]))


def _show_label(label: str, counts: Counts) -> _Row:
    scores = map(format_percent, (counts.f1, counts.precision, counts.recall))
    return (_clean(label) or "(empty)", *scores, *(f"{n:,}" for n in (counts.correct, counts.predicted, counts.gold)))


def _list_confusions(report: Report) -> _Section:
    rows = tuple((_clean(each.gold), _clean(each.predicted), f"{each.count:,}") for each in report.most_confused)
    heading, columns = "Commonest confusions of tags", ("gold", "predicted", "tokens")
    return _Section(heading=heading, columns=columns, align="llr", rows=rows)


def _draw_curve(curve: Sequence[CurvePoint], main_name: str) -> _Section:
    epochs = [point.epoch for point in curve]
    dev, losses = [point.dev_score for point in curve], [point.train_loss for point in curve]
    rows = (
        _show_series(f"dev {main_name}, percent", dev, epochs=epochs, is_score=True),
        _show_series("train loss, nats per token", losses, epochs=epochs, is_score=False),
    )
    seconds = sum(point.seconds for point in curve)
    return _Section(
        heading="Learning curve",
        columns=("series", "first", "last", "best", "at epoch", "shape"),
        align="lrrrrl",
        rows=tuple(row for row in rows if row is not None),
        notes=(f"{_count(len(curve), 'epoch')} in {seconds:,.1f} s.",),
    )


def _show_series(name: str, values: Sequence[float | None], *, epochs: Sequence[int], is_score: bool) -> _Row | None:
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


def _show_fact(value: Fact) -> str:
    if value is None:
        return UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.6g}"
    return _clean(str(value))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _clean(text: str) -> str:
    """Spells out line ends, control characters and the like, which would break a table or drive a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _escape(text: str) -> str:
    return "".join(f"\\{each}" if each in _MARKDOWN_SPECIAL else each for each in text)


def _join_cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _measure(text: str) -> int:
    """Columns a text takes on a terminal: East Asian characters are wide, combining marks take none."""
    wide = sum(1 for each in text if unicodedata.east_asian_width(each) in "WF")
    return len(text) + wide - sum(1 for each in text if unicodedata.category(each) in {"Mn", "Me"})


def _cut(text: str, limit: int) -> str:
    while _measure(text) > limit:
        middle = len(text) // 2
        text = f"{text[: middle - 1]}…{text[middle + 1 :]}"
    return text


def _align(section: _Section, width: int) -> list[str]:
    table = [section.columns, *section.rows]
    widths = [max(_measure(row[index]) for row in table) for index in range(len(section.columns))]
    excess = sum(widths) + 2 * (len(widths) - 1) - width
    if section.align[-1] == "l":  # text in the last column goes on in the next line
        widths[-1] = max(min(widths[-1], _SHORTEST_CELL), widths[-1] - max(excess, 0))
    else:  # there are labels in front of numbers
        for index in range(section.align.count("l")):
            widths[index] = max(min(widths[index], _SHORTEST_CELL), widths[index] - max(excess, 0))
    rows = [_wrap_row(row, section.align, widths=widths) for row in table]
    rules = "  ".join("─" * each for each in widths)
    return [*rows[0], rules, *(line for row in rows[1:] for line in row)]


def _wrap_row(row: _Row, align: str, *, widths: Sequence[int]) -> list[str]:
    rest: list[str] = []
    if align[-1] == "l":
        last, *rest = textwrap.wrap(row[-1], widths[-1], break_long_words=False) or [""]
        row = (*row[:-1], last)
    cells = []
    for cell, letter, limit in zip(row, align, widths, strict=True):
        shown = cell if align[-1] == "l" else _cut(cell, limit)
        blanks = " " * (limit - _measure(shown))
        cells.append(shown + blanks if letter == "l" else blanks + shown)
    indent = " " * (sum(widths[:-1]) + 2 * (len(widths) - 1))
    return ["  ".join(cells), *(indent + each for each in rest)]

"""The tables of an HTML report that need more than a loop over its document: labels in order, and the matrix."""

from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

from tagger.evaluation.browser import Browser
from tagger.evaluation.charts import find_heat
from tagger.evaluation.counts import SpanScores
from tagger.evaluation.figures import Node, make_key
from tagger.evaluation.report import Report

MAX_LABELS = 100  # in the table of labels
MAX_MATRIX = 25  # in the matrix

Label = str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        node: where it stands in the document; None where nothing was counted.
        heat: how strongly it is coloured, from 0 to 9.
        is_right: whether gold and prediction agree.
        link: the fragment that lists its errors; empty where none is listed.
    """

    node: Node | None
    heat: int
    is_right: bool
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The confusion matrix, the commonest labels of gold first; None stands for missed and spurious spans.

    Attributes:
        columns: predicted labels.
        rows: gold labels, each with a cell for each column.
        num_left_out: labels that are not shown.
    """

    columns: tuple[Label, ...]
    rows: tuple[tuple[Label, tuple[Cell, ...]], ...]
    num_left_out: int


def list_labels(report: Report, document: Node) -> list[tuple[str, Node, Node | None, Node | None]]:
    """Each tag or type with its counts, its intervals and its strict counts (None where there are none).

    The commonest in gold come first; of very many the rest is left out.
    """
    name = "per_type" if isinstance(report.scores, SpanScores) else "per_tag"
    counts = getattr(report.scores, name)
    order = sorted(counts, key=lambda label: (-counts[label].gold, -counts[label].predicted, label))
    scores, rows = document["scores"], []
    for label in order[:MAX_LABELS]:
        around = None
        if report.intervals is not None and label in report.intervals.per_label:
            around = document["intervals"]["per_label"][label]["f1"]
        strict = None
        if isinstance(report.scores, SpanScores) and label in report.scores.strict_per_type:
            strict = scores["strict_per_type"][label]
        rows.append((label, scores[name][label], around, strict))
    return rows


def build_matrix(report: Report, document: Node, browser: Browser) -> Matrix:
    """Lays out the confusion matrix; cells whose errors are listed link to them."""
    totals, predicted = Counter[str](), Counter[str]()
    for cell in report.confusion_matrix:
        if cell.gold is not None:
            totals[cell.gold] += cell.count
        if cell.predicted is not None:
            predicted[cell.predicted] += cell.count
    labels = sorted(totals.keys() | predicted.keys(), key=lambda label: (-totals[label], -predicted[label], label))
    shown: list[Label] = list(labels[:MAX_MATRIX])
    cells = {(cell.gold, cell.predicted): index for index, cell in enumerate(report.confusion_matrix)}
    columns = [*shown, *([None] if any(cell.predicted is None for cell in report.confusion_matrix) else [])]
    rows = [*shown, *([None] if any(cell.gold is None for cell in report.confusion_matrix) else [])]
    laid = []
    for gold in rows:
        total = sum(cell.count for cell in report.confusion_matrix if cell.gold == gold)
        row = []
        for label in columns:
            index = cells.get((gold, label))
            node = None if index is None else document["confusion_matrix"][index]
            count = 0 if index is None else report.confusion_matrix[index].count
            row.append(
                Cell(
                    node=node,
                    heat=find_heat(count, total),
                    is_right=gold == label,
                    link="" if node is None else link_errors(browser, gold, label),
                )
            )
        laid.append((gold, tuple(row)))
    return Matrix(columns=tuple(columns), rows=tuple(laid), num_left_out=max(0, len(labels) - len(shown)))


def link_errors(browser: Browser, gold: Label, predicted: Label) -> str:
    """The fragment that lists the errors with these labels; empty where none is listed."""
    if (gold, predicted) not in browser.pairs:
        return ""
    return urlencode({"gold": make_key(gold), "predicted": make_key(predicted)})

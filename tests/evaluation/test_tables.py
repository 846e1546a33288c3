"""The tables of labels and of confusions."""

from dataclasses import replace

import pytest

from tagger.evaluation import tables
from tagger.evaluation.browser import build_browser
from tagger.evaluation.figures import Node, get_place, get_value
from tagger.evaluation.plain import to_plain
from tagger.evaluation.report import Report
from tagger.evaluation.tables import Matrix, build_matrix, list_labels
from tests.evaluation import examples


def matrix_of(report: Report) -> Matrix:
    document = Node(to_plain(report))
    return build_matrix(report, document, build_browser(report, document))


def test_labels_come_by_frequency_with_their_intervals() -> None:
    report = examples.span_report()
    rows = list_labels(report, Node(to_plain(report)))
    assert [row[0] for row in rows] == ["LOC", "<b>ORG</b>", "PER"]
    _, counts, around, strict = rows[0]
    assert around is not None
    assert strict is not None
    assert [get_place(node) for node in (counts, around, strict)] == [
        "/scores/per_type/LOC",
        "/intervals/per_label/LOC/f1",
        "/scores/strict_per_type/LOC",
    ]
    bare = replace(report, intervals=None)
    assert {row[2] for row in list_labels(bare, Node(to_plain(bare)))} == {None}


def test_tags_have_no_strict_counts() -> None:
    report = examples.tag_report()
    assert {row[3] for row in list_labels(report, Node(to_plain(report)))} == {None}


def test_the_matrix_holds_every_cell_once() -> None:
    report = examples.span_report()
    matrix = matrix_of(report)
    assert matrix.columns == ("LOC", "<b>ORG</b>", "PER", None)
    assert [gold for gold, _ in matrix.rows] == ["LOC", "<b>ORG</b>", "PER", None]
    found = {
        (gold, predicted): get_value(cell.node)["count"]
        for gold, cells in matrix.rows
        for predicted, cell in zip(matrix.columns, cells, strict=True)
        if cell.node is not None
    }
    assert found == {(cell.gold, cell.predicted): cell.count for cell in report.confusion_matrix}
    by_name = {gold: dict(zip(matrix.columns, cells, strict=True)) for gold, cells in matrix.rows}
    assert by_name["LOC"][None].link == "gold=LOC&predicted=~"
    assert by_name["<b>ORG</b>"]["LOC"].link == "gold=%3Cb%3EORG%3C%2Fb%3E&predicted=LOC"
    assert by_name["LOC"]["LOC"].is_right
    assert by_name["LOC"]["LOC"].link == ""
    assert by_name["PER"]["LOC"].heat == 0
    assert by_name[None]["PER"].heat == 9


def test_of_very_many_labels_the_commonest_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_MATRIX", 1)
    matrix = matrix_of(examples.span_report())
    assert matrix.columns == ("LOC", None)
    assert matrix.num_left_out == 2

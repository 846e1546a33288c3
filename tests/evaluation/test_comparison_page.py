"""What the page of a comparison shows of its differences and its flips."""

from dataclasses import replace

import pytest

from tagger.evaluation import comparison_page
from tagger.evaluation.comparison_page import describe_comparison, judge
from tagger.evaluation.figures import Node, get_place
from tagger.evaluation.html import render_comparison_html
from tagger.evaluation.plain import to_plain
from tests.evaluation import examples


@pytest.mark.parametrize(
    ("first", "second", "corrected_p", "expected"),
    [
        (0.4, 0.6, 0.049, "better"),
        (0.6, 0.4, 0.049, "worse"),
        (0.4, 0.6, 0.05, "undecided"),
        (None, 0.6, None, "-"),
        (0.4, 0.6, None, "-"),
    ],
)
def test_a_verdict_follows_the_corrected_p(
    first: float | None, second: float, corrected_p: float | None, expected: str
) -> None:
    difference = examples.comparison().pairs[0].differences[0]
    assert judge(replace(difference, first=first, second=second, corrected_p=corrected_p)) == expected


def test_differences_stand_in_their_groups_and_flips_say_what_changed() -> None:
    comparison = examples.comparison()
    context = describe_comparison(comparison, Node(to_plain(comparison)))
    (pair,) = context["pairs"]
    assert [(group, len(members)) for group, members in pair.groups] == [
        ("overall", 1),
        ("type", 1),
        ("span length", 1),
    ]
    assert pair.extent == pytest.approx(0.6)  # holds the interval that ends at -0.5
    improved, worsened = context["flips"]
    assert (improved.kind, worsened.kind) == ("improved", "worsened")
    assert improved.source == "test.conll:1"
    assert get_place(improved.node) == "/pairs/0/improved/0"
    assert improved.rows == (("Anna <i>Lee</i>", ("PER", None, "PER")),)
    assert [(piece.text, piece.marks) for piece in worsened.pieces] == [("in", ""), ("Basle", "c")]


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = examples.comparison()
    pair = replace(comparison.pairs[0], improved=comparison.pairs[0].improved * 3)
    comparison = replace(comparison, pairs=(pair,))
    monkeypatch.setattr(comparison_page, "MAX_FLIPS", 2)
    monkeypatch.setattr(comparison_page, "MAX_DIFFERENCES", 2)
    html = render_comparison_html(comparison)
    assert html.count("<li data-kind=") == 2
    assert '<span data-shown>1</span> of <span data-path="/pairs/0/improved" data-as="length">3</span>' in html
    assert '<span data-shown>2</span> of <span data-path="/pairs/0/differences" data-as="length">3</span>' in html

"""Geometry: what a chart draws is where its numbers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.charts import (
    HEAT_LEVELS,
    Axis,
    find_heat,
    place_bar,
    place_difference,
    place_histogram,
    place_series,
    thin,
    widen,
)

scores = st.floats(0, 1)


def test_a_bar_is_as_long_as_its_score() -> None:
    bar = place_bar(0.5, (0.25, 0.75), width=120)
    assert (bar.length, bar.low, bar.high) == (60.0, 30.0, 90.0)
    assert place_bar(None, None, width=120).length is None
    assert place_bar(0.0, None, width=120).length == 0.0


@given(scores, scores)
def test_longer_bars_are_higher_scores(one: float, other: float) -> None:
    first, second = (place_bar(value, None, width=100).length for value in (one, other))
    assert first is not None
    assert second is not None
    assert first == pytest.approx(100 * one, abs=0.051)
    assert (first <= second) or one > other


def test_a_difference_stands_right_of_zero_where_the_second_is_better() -> None:
    placed = place_difference(0.1, (-0.1, 0.2), extent=0.2, width=108)
    assert (placed.zero, placed.at, placed.low, placed.high) == (54.0, 79.0, 29.0, 104.0)
    assert place_difference(None, None, extent=1.0, width=100).at is None


def test_an_upright_axis_counts_from_below() -> None:
    up = Axis(low=0.0, high=1.0, start=200.0, end=0.0)
    assert [up.at(value) for value in (0.0, 0.25, 1.0, 2.0)] == [200.0, 150.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("low", "high", "is_percent", "expected"),
    [
        (0.0, 1.0, True, ["0", "20", "40", "60", "80", "100"]),
        (0.94, 0.96, True, ["94.0", "94.5", "95.0", "95.5", "96.0"]),
        (0.0, 0.2, False, ["0.00", "0.05", "0.10", "0.15", "0.20"]),
        (1, 20, False, ["5", "10", "15", "20"]),
        (0, 2000, False, ["0", "500", "1,000", "1,500", "2,000"]),
    ],
)
def test_ticks_are_round(low: float, high: float, is_percent: bool, expected: list[str]) -> None:
    axis = Axis(low=low, high=high, start=0.0, end=100.0, is_percent=is_percent)
    assert [tick.text for tick in axis.ticks] == expected
    for tick in axis.ticks:
        value = float(tick.text.replace(",", "")) / (100 if is_percent else 1)
        assert tick.at == pytest.approx(axis.at(value), abs=0.11)


@given(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=5))
def test_bounds_hold_every_value(values: list[float | None]) -> None:
    low, high = widen(values)
    assert low < high
    defined = [value for value in values if value is not None]
    slack = 1e-6 * max(1.0, *map(abs, defined)) if defined else 0.0
    assert all(low - slack <= value <= high + slack for value in defined)
    axis = Axis(low=low, high=high, start=0.0, end=300.0)
    assert 2 <= len(axis.ticks) <= 12


def test_bounds_end_where_values_cannot_be() -> None:
    assert widen([0.97, 0.999], low=0.0, high=1.0)[1] == 1.0
    assert widen([0.0], low=0.0)[0] == 0.0


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    across, up = Axis(low=0, high=4, start=0, end=400), Axis(low=0, high=1, start=100, end=0)
    series = place_series("dev", [(0, 0.0), (1, 0.5), (2, None), (3, 0.5), (4, 1.0)], x=across, y=up)
    assert series.path == "M0 100L100 50M300 50L400 0"
    assert [(mark.x, mark.y) for mark in series.marks] == [(0, 100), (100, 50), (300, 50), (400, 0)]


def test_a_histogram_stands_on_its_axis() -> None:
    across, up = Axis(low=0, high=1, start=0, end=100), Axis(low=0, high=1, start=100, end=0)
    (block,) = place_histogram([(0.0, 0.1, 0.0), (0.5, 0.6, 0.25)], x=across, y=up)
    assert (block.x, block.y, block.width, block.height) == (50, 75, 10, 25)


@given(st.integers(0, 500), st.integers(2, 50))
def test_thinning_keeps_both_ends_and_the_order(count: int, limit: int) -> None:
    kept = thin(count, limit)
    assert len(kept) <= max(limit, 0)
    assert kept == sorted(set(kept))
    assert count == 0 or (kept[0], kept[-1]) == (0, count - 1)


def test_heat_grows_with_the_count_and_nothing_is_cold() -> None:
    assert [find_heat(count, 100) for count in (0, 1, 25, 100)] == [0, 1, 4, HEAT_LEVELS]
    assert find_heat(0, 0) == 0

"""Intervals and tests against brute force, and against what they mean."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.findings import Interval
from tagger.evaluation.seeds import compare_seeds
from tagger.evaluation.statistics import (
    Floats,
    correct_by_holm,
    divide,
    f1_of,
    find_interval,
    paired_interval,
    randomise,
    resample_totals,
)


def f1(totals: Floats) -> Floats:
    return f1_of(totals[:, 0], totals[:, 1], totals[:, 2])[:, None]


def draw(seed: int, num_units: int) -> Floats:
    random = np.random.default_rng(seed)
    gold, extra = random.integers(1, 5, size=(2, num_units))
    correct = random.binomial(gold, 0.6)
    return np.stack([correct, correct + extra - 1, gold], axis=1).astype(float)


class TestBootstrap:
    def test_every_resample_has_as_many_units(self) -> None:
        totals = resample_totals(np.ones((7, 1)), num_resamples=50)
        assert (totals == 7).all()
        assert totals.shape == (50, 1)

    def test_resamples_are_those_of_whole_units(self) -> None:
        """A column that is twice another stays so; units are drawn about equally often."""
        counts = np.stack([np.arange(5.0), 2 * np.arange(5.0)], axis=1)
        totals = resample_totals(counts, num_resamples=4000)
        assert (totals[:, 1] == 2 * totals[:, 0]).all()
        assert totals[:, 0].mean() == pytest.approx(10, abs=0.3)
        assert totals[:, 0].var() == pytest.approx(5 * 2.0, rel=0.1)  # 5 units, each of variance 2

    def test_blocks_make_no_difference_to_what_is_drawn_first(self) -> None:
        counts = draw(1, 2500)
        many = resample_totals(counts, num_resamples=2000)
        assert (many[:100] == resample_totals(counts, num_resamples=100)).all()

    def test_the_interval_is_the_middle_of_the_resamples(self) -> None:
        values = np.random.default_rng(1).permutation(1001) / 1000
        assert find_interval(values) == Interval(low=0.025, high=0.975)
        drawn = np.random.default_rng(2).normal(size=777)
        found = find_interval(drawn)
        assert found is not None
        assert (found.low, found.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]))

    def test_undefined_resamples_are_left_out(self) -> None:
        values = np.arange(1001) / 1000
        assert find_interval(np.append(values, np.nan)) == find_interval(values) == Interval(low=0.025, high=0.975)
        assert find_interval(np.array([np.nan])) is None
        assert find_interval(np.zeros(0)) is None
        assert resample_totals(np.zeros((0, 3))).shape == (0, 3)

    @pytest.mark.parametrize("units", [1, 2, 30])
    def test_what_every_resample_shares_is_no_certainty(self, units: int) -> None:
        assert find_interval(np.array([np.nan, 0.5, 0.5])) is None
        for right in (0.0, 2.0):
            assert find_interval(f1(resample_totals(np.tile([right, 2.0, 2.0], (units, 1))))[:, 0]) is None
        one_of_many = np.zeros((30, 3))  # a bucket that lies in one sentence
        one_of_many[7] = 3, 5, 5
        assert find_interval(f1(resample_totals(one_of_many))[:, 0]) is None

    def test_a_difference_of_what_is_the_same_is_nothing(self) -> None:
        counts = draw(1, 30)
        assert (paired_interval(counts, counts, f1) == 0).all()


class TestRandomisation:
    @pytest.mark.parametrize("seed", range(4))
    def test_it_nears_the_exact_test(self, seed: int) -> None:
        first, second = draw(seed, 8), draw(seed + 100, 8)
        observed = abs(f1(second.sum(axis=0)[None]) - f1(first.sum(axis=0)[None]))[0, 0]
        extreme = 0
        for swaps in product([False, True], repeat=8):
            swapped = np.array(swaps)[:, None]
            one, other = np.where(swapped, second, first), np.where(swapped, first, second)
            found = abs(f1(other.sum(axis=0)[None]) - f1(one.sum(axis=0)[None]))[0, 0]
            extreme += found >= observed - 1e-12
        assert randomise(first, second, f1)[0] == pytest.approx(extreme / 2**8, abs=0.02)

    def test_the_smallest_p_is_that_of_all_shuffles(self) -> None:
        right = np.tile([1.0, 1.0, 1.0], (60, 1))
        wrong = np.tile([0.0, 1.0, 1.0], (60, 1))
        assert randomise(right, wrong, f1, num_shuffles=99)[0] == 1 / 100

    def test_the_same_answers_have_p_1(self) -> None:
        counts = draw(3, 20)
        assert randomise(counts, counts, f1)[0] == 1.0

    def test_it_does_not_matter_which_comes_first(self) -> None:
        first, second = draw(1, 40), draw(2, 40)
        assert randomise(first, second, f1)[0] == pytest.approx(randomise(second, first, f1)[0], abs=0.02)

    def test_an_undefined_score_has_no_p(self) -> None:
        counts = np.zeros((5, 3))
        assert np.isnan(randomise(counts, counts, f1)).all()


class TestHolm:
    def test_by_hand(self) -> None:
        assert correct_by_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
        assert correct_by_holm([0.5, None, 0.9]) == [1.0, None, 1.0]
        assert correct_by_holm([]) == []

    @given(st.lists(st.floats(0, 1), max_size=8))
    def test_never_smaller_and_in_the_same_order(self, values: list[float]) -> None:
        corrected = correct_by_holm(values)
        assert all(new is not None and value <= new <= 1 for value, new in zip(values, corrected, strict=True))
        assert sorted(corrected, key=float) == [
            corrected[n] for n in sorted(range(len(values)), key=values.__getitem__)
        ]  # type: ignore[arg-type]


class TestSeeds:
    def test_all_permutations_where_there_are_few(self) -> None:
        found = compare_seeds([0.1, 0.2, 0.3], [0.7, 0.8, 0.9])
        assert found is not None
        assert (found.num_permutations, found.exact, found.p) == (20, 1, 2 / 20)  # this way and the other way round
        assert found.difference == pytest.approx(0.6)
        assert found.num_runs == (3, 3)

    def test_random_ones_where_there_are_many(self) -> None:
        found = compare_seeds([0.1] * 10, [0.9] * 10, num_shuffles=99)
        assert found is not None
        assert (found.num_permutations, found.exact, found.p) == (99, 0, 1 / 100)

    def test_one_run_or_an_undefined_score_tells_nothing(self) -> None:
        assert compare_seeds([0.1], [0.2, 0.3]) is None
        assert compare_seeds([0.1, None], [0.2, 0.3]) is None


def test_ratios_over_nothing_are_undefined() -> None:
    assert np.isnan(divide(np.zeros(1), np.zeros(1))[0])
    assert np.isnan(f1_of(np.zeros(1), np.zeros(1), np.zeros(1))[0])
    assert f1_of(np.ones(1), np.full(1, 2.0), np.ones(1))[0] == pytest.approx(2 / 3)

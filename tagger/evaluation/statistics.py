"""How sure a score is, and whether two differ by more than chance.

* Percentile bootstrap (Efron & Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13): units, which are
  sentences or documents, are drawn again with replacement; an interval holds the middle 95 % of the scores.
* Approximate randomisation (Noreen, 1989; Yeh, 2000, "More accurate tests for the statistical significance of result
  differences"): units swap their two answers at random; p = (1 + k) / (R + 1), k of R shuffles being as extreme.
* Holm (1979), "A simple sequentially rejective multiple test procedure": p-values of many tests at once.

A score is worked out from totals, and what is counted in each unit adds up to them: N units, C counts, R resamples.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tagger.evaluation.findings import Interval

NUM_RESAMPLES = 1000
NUM_SHUFFLES = 10_000
SEED = 1
_TAILS = (0.025, 0.975)
_BLOCK = 4_000_000  # numbers drawn at once

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Floats]  # totals (R, C) -> scores (R,) or (R, S), NaN where undefined


def resample_totals(counts: Floats, *, num_resamples: int = NUM_RESAMPLES, seed: int = SEED) -> Floats:
    """Totals of units drawn again with replacement.

    Args:
        counts: (N, C) what is counted in each unit.
        num_resamples: R.
        seed: of the draws.

    Returns:
        (R, C); no rows where there is no unit.
    """
    num_units = len(counts)
    if not num_units:
        return np.zeros((0, counts.shape[1]))
    random = np.random.default_rng(seed)
    totals = np.empty((num_resamples, counts.shape[1]))
    step = max(1, _BLOCK // num_units)
    for start in range(0, num_resamples, step):
        size = min(step, num_resamples - start)
        # how often each unit is drawn: rows of a multinomial, (size, N)
        drawn = random.integers(num_units, size=(size, num_units)) + num_units * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * num_units).reshape(size, num_units)
        totals[start : start + size] = times.astype(np.float64) @ counts
    return totals


def find_interval(values: Floats) -> Interval | None:
    """The middle 95 % of a score's resamples (R,), those left out in which it is undefined.

    None if it is undefined in all, or the same in all, as where all is right or all lies in one unit: that would pass
    for certainty, where in truth nothing is known of other units.
    """
    defined = np.sort(values[np.isfinite(values)])
    if not len(defined):
        return None
    places = np.array(_TAILS) * (len(defined) - 1)  # np.percentile does the same, ten times as slowly
    low, high = np.interp(places, np.arange(len(defined)), defined).tolist()
    return Interval(low=low, high=high) if low < high else None


def paired_interval(
    first: Floats, second: Floats, score: Score, *, num_resamples: int = NUM_RESAMPLES, seed: int = SEED
) -> Floats:
    """Differences, second less first, of both systems' scores on the same resamples: (R,) or (R, S).

    Args:
        first: (N, C) what is counted in each unit for the one system.
        second: (N, C) for the other.
        score: totals -> scores.
        num_resamples: R.
        seed: of the draws.
    """
    width = first.shape[1]
    totals = resample_totals(np.concatenate([first, second], axis=1), num_resamples=num_resamples, seed=seed)
    differences: Floats = score(totals[:, width:]) - score(totals[:, :width])
    return differences


def randomise(
    first: Floats, second: Floats, score: Score, *, num_shuffles: int = NUM_SHUFFLES, seed: int = SEED
) -> Floats:
    """Two-sided p-values by approximate randomisation.

    Args:
        first: (N, C) what is counted in each unit for the one system.
        second: (N, C) for the other.
        score: totals -> scores (R, S).
        num_shuffles: R.
        seed: of the swaps.

    Returns:
        (S,) p-values; NaN where a score is undefined.
    """
    differs = (first != second).any(axis=1)  # the others give the same whichever way they go
    before, after = first.sum(axis=0), second.sum(axis=0)
    observed = np.abs(score(after[None]) - score(before[None]))[0]  # (S,)
    moved = second[differs] - first[differs]
    random = np.random.default_rng(seed)
    extreme = np.zeros_like(observed)
    step = max(1, min(num_shuffles, _BLOCK // max(1, len(moved))))
    for start in range(0, num_shuffles, step):
        size = min(step, num_shuffles - start)
        swapped = random.integers(2, size=(size, len(moved)), dtype=np.int8).astype(np.float64) @ moved
        shuffled = np.abs(score(after - swapped) - score(before + swapped))
        # a score that a shuffle leaves undefined cannot be less extreme
        extreme += (~(shuffled < observed - 1e-12)).sum(axis=0)
    extreme[np.isnan(observed)] = np.nan
    return np.asarray((1 + extreme) / (num_shuffles + 1), dtype=np.float64)


def correct_by_holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of p-values for their number, in the order given; those that are None are no tests."""
    order = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(order):
        largest = max(largest, min(1.0, value * (len(order) - rank)))
        corrected[index] = largest
    return corrected


def f1_of(correct: Floats, predicted: Floats, gold: Floats) -> Floats:
    """F1, 2c / (p + g), NaN where undefined."""
    return divide(2 * correct, predicted + gold)


def divide(over: Floats, under: Floats) -> Floats:
    """A ratio, NaN where it is undefined."""
    result = np.full(np.broadcast(over, under).shape, np.nan)
    np.divide(over, under, out=result, where=under > 0)
    return result

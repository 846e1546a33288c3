"""Whether two systems differ by more than their seeds do."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tagger.evaluation.comparison import SeedTest
from tagger.evaluation.statistics import NUM_SHUFFLES, SEED


def compare_seeds(
    ours: Sequence[float | None], theirs: Sequence[float | None], *, num_shuffles: int = NUM_SHUFFLES
) -> SeedTest | None:
    """Permutes which system a run belongs to: in all ways, or in random ones where there are more than asked for.

    Args:
        ours: the main score of each run of the one system, in [0, 1].
        theirs: likewise of the other.
        num_shuffles: how many random ones.

    Returns:
        The test; None where a system has fewer than two runs, or a score is undefined.
    """
    defined, others = ([score for score in side if score is not None] for side in (ours, theirs))
    if min(len(defined), len(others)) < 2 or len(defined) + len(others) < len(ours) + len(theirs):
        return None
    values = np.array([*defined, *others], dtype=np.float64)
    size = len(defined)
    observed = float(values[size:].mean() - values[:size].mean())
    count = math.comb(len(values), size)
    exact = count <= num_shuffles
    if exact:
        chosen = np.zeros((count, len(values)), dtype=bool)
        for row, members in zip(chosen, combinations(range(len(values)), size), strict=True):
            row[list(members)] = True
    else:
        random = np.random.default_rng(SEED)
        chosen = np.array([random.permutation(len(values)) < size for _ in range(num_shuffles)])
    one = (chosen * values).sum(axis=1) / size
    other = (~chosen * values).sum(axis=1) / (len(values) - size)
    extreme = int((np.abs(other - one) >= abs(observed) - 1e-12).sum())
    return SeedTest(
        num_runs=(size, len(others)),
        difference=observed,
        p=extreme / count if exact else (1 + extreme) / (num_shuffles + 1),
        num_permutations=len(chosen),
        exact=int(exact),
    )

"""Which epoch's model to keep, and when there is no use in going on."""

from collections.abc import Sequence


class BestEpoch:
    """Follows the dev scores of a run.

    The best epoch is the first with the highest score. While no score is above 0 there is no telling epochs apart, and
    the latest, which has learned longest, is the best. So it is without dev data too.

    Args:
        patience: epochs that are not the best after which `is_over`; 0 = never. An epoch counts only once a score has
            been above 0.
    """

    def __init__(self, patience: int = 0) -> None:
        self._patience = patience
        self._highest = 0.0
        self._num_since = 0

    def add(self, score: float | None) -> bool:
        """Adds an epoch's dev score, in [0, 1] or None where it is undefined; says whether it is the best so far."""
        is_best = not self._highest or (score or 0.0) > self._highest
        if is_best:
            self._highest, self._num_since = score or 0.0, 0
        else:
            self._num_since += 1
        return is_best

    @property
    def is_over(self) -> bool:
        """Whether the best epoch is so long ago that training should stop."""
        return 0 < self._patience <= self._num_since


def is_over(scores: Sequence[float | None], *, num_epochs: int, patience: int) -> bool:
    """Whether training has come to its end after epochs with these dev scores."""
    best = BestEpoch(patience)
    for score in scores:
        best.add(score)
    return len(scores) >= num_epochs or best.is_over

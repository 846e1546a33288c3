"""BestEpoch: the first of the highest, the latest while nothing is found, and patience from then on."""

import pytest

from tagger.training.best import BestEpoch


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.1, 0.3, 0.2, 0.4], [True, True, False, True]),
        ([0.3, 0.3, 0.3], [True, False, False]),
        ([0.0, 0.0, 0.0], [True, True, True]),
        ([None, None], [True, True]),
        ([None, 0.0, None, 0.5, 0.0], [True, True, True, True, False]),
        ([0.9, None, 0.8], [True, False, False]),
        ([1.0, 1.0], [True, False]),
    ],
)
def test_the_best(scores: list[float | None], best: list[bool]) -> None:
    epochs = BestEpoch()
    assert [epochs.add(score) for score in scores] == best


@pytest.mark.parametrize(
    ("patience", "scores", "last"),
    [
        (0, [0.5, 0.4, 0.3, 0.2, 0.1], None),
        (1, [0.5, 0.6, 0.6, 0.9, 0.9], 3),
        (2, [0.5, 0.4, 0.6, 0.5, 0.6], 5),
        (2, [0.5, 0.4, 0.3, 0.9, 0.9], 3),
        (2, [0.5, None, None, 0.9, 0.9], 3),
        (2, [None, None, None, None, None], None),
        (2, [0.0] * 6, None),  # nothing is found yet: that is no reason to give up
        (2, [0.0, 0.0, 0.0, 0.1, 0.0, 0.1], 6),
    ],
)
def test_patience(patience: int, scores: list[float | None], last: int | None) -> None:
    epochs = BestEpoch(patience)
    over = []
    for score in scores:
        assert epochs.is_over is False
        epochs.add(score)
        over.append(epochs.is_over)
        if epochs.is_over:
            break
    assert (len(over) if over[-1] else None) == last

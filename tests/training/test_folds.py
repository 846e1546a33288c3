"""Folds: equal sentences together, about as many tokens each, the same for the same sentences and seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import ConfigError
from tagger.sentence import Sentence
from tagger.training.folds import assign_folds

texts = st.lists(st.lists(st.sampled_from(["a", "b", "a b", "c"]), max_size=4).map(tuple), max_size=30)


def deal(tokens: list[tuple[str, ...]], num_folds: int, seed: int = 1) -> list[int | None]:
    return assign_folds([Sentence(tokens=each) for each in tokens], num_folds=num_folds, seed=seed)


@given(tokens=texts, num_folds=st.integers(2, 5), seed=st.integers(0, 3))
def test_every_sentence_has_one_and_equal_ones_the_same(
    tokens: list[tuple[str, ...]], num_folds: int, seed: int
) -> None:
    different = {each for each in tokens if each}
    if len(different) < num_folds:
        with pytest.raises(ConfigError, match=rf"^--folds: expected a number in \[2, {len(different)}\]"):
            deal(tokens, num_folds, seed)
        return
    folds = deal(tokens, num_folds, seed)
    assert [fold is None for fold in folds] == [not each for each in tokens]
    assert len({(each, fold) for each, fold in zip(tokens, folds, strict=True) if each}) == len(different)
    assert {fold for fold in folds if fold is not None} == set(range(num_folds))
    backwards = deal(tokens[::-1], num_folds, seed)
    assert backwards[::-1] == folds  # whatever the order


def test_are_of_like_size_though_one_sentence_comes_often() -> None:
    tokens = [("Thanks", ".")] * 100 + [(str(number), "b", "c", "d") for number in range(200)]
    folds = deal(tokens, 4)
    sizes = [sum(len(each) for each, fold in zip(tokens, folds, strict=True) if fold == at) for at in range(4)]
    assert max(sizes) - min(sizes) <= 200, sizes
    assert sum(sizes) == 1000


def test_the_seed_deals_otherwise() -> None:
    tokens = [(str(number),) for number in range(50)]
    assert deal(tokens, 5) == deal(tokens, 5)
    assert deal(tokens, 5) != deal(tokens, 5, seed=2)


def test_one_fold_is_none() -> None:
    with pytest.raises(ConfigError, match=r"got 1$"):
        deal([("a",), ("b",)], 1)

"""The best paths against brute force: one and n, with ties, with fewer than n, and whatever the company."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tagger.model.lattice import Potentials
from tagger.model.viterbi import FORBIDDEN, best_path, best_paths
from tests.oracles import crf_paths
from tests.strategies import Chain, chains, random_chain


def potentials_of(chain: Chain, dtype: torch.dtype = torch.float64) -> Potentials:
    return Potentials(start=chain.start.to(dtype), transitions=chain.transitions.to(dtype), end=chain.end.to(dtype))


def all_paths_of(chain: Chain, row: int) -> tuple[Tensor, Tensor]:
    """Every path of one sentence and its score."""
    emissions = chain.emissions[row, : chain.lengths[row]]
    return crf_paths(emissions, start=chain.start, transitions=chain.transitions, end=chain.end)


def score_of(chain: Chain, row: int, path: Tensor) -> Tensor:
    """The score of one path of one sentence, looked up among all of them."""
    paths, scores = all_paths_of(chain, row)
    return scores[(paths == path[: chain.lengths[row]]).all(dim=1)].squeeze()


def path_scores(chain: Chain, paths: Tensor) -> Tensor:
    """(B,) scores of one path (B, T) of each sentence, by the definition."""
    scores = chain.emissions.gather(2, paths.unsqueeze(2)).squeeze(2)
    scores[:, 1:] += chain.transitions[paths[:, :-1], paths[:, 1:]]
    last = paths.gather(1, (chain.lengths - 1).unsqueeze(1)).squeeze(1)
    return torch.where(chain.mask, scores, 0.0).sum(dim=1) + chain.start[paths[:, 0]] + chain.end[last]


def round_scores(chain: Chain) -> Chain:
    """The same with whole numbers for scores, so that many paths tie."""
    for scores in (chain.emissions, chain.start, chain.transitions, chain.end):
        scores.round_()
    return chain


@given(chain=chains())
@settings(deadline=None, max_examples=150)
def test_the_best_path_is_that_of_brute_force(chain: Chain) -> None:
    best = best_path(chain.emissions, chain.lengths, potentials_of(chain))
    assert best.dtype == torch.int64
    assert not best[~chain.mask].any()
    for row, length in enumerate(chain.lengths.tolist()):
        paths, scores = all_paths_of(chain, row)
        highest = scores.max()
        torch.testing.assert_close(score_of(chain, row, best[row]), highest, atol=1e-10, rtol=0)
        if (scores > highest - 1e-9).sum() == 1:
            assert torch.equal(best[row, :length], paths[scores.argmax()])


@given(chain=chains(scales=(1.0, 2.0)).map(round_scores))
@settings(deadline=None)
def test_of_paths_that_tie_it_is_one(chain: Chain) -> None:
    best = best_path(chain.emissions, chain.lengths, potentials_of(chain))
    for row in range(len(best)):
        assert score_of(chain, row, best[row]) == all_paths_of(chain, row)[1].max()


@given(chain=chains())
@settings(deadline=None)
def test_in_float32_its_score_is_the_highest_to_float32s_precision(chain: Chain) -> None:
    best = best_path(chain.emissions.float(), chain.lengths, potentials_of(chain, torch.float32))
    for row in range(len(best)):
        scores = all_paths_of(chain, row)[1]
        size = float(scores.abs().max())
        assert score_of(chain, row, best[row]).item() == pytest.approx(scores.max().item(), abs=1e-5 * size)


@given(chain=chains(max_steps=5), n=st.integers(1, 40))
@settings(deadline=None, max_examples=150)
def test_the_n_best_are_those_of_brute_force(chain: Chain, n: int) -> None:
    found, totals = best_paths(chain.emissions, chain.lengths, potentials_of(chain), n=n)
    assert found.shape == (len(chain.lengths), n, chain.emissions.size(1))
    for row, length in enumerate(chain.lengths.tolist()):
        assert not found[row, :, length:].any()
        paths, scores = all_paths_of(chain, row)
        there = min(n, len(paths))
        expected = scores.sort(descending=True).values[:there]
        torch.testing.assert_close(totals[row, :there], expected, atol=1e-10, rtol=0)
        assert (totals[row, there:] == -math.inf).all()
        # each is a path of the score it comes with, and none comes twice
        distinct = {tuple(path) for path in found[row, :there, :length].tolist()}
        assert len(distinct) == there
        mine = torch.stack([score_of(chain, row, path) for path in found[row, :there]])
        torch.testing.assert_close(mine, totals[row, :there], atol=1e-10, rtol=0)


@given(chain=chains(scales=(1.0,)).map(round_scores))
@settings(deadline=None)
def test_the_n_best_are_distinct_even_where_they_tie(chain: Chain) -> None:
    found, totals = best_paths(chain.emissions, chain.lengths, potentials_of(chain), n=12)
    for row, length in enumerate(chain.lengths.tolist()):
        scores = all_paths_of(chain, row)[1].sort(descending=True).values[:12]
        assert torch.equal(totals[row, : len(scores)], scores)
        assert len({tuple(path) for path in found[row, : len(scores), :length].tolist()}) == len(scores)


@pytest.mark.parametrize("seed", range(5))
def test_the_first_of_the_n_best_is_the_best(seed: int) -> None:
    chain = random_chain([60, 1, 33], 17, seed=seed)
    found, _ = best_paths(chain.emissions, chain.lengths, potentials_of(chain), n=3)
    assert torch.equal(found[:, 0], best_path(chain.emissions, chain.lengths, potentials_of(chain)))


@pytest.mark.parametrize("seed", range(5))
def test_a_sentences_paths_do_not_depend_on_its_company(seed: int) -> None:
    chain = random_chain([9, 1, 30, 17], 7, seed=seed)
    potentials = potentials_of(chain)
    best = best_path(chain.emissions, chain.lengths, potentials)
    found, totals = best_paths(chain.emissions, chain.lengths, potentials, n=4)
    for row, length in enumerate(chain.lengths.tolist()):
        alone = chain.emissions[row : row + 1, :length], chain.lengths[row : row + 1], potentials
        assert torch.equal(best_path(*alone)[0], best[row, :length])
        mine = best_paths(*alone, n=4)
        assert torch.equal(mine[0][0], found[row, :, :length])
        assert torch.equal(mine[1][0], totals[row])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_forbidden_is_not_taken_in_a_long_sentence_either(dtype: torch.dtype) -> None:
    chain = random_chain([3000, 2], 4, seed=23, scale=300.0)
    emissions = chain.emissions.to(dtype).masked_fill(~chain.allowed, FORBIDDEN)
    best = best_path(emissions, chain.lengths, potentials_of(chain, dtype))
    assert chain.allowed.gather(2, best.unsqueeze(2))[chain.mask].all()


@pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf, 1e30, 3e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_changes_no_tag_and_warns_of_nothing(rubbish: float, dtype: torch.dtype) -> None:
    chain = random_chain([1, 40, 2, 3, 39, 17], 5, seed=33)
    potentials = potentials_of(chain, dtype)
    emissions = chain.emissions.to(dtype)
    expected = best_path(emissions, chain.lengths, potentials)
    padding = ~chain.mask.unsqueeze(2)
    mixed = torch.where(torch.arange(5) % 2 == 0, rubbish, -rubbish)  # infinities of both signs in one token
    for dirty in (emissions.masked_fill(padding, rubbish), torch.where(padding, mixed.to(dtype), emissions)):
        assert torch.equal(best_path(dirty, chain.lengths, potentials), expected)


def test_nothing_given_is_written_to() -> None:
    for num_tags in (1, 4):
        chain = random_chain([6, 1, 3], num_tags, seed=35)
        potentials = potentials_of(chain)
        given_in = (chain.emissions, chain.lengths, potentials.start, potentials.transitions, potentials.end)
        before = [each.clone() for each in given_in]
        best_path(chain.emissions, chain.lengths, potentials)
        best_path(chain.emissions[:, :1], torch.ones_like(chain.lengths), potentials)
        assert all(torch.equal(one, other) for one, other in zip(given_in, before, strict=True))


def test_emissions_may_lie_in_memory_as_they_like() -> None:
    chain = random_chain([6, 1, 3], 4, seed=37)
    expected = best_path(chain.emissions, chain.lengths, potentials_of(chain))
    by_time = chain.emissions.transpose(0, 1).contiguous().transpose(0, 1)
    spread = chain.emissions.repeat_interleave(2, dim=2)[:, :, ::2]
    for emissions in (by_time, spread):
        assert not emissions.is_contiguous()
        assert torch.equal(best_path(emissions, chain.lengths, potentials_of(chain)), expected)


def test_twenty_thousand_tokens_in_float32_are_decoded_as_in_float64() -> None:
    chain = random_chain([20_000, 19_999, 1], 5, seed=39)
    for scores in (chain.emissions, chain.start, chain.transitions, chain.end):
        scores.copy_((scores * 4096).round() / 4096)  # float32 holds their sums up to 4096 exactly, and no further
    exact = best_path(chain.emissions, chain.lengths, potentials_of(chain))
    single = best_path(chain.emissions.float(), chain.lengths, potentials_of(chain, torch.float32))
    totals = [path_scores(chain, paths) for paths in (single, exact)]
    assert torch.equal(*totals)


def test_neither_keeps_a_graph() -> None:
    chain = random_chain([3, 2], 3, seed=29)
    chain.emissions.requires_grad_()
    assert not best_path(chain.emissions, chain.lengths, potentials_of(chain)).requires_grad


def test_all_that_n_best_makes_is_on_the_device_of_what_it_is_given() -> None:
    """On a device without numbers, which refuses tensors of the CPU as a GPU does."""
    chain = random_chain([40, 1, 23], 9, seed=31)
    there = Potentials(start=chain.start.to("meta"), transitions=chain.transitions.to("meta"), end=chain.end.to("meta"))
    answers = best_paths(chain.emissions.to("meta"), chain.lengths.to("meta"), there, n=5)
    assert {answer.device.type for answer in answers} == {"meta"}


@pytest.mark.cuda
def test_on_a_gpu_it_is_the_same() -> None:
    chain = random_chain([40, 1, 23], 9, seed=31)
    there = Potentials(start=chain.start.cuda(), transitions=chain.transitions.cuda(), end=chain.end.cuda())
    arguments = chain.emissions.cuda(), chain.lengths.cuda(), there
    assert torch.equal(best_path(*arguments).cpu(), best_path(chain.emissions, chain.lengths, potentials_of(chain)))
    found, totals = best_paths(*arguments, n=5)
    expected, scores = best_paths(chain.emissions, chain.lengths, potentials_of(chain), n=5)
    assert torch.equal(found.cpu(), expected)
    torch.testing.assert_close(totals.cpu(), scores, atol=1e-10, rtol=0)

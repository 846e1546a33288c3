"""The sums against brute force, against each other, and where scaled numbers are lost."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tagger.model.lattice import Lattice, LogLattice, Potentials, ScaledLattice, sum_paths
from tests.oracles import crf_paths, tag_probabilities
from tests.strategies import Chain, chains, random_chain

FORBIDDEN_TRANSITION = -1e4


def potentials_of(chain: Chain) -> Potentials:
    return Potentials(start=chain.start, transitions=chain.transitions, end=chain.end)


def clean(chain: Chain, *, limited: bool = False) -> Tensor:
    """The emissions as a lattice takes them: zeros in padding, -inf for what is not to be summed over."""
    emissions = chain.emissions.masked_fill(~chain.allowed, -math.inf) if limited else chain.emissions
    return emissions.masked_fill(~chain.mask.unsqueeze(2), 0.0)


def check_against_brute_force(lattice: Lattice, chain: Chain, emissions: Tensor, *, atol: float = 1e-10) -> None:
    """Every number of a lattice, by enumeration of all paths."""
    log_alpha, log_beta = lattice.logs()
    counts = torch.zeros_like(chain.transitions)
    potentials = {"start": chain.start, "transitions": chain.transitions, "end": chain.end}
    num_tags = len(chain.start)
    posteriors = lattice.posteriors()
    for row, length in enumerate(chain.lengths.tolist()):
        paths, scores = crf_paths(emissions[row, :length], **potentials)
        log_partition = torch.logsumexp(scores, dim=0)
        torch.testing.assert_close(lattice.log_partition[row], log_partition, atol=atol, rtol=1e-12)
        expected = tag_probabilities(paths, scores, num_tags)
        torch.testing.assert_close(posteriors[row, :length], expected, atol=atol, rtol=0)
        assert not posteriors[row, length:].any()
        at_token = (log_alpha + log_beta)[row, :length] - log_partition
        torch.testing.assert_close(at_token.exp(), expected, atol=atol, rtol=0)
        for before, after in pairwise(paths.unbind(dim=1)):
            counts.index_put_((before, after), (scores - log_partition).exp(), accumulate=True)
    torch.testing.assert_close(lattice.transition_counts(), counts, atol=atol, rtol=0)


@given(chain=chains(), limited=st.booleans())
@settings(deadline=None, max_examples=150)
@pytest.mark.parametrize("kind", [ScaledLattice, LogLattice])
def test_every_number_is_that_of_brute_force(
    kind: type[ScaledLattice] | type[LogLattice], chain: Chain, limited: bool
) -> None:
    emissions = clean(chain, limited=limited)
    check_against_brute_force(kind(emissions, chain.lengths, potentials_of(chain)), chain, emissions)


def agree(lattice: Lattice, other: Lattice, *, atol: float = 1e-10) -> None:
    """Two lattices give the same answers."""
    torch.testing.assert_close(lattice.log_partition, other.log_partition, atol=atol, rtol=1e-12)
    torch.testing.assert_close(lattice.posteriors(), other.posteriors(), atol=atol, rtol=0)
    torch.testing.assert_close(lattice.transition_counts(), other.transition_counts(), atol=atol, rtol=0)


@pytest.mark.parametrize("seed", range(20))
def test_scaled_sums_agree_with_logarithms_on_larger_batches(seed: int) -> None:
    lengths = [40, 1, 23, 39, 2]
    chain = random_chain(lengths, 3 + seed, seed=seed, scale=0.5 * seed)
    emissions, potentials = clean(chain, limited=seed % 2 == 1), potentials_of(chain)
    scaled, log = (kind(emissions, chain.lengths, potentials) for kind in (ScaledLattice, LogLattice))
    assert isinstance(scaled, ScaledLattice)
    assert scaled.is_exact
    agree(scaled, log)
    for mine, other in zip(scaled.logs(), log.logs(), strict=True):
        torch.testing.assert_close(mine[chain.mask], other[chain.mask], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf, 1e30])
def test_padding_changes_no_bit(rubbish: float) -> None:
    chain = random_chain([5, 1, 3], 4, seed=1)
    dirty = chain.emissions.masked_fill(~chain.mask.unsqueeze(2), rubbish)
    for allowed in (None, chain.allowed, chain.allowed & chain.mask.unsqueeze(2)):
        lattices = [
            sum_paths(each, chain.lengths, potentials_of(chain), allowed=allowed) for each in (dirty, chain.emissions)
        ]
        assert torch.equal(lattices[0].log_partition, lattices[1].log_partition)
        assert torch.equal(lattices[0].posteriors(), lattices[1].posteriors())
        assert torch.equal(lattices[0].transition_counts(), lattices[1].transition_counts())


def chain_of(
    emissions: list[list[float]], transitions: list[list[float]], *, start: list[float], end: list[float]
) -> Chain:
    """A chain of one sentence, by hand."""
    scores = torch.tensor([emissions], dtype=torch.float64)
    mask = torch.ones(scores.shape[:2], dtype=torch.bool)
    return Chain(
        lengths=mask.sum(dim=1),
        mask=mask,
        emissions=scores,
        tags=mask.long(),
        allowed=torch.ones(scores.shape, dtype=torch.bool),
        start=torch.tensor(start, dtype=torch.float64),
        transitions=torch.tensor(transitions, dtype=torch.float64),
        end=torch.tensor(end, dtype=torch.float64),
    )


STAY = [[0.0, -2000.0], [-2000.0, 0.0]]
EITHER = [0.0, 0.0]
# Where numbers of float64 are lost, and the paths through them matter later.
LOSSES = {
    # the best path is out of sight after the first token, read from either end, and the other is there to be read
    "from both ends": chain_of([[800, 0], [0, 600], [0, 600], [0, 600], [800, 0]], STAY, start=EITHER, end=EITHER),
    "little by little": chain_of([[300, 0]] * 3 + [[0, 300]] * 7 + [[300, 0]] * 3, STAY, start=EITHER, end=EITHER),
    "a tie": chain_of([[800, 0], [0, 800], [0, 800], [800, 0]], STAY, start=EITHER, end=EITHER),
    "forwards": chain_of([[800, 0], [0, 600], [0, 600]], STAY, start=EITHER, end=EITHER),
    "backwards": chain_of([[0, 600], [0, 600], [800, 0]], STAY, start=EITHER, end=EITHER),
    "the start": chain_of([[0, 600], [0, 600], [800, 0]], STAY, start=[800.0, 0.0], end=EITHER),
    "the end": chain_of([[800, 0], [0, 600], [0, 600]], STAY, start=EITHER, end=[800.0, 0.0]),
    "a high start": chain_of([[0, 1500], [0, 0]], STAY, start=[1000.0, 0.0], end=[1000.0, 0.0]),
    "one token": chain_of([[800, 0]], STAY, start=[0.0, 900.0], end=EITHER),
    "forbidden at the end": chain_of([[0, 0], [0, 0]], STAY, start=[0.0, -1e4], end=[-1e4, 0.0]),
    "forbidden everywhere": chain_of([[1, 2]] * 4, [[-1e4] * 2] * 2, start=[-1e4] * 2, end=[-1e4] * 2),
    "far apart": chain_of([[1e4, -1e4], [-1e4, 1e4], [1e4, -1e4]], STAY, start=EITHER, end=EITHER),
    "nothing follows": chain_of([[0, 0]] * 3, [[-1e4, -1e4], [0, 0]], start=[0.0, -900.0], end=[-1e4, 0.0]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_that_matters_is_noticed_and_mended(name: str) -> None:
    chain = LOSSES[name]
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
    check_against_brute_force(lattice, chain, chain.emissions)


@pytest.mark.parametrize("name", ["from both ends", "little by little", "a tie", "forwards", "backwards", "far apart"])
def test_scaled_sums_do_not_call_themselves_exact_where_they_are_not(name: str) -> None:
    chain = LOSSES[name]
    lattice = ScaledLattice(chain.emissions, chain.lengths, potentials_of(chain))
    assert not lattice.is_exact
    assert isinstance(sum_paths(chain.emissions, chain.lengths, potentials_of(chain)), LogLattice)


@pytest.mark.parametrize("turns", [10, 200])
def test_a_loss_in_small_steps_over_a_long_sentence_is_noticed(turns: int) -> None:
    step = 2000.0 / turns
    emissions = [[step, 0]] * turns + [[0, step]] * (3 * turns) + [[step, 0]] * turns
    chain = chain_of(emissions, [[0, -1e4], [-1e4, 0]], start=EITHER, end=EITHER)
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
    # 4000 for keeping to the one tag, 6000 for keeping to the other
    assert lattice.log_partition.item() == pytest.approx(6000)
    torch.testing.assert_close(lattice.posteriors()[0, :, 1], torch.ones(5 * turns, dtype=torch.float64))


def test_one_lost_sentence_in_a_batch_is_enough() -> None:
    chain = random_chain([5, 5], 2, seed=3, scale=1.0, transition_scale=0.0)
    lost = LOSSES["from both ends"]
    emissions = torch.cat([chain.emissions, lost.emissions])
    potentials = potentials_of(lost)
    lattice = sum_paths(emissions, torch.tensor([5, 5, 5]), potentials)
    assert lattice.log_partition[2].item() == pytest.approx(1800.0)
    alone = sum_paths(chain.emissions, chain.lengths, potentials)
    torch.testing.assert_close(lattice.log_partition[:2], alone.log_partition)


@st.composite
def harsh_chains(draw: st.DrawFn) -> Chain:
    """Scores far apart, transitions that are all but forbidden, and few distinct numbers, so that paths tie."""
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    num_tags = draw(st.integers(2, 4))
    size = max(lengths)
    steps = st.sampled_from([0.0, 0.0, 250.0, 400.0, 700.0, 750.0, 1000.0, -1000.0])
    penalties = st.sampled_from([0.0, -1.0, -400.0, -745.0, -2000.0, FORBIDDEN_TRANSITION])
    ends = st.sampled_from([0.0, 0.0, 300.0, 800.0, -800.0, FORBIDDEN_TRANSITION])

    def table(values: st.SearchStrategy[float], *shape: int) -> Tensor:
        count = math.prod(shape)
        drawn = draw(st.lists(values, min_size=count, max_size=count))
        return torch.tensor(drawn, dtype=torch.float64).view(*shape)

    chain = random_chain(lengths, num_tags, seed=draw(st.integers(0, 99)))
    return Chain(
        lengths=chain.lengths,
        mask=chain.mask,
        tags=chain.tags,
        allowed=chain.allowed,
        emissions=table(steps, len(lengths), size, num_tags),
        start=table(ends, num_tags),
        transitions=table(penalties, num_tags, num_tags),
        end=table(ends, num_tags),
    )


@given(chain=harsh_chains(), limited=st.booleans())
@settings(deadline=None, max_examples=400)
def test_scores_far_apart_are_summed_exactly(chain: Chain, limited: bool) -> None:
    emissions = clean(chain, limited=limited)
    allowed = chain.allowed if limited else None
    check_against_brute_force(
        sum_paths(chain.emissions, chain.lengths, potentials_of(chain), allowed=allowed), chain, emissions
    )


def test_exactness_is_not_claimed_for_a_sum_that_vanished() -> None:
    chain = LOSSES["forbidden at the end"]
    lattice = ScaledLattice(chain.emissions, chain.lengths, potentials_of(chain))
    assert lattice.log_partition.item() == -math.inf
    assert not lattice.is_exact


def test_a_tag_that_nothing_follows_spoils_no_count_where_padding_comes_after_it() -> None:
    chain = random_chain([4, 2], 3, seed=5)
    chain.transitions[0] = FORBIDDEN_TRANSITION
    chain.allowed[...] = True
    chain.allowed[1, 1] = torch.tensor([True, False, False])  # the short sentence must end in that tag
    emissions = clean(chain, limited=True)
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain), allowed=chain.allowed)
    assert isinstance(lattice, ScaledLattice)
    check_against_brute_force(lattice, chain, emissions)


def test_ordinary_scores_with_forbidden_transitions_need_no_logarithms() -> None:
    chain = random_chain([50, 13, 1], 9, seed=7, scale=8.0)
    chain.transitions[torch.rand(9, 9, generator=torch.Generator().manual_seed(1)) < 0.6] = FORBIDDEN_TRANSITION
    chain.transitions[:, 0] = 0.0  # one tag that may stand anywhere, as O may
    chain.transitions[0] = 0.0
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
    assert isinstance(lattice, ScaledLattice)
    agree(lattice, LogLattice(clean(chain), chain.lengths, potentials_of(chain)))


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_rounding_over_a_long_sentence_is_not_taken_for_a_loss(scale: float) -> None:
    chain = random_chain([5000, 4999], 9, seed=11, scale=scale)
    assert isinstance(sum_paths(chain.emissions, chain.lengths, potentials_of(chain)), ScaledLattice)


def test_emissions_that_are_no_numbers_give_no_number() -> None:
    chain = random_chain([3, 2], 3, seed=13)
    chain.emissions[0, 1, 1] = math.nan
    log_partition = sum_paths(chain.emissions, chain.lengths, potentials_of(chain)).log_partition
    assert log_partition.isnan().tolist() == [True, False]


def test_no_gradient_flows_through_the_sums() -> None:
    chain = random_chain([3, 2], 3, seed=17)
    lattice = sum_paths(chain.emissions.requires_grad_(), chain.lengths, potentials_of(chain))
    assert not lattice.log_partition.requires_grad
    assert not lattice.posteriors().requires_grad


@pytest.mark.parametrize("kind", [ScaledLattice, LogLattice])
def test_all_it_makes_is_on_the_device_of_what_it_is_given(kind: type[ScaledLattice] | type[LogLattice]) -> None:
    """On a device without numbers, which refuses tensors of the CPU as a GPU does."""
    chain = random_chain([7, 1, 4], 5, seed=19)
    there = Potentials(start=chain.start.to("meta"), transitions=chain.transitions.to("meta"), end=chain.end.to("meta"))
    lattice = kind(chain.emissions.to("meta"), chain.lengths.to("meta"), there)
    answers = [lattice.log_partition, lattice.posteriors(), lattice.transition_counts(), *lattice.logs()]
    assert {answer.device.type for answer in answers} == {"meta"}


@pytest.mark.cuda
@pytest.mark.parametrize("name", ["", "from both ends"])
def test_on_a_gpu_it_is_the_same(name: str) -> None:
    chain = LOSSES[name] if name else random_chain([7, 1, 4], 5, seed=19)
    potentials = potentials_of(chain)
    there = Potentials(start=chain.start.cuda(), transitions=chain.transitions.cuda(), end=chain.end.cuda())
    here = sum_paths(chain.emissions, chain.lengths, potentials)
    lattice = sum_paths(chain.emissions.cuda(), chain.lengths.cuda(), there)
    assert type(lattice) is type(here)
    torch.testing.assert_close(lattice.log_partition.cpu(), here.log_partition, atol=1e-10, rtol=0)
    torch.testing.assert_close(lattice.posteriors().cpu(), here.posteriors(), atol=1e-10, rtol=0)
    torch.testing.assert_close(lattice.transition_counts().cpu(), here.transition_counts(), atol=1e-10, rtol=0)

"""The probability of a span against brute force, for every pair of schemes; and what the numbers must add up to."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tagger.data.tag_table import TagTable
from tagger.model.lattice import LogLattice, Potentials, ScaledLattice, sum_paths
from tagger.model.spans import span_probabilities
from tagger.schemes import SCHEMES, tags_of_types
from tests.oracles import crf_paths, spans_of_paths
from tests.strategies import Chain, chains, random_chain

# a scheme and as many types as give 5 tags
FIVE_TAGS = {"IO": "WXYZ", "IOB1": "XY", "BIO": "XY", "BIOES": "X", "BILOU": "X"}


def potentials_of(chain: Chain) -> Potentials:
    return Potentials(start=chain.start, transitions=chain.transitions, end=chain.end)


def table_of(tags: tuple[str, ...], encoding: str, scheme: str) -> TagTable:
    table = TagTable.build(tags, encoding=encoding, scheme=scheme)
    assert table is not None
    return table


def every_span(lengths: Tensor, num_labels: int) -> Tensor:
    """(N, 4): every span that has room in sentences of these lengths, with every label."""
    return torch.tensor(
        [
            (row, start, end, label)
            for row, length in enumerate(lengths.tolist())
            for start in range(length)
            for end in range(start + 1, length + 1)
            for label in range(num_labels)
        ]
    )


def brute_force(
    chain: Chain, emissions: Tensor, spans: Tensor, *, tags: tuple[str, ...], encoding: str, scheme: str
) -> Tensor:
    """The probability of each span: that of all paths that spell it."""
    names = table_of(tags, encoding, scheme).label_names
    expected = []
    chances = []
    for row, length in enumerate(chain.lengths.tolist()):
        scores = crf_paths(emissions[row, :length], start=chain.start, transitions=chain.transitions, end=chain.end)[1]
        chances.append(torch.softmax(scores, dim=0))
    for row, start, end, label in spans.tolist():
        spelled = spans_of_paths(tags, int(chain.lengths[row]), encoding, scheme)
        paths = spelled.get((start, end, names[label]))  # no path spells BIO's one-token span as I alone, say
        expected.append(0.0 if paths is None else chances[row][paths].sum().item())
    return torch.tensor(expected, dtype=torch.float64)


@pytest.mark.parametrize(("encoding", "scheme"), list(product(SCHEMES, SCHEMES)))
@given(chain=chains(num_tags=5, max_steps=4, scales=(0.0, 1.0, 4.0)), limited=st.booleans())
@settings(deadline=None, max_examples=15)
def test_it_is_that_of_all_paths_that_spell_it(encoding: str, scheme: str, chain: Chain, limited: bool) -> None:
    tags = tuple(tags_of_types(FIVE_TAGS[encoding], encoding))
    spans = every_span(chain.lengths, len(FIVE_TAGS[encoding]))
    allowed = chain.allowed if limited else None
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain), allowed=allowed)
    found = span_probabilities(lattice, spans, table=table_of(tags, encoding, scheme))
    emissions = chain.emissions.masked_fill(~chain.allowed, -math.inf) if limited else chain.emissions
    expected = brute_force(chain, emissions, spans, tags=tags, encoding=encoding, scheme=scheme)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize(("encoding", "scheme"), [("BIO", "BIO"), ("BIOES", "BIO"), ("BIOES", "IO")])
def test_it_is_so_for_five_tags_and_six_tokens(encoding: str, scheme: str) -> None:
    tags = tuple(tags_of_types(FIVE_TAGS[encoding], encoding))
    for seed in range(5):
        chain = random_chain([6, 6], 5, seed=seed)
        spans = every_span(chain.lengths, len(FIVE_TAGS[encoding]))
        lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
        found = span_probabilities(lattice, spans, table=table_of(tags, encoding, scheme))
        expected = brute_force(chain, chain.emissions, spans, tags=tags, encoding=encoding, scheme=scheme)
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("encoding", ["BIO", "BIOES", "IOB1"])
def test_both_kinds_of_lattice_give_it(encoding: str) -> None:
    tags = tuple(tags_of_types("XY", encoding))
    chain = random_chain([25, 1, 12], len(tags), seed=3)
    emissions = chain.emissions.masked_fill(~chain.mask.unsqueeze(2), 0.0)
    spans = every_span(chain.lengths, 2)
    kinds = (ScaledLattice, LogLattice)
    found = [
        span_probabilities(
            kind(emissions, chain.lengths, potentials_of(chain)), spans, table=table_of(tags, encoding, encoding)
        )
        for kind in kinds
    ]
    torch.testing.assert_close(found[0], found[1], atol=1e-12, rtol=0)


@pytest.mark.parametrize("encoding", list(SCHEMES))
def test_a_token_is_in_one_span_or_in_none(encoding: str) -> None:
    tags = tuple(tags_of_types("XY", encoding))
    chain = random_chain([30, 9], len(tags), seed=5)
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
    spans = every_span(chain.lengths, 2)
    chances = span_probabilities(lattice, spans, table=table_of(tags, encoding, encoding))
    outside = lattice.posteriors()[..., tags.index("O")]
    for row, length in enumerate(chain.lengths.tolist()):
        for token in range(length):
            holds = (spans[:, 0] == row) & (spans[:, 1] <= token) & (token < spans[:, 2])
            assert (chances[holds].sum() + outside[row, token]).item() == pytest.approx(1.0, abs=1e-10)


def test_it_never_exceeds_one() -> None:
    tags = tuple(tags_of_types("X", "BIO"))
    chain = random_chain([12] * 50, 3, seed=7, scale=0.1)
    sure = torch.zeros(50, 12, 3, dtype=torch.float64)
    sure[:, 0, 1] = sure[:, 1:, 2] = 37.0  # all but certainly one span: B-X I-X I-X ...
    lattice = sum_paths(chain.emissions + sure, chain.lengths, potentials_of(chain))
    spans = torch.tensor([(row, 0, 12, 0) for row in range(50)])
    chances = span_probabilities(lattice, spans, table=table_of(tags, "BIO", "BIO"))
    assert (chances <= 1.0).all()
    assert (chances > 0.999).all()


def test_scores_far_apart_are_summed_exactly() -> None:
    """Where the lattice falls back on logarithms."""
    tags = tuple(tags_of_types("XY", "BIOES"))
    chain = random_chain([4, 3], len(tags), seed=9, scale=1000.0)
    table = table_of(tags, "BIOES", "BIOES")
    chain.transitions[~table.transitions] -= 1e4
    spans = every_span(chain.lengths, 2)
    found = span_probabilities(sum_paths(chain.emissions, chain.lengths, potentials_of(chain)), spans, table=table)
    expected = brute_force(chain, chain.emissions, spans, tags=tags, encoding="BIOES", scheme="BIOES")
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert expected.max() > 0.1


def test_what_stands_in_padding_or_beside_it_does_not_matter() -> None:
    tags = tuple(tags_of_types("XY", "BIO"))
    table = table_of(tags, "BIO", "BIO")
    chain = random_chain([6, 2], 5, seed=11)
    spans = every_span(chain.lengths, 2)
    chances = span_probabilities(sum_paths(chain.emissions, chain.lengths, potentials_of(chain)), spans, table=table)
    for rubbish in (math.nan, math.inf, -math.inf):
        dirty = chain.emissions.masked_fill(~chain.mask.unsqueeze(2), rubbish)
        lattice = sum_paths(dirty, chain.lengths, potentials_of(chain))
        assert torch.equal(span_probabilities(lattice, spans, table=table), chances)
    alone = sum_paths(chain.emissions[1:, :2], chain.lengths[1:], potentials_of(chain))
    mine = spans[:, 0] == 1
    moved = spans[mine] - torch.tensor([1, 0, 0, 0])
    torch.testing.assert_close(span_probabilities(alone, moved, table=table), chances[mine], atol=1e-12, rtol=0)


def test_longer_answers_in_io_are_the_sum_of_their_ways_to_be_cut() -> None:
    """In IO, spans of one label that touch are one: BIO's X over two tokens, or X beside X."""
    tags = ("O", "B-X", "I-X")
    chain = random_chain([2], 3, seed=13)
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
    io = span_probabilities(lattice, torch.tensor([(0, 0, 2, 0)]), table=table_of(tags, "BIO", "IO"))
    paths, scores = crf_paths(chain.emissions[0], start=chain.start, transitions=chain.transitions, end=chain.end)
    inside = (paths != 0).all(dim=1)
    assert io.item() == pytest.approx(torch.softmax(scores, dim=0)[inside].sum().item(), abs=1e-10)


def test_no_spans_have_no_probabilities() -> None:
    chain = random_chain([2], 3, seed=15)
    lattice = sum_paths(chain.emissions, chain.lengths, potentials_of(chain))
    none = torch.zeros(0, 4, dtype=torch.int64)
    found = span_probabilities(lattice, none, table=table_of(("O", "B-X", "I-X"), "BIO", "BIO"))
    assert found.shape == (0,)
    assert found.dtype == torch.float64


@pytest.mark.cuda
def test_on_a_gpu_it_is_the_same() -> None:
    tags = tuple(tags_of_types("XY", "BIOES"))
    table = table_of(tags, "BIOES", "BIO")
    chain = random_chain([7, 1, 4], len(tags), seed=19)
    spans = every_span(chain.lengths, 2)
    expected = span_probabilities(sum_paths(chain.emissions, chain.lengths, potentials_of(chain)), spans, table=table)
    there = Potentials(start=chain.start.cuda(), transitions=chain.transitions.cuda(), end=chain.end.cuda())
    lattice = sum_paths(chain.emissions.cuda(), chain.lengths.cuda(), there)
    found = span_probabilities(lattice, spans.cuda(), table=table)
    torch.testing.assert_close(found.cpu(), expected, atol=1e-10, rtol=0)

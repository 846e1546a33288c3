"""Ours against pytorch-crf: loss, gradients, best paths, state dicts, initial weights, and the random stream."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torchcrf import CRF

from tagger.data.tag_table import TagTable
from tagger.model import reference
from tagger.model.crf import LinearChainCRF
from tagger.model.heads import CRFHead
from tagger.model.lattice import Potentials
from tagger.schemes import illegal_transitions, tags_of_types
from tests.strategies import Chain, random_chain

NUM_BATCHES, NUM_PARTS = 1000, 10


def random_batch(number: int) -> Chain:
    """One of many batches: sizes, lengths and scales all drawn from its number."""
    random = torch.Generator().manual_seed(number)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=random))

    lengths = [draw(1, 9) for _ in range(draw(1, 5))]
    scales = [10 ** float(torch.rand((), generator=random) * 2 - 1) for _ in range(2)]  # 0.1 to 10
    return random_chain(lengths, draw(1, 8), seed=number, scale=scales[0], transition_scale=scales[1])


def both(chain: Chain) -> tuple[CRF, LinearChainCRF]:
    """pytorch-crf and ours, of the same weights."""
    num_tags = len(chain.start)
    theirs, ours = CRF(num_tags, batch_first=True).double(), LinearChainCRF(num_tags).double()
    for crf in (theirs, ours):
        crf.start_transitions.data.copy_(chain.start)
        crf.transitions.data.copy_(chain.transitions)
        crf.end_transitions.data.copy_(chain.end)
    return theirs, ours


def loss_and_gradients(crf: nn.Module, chain: Chain) -> list[Tensor]:
    """The summed loss, and its gradients for emissions, start, transitions and end."""
    emissions = chain.emissions.clone().requires_grad_()
    if isinstance(crf, LinearChainCRF):
        loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask)
    else:
        loss = -crf(emissions, chain.tags, mask=chain.mask)
    weights = [crf.start_transitions, crf.transitions, crf.end_transitions]
    return [loss.detach(), *torch.autograd.grad(loss, [emissions, *weights], materialize_grads=True)]


def score_of(chain: Chain, row: int, path: list[int]) -> float:
    length = len(path)
    score = chain.start[path[0]] + chain.end[path[-1]] + chain.emissions[row, torch.arange(length), path].sum()
    return float(score + chain.transitions[path[:-1], path[1:]].sum())


@pytest.mark.parametrize("part", range(NUM_PARTS))
def test_on_random_batches_loss_gradients_and_paths_are_the_same(part: int) -> None:
    for number in range(part, NUM_BATCHES, NUM_PARTS):
        chain = random_batch(number)
        theirs, ours = both(chain)
        expected = loss_and_gradients(theirs, chain)
        torch.testing.assert_close(loss_and_gradients(ours, chain), expected, atol=1e-10, rtol=1e-12)
        best = ours.viterbi(chain.emissions, chain.mask)
        for row, path in enumerate(theirs.decode(chain.emissions, mask=chain.mask)):
            mine = best[row, : len(path)].tolist()
            if mine != path:  # only if they tie
                assert score_of(chain, row, mine) == pytest.approx(score_of(chain, row, path), abs=1e-10)


@pytest.mark.parametrize("number", range(20))
def test_the_reference_is_pytorch_crf(number: int) -> None:
    chain = random_batch(number)
    theirs, _ = both(chain)
    potentials = Potentials(start=chain.start, transitions=chain.transitions, end=chain.end)
    loss = reference.negative_log_likelihood(chain.emissions, chain.tags, chain.mask, potentials)
    assert loss.item() == -theirs(chain.emissions, chain.tags, mask=chain.mask).item()
    best = reference.best_path(chain.emissions, chain.mask, potentials)
    assert not best[~chain.mask].any()
    paths = [row[:length] for row, length in zip(best.tolist(), chain.lengths.tolist(), strict=True)]
    assert paths == theirs.decode(chain.emissions, mask=chain.mask)


@pytest.mark.parametrize("constrain_training", [False, True])
def test_either_implementation_is_the_same_module(constrain_training: bool) -> None:
    tags = tags_of_types("XY", "BIOES")
    table = TagTable.build(tags, encoding="BIOES", scheme="BIOES")
    chain = random_chain([8, 1, 5], len(tags), seed=1)
    answers = []
    for use_torchcrf in (False, True):
        crf = LinearChainCRF(
            len(tags), table=table, constrain_training=constrain_training, use_torchcrf=use_torchcrf
        ).double()
        for weight, values in zip(crf.parameters(), (chain.start, chain.end, chain.transitions), strict=True):
            weight.data.copy_(values)
        best = crf.viterbi(chain.emissions, chain.mask)
        limited = crf.viterbi(chain.emissions, chain.mask, allowed=chain.allowed)
        assert chain.allowed.gather(2, limited.unsqueeze(2))[chain.mask].all()
        for row, length in zip(best.tolist(), chain.lengths.tolist(), strict=True):
            assert illegal_transitions([tags[number] for number in row[:length]], "BIOES") == []
        answers.append([*loss_and_gradients(crf, chain), best, limited])
    # with penalties of 1e4 in them, the losses themselves are large
    torch.testing.assert_close(answers[0], answers[1], atol=1e-10, rtol=1e-12)


def test_pytorch_crf_is_not_asked_to_learn_from_unknown_gold() -> None:
    chain = random_chain([3, 1], 4, seed=2)
    crf = LinearChainCRF(4, use_torchcrf=True)
    with pytest.raises(ValueError, match="pytorch-crf cannot learn from tokens whose gold tag is not known"):
        crf.negative_log_likelihood(chain.emissions.float(), chain.tags, chain.mask, allowed=chain.allowed)


class TestWeights:
    @pytest.mark.parametrize("with_table", [False, True])
    def test_a_state_dict_moves_either_way(self, with_table: bool) -> None:
        tags = tags_of_types("XY", "BIO")
        table = TagTable.build(tags, encoding="BIO", scheme="BIO") if with_table else None
        theirs, ours = CRF(5, batch_first=True), LinearChainCRF(5, table=table)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict())
        chain = random_chain([4, 2], 5, seed=3)
        arguments = chain.emissions.float(), chain.tags
        expected = -theirs(*arguments, mask=chain.mask)
        torch.testing.assert_close(ours.negative_log_likelihood(*arguments, chain.mask), expected)
        back = CRF(5, batch_first=True)
        back.load_state_dict(ours.state_dict())
        for name, weight in theirs.named_parameters():
            assert torch.equal(back.get_parameter(name), weight)

    def test_a_seed_gives_pytorch_crfs_weights(self) -> None:
        torch.manual_seed(11)
        theirs = CRF(7).state_dict()
        torch.manual_seed(11)
        ours = LinearChainCRF(7).state_dict()
        assert {name: weight.tolist() for name, weight in ours.items()} == {
            name: weight.tolist() for name, weight in theirs.items()
        }

    def test_the_random_stream_does_not_depend_on_the_implementation(self) -> None:
        chain = random_chain([4, 2], 5, seed=4)
        emissions = chain.emissions.float()
        states = []
        for use_torchcrf in (False, True):
            torch.manual_seed(12)
            head = CRFHead(5, use_torchcrf=use_torchcrf)
            after_building = torch.get_rng_state()
            head.loss(emissions, chain.tags, chain.mask).backward()
            head.decode(emissions, chain.mask)
            assert torch.equal(torch.get_rng_state(), after_building)
            states.append(after_building)
        assert torch.equal(states[0], states[1])


@pytest.mark.cuda
@pytest.mark.parametrize(("number", "use_torchcrf"), list(product(range(3), (False, True))))
def test_on_a_gpu_either_implementation_is_the_same(number: int, use_torchcrf: bool) -> None:
    chain = random_batch(number)
    crf = LinearChainCRF(len(chain.start), use_torchcrf=use_torchcrf).double()
    here = (
        crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask),
        crf.viterbi(chain.emissions, chain.mask),
    )
    there = chain.emissions.cuda(), chain.tags.cuda(), chain.mask.cuda()
    crf.cuda()
    torch.testing.assert_close(crf.negative_log_likelihood(*there).cpu(), here[0], atol=1e-10, rtol=1e-12)
    assert torch.equal(crf.viterbi(there[0], there[2]).cpu(), here[1])

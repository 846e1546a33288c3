"""The CRF against brute force over every tag sequence, against autograd, and with rubbish in the padding."""

import math

import pytest
import torch
from torch import Tensor

from tagger.model.crf import LinearChainCRF, check_tags
from tests.oracles import crf_log_partition, crf_marginals, crf_path_scores

# (lengths, K): length-1 sentences alone and in company, one tag, every length equal, and the most brute force can do
SHAPES = [([1], 1), ([1], 4), ([5, 5], 1), ([1, 1, 1], 3), ([3, 3], 2), ([5, 1, 4, 2], 4), ([2, 5, 3, 1], 3)]
RUBBISH = [math.nan, math.inf, -math.inf, 1e30]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(2001)


def make_crf(num_tags: int, *, scale: float = 1.5, dtype: torch.dtype = torch.float64) -> LinearChainCRF:
    """A CRF whose transitions matter as much as its emissions."""
    crf = LinearChainCRF(num_tags).to(dtype)
    for weight in crf.parameters():
        weight.data.normal_(std=scale)
    return crf


def mask_of(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]  # (B, T)


def draw(lengths: list[int], num_tags: int, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Emissions (B, T, K), gold tags and mask (B, T); noise in the padding."""
    mask = mask_of(lengths)
    emissions = torch.randn(*mask.shape, num_tags, dtype=dtype) * 2
    return emissions, torch.randint(num_tags, mask.shape), mask


def brute_force(crf: LinearChainCRF, emissions: Tensor, lengths: list[int]) -> list[dict[tuple[int, ...], float]]:
    """The score of every tag sequence of every sentence."""
    return [
        crf_path_scores(
            row[:length].tolist(),
            start=crf.start_transitions.tolist(),
            transitions=crf.transitions.tolist(),
            end=crf.end_transitions.tolist(),
        )
        for row, length in zip(emissions, lengths, strict=True)
    ]


def with_rubbish(values: Tensor, mask: Tensor, rubbish: float) -> Tensor:
    """`values` (B, T, K) or (B, T) with `rubbish` wherever there is no token."""
    outside = ~mask if values.dim() == 2 else ~mask.unsqueeze(2)
    return values.masked_fill(outside, rubbish)


@pytest.mark.parametrize(("lengths", "num_tags"), SHAPES)
class TestBruteForce:
    def test_negative_log_likelihood(self, lengths: list[int], num_tags: int) -> None:
        crf = make_crf(num_tags)
        emissions, tags, mask = draw(lengths, num_tags)
        expected = sum(
            crf_log_partition(scores) - scores[tuple(row[:length].tolist())]
            for scores, row, length in zip(brute_force(crf, emissions, lengths), tags, lengths, strict=True)
        )
        loss = crf.negative_log_likelihood(emissions, tags, mask)
        assert loss.shape == ()
        assert loss.item() == pytest.approx(expected, abs=1e-10)

    def test_viterbi(self, lengths: list[int], num_tags: int) -> None:
        crf = make_crf(num_tags)
        emissions, _, mask = draw(lengths, num_tags)
        best = crf.viterbi(emissions, mask)
        expected = torch.zeros(mask.shape, dtype=torch.int64)
        for row, scores in enumerate(brute_force(crf, emissions, lengths)):
            expected[row, : lengths[row]] = torch.tensor(max(scores, key=scores.__getitem__))
        assert torch.equal(best, expected)

    def test_marginals(self, lengths: list[int], num_tags: int) -> None:
        crf = make_crf(num_tags)
        emissions, _, mask = draw(lengths, num_tags)
        expected = torch.full_like(emissions, 1 / num_tags)
        for row, scores in enumerate(brute_force(crf, emissions, lengths)):
            expected[row, : lengths[row]] = torch.tensor(crf_marginals(scores, num_tags), dtype=torch.float64)
        torch.testing.assert_close(crf.marginals(emissions, mask), expected, atol=1e-10, rtol=0)


class TestMarginals:
    def test_are_the_gradient_of_the_log_partition(self) -> None:
        lengths, num_tags = [30, 1, 17, 2, 29], 11
        crf = make_crf(num_tags)
        emissions, tags, mask = draw(lengths, num_tags)
        emissions.requires_grad_()
        # the loss is log Z - score(gold), and the gradient of score(gold) is 1 at gold's tags
        crf.negative_log_likelihood(emissions, tags, mask).backward()
        assert emissions.grad is not None
        at_gold = torch.nn.functional.one_hot(tags, num_tags)
        expected = (emissions.grad + at_gold)[mask]
        torch.testing.assert_close(crf.marginals(emissions, mask)[mask], expected, atol=1e-10, rtol=0)

    def test_keep_float32s_precision_however_long_the_sentence(self) -> None:
        crf = make_crf(9, dtype=torch.float32)
        emissions, _, mask = draw([2000], 9, dtype=torch.float32)
        with torch.no_grad():
            marginals = crf.marginals(emissions, mask)
            exact = crf.double().marginals(emissions.double(), mask)
        torch.testing.assert_close(marginals.double(), exact, atol=2e-6, rtol=0)

    def test_with_transitions_that_are_all_but_forbidden(self) -> None:
        crf = make_crf(3, dtype=torch.float32)
        crf.transitions.data[0] = -1e4  # nothing follows tag 0 ...
        crf.end_transitions.data[1:] = -1e4  # ... and it must end the sentence
        emissions, _, mask = draw([6, 3], 3, dtype=torch.float32)
        marginals = crf.marginals(emissions, mask)
        ends = torch.tensor([[5], [2]])
        torch.testing.assert_close(marginals[..., 0].gather(1, ends), torch.ones(2, 1))
        before = torch.arange(6) < ends
        assert marginals[..., 0][before].max() < 1e-6

    def test_with_equal_scores_are_uniform(self) -> None:
        crf = make_crf(4, scale=0.0)
        emissions = torch.zeros(2, 3, 4, dtype=torch.float64)
        torch.testing.assert_close(crf.marginals(emissions, mask_of([3, 1])), emissions + 0.25)


@pytest.mark.parametrize("rubbish", RUBBISH)
class TestPadding:
    lengths = (4, 1, 3)

    def draw(self) -> tuple[LinearChainCRF, Tensor, Tensor, Tensor]:
        return make_crf(3), *draw(list(self.lengths), 3)

    def test_loss_and_its_gradients_do_not_see_it(self, rubbish: float) -> None:
        crf, emissions, tags, mask = self.draw()
        results = []
        for scores in (emissions, with_rubbish(emissions, mask, rubbish)):
            scores = scores.clone().requires_grad_()
            crf.zero_grad()
            loss = crf.negative_log_likelihood(scores, tags, mask)
            loss.backward()
            results.append([loss.detach(), scores.grad, *(weight.grad for weight in crf.parameters())])
        torch.testing.assert_close(results[1], results[0], atol=0, rtol=0)
        assert torch.isfinite(results[0][0])

    def test_decoding_and_marginals_do_not_see_it(self, rubbish: float) -> None:
        crf, emissions, _, mask = self.draw()
        dirty = with_rubbish(emissions, mask, rubbish)
        assert torch.equal(crf.viterbi(dirty, mask), crf.viterbi(emissions, mask))
        assert torch.equal(crf.marginals(dirty, mask), crf.marginals(emissions, mask))

    def test_a_sentence_alone_is_the_sentence_in_company(self, rubbish: float) -> None:
        crf, emissions, tags, mask = self.draw()
        emissions = with_rubbish(emissions, mask, rubbish)
        total = torch.zeros((), dtype=torch.float64)
        for row, length in enumerate(self.lengths):
            one = emissions[row : row + 1, :length], mask[row : row + 1, :length]
            total += crf.negative_log_likelihood(one[0], tags[row : row + 1, :length], one[1]).detach()
            assert torch.equal(crf.viterbi(*one)[0], crf.viterbi(emissions, mask)[row, :length])
            torch.testing.assert_close(crf.marginals(*one)[0], crf.marginals(emissions, mask)[row, :length])
        torch.testing.assert_close(crf.negative_log_likelihood(emissions, tags, mask).detach(), total)


class TestTags:
    @pytest.mark.parametrize("bad", [-1, -100, 3, 2**40])
    @pytest.mark.parametrize("place", [(0, 0), (0, 2), (1, 0)])
    def test_that_are_none_are_refused(self, bad: int, place: tuple[int, int]) -> None:
        emissions, tags, mask = draw([3, 1], 3)
        tags[place] = bad
        with pytest.raises(ValueError, match=rf"expected gold tag ids from 0 to 2, got {bad}$"):
            make_crf(3).negative_log_likelihood(emissions, tags, mask)

    @pytest.mark.parametrize("bad", [-1, -100, 3, 2**40])
    def test_may_be_anything_in_padding(self, bad: int) -> None:
        crf = make_crf(3)
        emissions, tags, mask = draw([3, 1], 3)
        clean = crf.negative_log_likelihood(emissions, tags, mask)
        assert torch.equal(crf.negative_log_likelihood(emissions, with_rubbish(tags, mask, bad), mask), clean)

    def test_that_are_tags_pass(self) -> None:
        assert check_tags(torch.tensor([[0, 2, -100]]), torch.tensor([[True, True, False]]), num_tags=3) is None


def test_a_sentence_without_tokens_is_refused() -> None:
    emissions, tags, mask = draw([3, 1], 3)
    mask[1, 0] = False
    with pytest.raises(ValueError, match="mask of the first timestep"):
        make_crf(3).negative_log_likelihood(emissions, tags, mask)

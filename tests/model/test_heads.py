"""The heads: losses by hand, answers in float32 whatever comes in, and nothing in the padding."""

import math

import pytest
import torch
from torch import Tensor

from tagger.model.heads import CRFHead, SoftmaxHead
from tests.oracles import crf_log_partition, crf_path_scores

LENGTHS, K = [4, 1, 3], 3
Head = SoftmaxHead | CRFHead


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1991)


@pytest.fixture(params=["softmax", "crf"])
def head(request: pytest.FixtureRequest) -> Head:
    return make_crf() if request.param == "crf" else SoftmaxHead()


def make_crf() -> CRFHead:
    head = CRFHead(K)
    for weight in head.parameters():
        weight.data.normal_()
    return head


def draw() -> tuple[Tensor, Tensor, Tensor]:
    """Emissions (B, T, K) with NaN in the padding, gold tags and mask (B, T)."""
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    emissions = torch.randn(*mask.shape, K) * 3
    return emissions.masked_fill(~mask.unsqueeze(2), math.nan), torch.randint(K, mask.shape), mask


class TestLoss:
    def test_of_softmax_is_the_mean_nats_of_a_token(self) -> None:
        emissions, tags, mask = draw()
        nats = []
        for row, column in mask.nonzero().tolist():
            scores = emissions[row, column].tolist()
            nats.append(math.log(sum(map(math.exp, scores))) - scores[tags[row, column]])
        assert SoftmaxHead().loss(emissions, tags, mask).item() == pytest.approx(sum(nats) / len(nats), abs=1e-5)

    def test_of_a_crf_is_the_mean_nats_of_a_token(self) -> None:
        head = make_crf()
        emissions, tags, mask = draw()
        nats = 0.0
        for row, length in enumerate(LENGTHS):
            scores = crf_path_scores(
                emissions[row, :length].tolist(),
                start=head.crf.start_transitions.tolist(),
                transitions=head.crf.transitions.tolist(),
                end=head.crf.end_transitions.tolist(),
            )
            nats += crf_log_partition(scores) - scores[tuple(tags[row, :length].tolist())]
        assert head.loss(emissions, tags, mask).item() == pytest.approx(nats / sum(LENGTHS), abs=1e-5)

    def test_has_no_gradient_in_padding(self, head: Head) -> None:
        emissions, tags, mask = draw()
        emissions.requires_grad_()
        head.loss(emissions, tags, mask).backward()
        assert emissions.grad is not None
        assert not emissions.grad[~mask].any()
        assert emissions.grad[mask].all()

    @pytest.mark.parametrize("bad", [-1, -100, K])
    def test_refuses_tags_that_are_none(self, head: Head, bad: int) -> None:
        emissions, tags, mask = draw()
        tags[2, 1] = bad
        with pytest.raises(ValueError, match=f"expected gold tag ids from 0 to {K - 1}, got {bad}$"):
            head.loss(emissions, tags, mask)

    def test_is_small_where_the_gold_tags_stand_out(self, head: Head) -> None:
        emissions, tags, mask = draw()
        emissions = torch.nn.functional.one_hot(tags, K) * 50.0
        assert head.loss(emissions, tags, mask) < 1e-6
        assert torch.equal(head.decode(emissions, mask), tags * mask)


class TestAnswers:
    def test_decoding_is_zero_in_padding(self, head: Head) -> None:
        emissions, _, mask = draw()
        emissions[..., 0] = -50.0  # so that no token's tag is 0
        ids = head.decode(emissions, mask)
        assert ids.dtype == torch.int64
        assert torch.equal(ids != 0, mask)

    def test_marginals_sum_to_one_and_are_uniform_in_padding(self, head: Head) -> None:
        emissions, _, mask = draw()
        marginals = head.marginals(emissions, mask)
        torch.testing.assert_close(marginals.sum(dim=2), torch.ones(mask.shape))
        torch.testing.assert_close(marginals[~mask], torch.full((int((~mask).sum()), K), 1 / K))

    def test_softmax_answers_by_the_largest_probability(self) -> None:
        emissions, _, mask = draw()
        head = SoftmaxHead()
        assert torch.equal(head.marginals(emissions, mask).argmax(dim=2)[mask], head.decode(emissions, mask)[mask])

    def test_a_crf_without_transitions_is_a_softmax(self) -> None:
        emissions, tags, mask = draw()
        crf, softmax = CRFHead(K), SoftmaxHead()
        for weight in crf.parameters():
            weight.data.zero_()
        torch.testing.assert_close(crf.loss(emissions, tags, mask), softmax.loss(emissions, tags, mask))
        torch.testing.assert_close(crf.marginals(emissions, mask), softmax.marginals(emissions, mask))
        assert torch.equal(crf.decode(emissions, mask), softmax.decode(emissions, mask))


class TestPrecision:
    def test_is_float32_from_bf16_emissions_under_autocast(self, head: Head) -> None:
        emissions, tags, mask = draw()
        rounded = emissions.bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, marginals = head.loss(rounded, tags, mask), head.marginals(rounded, mask)
            ids = head.decode(rounded, mask)
        assert loss.dtype == marginals.dtype == torch.float32
        assert torch.equal(loss, head.loss(rounded.float(), tags, mask))
        assert torch.equal(marginals, head.marginals(rounded.float(), mask))
        assert torch.equal(ids, head.decode(rounded.float(), mask))

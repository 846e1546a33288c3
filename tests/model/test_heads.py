"""The heads: losses by hand, answers in float32 whatever comes in, and nothing in the padding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tagger.data.tag_table import TagTable
from tagger.model.crf import LinearChainCRF
from tagger.model.heads import CRFHead, SoftmaxHead, augment
from tagger.schemes import SCHEMES, tags_of_types
from tests.oracles import all_paths, crf_log_partition, crf_path_scores, crf_paths, spans_of_paths
from tests.strategies import Chain, chains, random_chain

LENGTHS, K = [4, 1, 3], 3
Head = SoftmaxHead | CRFHead


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1991)


@pytest.fixture(params=["softmax", "crf"])
def head(request: pytest.FixtureRequest) -> Head:
    return make_crf() if request.param == "crf" else SoftmaxHead()


def make_crf(*, costs: Tensor | None = None, use_torchcrf: bool = False) -> CRFHead:
    head = CRFHead(K, costs=costs, use_torchcrf=use_torchcrf)
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


def draw_allowed() -> Tensor:
    """(B, T, K) bool, at least one tag a token; nothing in padding."""
    mask = draw()[2]
    allowed = torch.rand(*mask.shape, K) < 0.4
    return allowed.scatter(2, torch.randint(K, (*mask.shape, 1)), True) & mask.unsqueeze(2)


class TestAllowed:
    def test_a_softmaxs_loss_is_that_of_the_tags_that_agree(self) -> None:
        emissions, tags, mask = draw()
        allowed = draw_allowed()
        nats = []
        for row, column in mask.nonzero().tolist():
            chances = torch.softmax(emissions[row, column].double(), dim=0)
            nats.append(-math.log(float(chances[allowed[row, column]].sum())))
        loss = SoftmaxHead().loss(emissions, tags, mask, allowed=allowed)
        assert loss.item() == pytest.approx(sum(nats) / len(nats), rel=1e-5)

    def test_a_crfs_loss_is_that_of_the_sequences_that_agree(self) -> None:
        head = make_crf()
        emissions, tags, mask = draw()
        allowed = draw_allowed()
        nats = 0.0
        for row, length in enumerate(LENGTHS):
            scores = scores_of_paths(head, emissions[row, :length])
            agreeing = allowed[row, torch.arange(length), all_paths(length, K)].all(dim=1)
            nats += float(torch.logsumexp(scores, dim=0) - torch.logsumexp(scores[agreeing], dim=0))
        loss = head.loss(emissions, tags, mask, allowed=allowed)
        assert loss.item() == pytest.approx(nats / sum(LENGTHS), rel=1e-5)

    def test_the_loss_is_the_usual_one_where_all_is_known(self, head: Head) -> None:
        emissions, tags, mask = draw()
        known = torch.nn.functional.one_hot(tags, K).bool()
        loss = head.loss(emissions, torch.full_like(tags, -1), mask, allowed=known)
        torch.testing.assert_close(loss, head.loss(emissions, tags, mask))

    def test_the_loss_has_finite_gradients(self, head: Head) -> None:
        emissions, tags, mask = draw()
        emissions.requires_grad_()
        head.loss(emissions, tags, mask, allowed=draw_allowed()).backward()
        assert emissions.grad is not None
        assert torch.isfinite(emissions.grad).all()
        assert not emissions.grad[~mask].any()

    def test_answers_keep_to_it(self, head: Head) -> None:
        emissions, _, mask = draw()
        allowed = draw_allowed()
        ids = head.decode(emissions, mask, allowed=allowed)
        assert allowed.gather(2, ids.unsqueeze(2)).squeeze(2)[mask].all()
        assert not ids[~mask].any()
        marginals = head.marginals(emissions, mask, allowed=allowed)
        assert not marginals[mask][~allowed[mask]].any()
        torch.testing.assert_close(marginals.sum(dim=2), torch.ones(mask.shape))
        torch.testing.assert_close(marginals[~mask], torch.full((int((~mask).sum()), K), 1 / K))


def scores_of_paths(head: CRFHead, emissions: Tensor) -> Tensor:
    """The scores (P,) of all paths of one sentence (T, K) without padding."""
    crf = head.crf
    weights = {"start": crf.start_transitions, "transitions": crf.transitions, "end": crf.end_transitions}
    return crf_paths(emissions.double(), **{name: weight.detach().double() for name, weight in weights.items()})[1]


class TestSpanProbabilities:
    @pytest.mark.parametrize("scheme", list(SCHEMES))
    @given(chain=chains(max_steps=4, num_tags=3, scales=(0.5, 2.0)), limited=st.booleans())
    @settings(deadline=None, max_examples=15)
    def test_of_a_softmax_take_its_tokens_as_independent(self, scheme: str, chain: Chain, limited: bool) -> None:
        names = tuple(tags_of_types(("X",), scheme))[:3]  # O, and the first two of X
        names = names if len(names) == 3 else ("O", "I-X", "I-Y")
        head = SoftmaxHead(table=TagTable.build(names, encoding=scheme, scheme=scheme))
        emissions = chain.emissions.float().masked_fill(~chain.mask.unsqueeze(2), math.nan)
        for row, length in enumerate(chain.lengths.tolist()):
            allowed = chain.allowed if limited else None
            scores = emissions[row, :length].double()
            if limited:
                scores = scores.masked_fill(~chain.allowed[row, :length], -math.inf)
            chances = torch.softmax(scores, dim=1)[torch.arange(length), all_paths(length, 3)].prod(dim=1)
            spelled = spans_of_paths(names, length, scheme, scheme)
            spans = torch.tensor([(row, start, end, int(label == "Y")) for start, end, label in spelled])
            expected = torch.stack([chances[paths].sum() for paths in spelled.values()])
            found = head.span_probabilities(emissions, chain.mask, spans, allowed=allowed)
            torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)

    def test_of_a_crf_are_those_of_its_sequences(self) -> None:
        table = TagTable.build(("O", "B-X", "I-X"), encoding="BIO", scheme="BIO")
        head = CRFHead(K, table=table)
        emissions, _, mask = draw()
        spans = torch.tensor([(0, 1, 3, 0), (1, 0, 1, 0), (2, 0, 3, 0)])
        crf: LinearChainCRF = head.crf
        expected = crf.span_probabilities(emissions, mask, spans)
        assert torch.equal(head.span_probabilities(emissions, mask, spans), expected)
        assert ((expected > 0) & (expected < 1)).all()

    def test_plain_tags_have_none(self, head: Head) -> None:
        emissions, _, mask = draw()
        with pytest.raises(ValueError, match="tags without a scheme spell no spans"):
            head.span_probabilities(emissions, mask, torch.tensor([(0, 0, 1, 0)]))


class TestCosts:
    costs = torch.tensor([0.0, 1.5, 0.25])

    def test_raise_every_tag_but_gold(self) -> None:
        emissions = torch.zeros(1, 3, K)
        tags, mask = torch.tensor([[0, 1, 2]]), torch.tensor([[True, True, True]])
        expected = [[0.0, 0.0, 0.0], [1.5, 0.0, 1.5], [0.25, 0.25, 0.0]]
        assert augment(emissions, tags, mask, costs=self.costs).tolist() == [expected]

    def test_of_none_change_nothing(self) -> None:
        emissions, tags, mask = draw()
        assert augment(emissions, tags, mask, costs=None) is emissions

    @pytest.mark.parametrize("bad", [-100, K, 2**40])
    def test_do_not_look_at_padding(self, bad: int) -> None:
        emissions, tags, mask = draw()
        found = augment(emissions, tags.masked_fill(~mask, bad), mask, costs=self.costs)
        assert torch.equal(found[mask], augment(emissions, tags, mask, costs=self.costs)[mask])

    def test_of_a_softmax_are_the_mean_softmax_margin(self) -> None:
        emissions, tags, mask = draw()
        nats = []
        for row, column in mask.nonzero().tolist():
            gold = int(tags[row, column])
            scores = [
                score + self.costs[gold].item() * (tag != gold)
                for tag, score in enumerate(emissions[row, column].tolist())
            ]
            nats.append(math.log(sum(map(math.exp, scores))) - scores[gold])
        loss = SoftmaxHead(costs=self.costs).loss(emissions, tags, mask)
        assert loss.item() == pytest.approx(sum(nats) / len(nats), abs=1e-5)

    @pytest.mark.parametrize("use_torchcrf", [False, True])
    def test_of_a_crf_add_up_over_each_sequences_mistakes(self, use_torchcrf: bool) -> None:
        """Gimpel & Smith (2010), equation 6, by enumeration."""
        head = make_crf(costs=self.costs, use_torchcrf=use_torchcrf)
        emissions, tags, mask = draw()
        nats = 0.0
        for row, length in enumerate(LENGTHS):
            paths, gold = all_paths(length, K), tags[row, :length]
            mistakes = ((paths != gold) * self.costs[gold]).sum(dim=1)  # (P,) the cost of each path
            scores = scores_of_paths(head, emissions[row, :length])
            nats += float(torch.logsumexp(scores + mistakes, dim=0) - scores[(paths == gold).all(dim=1)])
        assert head.loss(emissions, tags, mask).item() == pytest.approx(nats / sum(LENGTHS), abs=1e-5)

    def test_of_zero_are_no_costs(self, head: Head) -> None:
        emissions, tags, mask = draw()
        plain = head.loss(emissions, tags, mask)
        head.costs = torch.zeros(K)
        torch.testing.assert_close(head.loss(emissions, tags, mask), plain)
        head.costs = self.costs
        assert head.loss(emissions, tags, mask) > plain

    def test_change_no_answer_and_are_no_weight(self) -> None:
        emissions, _, mask = draw()
        with_costs, plain = make_crf(costs=self.costs), make_crf()
        with_costs.load_state_dict(plain.state_dict())
        assert "costs" not in with_costs.state_dict()
        assert torch.equal(with_costs.decode(emissions, mask), plain.decode(emissions, mask))
        assert torch.equal(with_costs.marginals(emissions, mask), plain.marginals(emissions, mask))

    def test_leave_bad_tags_to_be_refused(self, head: Head) -> None:
        emissions, tags, mask = draw()
        head.costs = self.costs
        tags[0, 0] = K
        with pytest.raises(ValueError, match=f"expected gold tag ids from 0 to {K - 1}, got {K}$"):
            head.loss(emissions, tags, mask)


def test_a_head_without_tokens_in_a_sentence_refuses() -> None:
    emissions, tags, mask = draw()
    mask[1] = False
    with pytest.raises(ValueError, match="a sentence without tokens"):
        make_crf().loss(emissions, tags, mask)


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

    @pytest.mark.cuda
    def test_is_the_cpus_on_a_gpu(self, head: Head) -> None:
        emissions, tags, mask = draw()
        allowed = draw_allowed()
        head.costs = TestCosts.costs
        found = []
        for device in ("cpu", "cuda"):
            head.to(device)
            scores, gold, here, limits = (each.to(device) for each in (emissions, tags, mask, allowed))
            answers = [
                head.loss(scores, gold, here),
                head.loss(scores, gold, here, allowed=limits),
                head.decode(scores, here, allowed=limits),
                head.marginals(scores, here),
            ]
            found.append([answer.detach().cpu() for answer in answers])
        torch.testing.assert_close(found[1], found[0])

    def test_is_float64_from_float64_emissions(self, head: Head) -> None:
        chain = random_chain([5, 2], K, seed=3)
        head.double()
        loss = head.loss(chain.emissions, chain.tags, chain.mask)
        fuzzy = head.loss(chain.emissions, chain.tags, chain.mask, allowed=chain.allowed)
        marginals = head.marginals(chain.emissions, chain.mask)
        assert loss.dtype == fuzzy.dtype == marginals.dtype == torch.float64
        # the loss is the mean over tokens of a number whose gradient at gold is the marginal less 1
        emissions = chain.emissions.requires_grad_()
        (gradient,) = torch.autograd.grad(head.loss(emissions, chain.tags, chain.mask), emissions)
        at_gold = torch.nn.functional.one_hot(chain.tags, K)
        expected = (marginals - at_gold)[chain.mask] / chain.mask.sum()
        torch.testing.assert_close(gradient[chain.mask], expected, atol=1e-12, rtol=0)

"""The CRF against brute force over every tag sequence, against gradcheck, and with rubbish in the padding."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tagger.data.tag_table import TagTable
from tagger.model.crf import ILLEGAL, LinearChainCRF, check_mask, check_tags
from tagger.model.lattice import LogLattice
from tagger.schemes import SCHEMES, illegal_transitions, tags_of_types
from tests.oracles import crf_log_partition, crf_path_scores, crf_paths, spans_of_paths, tag_probabilities
from tests.strategies import Chain, chains, random_chain

RUBBISH = [math.nan, math.inf, -math.inf, 1e30]
FIVE_TAGS = tuple(tags_of_types("XY", "BIO"))  # O and two types
# dtype -> (absolute, relative) tolerance; what is compared is 0 in places, so float32 needs some of the first as well
# A gradient is a difference of probabilities, of which float32 keeps seven decimals.
TOLERANCES = {torch.float64: (1e-10, 1e-10), torch.float32: (1e-6, 1e-5)}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCES)
brute = settings(deadline=None, max_examples=100)


def make_crf(
    chain: Chain, *, table: TagTable | None = None, constrain_training: bool = False, dtype: torch.dtype = torch.float64
) -> LinearChainCRF:
    """A CRF of the chain's weights."""
    crf = LinearChainCRF(len(chain.start), table=table, constrain_training=constrain_training).to(dtype)
    crf.start_transitions.data.copy_(chain.start)
    crf.transitions.data.copy_(chain.transitions)
    crf.end_transitions.data.copy_(chain.end)
    return crf


def table_of(tags: tuple[str, ...] | list[str], scheme: str) -> TagTable:
    table = TagTable.build(tags, encoding=scheme, scheme=scheme)
    assert table is not None
    return table


def round_to(chain: Chain, dtype: torch.dtype) -> Chain:
    """The chain with scores that `dtype` can hold, so that rounding the input is no error of ours."""
    for scores in (chain.emissions, chain.start, chain.transitions, chain.end):
        scores.copy_(scores.to(dtype))
    return chain


def paths_of(crf: LinearChainCRF, emissions: Tensor, length: int, *, constrained: bool = True) -> tuple[Tensor, Tensor]:
    """All paths of one sentence (T, K) and their scores, float64; with the penalties of what is illegal, or without."""
    weights = {"start": crf.start_transitions, "transitions": crf.transitions, "end": crf.end_transitions}
    if constrained:
        penalties = {"start": crf.illegal_start, "transitions": crf.illegal_transitions, "end": crf.illegal_end}
        weights = {name: weight + penalties[name] for name, weight in weights.items()}
    return crf_paths(emissions[:length].double(), **{name: weight.double() for name, weight in weights.items()})


def agreeing(paths: Tensor, allowed: Tensor) -> Tensor:
    """(P,) bool: the paths that take allowed (T, K) tags alone."""
    return allowed[torch.arange(paths.size(1)), paths].all(dim=1)


def brute_loss(crf: LinearChainCRF, emissions: Tensor, chain: Chain, *, fuzzy: bool, constrained: bool) -> Tensor:
    """The summed loss, by enumeration, with autograd through it."""
    total = torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(chain.lengths.tolist()):
        paths, scores = paths_of(crf, emissions[row], length, constrained=constrained)
        at_gold = (paths == chain.tags[row, :length]).all(dim=1)
        gold = agreeing(paths, chain.allowed[row, :length]) if fuzzy else at_gold
        total = total + torch.logsumexp(scores, dim=0) - torch.logsumexp(scores[gold], dim=0)
    return total


def gradients(loss: Tensor, emissions: Tensor, crf: LinearChainCRF) -> list[Tensor]:
    weights = [crf.start_transitions, crf.transitions, crf.end_transitions]
    return [gradient.double() for gradient in torch.autograd.grad(loss, [emissions, *weights])]


@DTYPES
class TestBruteForce:
    @given(chain=chains(), fuzzy=st.booleans())
    @brute
    def test_loss_and_gradients(self, dtype: torch.dtype, chain: Chain, fuzzy: bool) -> None:
        chain = round_to(chain, dtype)
        crf = make_crf(chain, dtype=dtype)
        emissions = chain.emissions.to(dtype).requires_grad_()
        allowed = chain.allowed if fuzzy else None
        loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask, allowed=allowed)
        assert (loss.shape, loss.dtype) == ((), dtype)
        expected = brute_loss(crf, emissions, chain, fuzzy=fuzzy, constrained=False)
        atol, rtol = TOLERANCES[dtype]
        torch.testing.assert_close(loss.double(), expected, atol=atol, rtol=rtol)
        found = gradients(loss, emissions, crf)
        torch.testing.assert_close(found, gradients(expected, emissions, crf), atol=atol, rtol=rtol)

    @given(chain=chains(num_tags=5), fuzzy=st.booleans())
    @brute
    def test_loss_and_gradients_that_know_what_is_illegal(self, dtype: torch.dtype, chain: Chain, fuzzy: bool) -> None:
        chain = round_to(chain, dtype)
        crf = make_crf(chain, table=table_of(FIVE_TAGS, "BIO"), constrain_training=True, dtype=dtype)
        emissions = chain.emissions.to(dtype).requires_grad_()
        allowed = chain.allowed if fuzzy else None
        loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask, allowed=allowed)
        expected = brute_loss(crf, emissions, chain, fuzzy=fuzzy, constrained=True)
        # the sum of a weight and a penalty of 1e4 is exact to 1e-12 in float64, and to 5e-4 in float32
        atol, rtol = (1e-10, 1e-10) if dtype == torch.float64 else (1e-2, 1e-5)
        torch.testing.assert_close(loss.double(), expected, atol=atol, rtol=rtol)
        torch.testing.assert_close(
            gradients(loss, emissions, crf), gradients(expected, emissions, crf), atol=atol, rtol=rtol
        )

    @given(chain=chains(), limited=st.booleans())
    @brute
    def test_marginals(self, dtype: torch.dtype, chain: Chain, limited: bool) -> None:
        chain = round_to(chain, dtype)
        crf = make_crf(chain, dtype=dtype)
        num_tags = len(chain.start)
        found = crf.marginals(chain.emissions.to(dtype), chain.mask, allowed=chain.allowed if limited else None)
        assert found.dtype == dtype
        expected = torch.full_like(chain.emissions, 1 / num_tags)
        for row, length in enumerate(chain.lengths.tolist()):
            paths, scores = paths_of(crf, chain.emissions[row], length)
            if limited:
                scores = scores.masked_fill(~agreeing(paths, chain.allowed[row, :length]), -math.inf)
            expected[row, :length] = tag_probabilities(paths, scores, num_tags)
        atol, rtol = TOLERANCES[dtype]
        torch.testing.assert_close(found.double(), expected, atol=atol, rtol=rtol)

    @given(chain=chains(max_steps=5), n=st.integers(1, 8))
    @brute
    def test_n_best(self, dtype: torch.dtype, chain: Chain, n: int) -> None:
        chain = round_to(chain, dtype)
        crf = make_crf(chain, dtype=dtype)
        found, chances = crf.n_best(chain.emissions.to(dtype), chain.mask, n=n)
        assert chances.dtype == torch.float64
        assert (chances <= 1).all()
        for row, length in enumerate(chain.lengths.tolist()):
            paths, scores = paths_of(crf, chain.emissions[row], length)
            expected = torch.softmax(scores, dim=0)
            highest = expected.sort(descending=True).values[:n]
            missing = torch.zeros(n - len(highest), dtype=torch.float64)
            torch.testing.assert_close(chances[row], torch.cat([highest, missing]), atol=1e-10, rtol=0)
            for path, chance in zip(found[row, : len(highest), :length], chances[row], strict=False):
                mine = expected[(paths == path).all(dim=1)].squeeze()
                torch.testing.assert_close(mine, chance, atol=1e-10, rtol=0)

    @given(chain=chains(num_tags=5, max_steps=4), limited=st.booleans())
    @brute
    def test_span_probabilities(self, dtype: torch.dtype, chain: Chain, limited: bool) -> None:
        chain = round_to(chain, dtype)
        crf = make_crf(chain, table=table_of(FIVE_TAGS, "BIO"), dtype=dtype)
        allowed = chain.allowed if limited else None
        for row, length in enumerate(chain.lengths.tolist()):
            spelled = spans_of_paths(FIVE_TAGS, length, "BIO", "BIO")
            spans = torch.tensor([(row, start, end, "XY".index(label)) for start, end, label in spelled])
            found = crf.span_probabilities(chain.emissions.to(dtype), chain.mask, spans, allowed=allowed)
            paths, scores = paths_of(crf, chain.emissions[row], length)
            if limited:
                scores = scores.masked_fill(~agreeing(paths, chain.allowed[row, :length]), -math.inf)
            chances = torch.softmax(scores, dim=0)
            expected = torch.stack([chances[holds].sum() for holds in spelled.values()])
            # where only illegal paths are left, float32 holds their penalised transitions to 5e-4 alone
            atol = 1e-10 if dtype == torch.float64 else 1e-3
            torch.testing.assert_close(found, expected, atol=atol, rtol=0)

    @given(chain=chains(), limited=st.booleans())
    @brute
    def test_viterbi(self, dtype: torch.dtype, chain: Chain, limited: bool) -> None:
        chain = round_to(chain, dtype)
        crf = make_crf(chain, dtype=dtype)
        best = crf.viterbi(chain.emissions.to(dtype), chain.mask, allowed=chain.allowed if limited else None)
        assert not best[~chain.mask].any()
        for row, length in enumerate(chain.lengths.tolist()):
            paths, scores = paths_of(crf, chain.emissions[row], length)
            if limited:
                scores = scores.masked_fill(~agreeing(paths, chain.allowed[row, :length]), -math.inf)
            mine = scores[(paths == best[row, :length]).all(dim=1)].item()
            highest = scores.max().item()
            assert mine == pytest.approx(
                highest, rel=TOLERANCES[dtype][1], abs=1e-10 if dtype == torch.float64 else 1e-4
            )


def test_the_two_oracles_agree() -> None:
    """Enumeration in plain Python, with nothing of torch in it, gives the loss as well."""
    chain = random_chain([4], 3, seed=41)
    weights = {"start": chain.start.tolist(), "transitions": chain.transitions.tolist(), "end": chain.end.tolist()}
    scores = crf_path_scores(chain.emissions[0].tolist(), **weights)
    expected = crf_log_partition(scores) - scores[tuple(chain.tags[0].tolist())]
    loss = make_crf(chain).negative_log_likelihood(chain.emissions, chain.tags, chain.mask)
    assert loss.item() == pytest.approx(expected, abs=1e-10)


class TestGradient:
    @pytest.mark.parametrize("fuzzy", [False, True])
    @pytest.mark.parametrize("constrained", [False, True])
    def test_passes_gradcheck(self, fuzzy: bool, constrained: bool) -> None:
        chain = random_chain([4, 1, 3], 5, seed=43)
        table = table_of(FIVE_TAGS, "BIO") if constrained else None
        crf = make_crf(chain, table=table)
        allowed = chain.allowed if fuzzy else None
        weights = [crf.start_transitions, crf.transitions, crf.end_transitions]

        def loss(emissions: Tensor, *values: Tensor) -> Tensor:
            named = dict(zip(["start_transitions", "transitions", "end_transitions"], values, strict=True))
            arguments = (emissions, chain.tags, chain.mask)
            wrapped = _LossOf(crf, allowed)
            return torch.func.functional_call(
                wrapped, {f"crf.{name}": value for name, value in named.items()}, arguments
            )

        inputs = [chain.emissions.requires_grad_(), *(weight.detach().requires_grad_() for weight in weights)]
        assert torch.autograd.gradcheck(loss, inputs)

    def test_scales_with_what_comes_from_above(self) -> None:
        chain = random_chain([4, 2], 3, seed=47)
        crf = make_crf(chain)
        emissions = chain.emissions.requires_grad_()
        once = gradients(crf.negative_log_likelihood(emissions, chain.tags, chain.mask), emissions, crf)
        scaled = gradients(-2.5 * crf.negative_log_likelihood(emissions, chain.tags, chain.mask), emissions, crf)
        torch.testing.assert_close(scaled, [-2.5 * gradient for gradient in once])

    def test_cannot_be_differentiated_again(self) -> None:
        chain = random_chain([4, 2], 3, seed=53)
        emissions = chain.emissions.requires_grad_()
        loss = make_crf(chain).negative_log_likelihood(emissions, chain.tags, chain.mask)
        # refused at once: the loss with a penalty on its gradient would else lose the penalty's own gradient
        with pytest.raises(RuntimeError, match=r"can be differentiated only once, so not with create_graph=True"):
            torch.autograd.grad(loss, emissions, create_graph=True)

    def test_can_be_asked_for_twice(self) -> None:
        chain = random_chain([4, 2], 3, seed=59)
        emissions = chain.emissions.requires_grad_()
        loss = make_crf(chain).negative_log_likelihood(emissions, chain.tags, chain.mask)
        first, second = (torch.autograd.grad(loss, emissions, retain_graph=True)[0] for _ in range(2))
        assert torch.equal(first, second)

    def test_is_finite_where_gold_is_illegal_and_training_knows(self) -> None:
        chain = random_chain([4], 5, seed=61)
        chain.tags[0] = torch.tensor([FIVE_TAGS.index(tag) for tag in ("I-X", "I-Y", "O", "I-X")])
        crf = make_crf(chain, table=table_of(FIVE_TAGS, "BIO"), constrain_training=True)
        emissions = chain.emissions.requires_grad_()
        loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask)
        assert loss.item() == pytest.approx(-3 * ILLEGAL, rel=1e-2)
        assert all(torch.isfinite(gradient).all() for gradient in gradients(loss, emissions, crf))


class _LossOf(torch.nn.Module):
    """The loss as a module's forward pass, so that its weights can be swapped for others."""

    def __init__(self, crf: LinearChainCRF, allowed: Tensor | None) -> None:
        super().__init__()
        self.crf, self.allowed = crf, allowed

    def forward(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        return self.crf.negative_log_likelihood(emissions, tags, mask, allowed=self.allowed)


class TestUnknownGold:
    def test_where_all_is_known_the_loss_is_the_usual_one(self) -> None:
        chain = random_chain([4, 1, 3], 4, seed=67)
        crf = make_crf(chain)
        known = torch.nn.functional.one_hot(chain.tags, 4).bool()
        usual = crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask)
        torch.testing.assert_close(
            crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask, allowed=known), usual
        )

    def test_where_nothing_is_known_there_is_nothing_to_lose(self) -> None:
        chain = random_chain([4, 1, 3], 4, seed=71)
        emissions = chain.emissions.requires_grad_()
        crf = make_crf(chain)
        loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask, allowed=torch.ones_like(chain.allowed))
        assert loss.item() == 0.0
        assert not any(gradient.any() for gradient in gradients(loss, emissions, crf))

    def test_tags_are_not_looked_at(self) -> None:
        chain = random_chain([4, 1, 3], 4, seed=73)
        crf = make_crf(chain)
        losses = [
            crf.negative_log_likelihood(chain.emissions, tags, chain.mask, allowed=chain.allowed)
            for tags in (chain.tags, torch.full_like(chain.tags, -100))
        ]
        assert torch.equal(losses[0], losses[1])

    def test_what_is_allowed_in_padding_does_not_matter(self) -> None:
        chain = random_chain([4, 1, 3], 4, seed=79)
        crf = make_crf(chain)
        losses = [
            crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask, allowed=allowed)
            for allowed in (chain.allowed, chain.allowed & chain.mask.unsqueeze(2))
        ]
        assert torch.equal(losses[0], losses[1])


class TestExtremes:
    def test_marginals_where_transitions_leave_one_way_out(self) -> None:
        chain = random_chain([6, 3], 3, seed=83)
        chain.transitions[0] = -1e4  # nothing follows tag 0 ...
        chain.end[1:] = -1e4  # ... and it must end the sentence
        marginals = make_crf(chain, dtype=torch.float32).marginals(chain.emissions.float(), chain.mask)
        ends = torch.tensor([[5], [2]])
        torch.testing.assert_close(marginals[..., 0].gather(1, ends), torch.ones(2, 1))
        assert marginals[..., 0][torch.arange(6) < ends].max() < 1e-6

    def test_equal_scores_are_uniform(self) -> None:
        chain = random_chain([3, 1], 4, seed=89, scale=0.0, transition_scale=0.0)
        torch.testing.assert_close(make_crf(chain).marginals(chain.emissions, chain.mask), chain.emissions + 0.25)

    def test_twenty_thousand_tokens_in_float32(self) -> None:
        chain = round_to(random_chain([20_000], 9, seed=97), torch.float32)
        exact = make_crf(chain)
        results = []
        for dtype in (torch.float32, torch.float64):
            crf = make_crf(chain, dtype=dtype)
            emissions = chain.emissions.to(dtype).requires_grad_()
            loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask)
            best = crf.viterbi(emissions, chain.mask)
            nats = exact.negative_log_likelihood(chain.emissions, best, chain.mask)  # how good that path really is
            results.append([loss.detach().double(), nats.detach(), *gradients(loss, emissions, crf)])
        torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-6)

    def test_marginals_keep_float32s_precision_however_long_the_sentence(self) -> None:
        chain = round_to(random_chain([3000], 9, seed=101), torch.float32)
        marginals = make_crf(chain, dtype=torch.float32).marginals(chain.emissions.float(), chain.mask)
        exact = make_crf(chain).marginals(chain.emissions, chain.mask)
        torch.testing.assert_close(marginals.double(), exact, atol=1e-6, rtol=0)

    @given(chain=chains(num_tags=5, scales=(1.0, 100.0, 1e4)), fuzzy=st.booleans())
    @brute
    def test_scores_far_apart_lose_nothing(self, chain: Chain, fuzzy: bool) -> None:
        """Among them batches whose scaled sums vanish: nothing but illegal paths left, emissions of 1e4."""
        crf = make_crf(chain, table=table_of(FIVE_TAGS, "BIO"), constrain_training=True)
        emissions = chain.emissions.requires_grad_()
        allowed = chain.allowed if fuzzy else None
        loss = crf.negative_log_likelihood(emissions, chain.tags, chain.mask, allowed=allowed)
        expected = brute_loss(crf, emissions, chain, fuzzy=fuzzy, constrained=True)
        torch.testing.assert_close(loss, expected, atol=1e-9, rtol=1e-12)
        torch.testing.assert_close(
            gradients(loss, emissions, crf), gradients(expected, emissions, crf), atol=1e-9, rtol=0
        )

    def test_only_illegal_paths_are_left(self) -> None:
        chain = random_chain([3, 2], 5, seed=103)
        chain.allowed[...] = False
        chain.allowed[..., FIVE_TAGS.index("I-X")] = chain.allowed[..., FIVE_TAGS.index("I-Y")] = True
        crf = make_crf(chain, table=table_of(FIVE_TAGS, "BIO"))
        assert isinstance(crf.sum_paths(chain.emissions, chain.mask, allowed=chain.allowed), LogLattice)
        marginals = crf.marginals(chain.emissions, chain.mask, allowed=chain.allowed)
        for row, length in enumerate(chain.lengths.tolist()):
            paths, scores = paths_of(crf, chain.emissions[row], length)
            scores = scores.masked_fill(~agreeing(paths, chain.allowed[row, :length]), -math.inf)
            torch.testing.assert_close(marginals[row, :length], tag_probabilities(paths, scores, 5), atol=1e-10, rtol=0)
        best = crf.viterbi(chain.emissions, chain.mask, allowed=chain.allowed)
        assert chain.allowed.gather(2, best.unsqueeze(2))[chain.mask].all()


Answer = Callable[[LinearChainCRF, Tensor, Tensor], Tensor | tuple[Tensor, Tensor]]
SPANS = torch.tensor([(0, 0, 4, 0), (0, 1, 2, 1), (1, 0, 1, 0), (2, 1, 3, 1), (2, 0, 2, 0)])
ANSWERS: dict[str, Answer] = {
    "viterbi": lambda crf, emissions, mask: crf.viterbi(emissions, mask),
    "marginals": lambda crf, emissions, mask: crf.marginals(emissions, mask),
    "n_best": lambda crf, emissions, mask: crf.n_best(emissions, mask, n=4),
    "spans": lambda crf, emissions, mask: crf.span_probabilities(emissions, mask, SPANS),
}


@pytest.mark.parametrize("rubbish", RUBBISH)
class TestPadding:
    def make(self, rubbish: float) -> tuple[LinearChainCRF, Chain, Tensor]:
        chain = random_chain([4, 1, 3], 5, seed=107)
        dirty = chain.emissions.masked_fill(~chain.mask.unsqueeze(2), rubbish)
        return make_crf(chain, table=table_of(FIVE_TAGS, "BIO")), chain, dirty

    @pytest.mark.parametrize("fuzzy", [False, True])
    def test_loss_and_its_gradients_do_not_see_it(self, rubbish: float, fuzzy: bool) -> None:
        crf, chain, dirty = self.make(rubbish)
        allowed = chain.allowed if fuzzy else None
        results = []
        for scores in (chain.emissions, dirty):
            scores = scores.clone().requires_grad_()
            loss = crf.negative_log_likelihood(scores, chain.tags, chain.mask, allowed=allowed)
            results.append([loss.detach(), *gradients(loss, scores, crf)])
        torch.testing.assert_close(results[1], results[0], atol=0, rtol=0)
        assert torch.isfinite(results[0][0])

    @pytest.mark.parametrize("name", ANSWERS)
    def test_answers_do_not_see_it(self, rubbish: float, name: str) -> None:
        crf, chain, dirty = self.make(rubbish)
        found, expected = (ANSWERS[name](crf, scores, chain.mask) for scores in (dirty, chain.emissions))
        torch.testing.assert_close(found, expected, atol=0, rtol=0)

    def test_pytorch_crf_does_not_see_it_either(self, rubbish: float) -> None:
        crf, chain, dirty = self.make(rubbish)
        theirs = LinearChainCRF(5, table=crf.table, use_torchcrf=True).double()
        theirs.load_state_dict(crf.state_dict())
        results = []
        for scores in (chain.emissions, dirty):
            scores = scores.clone().requires_grad_()
            loss = theirs.negative_log_likelihood(scores, chain.tags, chain.mask)
            results.append([loss.detach(), *gradients(loss, scores, theirs), theirs.viterbi(scores, chain.mask)])
        torch.testing.assert_close(results[1], results[0], atol=0, rtol=0)

    def test_a_sentence_alone_is_the_sentence_in_company(self, rubbish: float) -> None:
        crf, chain, dirty = self.make(rubbish)
        total = torch.zeros((), dtype=torch.float64)
        for row, length in enumerate(chain.lengths.tolist()):
            one = dirty[row : row + 1, :length], chain.mask[row : row + 1, :length]
            total += crf.negative_log_likelihood(one[0], chain.tags[row : row + 1, :length], one[1]).detach()
            assert torch.equal(crf.viterbi(*one)[0], crf.viterbi(dirty, chain.mask)[row, :length])
            torch.testing.assert_close(crf.marginals(*one)[0], crf.marginals(dirty, chain.mask)[row, :length])
        torch.testing.assert_close(crf.negative_log_likelihood(dirty, chain.tags, chain.mask).detach(), total)


class TestConstraints:
    # standard deviations of emissions; 0 stands for emissions of +1000 and -1000 alone
    SCALES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 0.0)
    NUM_SENTENCES, LENGTH = 1250, 8  # at each scale: 10,000 in all

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("scheme", list(SCHEMES))
    def test_a_decode_is_legal_whatever_the_emissions(self, scheme: str, dtype: torch.dtype) -> None:
        tags = tags_of_types("XY", scheme)
        seen: set[tuple[str, ...]] = set()
        for seed, scale in enumerate(self.SCALES):
            lengths = [1 + number % self.LENGTH for number in range(self.NUM_SENTENCES)]
            chain = random_chain(lengths, len(tags), seed=seed, scale=scale or 1.0)
            emissions = chain.emissions.clamp(-1000, 1000) if scale else chain.emissions.sign() * 1000
            crf = make_crf(chain, table=table_of(tags, scheme), dtype=dtype)
            best = crf.viterbi(emissions.to(dtype), chain.mask).tolist()
            seen |= {tuple(tags[tag] for tag in row[:length]) for row, length in zip(best, lengths, strict=True)}
        assert len(seen) > self.NUM_SENTENCES
        assert [path for path in seen if illegal_transitions(path, scheme)] == []

    @pytest.mark.parametrize("scheme", ["BIO", "BIOES", "BILOU"])
    def test_without_a_table_it_is_not(self, scheme: str) -> None:
        tags = tags_of_types("XY", scheme)
        chain = random_chain([8] * 50, len(tags), seed=109)
        best = make_crf(chain).viterbi(chain.emissions, chain.mask).tolist()
        assert any(illegal_transitions([tags[tag] for tag in row], scheme) for row in best)

    @pytest.mark.parametrize("scheme", list(SCHEMES))
    def test_the_n_best_are_legal_and_all_probability_is(self, scheme: str) -> None:
        tags = tags_of_types("XY", scheme)
        chain = random_chain([3, 2], len(tags), seed=113)
        crf = make_crf(chain, table=table_of(tags, scheme))
        found, chances = crf.n_best(chain.emissions, chain.mask, n=len(tags) ** 3)
        torch.testing.assert_close(chances.sum(dim=1), torch.ones(2, dtype=torch.float64))
        for row, length in enumerate(chain.lengths.tolist()):
            for path, chance in zip(found[row, :, :length].tolist(), chances[row].tolist(), strict=True):
                assert chance == 0.0 or illegal_transitions([tags[tag] for tag in path], scheme) == []

    @pytest.mark.parametrize("scheme", list(SCHEMES))
    @pytest.mark.parametrize("scale", [1.0, 100.0, 1000.0])
    def test_what_is_allowed_is_kept_even_where_it_is_illegal(self, scheme: str, scale: float) -> None:
        tags = tags_of_types("XY", scheme)
        lengths = [1 + number % 12 for number in range(300)]
        chain = random_chain(lengths, len(tags), seed=127, scale=scale)
        one = torch.nn.functional.one_hot(chain.tags, len(tags)).bool()
        crf = make_crf(chain, table=table_of(tags, scheme), dtype=torch.float32)
        emissions = chain.emissions.float()
        for allowed in (chain.allowed, one, one | (torch.arange(12) % 3 > 0).view(1, -1, 1)):
            best = crf.viterbi(emissions, chain.mask, allowed=allowed)
            assert allowed.gather(2, best.unsqueeze(2))[chain.mask].all()
            marginals = crf.marginals(emissions, chain.mask, allowed=allowed)
            assert torch.isfinite(marginals).all()
            assert not marginals[chain.mask.unsqueeze(2) & ~allowed].any()
            torch.testing.assert_close(marginals.sum(dim=2), torch.ones(chain.mask.shape))

    def test_where_a_legal_way_is_left_it_is_taken(self) -> None:
        tags = tags_of_types("XY", "BIOES")
        chain = random_chain([7] * 200, len(tags), seed=131, scale=100.0)
        outside_or_fixed = chain.allowed.clone()
        outside_or_fixed[..., tags.index("O")] = True  # all O is legal, and always left
        crf = make_crf(chain, table=table_of(tags, "BIOES"), dtype=torch.float32)
        for row in crf.viterbi(chain.emissions.float(), chain.mask, allowed=outside_or_fixed).tolist():
            assert illegal_transitions([tags[tag] for tag in row], "BIOES") == []

    def test_training_knows_only_if_asked(self) -> None:
        chain = random_chain([3, 2], 5, seed=137)
        plain, quiet, told = (
            make_crf(chain, table=table, constrain_training=constrain)
            for table, constrain in (
                (None, False),
                (table_of(FIVE_TAGS, "BIO"), False),
                (table_of(FIVE_TAGS, "BIO"), True),
            )
        )
        chain.tags.zero_()  # O everywhere, which is legal
        losses = [
            crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask).item() for crf in (plain, quiet, told)
        ]
        assert losses[0] == losses[1]
        assert losses[2] < losses[0]  # nothing is spent on illegal sequences

    def test_plain_tags_have_no_spans(self) -> None:
        chain = random_chain([3, 2], 5, seed=139)
        with pytest.raises(ValueError, match="tags without a scheme spell no spans"):
            make_crf(chain).span_probabilities(chain.emissions, chain.mask, SPANS[:1])


class TestTags:
    @pytest.mark.parametrize("bad", [-1, -100, 3, 2**40])
    @pytest.mark.parametrize("place", [(0, 0), (0, 2), (1, 0)])
    def test_that_are_none_are_refused(self, bad: int, place: tuple[int, int]) -> None:
        chain = random_chain([3, 1], 3, seed=149)
        chain.tags[place] = bad
        with pytest.raises(ValueError, match=rf"expected gold tag ids from 0 to 2, got {bad}$"):
            make_crf(chain).negative_log_likelihood(chain.emissions, chain.tags, chain.mask)

    @pytest.mark.parametrize("bad", [-1, -100, 3, 2**40])
    def test_may_be_anything_in_padding(self, bad: int) -> None:
        chain = random_chain([3, 1], 3, seed=151)
        crf = make_crf(chain)
        clean = crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask)
        tags = chain.tags.masked_fill(~chain.mask, bad)
        assert torch.equal(crf.negative_log_likelihood(chain.emissions, tags, chain.mask), clean)

    def test_that_are_tags_pass(self) -> None:
        assert check_tags(torch.tensor([[0, 2, -100]]), torch.tensor([[True, True, False]]), num_tags=3) is None


class TestMask:
    def test_gives_lengths(self) -> None:
        chain = random_chain([3, 1, 2], 2, seed=157)
        assert torch.equal(check_mask(chain.mask), chain.lengths)

    @pytest.mark.parametrize(
        ("row", "message"),
        [([False, False, False], "a sentence without tokens"), ([True, False, True], "a mask with a hole")],
    )
    def test_that_is_none_is_refused(self, row: list[bool], message: str) -> None:
        chain = random_chain([3, 1], 3, seed=163)
        chain.mask[1] = torch.tensor(row)
        crf = make_crf(chain, table=table_of(["O", "B-X", "I-X"], "BIO"))
        with pytest.raises(ValueError, match=message):
            crf.negative_log_likelihood(chain.emissions, chain.tags, chain.mask)
        for answer in ANSWERS.values():
            with pytest.raises(ValueError, match=message):
                answer(crf, chain.emissions, chain.mask)


@pytest.mark.cuda
@pytest.mark.parametrize("fuzzy", [False, True])
def test_on_a_gpu_it_is_the_same(fuzzy: bool) -> None:
    chain = random_chain([30, 1, 17], 5, seed=167)
    # Always O too: with no legal way left, scores near 3e5 would be compared, of which float64 keeps no ten decimals.
    chain.allowed[..., FIVE_TAGS.index("O")] = True
    crf = make_crf(chain, table=table_of(FIVE_TAGS, "BIO"), constrain_training=True)
    results = []
    for device in ("cpu", "cuda"):
        crf.to(device)
        emissions = chain.emissions.detach().to(device).requires_grad_()  # a leaf on either
        mask = chain.mask.to(device)
        allowed = chain.allowed.to(device) if fuzzy else None
        loss = crf.negative_log_likelihood(emissions, chain.tags.to(device), mask, allowed=allowed)
        answers = [
            loss.detach(),
            *gradients(loss, emissions, crf),
            crf.viterbi(emissions, mask, allowed=allowed),
            crf.marginals(emissions, mask, allowed=allowed),
            *crf.n_best(emissions, mask, n=3),
            crf.span_probabilities(emissions, mask, SPANS.to(device)[[0, 1, 2]], allowed=allowed),
        ]
        results.append([answer.cpu() for answer in answers])
    torch.testing.assert_close(results[1], results[0], atol=1e-10, rtol=1e-10)

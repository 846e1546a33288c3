"""The temperature: the known scale is found, probabilities are those of the scaled model by enumeration."""

import math

import pytest
import torch
from torch import Tensor

from tagger.data.tag_table import TagTable
from tagger.model.crf import ILLEGAL
from tagger.model.heads import CRFHead, SoftmaxHead
from tagger.model.temperature import HIGHEST, Fit, ScoredGold, fit_temperature
from tagger.schemes import tags_of_types
from tests.oracles import all_paths, spans_of_paths, tag_probabilities

TAGS = tuple(tags_of_types(("X", "Y"), "BIO"))
TABLE = TagTable.build(TAGS, encoding="BIO", scheme="BIO")
LENGTH, K = 4, len(TAGS)
MASK = torch.ones(1, LENGTH, dtype=torch.bool)
SCALE = 2.5


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1959)


def make_head(kind: str, *, scale: float = 1.0, constrained: bool = True) -> SoftmaxHead | CRFHead:
    if kind == "softmax":
        return SoftmaxHead(table=TABLE)
    head = CRFHead(K, table=TABLE if constrained else None)
    for weight in head.parameters():
        weight.data.normal_().mul_(scale)
    return head


def path_scores(head: SoftmaxHead | CRFHead, emissions: Tensor, paths: Tensor, temperature: float) -> Tensor:
    """(P,) what the scaled model gives each path: what is learned divided, the penalties not."""
    scores = emissions.double()[torch.arange(LENGTH), paths].sum(dim=1)
    if isinstance(head, SoftmaxHead):
        return scores / temperature
    crf, first, last = head.crf, paths[:, 0], paths[:, -1]
    before, after = paths[:, :-1], paths[:, 1:]
    scores = scores + crf.start_transitions.double()[first] + crf.end_transitions.double()[last]
    scores = scores + crf.transitions.double()[before, after].sum(dim=1)
    illegal = crf.illegal_start[first].double() + crf.illegal_end[last].double()
    return scores / temperature + illegal + crf.illegal_transitions.double()[before, after].sum(dim=1)


def sample_gold(head: SoftmaxHead | CRFHead, emissions: Tensor) -> Tensor:
    """(B, T): tags drawn from the model itself at the temperature SCALE."""
    paths = all_paths(LENGTH, K)
    drawn = [
        paths[int(torch.multinomial(torch.softmax(path_scores(head, each, paths, SCALE), dim=0), 1))]
        for each in emissions
    ]
    return torch.stack(drawn)


@pytest.mark.parametrize("kind", ["softmax", "crf"])
class TestFit:
    def test_the_known_scale_of_a_model_that_is_too_sure(self, kind: str) -> None:
        head, emissions = make_head(kind, scale=SCALE), SCALE * 1.5 * torch.randn(1500, LENGTH, K)
        with torch.no_grad():
            tags = sample_gold(head, emissions)
        mask = MASK.expand(len(tags), -1)
        parts = (slice(700), slice(700, None))
        gold = [ScoredGold(emissions=emissions[part], tags=tags[part], mask=mask[part]) for part in parts]
        fit = fit_temperature(head, gold)
        assert fit == fit_temperature(head, gold)  # deterministic
        assert fit.missing is None
        assert fit.value == pytest.approx(SCALE, rel=0.08)

        def nats(temperature: float) -> float:
            return head.negative_log_probability(emissions.double(), tags, mask, temperature=temperature).item()

        assert nats(fit.value) < nats(1.0)
        assert nats(fit.value) < min(nats(0.98 * fit.value), nats(1.02 * fit.value))

    def test_a_model_that_makes_no_mistake_has_none(self, kind: str) -> None:
        head, emissions = make_head(kind), 9 * torch.randn(20, LENGTH, K)
        mask = MASK.expand(20, -1)
        fit = fit_temperature(head, [ScoredGold(emissions=emissions, tags=head.decode(emissions, mask), mask=mask)])
        assert fit == Fit(missing="there are too few mistakes to tell how sure the model may be")

    def test_a_model_that_is_worse_than_chance_has_none(self, kind: str) -> None:
        head, emissions = make_head(kind, constrained=False), 9 * torch.randn(20, LENGTH, K)
        worst = ScoredGold(emissions=emissions, tags=emissions.argmin(dim=2), mask=MASK.expand(20, -1))
        assert fit_temperature(head, [worst]) == Fit(missing="the model's probabilities are no better than chance")


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.7, HIGHEST])
@pytest.mark.parametrize("kind", ["softmax", "crf"])
class TestEnumeration:
    def test_of_the_scaled_model(self, kind: str, temperature: float) -> None:
        head, emissions, paths = make_head(kind), 3 * torch.randn(1, LENGTH, K), all_paths(LENGTH, K)
        with torch.no_grad():
            scores = path_scores(head, emissions[0], paths, temperature)
            chances = torch.softmax(scores, dim=0)
            marginals = head.marginals(emissions, MASK, temperature=temperature)[0]
            expected = tag_probabilities(paths, scores, K)
            torch.testing.assert_close(marginals.double(), expected, atol=1e-6, rtol=1e-5)
            spelled = spans_of_paths(TAGS, LENGTH, "BIO", "BIO")
            spans = torch.tensor([(0, start, end, "XY".index(label)) for start, end, label in spelled])
            found = head.span_probabilities(emissions, MASK, spans, temperature=temperature)
        for which, chance in zip(spelled.values(), found.tolist(), strict=True):
            assert chance == pytest.approx(chances[which].sum().item(), abs=1e-9)

    def test_nats_of_gold(self, kind: str, temperature: float) -> None:
        head, emissions, paths = make_head(kind), 3 * torch.randn(1, LENGTH, K).double(), all_paths(LENGTH, K)
        with torch.no_grad():
            scores = path_scores(head, emissions[0], paths, temperature)
        for number in (0, 77, len(paths) - 1):
            nats = head.negative_log_probability(emissions, paths[[number]], MASK, temperature=temperature).item()
            assert nats == pytest.approx((torch.logsumexp(scores, dim=0) - scores[number]).item(), rel=1e-9, abs=1e-9)


class TestNBest:
    @pytest.mark.parametrize("temperature", [0.3, 3.7, HIGHEST])
    def test_the_same_sequences_with_the_probabilities_of_the_scaled_model(self, temperature: float) -> None:
        head, emissions = make_head("crf"), 3 * torch.randn(3, LENGTH, K)
        assert isinstance(head, CRFHead)
        mask, paths = torch.arange(LENGTH) < torch.tensor([[LENGTH]] * 3), all_paths(LENGTH, K)
        found, chances = head.crf.n_best(emissions, mask, n=6, temperature=temperature)
        assert torch.equal(found, head.crf.n_best(emissions, mask, n=6)[0])
        for row in range(3):
            with torch.no_grad():
                total = torch.logsumexp(path_scores(head, emissions[row], paths, temperature), dim=0)
                expected = (path_scores(head, emissions[row], found[row], temperature) - total).exp()
            torch.testing.assert_close(chances[row], expected, atol=1e-10, rtol=1e-8)

    def test_what_is_missing_stays_missing_and_illegal_ones_stay_last(self) -> None:
        head, mask = make_head("crf"), torch.ones(1, 1, dtype=torch.bool)
        assert isinstance(head, CRFHead)
        _, chances = head.crf.n_best(torch.randn(1, 1, K), mask, n=K + 2, temperature=HIGHEST)
        num_legal = int((head.crf.illegal_start != ILLEGAL).sum())
        assert (chances[0, :num_legal] > 0).all()
        assert not chances[0, num_legal:].any()
        assert math.isclose(chances.sum().item(), 1.0, abs_tol=1e-9)

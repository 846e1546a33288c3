"""What the heads refuse, and what they make of odd precisions."""

import pytest
import torch
from torch import Tensor

from tagger.data.tag_table import TagTable
from tagger.model.checks import check_emissions, check_mask, check_tags
from tagger.model.crf import LinearChainCRF
from tagger.schemes import tags_of_types

MASK = torch.tensor([[True, True, True], [True, False, False]])
TAGS = torch.zeros(2, 3, dtype=torch.int64)


def draw(num_tags: int, *, num_steps: int, seed: int = 1) -> Tensor:
    return torch.randn(1, num_steps, num_tags, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 2, 5), (1, 3, 5), (2, 3)])
def test_emissions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected emissions of shape \(2, 3, 5\), got"):
        check_emissions(torch.zeros(shape), MASK, num_tags=5)


def test_a_mask_that_is_not_bool_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a mask of bool"):
        LinearChainCRF(5).viterbi(torch.zeros(2, 3, 5), MASK.long())


def test_tags_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected tags of shape \(2, 3\), got \(2, 2\)"):
        check_tags(TAGS[:, :2], MASK, num_tags=5)


def test_no_columns_are_sentences_without_tokens() -> None:
    with pytest.raises(ValueError, match="a sentence without tokens"):
        check_mask(torch.zeros(2, 0, dtype=torch.bool))


def test_n_best_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="n: expected a number >= 1, got 0"):
        LinearChainCRF(5).n_best(torch.zeros(2, 3, 5), MASK, n=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened_before_anything_is_added_up(dtype: torch.dtype) -> None:
    crf, emissions = LinearChainCRF(5), draw(5, num_steps=40).to(dtype)
    mask = torch.ones(1, 40, dtype=torch.bool)
    assert torch.equal(crf.viterbi(emissions, mask), crf.viterbi(emissions.float(), mask))
    tags = torch.zeros(1, 40, dtype=torch.int64)
    ours, expected = (crf.negative_log_likelihood(values, tags, mask) for values in (emissions, emissions.float()))
    assert ours.item() == expected.item()


def test_autocast_around_the_backward_pass_changes_no_gradient() -> None:
    emissions, tags = draw(17, num_steps=200), torch.arange(200).unsqueeze(0) % 17
    gradients: list[Tensor] = []
    for enabled in (False, True):
        torch.manual_seed(3)
        crf = LinearChainCRF(17)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            crf.negative_log_likelihood(emissions, tags, torch.ones(1, 200, dtype=torch.bool)).backward()
        gradients.append(crf.transitions.grad if crf.transitions.grad is not None else torch.zeros(()))
    assert gradients[0].abs().max() > 1
    assert torch.equal(*gradients)


def test_no_gradient_flows_through_probabilities() -> None:
    tags = tags_of_types("XY", "BIOES")
    crf = LinearChainCRF(len(tags), table=TagTable.build(tags, encoding="BIOES", scheme="BIO"))
    emissions = draw(len(tags), num_steps=5).requires_grad_()
    mask = torch.ones(1, 5, dtype=torch.bool)
    assert not crf.span_probabilities(emissions, mask, torch.tensor([[0, 1, 3, 0]])).requires_grad
    assert not crf.marginals(emissions, mask).requires_grad


def test_many_spans_are_looked_at_in_pieces_and_give_the_same() -> None:
    tags = tags_of_types("XY", "BIO")
    crf = LinearChainCRF(len(tags), table=TagTable.build(tags, encoding="BIO", scheme="BIO"))
    emissions, mask = draw(len(tags), num_steps=6), torch.ones(1, 6, dtype=torch.bool)
    spans = torch.tensor(
        [[0, start, end, label] for start in range(6) for end in range(start + 1, 7) for label in (0, 1)]
    )
    few = crf.span_probabilities(emissions, mask, spans)
    many = crf.span_probabilities(emissions, mask, spans.repeat(60, 1))
    assert len(many) > 2 * 1024
    assert torch.equal(many, few.repeat(60))


def test_a_long_decode_in_float32_loses_no_nats() -> None:
    """Forced illegal steps cost 10,000 nats each: added up over a long sentence they would drown the real scores."""
    num_steps, tags = 3000, tags_of_types("XY", "BIO")
    crf = LinearChainCRF(len(tags), table=TagTable.build(tags, encoding="BIO", scheme="BIO"))
    emissions, mask = draw(len(tags), num_steps=num_steps), torch.ones(1, num_steps, dtype=torch.bool)
    allowed = torch.ones(1, num_steps, len(tags), dtype=torch.bool)
    for place in range(0, num_steps - 1, 6):
        allowed[0, place] = torch.tensor([tag == "O" for tag in tags])
        allowed[0, place + 1] = torch.tensor([tag == "I-X" for tag in tags])
    assert torch.equal(
        crf.viterbi(emissions, mask, allowed=allowed), crf.viterbi(emissions.double(), mask, allowed=allowed)
    )

"""Dropout keeps the expectation, drops what it says, follows torch's generator."""

import pytest
import torch
from torch.nn import functional

from tagger.model import dropout
from tagger.model.dropout import Dropout

SHAPE = (500, 401)  # not a multiple of the four numbers of one draw


def _draw(p: float, *, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(seed)
    return Dropout(p)(torch.ones(SHAPE, dtype=dtype))


@pytest.mark.parametrize("p", [0.1, 0.25, 0.33, 0.5, 0.9])
class TestTraining:
    def test_the_share_that_is_dropped(self, p):
        share = (_draw(p) == 0).double().mean().item()
        deviation = (p * (1 - p) / (SHAPE[0] * SHAPE[1])) ** 0.5
        assert abs(share - p) < 5 * deviation

    def test_the_expectation_stays(self, p):
        kept = _draw(p, dtype=torch.float64)
        exact = round(p * 65536) / 65536
        assert kept.unique().tolist() == pytest.approx([0.0, 1 / (1 - exact)], rel=1e-12)

    def test_neighbours_fall_independently(self, p):
        dropped = (_draw(p) == 0).double()
        for distance in range(1, 9):  # four numbers share a draw
            both = (dropped[:, distance:] * dropped[:, :-distance]).mean().item()
            deviation = (p * p * (1 - p * p) / dropped.numel()) ** 0.5
            assert abs(both - p * p) < 6 * deviation

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_every_number_that_can_be_drawn(self, p, dtype, monkeypatch):
        drawn = torch.arange(-(2**15), 2**15, dtype=torch.int16)
        monkeypatch.setattr(dropout, "_random_int16", lambda _: drawn)
        num_dropped = round(p * 65536)
        scale = torch.tensor(65536 / (65536 - num_dropped), dtype=dtype)
        expected = torch.zeros(65536, dtype=dtype)
        expected[num_dropped:] = scale
        assert torch.equal(Dropout(p)(torch.ones(65536, dtype=dtype)), expected)


class TestRest:
    @pytest.mark.parametrize("p", [0.0, 0.5])
    def test_evaluation_changes_nothing(self, p):
        values = torch.randn(3, 4)
        assert Dropout(p).train(False)(values) is values

    def test_zero_changes_nothing_in_training(self):
        values = torch.randn(3, 4)
        assert Dropout(0.0)(values) is values

    def test_the_seed_decides(self):
        assert torch.equal(_draw(0.5, seed=3), _draw(0.5, seed=3))
        assert not torch.equal(_draw(0.5, seed=3), _draw(0.5, seed=4))

    def test_gradients_pass_where_values_do(self):
        values = torch.randn(50, 50, requires_grad=True)
        dropped = Dropout(0.4)(values)
        dropped.sum().backward()
        assert torch.equal(values.grad * values.detach(), dropped.detach())

    def test_nearly_everything_dropped_leaves_numbers(self):
        torch.manual_seed(1)
        dropped = Dropout(1 - 1e-9)(torch.ones(SHAPE))
        assert bool(torch.isfinite(dropped).all())

    def test_bf16_stays_bf16(self):
        assert _draw(0.5, dtype=torch.bfloat16).dtype == torch.bfloat16

    def test_nothing_to_drop(self):
        assert Dropout(0.5)(torch.ones(0, 4)).shape == (0, 4)


@pytest.mark.cuda
def test_a_gpu_uses_its_own():
    values = torch.ones(1000, device="cuda")
    torch.manual_seed(1)
    dropped = Dropout(0.5)(values)
    torch.manual_seed(1)
    assert torch.equal(dropped, functional.dropout(values, 0.5))

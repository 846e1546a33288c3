"""The encoder against a packed `nn.LSTM` with the same weights: outputs, gradients, and what padding may not do."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tagger.model.encoder import LSTMEncoder

D, H = 5, 6  # features, hidden size of one direction
BATCHES = [[1], [4, 7, 1, 5], [3, 3, 3], [1, 1], [2, 9, 9, 1, 6, 4]]
OPTIONS = [
    {"num_layers": num_layers, "bidirectional": bidirectional, "proj_size": proj_size, "bias": bias}
    for num_layers in (1, 2, 3)
    for bidirectional in (False, True)
    for proj_size, bias in ((0, True), (0, False), (3, True))
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1997)


def draw(lengths: list[int], *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Features (B, T, D) with noise in the padding, lengths (B,), mask (B, T)."""
    sizes = torch.tensor(lengths)
    mask = torch.arange(max(lengths)) < sizes[:, None]
    return torch.randn(*mask.shape, D, dtype=dtype), sizes, mask


def packed_twin(encoder: LSTMEncoder, *, num_layers: int | None = None) -> nn.LSTM:
    """The `nn.LSTM` of the encoder's first layers, its weights copied over."""
    first = encoder.forwards[0]
    assert isinstance(first, nn.LSTM)
    twin = nn.LSTM(
        D,
        first.hidden_size,
        num_layers=num_layers or len(encoder.forwards),
        bias=first.bias,
        batch_first=True,
        bidirectional=encoder.backwards is not None,
        proj_size=first.proj_size,
    ).to(first.weight_ih_l0.dtype)
    for name, weight in twin.named_parameters():
        weight.data.copy_(_twin_weight(encoder, name))
    return twin


def _twin_weight(encoder: LSTMEncoder, name: str) -> nn.Parameter:
    """The encoder's weight that `nn.LSTM` calls `name`, such as `weight_ih_l1_reverse`."""
    kind, layer = name.removesuffix("_reverse").split("_l")
    stack = encoder.backwards if name.endswith("_reverse") else encoder.forwards
    assert stack is not None
    return stack[int(layer)].get_parameter(f"{kind}_l0")


def run_packed(lstm: nn.LSTM, features: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
    output, _ = lstm(packed)
    return pad_packed_sequence(output, batch_first=True, total_length=features.size(1))[0]


def assert_same(actual: Tensor, expected: Tensor, *, atol: float = 1e-6) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(str(value) for value in options.values()))
class TestPacked:
    def test_output_at_every_token(self, options: dict[str, int]) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, **options)
        twin = packed_twin(encoder)
        for lengths in BATCHES:
            features, sizes, mask = draw(lengths)
            encoded = encoder(features, sizes)
            assert encoded.shape == (*mask.shape, encoder.output_dim)
            assert_same(encoded[mask], run_packed(twin, features, sizes)[mask])

    def test_gradients(self, options: dict[str, int]) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, **options).double()
        twin = packed_twin(encoder)
        features, sizes, mask = draw([4, 7, 1, 5], dtype=torch.float64)
        ours, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
        asked = torch.randn(int(mask.sum()), encoder.output_dim, dtype=torch.float64)
        (encoder(ours, sizes)[mask] * asked).sum().backward()
        (run_packed(twin, theirs, sizes)[mask] * asked).sum().backward()
        assert ours.grad is not None
        assert theirs.grad is not None
        assert_same(ours.grad, theirs.grad, atol=1e-10)
        assert not ours.grad[~mask].any()
        for name, weight in twin.named_parameters():
            gradient = _twin_weight(encoder, name).grad
            assert gradient is not None, name
            assert weight.grad is not None, name
            assert_same(gradient, weight.grad, atol=1e-10)

    def test_layers_are_the_outputs_of_shorter_stacks(self, options: dict[str, int]) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, **options)
        features, sizes, mask = draw([4, 7, 1, 5])
        layers = encoder.layers(features, sizes)
        assert len(layers) == options["num_layers"]
        for number, layer in enumerate(layers, start=1):
            twin = packed_twin(encoder, num_layers=number)
            assert_same(layer[mask], run_packed(twin, features, sizes)[mask])
        assert torch.equal(layers[-1], encoder(features, sizes))


@pytest.mark.parametrize("bidirectional", [False, True])
class TestCompany:
    @pytest.mark.parametrize("rubbish", [0.0, 1e30, math.inf, math.nan])
    def test_padding_never_changes_a_token(self, bidirectional: bool, rubbish: float) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=2, bidirectional=bidirectional, mix=True)
        features, sizes, mask = draw([4, 7, 1, 5])
        dirty = features.masked_fill(~mask.unsqueeze(2), rubbish)
        assert_same(encoder(dirty, sizes)[mask], encoder(features, sizes)[mask])

    def test_a_sentence_alone_is_the_sentence_in_any_batch(self, bidirectional: bool) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=2, bidirectional=bidirectional)
        features, sizes, mask = draw([4, 7, 1, 5])
        encoded = encoder(features, sizes)
        for row, length in enumerate(sizes.tolist()):
            alone = encoder(features[row : row + 1, :length], sizes[row : row + 1])
            assert_same(alone[0], encoded[row, :length])
        order = torch.tensor([2, 0, 3, 1])
        wider = torch.cat([features[order], torch.randn(4, 3, D)], dim=1)
        assert_same(encoder(wider, sizes[order])[:, :7][mask[order]], encoded[order][mask[order]])

    def test_a_token_hears_of_later_ones_only_in_both_directions(self, bidirectional: bool) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, bidirectional=bidirectional)
        features, sizes, _ = draw([6])
        changed = features.clone()
        changed[0, 5] += 1.0
        differs = (encoder(changed, sizes) - encoder(features, sizes)).abs().amax(dim=2)[0] > 0
        assert differs.tolist() == [bidirectional] * 5 + [True]


class TestMix:
    def test_is_the_weighted_sum_of_the_layers(self) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=3, mix=True)
        assert encoder.mix_weights is not None
        assert encoder.mix_scale is not None
        encoder.mix_weights.data.copy_(torch.tensor([0.5, -1.0, 2.0]))
        encoder.mix_scale.data.fill_(1.7)
        features, sizes, mask = draw([4, 7, 1, 5])
        first, second, third = encoder.layers(features, sizes)
        total = math.exp(0.5) + math.exp(-1.0) + math.exp(2.0)
        expected = 1.7 * (math.exp(0.5) * first + math.exp(-1.0) * second + math.exp(2.0) * third) / total
        assert_same(encoder(features, sizes)[mask], expected[mask])

    def test_begins_as_the_mean(self) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=2, mix=True)
        features, sizes, mask = draw([3, 2])
        first, second = encoder.layers(features, sizes)
        assert_same(encoder(features, sizes)[mask], ((first + second) / 2)[mask])


class TestDropout:
    def test_is_between_layers_and_in_training_alone(self) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=2, dropout=0.5)
        features, sizes, mask = draw([4, 7])
        calm = encoder.eval().layers(features, sizes)
        noisy = encoder.train().layers(features, sizes)
        assert torch.equal(noisy[0], calm[0])
        assert not torch.allclose(noisy[1][mask], calm[1][mask], atol=1e-3)
        assert noisy[1].ne(0).all()  # what the last layer says is not dropped
        assert torch.equal(encoder.eval()(features, sizes), calm[1])

    def test_does_nothing_to_a_single_layer(self) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, dropout=0.9).train()
        features, sizes, _ = draw([4, 7])
        assert torch.equal(encoder(features, sizes), encoder.eval()(features, sizes))


def test_projections_bother_nobody_with_a_warning() -> None:
    program = (
        "import torch, warnings; from tagger.model.encoder import LSTMEncoder\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    LSTMEncoder(4, hidden_dim=3, proj_size=2)(torch.randn(1, 2, 4), torch.tensor([2]))\n"
        "raise SystemExit(len(caught))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

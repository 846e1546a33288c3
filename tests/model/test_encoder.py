"""The encoder against a packed `nn.LSTM` with the same weights: outputs, gradients, and what padding may not do.

On a CPU there are two ways to the same result, by products with the input weights and by `nn.LSTM`: both are held.
"""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tagger.model.encoder import LSTMEncoder
from tagger.model.features import has_bf16_lstm

D, H = 5, 6  # features, hidden size of one direction
BATCHES = [[1], [4, 7, 1, 5], [3, 3, 3], [1, 1], [2, 9, 9, 1, 6, 4]]
OPTIONS = [
    {"num_layers": num_layers, "bidirectional": bidirectional, "proj_size": proj_size, "bias": bias}
    for num_layers in (1, 2, 3)
    for bidirectional in (False, True)
    for proj_size, bias in ((0, True), (0, False), (3, True))
]


def ids(options: dict[str, int]) -> str:
    return "-".join(str(value) for value in options.values())


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


def prepare(encoder: LSTMEncoder, features: Tensor) -> tuple[Tensor, Tensor]:
    """Prepared forms and the forms of tokens, where every cell of (B, T, D) has a form of its own, padding's too."""
    return encoder.prepare(features.flatten(0, 1)), torch.arange(features[..., 0].numel()).view(features.shape[:2])


def layers_of(encoder: LSTMEncoder, features: Tensor, lengths: Tensor) -> list[Tensor]:
    return encoder.layers(*prepare(encoder, features), lengths)


def draw_forms(lengths: list[int], *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features of 5 forms (U, D), the forms of tokens (B, T), rubbish in the padding, lengths (B,), mask (B, T)."""
    sizes = torch.tensor(lengths)
    mask = torch.arange(max(lengths)) < sizes[:, None]
    return torch.randn(5, D, dtype=dtype), torch.randint(5, mask.shape), sizes, mask


def use_nn_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LSTMEncoder, "reads_products", lambda *_: False)


def outputs_and_gradients(
    encoder: LSTMEncoder, by_form: Tensor, forms: Tensor, lengths: Tensor, mask: Tensor
) -> dict[str, Tensor]:
    """What `encode` and `layers` say at tokens, and the gradients of a sum of `encode`'s outputs, by name."""
    given = by_form.clone().requires_grad_()
    encoder.zero_grad()
    encoded = encoder.encode(encoder.prepare(given), forms, lengths)[mask]  # (N, H)
    layers = encoder.layers(encoder.prepare(by_form), forms, lengths)
    found = {f"layer {number}": layer[mask].detach() for number, layer in enumerate(layers)}
    (encoded * torch.linspace(-1, 1, encoded.numel(), dtype=encoded.dtype).view_as(encoded)).sum().backward()
    assert given.grad is not None
    found |= {"encoded": encoded.detach(), "forms": given.grad}
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        found[name] = weight.grad.clone()
    return found


def assert_same(actual: Tensor, expected: Tensor, *, atol: float = 1e-6) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("options", OPTIONS, ids=ids)
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
        layers = layers_of(encoder, features, sizes)
        assert len(layers) == options["num_layers"]
        for number, layer in enumerate(layers, start=1):
            twin = packed_twin(encoder, num_layers=number)
            assert_same(layer[mask], run_packed(twin, features, sizes)[mask])
        assert torch.equal(layers[-1], encoder.encode(*prepare(encoder, features), sizes))


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
        first, second, third = layers_of(encoder, features, sizes)
        total = math.exp(0.5) + math.exp(-1.0) + math.exp(2.0)
        expected = 1.7 * (math.exp(0.5) * first + math.exp(-1.0) * second + math.exp(2.0) * third) / total
        assert_same(encoder(features, sizes)[mask], expected[mask])

    def test_begins_as_the_mean(self) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=2, mix=True)
        features, sizes, mask = draw([3, 2])
        first, second = layers_of(encoder, features, sizes)
        assert_same(encoder(features, sizes)[mask], ((first + second) / 2)[mask])


class TestForms:
    """Tokens that share forms, which a first layer's products are worked out for once."""

    @pytest.mark.parametrize("mix", [False, True])
    @pytest.mark.parametrize("options", OPTIONS, ids=ids)
    def test_are_as_their_features_laid_out(self, options: dict[str, int], mix: bool) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, mix=mix, **options).double()
        for lengths in BATCHES:
            by_form, forms, sizes, mask = draw_forms(lengths, dtype=torch.float64)
            shared, laid_out = by_form.clone().requires_grad_(), by_form.clone().requires_grad_()
            encoded = encoder.encode(encoder.prepare(shared), forms, sizes)
            expected = encoder(laid_out[forms], sizes)
            assert encoded.shape == expected.shape == (*mask.shape, encoder.output_dim)
            assert_same(encoded[mask], expected[mask], atol=1e-10)
            gradients = []
            for outputs in (encoded, expected):
                encoder.zero_grad()
                outputs[mask].square().sum().backward()
                gradients.append([weight.grad for weight in encoder.parameters()])
            torch.testing.assert_close(gradients[0], gradients[1], atol=1e-10, rtol=0)
            assert shared.grad is not None
            assert laid_out.grad is not None
            assert_same(shared.grad, laid_out.grad, atol=1e-10)

    @pytest.mark.parametrize("mix", [False, True])
    @pytest.mark.parametrize("options", [each for each in OPTIONS if not each["proj_size"]], ids=ids)
    def test_products_say_what_nn_lstm_says(
        self, options: dict[str, int], mix: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, mix=mix, **options).double()
        if encoder.mix_weights is not None:
            encoder.mix_weights.data.normal_()
        batches = [draw_forms(lengths, dtype=torch.float64) for lengths in BATCHES]
        ours = [outputs_and_gradients(encoder, *batch) for batch in batches]
        assert all(encoder.prepare(by_form).shape == (5, 4 * encoder.output_dim) for by_form, *_ in batches)
        use_nn_lstm(monkeypatch)
        theirs = [outputs_and_gradients(encoder, *batch) for batch in batches]
        assert all(encoder.prepare(by_form) is by_form for by_form, *_ in batches)
        for one, other in zip(ours, theirs, strict=True):
            assert len(one) == options["num_layers"] + 2 + len(list(encoder.parameters()))
            torch.testing.assert_close(one, other, atol=1e-10, rtol=0)

    def test_float32_products_say_what_nn_lstm_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=3, mix=True)
        by_form, forms, sizes, mask = draw_forms([2, 9, 9, 1, 6, 4])
        ours = encoder.encode(encoder.prepare(by_form), forms, sizes)
        use_nn_lstm(monkeypatch)
        assert_same(ours[mask], encoder.encode(encoder.prepare(by_form), forms, sizes)[mask])

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_bf16_products_say_about_what_nn_lstm_says(
        self, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=3, bidirectional=bidirectional)
        by_form, forms, sizes, mask = draw_forms([2, 9, 9, 1, 6, 4])
        exact = outputs_and_gradients(encoder, by_form, forms, sizes, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ours = outputs_and_gradients(encoder, by_form, forms, sizes, mask)
        for name, expected in exact.items():
            is_output = name.startswith(("layer", "encoded"))
            assert ours[name].dtype == (torch.bfloat16 if is_output else torch.float32), name
            # 8 bits of mantissa: of 60 seeds the worst are 0.006 and 0.05 here, 0.011 and 0.11 with nn.LSTM
            assert (ours[name] - expected).norm() < (2**-6 if is_output else 0.1) * expected.norm(), name
        if not has_bf16_lstm():
            pytest.skip("this CPU's nn.LSTM refuses bfloat16: its types are not compared")
        use_nn_lstm(monkeypatch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            theirs = outputs_and_gradients(encoder, by_form, forms, sizes, mask)
        assert {name: each.dtype for name, each in ours.items()} == {name: each.dtype for name, each in theirs.items()}


class TestDropout:
    def test_is_between_layers_and_in_training_alone(self) -> None:
        encoder = LSTMEncoder(D, hidden_dim=H, num_layers=2, dropout=0.5)
        features, sizes, mask = draw([4, 7])
        calm = layers_of(encoder.eval(), features, sizes)
        noisy = layers_of(encoder.train(), features, sizes)
        assert torch.equal(noisy[0], calm[0])
        assert not torch.allclose(noisy[1][mask], calm[1][mask], atol=1e-3)
        assert noisy[1][mask].ne(0).all()  # what the last layer says is not dropped
        assert torch.equal(encoder.eval().encode(*prepare(encoder, features), sizes), calm[1])

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

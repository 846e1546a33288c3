"""The claims of docs/lstm_outputs.md, one test each, and the page itself."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PAGE = Path(__file__).parent.parent / "docs" / "lstm_outputs.md"
B, T, D, H, K = 4, 7, 5, 6, 3  # sentences, tokens, features, width of one direction, tags
LENGTHS = torch.tensor([4, 7, 1, 5])  # (B,) out of order on purpose; one sentence of one token, one of T

# On a CPU with oneDNN, PyTorch says once a process that projections take its slower path.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1997)


@pytest.fixture
def x() -> Tensor:
    """(B, T, D) a vector for each token, noise in the padding."""
    return torch.randn(B, T, D)


def make_lstm(*, width: int = D, batch_first: bool = True, **options: int | float | bool) -> nn.LSTM:
    return nn.LSTM(width, H, batch_first=batch_first, **options)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def differ(a: Tensor, b: Tensor) -> bool:
    """By a hundred times what `assert_same` lets pass."""
    assert a.shape == b.shape
    return bool((a - b).abs().max() > 1e-4)


def take_weights(target: nn.LSTM, source: nn.LSTM, *, layer: int, reverse: bool = False) -> None:
    """Copy one layer of `source`, or the backward half of one, into the one-layer `target`."""
    for name, weight in target.named_parameters():
        theirs = name.replace("_l0", f"_l{layer}") + ("_reverse" if reverse else "")
        weight.data.copy_(source.get_parameter(theirs))


def split_into_stack(lstm: nn.LSTM) -> list[nn.LSTM]:
    """One one-layer LSTM for each layer of `lstm`, with its weights."""
    directions = 2 if lstm.bidirectional else 1
    width = directions * (lstm.proj_size or lstm.hidden_size)  # of what a layer hands to the next
    stack = []
    for k in range(lstm.num_layers):
        layer = make_lstm(
            width=width if k else D, bidirectional=lstm.bidirectional, proj_size=lstm.proj_size, bias=lstm.bias
        )
        take_weights(layer, lstm, layer=k)
        stack.append(layer)
    return stack


def run_packed(lstm: nn.LSTM, x: Tensor, lengths: Tensor = LENGTHS) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    output, state = lstm(packed)
    return pad_packed_sequence(output, batch_first=True, total_length=x.size(1))[0], state


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first `length` tokens of each sentence, the plain way."""
    return torch.stack([torch.cat([row[:n].flip(0), row[n:]]) for row, n in zip(x, lengths.tolist(), strict=True)])


def is_token(lengths: Tensor = LENGTHS) -> Tensor:
    return torch.arange(T) < lengths[:, None]  # (B, T)


# ---- the page -------------------------------------------------------------------------------------------------------


def split_into_claims(page: str) -> list[str]:
    return re.split(r"^(?=\*\*\d+\. )", page, flags=re.MULTILINE)[1:]


def test_every_snippet_of_the_page_runs_in_order() -> None:
    page = PAGE.read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    snippets = list(re.finditer(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL))
    for snippet in snippets:
        lines_above = page.count("\n", 0, snippet.start(1))  # so that a traceback shows the line of the page
        exec(compile("\n" * lines_above + snippet[1], str(PAGE), "exec"), namespace)
    assert len(snippets) > len(split_into_claims(page))


def test_every_test_named_on_the_page_exists_and_is_named_there() -> None:
    named = re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8"))
    here = [name for name in globals() if name.startswith("test_")]
    of_the_page = [name for name in here if "_the_page" in name]
    assert sorted(named) == sorted(set(here) - set(of_the_page))


def test_every_claim_of_the_page_is_numbered_and_has_a_snippet_and_a_test() -> None:
    claims = split_into_claims(PAGE.read_text(encoding="utf-8"))
    assert [int(claim[2:].split(".")[0]) for claim in claims] == list(range(1, len(claims) + 1))
    for claim in claims:
        assert "```python\n" in claim, claim
        assert re.search(r"Held by\s`test_\w+`", claim), claim


# ---- the three results ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proj_size", [0, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_shapes_of_output_h_n_and_c_n(x: Tensor, num_layers: int, bidirectional: bool, proj_size: int) -> None:
    lstm = make_lstm(num_layers=num_layers, bidirectional=bidirectional, proj_size=proj_size)
    output, (h_n, c_n) = lstm(x)
    directions = 2 if bidirectional else 1
    assert output.shape == (B, T, directions * (proj_size or H))
    assert h_n.shape == (num_layers * directions, B, proj_size or H)
    assert c_n.shape == (num_layers * directions, B, H)


def test_projection_narrows_h_and_not_c(x: Tensor) -> None:
    lstm = make_lstm(proj_size=2)
    _, (h_n, c_n) = lstm(x[:, :1])
    gates = x[:, 0] @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + lstm.bias_hh_l0  # (B, 4H), from a state of zeros
    i, _, g, o = gates.chunk(4, dim=-1)
    c = i.sigmoid() * g.tanh()  # (B, H)
    assert lstm.weight_hr_l0.shape == (2, H)
    assert lstm.weight_hh_l0.shape == (4 * H, 2)
    assert_same(c_n[0], c)
    assert_same(h_n[0], (o.sigmoid() * c.tanh()) @ lstm.weight_hr_l0.T)


@pytest.mark.parametrize("proj_size", [0, 2])
def test_batch_first_turns_input_and_output_alone(x: Tensor, proj_size: int) -> None:
    batch_first = make_lstm(num_layers=2, bidirectional=True, proj_size=proj_size)
    time_first = make_lstm(num_layers=2, bidirectional=True, proj_size=proj_size, batch_first=False)
    time_first.load_state_dict(batch_first.state_dict())
    output, (h_n, c_n) = batch_first(x)
    output_tb, (h_tb, c_tb) = time_first(x.transpose(0, 1))
    assert output_tb.shape == (T, B, output.size(2))
    assert_same(output_tb.transpose(0, 1), output)
    assert_same(h_tb, h_n)
    assert_same(c_tb, c_n)


def test_h_n_is_layer_major(x: Tensor) -> None:
    lstm = make_lstm(num_layers=3, bidirectional=True)
    _, (h_n, c_n) = lstm(x)
    h, c = h_n.view(3, 2, B, H), c_n.view(3, 2, B, H)  # (layer, direction, B, H)
    below = x
    for k in range(3):
        halves = []
        for direction, flip in enumerate([(), (1,)]):  # each layer and direction once more, as an LSTM of its own
            one = make_lstm(width=below.size(2))
            take_weights(one, lstm, layer=k, reverse=direction == 1)
            half, (h_one, c_one) = one(below.flip(flip))
            halves.append(half.flip(flip))
            assert_same(h[k, direction], h_one[0])
            assert_same(c[k, direction], c_one[0])
            assert torch.equal(h[k, direction], h_n[2 * k + direction])
        below = torch.cat(halves, dim=-1)  # (B, T, 2H)


# ---- a token's vector, a sentence's vector --------------------------------------------------------------------------


@pytest.mark.parametrize("num_layers", [1, 2])
def test_h_n_is_output_at_both_ends(x: Tensor, num_layers: int) -> None:
    output, (h_n, _) = make_lstm(num_layers=num_layers, bidirectional=True)(x)
    assert_same(h_n[-2], output[:, -1, :H])
    assert_same(h_n[-1], output[:, 0, H:])


def test_last_output_is_not_the_sentence(x: Tensor) -> None:
    lstm = make_lstm(bidirectional=True)
    other = torch.cat([torch.randn(B, T - 1, D), x[:, -1:]], dim=1)  # only the last token is kept
    (output, (h_n, _)), (output_other, (h_other, _)) = lstm(x), lstm(other)
    assert_same(output_other[:, -1, H:], output[:, -1, H:])
    assert differ(output_other[:, -1, :H], output[:, -1, :H])
    assert differ(h_other[-1], h_n[-1])
    assert_same(output[:, -1, H:], lstm(x[:, -1:])[0][:, 0, H:])  # a sentence of that one token says as much


def test_last_output_is_not_the_last_word_under_padding(x: Tensor) -> None:
    lstm = make_lstm(num_layers=2, bidirectional=True)
    packed, (h_n, _) = run_packed(lstm, x)
    plain, _ = lstm(x)
    last = packed[torch.arange(B), LENGTHS - 1]  # (B, 2H)
    assert_same(h_n[-2], last[:, :H])
    assert_same(h_n[-1], packed[:, 0, H:])
    for b, n in enumerate(LENGTHS.tolist()):
        if n < T:
            assert packed[b, -1].eq(0).all()
            assert differ(plain[b, -1], last[b])


def test_a_tagger_needs_one_vector_a_token(x: Tensor) -> None:
    lstm = make_lstm(bidirectional=True)
    output, (h_n, _) = lstm(x)
    assert nn.Linear(2 * H, K)(output).shape == (B, T, K)
    assert lstm(x[:, :3])[1][0].shape == h_n.shape  # three tokens or T: no axis of h_n tells

    echo, _ = lstm(x[:1, :1].expand(1, T, D))  # one word, T times
    assert all(differ(echo[0, t], echo[0, t + 1]) for t in range(T - 1))

    for changed in range(T):  # the forward half at t knows the tokens up to t, the backward half those from t on
        other = x.clone()
        other[:, changed] += 1
        moved = (lstm(other)[0] - output).abs().amax(dim=0) > 0  # (T, 2H)
        assert moved[:, :H].any(dim=1).tolist() == [t >= changed for t in range(T)]
        assert moved[:, H:].any(dim=1).tolist() == [t <= changed for t in range(T)]


# ---- one step, by hand ----------------------------------------------------------------------------------------------


def step(lstm: nn.LSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The equations of the page, gate by gate: (B, D), (B, H), (B, H) -> (B, H), (B, H)."""
    pre = {}
    for k, gate in enumerate("ifgo"):
        rows = slice(k * H, (k + 1) * H)
        of_x = x @ lstm.weight_ih_l0[rows].T + lstm.bias_ih_l0[rows]
        of_h = h @ lstm.weight_hh_l0[rows].T + lstm.bias_hh_l0[rows]
        pre[gate] = of_x + of_h  # (B, H)
    c = torch.sigmoid(pre["f"]) * c + torch.sigmoid(pre["i"]) * torch.tanh(pre["g"])
    return torch.sigmoid(pre["o"]) * torch.tanh(c), c


def test_gates_are_stored_as_i_f_g_o(x: Tensor) -> None:
    lstm = make_lstm()
    assert lstm.weight_ih_l0.shape == (4 * H, D)
    assert lstm.weight_hh_l0.shape == (4 * H, H)
    assert lstm.bias_ih_l0.shape == lstm.bias_hh_l0.shape == (4 * H,)
    output, (h_n, c_n) = lstm(x)
    h = c = torch.zeros(B, H)
    for t in range(T):
        h, c = step(lstm, x[:, t], h, c)
        assert_same(output[:, t], h)
    assert_same(h_n[0], h)
    assert_same(c_n[0], c)


def test_two_biases_act_as_their_sum(x: Tensor) -> None:
    lstm = make_lstm(num_layers=2, bidirectional=True)
    before, _ = lstm(x)
    with torch.no_grad():
        for name, bias in lstm.named_parameters():
            if name.startswith("bias_ih"):
                other = lstm.get_parameter(name.replace("ih", "hh"))
                bias += other + 1
                other.fill_(-1)
    assert_same(lstm(x)[0], before)


def test_cell_states_on_the_way_take_a_walk(x: Tensor) -> None:
    lstm = make_lstm()
    cell = nn.LSTMCell(D, H)
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in lstm.state_dict().items()})
    output, (_, c_n) = lstm(x)
    h, c, state = torch.zeros(B, H), torch.zeros(B, H), None
    for t in range(T):
        h, c = cell(x[:, t], (h, c))
        _, state = lstm(x[:, t : t + 1], state)
        assert_same(h, output[:, t])
        assert_same(state[0][0], h)
        assert_same(state[1][0], c)
        assert_same(c, lstm(x[:, : t + 1])[1][1][0])  # the cell of the sentence cut after t
        assert differ(c, c_n[0]) == (t < T - 1)


# ---- padding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filling", [0.0, 1.0, 100.0])
def test_forward_half_ignores_right_padding(x: Tensor, filling: float) -> None:
    lstm = make_lstm(bidirectional=True)
    output, (h_n, _) = lstm(x.masked_fill(~is_token()[..., None], filling))
    for b, n in enumerate(LENGTHS.tolist()):
        alone, (h_alone, _) = lstm(x[b : b + 1, :n])
        assert_same(output[b, :n, :H], alone[0, :, :H])
        assert differ(h_n[0, b], h_alone[0, 0]) == (n < T)


def test_backward_half_reads_padding_first() -> None:
    lstm = make_lstm(bidirectional=True)
    words, length = torch.randn(64, 10, D), 10
    padded = torch.cat([words, torch.zeros(64, 5, D)], dim=1)  # five zero vectors behind every sentence
    off = (lstm(padded)[0][:, :length, H:] - lstm(words)[0][..., H:]).abs()  # (64, 10, H)
    by_position = off.mean(dim=(0, 2))  # (10,) mean error at each word
    assert (by_position[1:] > by_position[:-1]).all()  # most at the last word, fading with the distance
    assert by_position[-1] > 0.01
    assert off[:, -1].amax(dim=-1).min() > 0.01  # no sentence is spared


def test_zero_padding_without_biases_is_harmless_in_one_layer(x: Tensor) -> None:
    padded = x * is_token()[..., None]
    for bias, num_layers, harmless in [(False, 1, True), (True, 1, False), (False, 2, False)]:
        lstm = make_lstm(bidirectional=True, bias=bias, num_layers=num_layers)
        plain, packed = lstm(padded)[0][is_token()], run_packed(lstm, x)[0][is_token()]
        if harmless:
            assert_same(plain, packed)
        else:
            assert differ(plain, packed)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_packing_cures_padding(x: Tensor, num_layers: int) -> None:
    lstm = make_lstm(num_layers=num_layers, bidirectional=True)
    output, (h_n, c_n) = run_packed(lstm, x)
    for b, n in enumerate(LENGTHS.tolist()):
        alone, (h_alone, c_alone) = lstm(x[b : b + 1, :n])
        assert_same(output[b, :n], alone[0])
        assert_same(h_n[:, b], h_alone[:, 0])
        assert_same(c_n[:, b], c_alone[:, 0])
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [int((t < LENGTHS).sum()) for t in range(T)]
    assert torch.equal(packed.data[:B], x[packed.sorted_indices, 0])  # the first tokens, longest sentence first


@pytest.mark.parametrize("num_layers", [1, 2])
def test_two_forward_lstms_equal_the_packed_one(x: Tensor, num_layers: int) -> None:
    lstm = make_lstm(num_layers=num_layers, bidirectional=True)
    states = flipped = x
    for k in range(num_layers):
        rightward, leftward = make_lstm(width=states.size(2)), make_lstm(width=states.size(2))
        take_weights(rightward, lstm, layer=k)
        take_weights(leftward, lstm, layer=k, reverse=True)
        right = rightward(states)[0]  # (B, T, H)
        left = reverse(leftward(reverse(states, LENGTHS))[0], LENGTHS)  # (B, T, H)
        flipped = torch.cat([right, leftward(states.flip(1))[0].flip(1)], dim=-1)  # padding to the front: wrong
        states = torch.cat([right, left], dim=-1)  # (B, T, 2H)
    expected = run_packed(lstm, x)[0][is_token()]
    assert_same(states[is_token()], expected)
    assert differ(flipped[is_token()], expected)


def test_unpacking_needs_total_length(x: Tensor) -> None:
    packed = pack_padded_sequence(x, LENGTHS.clamp(max=5), batch_first=True, enforce_sorted=False)
    short, lengths = pad_packed_sequence(packed, batch_first=True)
    full, _ = pad_packed_sequence(packed, batch_first=True, total_length=T)
    assert short.shape == (B, 5, D)
    assert full.shape == (B, T, D)
    assert torch.equal(full[:, :5], short)
    assert full[:, 5:].eq(0).all()
    assert torch.equal(lengths, LENGTHS.clamp(max=5))


def test_lengths_are_sorted_positive_and_on_the_cpu(x: Tensor) -> None:
    for lengths, message in [
        (LENGTHS, "sorted in decreasing order"),
        (torch.tensor([7, 5, 4, 0]), "greater than 0"),
        (torch.tensor([7, 5, 4, 1], device="meta"), "1D CPU int64 tensor"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            pack_padded_sequence(x, lengths, batch_first=True)

    lstm = make_lstm(bidirectional=True)
    output, (h_n, c_n) = run_packed(lstm, x)  # enforce_sorted=False
    lengths, order = LENGTHS.sort(descending=True)  # the same by hand
    by_hand, (h_sorted, c_sorted) = lstm(pack_padded_sequence(x[order], lengths, batch_first=True))
    assert_same(output[order], pad_packed_sequence(by_hand, batch_first=True)[0])
    assert_same(h_n[:, order], h_sorted)
    assert_same(c_n[:, order], c_sorted)

    too_long = pack_padded_sequence(x, torch.tensor([T + 2, 5, 4, 1]), batch_first=True)
    with pytest.raises(RuntimeError, match="exceeds dimension size"):
        lstm(too_long)


# ---- layers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("proj_size", [0, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_stack_equals_num_layers(x: Tensor, bidirectional: bool, proj_size: int, bias: bool) -> None:
    options = {"num_layers": 3, "bidirectional": bidirectional, "proj_size": proj_size, "bias": bias}
    lstm = make_lstm(dropout=0.5, **options).eval()
    for weight in lstm.parameters():
        nn.init.uniform_(weight, -1, 1)  # large, so that three layers do not shrink the output to near 1e-6
    output, (h_n, c_n) = lstm(x)
    packed, _ = run_packed(lstm, x)
    states, packed_states, h, c = x, x, [], []
    for layer in split_into_stack(lstm):
        states, (h_layer, c_layer) = layer(states)
        packed_states, _ = run_packed(layer, packed_states)
        h.append(h_layer)
        c.append(c_layer)
    assert_same(states, output)
    assert_same(packed_states, packed)
    assert_same(torch.cat(h), h_n)
    assert_same(torch.cat(c), c_n)

    without = make_lstm(dropout=0, **options).train()
    without.load_state_dict(lstm.state_dict())
    assert_same(without(x)[0], output)
    assert differ(lstm.train()(x)[0], output)  # dropout at work: no longer equal


def test_a_stack_shows_every_layer(x: Tensor) -> None:
    lstm = make_lstm(num_layers=3, bidirectional=True)
    _, (h_n, _) = lstm(x)
    states, layers = x, []
    for layer in split_into_stack(lstm):
        states, _ = layer(states)
        layers.append(states)
    for k, states in enumerate(layers):
        assert states.shape == (B, T, 2 * H)
        assert_same(h_n[2 * k], states[:, -1, :H])
        assert_same(h_n[2 * k + 1], states[:, 0, H:])
    s, gamma = torch.tensor([2.0, -1.0, 0.5]), torch.tensor(1.5)
    mixed = gamma * torch.einsum("l,lbth->bth", s.softmax(dim=0), torch.stack(layers))
    weights = s.exp() / s.exp().sum()
    assert_same(mixed, 1.5 * (weights[0] * layers[0] + weights[1] * layers[1] + weights[2] * layers[2]))


def test_dropout_acts_between_layers_alone(x: Tensor) -> None:
    lstm = make_lstm(num_layers=2, bidirectional=True, dropout=1.0)
    first, second = split_into_stack(lstm)
    output, (h_n, c_n) = lstm(x)
    of_nothing, (h_top, _) = second(torch.zeros(B, T, 2 * H))
    assert_same(output, of_nothing)
    assert output.abs().min() > 0  # not a number of the last layer is dropped
    _, (h_first, c_first) = first(x)
    assert_same(h_n, torch.cat([h_first, h_top]))  # nor is anything before, or in, the first
    assert_same(c_n[:2], c_first)
    assert_same(lstm.eval()(x)[0], second(first(x)[0])[0])

    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        single = make_lstm(bidirectional=True, dropout=1.0)
    assert_same(single.train()(x)[0], single.eval()(x)[0])


# ---- axes -----------------------------------------------------------------------------------------------------------


def test_view_mixes_sentences_where_transpose_does_not() -> None:
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])  # (B=2, T=3)
    swapped, viewed = ids.transpose(0, 1), ids.view(3, 2)
    assert swapped.shape == viewed.shape == (3, 2)
    assert swapped.tolist() == ids.permute(1, 0).tolist() == [[1, 4], [2, 5], [3, 6]]
    assert viewed.tolist() == ids.reshape(3, 2).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert viewed.flatten().tolist() == ids.flatten().tolist()  # memory order, kept
    assert all(swapped[t, b] == ids[b, t] for b in range(2) for t in range(3))


def test_view_splits_and_joins_axes(x: Tensor) -> None:
    output, (h_n, _) = make_lstm(num_layers=2, bidirectional=True)(x)
    parts = output.view(B, T, 2, H)
    assert torch.equal(parts[:, :, 0], output[..., :H])
    assert torch.equal(parts[:, :, 1], output[..., H:])
    assert torch.equal(parts.view(B, T, 2 * H), output)

    right = torch.cat([h_n[-2], h_n[-1]], dim=-1)  # (B, 2H)
    tempting = h_n[-2:].view(B, 2 * H)
    assert torch.equal(h_n[-2:].transpose(0, 1).reshape(B, 2 * H), right)
    assert tempting.shape == right.shape
    assert torch.equal(tempting[0], torch.cat([h_n[-2, 0], h_n[-2, 1]]))  # two sentences, one direction
    assert differ(tempting, right)


def test_forgotten_batch_first_reads_across_sentences(x: Tensor) -> None:
    right = make_lstm()
    wrong = make_lstm(batch_first=False)
    wrong.load_state_dict(right.state_dict())
    other = x.clone()
    other[0] += 1  # another sentence 0
    assert wrong(x)[0].shape == right(x)[0].shape
    assert_same(right(other)[0][1:], right(x)[0][1:])
    assert differ(wrong(other)[0][1:], wrong(x)[0][1:])
    assert_same(wrong(x)[0], right(x.transpose(0, 1))[0].transpose(0, 1))  # it took sentences for time

    one = x[:1]  # a batch of one: view and transpose agree
    assert torch.equal(one.view(T, 1, D), one.transpose(0, 1))


# ---- where it starts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("proj_size", [0, 2])
def test_initial_state_defaults_to_zeros(x: Tensor, proj_size: int, batch_first: bool) -> None:
    lstm = make_lstm(num_layers=2, bidirectional=True, proj_size=proj_size, batch_first=batch_first)
    x = x if batch_first else x.transpose(0, 1)
    h_0, c_0 = torch.zeros(4, B, proj_size or H), torch.zeros(4, B, H)
    output, (h_n, c_n) = lstm(x)
    assert_same(lstm(x, (h_0, c_0))[0], output)
    assert (h_0.shape, c_0.shape) == (h_n.shape, c_n.shape)
    assert differ(lstm(x, (h_0 + 1, c_0 + 1))[0], output)
    with pytest.raises(RuntimeError, match="Expected hidden"):
        lstm(x, (h_0[:, :-1], c_0[:, :-1]))  # a state of another batch size
    with pytest.raises(RuntimeError, match="Expected hidden"):
        lstm(x, (h_0[:2], c_0[:2]))  # a state of one layer


def test_carried_state_is_another_model(x: Tensor) -> None:
    lstm = make_lstm(num_layers=2)
    first, carried = lstm(x[:, :3])
    rest, _ = lstm(x[:, 3:], carried)
    assert_same(torch.cat([first, rest], dim=1), lstm(x)[0])  # two pieces read as one text

    bilstm = make_lstm(bidirectional=True)
    first, carried = bilstm(x[:, :3])
    rest, _ = bilstm(x[:, 3:], carried)
    pieces, whole = torch.cat([first, rest], dim=1), bilstm(x)[0]
    assert_same(pieces[..., :H], whole[..., :H])
    assert differ(pieces[..., H:], whole[..., H:])

    afresh, _ = lstm(x)
    for _ in range(2):
        _, carried = lstm(torch.randn(B, T, D))  # strangers
        assert differ(lstm(x, carried)[0], afresh)
        assert torch.equal(lstm(x)[0], afresh)  # an LSTM remembers nothing from call to call

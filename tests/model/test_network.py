"""The whole network: every option's shape, reproducible weights, gradients everywhere, and the tutorial's own point."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tagger.config import AffixesConfig, CharactersConfig, FeaturesConfig, ModelConfig, WordsConfig
from tagger.data.batches import Batch
from tagger.data.vocab import FormRows
from tagger.model.features import CharacterCNN, CharacterLSTM
from tagger.model.heads import CRFHead, SoftmaxHead
from tagger.model.network import SequenceTagger, Sizes, build_network
from tests.strategies import random_batch

SIZES = Sizes(num_words=20, num_characters=15, num_affixes=3, num_tags=5)  # of random_batch
FEATURES = FeaturesConfig(
    words=WordsConfig(dim=6),
    characters=CharactersConfig(dim=4, hidden_dim=5),
    affixes=AffixesConfig(dim=2, num_buckets=30),
)
MODEL = ModelConfig(hidden_dim=8)
LENGTHS = [4, 7, 1, 5]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(2018)


def build(features: FeaturesConfig = FEATURES, **options: object) -> SequenceTagger:
    return build_network(features, replace(MODEL, **options), SIZES)  # type: ignore[arg-type]


def only_row(batch: Batch, row: int) -> Batch:
    """One sentence of the batch without its padding."""
    length = int(batch.lengths[row])
    assert batch.tags is not None
    return replace(
        batch,
        forms=batch.forms[row : row + 1, :length],
        lengths=batch.lengths[row : row + 1],
        tags=batch.tags[row : row + 1, :length],
    )


def assert_same(actual: Tensor, expected: Tensor, *, atol: float = 1e-6) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


class TestShapes:
    @pytest.mark.parametrize(
        ("num_layers", "bidirectional", "proj_size", "bias", "head"),
        list(itertools.product([1, 2], [False, True], [0, 3], [False, True], ["softmax", "crf"])),
    )
    def test_of_every_lstm(self, num_layers: int, bidirectional: bool, proj_size: int, bias: bool, head: str) -> None:
        network = build(num_layers=num_layers, bidirectional=bidirectional, proj_size=proj_size, bias=bias, head=head)
        emissions = network(random_batch(LENGTHS))
        assert emissions.shape == (4, 7, 5)
        assert emissions.dtype == torch.float32
        assert network.to_emissions.in_features == (proj_size or 8) * (1 + bidirectional)
        assert any("bias" in name for name, _ in network.encoder.named_parameters()) == bias
        assert isinstance(network.head, CRFHead if head == "crf" else SoftmaxHead)

    @pytest.mark.parametrize("mix", [False, True])
    def test_of_mixed_layers_and_dropout(self, mix: bool) -> None:
        network = build(num_layers=2, dropout=0.3, layers="mix" if mix else "last")
        assert network.training
        assert network(random_batch(LENGTHS)).shape == (4, 7, 5)
        assert (network.encoder.mix_weights is not None) == mix
        assert network.encoder.dropout.p == 0.3

    @pytest.mark.parametrize(
        ("word_dim", "kind", "affix_dim"),
        [each for each in itertools.product([0, 6], ["none", "cnn", "lstm"], [0, 2]) if each != (0, "none", 0)],
    )
    def test_of_every_choice_of_features(self, word_dim: int, kind: str, affix_dim: int) -> None:
        features = FeaturesConfig(
            words=WordsConfig(dim=word_dim),
            characters=CharactersConfig(dim=4, hidden_dim=5, kind=kind),  # type: ignore[arg-type]
            affixes=AffixesConfig(dim=affix_dim, num_buckets=30),
        )
        network = build(features)
        assert network(random_batch(LENGTHS)).shape == (4, 7, 5)
        assert (network.features.words is None) == (word_dim == 0)
        assert (network.features.affixes is None) == (affix_dim == 0)
        expected = {"cnn": CharacterCNN, "lstm": CharacterLSTM, "none": type(None)}[kind]
        assert isinstance(network.features.characters, expected)


class TestBuild:
    def test_same_seed_same_weights(self) -> None:
        states = []
        for number in (1, 1, 2):
            torch.manual_seed(number)
            states.append(build(num_layers=2, head="crf").state_dict())
        first, second, third = states
        assert first.keys() == second.keys() == third.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not any(torch.equal(first[name], third[name]) for name in first)

    def test_singletons_and_others_become_unknown_as_the_config_says(self) -> None:
        features = replace(FEATURES, words=WordsConfig(dim=6, singleton_dropout=0.5, word_dropout=0.2))
        singletons = torch.zeros(20, dtype=torch.bool)
        singletons[7] = True
        network = build_network(features, MODEL, SIZES, singletons=singletons)
        assert network.features.words is not None
        expected = torch.full((20,), 0.2)
        expected[7] = 0.6  # unless spared by both: 1 - 0.5 * 0.8
        assert_same(network.features.words.unknown_probability, expected)

    def test_vectors_are_taken_and_frozen(self) -> None:
        vectors = torch.randn(20, 6)
        features = replace(FEATURES, words=WordsConfig(dim=6, freeze=True))
        network = build_network(features, MODEL, SIZES, vectors=vectors)
        assert network.features.words is not None
        assert torch.equal(network.features.words.table.weight[1:], vectors[1:])
        frozen = [name for name, weight in network.named_parameters() if not weight.requires_grad]
        assert frozen == ["features.words.table.weight"]

    def test_the_three_dropouts_stand_where_the_config_says(self) -> None:
        network = build(num_layers=2, input_dropout=0.1, dropout=0.2, output_dropout=0.3)
        assert (network.features.dropout.p, network.encoder.dropout.p, network.dropout.p) == (0.1, 0.2, 0.3)


class TestGradient:
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    @pytest.mark.parametrize("kind", ["cnn", "lstm"])
    @pytest.mark.parametrize("mix", [False, True])
    @pytest.mark.parametrize("proj_size", [0, 3])
    def test_reaches_every_weight(self, head: str, kind: str, mix: bool, proj_size: int) -> None:
        features = replace(FEATURES, characters=CharactersConfig(dim=4, hidden_dim=5, kind=kind))  # type: ignore[arg-type]
        network = build(features, num_layers=2, proj_size=proj_size, head=head, layers="mix" if mix else "last")
        batch = random_batch(LENGTHS)
        assert batch.tags is not None
        network.head.loss(network(batch), batch.tags, batch.mask).backward()
        without = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
        assert without == []

    def test_a_few_steps_learn_a_batch_by_heart(self) -> None:
        network = build(head="crf", input_dropout=0.0, output_dropout=0.0)
        batch = random_batch(LENGTHS)
        batch = replace(batch, tags=batch.words_of_tokens % 5)
        assert batch.tags is not None
        optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
        for _ in range(60):
            optimizer.zero_grad()
            network.head.loss(network(batch), batch.tags, batch.mask).backward()
            optimizer.step()
        network.eval()
        assert torch.equal(network.head.decode(network(batch), batch.mask), batch.tags)


class TestEmissions:
    def test_come_from_the_output_at_every_token(self) -> None:
        network = build(bidirectional=False).eval()
        batch = random_batch(LENGTHS)
        lstm = network.encoder.forwards[0]
        for row, length in enumerate(LENGTHS):
            one = only_row(batch, row)
            by_form = network.features(one.words, one.characters, one.character_lengths, one.affixes)
            output, (h_n, _) = lstm(by_form[one.forms])
            expected = torch.stack([network.to_emissions(output[0, token]) for token in range(length)])
            assert_same(network(batch)[row, :length], expected)
            assert_same(network(batch)[row, length - 1], network.to_emissions(h_n[0, 0]))

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_hear_of_later_tokens_only_in_both_directions(self, bidirectional: bool) -> None:
        network = build(bidirectional=bidirectional).eval()
        batch = random_batch([6])
        forms = batch.forms.clone()
        forms[0, 5] = forms[0, 5] % 11 + 1  # another form
        changed = (network(replace(batch, forms=forms)) - network(batch)).abs().amax(dim=2)[0] > 0
        assert changed.tolist() == [bidirectional] * 5 + [True]

    @pytest.mark.parametrize("head", ["softmax", "crf"])
    @pytest.mark.parametrize("kind", ["cnn", "lstm"])
    def test_a_sentence_alone_is_the_sentence_in_a_batch(self, head: str, kind: str) -> None:
        features = replace(FEATURES, characters=CharactersConfig(dim=4, hidden_dim=5, kind=kind))  # type: ignore[arg-type]
        network = build(features, num_layers=2, head=head).eval()
        batch = random_batch(LENGTHS)
        emissions = network(batch)
        ids, marginals = network.head.decode(emissions, batch.mask), network.head.marginals(emissions, batch.mask)
        for row, length in enumerate(LENGTHS):
            one = only_row(batch, row)
            alone = network(one)
            assert_same(alone[0], emissions[row, :length])
            assert_same(network.head.marginals(alone, one.mask)[0], marginals[row, :length])
            assert torch.equal(network.head.decode(alone, one.mask)[0], ids[row, :length])

    def test_do_not_see_what_stands_in_padding(self) -> None:
        network = build(num_layers=2).eval()
        batch = random_batch(LENGTHS)
        dirty = replace(batch, forms=batch.forms.where(batch.mask, torch.tensor(3)))
        assert_same(network(dirty)[batch.mask], network(batch)[batch.mask])

    def test_are_the_same_each_time_outside_training(self) -> None:
        network = build(num_layers=2, dropout=0.5)
        batch = random_batch(LENGTHS)
        assert not torch.equal(network(batch), network(batch))
        network.eval()
        assert torch.equal(network(batch), network(batch))


class TestForms:
    """What a form is, in training too, all of its tokens in a batch are."""

    @pytest.mark.parametrize("proj_size", [0, 3])
    def test_tokens_of_a_form_lack_the_same_in_training(self, proj_size: int) -> None:
        features = replace(FEATURES, words=WordsConfig(dim=6, word_dropout=0.5))
        network = build(features, input_dropout=0.5, output_dropout=0.0, proj_size=proj_size).train()
        batch = random_batch([1] * 200)  # sentences of a token each, which nothing but its form tells apart
        first, second = network(batch)[:, 0], network(batch)[:, 0]
        for form in range(1, 12):
            tokens = batch.forms[:, 0] == form
            assert tokens.sum() > 1
            for emissions in (first[tokens], second[tokens]):
                assert_same(emissions, emissions[:1].expand_as(emissions))
            assert (first[tokens] - second[tokens]).abs().max() > 1e-3  # drawn anew for each batch

    @pytest.mark.parametrize("proj_size", [0, 3])
    def test_those_remembered_give_the_same_emissions(self, proj_size: int) -> None:
        network = build(num_layers=2, proj_size=proj_size).eval()
        batch = random_batch(LENGTHS)
        rows = [each.numpy() for each in (batch.words, batch.characters, batch.character_lengths, batch.affixes)]
        names = ("words", "characters", "character_lengths", "affixes")
        known = network.of_forms(FormRows(**dict(zip(names, rows, strict=True))))
        order = torch.randperm(12)  # remembered in another order, with others among them
        shuffled = known.new_full((20, known.size(1)), torch.nan)
        shuffled[order + 5] = known
        emissions = network.emissions(shuffled, order[batch.forms] + 5, batch.lengths)
        assert_same(emissions[batch.mask], network(batch)[batch.mask])


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_bf16_training_keeps_loss_and_weights_in_float32(head: str) -> None:
    network = build(head=head)
    batch = random_batch(LENGTHS)
    assert batch.tags is not None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        emissions = network(batch)
    loss = network.head.loss(emissions, batch.tags, batch.mask)
    loss.backward()
    assert loss.dtype == torch.float32
    assert {weight.grad.dtype for weight in network.parameters() if weight.grad is not None} == {torch.float32}
    assert all(weight.grad.isfinite().all() for weight in network.parameters() if weight.grad is not None)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
class TestCUDA:
    @pytest.mark.parametrize("head", ["softmax", "crf"])
    @pytest.mark.parametrize("kind", ["cnn", "lstm"])
    @pytest.mark.parametrize("proj_size", [0, 3])
    def test_answers_as_the_cpu_does(self, head: str, kind: str, proj_size: int) -> None:
        features = replace(FEATURES, characters=CharactersConfig(dim=4, hidden_dim=5, kind=kind))  # type: ignore[arg-type]
        network = build(features, num_layers=2, head=head, proj_size=proj_size, layers="mix").eval()
        batch = random_batch([4, 7, 1, 5, 30])
        # TensorFloat-32, cuDNN's default, keeps three decimals
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            here = self.answer(network, batch)
            there = self.answer(network.to("cuda"), batch.to(torch.device("cuda")))
        assert_same(there[0].cpu()[batch.mask], here[0][batch.mask], atol=1e-4)
        assert torch.equal(there[1].cpu(), here[1])
        assert_same(there[2].cpu(), here[2], atol=1e-4)

    @pytest.mark.parametrize("head", ["softmax", "crf"])
    def test_learns_as_the_cpu_does(self, head: str) -> None:
        network = build(num_layers=2, head=head, input_dropout=0.0, output_dropout=0.0)
        batch = random_batch([4, 7, 1, 5, 30])
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            here = self.learn(network, batch)
            there = self.learn(network.to("cuda"), batch.to(torch.device("cuda")))
        for name, gradient in here.items():
            assert_same(there[name], gradient, atol=1e-4)

    def test_answers_stay_on_the_device(self) -> None:
        network = build(head="crf").to("cuda").eval()
        batch = random_batch(LENGTHS).to(torch.device("cuda"))
        emissions = network(batch)
        answers = network.head.decode(emissions, batch.mask), network.head.marginals(emissions, batch.mask)
        assert {each.device.type for each in (emissions, *answers)} == {"cuda"}

    @staticmethod
    def answer(network: SequenceTagger, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode():
            emissions = network(batch)
            return emissions, network.head.decode(emissions, batch.mask), network.head.marginals(emissions, batch.mask)

    @staticmethod
    def learn(network: SequenceTagger, batch: Batch) -> dict[str, Tensor]:
        """The gradient of every weight."""
        assert batch.tags is not None
        network.zero_grad()
        network.head.loss(network(batch), batch.tags, batch.mask).backward()
        weights = network.named_parameters()
        return {name: weight.grad.cpu().clone() for name, weight in weights if weight.grad is not None}

"""Token features: words and their dropout, characters against one word at a time, and their widths."""

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from tagger.data.batches import Batch
from tagger.data.vocab import PADDING, UNKNOWN
from tagger.model import features as feature_modules
from tagger.model.features import (
    AffixEmbedding,
    CharacterCNN,
    CharacterLSTM,
    TokenFeatures,
    WordEmbedding,
    reversal,
)
from tests.strategies import random_batch

NUM_WORDS, NUM_CHARACTERS, NUM_BUCKETS = 20, 15, 30  # of random_batch


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(2016)


def make_words(
    dim: int = 4, *, chances: Tensor | None = None, vectors: Tensor | None = None, freeze: bool = False
) -> WordEmbedding:
    chances = torch.zeros(NUM_WORDS) if chances is None else chances
    return WordEmbedding(NUM_WORDS, dim, unknown_probability=chances, vectors=vectors, freeze=freeze)


def draw_forms(lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Character ids (U, C), 0 where padded, and lengths (U,)."""
    sizes = torch.tensor(lengths)
    ids = torch.randint(1, NUM_CHARACTERS, (len(lengths), max(lengths)))
    return ids * (torch.arange(max(lengths)) < sizes[:, None]), sizes


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


class TestReversal:
    def test_is_each_sequence_backwards_and_its_padding_untouched(self) -> None:
        index = reversal(torch.tensor([3, 1, 0, 5]), 5)
        assert index.tolist() == [[2, 1, 0, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]

    def test_twice_changes_nothing(self) -> None:
        index = reversal(torch.randint(0, 11, (50,)), 10)
        assert torch.equal(index.gather(1, index), torch.arange(10).expand(50, 10))


class TestWordEmbedding:
    def test_looks_up_and_padding_is_zero(self) -> None:
        words = make_words()
        vectors = words(torch.tensor([[3, UNKNOWN, PADDING]]))
        assert torch.equal(vectors[0], words.table.weight[[3, UNKNOWN, PADDING]])
        assert vectors[0, 0].all()
        assert vectors[0, 1].all()
        assert not vectors[0, 2].any()

    def test_words_become_unknown_as_often_as_asked(self) -> None:
        chances = torch.zeros(NUM_WORDS)
        chances[3], chances[4], chances[5] = 0.3, 1.0, 0.02
        words, times = make_words(chances=chances).train(), 40_000
        vectors = words(torch.tensor([2, 3, 4, 5]).expand(times, 4))  # (times, 4, dim)
        hidden = (vectors == words.table.weight[UNKNOWN]).all(dim=2).sum(dim=0).tolist()
        assert hidden[0] == 0
        assert hidden[2] == times
        for count, chance in ((hidden[1], 0.3), (hidden[3], 0.02)):
            assert abs(count - times * chance) < 5 * (times * chance * (1 - chance)) ** 0.5

    def test_words_are_themselves_outside_training(self) -> None:
        words = make_words(chances=torch.ones(NUM_WORDS)).eval()
        ids = torch.arange(NUM_WORDS)[None]
        assert torch.equal(words(ids)[0], words.table.weight)

    def test_padding_never_becomes_unknown(self) -> None:
        words = make_words(chances=torch.ones(NUM_WORDS)).train()
        vectors = words(torch.tensor([[7, PADDING]]))[0]
        assert torch.equal(vectors, words.table.weight[[UNKNOWN, PADDING]])

    def test_only_what_is_seen_is_trained_and_padding_never(self) -> None:
        words = make_words()
        words(torch.tensor([[5, 5, PADDING]])).sum().backward()
        assert words.table.weight.grad is not None
        assert words.table.weight.grad.sum(dim=1).nonzero().flatten().tolist() == [5]

    def test_frozen_vectors_are_kept(self) -> None:
        vectors = torch.randn(NUM_WORDS, 4)
        words = make_words(vectors=vectors, freeze=True)
        kept = vectors.clone()
        kept[PADDING] = 0.0
        assert torch.equal(words.table.weight, kept)
        assert not words(torch.arange(NUM_WORDS)[None]).requires_grad
        assert [weight for weight in words.parameters() if weight.requires_grad] == []

    def test_given_vectors_are_trained_unless_frozen(self) -> None:
        vectors = torch.randn(NUM_WORDS, 4)
        words = make_words(vectors=vectors)
        assert torch.equal(words(torch.tensor([[6]]))[0, 0], vectors[6])
        assert words.table.weight.requires_grad
        words.table.weight.data.add_(1.0)
        assert not torch.equal(words.table.weight, vectors)  # a copy: the caller's vectors are left alone

    def test_chances_are_no_part_of_what_is_saved(self) -> None:
        assert list(make_words().state_dict()) == ["table.weight"]


class TestCharacterCNN:
    @pytest.mark.parametrize("kernel_size", [1, 3, 5])
    def test_is_the_convolution_of_each_word_by_itself(self, kernel_size: int) -> None:
        network = CharacterCNN(NUM_CHARACTERS, 6, num_filters=8, kernel_size=kernel_size)
        characters, lengths = draw_forms([4, 1, 9, 2, 9, 3])
        vectors = network(characters, lengths)
        assert vectors.shape == (6, network.output_dim)
        for row, length in enumerate(lengths.tolist()):
            spelled = network.table(characters[row, :length])  # (C, dim)
            convolution = network.convolution
            filtered = F.conv1d(spelled.T, convolution.weight, convolution.bias, padding=kernel_size // 2)
            assert filtered.shape == (8, length)
            assert_same(vectors[row], filtered.amax(dim=1).clamp(min=0))

    def test_a_form_without_characters_gives_zeros(self) -> None:
        network = CharacterCNN(NUM_CHARACTERS, 6, num_filters=8, kernel_size=3)
        characters, lengths = draw_forms([0, 3])
        vectors = network(characters, lengths)
        assert not vectors[0].any()
        assert vectors[1].any()

    def test_more_padding_changes_nothing(self) -> None:
        network = CharacterCNN(NUM_CHARACTERS, 6, num_filters=8, kernel_size=5)
        characters, lengths = draw_forms([4, 1, 0])
        assert_same(network(F.pad(characters, (0, 7)), lengths), network(characters, lengths))


@pytest.mark.parametrize("bidirectional", [False, True])
class TestCharacterLSTM:
    def test_is_the_last_state_of_a_packed_lstm(self, bidirectional: bool) -> None:
        network = CharacterLSTM(NUM_CHARACTERS, 6, hidden_dim=5, bidirectional=bidirectional)
        twin = nn.LSTM(6, 5, batch_first=True, bidirectional=bidirectional)
        for name, weight in twin.named_parameters():
            half = network.backwards if name.endswith("_reverse") else network.forwards
            assert half is not None
            weight.data.copy_(half.get_parameter(name.removesuffix("_reverse")))
        characters, lengths = draw_forms([4, 1, 9, 2, 9, 3])
        packed = pack_padded_sequence(network.table(characters), lengths, batch_first=True, enforce_sorted=False)
        _, (h_n, _) = twin(packed)  # (directions, U, H)
        vectors = network(characters, lengths)
        assert vectors.shape == (6, network.output_dim)
        assert_same(vectors, h_n.transpose(0, 1).flatten(1))

    def test_a_form_without_characters_gives_zeros(self, bidirectional: bool) -> None:
        network = CharacterLSTM(NUM_CHARACTERS, 6, hidden_dim=5, bidirectional=bidirectional)
        characters, lengths = draw_forms([0, 3])
        vectors = network(characters, lengths)
        assert not vectors[0].any()
        assert vectors[1].all()

    def test_padding_changes_nothing(self, bidirectional: bool) -> None:
        network = CharacterLSTM(NUM_CHARACTERS, 6, hidden_dim=5, bidirectional=bidirectional)
        characters, lengths = draw_forms([4, 1, 0])
        dirty = F.pad(characters, (0, 3)).masked_fill(torch.arange(7) >= lengths[:, None], 9)
        assert_same(network(dirty, lengths), network(characters, lengths))


def test_affixes_stand_side_by_side() -> None:
    affixes = AffixEmbedding(NUM_BUCKETS, 4, num_affixes=3)
    rows = torch.tensor([[1, 5, NUM_BUCKETS], [0, 0, 0]])
    vectors = affixes(rows)
    assert vectors.shape == (2, affixes.output_dim)
    assert torch.equal(vectors[0], torch.cat([affixes.table.weight[row] for row in rows[0]]))
    assert not vectors[1].any()


def make_characters(kind: str) -> CharacterCNN | CharacterLSTM | None:
    if kind == "cnn":
        return CharacterCNN(NUM_CHARACTERS, 6, num_filters=8, kernel_size=3)
    return CharacterLSTM(NUM_CHARACTERS, 6, hidden_dim=5, bidirectional=True) if kind == "lstm" else None


def make_features(
    *, words: bool = True, characters: str = "cnn", affixes: bool = True, dropout: float = 0.0
) -> TokenFeatures:
    return TokenFeatures(
        words=make_words() if words else None,
        characters=make_characters(characters),
        affixes=AffixEmbedding(NUM_BUCKETS, 3, num_affixes=3) if affixes else None,
        dropout=dropout,
    )


def features_of(features: TokenFeatures, batch: Batch) -> Tensor:
    """(U, D)."""
    return features(batch.words, batch.characters, batch.character_lengths, batch.affixes)


class TestCharacterLSTMInBfloat16:
    def test_is_float32_where_the_cpu_refuses_bfloat16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feature_modules, "has_bf16_lstm", lambda: False)
        network = make_characters("lstm")
        assert isinstance(network, CharacterLSTM)
        characters, lengths = torch.tensor([[3, 4, 5], [6, 0, 0], [0, 0, 0]]), torch.tensor([3, 1, 0])
        exact = network(characters, lengths)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network(characters, lengths)
            assert torch.mm(exact, exact.t()).dtype == torch.bfloat16  # what is around it is as it was
        assert torch.equal(found, exact)
        found.sum().backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


class TestTokenFeatures:
    @pytest.mark.parametrize(
        ("words", "characters", "affixes"),
        [
            each
            for each in itertools.product([False, True], ["none", "cnn", "lstm"], [False, True])
            if each != (False, "none", False)
        ],
    )
    def test_widths(self, words: bool, characters: str, affixes: bool) -> None:
        features = make_features(words=words, characters=characters, affixes=affixes)
        expected = 4 * words + {"none": 0, "cnn": 8, "lstm": 10}[characters] + 9 * affixes
        assert features.output_dim == expected
        assert features_of(features, random_batch([3, 5, 1], num_forms=12)).shape == (12, expected)

    @pytest.mark.parametrize("characters", ["cnn", "lstm"])
    def test_a_form_alone_is_the_form_in_a_batch(self, characters: str) -> None:
        features = make_features(characters=characters)
        batch = random_batch([3, 5, 1])
        together = features_of(features, batch)
        assert features.words is not None
        assert features.characters is not None
        assert features.affixes is not None
        for form in range(1, 12):
            length = batch.character_lengths[form]
            alone = [
                features.words(batch.words[form : form + 1])[0],
                features.characters(batch.characters[form : form + 1, :length], length[None])[0],
                features.affixes(batch.affixes[form : form + 1])[0],
            ]
            assert_same(together[form], torch.cat(alone))

    def test_padding_is_zero(self) -> None:
        batch = random_batch([3, 5, 1])
        vectors = features_of(make_features(), batch)
        assert not vectors[0].any()
        assert not vectors[batch.forms][~batch.mask].any()

    def test_dropout_is_in_training_alone(self) -> None:
        features = make_features(dropout=0.5)
        batch = random_batch([30, 50], num_forms=80)
        calm = features_of(features.eval(), batch)
        noisy = features_of(features.train(), batch)
        kept = noisy != 0
        assert_same(noisy[kept], 2 * calm[kept])
        assert 0.4 < kept.sum() / (calm != 0).sum() < 0.6

    def test_dropout_is_drawn_once_a_form_and_anew_each_time(self) -> None:
        features = make_features(dropout=0.5).train()
        batch = replace(random_batch([60, 80]), words=torch.arange(12).clamp(max=9))  # forms 9, 10 and 11: one word
        drawn = [features_of(features, batch) for _ in range(2)]
        assert not torch.equal(*drawn)
        by_token = drawn[0][batch.forms]  # (B, T, D)
        dropped = []
        for form in range(1, 12):
            tokens = by_token[batch.forms == form]
            assert len(tokens) > 1
            assert torch.equal(tokens, tokens[:1].expand_as(tokens))
            dropped.append(tuple((tokens[0, :4] == 0).tolist()))
        assert len(set(dropped)) > 4  # of the 16 ways in which a word's four numbers can be dropped
        assert len(set(dropped[-3:])) > 1  # forms of one word are dropped each by itself

    def test_a_word_is_unknown_once_a_form_and_anew_each_time(self) -> None:
        words = make_words(chances=torch.full((NUM_WORDS,), 0.5))
        features = TokenFeatures(words=words, characters=None, affixes=None, dropout=0.0).train()
        batch = replace(random_batch([60, 80]), words=torch.arange(12).clamp(max=9) + UNKNOWN)
        seen = set()
        for _ in range(20):
            by_token = features_of(features, batch)[batch.forms]
            hidden = (by_token == words.table.weight[UNKNOWN]).all(dim=2)  # (B, T)
            by_form = [hidden[batch.forms == form] for form in range(1, 12)]
            assert all(len(tokens) > 1 and torch.equal(tokens, tokens[:1].expand_as(tokens)) for tokens in by_form)
            kept = by_token[~hidden]
            assert torch.equal(kept, words.table.weight[batch.words_of_tokens[~hidden]])
            seen.add(tuple(bool(tokens[0]) for tokens in by_form))
        assert len(seen) > 10
        assert any(len(set(one[-3:])) > 1 for one in seen)  # forms of one word are shown each by itself

    @pytest.mark.parametrize("characters", ["cnn", "lstm"])
    def test_a_common_forms_gradient_keeps_its_precision_in_bf16(self, characters: str) -> None:
        features = make_features(words=False, characters=characters, affixes=False)
        batch = random_batch([50] * 40, num_forms=2)  # 2000 tokens of one form
        gradients = []
        for enabled in (False, True):
            features.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                vectors = F.embedding(batch.forms, features_of(features, batch))
            assert vectors.dtype == torch.float32
            vectors.sum().backward()
            gradients.append(torch.cat([weight.grad.flatten() for weight in features.parameters()]))
        exact, rounded = gradients
        assert (rounded - exact).norm() < 0.03 * exact.norm()  # bf16 sums of ones stop at 256

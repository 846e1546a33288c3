"""The language-model loss: its classes by hand, and no token that sees the word it is to predict."""

import math

import pytest
import torch
from torch import Tensor

from tagger.data.vocab import PADDING, UNKNOWN
from tagger.model.encoder import LSTMEncoder
from tagger.model.language_model import LanguageModel

LENGTHS, WIDTH = [4, 1, 3], 6
WORDS = [[2, 5, 3, 2], [3, 0, 0, 0], [1, 9, 4, 0]]  # 4, 5 and 9 are beyond the two commonest, 1 is unknown
NUM_WORDS = 2


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1991)


@pytest.fixture
def mask() -> Tensor:
    return torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]


@pytest.fixture
def language_model() -> LanguageModel:
    return LanguageModel(WIDTH, num_words=NUM_WORDS)


def class_of(sentence: int, position: int) -> int:
    if not 0 <= position < LENGTHS[sentence]:
        return PADDING  # the edge
    word = WORDS[sentence][position]
    return word if word < UNKNOWN + 1 + NUM_WORDS else UNKNOWN


def nats(scores: list[float], wanted: int) -> float:
    return math.log(sum(map(math.exp, scores))) - scores[wanted]


class TestLoss:
    def test_is_the_mean_nats_of_a_token_by_hand(self, language_model: LanguageModel, mask: Tensor) -> None:
        encoded = torch.randn(*mask.shape, WIDTH) * 3
        total = 0.0
        for sentence, position in mask.nonzero().tolist():
            forwards, backwards = encoded[sentence, position].split(WIDTH // 2)
            total += nats(language_model.next_word(forwards).tolist(), class_of(sentence, position + 1))
            total += nats(language_model.previous_word(backwards).tolist(), class_of(sentence, position - 1))
        loss = language_model.loss(language_model(encoded, mask), torch.tensor(WORDS), mask)
        assert loss.item() == pytest.approx(total / sum(LENGTHS), rel=1e-5)

    def test_has_as_many_classes_as_words_asked_for_and_two(self, language_model: LanguageModel, mask: Tensor) -> None:
        after, before = language_model(torch.randn(*mask.shape, WIDTH), mask)
        assert after.shape == before.shape
        assert len(after) >= sum(LENGTHS)
        assert after.size(1) == NUM_WORDS + 2

    def test_padding_changes_nothing(self, language_model: LanguageModel, mask: Tensor) -> None:
        encoded, words = torch.randn(*mask.shape, WIDTH), torch.tensor(WORDS)
        loss = language_model.loss(language_model(encoded, mask), words, mask)
        wide = torch.cat([encoded.masked_fill(~mask.unsqueeze(2), math.nan), torch.full((3, 2, WIDTH), math.nan)], 1)
        more = torch.zeros(3, 2, dtype=torch.bool)
        wide_mask, wide_words = torch.cat([mask, more], 1), torch.cat([words, torch.zeros(3, 2, dtype=torch.int64)], 1)
        assert language_model.loss(language_model(wide, wide_mask), wide_words, wide_mask).item() == loss.item()

    def test_is_computed_in_float32_whatever_the_precision(self, language_model: LanguageModel, mask: Tensor) -> None:
        encoded, words = torch.randn(*mask.shape, WIDTH), torch.tensor(WORDS)
        exact = language_model.loss(language_model(encoded, mask), words, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = language_model(encoded, mask)
        assert scores[0].dtype == torch.bfloat16
        loss = language_model.loss(scores, words, mask)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(exact.item(), rel=0.02)


class TestNoPeeking:
    @pytest.mark.parametrize("position", range(4))
    def test_a_prediction_does_not_depend_on_the_word_it_is_of(
        self, language_model: LanguageModel, position: int
    ) -> None:
        """What says which word comes next has seen none of the words from there on; nor the other way round."""
        encoder = LSTMEncoder(5, hidden_dim=WIDTH // 2)
        features, lengths = torch.randn(1, 5, 5), torch.tensor([5])
        changed = features.clone()
        changed[0, position] += 1.0
        mask = torch.ones(1, 5, dtype=torch.bool)
        (after, before), (other_after, other_before) = (
            (scores[:5] for scores in language_model(encoder(each, lengths), mask)) for each in (features, changed)
        )
        assert torch.equal(after[:position], other_after[:position])
        assert not torch.equal(after[position:], other_after[position:])
        assert torch.equal(before[position + 1 :], other_before[position + 1 :])
        assert not torch.equal(before[: position + 1], other_before[: position + 1])

"""Remembered features against the network's own, the oracle."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tagger.inference.form_features as form_features_module
from tagger.config import AffixesConfig, CharactersConfig, FeaturesConfig, ModelConfig, WordsConfig
from tagger.data.batches import collate
from tagger.data.vocab import FormTable, Vocabulary
from tagger.inference.form_features import FormFeatures
from tagger.model.features import TokenFeatures
from tagger.model.network import Sizes, build_network

CPU = torch.device("cpu")
WORDS = ["the", "The", "cat", "Katze", "42", "sat", "é", "x" * 40]
KINDS = ["cnn", "lstm", "none"]


def _build(kind: str) -> tuple[TokenFeatures, Vocabulary]:
    config = FeaturesConfig(
        words=WordsConfig(dim=5),
        characters=CharactersConfig(kind=kind, dim=4, hidden_dim=6),
        affixes=AffixesConfig(dim=3),
    )
    vocabulary = Vocabulary.build(
        dict.fromkeys(WORDS[:5], 1),
        tags=["X"],
        extra_words=[],
        words=config.words,
        characters=config.characters,
        affixes=config.affixes,
    )
    sizes = Sizes(
        num_words=vocabulary.num_word_ids,
        num_characters=vocabulary.num_character_ids,
        num_affixes=vocabulary.num_affixes,
        num_tags=1,
    )
    torch.manual_seed(1)
    return build_network(config, ModelConfig(hidden_dim=2), sizes).features.train(False), vocabulary


def _compute(features: TokenFeatures, vocabulary: Vocabulary, sentences: list[list[str]]) -> torch.Tensor:
    """(B, T, D) with zeros where padded, every form worked out anew."""
    table = FormTable(vocabulary)
    batch = collate(table.rows(sentences), table=table, tags=None)
    with torch.no_grad():
        return features.train(False)(batch) * batch.mask.unsqueeze(2)


sentences = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), min_size=1, max_size=4)


@settings(max_examples=40)
@given(batches=st.lists(sentences, min_size=1, max_size=5), kind=st.sampled_from(KINDS), max_size=st.integers(0, 9000))
def test_they_are_the_networks_own(batches, kind, max_size):
    features, vocabulary = _build(kind)
    remembered = FormFeatures(features, vocabulary, max_size=max_size, device=CPU)
    for batch in batches:
        found, lengths = remembered.look_up(batch)
        assert lengths.tolist() == [len(tokens) for tokens in batch]
        torch.testing.assert_close(found, _compute(features, vocabulary, batch))


class TestNewWeights:
    @pytest.mark.parametrize("fused", [False, True])
    def test_are_noticed_after_training(self, fused):
        features, vocabulary = _build("cnn")
        remembered = FormFeatures(features, vocabulary, max_size=10**6, device=CPU)
        before, _ = remembered.look_up([["cat", "sat"]])
        table = FormTable(vocabulary)
        features.train()
        optimizer = torch.optim.AdamW(features.parameters(), lr=0.1, fused=fused)
        features(collate(table.rows([["cat", "sat"]]), table=table, tags=None)).square().sum().backward()
        optimizer.step()
        features.train(False)
        after, _ = remembered.look_up([["cat", "sat"]])
        assert not torch.equal(before, after)
        torch.testing.assert_close(after, _compute(features, vocabulary, [["cat", "sat"]]))

    def test_are_noticed_when_loaded(self):
        features, vocabulary = _build("cnn")
        remembered = FormFeatures(features, vocabulary, max_size=10**6, device=CPU)
        remembered.look_up([["cat"]])
        features.load_state_dict({name: value + 1 for name, value in features.state_dict().items()})
        torch.testing.assert_close(remembered.look_up([["cat"]])[0], _compute(features, vocabulary, [["cat"]]))


def test_threads_do_not_mix_forms_up():
    features, vocabulary = _build("cnn")
    remembered = FormFeatures(features, vocabulary, max_size=1500, device=CPU)
    wrong: list[str] = []

    def work(seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        for _ in range(100):
            words = [WORDS[number] for number in torch.randint(0, len(WORDS), (4,), generator=draw)]
            found, _ = remembered.look_up([words])
            if not torch.allclose(found, _compute(features, vocabulary, [words]), atol=1e-6):
                wrong.append(" ".join(words))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_has_been_handed_out_stays_as_it_was():
    """Though the table grows, is filled further and starts afresh: another thread may still be reading."""
    features, vocabulary = _build("cnn")
    remembered = FormFeatures(features, vocabulary, max_size=40_000, device=CPU)
    asked = [[f"{word}{number}" for word in WORDS] for number in range(60)]
    held = [(words, remembered.look_up([words])[0], remembered._known, remembered._num_known) for words in asked]
    assert len({known.data_ptr() for *_, known, _ in held}) > 8  # grown and forgotten, again and again
    copies = [known[:count].clone() for *_, known, count in held]
    remembered.look_up([[f"more{number}" for number in range(50)]])
    for (words, found, known, count), copy in zip(held, copies, strict=True):
        torch.testing.assert_close(found, _compute(features, vocabulary, [words]))
        assert torch.equal(known[:count], copy)


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_goes_on_after_a_failure(failing, monkeypatch):
    """No memory, or Ctrl-C, in the midst of learning."""
    monkeypatch.setattr(form_features_module, "FORMS_AT_ONCE", 2)
    features, vocabulary = _build("cnn")
    remembered = FormFeatures(features, vocabulary, max_size=10**6, device=CPU)
    remembered.look_up([["cat"]])
    compute, calls = features.of_forms, iter(range(1, 99))

    def fail_once(forms):
        if next(calls) == failing:
            raise MemoryError
        return compute(forms)

    monkeypatch.setattr(features, "of_forms", fail_once)
    with pytest.raises(MemoryError):
        remembered.look_up([WORDS])
    torch.testing.assert_close(remembered.look_up([WORDS])[0], _compute(features, vocabulary, [WORDS]))


def test_in_training_nothing_is_remembered():
    features, vocabulary = _build("cnn")
    with pytest.raises(ValueError, match="training"):
        FormFeatures(features.train(), vocabulary, max_size=1500, device=CPU).look_up([["cat"]])

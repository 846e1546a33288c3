"""What is remembered of forms against the network's own, the oracle."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tagger.inference.form_features as form_features_module
from tagger.config import AffixesConfig, CharactersConfig, FeaturesConfig, ModelConfig, WordsConfig
from tagger.data.batches import collate, pad
from tagger.data.vocab import FormTable, Vocabulary
from tagger.inference.form_features import FormFeatures
from tagger.model.network import SequenceTagger, Sizes, build_network

CPU = torch.device("cpu")
WORDS = ["the", "The", "cat", "Katze", "42", "sat", "é", "x" * 40]
KINDS = ["cnn", "lstm", "none"]


def _build(kind: str = "cnn", **options: int) -> tuple[SequenceTagger, Vocabulary]:
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
        num_tags=3,
    )
    torch.manual_seed(1)
    return build_network(config, ModelConfig(hidden_dim=2, **options), sizes).train(False), vocabulary


def _compute(network: SequenceTagger, vocabulary: Vocabulary, sentences: list[list[str]]) -> torch.Tensor:
    """(B, T, W), every token worked out anew, padding too."""
    table = FormTable(vocabulary)
    rows = pad(table.rows(sentences), np.array([len(tokens) for tokens in sentences]))
    with torch.inference_mode():
        return network.train(False).of_forms(table.gather(rows.flatten())).view(*rows.shape, -1)


def _look_up(remembered: FormFeatures, sentences: list[list[str]]) -> torch.Tensor:
    """(B, T, W)."""
    known, rows, lengths = remembered.look_up(sentences)
    sizes = [len(tokens) for tokens in sentences]
    assert lengths.tolist() == sizes
    assert rows.ne(0).tolist() == [[True] * size + [False] * (max(sizes) - size) for size in sizes]
    return known[rows]


def _emit(network: SequenceTagger, vocabulary: Vocabulary, sentences: list[list[str]]) -> torch.Tensor:
    """Emissions of all tokens, (N, K), as in training."""
    table = FormTable(vocabulary)
    batch = collate(table.rows(sentences), table=table, tags=None)
    with torch.inference_mode():
        return network.train(False)(batch)[batch.mask]


sentences = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), min_size=1, max_size=4)


@settings(max_examples=40)
@given(
    batches=st.lists(sentences, min_size=1, max_size=5),
    kind=st.sampled_from(KINDS),
    max_size=st.integers(0, 9000),
    options=st.fixed_dictionaries({"proj_size": st.sampled_from([0, 1]), "bidirectional": st.booleans()}),
)
def test_they_are_the_networks_own(batches, kind, max_size, options):
    network, vocabulary = _build(kind, **options)
    remembered = FormFeatures(network, vocabulary, max_size=max_size, device=CPU)
    for batch in batches:
        torch.testing.assert_close(_look_up(remembered, batch), _compute(network, vocabulary, batch))
        known, rows, lengths = remembered.look_up(batch)
        with torch.inference_mode():
            emissions = network.emissions(known, rows, lengths)
        mask = torch.arange(rows.size(1)) < lengths.unsqueeze(1)
        torch.testing.assert_close(emissions[mask], _emit(network, vocabulary, batch))


def test_what_is_known_is_not_worked_out_again(monkeypatch):
    network, vocabulary = _build()
    remembered = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
    compute, asked = network.of_forms, []

    def count(forms):
        asked.append(np.count_nonzero(forms.character_lengths))
        return compute(forms)

    monkeypatch.setattr(network, "of_forms", count)
    for batch in ([["the", "cat"], ["cat"]], [["cat", "the"]], [["the"], ["sat", "cat", "42"]]):
        remembered.look_up(batch)
    assert asked == [2, 2]  # padding, which fills up what is worked out together, is no form


def test_what_is_known_of_a_form_does_not_depend_on_what_was_met_with_it():
    """To the bit: or a prediction that is resumed would differ from one that was never interrupted."""
    network, vocabulary = _build()
    together = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
    known, rows, _ = together.look_up([WORDS])
    for size in range(1, len(WORDS) + 1):
        apart = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
        for start in range(0, len(WORDS), size):
            apart.look_up([WORDS[start : start + size]])
        found, others, _ = apart.look_up([WORDS])
        assert torch.equal(found[others], known[rows])


class TestNewWeights:
    @pytest.mark.parametrize("fused", [False, True])
    @pytest.mark.parametrize("part", ["features", "encoder", ""])
    def test_are_noticed_after_training(self, fused, part):
        """Where a part of the network alone is trained, too."""
        network, vocabulary = _build()
        remembered = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
        before = _look_up(remembered, [["cat", "sat"]])
        table = FormTable(vocabulary)
        network.get_submodule(part).train()
        optimizer = torch.optim.AdamW(network.get_submodule(part).parameters(), lr=0.1, fused=fused)
        network(collate(table.rows([["cat", "sat"]]), table=table, tags=None)).square().sum().backward()
        optimizer.step()
        network.get_submodule(part).train(False)
        after = _look_up(remembered, [["cat", "sat"]])
        assert (before - after).abs().max() > 0.01
        torch.testing.assert_close(after, _compute(network, vocabulary, [["cat", "sat"]]))

    @pytest.mark.parametrize("part", ["features", "encoder", ""])
    def test_are_noticed_when_loaded(self, part):
        network, vocabulary = _build()
        remembered = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
        before = _look_up(remembered, [["cat"]])
        module = network.get_submodule(part)
        module.load_state_dict({name: value + 1 for name, value in module.state_dict().items()})
        after = _look_up(remembered, [["cat"]])
        assert (before - after).abs().max() > 0.01
        torch.testing.assert_close(after, _compute(network, vocabulary, [["cat"]]))

    @pytest.mark.parametrize("name", ["weight_ih_l0", "bias_ih_l0", "bias_hh_l0"])
    @pytest.mark.parametrize("stack", ["forwards", "backwards"])
    def test_each_of_the_lstm_is_noticed(self, stack, name):
        network, vocabulary = _build()
        remembered = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
        before = _look_up(remembered, [["cat"]])
        with torch.no_grad():
            network.encoder.get_parameter(f"{stack}.0.{name}").add_(1)
        after = _look_up(remembered, [["cat"]])
        changed = (before != after).unflatten(2, (2, -1)).any(dim=3)[0, 0]  # by direction
        assert changed.tolist() == [stack == "forwards", stack == "backwards"]
        torch.testing.assert_close(after, _compute(network, vocabulary, [["cat"]]))


def test_threads_do_not_mix_forms_up():
    network, vocabulary = _build()
    remembered = FormFeatures(network, vocabulary, max_size=1500, device=CPU)
    wrong: list[str] = []

    def work(seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        for _ in range(100):
            words = [WORDS[number] for number in torch.randint(0, len(WORDS), (4,), generator=draw)]
            if not torch.allclose(_look_up(remembered, [words]), _compute(network, vocabulary, [words]), atol=1e-6):
                wrong.append(" ".join(words))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_has_been_handed_out_stays_as_it_was():
    """Though the table grows, is filled further and starts afresh: another thread may still be reading."""
    network, vocabulary = _build()
    remembered = FormFeatures(network, vocabulary, max_size=40_000, device=CPU)
    asked = [[f"{word}{number}" for word in WORDS] for number in range(60)]
    held = [(words, *remembered.look_up([words])[:2], remembered._num_known) for words in asked]
    assert len({known.data_ptr() for _, known, _, _ in held}) > 8  # grown and forgotten, again and again
    copies = [known[:count].clone() for _, known, _, count in held]
    remembered.look_up([[f"more{number}" for number in range(50)]])
    for (words, known, rows, count), copy in zip(held, copies, strict=True):
        torch.testing.assert_close(known[rows], _compute(network, vocabulary, [words]))
        assert torch.equal(known[:count], copy)


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_goes_on_after_a_failure(failing, monkeypatch):
    """No memory, or Ctrl-C, in the midst of learning."""
    monkeypatch.setattr(form_features_module, "FORMS_AT_ONCE", 2)
    network, vocabulary = _build()
    remembered = FormFeatures(network, vocabulary, max_size=10**6, device=CPU)
    remembered.look_up([["cat"]])
    compute, calls = network.of_forms, iter(range(1, 99))

    def fail_once(forms):
        if next(calls) == failing:
            raise MemoryError
        return compute(forms)

    monkeypatch.setattr(network, "of_forms", fail_once)
    with pytest.raises(MemoryError):
        remembered.look_up([WORDS])
    torch.testing.assert_close(_look_up(remembered, [WORDS]), _compute(network, vocabulary, [WORDS]))


def test_in_training_nothing_is_remembered():
    network, vocabulary = _build()
    with pytest.raises(ValueError, match="training"):
        FormFeatures(network.train(), vocabulary, max_size=1500, device=CPU).look_up([["cat"]])

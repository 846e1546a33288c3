"""The tutorial's two configs learn their two sentences exactly, with the tutorial's own settings."""

from pathlib import Path

import pytest

import tagger

CONFIGS = Path(__file__).parent.parent / "configs"
SENTENCES = ["The cook poured the soup", "Nobody fed that cat"]
TAGS = [("DET", "NN", "V", "DET", "NN"), ("NN", "V", "DET", "NN")]
SEEDS = (1, 2, 3, 4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["tutorial_pos", "tutorial_char"])
def test_both_sentences_are_learned_exactly(name: str, seed: int, tmp_path: Path) -> None:
    config = tagger.load_config(CONFIGS / f"{name}.yaml", ["--training.seed", str(seed)])
    report = tagger.train(config, tmp_path / "run")
    assert report.num_tokens == 9
    assert report.scores.main == 1.0
    predictions = tagger.load(tmp_path / "run", device="cpu").predict([text.split() for text in SENTENCES])
    assert [prediction.tags for prediction in predictions] == TAGS


@pytest.mark.parametrize("name", ["tutorial_pos", "tutorial_char"])
def test_the_settings_are_the_tutorials(name: str) -> None:
    config = tagger.load_config(CONFIGS / f"{name}.yaml")
    assert (config.features.words.dim, config.model.hidden_dim, config.model.num_layers) == (6, 6, 1)
    assert not config.model.bidirectional
    training = config.training
    assert (training.optimizer, training.learning_rate, training.num_epochs) == ("sgd", 0.1, 300)
    assert config.training.seed == SEEDS[0]
    assert (config.features.characters.kind == "lstm") == (name == "tutorial_char")

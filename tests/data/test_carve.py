"""A dev split taken from train."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import Config, DataConfig, ModelConfig, TrainingConfig
from tagger.config_checks import check_config
from tagger.data.carve import carve_dev
from tagger.data.corpus import load_corpus
from tagger.errors import ConfigError, DataError
from tagger.sentence import Sentence
from tagger.training.caveats import find_caveats
from tagger.training.run import train
from tests.conftest import change

SENTENCES = [Sentence(tokens=(f"w{number}",), tags=("X",)) for number in range(40)]


def words(sentences: Sequence[Sentence]) -> list[str]:
    return [" ".join(sentence.tokens) for sentence in sentences]


@given(
    lengths=st.lists(st.integers(0, 3), min_size=2, max_size=60).filter(lambda found: sum(map(bool, found)) > 1),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_sentence_is_in_one_part_in_its_order(lengths: list[int], share: float, seed: int) -> None:
    given_train = [Sentence(tokens=(f"w{at}",) * length, source=str(at)) for at, length in enumerate(lengths)]
    rest, dev = carve_dev(given_train, share=share, seed=seed, where="t")
    places = [[int(str(sentence.source)) for sentence in part] for part in (rest, dev)]
    assert [sorted(found) for found in places] == places
    assert sorted([*places[0], *places[1]]) == list(range(len(lengths)))
    assert all(map(len, dev))
    assert any(map(len, rest))
    filled = sum(map(bool, lengths))
    assert abs(len(dev) - share * filled) <= 1


def test_the_same_sentences_everywhere() -> None:
    """Held as they were first drawn: another machine, Python or release must draw the same."""
    _, dev = carve_dev(SENTENCES, share=0.1, seed=1, where="t")
    assert words(dev) == ["w1", "w16", "w32", "w35"]
    _, other = carve_dev(SENTENCES, share=0.1, seed=2, where="t")
    assert words(other) != words(dev)


def test_any_kind_of_sequence() -> None:
    rest, dev = carve_dev(tuple(SENTENCES), share=0.25, seed=1, where="t")
    assert (type(rest), type(dev)) == (tuple, tuple)
    assert (len(rest), len(dev)) == (30, 10)


def test_too_few_sentences() -> None:
    with pytest.raises(DataError, match=r"^t: holds 1 sentence, too few to take a dev split from \(data\.dev_share\)$"):
        carve_dev([SENTENCES[0], Sentence(tokens=())], share=0.5, seed=1, where="t")


def write(folder: Path) -> str:
    path = folder / "train.conll"
    path.write_text("".join(f"w{at} {'B-X' if at % 2 else 'O'}\n\n" for at in range(20)), encoding="utf-8")
    return str(path)


def test_the_manifest_tells(tmp_path: Path) -> None:
    path = write(tmp_path)
    corpus = load_corpus(DataConfig(train=path, scheme="BIO", dev_share=0.2, dev_seed=3))
    assert (len(corpus.train), len(corpus.dev)) == (16, 4)
    whole = load_corpus(DataConfig(train=path, scheme="BIO"))
    assert sorted(words(corpus.train) + words(corpus.dev)) == sorted(words(whole.train))
    train_origin, dev_origin = corpus.manifest["train"], corpus.manifest["dev"]
    assert train_origin["source"] == f"{path} (without 0.2 drawn by seed 3)"
    assert train_origin["sha256"] == whole.manifest["train"]["sha256"]
    assert (train_origin["sentences"], dev_origin["sentences"]) == (16, 4)
    assert dev_origin["source"] == f"{path} (0.2 drawn by seed 3)"
    assert (dev_origin["drawn_share"], dev_origin["drawn_seed"]) == ("0.2", "3")
    assert not any("same data" in caveat for caveat in find_caveats(corpus))


def test_the_seed_of_training_has_no_part_in_it(tmp_path: Path) -> None:
    data = DataConfig(train=write(tmp_path), scheme="BIO", dev_share=0.2)
    config = Config(data=data, model=ModelConfig(hidden_dim=4), training=TrainingConfig(num_epochs=1, device="cpu"))
    reports = [train(change(config, {"training.seed": seed}), tmp_path / str(seed)) for seed in (1, 2)]
    assert [report.split for report in reports] == ["dev", "dev"]
    assert reports[0].facts["dev data"] == reports[1].facts["dev data"]
    assert reports[0].title == "1 on train.conll (0.2 drawn by seed 1)"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            DataConfig(train="t", dev="d", dev_share=0.1),
            "data.dev_share: there is a dev split already (data.dev); name none, or",
        ),
        (
            DataConfig(format="hub", name="o/n", dev_share=0.1),
            "data.dev_share: there is a dev split already (the default",
        ),
        (
            DataConfig(format="hub", name="o/n", splits={"train": "a", "dev": "b"}, dev_share=0.1),
            "data.dev_share: there is a dev split already (data.splits)",
        ),
        (DataConfig(train="t", dev_seed=2), "data.dev_seed: has no effect without data.dev_share; leave it out"),
        (DataConfig(train="t", dev_share=1.0), "data.dev_share: expected a number >= 0 and < 1, got 1.0"),
        (DataConfig(train="t", dev_share=-0.1), "data.dev_share: expected a number >= 0 and < 1, got -0.1"),
        (
            DataConfig(train="t", test="u", dev_share=0.1, unknown_tag="_"),
            "data.dev_share: cannot be combined with data.unknown_tag",
        ),
    ],
)
def test_settings_that_do_not_fit(data: DataConfig, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config(Config(data=data), where="c")
    assert str(caught.value).startswith(f"c: {message}")


def test_settings_that_fit() -> None:
    patient = TrainingConfig(patience=3)
    check_config(Config(data=DataConfig(train="t", dev_share=0.1, dev_seed=7), training=patient), where="c")
    hub = DataConfig(format="hub", name="o/n", splits={"train": "a", "test": "b"}, dev_share=0.1)
    check_config(Config(data=hub, training=patient), where="c")

"""What several tests share: tiny trained run folders, and a tiny corpus with a config that trains on it in no time.

Training takes a second or two, so it is done once a session (once a worker under pytest-xdist). Tests that write into
a run folder copy it first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

import tagger.data
from tagger.config import (
    AffixesConfig,
    CharactersConfig,
    Config,
    DataConfig,
    FeaturesConfig,
    ModelConfig,
    TrainingConfig,
    WordsConfig,
)
from tagger.inference.loading import load
from tagger.inference.predictor import Predictor
from tagger.training.run import train

# A busy machine draws examples slowly; no test is timed, and neither is the drawing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SAMPLE = Path(tagger.data.__file__).parent / "sample"
SPLITS = ("train", "dev", "test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """One torch thread: workers share the cores, and bits then do not depend on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder of the tests' own: what the user has in theirs changes nothing, and stays as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def pos_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a softmax tagger of parts of speech, trained on the embedded corpus; not to be written to."""
    folder = tmp_path_factory.mktemp("runs") / "pos"
    train(small_config(SAMPLE), folder)
    return folder


@pytest.fixture(scope="session")
def ner_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a CRF tagger of BIO entities, trained on the embedded corpus; not to be written to."""
    folder = tmp_path_factory.mktemp("runs") / "ner"
    config = small_config(SAMPLE)
    settings = {
        "data.tags": "NER",
        "data.scheme": "BIO",
        "features.characters": CharactersConfig(dim=8, hidden_dim=12),
        "model.head": "crf",
        "training.num_epochs": 3,
        "training.batch_size": 8,
        "training.learning_rate": 0.02,
        "training.schedule": "constant",
    }
    train(change(config, settings), folder)
    return folder


@pytest.fixture(scope="session")
def pos_predictor(pos_run: Path) -> Predictor:
    return load(pos_run, device="cpu")


@pytest.fixture(scope="session")
def ner_predictor(ner_run: Path) -> Predictor:
    return load(ner_run, device="cpu")


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first 24 train, 8 dev and 8 test sentences of the embedded corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    for split, count in zip(SPLITS, (24, 8, 8), strict=True):
        write_head(SAMPLE / f"{split}.conllu", folder / f"{split}.conllu", count)
    return folder


@pytest.fixture
def tiny_config(tiny_corpus: Path) -> Config:
    """A config that trains on `tiny_corpus` in a fraction of a second."""
    settings = {"training.num_epochs": 2, "training.batch_size": 8, "model.hidden_dim": 8}
    return change(small_config(tiny_corpus), settings)


def small_config(corpus: Path) -> Config:
    """The config of a small tagger of parts of speech on the CoNLL-U files in a folder."""
    train_file, dev, test = (str(corpus / f"{split}.conllu") for split in SPLITS)
    return Config(
        data=DataConfig(format="conllu", train=train_file, dev=dev, test=test),
        features=FeaturesConfig(
            words=WordsConfig(dim=16),
            characters=CharactersConfig(kind="none"),
            affixes=AffixesConfig(dim=8, num_buckets=500),
        ),
        model=ModelConfig(hidden_dim=24, input_dropout=0.2, output_dropout=0.2),
        training=TrainingConfig(num_epochs=2, batch_size=16, learning_rate=0.01, device="cpu", precision="fp32"),
    )


def change(config: Config, settings: Mapping[str, Any]) -> Config:
    """The config with some `section.key` values changed."""
    for key, value in settings.items():
        config = _change(config, key.split("."), value)
    return config


def _change(section: Any, keys: list[str], value: Any) -> Any:
    name, *rest = keys
    return replace(section, **{name: _change(getattr(section, name), rest, value) if rest else value})


def write_head(source: Path, target: Path, count: int) -> None:
    """Copies the first sentences of a CoNLL-U file."""
    sentences = source.read_text(encoding="utf-8").split("\n\n")
    target.write_text("".join(f"{sentence}\n\n" for sentence in islice(sentences, count)), encoding="utf-8")

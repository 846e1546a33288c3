"""find_suspect_gold(): every sentence is asked about once, by a model that has not seen it; nothing is written."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import tagger.training.suspects as suspects_module
from benchmarks.suspects import corrupt, read_columns, write_columns, wrong_places
from tagger.config import Config, DataConfig
from tagger.data.conllu import read_conllu
from tagger.errors import ConfigError, DataError
from tagger.training.disagreements import FoldFinished
from tagger.training.position import Epoch
from tagger.training.suspects import CrossValidation, Event, FoldStarted, find_suspect_gold
from tests.conftest import SAMPLE, change, small_config


def find(config: Config, **changes: Any) -> tuple[CrossValidation, list[Event]]:
    events: list[Event] = []
    settings = {"num_folds": 3, "min_confidence": 0.0, **changes}
    return find_suspect_gold(config, listener=events.append, **settings), events


def spy(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[tuple[str, ...]], ...]]:
    """What each fold's model learns from, chooses its best epoch by, and is asked about."""
    parts: list[tuple[set[tuple[str, ...]], ...]] = []
    inner = suspects_module._cross_predict

    def note(config: Config, part: Any, **rest: Any) -> Any:
        parts.append(tuple({each.tokens for each in split} for split in (part.train, part.dev, part.test)))
        return inner(config, part, **rest)

    monkeypatch.setattr(suspects_module, "_cross_predict", note)
    return parts


def test_folds(tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parts = spy(monkeypatch)
    state = torch.get_num_threads()
    found, events = find(tiny_config)
    train = {each.tokens for each in read_conllu(Path(str(tiny_config.data.train)))}
    assert all(not learned & asked and learned | asked == train for learned, _, asked in parts)
    assert sum(len(asked) for *_, asked in parts) == len(train)
    assert list(tmp_path.iterdir()) == []
    assert torch.get_num_threads() == state
    kinds = [type(each) for each in events if isinstance(each, FoldStarted | Epoch | FoldFinished)]
    assert kinds == [FoldStarted, Epoch, Epoch, FoldFinished] * 3
    assert found.num_sentences == 24
    assert found.folds == tuple(each for each in events if isinstance(each, FoldFinished))
    confidences = [each.confidence for each in found.suspects]
    assert confidences == sorted(confidences, reverse=True)
    lines = Path(str(tiny_config.data.train)).read_text().split("\n")
    for each in found.suspects:
        cells = lines[int(each.where.rpartition(":")[2]) - 1].split("\t")
        assert (cells[1], cells[3]) == (each.sentence.tokens[each.start], each.gold)
        assert each.gold != each.predicted
    assert find(tiny_config)[0] == found
    sure = find(tiny_config, min_confidence=confidences[5])[0]
    assert sure.suspects == found.suspects[: len(sure.suspects)]
    assert min(each.confidence for each in sure.suspects) >= confidences[5]


def test_dev_drawn_from_train_holds_nothing_that_is_asked_about(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = spy(monkeypatch)
    found, _ = find(change(tiny_config, {"data.dev": None, "data.dev_share": 0.25}))
    assert found.num_sentences == 24
    assert all(dev and not asked & (learned | dev) for learned, dev, asked in parts)


def test_labels_that_one_fold_has(tiny_config: Config, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"tokens": ["a", str(number)], "tags": ["N", "V"]} for number in range(8)]
    rows += [{"tokens": ["odd"], "tags": ["ODD"]}, {"tokens": [], "tags": []}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = DataConfig(format="jsonl", train=str(path))
    found, events = find(change(tiny_config, {"data": data}))
    assert (found.rare, found.num_sentences) == (("ODD",), 9)
    assert sorted(each.unseen for each in events if isinstance(each, FoldStarted)) == [(), (), ("ODD",)]
    assert f"{path}:9 token 1" in [each.where for each in found.suspects]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_folds": 25}, r"^--folds: expected a number in \[2, 24\]"),
        ({"min_confidence": 1.5}, r"^--min-confidence: expected a number in \[0, 1\], got 1\.5"),
        ({"min_confidence": float("nan")}, "^--min-confidence: .* got nan"),
    ],
)
def test_settings(settings: dict[str, Any], message: str, tiny_config: Config) -> None:
    with pytest.raises(ConfigError, match=message):
        find(tiny_config, **settings)


def test_bad_data(tiny_config: Config, tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("1\ta\n")
    with pytest.raises(DataError, match=r"a\.conllu:1: expected 10 columns"):
        find(change(tiny_config, {"data.train": str(path)}))


@pytest.mark.slow
def test_finds_what_was_corrupted(tmp_path: Path) -> None:
    """One token in 33 is wrong; of the 20 that the models are surest of, more than half are."""
    clean = list(read_conllu(SAMPLE / "train.conllu"))
    corrupted = corrupt(clean, share=0.03, seed=1)
    write_columns(corrupted, tmp_path / "train.conll")
    settings = {"training.num_epochs": 4, "training.learning_rate": 0.02, "data.dev": None, "data.test": None}
    config = read_columns(change(small_config(SAMPLE), settings), tmp_path / "train.conll", folder=tmp_path)
    wrong = wrong_places(clean, corrupted)
    found = find(config)[0].suspects[:20]
    assert sum(int(each.where.rpartition(":")[2]) in wrong for each in found) > 10

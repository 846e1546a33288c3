"""Several seeds: the statistics by hand, and runs that are broken off and gone on with."""

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tagger.config import Config
from tagger.errors import ConfigError, OutputError
from tagger.evaluation.builder import build_report
from tagger.evaluation.report import Report
from tagger.sentence import Sentence
from tagger.training.run import train
from tagger.training.seeds import SeedReport, SeedScore, render_seeds, train_seeds
from tests.training.test_run import hash_of, names


def make_report(*right: bool, scheme: str = "plain") -> Report:
    """A report on sentences of one token, right or wrong."""
    tags = ("X", "Y") if scheme == "plain" else ("B-X", "O")
    gold = [Sentence(tokens=("a",), tags=(tags[0],)) for _ in right]
    predicted = [Sentence(tokens=("a",), tags=(tags[0] if each else tags[1],)) for each in right]
    return build_report(gold, predicted, title="t", split="test", scheme=scheme)


def played(*reports: Report) -> Any:
    left = iter(reports)

    def play(config: Config, out: Path, *, resume: bool, allow_changes: bool) -> Report:
        out.mkdir(parents=True, exist_ok=True)
        (out / "seed").write_text(f"{config.training.seed} {resume} {allow_changes}")
        return next(left)

    return play


def test_by_hand(tiny_config: Config, tmp_path: Path) -> None:
    reports = [make_report(True, True, True, True), make_report(True, False, True, True), make_report(True, False)]
    found = train_seeds(tiny_config, tmp_path / "run", num_seeds=3, train=played(*reports))
    main = found.scores[0]
    assert (found.title, found.split, found.seeds) == ("run", "test", (1, 2, 3))
    assert (main.name, main.rule, main.values) == ("accuracy", "accuracy over tokens", (1.0, 0.75, 0.5))
    assert main.mean == 0.75
    assert main.deviation == pytest.approx(0.25)
    written = json.loads((tmp_path / "run" / "seeds.json").read_text())
    assert written["seeds"] == [1, 2, 3]
    assert written["scores"]["accuracy"] == {
        "rule": "accuracy over tokens",
        "mean": 0.75,
        "deviation": pytest.approx(0.25),
        "min": 0.5,
        "max": 1.0,
        "values": [1.0, 0.75, 0.5],
    }
    assert [(tmp_path / "run" / f"seed-{seed}" / "seed").read_text() for seed in (1, 2, 3)] == [
        f"{seed} False False" for seed in (1, 2, 3)
    ]
    lines = render_seeds(found).splitlines()
    assert lines[0] == "run on test, 3 seeds: 1 to 3"
    assert lines[3].split()[:5] == ["accuracy", "75.00", "25.00", "50.00", "100.00"]
    assert lines[-1] == "accuracy of each: 100.00, 75.00, 50.00"


def test_spans(tiny_config: Config, tmp_path: Path) -> None:
    reports = [make_report(True, scheme="BIO"), make_report(False, scheme="BIO")]
    found = train_seeds(tiny_config, tmp_path, num_seeds=2, train=played(*reports))
    assert [score.name for score in found.scores][:4] == ["micro F1", "precision", "recall", "strict F1"]
    precision = found.scores[1]
    assert precision.values == (1.0, None)  # nothing was predicted
    assert (precision.mean, precision.deviation) == (1.0, None)
    assert render_seeds(found).splitlines()[-1] == "micro F1 of each: 100.00, 0.00"


def test_one_seed_has_no_deviation(tiny_config: Config, tmp_path: Path) -> None:
    found = train_seeds(tiny_config, tmp_path, num_seeds=1, train=played(make_report(True)))
    assert found.scores[0].deviation is None
    assert render_seeds(found).startswith(f"{tmp_path.name} on test, 1 seed: 1 to 1\n")


def test_deviation_is_that_of_a_sample() -> None:
    values = (0.2, 0.4, 0.9)
    score = SeedScore(name="a", rule="b", values=(*values, None))
    assert score.deviation == statistics.stdev(values)
    assert SeedScore(name="a", rule="b", values=(None,)).mean is None
    assert '"mean": null' in SeedReport(title="t", split="s", seeds=(1,), scores=(replace(score, values=()),)).to_json()


@pytest.mark.parametrize("number", [0, -1, 1001])
def test_how_many(number: int, tiny_config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^--seeds: expected a number in \[1, 1000\], got {number}$"):
        train_seeds(tiny_config, tmp_path / "run", num_seeds=number)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["seed-2", "seeds.json"])
def test_what_is_there_is_not_overwritten(name: str, tiny_config: Config, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=rf"^--out: .*{name} is there already; --resume goes on with it"):
        train_seeds(tiny_config, tmp_path, num_seeds=2)
    assert names(tmp_path) == [name]


def test_a_place_that_cannot_be_written(tiny_config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        train_seeds(tiny_config, tmp_path / "file", num_seeds=2)


def test_broken_off_and_gone_on_with(tiny_config: Config, tmp_path: Path) -> None:
    """In earnest: what is finished stays, what is not goes on, and each run is the one that its seed gives."""
    whole = train_seeds(tiny_config, tmp_path / "whole", num_seeds=2)
    seeds = iter((1, 2))

    def stop(config: Config, out: Path, *, resume: bool, allow_changes: bool) -> Report:
        if next(seeds) == 2:
            raise KeyboardInterrupt
        return train(config, out, resume=resume, allow_changes=allow_changes)

    with pytest.raises(KeyboardInterrupt):
        train_seeds(tiny_config, tmp_path / "run", num_seeds=2, train=stop)
    first = (tmp_path / "run" / "seed-1" / "report.json").stat().st_mtime_ns
    found = train_seeds(tiny_config, tmp_path / "run", num_seeds=2, resume=True)
    assert found.scores == whole.scores
    assert (tmp_path / "run" / "seed-1" / "report.json").stat().st_mtime_ns == first
    for seed in (1, 2):
        assert hash_of(tmp_path / "run" / f"seed-{seed}") == hash_of(tmp_path / "whole" / f"seed-{seed}")
    assert hash_of(tmp_path / "run" / "seed-1") != hash_of(tmp_path / "run" / "seed-2")

from pathlib import Path

import pytest

import tagger
from tagger.config import Config
from tests.cli.command import call, fail, write_yaml

CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.yaml"))
SMALL = ["data:", "  train: train.conll", "model: {hidden_dim: 8}"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_yaml(tmp_path / "small.yaml", SMALL)


def test_it_prints_yaml_that_reloads_equal(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "config", small)
    assert (done.code, done.err) == (0, "")
    again = write_yaml(tmp_path / "again.yaml", [done.out])
    assert tagger.load_config(again) == tagger.load_config(small)
    assert call(capsys, "config", again).out == done.out


def test_it_fills_in_defaults_and_makes_paths_absolute(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = call(capsys, "config", small).out
    assert f"  train: {small.parent / 'train.conll'}\n" in out
    assert "  hidden_dim: 8\n" in out
    assert f"  num_epochs: {Config().training.num_epochs}\n" in out


@pytest.mark.parametrize("words", [["--model.num_layers", "2"], ["--model.num_layers=2"]])
def test_settings_override(words: list[str], small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "config", *words, small)
    assert done.code == 0
    assert "  num_layers: 2\n" in done.out


def test_paths_given_as_settings_belong_to_the_working_folder(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    out = call(capsys, "config", small, "--data.dev", "dev.conll").out
    assert f"  dev: {tmp_path / 'elsewhere' / 'dev.conll'}\n" in out
    assert f"  train: {tmp_path / 'train.conll'}\n" in out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model: {hiden_dim: 8}", ["model.hiden_dim: no such key (did you mean hidden_dim?)"]),
        ("modle: {hidden_dim: 8}", ["modle: no such key (did you mean model?)"]),
        ("model: {dropout: 1.5, num_layers: 2}", ["model.dropout", "1.5"]),
        ("model: {num_layers: two}", ["model.num_layers", "two"]),
        ("model: {head: crff}", ["model.head", "softmax", "crf", "crff"]),
        ("training: {learning_rate: 0}", ["training.learning_rate", "> 0"]),
        ("training: {momentum: 0.9}", ["training.momentum", "no effect", "adamw"]),
        ("model: {hidden_dim: 8", ["not YAML"]),
    ],
)
def test_a_wrong_config_names_file_and_key(
    line: str, expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_yaml(tmp_path / "wrong.yaml", ["data: {train: train.conll}", line])
    message = fail(capsys, 2, "config", path)
    assert message.startswith(str(path))
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model.hiden_dim", "8"], "did you mean model.hidden_dim?"),
        (["--model.hidden_dim", "wide"], "model.hidden_dim"),
        (["--model.hidden_dim=0"], "model.hidden_dim"),
        (["--model.", "0"], "--model."),
    ],
)
def test_a_wrong_setting_names_its_key(
    words: list[str], expected: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = fail(capsys, 2, "config", small, *words)
    assert expected in message
    assert "command line" in message


def test_a_missing_config_is_66(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(capsys, 66, "config", tmp_path / "absent.yaml") == f"{tmp_path / 'absent.yaml'}: no such file"


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent.parent.parent / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_config_of_the_project_is_valid(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "config", path)
    assert (done.code, done.err) == (0, "")

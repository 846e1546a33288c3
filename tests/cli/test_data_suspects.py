"""`tagger data suspects`: what is printed, where it goes, and the exit codes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tagger.training.suspects as suspects_module
from tests.cli.command import call, fail, on_terminal, write_yaml

SMALL = ("--folds", 2, "--min-confidence", 0, "--training.num_epochs", 2)


@pytest.fixture
def config(tiny_corpus: Path, tmp_path: Path) -> Path:
    lines = [
        f"data: {{format: conllu, train: {tiny_corpus}/train.conllu, dev: {tiny_corpus}/dev.conllu}}",
        "features: {words: {dim: 8}, characters: {kind: none}, affixes: {dim: 4, num_buckets: 50}}",
        "model: {hidden_dim: 8}",
        "training: {batch_size: 8, device: cpu, precision: fp32, num_threads: 1}",
    ]
    return write_yaml(tmp_path / "a.yaml", lines)


def test_text(config: Path, tiny_corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "data", "suspects", config, *SMALL, "--limit", 3)
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.fullmatch(
            rf"{tiny_corpus}/train\.conllu:\d+: [01]\.\d{{4}}  [A-Z]+ -> [A-Z]+  .*\[\[\S+\]\].*", line
        ), line
    progress = done.err.splitlines()
    assert re.fullmatch(r"fold 1/2  trains on \d+ sentences, looks at \d+ sentences  on cpu", progress[0])
    assert any(re.fullmatch(r"fold 2/2  epoch 2/2  loss \S+  dev \S+  about 0:00:00 left", line) for line in progress)
    assert re.fullmatch(r".* in 24 sentences, \d+ tokens; the first 3 are listed, --limit all lists all", progress[-1])
    assert [path.name for path in config.parent.iterdir()] == [config.name]


def test_json_in_a_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = config.parent / "found.json"
    done = call(capsys, "data", "suspects", config, *SMALL, "--json", "--limit", "all", "--out", out)
    assert (done.code, done.out) == (0, "")
    found = json.loads(out.read_text())
    assert found["total"] == len(found["suspects"]) == sum(fold["suspects"] for fold in found["folds"])
    assert (found["sentences"], len(found["folds"]), found["seed"]) == (24, 2, 1)
    first = found["suspects"][0]
    assert first["tags"][first["start"]] == first["gold"] != first["predicted"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--folds", "1"], 2, "--folds: expected a number in [2, 24], the number of different sentences, got 1"),
        (["--folds", "x"], 2, "argument --folds: expected a number from 1, got 'x'"),
        (["--limit", "0"], 2, "argument --limit: expected a number from 1, got '0'"),
        (["--min-confidence", "2"], 2, "--min-confidence: expected a number in [0, 1], got 2.0"),
        (["--data.train", "none.conllu"], 66, "none.conllu: no such file"),
        (["--training.epochs", "2"], 2, "command line: --training.epochs: no such key"),
        (["--out", "."], 74, ".: is a folder, expected a file"),
        (["--out", "no/such/file"], 74, "no/such: no such folder"),
    ],
)
def test_usage(
    words: list[str],
    code: int,
    message: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(config.parent)
    assert (
        fail(capsys, code, "data", "suspects", config, *words)
        .replace(f"{config.parent}/none", "none")
        .startswith(message)
    )


def test_interrupted(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = config.parent / "found"
    inner, calls = suspects_module._cross_predict, []

    def interrupt(*given: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return inner(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(suspects_module, "_cross_predict", interrupt)
    # a shell that runs the tests in the background has them ignore SIGINT
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = call(capsys, "data", "suspects", config, *SMALL, "--out", out)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-1] == (
        "tagger: interrupted; 1 of 2 folds were done; nothing was listed, and nothing is kept: "
        "the next run begins again"
    )
    assert not out.exists()


def test_the_bar_is_for_terminals(config: Path, tmp_path: Path) -> None:
    listed = tmp_path / "listed"
    code, shown = on_terminal("data", "suspects", config, *SMALL, stdout=listed)
    assert code == 0
    assert "fold 2/2" in shown
    assert "epoch 2/2" in shown
    assert "left" in shown
    assert listed.read_bytes().count(b" -> ") > 3


def test_help_is_quick() -> None:
    script = (
        "import sys; from tagger.cli.main import main\n"
        "assert main(['data', 'suspects', '--help']) == 0\n"
        "assert not {'torch', 'datasets'} & set(sys.modules), 'too much was imported'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

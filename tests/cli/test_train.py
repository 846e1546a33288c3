import io
import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import tagger
from tagger.cli.progress import TrainingProgress
from tagger.data.corpus import Corpus
from tagger.errors import ConfigError
from tagger.sentence import Sentence
from tagger.training import loop, position
from tagger.training import run as training
from tagger.training.lock import locked
from tests.cli.command import Done, call, command, environment, fail, on_terminal, only_line, write_yaml

ESCAPE = "\x1b["
TRAIN = ["The\tDET", "cat\tNOUN", "sleeps\tVERB", "", "A\tDET", "dog\tNOUN", "barks\tVERB", ""]
CONFIG = [
    "data: {train: train.conll, dev: train.conll}",
    "features:",
    "  words: {dim: 8, singleton_dropout: 0}",
    "  characters: {kind: none}",
    "  affixes: {dim: 0}",
    "model: {hidden_dim: 8, input_dropout: 0, output_dropout: 0}",
    "training: {num_epochs: 2, batch_size: 1, device: cpu, precision: fp32, num_threads: 1}",
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_yaml(tmp_path / "train.conll", TRAIN)
    return write_yaml(tmp_path / "tiny.yaml", CONFIG)


@pytest.fixture(scope="module")
def terminal_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """A run on a terminal, its standard output in a file: exit code, what the terminal received, the folder."""
    folder = tmp_path_factory.mktemp("terminal")
    write_yaml(folder / "train.conll", TRAIN)
    config = write_yaml(folder / "tiny.yaml", CONFIG)
    code, received = on_terminal("train", config, "--out", folder / "run", stdout=folder / "report.txt")
    return code, received, folder


def train(capsys: pytest.CaptureFixture[str], config: Path, *words: object) -> Done:
    return call(capsys, "train", config, "--out", config.parent / "run", *words)


def test_the_report_is_on_standard_output_and_progress_on_standard_error(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = train(capsys, config)
    run = config.parent / "run"
    assert done.code == 0
    assert "accuracy over tokens" in done.out
    assert "epoch" not in done.out.split("Scores")[0]
    lines = done.err.splitlines()
    assert lines[0] == f"train  2 sentences, 6 tokens  {config.parent / 'train.conll'}"
    assert "DET, NOUN, VERB" in done.err
    assert [line[:9] for line in lines if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    assert lines[-1] == f"The model and the report are in {run}"


def test_progress_off_terminals_is_plain_lines(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = train(capsys, config)
    assert done.code == 0
    assert ESCAPE not in done.err
    assert "\r" not in done.err
    assert re.search(
        r"^epoch 2/2  loss \d\.\d{4}  dev \d+\.\d\d( \*)?  [\d,]+ tokens/s  \d+\.\d s$", done.err, re.MULTILINE
    )


def test_the_run_folder_holds_what_is_promised(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(capsys, config).code == 0
    run = config.parent / "run"
    assert {"config.yaml", "model", "metrics.jsonl", "report.json", "report.md", "report.html"} <= {
        path.name for path in run.iterdir()
    }
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    assert tagger.load(run, device="cpu").predict([["The", "dog"]])[0].tokens == ("The", "dog")


def test_unknown_tags_are_counted(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["The\tDET", "cat\tNOUN", "sleeps\t_", "", "A\tDET", "dog\t_", "barks\tVERB"]
    path = write_yaml(config.parent / "half.conll", rows)
    done = train(capsys, config, "--data.train", path, "--data.unknown_tag", "_")
    assert done.code == 0
    lines = done.err.splitlines()
    assert lines[0] == f"train  2 sentences, 6 tokens  {path}; 2 unknown tags"
    assert lines[1].endswith("train.conll")  # nothing to count in dev
    assert lines[2] == "tags   DET, NOUN, VERB"


def test_settings_of_the_command_line_win(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = train(capsys, config, "--training.num_epochs", "1", "--model.hidden_dim=5")
    assert done.code == 0
    assert "epoch 1/1" in done.err
    saved = tagger.load_config(config.parent / "run" / "config.yaml")
    assert (saved.training.num_epochs, saved.model.hidden_dim) == (1, 5)


def test_an_existing_run_is_not_overwritten(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(capsys, config).code == 0
    report = config.parent / "run" / "report.json"
    before = report.read_bytes()
    message = fail(capsys, 2, "train", config, "--out", config.parent / "run")
    assert str(config.parent / "run") in message
    assert "--out" in message
    assert report.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--data.train", "absent.conll"], 66, ["absent.conll", "no such file"]),
        (["--data.train", "short.conll"], 65, ["short.conll:2: expected 2 columns, found 1"]),
        (["--data.tags", "9"], 65, ["train.conll:1", "column 9", "1 = The", "2 = DET"]),
        (["--data.tags", "pos"], 2, ["data.tags", "header"]),
        (["--data.tags", "pos", "--data.header", "true"], 65, ["train.conll:1", "'pos'", "The, DET"]),
        (["--data.train", "empty.conll"], 65, ["empty.conll", "no sentence"]),
        (["--data.dev", "half.conll", "--data.unknown_tag", "_"], 65, ["half.conll:2", "gold must be known here"]),
        (["--data.train", "unknown.conll", "--data.unknown_tag", "_"], 65, ["unknown.conll", "every tag is unknown"]),
        (["--data.dev", "null", "--data.unknown_tag", "_"], 2, ["data.unknown_tag", "needs data.dev or data.test"]),
        (["--model.label_costs", "{NUON: 1}"], 2, ["model.label_costs", "'NUON'", "DET, NOUN, VERB"]),
        (["--training.device", "tpu"], 2, ["training.device", "'tpu'", "auto, cpu, cuda"]),
        (["--training.num_epochs", "0"], 2, ["training.num_epochs", "0"]),
        (["--training.epochs", "3"], 2, ["--training.epochs: no such key"]),
        (["--data", "other.yaml"], 2, ["--data"]),
    ],
)
def test_wrong_input_is_one_line(
    words: list[str],
    code: int,
    expected: list[str],
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(config.parent)
    write_yaml(config.parent / "short.conll", ["The\tDET", "cat", "sleeps\tVERB"])
    write_yaml(config.parent / "empty.conll", [""])
    write_yaml(config.parent / "half.conll", ["The\tDET", "cat\t_"])
    write_yaml(config.parent / "unknown.conll", ["The\t_", "cat\t_"])
    message = fail(capsys, code, "train", config, "--out", config.parent / "run", *words)
    for part in expected:
        assert part in message
    assert not (config.parent / "run").exists()


def test_a_missing_config_is_66(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fail(capsys, 66, "train", tmp_path / "absent.yaml", "--out", tmp_path / "run")
    assert message == f"{tmp_path / 'absent.yaml'}: no such file"


@pytest.mark.parametrize("run", ["taken", "taken/run"])
def test_a_run_folder_that_cannot_be_written_is_74(run: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "taken").write_text("a file")
    done = call(capsys, "train", config, "--out", config.parent / run)
    assert done.code == 74
    assert str(config.parent / "taken") in done.err.splitlines()[-1]
    assert done.out == ""
    assert (config.parent / "taken").read_text() == "a file"


def test_the_help_documents_every_setting_and_no_whole_section(capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "train", "--help")
    assert done.code == 0
    options = re.findall(r"^  (--[a-z]+\.[a-z_.]+)", done.out, re.MULTILINE)
    assert options[0] == "--data.format"
    assert {"--features.words.dim", "--model.head", "--training.seed"} <= set(options)
    assert len(set(options)) == len(options) > 50
    assert "Path to a configuration file" not in " ".join(done.out.split())
    assert not re.search(r"^  --(data|features|model|training)(\.\w+)? CONFIG$", done.out, re.MULTILINE)
    assert "+ " not in done.out


def test_on_a_terminal_a_bar_lives_and_goes(terminal_run: tuple[int, str, Path]) -> None:
    code, received, folder = terminal_run
    assert code == 0, received
    assert "━" in received
    assert f"epoch 1/2 {ESCAPE}" in received
    assert received.rfind(f"{ESCAPE}?25h") > received.rfind(f"{ESCAPE}?25l") >= 0  # the cursor is back
    last = received.rsplit(f"{ESCAPE}2K", 1)[1]
    assert "━" not in last
    assert last.endswith(f"The model and the report are in {folder / 'run'}\n")


def test_on_a_terminal_lines_stay_and_the_report_is_apart(terminal_run: tuple[int, str, Path]) -> None:
    _, received, folder = terminal_run
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", received)
    assert re.search(r"\repoch 1/2  loss .* s\n", plain)
    assert re.search(r"\repoch 2/2  loss .* s\n", plain)
    assert "Scores" not in plain
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert "Scores" in report
    assert ESCAPE not in report


def test_an_interrupt_ends_with_130_and_leaves_the_best_model(config: Path) -> None:
    run = config.parent / "run"
    words = command("train", config, "--out", run, "--training.num_epochs", "100000")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGINT)
        rest = [line for line in process.stderr if not line.startswith("epoch")]
        out = process.stdout.read()
    assert process.returncode == 130
    assert out == ""
    checkpoint = max((run / "checkpoints").iterdir())
    hint = f"--resume goes on from {checkpoint}; the best model so far is {run / 'model'}"
    assert only_line("".join(rest)) == f"interrupted; {hint}"
    assert tagger.load(run, device="cpu").predict([["The"]])[0].tokens == ("The",)


@pytest.mark.parametrize("failing", ["at once", "in the first epoch", "in the second epoch"])
def test_a_failure_says_where_the_best_model_is_if_there_is_one(
    failing: str, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = config.parent / "run"
    fit = loop.fit

    def diverge(*positional: Any, **named: Any) -> Iterator[position.Step | position.Epoch]:
        if failing == "in the second epoch":
            yield next(event for event in fit(*positional, **named) if isinstance(event, position.Epoch))
        raise ConfigError("training diverged")

    monkeypatch.setattr(training, "fit", diverge)
    if failing == "at once":
        write_yaml(run.parent / "train.conll", [""])
    done = train(capsys, config)
    message = done.err.splitlines()[-1]
    if failing == "in the second epoch":
        saved = f"--resume goes on from {run}/checkpoints/0002-00000000; the best model so far is {run}/model"
        assert message == f"tagger: training diverged; {saved}"
        assert tagger.load(run, device="cpu").tags == ("DET", "NOUN", "VERB")
    else:
        assert "best model" not in done.err
        assert not run.exists()


def test_a_refused_run_folder_is_not_said_to_be_this_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(capsys, config).code == 0
    done = train(capsys, config)
    assert done.code == 2
    assert "best model" not in done.err


def test_names_that_look_like_markup_are_printed_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "[bold] :smile:"
    folder.mkdir()
    write_yaml(folder / "train.conll", ["The\t[/red]", "cat\t:cat:", ""])
    done = train(capsys, write_yaml(folder / "tiny.yaml", CONFIG))
    assert done.code == 0
    assert f"2 tokens  {folder / 'train.conll'}\n" in done.err
    assert ":cat:, [/red]\n" in done.err


def test_a_progress_that_fails_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, end = os.openpty()
    with os.fdopen(end, "w") as stream:
        with pytest.raises(RuntimeError, match="stop"), TrainingProgress(stream):
            raise RuntimeError("stop")
        received = ""
        while f"{ESCAPE}?25h" not in received and select.select([terminal], [], [], 10)[0]:
            received += os.read(terminal, 1 << 16).decode()  # a terminal hands over what it has, piece by piece
    os.close(terminal)
    assert received.rfind(f"{ESCAPE}?25h") > received.rfind(f"{ESCAPE}?25l") >= 0


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def show_live(monkeypatch: pytest.MonkeyPatch, width: int, *, step: int = 10, has_dev: bool = True) -> str:
    """What the live line says on a terminal of `width` columns after an epoch and some steps of the next."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    sentence = Sentence(tokens=("a",), tags=("X",))
    corpus = Corpus(train=[sentence], dev=[sentence] * has_dev, test=[], labels=("X",), scheme="plain")
    started = training.Started(corpus=corpus, num_weights=1, device="cpu", precision="fp32", num_epochs=20)
    epoch = position.Epoch(
        number=1,
        train_loss=1.5,
        dev_score=0.9 if has_dev else None,
        is_best=True,
        seconds=1.0,
        tokens_per_second=9000.0,
        learning_rate=0.1,
    )
    terminal = Terminal()
    with TrainingProgress(terminal) as progress:
        total, seconds = torch.tensor(10_000.0), 1.0
        for event in (
            started,
            epoch,
            position.Step(epoch=2, step=step, num_steps=20, total=total, num_tokens=8000, seconds=seconds),
        ):
            progress.show(event)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    return plain.replace("\r", "\n").rstrip().rsplit("\n", 1)[-1]


TIMES = r"\d:\d\d:\d\d left [\d-]:[\d-][\d-]:[\d-][\d-]"


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (120, "epoch 2/20 ━+╸?━+ loss 1.250  dev 90.00  8,000 tokens/s"),
        (90, "epoch 2/20 ━+╸?━+ loss 1.250  dev 90.00"),
        (70, "epoch 2/20 loss 1.250  dev 90.00"),
        (50, "epoch 2/20 loss 1.250"),
    ],
)
def test_a_narrow_terminal_loses_the_speed_first_and_no_time(
    width: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = show_live(monkeypatch, width)
    assert re.fullmatch(f"{expected} {TIMES}", line), line
    assert len(line) <= width


def test_the_last_step_of_an_epoch_says_that_dev_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "scoring dev  loss 1.250" in show_live(monkeypatch, 100, step=20)
    assert "scoring dev" not in show_live(monkeypatch, 100, step=10)
    assert "scoring dev" not in show_live(monkeypatch, 100, step=20, has_dev=False)


def test_a_preset_is_recorded_as_its_settings_in_the_run_and_in_the_model(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", "fast", "--model.hidden_dim", "8", "--training.num_epochs", "1"]
    assert train(capsys, config, *words).code == 0
    saved = [config.parent / "run" / name for name in ("config.yaml", "model/config.yaml")]
    for path in saved:
        assert "\npreset:" not in f"\n{path.read_text(encoding='utf-8')}"
        training = tagger.load_config(path).training
        assert (training.batch_size, training.batch_tokens, training.learning_rate) == (None, 1024, 4e-3)
    settings = "--training.num_epochs 1 --model.hidden_dim 8 --training.batch_tokens 1024 --training.learning_rate 4e-3"
    spelled = [*settings.split(), "--training.batch_size", "null"]
    assert train(capsys, config, *spelled, "--resume").code == 0  # the same settings are the same run
    message = fail(capsys, 2, "train", config, "--out", config.parent / "run", "--resume")
    assert "training.batch_size" in message


@pytest.mark.parametrize("verb", [["train"], ["config"], ["data", "suspects"]])
def test_an_unknown_preset_is_refused(verb: list[str], config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*verb, config, "--preset", "fats", *(["--out", config.parent / "run"] if verb == ["train"] else [])]
    expected = "command line: --preset: expected one of fast, accurate, got 'fats' (did you mean fast?)"
    assert fail(capsys, 2, *words) == expected
    assert not (config.parent / "run").exists()


def test_resume_goes_on_and_then_has_nothing_to_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = config.parent / "run"
    words = command("train", config, "--out", run, "--training.num_epochs", "4000", "--training.checkpoint_steps", "3")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as killed:
        assert killed.stderr is not None
        for line in killed.stderr:
            if line.startswith("epoch"):
                break
        killed.send_signal(signal.SIGTERM)
        rest = [line for line in killed.stderr if not line.startswith("epoch")]
    assert killed.returncode == 143
    assert only_line("".join(rest)).startswith(f"terminated; --resume goes on from {run}/checkpoints/")
    message = fail(capsys, 2, "train", config, "--out", run, "--resume")
    assert message == (
        "--resume: training.num_epochs: was 4000, is 2: the model would be another; put it back, or go on with "
        "--allow-changes"
    )
    done = train(capsys, config, "--resume", "--allow-changes")
    assert done.code == 0
    assert "warning: changed on the way: training.num_epochs: was 4000, is 2\n" in done.err
    assert re.search(r"^goes on from (epoch \d+ after step [12]|the end of epoch \d+)$", done.err, re.MULTILINE)
    again = train(capsys, config, "--resume")
    assert (again.code, again.out) == (0, done.out)
    assert f"{run}: this run is finished already; nothing is left to do\n" in again.err


def test_a_second_trainer_is_refused(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = config.parent / "run"
    run.mkdir()
    with locked(run):
        for words in ([], ["--resume"]):
            message = fail(capsys, 2, "train", config, "--out", run, *words)
            assert message.startswith(f"--out: {run}: another tagger (process {os.getpid()}) trains there; ")


def test_seeds(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = train(capsys, config, "--seeds", "2")
    run = config.parent / "run"
    assert done.code == 0
    assert done.out.startswith("run on dev, 2 seeds: 1 to 2\n")
    assert re.search(r"^score, in percent +mean +deviation +min +max +rule$", done.out, re.MULTILINE)
    assert [line for line in done.err.splitlines() if line.startswith("seed ")] == ["seed 1", "seed 2"]
    assert done.err.endswith(f"Models and reports are in {run}/seed-N, these numbers in {run}/seeds.json\n")
    assert sorted(path.name for path in run.iterdir()) == ["seed-1", "seed-2", "seeds.json"]
    assert fail(capsys, 2, "train", config, "--out", run, "--seeds", "0").startswith("--seeds: expected a number")
    assert train(capsys, config, "--seeds", "2", "--resume").out == done.out


def test_a_batch_that_diverges_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--training.optimizer", "sgd", "--training.learning_rate", "1e38", "--training.clip_norm", "0"]
    done = train(capsys, config, *words)
    assert done.code == 2
    message = done.err.splitlines()[-1]
    assert "training.learning_rate: " in message
    assert re.search(rf"; the batch: {re.escape(str(config.parent / 'train.conll'))}:(1|5)$", message)


def test_where_nothing_can_be_written_at_all_it_is_74(config: Path) -> None:
    """Standard error is a file on the same full disk."""
    # the limit comes after the imports, some of which want a place for temporary files
    code = "import tagger.training.run, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    words = command("train", config, "--out", config.parent / "run")
    with (config.parent / "log").open("w") as log:
        words = [*words[:2], code + words[2], *words[3:]]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=log, env=environment(), check=False)
    assert (done.returncode, done.stdout) == (74, b"")

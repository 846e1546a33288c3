import errno
import re
import sys
from pathlib import Path

import pytest

from tagger.cli import main as command_line
from tagger.cli.main import VERBS, main
from tagger.errors import ConfigError, DataError, MissingInputError, ModelError, OutputError, TaggerError
from tests.cli.command import call, fail, spawn

TUTORIAL = Path(__file__).parent.parent.parent / "configs" / "tutorial_pos.yaml"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "the following arguments are required: VERB (see tagger --help)"),
        (["tarin"], "invalid choice: 'tarin'"),
        (["predict"], "the following arguments are required: MODEL (see tagger predict --help)"),
        (["predict", "m", "in.txt", "--form", "raw"], "unrecognized arguments: --form raw (see tagger predict --help)"),
        (["predict", "m", "--to", "xml"], "argument --to: invalid choice: 'xml'"),
        (["predict", "m", "--threads", "two"], "argument --threads: invalid int value: 'two'"),
        (["predict", "m", "--threads", "-1"], "--threads: expected a number in [0, 4096], got -1"),
        (["predict", "m", "--model.head", "crf"], "--model.head: only train, config and data take settings"),
        (["evaluate", "m", "d", "--data.test=x"], "--data.test=x: only train, config and data take settings"),
        (["predict", ""], "argument MODEL: expected a path, got nothing"),
        (["predict", "m", ""], "argument INPUT: expected a path, got nothing"),
        (["predict", "m", "--output", ""], "argument --output: expected a path, got nothing"),
        (
            ["predict", "m", "--output="],
            "argument --output: expected a path, got nothing (a shell variable that is not",
        ),
        (["evaluate", "m", "d", "--out", ""], "argument --out: expected a path, got nothing"),
        (["evaluate", "m", "d", ""], "argument DATA: expected a path, got nothing"),
        (["train", "c.yaml", "--out", ""], "argument --out: expected a path, got nothing"),
        (["train", "", "--out", "r"], "argument CONFIG: expected a path, got nothing"),
        (["config", ""], "argument CONFIG: expected a path, got nothing"),
        (["evaluate", "m"], "the following arguments are required: DATA (see tagger evaluate --help)"),
        (["train", "c.yaml"], "the following arguments are required: --out (see tagger train --help)"),
        (["train", "c.yaml", "--epochs", "3", "--out", "r"], "unrecognized arguments: --epochs 3"),
        (["train", "c.yaml", "--model.head", "--out", "r"], "--model.head: needs a value"),
        (["config", "c.yaml", "--model.head"], "--model.head: needs a value"),
        (["config", "--", "--model.head"], "--model.head: no such file"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expected in fail(capsys, 66 if "no such file" in expected else 2, *words)


def test_options_are_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--outp x" in fail(capsys, 2, "predict", "m", "in.txt", "--outp", "x")


def test_the_help_names_every_verb_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "--help")
    assert done.code == 0
    assert done.err == ""
    for verb, module in VERBS.items():
        assert re.search(rf"^ +{verb} +{re.escape(module.SUMMARY)}$", done.out, re.MULTILINE)
    text = " ".join(done.out.split())
    assert all(f"{code} " in text for code in (0, 2, 65, 66, 70, 74, 130))


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_says_what_it_does(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: tagger {verb} ")
    assert VERBS[verb].DESCRIPTION in done.out
    assert max(map(len, done.out.split("\n"))) <= 120


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "--version")
    assert done.code == 0
    assert re.fullmatch(r"tagger \d+\.\d+\.\d+\n", done.out)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("why"), 2),
        (DataError("why"), 65),
        (ModelError("why"), 65),
        (MissingInputError("why"), 66),
        (TaggerError("why"), 70),
        (OutputError("why"), 74),
    ],
)
def test_each_error_ends_with_its_code(
    error: TaggerError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_in_config(monkeypatch, error)
    assert fail(capsys, code, "config", "c.yaml") == "why"
    with pytest.raises(type(error)):
        main(["config", "c.yaml", "--debug"])


def raise_in_config(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(_: object) -> None:
        raise error

    monkeypatch.setattr(command_line.config, "run", run)


def test_a_defect_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raise_in_config(monkeypatch, ValueError("first\nsecond"))
    line = fail(capsys, 70, "config", "c.yaml")
    assert line == "a defect of tagger: ValueError: first second (--debug shows the traceback)"


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raise_in_config(monkeypatch, KeyboardInterrupt())
    assert fail(capsys, 130, "config", "c.yaml") == "interrupted"


class Full:
    """A standard output on a full disk."""

    def __init__(self, error: OSError) -> None:
        self.buffer = self
        self.error = error

    def write(self, _: str | bytes) -> int:
        return 0

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize("words", [["config", str(TUTORIAL)], ["--help"], ["train", "--help"]])
@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 74, "standard output: cannot be written: No space left"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
    ],
)
def test_standard_output_that_takes_no_more(
    error: OSError,
    code: int,
    expected: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdout", Full(error))
    assert main(words) == code
    err = capsys.readouterr().err
    assert expected in err
    assert err.count("\n") == bool(expected)


def test_standard_output_that_is_closed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["config", str(TUTORIAL)]) == 74
    assert capsys.readouterr().err == "tagger: standard output: is closed\n"


def test_as_a_process_an_error_is_one_line(tmp_path: Path) -> None:
    done = spawn("predict", tmp_path / "absent")
    assert done.code == 66
    assert done.out == ""
    assert done.err == f"tagger: {tmp_path / 'absent'}: no such model folder or run folder\n"

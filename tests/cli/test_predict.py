import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tagger.config import DataConfig
from tagger.inference import inputs, model_folder, predictor
from tests.cli.command import call, command, environment, fail, feed, on_terminal, only_line, spawn, write_yaml
from tests.inference.damage import DAMAGES

ESCAPE = "\x1b["
TEXT = "The mayor waited. She left.\n\nPrague, at last!\n"
EMPTY = 8 * "\t_"  # the other columns of CoNLL-U
SUMMARY = r"[\d,]+ tokens? in [\d,]+ texts?, [\d,]+ tokens/s"


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def columns(out: str) -> list[list[str]]:
    """The tokens of each sentence in columns."""
    blocks = out.removesuffix("\n\n").split("\n\n")
    return [[line.split("\t")[0] for line in block.split("\n") if line] for block in blocks]


# what goes in, what comes out


def test_raw_standard_input_becomes_columns(
    pos_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, "The mayor waited. She left.\n")
    done = call(capsys, "predict", pos_run)
    assert done.code == 0
    assert columns(done.out) == [["The", "mayor", "waited", "."], ["She", "left", "."]]
    assert all(re.fullmatch(r"\S+\t[A-Z]+", line) for line in done.out.splitlines() if line)
    assert done.out.endswith("\n\n")


def test_raw_text_becomes_json_lines_with_offsets(
    ner_run: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", ner_run, text_file, "--to", "jsonl")
    assert done.code == 0
    lines = TEXT.splitlines()
    answers = objects(done.out)
    assert len(answers) == len(lines)  # an empty line keeps its place
    assert answers[1]["tokens"] == []
    for answer, line in zip(answers, lines, strict=True):
        assert [line[start:end] for start, end in answer["offsets"]] == answer["tokens"]
        assert len(answer["tags"]) == len(answer["confidence"]) == len(answer["tokens"])
        assert all(0 <= span["start"] < span["end"] <= len(answer["tokens"]) for span in answer["spans"])


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("in.conll", ["The\tx", "mayor\tx", "", "She\tx", ""], []),
        ("in.columns", ["x The", "x mayor", "", "x She", ""], ["--from", "conll", "--tokens", "2"]),
        ("in.jsonl", ['{"tokens": ["The", "mayor"]}', '{"tokens": ["She"]}'], []),
        ("in.jsonl", ['{"words": ["The", "mayor"]}', '{"words": ["She"]}'], ["--tokens", "words"]),
        ("in.conllu", [f"1\tThe{EMPTY}", f"2\tmayor{EMPTY}", "", f"1\tShe{EMPTY}", ""], []),
        ("IN.JSONL", ['{"tokens": ["The", "mayor"]}', '{"tokens": ["She"]}'], []),
    ],
)
def test_formats_that_hold_tokens(
    name: str, lines: list[str], words: list[str], pos_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", pos_run, write_yaml(tmp_path / name, lines), *words)
    assert done.code == 0
    assert columns(done.out) == [["The", "mayor"], ["She"]]


def test_a_suffix_counts_under_gz_too(pos_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"tokens": ["The", "mayor"]}\n'))
    done = call(capsys, "predict", pos_run, path)
    assert done.code == 0
    assert columns(done.out) == [["The", "mayor"]]


def test_a_hyphen_is_standard_input(
    pos_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, '{"tokens": ["She", "left"]}\n{"tokens": []}\n')
    done = call(capsys, "predict", pos_run, "-", "--from", "jsonl", "--to", "jsonl")
    assert done.code == 0
    assert [answer["tokens"] for answer in objects(done.out)] == [["She", "left"], []]
    assert "offsets" not in objects(done.out)[0]


@pytest.mark.parametrize("target", ["conll", "jsonl"])
@pytest.mark.parametrize("source", ["raw", "conll", "conllu", "jsonl"])
def test_nothing_gives_nothing(
    source: str,
    target: str,
    pos_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(monkeypatch, "")
    done = call(capsys, "predict", pos_run, "--from", source, "--to", target)
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("0 tokens in 0 texts")


def test_answers_are_utf8(pos_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    feed(monkeypatch, "Zoë trinkt 水 🙂\n")
    done = call(capsys, "predict", pos_run, "--to", "jsonl", "--quiet")
    assert objects(done.out)[0]["tokens"] == ["Zoë", "trinkt", "水", "🙂"]
    assert "水" in done.out


def test_the_summary_goes_to_standard_error_alone(
    pos_run: Path, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", pos_run, text_file)
    assert re.fullmatch(f"{SUMMARY}\n", done.err)
    assert "tokens/s" not in done.out
    quiet = call(capsys, "predict", pos_run, text_file, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, done.out, "")


def test_answers_come_before_the_input_ends(
    pos_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = Written()
    asked: list[int] = []  # how much was written each time a line was asked for
    monkeypatch.setattr(predictor, "WINDOW", 4)
    monkeypatch.setattr(sys, "stdin", Slow(100, lambda: asked.append(len(written.getvalue()))))
    monkeypatch.setattr(sys, "stdout", written)
    call(capsys, "predict", pos_run, "--quiet")
    assert len(asked) == 101
    assert asked[3] == 0
    assert 0 < asked[8] < asked[-1]


class Written(io.BytesIO):
    @property
    def buffer(self) -> "Written":
        return self


class Slow(io.BytesIO):
    """Standard input of `count` lines, which tells when a line is asked for."""

    def __init__(self, count: int, tell: Any) -> None:
        super().__init__(count * b"She left.\n")
        self.buffer = self
        self._tell = tell

    def readline(self, size: int | None = -1, /) -> bytes:
        self._tell()
        return super().readline(size)


def test_on_a_terminal_sentences_are_answered_one_by_one(pos_run: Path) -> None:
    code, received = on_terminal(
        "predict",
        pos_run,
        "--from",
        "jsonl",
        "--to",
        "jsonl",
        typed='{"tokens": ["She"]}\n\n{"tokens": ["left"]}\n\x04',
    )
    assert code == 0, received
    assert "reading jsonl from standard input, Ctrl-D ends\n" in received
    assert [received.count(f'"tokens": ["{word}"], "tags"') for word in ("She", "left")] == [1, 1]


def test_standard_input_may_be_gzip_compressed(
    pos_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = gzip.compress(b"The mayor waited.\nShe left.\n")
    feed(monkeypatch, packed)
    done = call(capsys, "predict", pos_run)
    assert done.code == 0
    assert columns(done.out) == [["The", "mayor", "waited", "."], ["She", "left", "."]]
    feed(monkeypatch, packed[:-12])
    assert ": damaged gzip file: " in fail(capsys, 65, "predict", pos_run)


def test_the_help_says_when_answers_come_and_what_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(call(capsys, "predict", "--help").out.split())
    assert "windows of some 4,000 sentences, but one by one if standard input is a terminal" in text
    assert "other keys of the input are not passed through" in text
    assert "one for each line that is not blank" in text
    assert "on a machine that others use too, 1 is often fastest" in text


# how the training data were described


@pytest.fixture
def described(pos_run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[DataConfig], Path]:
    """Makes `pos_run` a model whose training data were described so."""

    def describe(data: DataConfig) -> Path:
        saved = model_folder.load_model(pos_run)
        changed = replace(saved, config=replace(saved.config, data=data))
        monkeypatch.setattr(model_folder, "load_model", lambda _: changed)
        return pos_run

    return describe


@pytest.mark.parametrize(
    ("trained", "lines"),
    [
        (DataConfig(tokens=2), ["1 The DET", "2 mayor NOUN", "", "1 She PRON"]),
        (DataConfig(tokens="form", tags="pos", header=True), ["id form pos", "1 The x", "2 mayor x", "", "1 She x"]),
        (
            DataConfig(format="jsonl", tokens="words"),
            ['{"words": ["The", "mayor"]}', '{"words": ["She"], "tokens": []}'],
        ),
        (DataConfig(delimiter="tab"), ["The", "mayor", "", "She"]),
        (DataConfig(comments="# "), ["# a 1", "The x", "mayor x", "", "# a 2", "She x"]),
    ],
)
def test_input_is_read_as_the_training_data_were(
    trained: DataConfig,
    lines: list[str],
    described: Callable[[DataConfig], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_yaml(tmp_path / f"in.{trained.format}", lines)
    done = call(capsys, "predict", described(trained), path)
    assert done.code == 0, done.err
    assert columns(done.out) == [["The", "mayor"], ["She"]]


def test_the_delimiter_of_the_training_data_counts(
    described: Callable[[DataConfig], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_yaml(tmp_path / "in.conll", ["New York\tx", "is\tx"])
    assert columns(call(capsys, "predict", described(DataConfig(delimiter="tab")), path).out) == [["New York", "is"]]
    message = fail(capsys, 65, "predict", described(DataConfig(delimiter="space")), path)
    assert message.startswith(f"{path}:2: expected 3 columns, found 2")


def test_tokens_on_the_command_line_win_over_the_training_data(
    described: Callable[[DataConfig], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = described(DataConfig(tokens="form", tags="pos", header=True))
    path = write_yaml(tmp_path / "in.conll", ["form lemma", "saw see"])
    for where in ("2", "lemma"):
        assert columns(call(capsys, "predict", named, path, "--tokens", where).out) == [["see"]]


@pytest.mark.parametrize("trained", [DataConfig(tokens=2), DataConfig(format="hub", name="a/b", tokens="words")])
def test_another_format_than_in_training_is_read_by_its_defaults(
    trained: DataConfig, described: Callable[[DataConfig], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_yaml(tmp_path / "in.jsonl", ['{"tokens": ["The", "mayor"]}'])
    assert columns(call(capsys, "predict", described(trained), path).out) == [["The", "mayor"]]


# --output


def test_output_is_what_standard_output_would_be(
    pos_run: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = call(capsys, "predict", pos_run, text_file).out
    (tmp_path / "tagged.conll").write_text("older\n")
    done = call(capsys, "predict", pos_run, text_file, "--output", tmp_path / "tagged.conll")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "tagged.conll").read_text(encoding="utf-8") == shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tagged.conll", "text.txt"]


def test_no_file_beside_the_output_is_touched(
    pos_run: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [tmp_path / f"out.txt{suffix}" for suffix in (".part", ".new", ".tmp", "~")]
    for other in others:
        other.write_text("years of work")
    assert call(capsys, "predict", pos_run, text_file, "--output", tmp_path / "out.txt").code == 0
    assert [other.read_text() for other in others] == ["years of work"] * len(others)
    assert len(list(tmp_path.iterdir())) == len(others) + 2


def test_output_may_be_the_input(pos_run: Path, text_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = call(capsys, "predict", pos_run, text_file).out
    assert call(capsys, "predict", pos_run, text_file, "--output", text_file).code == 0
    assert text_file.read_text(encoding="utf-8") == shown


@pytest.mark.parametrize("older", [None, "older\n"])
def test_a_failure_leaves_the_output_as_it_was(
    older: str | None, pos_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_yaml(tmp_path / "in.jsonl", ['{"tokens": ["She"]}'] * 3000 + ['{"tokens": "She"}'])
    target = tmp_path / "tagged.conll"
    if older is not None:
        target.write_text(older)
    message = fail(capsys, 65, "predict", pos_run, source, "--output", target)
    assert message.startswith(f"{source}:3001: tokens: expected a list of strings")
    assert (target.read_text() if target.exists() else None) == older
    kept = {source.name} if older is None else {source.name, target.name}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_failure_shows_first_what_was_answered(
    pos_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_yaml(tmp_path / "in.jsonl", ['{"tokens": ["She"]}'] * 4096 + ['{"tokens": "She"}'])
    done = call(capsys, "predict", pos_run, source)
    assert done.code == 65
    assert len(columns(done.out)) == 4096
    assert only_line(done.err).startswith(f"{source}:4097: ")


@pytest.mark.parametrize("target", ["absent/tagged.conll", "folder", "text.txt/tagged.conll"])
def test_an_output_that_cannot_be_written_is_74(
    target: str, pos_run: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    message = fail(capsys, 74, "predict", pos_run, text_file, "--output", tmp_path / target)
    assert message.startswith(f"{tmp_path / target}: cannot be written: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "text.txt"]


def test_an_output_that_is_a_link_stays_one(
    pos_run: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "tagged.conll"
    link.symlink_to(tmp_path / "there" / "real.conll")
    assert call(capsys, "predict", pos_run, text_file, "--output", link).code == 0
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.conll").read_text(encoding="utf-8").startswith("The\t")


def test_an_output_that_is_a_pipe_stays_one(
    pos_run: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    done = call(capsys, "predict", pos_run, text_file, "--output", pipe)
    reader.join()
    assert done.code == 0
    assert pipe.is_fifo()
    assert received[0].startswith("The\t")


# what goes wrong


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["absent.txt"], 66, "absent.txt: no such file"),
        (["."], 65, ".: is a folder, expected a file"),
        (["latin.txt"], 65, "latin.txt:2: not UTF-8"),
        (["short.conll"], 65, "short.conll:2: expected 2 columns, found 1"),
        (["short.conll", "--tokens", "5"], 65, "short.conll:1: tokens are in column 5: expected 5 columns, found 2"),
        (["short.conll", "--tokens", "form"], 2, "--tokens: expected a column number (from 1; -1 is the last)"),
        (["in.jsonl"], 65, "in.jsonl:1: no key 'tokens'; the keys are 'words'"),
        (["latin.txt", "--tokens", "2"], 2, "--tokens: has no effect on raw input"),
        (["latin.txt", "--from", "conllu", "--tokens", "2"], 2, "--tokens: has no effect on conllu input"),
        (["latin.txt", "--device", "gpu"], 2, "--device: no device 'gpu'"),
        (["latin.txt", "--device", "cuda:77"], 2, "--device: cuda:77"),
        (["latin.txt", "--threads", "5000"], 2, "--threads: expected a number in [0, 4096], got 5000"),
    ],
)
def test_wrong_input_is_one_line(
    words: list[str],
    code: int,
    expected: str,
    pos_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"Zo\xc3\xab\nZo\xeb\n")
    write_yaml(tmp_path / "short.conll", ["The\tx", "mayor"])
    write_yaml(tmp_path / "in.jsonl", ['{"words": ["The"]}'])
    assert expected in fail(capsys, code, "predict", pos_run, *words)


@pytest.mark.parametrize(
    ("name", "lines", "where", "problem"),
    [
        (
            "in.jsonl",
            ['{"tokens": ["She"]}', "", '{"tokens": ["a\\tb"]}'],
            "in.jsonl:3: token 1 ('a\\tb', tag ",
            "a tab",
        ),
        ("in.jsonl", ['{"tokens": ["She", " "]}'], "in.jsonl:1: token 2 (' ', tag ", "it is blank"),
        ("in.conll", ["1 She", "", "1 a", "2 -DOCSTART-"], "in.conll:3: token 2 ('-DOCSTART-', tag ", "of a document"),
    ],
)
def test_a_token_that_columns_cannot_hold_is_named_by_its_line(
    name: str,
    lines: list[str],
    where: str,
    problem: str,
    described: Callable[[DataConfig], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_yaml(tmp_path / name, lines)
    done = call(capsys, "predict", described(DataConfig(tokens=2)), path)
    assert done.code == 65
    message = only_line(done.err)
    assert message.startswith(f"{tmp_path}/{where}")
    assert problem in message
    assert message.endswith("use --to jsonl")


@pytest.mark.parametrize("window", [1, 2048])
@pytest.mark.parametrize(
    ("name", "lines", "where"),
    [
        ("in.txt", ["She left .", "a b c d e f"], "in.txt:2: expected a sentence of at most 5 tokens, found 6"),
        (
            "in.conll",
            ["a", "", *"abcdef"],
            "in.conll:8: expected a sentence of at most 5 tokens, found more (it began ",
        ),
        ("in.jsonl", ['{"tokens": ["a", "b", "c", "d", "e", "f"]}'], "in.jsonl:1: expected a sentence of at most 5 "),
    ],
)
def test_a_sentence_that_is_too_long_is_named_by_its_line(
    name: str,
    lines: list[str],
    where: str,
    window: int,
    described: Callable[[DataConfig], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tagger.inference.inputs.MAX_TOKENS", 5)
    monkeypatch.setattr("tagger.data.lines.MAX_TOKENS", 5)
    monkeypatch.setattr(predictor, "WINDOW", window)
    path = write_yaml(tmp_path / name, lines)
    done = call(capsys, "predict", described(DataConfig()), path)
    assert done.code == 65
    assert only_line(done.err).startswith(f"{tmp_path}/{where}")


def test_lines_are_named_far_into_the_input_too(
    pos_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(predictor, "WINDOW", 4)
    lines = ['{"tokens": ["She"]}', '{"tokens": []}', ""] * 5
    path = write_yaml(tmp_path / "in.jsonl", [*lines, '{"tokens": ["\\n"]}', *lines])
    done = call(capsys, "predict", pos_run, path)
    assert only_line(done.err).startswith(f"{path}:16: token 1 ('\\n', ")


def test_a_missing_model_is_66(text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fail(capsys, 66, "predict", tmp_path / "absent", text_file)
    assert message == f"{tmp_path / 'absent'}: no such model folder or run folder"


@pytest.mark.parametrize("damage", ["flip", "cut", "lose", "manifest", "file"])
def test_a_damaged_model_is_65(
    damage: str, pos_run: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(pos_run / "model", model)
    weights = model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    named = weights
    if damage == "flip":
        content[-5] ^= 1
        weights.write_bytes(content)
    elif damage == "cut":
        weights.write_bytes(content[:-100])
    elif damage == "lose":
        weights.unlink()
    elif damage == "manifest":
        named = model / "manifest.json"
        named.write_text("[")
    else:
        named = model = text_file
    assert str(named) in fail(capsys, 65, "predict", model, text_file)


def test_a_sentence_longer_than_the_limit_is_named_by_its_line(
    pos_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inputs, "MAX_TOKENS", 50)
    path = write_yaml(tmp_path / "in.txt", ["Short.", "word " * 60, "Short."])
    message = fail(capsys, 65, "predict", pos_run, path)
    assert message == f"{path}:2: expected a sentence of at most 50 tokens, found 60"


@pytest.mark.parametrize("damage", ["cut", "pickle_for_weights", "hostile_config"])
def test_damaged_and_foreign_models_in_a_process_of_their_own(
    damage: str, ner_run: Path, text_file: Path, tmp_path: Path
) -> None:
    shutil.copytree(ner_run / "model", tmp_path / "model")
    DAMAGES[damage](tmp_path / "model", Random(damage), tmp_path / "canary")
    done = spawn("predict", tmp_path / "model", text_file)
    assert (done.code, done.out) == (65, "")
    assert only_line(done.err).startswith(str(tmp_path / "model"))
    assert not (tmp_path / "canary").exists()


def test_standard_input_that_is_closed_is_66(
    pos_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert fail(capsys, 66, "predict", pos_run) == "standard input: is closed"


# as a process


def test_as_a_process(ner_run: Path) -> None:
    done = spawn("predict", ner_run, "--to", "jsonl", "--device", "cpu", stdin=TEXT)
    assert done.code == 0
    assert len(objects(done.out)) == 3
    assert re.fullmatch(f"{SUMMARY}\n", done.err)


def test_a_reader_that_goes_away_ends_it_silently(pos_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "long.txt"
    source.write_text(20_000 * "She left the town.\n", encoding="utf-8")
    process = subprocess.Popen(
        command("predict", pos_run, source), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"She\t")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_on_a_terminal_it_says_that_it_waits_and_keeps_answers_apart(pos_run: Path) -> None:
    code, received = on_terminal("predict", pos_run, typed="She left.\n\x04")
    assert code == 0, received
    assert "reading raw text from standard input, Ctrl-D ends\n" in received
    answers = received.index("She\t")
    assert re.fullmatch(rf"(\S+\t[A-Z]+\n){{3}}\n{SUMMARY}\n", received[answers:])
    assert ESCAPE not in received


def test_on_a_terminal_a_live_line_stands_beside_an_output_file(pos_run: Path, text_file: Path) -> None:
    target = text_file.with_suffix(".conll")
    code, received = on_terminal("predict", pos_run, text_file, "--output", target)
    assert code == 0, received
    assert f"{ESCAPE}?25l" in received
    assert received.rfind(f"{ESCAPE}?25h") > received.rfind(f"{ESCAPE}?25l")
    assert re.fullmatch(f"{SUMMARY}\n", received.rsplit(f"{ESCAPE}2K", 1)[1])
    assert target.read_text(encoding="utf-8").startswith("The\t")
    assert ESCAPE not in target.read_text(encoding="utf-8")

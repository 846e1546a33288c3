"""`tagger predict --output FILE` that breaks off and goes on with --resume: the same file in the end, to the byte."""

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tagger.cli import predict_input
from tagger.cli.partial_output import PartialOutput
from tagger.inference import predictor
from tests.cli.command import call, fail, only_line
from tests.predicting import SOURCES, finish, make_texts, spell, start, wait_for_more, write_input

NUM_TEXTS = 50


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_input, "BLOCK_TEXTS", 8)
    monkeypatch.setattr(predictor, "WINDOW", 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_input(tmp_path, "jsonl", make_texts())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "tagged"


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@contextmanager
def at_write(number: int, act: Callable[[PartialOutput], None]) -> Iterator[None]:
    """Acts before the write `number`, counted from 0."""
    write = PartialOutput.write
    left = number

    def acting(self: PartialOutput, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            act(self)
        write(self, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartialOutput, "write", acting)
        yield


def interrupt(_: PartialOutput) -> None:
    raise KeyboardInterrupt


def break_off(capsys: pytest.CaptureFixture[str], number: int, *words: object) -> str:
    """`tagger WORDS`, interrupted before the write `number`; what it says."""
    with at_write(number, interrupt):
        return fail_last(capsys, 130, *words)


def fail_last(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    done = call(capsys, *words)
    assert done.code == code, done
    return only_line(done.err.splitlines(keepends=True)[-1])


@pytest.mark.parametrize("to", ["conll", "jsonl"])
@pytest.mark.parametrize("kind", SOURCES)
def test_whenever_it_is_interrupted_it_goes_on_to_the_same_file(
    kind: str,
    to: str,
    ner_run: Path,
    tmp_path: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_input(tmp_path, kind, make_texts())
    words = ("predict", ner_run, path, "--from", kind.partition(".")[0], "--to", to, "--output", target)
    assert call(capsys, *words).code == 0
    whole = target.read_bytes()
    assert names(target) == ["tagged"]
    target.unlink()
    chance = Random(f"{kind} {to}")
    answered = 0
    while answered < NUM_TEXTS - 8:
        number = chance.randint(0, NUM_TEXTS - answered - 1)
        resume = ["--resume"] if answered else []
        message = break_off(capsys, number, *words, *resume)
        answered += number // 8 * 8
        if answered:
            kept = f"{target}.partial"
            assert message == (
                f"interrupted; {answered} texts are answered and kept in {kept}: the same command with --resume goes on"
            )
            assert whole.startswith(Path(kept).read_bytes())
            assert names(target) == ["tagged.partial", "tagged.partial.json"]
        else:
            assert message == "interrupted"
            assert names(target) == []
    done = call(capsys, *words, "--resume")
    assert done.code == 0
    assert target.read_bytes() == whole
    assert names(target) == ["tagged"]
    first, last = done.err.splitlines()
    assert first == f"{target}.partial: goes on after {answered} texts"
    assert f" tokens in 50 texts ({answered} of them before), " in last


@pytest.mark.parametrize("seed", range(6))
def test_what_a_kill_leaves_at_any_moment_is_gone_on_with(
    seed: int,
    pos_run: Path,
    source: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder is copied as a killed process would leave it; the end of the partial file may be anything."""
    chance = Random(seed)
    left = target.parent.with_name("left")

    def copy(output: PartialOutput) -> None:
        output._stream.flush()
        shutil.copytree(target.parent, left)
        (left / ".tagged.partial.json.1234.new").write_text("{")

    words = ("predict", pos_run, source, "--to", "jsonl", "--output")
    with at_write(chance.randrange(NUM_TEXTS), copy):
        assert call(capsys, *words, target).code == 0
    partial = left / "tagged.partial"
    record = json.loads((left / "tagged.partial.json").read_text())
    kept = partial.read_bytes()
    assert len(kept) >= record["bytes"]
    torn = chance.choice([kept[: chance.randint(record["bytes"], len(kept))], kept + os.urandom(100)])
    partial.write_bytes(torn)
    assert call(capsys, *words, left / "tagged", "--resume").code == 0
    assert (left / "tagged").read_bytes() == target.read_bytes()
    assert names(left / "tagged") == ["tagged"]


@pytest.mark.parametrize("stage", ["fsync", "replace", "unlink"])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_call_of_the_system_that_fails_loses_nothing(
    stage: str,
    number: int,
    pos_run: Path,
    source: Path,
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("predict", pos_run, source, "--to", "jsonl", "--output", target)
    assert call(capsys, *words).code == 0
    whole = target.read_bytes()
    target.write_text("older")
    left = number

    def failing(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*rest: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(28, "No space left on device")
            return function(*rest, **named)

        return called

    with pytest.MonkeyPatch.context() as patch:
        place = os if stage == "fsync" else Path
        patch.setattr(place, stage, failing(getattr(place, stage)))
        done = call(capsys, *words)
    if done.code:
        assert done.code == 74
        assert only_line(done.err).startswith(f"{target}: cannot be written: No space left on device")
        assert target.read_text() == "older"
    assert call(capsys, *words, "--resume").code == 0
    assert target.read_bytes() == whole
    assert names(target) == ["tagged"]


def test_standard_input_goes_on_when_it_is_given_again(
    pos_run: Path, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("predict", pos_run, "--from", "jsonl", "--output", target)
    with source.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        break_off(capsys, 20, *words)
    with source.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert call(capsys, *words, "--resume").code == 0
    assert target.read_bytes() == call(capsys, "predict", pos_run, source).out.encode()


def test_a_bad_line_is_mended_and_tagging_goes_on(
    pos_run: Path, tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = spell(make_texts(), "jsonl")
    path = tmp_path / "in.jsonl"
    path.write_bytes(good + b'{"tokens": "She"}\n' + good)
    words = ("predict", pos_run, path, "--output", target)
    message = fail(capsys, 65, *words)
    assert message.startswith(f"{path}:101: tokens: expected a list of strings")
    assert message.endswith(
        f"; 48 texts are answered and kept in {target}.partial: the same command with --resume goes on"
    )
    assert fail(capsys, 65, *words, "--resume", "--quiet") == message
    path.write_bytes(good + good)
    assert call(capsys, *words, "--resume").code == 0
    assert target.read_bytes() == call(capsys, "predict", pos_run, path).out.encode()


def test_without_resume_what_was_answered_is_not_overwritten(
    pos_run: Path, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("predict", pos_run, source, "--output", target)
    break_off(capsys, 20, *words)
    before = Path(f"{target}.partial").read_bytes()
    assert fail(capsys, 2, *words) == (
        f"--output: an earlier run broke off and left 16 texts answered in {target}.partial; go on with it by "
        f"--resume; to begin anew, remove {target}.partial"
    )
    assert Path(f"{target}.partial").read_bytes() == before
    Path(f"{target}.partial").unlink()
    assert call(capsys, *words).code == 0
    assert names(target) == ["tagged"]


def test_where_nothing_is_left_resume_begins_and_says_so(
    pos_run: Path, source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "predict", pos_run, source, "--output", target, "--resume")
    assert done.code == 0
    assert done.err.startswith(f"{target}.partial: nothing to go on from, so this begins at the beginning\n")
    assert call(capsys, "predict", pos_run, source, "--output", target, "--resume", "--quiet").err == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("model", "--resume: the model: was SHA-256 "),
        ("to", "--resume: --to: was conll, is jsonl: "),
        ("from", "--resume: --from: was jsonl, is raw: "),
        ("tokens", "--resume: --tokens: was as in training, is words: "),
        ("version", "--resume: tagger: was 0.0.7, is "),
        (
            "order",
            "--resume: the first 16 texts of the input are not those that are answered: it has changed; to begin",
        ),
        ("short", "--resume: 16 texts are answered, but the input holds 10: it has changed; to begin anew, remove "),
        ("head", "damaged: it does not begin with the "),
        ("cut", "damaged: it does not begin with the "),
        ("foreign", "tagged.partial.json, which would say how to go on with it, is missing or damaged; to begin anew"),
        ("lost", "tagged.partial.json, which would say how to go on with it, is missing or damaged; to begin anew"),
        ("counts", "tagged.partial.json, which would say how to go on with it, is missing or damaged; to begin anew"),
    ],
)
def test_what_does_not_go_together_is_refused_and_kept(
    change: str,
    expected: str,
    pos_run: Path,
    ner_run: Path,
    source: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_off(capsys, 20, "predict", pos_run, source, "--output", target)
    partial, place = Path(f"{target}.partial"), Path(f"{target}.partial.json")
    record = json.loads(place.read_text())
    model, more = pos_run, []
    if change == "model":
        model = ner_run
    elif change in ("to", "from", "tokens"):
        more = [f"--{change}", {"to": "jsonl", "from": "raw", "tokens": "words"}[change]]
    elif change == "version":
        place.write_text(json.dumps({**record, "work": {**record["work"], "tagger": "0.0.7"}}))
    elif change == "order":
        source.write_bytes(spell(make_texts(1), "jsonl"))
    elif change == "short":
        source.write_bytes(spell(make_texts(count=10), "jsonl"))
    elif change == "head":
        partial.write_bytes(b"X" + partial.read_bytes()[1:])
    elif change == "cut":
        partial.write_bytes(partial.read_bytes()[:-1])
    elif change == "foreign":
        place.write_text('{"years": "of work"}')
    elif change == "lost":
        place.unlink()
    else:
        place.write_text(json.dumps({**record, "bytes": -1}))
    before = [path.read_bytes() for path in sorted(target.parent.iterdir())]
    message = fail(capsys, 2, "predict", model, source, "--output", target, "--resume", "--quiet", *more)
    assert expected in message
    assert f"to begin anew, remove {partial}" in message
    assert "goes on" not in message
    assert [path.read_bytes() for path in sorted(target.parent.iterdir())] == before


def test_a_partial_file_of_somebody_else_is_not_touched(
    pos_run: Path, source: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(f"{target}.partial").write_text("years of work")
    message = fail(capsys, 2, "predict", pos_run, source, "--output", target)
    assert message.startswith(f"--output: {target}.partial is in the way")
    assert Path(f"{target}.partial").read_text() == "years of work"
    assert names(target) == ["tagged.partial"]


def test_one_process_at_a_time(pos_run: Path, source: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Path(f"{target}.partial").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        message = fail(capsys, 2, "predict", pos_run, source, "--output", target)
    assert message.startswith(f"--output: another tagger writes {target}.partial now")


@pytest.mark.parametrize("words", [[], ["--output", "pipe"]])
def test_resume_needs_a_file(
    words: list[str],
    pos_run: Path,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    message = fail(capsys, 2, "predict", pos_run, source, *words, "--resume")
    assert message == "--resume: goes on with a file only, from an input that is not typed; give --output FILE"


def test_blocks_end_by_size_too(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    from tagger.config import DataConfig

    monkeypatch.setattr(predict_input, "BLOCK_TOKENS", 5)
    with source.open("rb") as stream:
        texts = predict_input.Input(stream, DataConfig(format="jsonl"))
        blocks = [list(block) for block in texts.blocks()]
    assert [list(words) for block in blocks for words in block] == make_texts()
    assert all(sum(map(len, block[:-1])) < 5 and len(block) <= 8 for block in blocks)
    assert all(sum(map(len, block)) >= 5 for block in blocks[:-1])


# as a process


def test_killed_and_terminated_and_interrupted_it_goes_on(pos_run: Path, tmp_path: Path, target: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(spell(make_texts(count=6000), "raw"))
    words = ("predict", pos_run, source, "--to", "jsonl", "--threads", "1", "--output", target)
    record = Path(f"{target}.partial.json")
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        before = json.loads(record.read_bytes())["texts"] if record.exists() else 0
        process = start(*words, "--resume")
        wait_for_more(record, process, before)
        process.send_signal(number)
        ended, err = finish(process)
        assert ended == code, err
        assert number == signal.SIGKILL or err.endswith("the same command with --resume goes on\n")
    ended, err = finish(start(*words, "--resume"))
    assert ended == 0, err
    resumed = target.read_bytes()
    target.unlink()
    assert finish(start(*words))[0] == 0
    assert resumed == target.read_bytes()
    assert names(target) == ["tagged"]

"""How the tests of the command line call it: in this process, in one of its own, or in one on a terminal."""

import contextlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tagger.cli.main import main

TERMINAL = {"TERM": "xterm", "COLUMNS": "100", "LINES": "24"}
# A process that a shell started in the background ignores interrupts, and so do its children.
START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from tagger.cli.main import main; sys.exit(main())"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a call left behind."""

    code: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *words: object) -> Done:
    """`tagger WORDS` in this process."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return Done(code=code, out=captured.out, err=captured.err)


def fail(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    """The one line that `tagger WORDS` must print when it ends with `code`, without `tagger: ` and the line end."""
    done = call(capsys, *words)
    assert done.code == code, done
    assert done.out == ""
    return only_line(done.err)


def only_line(err: str) -> str:
    assert err.startswith("tagger: "), err
    assert err.endswith("\n"), err
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err.removeprefix("tagger: ").removesuffix("\n")


def feed(monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> None:
    """Makes `content` standard input."""
    raw = io.BytesIO(content.encode("utf-8") if isinstance(content, str) else content)
    buffer = io.BufferedReader(raw)  # type: ignore[arg-type]  # as standard input has one
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffer, encoding="utf-8"))


def command(*words: object) -> list[str]:
    return [sys.executable, "-c", START, *map(str, words)]


def environment(**changes: str) -> dict[str, str]:
    """This process's, but for what makes rich think of terminals; torch on one thread."""
    hidden = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


def spawn(*words: object, stdin: str | None = None) -> Done:
    """`tagger WORDS` in a process of its own, without a terminal."""
    done = subprocess.run(
        command(*words), input=stdin or "", capture_output=True, text=True, env=environment(), check=False
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def on_terminal(*words: object, typed: str = "", stdout: Path | None = None) -> tuple[int, str]:
    """`tagger WORDS` on a pseudo-terminal -> exit code, and all that the terminal received.

    Args:
        words: the command line.
        typed: what is typed.
        stdout: the file that standard output goes to; None: the terminal.
    """
    terminal, end = pty.openpty()
    with contextlib.ExitStack() as files:
        output = end if stdout is None else files.enter_context(stdout.open("wb")).fileno()
        process = subprocess.Popen(
            command(*words), stdin=end, stdout=output, stderr=end, env=environment(**TERMINAL), close_fds=True
        )
    os.close(end)
    os.write(terminal, typed.encode())
    received = b""
    with contextlib.suppress(OSError):  # Linux: the terminal's other end is closed
        while piece := os.read(terminal, 1 << 16):
            received += piece
    os.close(terminal)
    return process.wait(), received.decode("utf-8").replace("\r\n", "\n")


def write_yaml(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path

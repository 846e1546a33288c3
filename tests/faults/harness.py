"""What the fault harnesses share: many short training runs, each in a forked process, and faults at chosen moments.

A harness runs in a process of its own, which imports torch once, on one thread, and forks for every run (see
`__main__.py`). The package knows nothing of it: in the child, the functions that write are replaced by ones that tell
of each write, fsync, rename, folder and epoch before it happens.
"""

import contextlib
import hashlib
import io
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tagger import files
from tagger.cli.main import main
from tagger.config import Config
from tagger.config_file import dump_config, load_config
from tagger.training.keeper import Keeper
from tagger.training.position import Epoch, Step
from tagger.training.run import train
from tests.conftest import SAMPLE, SPLITS, change, small_config, write_head

Moment = Callable[[str, str], None]
"""Called before a kind of operation (write, fsync, rename, mkdir, epoch, step) with what it is about."""

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"training.optimizer": "sgd", "training.momentum": 0.9, "training.learning_rate": 0.1, "training.accumulate": 2},
    {"data.tags": "NER", "data.scheme": "BIO", "model.head": "crf", "training.patience": 2},
    {"training.keep_checkpoints": 1, "training.checkpoint_steps": 1, "features.words.word_dropout": 0.1},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code; minus the signal that killed it.
        seconds: from its start, or from the signal that it was sent.
    """

    code: int
    seconds: float


def prepare(folder: Path, number: int = 0, **settings: Any) -> Path:
    """A small corpus, and the config of a run of a fraction of a second on it; returns the config's path."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    for split, count in zip(SPLITS, (24, 8, 8), strict=True):
        if not (folder / f"{split}.conllu").exists():
            write_head(SAMPLE / f"{split}.conllu", folder / f"{split}.conllu", count)
    base = {"training.num_epochs": 3, "training.batch_size": 6, "model.hidden_dim": 8, "training.checkpoint_steps": 3}
    named = {key.replace("__", "."): value for key, value in settings.items()}
    config: Config = change(small_config(folder), {**base, **VARIANTS[number % len(VARIANTS)], **named})
    path = folder / f"config-{number}.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    if not (folder / "warm").exists():  # what a run imports and remembers, every child then has from its birth
        with contextlib.redirect_stderr(io.StringIO()):
            train(config, folder / "warm")
        load_config(path)
    return path


def start(config: Path, out: Path, *, prelude: Callable[[], None] = lambda: None) -> int:
    """Forks a child that runs `tagger train CONFIG --out OUT --resume`; returns its process id.

    Args:
        config: the config's path.
        out: the run folder.
        prelude: called in the child before.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        sink = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(sink, stream)
        prelude()
        code = main(["train", str(config), "--out", str(out), "--resume"])
    finally:
        os._exit(code)


def wait(pid: int, *, limit: float = 120.0) -> Ended:
    """Waits for a child, which is killed after `limit` seconds."""
    began = time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return Ended(code=os.waitstatus_to_exitcode(status), seconds=time.monotonic() - began)
        if time.monotonic() - began > limit:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def complete(config: Path, out: Path, *, prelude: Callable[[], None] = lambda: None) -> str:
    """Runs, or goes on, to the end; returns what `result_of` says."""
    ended = wait(start(config, out, prelude=prelude))
    if ended.code:
        raise AssertionError(f"exit code {ended.code}: {out.with_suffix('.log').read_text()[-2000:]}")
    return result_of(out)


def result_of(out: Path) -> str:
    """One hash of the weights and metrics.jsonl."""
    content = (out / "model" / "model.safetensors").read_bytes() + (out / "metrics.jsonl").read_bytes()
    return hashlib.sha256(content).hexdigest()


def observe(moment: Moment) -> None:
    """Makes this process tell of each operation before it happens; the half of a write is done by then."""
    fsync, rename, replace, mkdir, swap, opened = os.fsync, os.rename, os.replace, os.mkdir, files._swap, io.open
    add = Keeper.add

    def tell_fsync(descriptor: int) -> None:
        moment("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def tell_two(kind: Callable[..., Any]) -> Callable[..., Any]:
        def told(source: Any, target: Any, **rest: Any) -> Any:
            moment("rename", f"{source} -> {target}")
            return kind(source, target, **rest)

        return told

    def tell_mkdir(path: Any, *rest: Any, **named: Any) -> None:
        moment("mkdir", str(path))
        mkdir(path, *rest, **named)

    def tell_open(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        stream = opened(file, mode, *rest, **named)
        if set(mode) & set("wax") and isinstance(file, str | os.PathLike):
            write = stream.write

            def tell_write(content: Any) -> Any:
                half = len(content) // 2
                write(content[:half])
                stream.flush()
                moment("write", str(file))
                return half + write(content[half:])

            return _Stream(stream, tell_write)
        return stream

    def tell_add(self: Keeper, event: Step | Epoch) -> None:
        kind = "epoch" if isinstance(event, Epoch) else "step"
        moment(kind, "before")
        add(self, event)
        moment(kind, "after")

    os.fsync, os.mkdir, io.open = tell_fsync, tell_mkdir, tell_open  # type: ignore[assignment]
    os.rename, os.replace, files._swap = tell_two(rename), tell_two(replace), tell_two(swap)
    Keeper.add = tell_add  # type: ignore[method-assign]


class _Stream:
    """A stream whose `write` is another."""

    def __init__(self, stream: Any, write: Callable[[Any], Any]) -> None:
        self._stream, self.write = stream, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> "_Stream":
        self._stream.__enter__()
        return self

    def __exit__(self, *rest: Any) -> Any:
        return self._stream.__exit__(*rest)


def list_moments(config: Path, out: Path) -> list[tuple[str, str]]:
    """Every moment of an unbroken run, in order."""
    log = out.with_suffix(".moments")

    def prelude() -> None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        observe(lambda kind, what: _append(descriptor, f"{kind}\t{what}\n"))

    complete(config, out, prelude=prelude)
    rows = (line.partition("\t") for line in log.read_text().splitlines())
    return [(kind, what) for kind, _, what in rows]


def at(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """A prelude that makes the child act at its moment `number`, counted from 0."""

    def prelude() -> None:
        left = number

        def moment(kind: str, what: str) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                act()

        observe(moment)

    return prelude


def kill() -> None:
    """Ends this process as a loss of power would."""
    os.kill(os.getpid(), signal.SIGKILL)


def _append(descriptor: int, line: str) -> None:
    os.write(descriptor, line.encode())

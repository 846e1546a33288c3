"""SIGTERM and SIGINT while a run reads, trains, evaluates and saves: it ends in time and can be gone on with."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tagger.training.run as run_module
from tagger.inference.predictor import Predictor
from tests.faults.harness import Ended, complete, observe, prepare, start, wait

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
STAGES = ("reading", "training", "evaluating", "saving")
LIMIT = 10.0  # seconds until a process must have ended


def send(config: Path, out: Path, stage: str, *, numbers: list[int], skip: int, pause: float = 0.3) -> Ended:
    """Runs until a stage is under way, sends signals, and waits.

    Args:
        config: the config's path.
        out: the run folder.
        stage: one of STAGES.
        numbers: the signals, one after the other.
        skip: how often the stage is let pass before.
        pause: seconds the stage lasts longer, so that the signal comes within it.
    """
    read, write = os.pipe()

    def prelude() -> None:
        left = skip

        def reached() -> None:
            nonlocal left
            left -= 1
            if left == -1:
                os.write(write, b".")
                time.sleep(pause)

        _tell_stage(stage, reached)

    pid = start(config, out, prelude=prelude)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    for number in numbers:
        os.kill(pid, number)
        time.sleep(0.05)
    return wait(pid)


def _tell_stage(stage: str, reached: Callable[[], None]) -> None:
    if stage == "reading":
        _before(run_module, "load_corpus", reached)
    elif stage == "evaluating":
        _before(Predictor, "predict", reached)
    else:
        in_training = ("step", "before")
        observe(
            lambda kind, what: (
                reached()
                if ((kind, what) == in_training if stage == "training" else kind == "fsync" and "/checkpoints" in what)
                else None
            )
        )


def _before(place: Any, name: str, act: Callable[[], None]) -> None:
    function = getattr(place, name)

    def called(*positional: Any, **named: Any) -> Any:
        act()
        return function(*positional, **named)

    setattr(place, name, called)


def run(times: int) -> dict[str, object]:
    """The harness, and then one second signal.

    Args:
        times: how often each signal is sent at each stage; 0: the signals by turns, once a stage.
    """
    began, slowest, sent = time.monotonic(), 0.0, 0
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, out = prepare(folder), folder / "run"
        result = complete(config, folder / "whole")
        cases = [(stage, number, again) for again in range(times) for stage in STAGES for number in CODES]
        for stage, number, again in cases or zip(STAGES, [*CODES, *CODES], (0, 1, 1, 1), strict=True):
            skip = 0 if stage == "reading" else again
            ended = send(config, out, stage, numbers=[number], skip=skip)
            sent, slowest = sent + 1, max(slowest, ended.seconds)
            case = f"{signal.Signals(number).name} while {stage}"
            if ended.code != CODES[number] or ended.seconds > LIMIT:
                wrong.append(f"{case}: {ended}: {out.with_suffix('.log').read_text()[-500:]}")
            elif complete(config, out) != result:
                wrong.append(f"{case}: another result when gone on with")
            shutil.rmtree(out, ignore_errors=True)
            out.with_suffix(".log").unlink(missing_ok=True)
        double = send(config, out, "training", numbers=[signal.SIGTERM, signal.SIGTERM], skip=1, pause=60.0)
        if double.code != CODES[signal.SIGTERM] or double.seconds > LIMIT:
            wrong.append(f"a second signal: {double}")
        elif complete(config, out) != result:
            wrong.append("a second signal: another result when gone on with")
    seconds = round(time.monotonic() - began)
    return {"sent": sent, "slowest": round(slowest, 2), "wrong": wrong, "seconds": seconds}

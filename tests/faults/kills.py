"""Kills training runs and goes on with them: the result must be that of the unbroken run."""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.harness import VARIANTS, at, complete, kill, list_moments, prepare, result_of, start, wait

KINDS = ("at a random time", "inside a save", "at an epoch's end")


class Reference:
    """The unbroken run of one config."""

    def __init__(self, folder: Path, number: int) -> None:
        self.config = prepare(folder, number)
        began = time.monotonic()
        self.result = complete(self.config, folder / f"whole-{number}")
        self.seconds = time.monotonic() - began
        moments = list_moments(self.config, folder / f"observed-{number}")
        assert result_of(folder / f"observed-{number}") == self.result
        self.inside = [
            position
            for position, (kind, what) in enumerate(moments)
            if kind in ("write", "fsync", "rename", "mkdir") and ("/checkpoints" in what or "/.model" in what)
        ]
        self.ends = [
            position
            for position, (kind, what) in enumerate(moments)
            if kind == "epoch" or "-00000000" in what or "metrics.jsonl" in what
        ]


def kill_once(reference: Reference, out: Path, *, kind: str, chance: random.Random, again: bool) -> bool:
    """Starts a run, or goes on with one again, and kills it; returns whether it was not over before."""
    if kind == KINDS[0]:
        pid = start(reference.config, out)
        time.sleep(chance.uniform(0.0, reference.seconds))
        os.kill(pid, signal.SIGKILL)
    else:
        places = reference.inside if kind == KINDS[1] else reference.ends
        # less is left of a run that is gone on with
        pid = start(reference.config, out, prelude=at(chance.choice(places) // (1 + again), kill))
    is_killed = wait(pid).code == -signal.SIGKILL
    if not is_killed and kind == KINDS[0]:
        reference.seconds *= 0.8  # the machine was slower when that was measured
    return is_killed


def run(num_once: int, num_twice: int, *, seed: int = 1) -> dict[str, object]:
    """The harness.

    Args:
        num_once: runs that are killed once, of each kind alike.
        num_twice: runs that are killed, gone on with, and killed again.
        seed: decides when.
    """
    chance = random.Random(seed)
    began = time.monotonic()
    done: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        num_variants = min(len(VARIANTS), max(1, num_once // 4))
        references = [Reference(folder, number) for number in range(num_variants)]
        while sum(done.values()) < num_once + num_twice:
            number = sum(done.values())
            reference, out = references[number % len(references)], folder / "run"
            twice = number >= num_once
            kinds = [KINDS[(number // len(references) + again) % len(KINDS)] for again in range(1 + twice)]
            killed = [
                kill_once(reference, out, kind=kind, chance=chance, again=bool(again))
                for again, kind in enumerate(kinds)
            ]
            if all(killed):
                done["twice" if twice else kinds[0]] += 1
                if complete(reference.config, out) != reference.result:
                    wrong.append(f"{reference.config.name} {kinds}")
                print(f"{sum(done.values())} killed, {len(wrong)} wrong", file=sys.stderr, flush=True)
            shutil.rmtree(out, ignore_errors=True)
            out.with_suffix(".log").unlink(missing_ok=True)
    return {"killed": dict(done), "wrong": wrong, "seconds": round(time.monotonic() - began)}

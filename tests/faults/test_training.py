"""Training runs that are killed, that cannot write, that are interrupted: they go on to the very same end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import environment

ROOT = Path(__file__).parents[2]


def run(name: str, *, limit: float) -> list[dict[str, Any]]:
    """The figures of harnesses, in a process of their own: they fork, which a process with threads must not."""
    words = [sys.executable, "-m", "tests.faults", name]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env=environment(), timeout=limit, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["wrong"] for each in figures] == [[]] * len(figures)
    return figures


def test_a_few_of_each() -> None:
    kills, failures, interrupts = run("short", limit=600)
    assert sum(kills["killed"].values()) == 4
    assert sum(failures["failed"].values()) >= 2
    assert failures["limits"] == 5
    assert interrupts["sent"] == 4


@pytest.mark.faults
def test_kills() -> None:
    (figures,) = run("kills", limit=3600)
    assert figures["killed"] == {"at a random time": 20, "inside a save": 20, "at an epoch's end": 20, "twice": 10}
    print(figures)


@pytest.mark.faults
def test_failures() -> None:
    (figures,) = run("failures", limit=3600)
    assert min(figures["failed"].values()) > 0
    print(figures)


@pytest.mark.faults
def test_interrupts() -> None:
    (figures,) = run("interrupts", limit=3600)
    assert figures["sent"] == 24
    assert figures["slowest"] < 10
    print(figures)

"""What every peer's script shares: reading CoNLL-U, clocks, and the one line of JSON that each prints.

It uses the standard library alone, since each peer runs in an environment of its own.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

Sentence = tuple[list[str], list[str]]  # tokens, UPOS tags

REPEATS = 3  # predictions of the test split; the median counts


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a peer is to do.

    Attributes:
        train: sentences to learn from.
        dev: sentences to choose by.
        test: sentences to tag.
        threads: CPU threads.
    """

    train: list[Sentence]
    dev: list[Sentence]
    test: list[Sentence]
    threads: int


def read_task(description: str) -> Task:
    """The command line of a peer's script, its files read; sets the environment's thread counts."""
    parser = argparse.ArgumentParser(description=description)
    for split in ("train", "dev", "test"):
        parser.add_argument(f"--{split}", required=True, help="CoNLL-U file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    return Task(train=_read(given.train), dev=_read(given.dev), test=_read(given.test), threads=given.threads)


def _read(path: str) -> list[Sentence]:
    sentences: list[Sentence] = []
    tokens: list[str] = []
    tags: list[str] = []
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        for line in [*file, "\n"]:
            cells = line.rstrip("\n").split("\t")
            if len(cells) == 10 and cells[0].isdigit():
                tokens.append(cells[1])
                tags.append(cells[3])
            elif len(cells) == 1 and not cells[0] and tokens:
                sentences.append((tokens, tags))
                tokens, tags = [], []
    return sentences


def measure(
    name: str,
    package: str,
    task: Task,
    *,
    train: Callable[[], int],
    predict: Callable[[list[list[str]]], list[list[str]]],
    note: str = "",
) -> None:
    """Trains, tags the test split, prints one line of JSON.

    Args:
        name: the peer.
        package: its distribution, whose version is told.
        task: what to do.
        train: trains; returns how many tokens it went over, every pass counted.
        predict: from lists of strings to lists of tags.
        note: settings, in a few words.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    num_trained = train()
    train_wall, train_cpu = time.perf_counter() - wall, time.process_time() - cpu
    tokens = [list(words) for words, _ in task.test]
    num_tokens = sum(map(len, tokens))
    predict(tokens[:200])  # warm-up
    speeds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        predicted = predict(tokens)
        speeds.append(num_tokens / (time.perf_counter() - start))
    gold = [tags for _, tags in task.test]
    right = sum(a == b for one, other in zip(gold, predicted, strict=True) for a, b in zip(one, other, strict=True))
    line = {
        "name": name,
        "version": version(package),
        "accuracy": round(100 * right / num_tokens, 2),
        "train_seconds": round(train_wall, 1),
        "train_cpu_seconds": round(train_cpu, 1),
        "train_tokens_per_cpu_second": round(num_trained / train_cpu),
        "predict_tokens_per_second": round(statistics.median(speeds)),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "threads": task.threads,
        "python": platform.python_version(),
        "note": note,
    }
    print(json.dumps(line), flush=True)

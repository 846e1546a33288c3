"""Time from the start of `tagger predict` to its first tag, and where it goes.

    python benchmarks/cold_start.py runs/ewt

Every measurement is a fresh process that tags one sentence; figures are medians. The whole is the real command, its
parts are of a process that does what the command does, step by step, with a clock between. Which imports take how
long is told by `python -X importtime`, which makes them a little slower.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

SENTENCE = "The cat sleeps.\n"
STEPS = """\
import time
marks = {"python itself": time.monotonic()}
import json
import sys
from tagger.cli.common import set_threads
from tagger.cli.main import build_parser
options = build_parser().parse_args(["predict", sys.argv[1], sys.argv[2]])
marks["command line"] = time.monotonic()
set_threads(1)
marks["import torch"] = time.monotonic()
import tagger.cli.progress
import tagger.data.columns
import tagger.data.lines
import tagger.data.rows
from tagger.inference.loading import load
import tagger.inference.hub_models
import tagger.inference.predictor
marks["other imports"] = time.monotonic()
predictor = load(options.model, device="cpu")
marks["loading the model"] = time.monotonic()
predictor.predict_text(open(options.input, encoding="utf-8").readline())
marks["first prediction"] = time.monotonic()
print(json.dumps(marks))
"""
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \|( *)(\S+)$")


def time_command(command: list[str]) -> tuple[float, float]:
    """Seconds to the first byte of the output, and to the end of the process."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        first = time.monotonic()
        process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return first - began, time.monotonic() - began


def time_steps(command: list[str]) -> dict[str, float]:
    """Seconds of each step of `STEPS`."""
    last = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    seconds = {}
    for name, mark in json.loads(done.stdout).items():
        seconds[name], last = mark - last, mark
    return seconds


def read_imports(report: str) -> dict[str, float]:
    """The seconds of each top package, of what `-X importtime` says; what torch imports counts as torch."""
    seconds: Counter[str] = Counter()
    nested: list[tuple[int, str, float]] = []  # modules, deeper first, whose importer has not been met yet
    for line in report.splitlines():
        match = _IMPORT.match(line)
        if match is None:
            continue
        spent, depth, name = int(match[1]) / 1e6, len(match[2]), match[3].partition(".")[0]
        if match[3] == "torch":
            spent += sum(inner for inner_depth, _, inner in nested if inner_depth > depth)
            nested = [item for item in nested if item[0] <= depth]
        nested.append((depth, name, spent))
    for _, name, spent in nested:
        seconds[name] += spent
    return seconds


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run folder or model folder")
    parser.add_argument("--repeats", type=int, default=9, help="processes of each (default 9)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a tagger that is installed is compiled
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "one.txt"
        text.write_text(SENTENCE, encoding="utf-8")
        words = [options.model, str(text)]
        command = ["-m", "tagger", "predict", *words, "--quiet", "--threads", "1", "--device", "cpu"]
        totals, parts = [], []
        for number in range(options.repeats + 1):
            total, steps = time_command([sys.executable, *command]), time_steps([sys.executable, "-c", STEPS, *words])
            if number:  # the first compiles, and reads everything from the disk
                totals.append(total)
                parts.append(steps)
        imported = subprocess.run(
            [sys.executable, "-X", "importtime", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    first, end = (statistics.median(values) for values in zip(*totals, strict=True))
    medians = {name: statistics.median(steps[name] for steps in parts) for name in parts[0]}
    print(f"python {platform.python_version()}, torch {version('torch')}, median of {options.repeats} processes")
    print(f"first tag after {first:.3f} s, end of the process after {end:.3f} s; of it, seconds:")
    for name, seconds in medians.items():
        print(f"  {name:<20} {seconds:.3f}")
    print(f"  {'rest':<20} {first - sum(medians.values()):.3f}")
    print(f"everything that is not torch: {first - medians['import torch']:.3f} s")
    print(describe_imports(imported.stderr))


def describe_imports(report: str) -> str:
    """The packages whose import takes longest."""
    bare = subprocess.run([sys.executable, "-X", "importtime", "-c", ""], stderr=subprocess.PIPE, text=True)
    at_start = read_imports(bare.stderr)
    sums: Counter[str] = Counter()
    for name, spent in read_imports(report).items():
        if name not in at_start:
            sums["python's library" if name in sys.stdlib_module_names else name] += spent
    longest = ", ".join(f"{name} {spent * 1000:.0f}" for name, spent in sums.most_common(12))
    return f"imports, ms (what torch itself imports, such as numpy, is in torch): {longest}"


if __name__ == "__main__":
    main()

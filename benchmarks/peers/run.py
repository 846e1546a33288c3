"""Trains and times every peer on the same files, one after the other, and writes the table of docs/benchmarks.md.

    python benchmarks/peers/run.py --data FOLDER     (FOLDER holds train.conllu, dev.conllu, test.conllu)

Each peer lives in an environment of its own, made in .venv-peers/ at the first run. Nothing else should run meanwhile.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import venv
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ROOT / ".venv-peers"
TABLE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"

# script and its arguments -> what its environment holds; None: ours
PEERS: dict[tuple[str, ...], list[str] | None] = {
    ("ours.py", "fast"): None,
    ("ours.py", "accurate"): None,
    ("crfsuite.py",): ["python-crfsuite==0.9.12"],
    ("spacy_tagger.py",): ["spacy==3.8.18"],
    ("flair_tagger.py",): ["torch==2.13.0", "flair==0.15.1"],
}
COLUMNS = {
    "name": "system",
    "version": "version",
    "accuracy": "UPOS accuracy",
    "train_seconds": "training, s",
    "train_cpu_seconds": "of CPU, s",
    "train_tokens_per_cpu_second": "trained tokens/s of CPU",
    "predict_tokens_per_second": "predicted tokens/s",
    "peak_mb": "peak MB",
    "note": "settings",
}


def main() -> None:
    """Runs all, or those asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of train.conllu, dev.conllu, test.conllu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each (default 1)")
    parser.add_argument("--only", nargs="*", help="words of the names of those to run; writes no table")
    given = parser.parse_args()
    files = [part for name in ("train", "dev", "test") for part in (f"--{name}", str(given.data / f"{name}.conllu"))]
    lines = []
    for script, packages in PEERS.items():
        if given.only and not any(word in " ".join(script) for word in given.only):
            continue
        command = [_python(script[0], packages), str(HERE / script[0]), *script[1:], *files, "--threads"]
        done = subprocess.run([*command, str(given.threads)], stdout=subprocess.PIPE, text=True, cwd=HERE, check=True)
        line = done.stdout.strip().splitlines()[-1]
        print(line, flush=True)
        lines.append(json.loads(line))
    if not given.only:
        _write_table(lines, threads=given.threads)


def _python(script: str, packages: list[str] | None) -> str:
    """The interpreter of a peer's environment, which is made if it is not there."""
    if packages is None:
        return sys.executable
    folder = ENVIRONMENTS / Path(script).stem
    python = folder / "bin" / "python"
    marker = folder / "installed"
    if not marker.exists():
        venv.create(folder, with_pip=True, clear=True)
        for package in packages:  # one by one: a pinned build must not be looked for anew
            subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
        marker.touch()
    return str(python)


def _write_table(lines: list[dict[str, object]], *, threads: int) -> None:
    rows = [" | ".join(COLUMNS.values()), " | ".join("---" for _ in COLUMNS)]
    rows += [" | ".join(_show(line[key]) for key in COLUMNS) for line in lines]
    table = "\n".join(f"| {row} |" for row in rows)
    about = (
        f"{date.today():%Y-%m-%d}, {_processor()}, {os.cpu_count()} cores, {threads} thread(s) each, "
        f"Python {platform.python_version()}; one run, one system after the other."
    )
    text = TABLE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    TABLE.write_text(f"{before}{BEGIN}\n{about}\n\n{table}\n{END}{after}", encoding="utf-8")


def _show(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()

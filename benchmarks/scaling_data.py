"""Time and memory of large corpora: reading, and one epoch of a tiny tagger, at several sizes and how both grow.

    python benchmarks/scaling_data.py ../shared/data/ewt/train.conllu --tokens 1000000 3000000 10000000

A corpus of parts of speech is repeated into CoNLL columns until it has so many tokens. With `--new-words`, each copy
spells the words that occur once anew, so that the vocabulary grows as that of a larger corpus would. Each measurement
is a process of its own; seconds are its CPU time, so that a busy machine changes them little. The exponent is that of
size in time: 1 is linear.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tagger.data.conllu import read_conllu
from tagger.data.writers import write_conll
from tagger.sentence import Sentence

LOAD = """\
import sys
from tagger.config import DataConfig
from tagger.data.corpus import load_corpus
load_corpus(DataConfig(train=sys.argv[1]))
"""
CONFIG = """\
data: {{train: {train}, dev: {dev}}}
features: {{words: {{dim: 16}}, characters: {{kind: none}}, affixes: {{dim: 4, num_buckets: 1000}}}}
model: {{hidden_dim: 16, bidirectional: false}}
training: {{num_epochs: 1, batch_tokens: 16384, device: cpu, precision: fp32, num_threads: {threads}}}
"""


def write_copies(
    sentences: list[Sentence],
    num_tokens: int,
    path: Path,
    *,
    new_words: bool,
    write: Callable[[list[Sentence]], Iterable[str]] = write_conll,
) -> int:
    """Writes whole copies of the sentences, as come nearest to `num_tokens`; returns how many tokens they are."""
    counts = Counter(token for sentence in sentences for token in sentence.tokens)
    size = sum(counts.values())
    copies = max(1, round(num_tokens / size))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for copy in range(copies):
            changed = sentences
            if new_words and copy:
                changed = [
                    Sentence(
                        tokens=tuple(f"{token}{copy}" if counts[token] == 1 else token for token in sentence.tokens),
                        tags=sentence.tags,
                    )
                    for sentence in sentences
                ]
            file.writelines(write(changed))
    return copies * size


def measure(command: list[str]) -> tuple[float, float]:
    """Runs a command; returns its CPU seconds, and the most memory it held, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of log seconds over log size, by least squares."""
    xs, ys = [math.log(size) for size in sizes], [math.log(value) for value in seconds]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def main() -> None:
    """Runs the benchmark and prints a line for each size, and one for what is fitted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="a CoNLL-U file")
    parser.add_argument("--tokens", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--new-words", action="store_true", help="let the vocabulary grow")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of training")
    options = parser.parse_args()
    sentences = list(read_conllu(options.corpus))
    sizes: list[int] = []
    seconds: dict[str, list[float]] = {"read": [], "train": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dev, config = folder / "dev.conll", folder / "config.yaml"
        dev.write_text("".join(write_conll(sentences[:500])), encoding="utf-8")
        for size in options.tokens:
            train = folder / f"{size}.conll"
            sizes.append(write_copies(sentences, size, train, new_words=options.new_words))
            config.write_text(CONFIG.format(train=train, dev=dev, threads=options.threads), encoding="utf-8")
            line = f"{sizes[-1]:,} tokens"
            run = ["-m", "tagger", "train", str(config), "--out", str(folder / f"run{size}")]
            for verb, words in (("read", ["-c", LOAD, str(train)]), ("train", run)):
                spent, megabytes = measure([sys.executable, *words])
                seconds[verb].append(spent)
                line += f"; {verb} {spent:.1f} s, at most {megabytes:,.0f} MB"
            print(line, flush=True)
            train.unlink()
    if len(sizes) > 1:
        fitted = ", ".join(f"{verb} {exponent(sizes, values):.2f}" for verb, values in seconds.items())
        print(f"exponents (start of the process included): {fitted}")


if __name__ == "__main__":
    main()

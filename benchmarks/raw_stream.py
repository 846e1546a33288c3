"""Tags raw text from standard input, as `tagger predict MODEL` does, and says how fast and with how much memory.

    python benchmarks/raw_stream.py runs/ewt ../shared/data/ewt/train.conllu --tokens 100000

The raw text is made of the file's `# text` lines, over and over. The command runs at the size asked for and at four
times that, each in a process of its own, to show whether memory stays flat; that the output is complete and in order
is checked by comparing its tokens, without spaces, with the input.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def raw_lines(path: Path) -> list[str]:
    """The `# text` lines of a CoNLL-U file."""
    return [
        line.removeprefix("# text = ").rstrip("\n")
        for line in path.open(encoding="utf-8", newline="\n")
        if line.startswith("# text = ")
    ]


def write_text(lines: list[str], num_tokens: int, target: Path) -> None:
    """Writes lines, over and over, until they hold at least `num_tokens` tokens by `tagger`'s own tokenizer."""
    from tagger.inference.text import tokenize

    count = 0
    with target.open("w", encoding="utf-8", newline="\n") as file:
        while count < num_tokens:
            for line in lines:
                file.write(line + "\n")
                count += len(tokenize(line))
                if count >= num_tokens:
                    break


def run(model: str, text: Path, *, threads: int) -> tuple[str, float, float]:
    """Runs the command; returns its output, its seconds, and the most memory it held, in MB."""
    command = [
        sys.executable,
        "-m",
        "tagger",
        "predict",
        model,
        "--quiet",
        "--device",
        "cpu",
        "--threads",
        str(threads),
    ]
    start = time.perf_counter()
    with text.open("rb") as source, tempfile.TemporaryFile("w+b") as output:
        process = subprocess.Popen(command, stdin=source, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"tagger predict ended with {os.waitstatus_to_exitcode(status)}")
        output.seek(0)
        return output.read().decode("utf-8"), seconds, usage.ru_maxrss / 1024


def check(output: str, text: Path) -> int:
    """Compares output with input, spaces left out; returns the number of tokens."""
    tokens = [line.split("\t")[0] for line in output.split("\n") if line]
    given = "".join(text.read_text(encoding="utf-8").split())
    if "".join("".join(tokens).split()) != given:
        raise SystemExit("the output does not hold the input's characters in order")
    return len(tokens)


def main() -> None:
    """Runs the benchmark and prints one line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run folder or model folder")
    parser.add_argument("corpus", type=Path, help="a CoNLL-U file with `# text` lines")
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: torch's choice")
    options = parser.parse_args()
    lines = raw_lines(options.corpus)
    with tempfile.TemporaryDirectory() as folder:
        for size in (options.tokens, 4 * options.tokens):
            text = Path(folder) / f"{size}.txt"
            write_text(lines, size, text)
            output, seconds, megabytes = run(options.model, text, threads=options.threads)
            count = check(output, text)
            print(
                f"{count:,} tokens, complete and in order: {seconds:.1f} s with start, "
                f"{count / seconds:,.0f} tokens/s, at most {megabytes:,.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()

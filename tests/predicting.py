"""Inputs for `tagger predict` in every format, and the command in a process of its own that keeps what it has often."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from tests.cli.command import environment

WORDS = ["The", "mayor", "waited", "and", "she", "left", "Prague", "on", "Friday", "12", "zebra", "unseen"]
SOURCES = ("raw", "conll", "conllu", "jsonl", "raw.gz", "jsonl.gz")


def make_texts(seed: int = 0, count: int = 50) -> list[list[str]]:
    """Sentences of one to nine words."""
    chance = Random(seed)
    return [chance.choices(WORDS, k=chance.randint(1, 9)) for _ in range(count)]


def spell(texts: list[list[str]], kind: str) -> bytes:
    """The texts as a file of this kind holds them."""
    if kind == "raw":
        content = "".join(f"{' '.join(words)}. She left.\n" for words in texts)
    elif kind == "conll":
        content = "".join("".join(f"{word} x\n" for word in words) + "\n" for words in texts)
    elif kind == "conllu":
        rest = "\t_" * 8
        rows = ("".join(f"{n}\t{word}{rest}\n" for n, word in enumerate(words, 1)) for words in texts)
        content = "".join(f"# text = x\n{row}\n" for row in rows)
    else:
        content = "".join(f"{json.dumps({'tokens': words})}\n\n" for words in texts)
    return content.encode()


def write_input(folder: Path, kind: str, texts: list[list[str]]) -> Path:
    """Writes them, packed if the kind ends in `.gz`."""
    kind, dot, packed = kind.partition(".")
    path = folder / f"in.{kind}{dot}{packed}"
    content = spell(texts, kind)
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


SMALL_BLOCKS = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from tagger.cli import predict_input; predict_input.BLOCK_TEXTS = 64; "
    "from tagger.cli.main import main; sys.exit(main())"
)


def start(*words: object) -> "subprocess.Popen[bytes]":
    """`tagger WORDS` in a process of its own; what is answered is kept after each 64 texts."""
    line = [sys.executable, "-c", SMALL_BLOCKS, *map(str, words)]
    return subprocess.Popen(line, stderr=subprocess.PIPE, env=environment())


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Waits for it; its exit code, and what it said."""
    _, err = process.communicate()
    return process.returncode, err.decode()


def wait_for_more(record: Path, process: "subprocess.Popen[bytes]", before: int) -> None:
    """Waits until a record holds more texts than before."""
    while process.poll() is None:
        if record.exists() and json.loads(record.read_bytes())["texts"] > before:
            return
        time.sleep(0.001)

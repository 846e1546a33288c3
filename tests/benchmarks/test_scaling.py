import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scaling_data import exponent, write_copies
from tagger.data.columns import read_conll
from tagger.data.writers import write_conllu
from tagger.sentence import Sentence

ROOT = Path(__file__).parents[2]
SENTENCES = [Sentence(tokens=("a", "b", "a"), tags=("X", "Y", "X")), Sentence(tokens=("a", "c"), tags=("X", "Y"))]


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_exponent_of_a_power_is_its_power(power: float) -> None:
    sizes = [10, 30, 1000]
    assert exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


@pytest.mark.parametrize(("asked", "written"), [(1, 5), (12, 10), (13, 15)])
def test_whole_copies_are_written(asked: int, written: int, tmp_path: Path) -> None:
    path = tmp_path / "copies.conll"
    assert write_copies(SENTENCES, asked, path, new_words=False) == written
    tokens = [token for sentence in read_conll(path) for token in sentence.tokens]
    assert tokens == ["a", "b", "a", "a", "c"] * (written // 5)


def test_new_words_are_those_that_occur_once(tmp_path: Path) -> None:
    path = tmp_path / "copies.txt"
    write_copies(SENTENCES, 15, path, new_words=True, write=lambda copy: [f"{s.tokens}\n" for s in copy])
    found = [line for line in path.read_text(encoding="utf-8").splitlines() if "b" in line]
    assert found == ["('a', 'b', 'a')", "('a', 'b1', 'a')", "('a', 'b2', 'a')"]


def run(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "benchmarks/scaling.py", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_each_size_and_length_is_tagged_whole(pos_run: Path, tmp_path: Path) -> None:
    lines = ["She left .", "The mayor waited for the train ."]
    words = [tuple(line.split()) for line in lines[1:]] + [("She", "left", "a b")]
    raw, columns = tmp_path / "text.txt", tmp_path / "text.conllu"
    raw.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    columns.write_text("".join(write_conllu(Sentence(tokens=tokens) for tokens in words)), encoding="utf-8")
    printed = run(pos_run, columns, "--tokens", 100, 300, "--lengths")
    assert re.findall(r"^(\d+) tokens: ", printed, re.MULTILINE) == ["100", "300"]
    assert re.findall(r"^exponents of (\w+): ", printed, re.MULTILINE) == ["size"]
    printed = run(pos_run, raw, "--tokens", 50, "--lengths", 5, 50, "--length-tokens", 100)
    assert re.findall(r"^(\d+) tokens: ", printed, re.MULTILINE) == ["50"]
    assert re.findall(r"^sentences of (\d+) tokens: ", printed, re.MULTILINE) == ["5", "50"]
    assert re.findall(r"^exponents of (\w+): ", printed, re.MULTILINE) == ["length"]

"""Prediction of a million tokens: memory stays flat, or within what docs/reliability.md says.

The network is as wide as the default config makes it, and its weights are drawn at random: what it answers does not
matter here.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.errors import DataError
from tagger.inference.predictor import Predictor
from tagger.sentence import MAX_TOKENS
from tests.faults.million import MILLION, make_predictor, memory, peak_of

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


@pytest.fixture
def predictor() -> Predictor:
    return make_predictor()


@pytest.mark.parametrize("length", [9, 200])
def test_a_million_distinct_unknown_words_leave_memory_flat(predictor: Predictor, length: int) -> None:
    def words() -> Iterator[list[str]]:
        for number in range(0, MILLION, 20):
            yield [f"x{each}".ljust(length, "y") for each in range(number, number + 20)]

    seen: dict[int, float] = {}
    for number, answer in enumerate(predictor.predict_stream(words()), start=1):
        assert len(answer) == 20
        if number * 20 % 100_000 == 0:
            seen[number * 20] = memory("VmRSS")
    print(f"words of {length} characters: MiB after so many: { {n: round(mib) for n, mib in seen.items()} }")
    early = max(mib for count, mib in seen.items() if count <= 400_000)
    assert max(seen.values()) < early + 64


@pytest.mark.parametrize("words", [("1",), ("20",), ("1000",), ("20000",), (str(MAX_TOKENS), str(MAX_TOKENS))])
def test_a_million_tokens_stay_within_bounds(words: tuple[str, ...]) -> None:
    """Of all lengths within a gibibyte; the last is one sentence, the longest allowed. Each has an hour of its own."""
    command = [sys.executable, "-m", "tests.faults.million", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=3600)
    grown, took = map(int, done.stdout.split())
    print(f"sentences of {words[0]} tokens: {grown} MiB above the model, {took} s of CPU time")
    assert grown < (1024 if len(words) == 1 else 2048)


def test_a_sentence_of_a_million_tokens_is_refused(predictor: Predictor) -> None:
    def ask() -> None:
        with pytest.raises(DataError, match=r"^expected a sentence of at most 100,000 tokens, found 1,000,000$"):
            predictor.predict([["word1"] * MILLION])

    grown = peak_of(ask)
    print(f"a sentence of a million tokens is refused within {grown:.0f} MiB")
    assert grown < 64


def test_a_text_of_a_million_tokens_without_an_end_is_refused(predictor: Predictor) -> None:
    text = "word " * MILLION

    def ask() -> None:
        with pytest.raises(DataError, match=r"^expected a sentence of at most 100,000 tokens, found 1,000,000$"):
            predictor.predict_text(text)

    grown = peak_of(ask)
    print(f"a text of a million tokens in one sentence is refused within {grown:.0f} MiB")
    assert grown < 1024

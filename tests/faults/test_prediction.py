"""Prediction of a million tokens: memory stays flat, or within what docs/reliability.md says.

The network is as wide as the default config makes it, and its weights are drawn at random: what it answers does not
matter here.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tagger.config import Config, DataConfig, ModelConfig
from tagger.data.vocab import Vocabulary
from tagger.errors import DataError
from tagger.inference.model_folder import sizes_of
from tagger.inference.predictor import Predictor
from tagger.model.network import build_network
from tagger.schemes import tags_of_types
from tagger.sentence import MAX_TOKENS

_MILLION = 1_000_000
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


@pytest.fixture
def predictor() -> Predictor:
    config = Config(data=DataConfig(train="train.conll", scheme="BIO"), model=ModelConfig(head="crf"))
    features = config.features
    vocabulary = Vocabulary.build(
        {f"word{number}": 2 for number in range(20_000)},
        tags=tags_of_types(["LOC", "MISC", "ORG", "PER"], "BIOES"),
        extra_words=[],
        words=features.words,
        characters=features.characters,
        affixes=features.affixes,
    )
    torch.manual_seed(0)
    network = build_network(features, config.model, sizes_of(vocabulary, config))
    made = Predictor(network, vocabulary, scheme="BIO", encoding="BIOES", device=torch.device("cpu"))
    made.predict([["word1", "new"] * length for length in range(1, 100)])  # what the libraries keep for themselves
    return made


def memory(key: str) -> float:
    """This process's memory in MiB: VmRSS now, VmHWM at most since `reset_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def peak_of(work: Callable[[], object]) -> float:
    """MiB that memory rises by while the work is done."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    work()
    return memory("VmHWM") - before


@pytest.mark.parametrize("length", [9, 200])
def test_a_million_distinct_unknown_words_leave_memory_flat(predictor: Predictor, length: int) -> None:
    def words() -> Iterator[list[str]]:
        for number in range(0, _MILLION, 20):
            yield [f"x{each}".ljust(length, "y") for each in range(number, number + 20)]

    seen: dict[int, float] = {}
    for number, answer in enumerate(predictor.predict_stream(words()), start=1):
        assert len(answer) == 20
        if number * 20 % 100_000 == 0:
            seen[number * 20] = memory("VmRSS")
    print(f"words of {length} characters: MiB after so many: { {n: round(mib) for n, mib in seen.items()} }")
    early = max(mib for count, mib in seen.items() if count <= 400_000)
    assert max(seen.values()) < early + 64


@pytest.mark.parametrize("length", [1, 20, 1_000, 20_000])
def test_a_million_tokens_stay_within_a_gibibyte(predictor: Predictor, length: int) -> None:
    sentence = [f"word{number % 30_000}" for number in range(length)]
    start = time.process_time()
    grown = peak_of(lambda: predictor.predict([sentence] * (_MILLION // length)))
    took = time.process_time() - start
    print(f"a million tokens in sentences of {length}: {grown:.0f} MiB above the model, {took:.0f} s of CPU time")
    assert grown < 1024


def test_a_sentence_of_a_million_tokens_is_refused(predictor: Predictor) -> None:
    def ask() -> None:
        with pytest.raises(DataError, match=r"^expected a sentence of at most 100,000 tokens, found 1,000,000$"):
            predictor.predict([["word1"] * _MILLION])

    grown = peak_of(ask)
    print(f"a sentence of a million tokens is refused within {grown:.0f} MiB")
    assert grown < 64


def test_a_text_of_a_million_tokens_without_an_end_is_refused(predictor: Predictor) -> None:
    text = "word " * _MILLION

    def ask() -> None:
        with pytest.raises(DataError, match=r"^expected a sentence of at most 100,000 tokens, found 1,000,000$"):
            predictor.predict_text(text)

    grown = peak_of(ask)
    print(f"a text of a million tokens in one sentence is refused within {grown:.0f} MiB")
    assert grown < 1024


def test_the_longest_sentence_allowed(predictor: Predictor) -> None:
    answers: list[int] = []
    grown = peak_of(lambda: answers.append(len(predictor.predict([["word1", "new"] * (MAX_TOKENS // 2)])[0])))
    print(f"a sentence of {MAX_TOKENS:,} tokens: {grown:.0f} MiB above the model")
    assert answers == [MAX_TOKENS]
    assert grown < 4096

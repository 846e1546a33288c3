"""A million tokens in a process with a memory of its own: `python -m tests.faults.million N`.

Prints the MiB by which tagging them, in sentences of N tokens, raises memory above that of the loaded model, and
the seconds of CPU time it takes.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tagger.config import Config, DataConfig, ModelConfig
from tagger.data.vocab import Vocabulary
from tagger.inference.model_folder import sizes_of
from tagger.inference.predictor import Predictor
from tagger.model.network import build_network
from tagger.schemes import tags_of_types

MILLION = 1_000_000


def make_predictor() -> Predictor:
    """A network as wide as the default config makes it, with a CRF and random weights."""
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
    """This process's memory in MiB: VmRSS now, VmHWM at most since `peak_of` began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def peak_of(work: Callable[[], object]) -> float:
    """MiB that memory rises by while the work is done."""
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    work()
    return memory("VmHWM") - before


def main(length: int, num_tokens: int = MILLION) -> None:
    torch.set_num_threads(1)
    predictor = make_predictor()
    sentence = [f"word{number % 30_000}" for number in range(length)]
    start = time.process_time()
    grown = peak_of(lambda: predictor.predict([sentence] * (num_tokens // length)))
    print(round(grown), round(time.process_time() - start))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

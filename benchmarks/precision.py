"""Prediction in float32, bfloat16 and 8-bit integers: tokens a second, and how many tags differ from float32's.

    python benchmarks/precision.py RUN TEST.conllu [--threads 1 2] [--repeats 7]

All predict the same sentences, from lists of strings to Predictions, with each number of threads, in turns; medians.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path

import torch

import tagger
from tagger.data.conllu import read_conllu


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run folder of a model trained on UPOS")
    parser.add_argument("test", type=Path, help="CoNLL-U file")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="CPU threads, in turns (default 1)")
    parser.add_argument("--repeats", type=int, default=7, help="passes of each (default 7)")
    given = parser.parse_args()
    sentences = list(read_conllu(given.test, tags="UPOS"))
    tokens = [sentence.tokens for sentence in sentences]
    gold = [tag for sentence in sentences for tag in sentence.tags or ()]
    predictors = [tagger.load(given.run, precision=precision) for precision in ("fp32", "bf16", "int8")]
    cases = list(itertools.product(predictors, given.threads))
    seconds: list[list[float]] = [[] for _ in cases]
    answers: list[list[str]] = [[] for _ in cases]
    for _ in range(given.repeats + 1):
        for place, (predictor, threads) in enumerate(cases):
            torch.set_num_threads(threads)
            began = time.perf_counter()
            predictions = predictor.predict(tokens)
            seconds[place].append(time.perf_counter() - began)
            answers[place] = [tag for prediction in predictions for tag in prediction.tags]
    medians = [statistics.median(times[1:]) for times in seconds]
    print(f"precision, threads, tokens/s, beside {given.threads[0]} in float32")
    for (predictor, threads), median, tags in zip(cases, medians, answers, strict=True):
        right = sum(one == other for one, other in zip(tags, gold, strict=True))
        num_changed = sum(one != other for one, other in zip(tags, answers[0], strict=True))
        print(
            f"{predictor.precision}  {threads}  {len(gold) / median:>9,.0f} tokens/s  {medians[0] / median:.2f}x"
            f"  accuracy {100 * right / len(gold):.2f}  {num_changed:,} of {len(gold):,} tags differ"
        )


if __name__ == "__main__":
    main()

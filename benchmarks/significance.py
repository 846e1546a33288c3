"""Do the statistics of reports and comparisons hold what they promise?

    python benchmarks/significance.py [--trials 2000] [--sentences 300]

Draws corpora from a process whose true scores are known and in which sentences differ in difficulty, and counts:

* how often approximate randomisation rejects at 0.05 where both systems are equally good (5 % promised);
* how often the 95 % bootstrap interval holds the true score, and the paired one the true difference (95 % promised).

Exits with 1 if a rate lies outside what is asked for: 3 to 7 % rejected, 93 to 97 % covered.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tagger.evaluation.statistics import (
    Floats,
    f1_of,
    find_interval,
    paired_interval,
    randomise,
    resample_totals,
)

# a generator and a number of sentences -> counts (N, 3) of two systems, and their true score
Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats, float]]

_REJECTED, _COVERED = (0.03, 0.07), (0.93, 0.97)
_GOLD_RATE, _SPURIOUS_RATE = 1.5, 0.4  # spans a sentence
_TOKENS = (5, 30)  # of a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often each promise was kept, in [0, 1]."""

    rejected: float
    covered: float
    paired_covered: float


def main() -> int:
    """Runs the trials and prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.trials:,} trials of {options.sentences:,} sentences, seed {options.seed}")
    print(f"{'score':10}  {'rejected at 0.05':>16}  {'interval covers':>15}  {'paired interval covers':>22}")
    kept = True
    for name, draw in (("accuracy", _draw_tokens), ("span F1", _draw_spans)):
        rates = _try(draw, trials=options.trials, sentences=options.sentences, seed=options.seed)
        shown = (f"{100 * rate:.1f} %" for rate in (rates.rejected, rates.covered, rates.paired_covered))
        print("{:10}  {:>16}  {:>15}  {:>22}".format(name, *shown))
        kept &= _REJECTED[0] <= rates.rejected <= _REJECTED[1]
        kept &= all(_COVERED[0] <= rate <= _COVERED[1] for rate in (rates.covered, rates.paired_covered))
    return 0 if kept else 1


def _try(draw: Draw, *, trials: int, sentences: int, seed: int) -> Rates:
    rejected = covered = paired_covered = 0
    for trial in range(trials):
        random = np.random.default_rng((seed, trial))
        first, second, truth = draw(random, sentences)
        rejected += int(randomise(first, second, _score, num_shuffles=1000, seed=trial)[0] <= 0.05)
        interval = find_interval(_score(resample_totals(first, seed=trial))[:, 0])
        covered += interval is not None and interval.low <= truth <= interval.high
        paired = find_interval(paired_interval(first, second, _score, seed=trial)[:, 0])
        paired_covered += paired is not None and paired.low <= 0 <= paired.high
    return Rates(rejected=rejected / trials, covered=covered / trials, paired_covered=paired_covered / trials)


def _score(totals: Floats) -> Floats:
    return f1_of(totals[:, 0], totals[:, 1], totals[:, 2])[:, None]


def _draw_tokens(random: np.random.Generator, sentences: int) -> tuple[Floats, Floats, float]:
    """Correct, predicted and gold tokens of each sentence by two systems that are equally good; their accuracy."""
    lengths = random.integers(*_TOKENS, size=sentences)
    ease = random.beta(18, 2, size=sentences)  # the chance that a token of this sentence is right
    sides = [np.stack([random.binomial(lengths, ease), lengths, lengths], axis=1).astype(float) for _ in range(2)]
    return sides[0], sides[1], 18 / 20


def _draw_spans(random: np.random.Generator, sentences: int) -> tuple[Floats, Floats, float]:
    """Correct, predicted and gold spans of each sentence by two systems that are equally good; their F1."""
    gold = random.poisson(_GOLD_RATE, size=sentences)
    ease = random.beta(3, 2, size=sentences)
    sides = []
    for _ in range(2):
        correct = random.binomial(gold, ease)
        spurious = random.poisson(_SPURIOUS_RATE, size=sentences)
        sides.append(np.stack([correct, correct + spurious, gold], axis=1).astype(float))
    found = _GOLD_RATE * 3 / 5
    return sides[0], sides[1], 2 * found / (found + _SPURIOUS_RATE + _GOLD_RATE)


if __name__ == "__main__":
    sys.exit(main())

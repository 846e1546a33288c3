"""How long a report on many sentences takes, and how much memory: breakdowns and bootstrap included.

    python benchmarks/report.py [--sentences 100000] [--scheme BIO | plain]

Sentences are random, about 20 tokens each; the time is that of this process on the CPU, and the wall clock's.
"""

import argparse
import random
import resource
import time
from collections.abc import Iterator

from tagger.evaluation.builder import build_report
from tagger.evaluation.report import Report
from tagger.schemes import is_plain, tags_to_spans
from tagger.sentence import Prediction, Sentence, Span

_NUM_WORDS, _NUM_TAGS = 30_000, 17
_TYPES = ("PER", "LOC", "ORG", "MISC")


def main() -> None:
    """Makes the sentences, and prints what each step takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--scheme", choices=("BIO", "plain"), default="BIO")
    options = parser.parse_args()
    pairs = list(_draw(options.sentences, options.scheme))
    gold, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    del pairs
    print(f"{len(gold):,} sentences, {sum(map(len, gold)):,} tokens, {options.scheme}; memory {_memory()} MiB")
    words = {f"w{number}": (1 + number % 50, 1 + number % 3) for number in range(_NUM_WORDS * 2 // 3)}
    clocks = time.process_time(), time.perf_counter()
    report = build_report(
        gold, predicted, title="T", split="test", scheme=options.scheme, known_words=set(words), words=words
    )
    _show("report", clocks)
    clocks = time.process_time(), time.perf_counter()
    text = report.to_json()
    _show(f"JSON of {len(text) / 1e6:.1f} MB written", clocks)
    clocks = time.process_time(), time.perf_counter()
    Report.from_json(text)
    _show("JSON read", clocks)


def _draw(number: int, scheme: str) -> Iterator[tuple[Sentence, Prediction]]:
    chance = random.Random(1)
    for index in range(number):
        length = chance.randint(5, 35)
        tokens = tuple(f"w{min(_NUM_WORDS - 1, int(chance.expovariate(1 / 3000)))}" for _ in range(length))
        gold = _plain_tags(chance, length) if is_plain(scheme) else _span_tags(chance, length)
        predicted = list(gold)
        for at in range(length):
            if chance.random() < 0.05:
                predicted[at] = f"T{chance.randrange(_NUM_TAGS)}" if is_plain(scheme) else chance.choice(["O", "B-PER"])
        spans = [] if is_plain(scheme) else tags_to_spans(predicted, scheme)
        yield (
            Sentence(tokens=tokens, tags=tuple(gold), source=f"test:{index}"),
            Prediction(
                tokens=tokens,
                tags=tuple(predicted),
                spans=tuple(
                    Span(start=span.start, end=span.end, label=span.label, confidence=chance.random()) for span in spans
                ),
                confidence=tuple(chance.random() for _ in range(length)),
            ),
        )


def _plain_tags(chance: random.Random, length: int) -> list[str]:
    return [f"T{chance.randrange(_NUM_TAGS)}" for _ in range(length)]


def _span_tags(chance: random.Random, length: int) -> list[str]:
    tags = ["O"] * length
    for _ in range(chance.randint(0, 3)):
        start, size, label = chance.randrange(length), chance.randint(1, 3), chance.choice(_TYPES)
        if set(tags[start : start + size]) == {"O"}:
            for at in range(start, min(length, start + size)):
                tags[at] = f"{'B' if at == start else 'I'}-{label}"
    return tags


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _show(what: str, clocks: tuple[float, float]) -> None:
    cpu, wall = time.process_time() - clocks[0], time.perf_counter() - clocks[1]
    print(f"{what}: {cpu:.1f} s of CPU time, {wall:.1f} s by the clock; most memory so far {_memory()} MiB")


if __name__ == "__main__":
    main()

"""Does `tagger data suspects` find annotation that is known to be wrong?

    python benchmarks/suspects.py [--config configs/pos_sample.yaml] [--share 0.03] [--seed 1] [--folds 5]

Replaces the tags of a share of train's tokens by others, drawn from train's own tags in their proportions, and
cross-validates it with the config's settings. Printed are, of the corrupted tokens, how many are listed (recall) and
how many of the first ones listed are corrupted (precision). What was wrong before counts as a false alarm. For plain
tags, in columns or CoNLL-U.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tagger.config import Config, DataConfig
from tagger.config_file import load_config
from tagger.data.corpus import read_sentences
from tagger.sentence import Sentence
from tagger.training.disagreements import FoldFinished
from tagger.training.suspects import Event, find_suspect_gold

_FIRST = (20, 50, 100, 200)


def main() -> int:
    """Corrupts, cross-validates, and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/pos_sample.yaml")
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folds", type=int, default=5)
    options, settings = parser.parse_known_args()
    config = load_config(options.config, settings)
    clean = list(read_sentences(Path(str(config.data.train)), config.data, known_only=False))
    corrupted = corrupt(clean, share=options.share, seed=options.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.conll"
        write_columns(corrupted, path)
        found = find_suspect_gold(
            read_columns(config, path, folder=Path(folder)),
            num_folds=options.folds,
            min_confidence=0.0,
            listener=_show,
        )
    wrong = wrong_places(clean, corrupted)
    hits = [(int(each.where.rpartition(":")[2]), each.confidence) for each in found.suspects]
    print(f"{len(wrong):,} of {sum(map(len, clean)):,} tags corrupted, seed {options.seed}, {options.folds} folds")
    for count in _FIRST:
        right = sum(place in wrong for place, _ in hits[:count])
        print(f"first {count:>4}: {right:>4} corrupted, precision {100 * right / count:.1f} %")
    for least in (0.99, 0.9, 0.5, 0.0):
        listed = [place for place, confidence in hits if confidence >= least]
        right = sum(place in wrong for place in listed)
        shares = f"precision {100 * right / max(1, len(listed)):.1f} %, recall {100 * right / len(wrong):.1f} %"
        print(f"confidence >= {least:<4}: {len(listed):>5,} listed, {right:>4} corrupted, {shares}")
    return 0


def corrupt(sentences: Sequence[Sentence], *, share: float, seed: int) -> list[Sentence]:
    """The sentences with a share of their tags replaced by others, drawn in proportion to how often there are such."""
    generator = random.Random(seed)
    places = [(at, position) for at, sentence in enumerate(sentences) for position in range(len(sentence))]
    counts = Counter(tag for sentence in sentences for tag in sentence.tags or ())
    tags = [list(sentence.tags or ()) for sentence in sentences]
    for at, position in generator.sample(places, round(share * len(places))):
        others = {tag: count for tag, count in counts.items() if tag != tags[at][position]}
        tags[at][position] = generator.choices(list(others), weights=list(others.values()))[0]
    return [replace(sentence, tags=tuple(found)) for sentence, found in zip(sentences, tags, strict=True)]


def write_columns(sentences: Sequence[Sentence], path: Path) -> None:
    """Writes token and tag of each line, separated by a tab."""
    with path.open("w", encoding="utf-8") as file:
        for sentence in sentences:
            rows = zip(sentence.tokens, sentence.tags or (), strict=True)
            file.write("".join(f"{token}\t{tag}\n" for token, tag in rows) + "\n")


def read_columns(config: Config, train: Path, *, folder: Path) -> Config:
    """The config with another train file, in columns; dev goes over to columns too, as it is."""
    dev = None
    if config.data.dev:
        dev = folder / "dev.conll"
        write_columns(list(read_sentences(Path(config.data.dev), config.data)), dev)
    data = DataConfig(format="conll", delimiter="tab", train=str(train), dev=dev and str(dev))
    return replace(config, data=data)


def wrong_places(clean: Sequence[Sentence], corrupted: Sequence[Sentence]) -> set[int]:
    """The lines of the corrupted tags, in what `write_columns` writes."""
    wrong, line = set(), 0
    for ours, theirs in zip(clean, corrupted, strict=True):
        for one, other in zip(ours.tags or (), theirs.tags or (), strict=True):
            line += 1
            if one != other:
                wrong.add(line)
        line += 1
    return wrong


def _show(event: Event) -> None:
    if isinstance(event, FoldFinished):
        print(f"fold {event.number}: {event.score_name} {100 * (event.score or 0):.2f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

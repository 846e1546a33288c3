"""A dev split taken from train, for data that have none."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TypeVar

from tagger.config import DataConfig
from tagger.errors import DataError
from tagger.sentence import Sentence

Sentences = TypeVar("Sentences", bound=Sequence[Sentence])


def carve_out(splits: dict[str, Sentences], origins: dict[str, dict[str, str]], data: DataConfig) -> None:
    """Takes dev from train as the config says.

    Args:
        splits: each split's sentences; train becomes smaller, and dev is added.
        origins: what is known of where each split comes from; of dev, that is the share and the seed too.
        data: the data section.

    Raises:
        DataError: fewer than two sentences.
    """
    origin, source = origins["train"], origins["train"]["source"]
    share, seed = data.dev_share, data.dev_seed
    splits["train"], splits["dev"] = carve_dev(splits["train"], share=share, seed=seed, where=source)
    how = f"{share} drawn by seed {seed}"
    origins["train"] = {**origin, "source": f"{source} (without {how})"}
    whole = {key: value for key, value in origin.items() if key != "sha256"}  # of the file, most of which is train
    drawn = {"drawn_share": str(share), "drawn_seed": str(seed)}
    origins["dev"] = {**whole, "source": f"{source} ({how})", **drawn}


def draw(candidates: Sequence[int], *, share: float, seed: int, where: str) -> set[int]:
    """Which sentences become dev, as `carve_dev` takes them.

    Args:
        candidates: the indices of train's sentences that have tokens, in order.
        share: as in `carve_dev`.
        seed: as in `carve_dev`.
        where: what errors call the data.

    Raises:
        DataError: fewer than two sentences.
    """
    if len(candidates) < 2:
        raise DataError(f"{where}: holds {len(candidates)} sentence, too few to take a dev split from (data.dev_share)")
    count = min(max(1, round(share * len(candidates))), len(candidates) - 1)
    return set(sorted(candidates, key=lambda index: sha256(f"{seed} {index}".encode()).digest())[:count])


def carve_dev(train: Sentences, *, share: float, seed: int, where: str) -> tuple[Sentences, Sentences]:
    """Cuts train in two by single sentences, which may tear documents apart.

    Which sentences are taken depends on their number, the share and the seed alone: not on Python's or NumPy's
    generators, nor on the seed of training. Sentences without tokens stay in train.

    Args:
        train: the sentences, of a kind that can be made from an iterator of sentences.
        share: the part of the sentences to take, in (0, 1), rounded to whole sentences, at least one.
        seed: another seed takes others.
        where: what errors call the data.

    Returns:
        What is left of train, and dev: both of the same kind as train, and in its order.

    Raises:
        DataError: fewer than two sentences.
    """
    candidates = [index for index, sentence in enumerate(train) if len(sentence)]
    chosen = draw(candidates, share=share, seed=seed, where=where)

    def pick(*, for_dev: bool) -> Iterator[Sentence]:
        return (train[index] for index in range(len(train)) if (index in chosen) == for_dev)

    kind = type(train)
    return kind(pick(for_dev=False)), kind(pick(for_dev=True))  # type: ignore[call-arg]

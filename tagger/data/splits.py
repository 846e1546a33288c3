"""The splits of a data section as training has them, one at a time and sentence by sentence."""

from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Protocol

from tagger.config import DataConfig
from tagger.data.carve import draw
from tagger.data.corpus import load_hub_splits, named_sources, read_sentences
from tagger.errors import ConfigError
from tagger.sentence import Sentence

TRAIN, DEV = "train", "dev"


class _WithTokens(Protocol):
    @property
    def tokens(self) -> Sized: ...


def named_splits(data: DataConfig) -> dict[str, str]:
    """The splits there are: our name of each -> its file, or the dataset's name of it; a drawn dev has train's."""
    named = named_sources(data)
    if data.dev_share and TRAIN in named:
        named[DEV] = named[TRAIN]
    return {split: named[split] for split in (TRAIN, DEV, "test") if split in named}


def read_split(data: DataConfig, split: str, *, checked: bool = True) -> Iterator[Sentence]:
    """Reads one split; errors as `read_sentences` and `load_hub` raise them.

    Args:
        data: the data section.
        split: train, dev or test.
        checked: False: tags of a dataset are not held against the scheme.
    """
    is_parted = bool(data.dev_share) and split in (TRAIN, DEV)
    read = _reader(data, TRAIN if is_parted else split, checked=checked)
    if not is_parted:
        yield from read()
        return
    chosen = draw_dev(data, read())
    for number, sentence in enumerate(read()):
        if (number in chosen) == (split == DEV):
            yield sentence


def draw_dev(data: DataConfig, train: Iterable[_WithTokens]) -> set[int]:
    """Which sentences of train `data.dev_share` takes for dev: a pass over them.

    Raises:
        ConfigError: train is a pipe, which can be read only once.
        DataError: fewer than two sentences.
    """
    source = named_splits(data)[TRAIN]
    if data.format == "hub":
        source = f"{data.name}/{source}"
    elif Path(source).exists() and not (Path(source).is_file() or Path(source).is_dir()):
        raise ConfigError(f"data.dev_share: {source} is no file that could be read twice, so nothing is drawn from it")
    candidates = [number for number, sentence in enumerate(train) if len(sentence.tokens)]
    return draw(candidates, share=data.dev_share, seed=data.dev_seed, where=source)


def describe_source(data: DataConfig, split: str) -> str:
    """What a split is called in reports: its file, or `dataset/split`; and what was drawn from it."""
    name = named_splits(data)[split]
    source = f"{data.name}/{name}" if data.format == "hub" else name
    if not data.dev_share or split not in (TRAIN, DEV):
        return source
    return f"{source} ({'' if split == DEV else 'without '}{data.dev_share} drawn by seed {data.dev_seed})"


def _reader(data: DataConfig, split: str, *, checked: bool) -> Callable[[], Iterable[Sentence]]:
    """What gives the sentences of a source, from the first on each time."""
    name = named_splits(data)[split]
    if data.format != "hub":
        return lambda: read_sentences(Path(name), data, known_only=split != TRAIN)
    sentences = load_hub_splits(data, {split: name}, checked=checked).splits[split]
    return lambda: sentences

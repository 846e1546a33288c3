"""The splits that a data section names, one at a time and sentence by sentence."""

from collections.abc import Iterator
from pathlib import Path

from tagger.config import DataConfig
from tagger.data.corpus import read_sentences
from tagger.sentence import Sentence

_HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def named_splits(data: DataConfig) -> dict[str, str]:
    """The splits there are: our name of each -> its file, or the dataset's name of it."""
    if data.format == "hub":
        return dict(_HUB_SPLITS if data.splits is None else data.splits)
    named = {"train": data.train, "dev": data.dev, "test": data.test}
    return {split: path for split, path in named.items() if path}


def read_split(data: DataConfig, split: str) -> Iterator[Sentence]:
    """Reads one split; errors as `read_sentences` and `load_hub` raise them."""
    if data.format != "hub":
        yield from read_sentences(Path(named_splits(data)[split]), data, known_only=split != "train")
        return
    from tagger.data.hub import load_hub

    loaded = load_hub(
        str(data.name),
        config=data.config,
        revision=data.revision,
        splits={split: named_splits(data)[split]},
        tokens=str(data.tokens or "tokens"),
        tags=str(data.tags or "tags"),
        scheme=data.scheme,
        unknown=data.unknown_tag,
        labels=Path(data.labels) if isinstance(data.labels, str) else data.labels,
        streaming=data.streaming,
    )
    yield from loaded.splits[split]


def describe_source(data: DataConfig, split: str) -> str:
    """What a split is called in reports: its file, or `dataset/split`."""
    name = named_splits(data)[split]
    return f"{data.name}/{name}" if data.format == "hub" else name

"""Hugging Face datasets in, sentences out: the only door to `datasets`.

What the libraries let slip is held here. A revision is resolved to a commit first, and exactly that commit is read:
`datasets` may answer with whatever revision its cache holds. Integer tags get the names of the very files they come
from: two splits may number the same names differently. On `refs/convert/parquet`, folders are configurations and
splits, which `datasets` would read as one. And every row is checked and named `name/split/row N` (see `hub_rows`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tagger.data.hub_client import (
    Snapshot,
    cache_folder,
    download,
    find_file,
    group_converted,
    hub_errors,
    listed,
    resolve,
)
from tagger.data.hub_rows import Columns, check_columns, find_tag_names, read_rows
from tagger.errors import ConfigError, DataError, MissingInputError
from tagger.sentence import Sentence

CONVERTED = "refs/convert/parquet"
LABEL_FILES = ("dataset/label.json", "label.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubData:
    """What was read from a dataset, and from which commit.

    Attributes:
        splits: our name of each split -> its sentences, one per row, in the dataset's order.
        commit: the sha of the commit that was read.
        labels: the repository's file that names integer tags, as `path@commit`; None where none was needed.
    """

    splits: dict[str, list[Sentence]]
    commit: str
    labels: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """One configuration of a dataset at one commit.

    Attributes:
        name: the repository's id.
        commit: the sha.
        splits: what the dataset's splits are called.
        read: gives the `datasets` dataset of a split.
        files: the Parquet files of each split, as paths within the repository; None: nobody knows them offline.
        streaming: whether rows are read as they download.
    """

    name: str
    commit: str
    splits: Sequence[str]
    read: Callable[[str], Any]
    files: Mapping[str, Sequence[str]] | None
    streaming: bool


def load_hub(
    name: str,
    *,
    config: str | None,
    revision: str | None,
    splits: Mapping[str, str],
    tokens: str = "tokens",
    tags: str | None = "tags",
    scheme: str = "plain",
    unknown: str | None = None,
    labels: Sequence[str] | Path | None = None,
    streaming: bool = False,
    checked: bool = True,
) -> HubData:
    """Reads splits of a dataset on the Hugging Face Hub.

    Where `HF_HUB_OFFLINE=1` is set, the commit and its rows come from the cache that an earlier run filled.

    Args:
        name: the dataset's id, such as `owner/name`.
        config: its configuration, or None for the only or default one.
        revision: branch, tag or commit; None is the default branch.
        splits: our name of a split -> the dataset's name of it.
        tokens: the column of tokens: a list of strings per row.
        tags: the column of tags: a list per row of class labels, strings, or integers; None where there are none.
        scheme: how the tags spell spans, or `plain`.
        unknown: the tag that stands where nobody knows the tag, in our train split alone; None: every tag is known.
        labels: names of bare integers in the order of their ids, or a file of them (JSON list, JSON object
            name -> id, or one name a line). Where None, the repository's `dataset/label.json` or `label.json` is used.
        streaming: read the rows as they download instead of downloading the files first.
        checked: whether tags that the scheme does not have, or that may not be unknown, are errors.

    Returns:
        The sentences by our names of the splits, each with `source` = `name/split/row N`, where `split` is the
        dataset's name and rows count from 0; and the commit they come from.

    Raises:
        MissingInputError: the repository or revision is not there, may not be read, or the Hub does not answer.
        ConfigError: the configuration, a split, a column, or the names of integer tags are not there.
        DataError: rows that cannot be used, or files that cannot be read.
        OutputError: the cache cannot be written.
    """
    columns = Columns(tokens=tokens, tags=tags, scheme=scheme, unknown=unknown, checked=checked)
    snapshot = resolve(name, revision, kind="dataset")
    opened = _open(name, snapshot, config=config, streaming=streaming)
    finder = _LabelFinder(opened, labels)
    sentences = dict(_read_splits(opened, splits, columns, find_names=finder))
    return HubData(splits=sentences, commit=opened.commit, labels=finder.used)


def _read_splits(
    opened: _Opened, splits: Mapping[str, str], columns: Columns, *, find_names: "_LabelFinder"
) -> Iterator[tuple[str, list[Sentence]]]:
    for ours, theirs in splits.items():
        if theirs not in opened.splits:
            there = listed(opened.splits)
            raise ConfigError(f"data.splits.{ours}: {opened.name} has no split {theirs!r}; there are: {there}")
        where = f"{opened.name}/{theirs}"
        with _errors(where):
            dataset = opened.read(theirs)
            features = _features(dataset, where)
            check_columns(features, columns, where=where)
            names = None if columns.tags is None else find_names(features[columns.tags], theirs, columns)
            wanted = replace(columns, known_only=ours != "train")
            yield ours, list(read_rows(dataset, wanted, names, where=where))


def _open(name: str, snapshot: Snapshot, *, config: str | None, streaming: bool) -> _Opened:
    # `datasets` answers a script with a RuntimeError, or with an older commit where its cache holds one.
    if f"{name.rsplit('/', 1)[-1]}.py" in snapshot.files:
        raise ConfigError(f"data.revision: {name} is a script, which `datasets` cannot run; try revision: {CONVERTED}")
    converted = group_converted(snapshot.files)
    if converted is not None:
        return _open_converted(name, snapshot.commit, converted, config=config, streaming=streaming)
    return _open_declared(name, snapshot.commit, config=config, streaming=streaming)


def _open_converted(
    name: str, commit: str, found: Mapping[str, Mapping[str, Sequence[str]]], *, config: str | None, streaming: bool
) -> _Opened:
    """Opens a branch that the Hub itself has converted: configuration -> split -> Parquet files."""
    if config is None and len(found) == 1:
        config = next(iter(found))
    if config is None or config not in found:
        raise _no_config(name, config, found)
    files = found[config]

    def read(split: str) -> Any:
        from datasets import load_dataset

        places = [f"hf://datasets/{name}@{commit}/{path}" for path in files[split]]
        if not streaming:
            places = [str(download(name, path, commit)) for path in files[split]]
        return load_dataset("parquet", data_files={split: places}, split=split, streaming=streaming)

    return _Opened(name=name, commit=commit, splits=list(files), read=read, files=files, streaming=streaming)


def _open_declared(name: str, commit: str, *, config: str | None, streaming: bool) -> _Opened:
    """Opens a configuration as `datasets` finds it: by the README, or by the names of files and folders."""
    builder = _find_builder(name, commit, config=config)
    with _errors(name):
        if streaming:
            dataset = builder.as_streaming_dataset()
        else:
            builder.download_and_prepare()
            dataset = builder.as_dataset()
    files: dict[str, list[str]] | None = None
    if builder.config.data_files is not None:
        files = {
            str(split): [url.split(f"@{commit}/", 1)[-1] for url in urls if url.endswith(".parquet")]
            for split, urls in builder.config.data_files.items()
        }
    return _Opened(
        name=name, commit=commit, splits=list(dataset), read=dataset.__getitem__, files=files, streaming=streaming
    )


def _find_builder(name: str, commit: str, *, config: str | None) -> Any:
    """The `datasets` builder of a configuration at a commit."""
    from datasets import get_dataset_config_names, load_dataset_builder

    # The prefix keeps a local folder of the same name from being read instead.
    path = f"hf://datasets/{name}"
    with _errors(name):
        try:
            builder = load_dataset_builder(path, config, revision=commit)
        except ValueError as error:
            known = get_dataset_config_names(path, revision=commit)
            if config in known or (config is None and len(known) == 1):
                raise
            raise _no_config(name, config, known) from error
    if builder.hash != commit:
        raise MissingInputError(f"{name}: commit {commit} cannot be read; the cache holds commit {builder.hash} only")
    # A repository that declares no configurations takes any name for its only one.
    if config is not None and builder.config.data_files is not None and config not in builder.builder_configs:
        raise _no_config(name, config, builder.builder_configs)
    return builder


def _no_config(name: str, config: str | None, known: Sequence[str] | Mapping[str, Any]) -> ConfigError:
    complaint = f"{name} has several; pick one" if config is None else f"{name} has no configuration {config!r}"
    return ConfigError(f"data.config: {complaint}; there are: {listed(known)}")


def _features(dataset: Any, where: str) -> Mapping[str, Any]:
    from datasets import Features

    if dataset.features is not None:
        return dict(dataset.features)
    # A stream of JSON or CSV does not know its columns before its first rows.
    first = next(iter(dataset.with_format("arrow").iter(batch_size=1)), None)
    if first is None:
        raise DataError(f"{where}: no rows")
    return dict(Features.from_arrow_schema(first.schema))


class _LabelFinder:
    """Finds what the integers of a split's tags mean, by the config's `labels` where they have no names of their own.

    Attributes:
        used: the repository's own file of names, as `path@commit`, once it was needed.
    """

    def __init__(self, opened: _Opened, labels: Sequence[str] | Path | None) -> None:
        self._opened = opened
        self._labels = labels
        self.used: str | None = None

    def __call__(self, feature: Any, split: str, columns: Columns) -> Mapping[int, str] | None:
        opened, column = self._opened, str(columns.tags)
        if opened.files is None:
            _refuse_renumbering(opened, column, getattr(feature.feature, "names", None))
            own = None
        else:
            own = _own_names(opened, split, opened.files.get(split, ()), column=column)
        where = f"column {column!r} of {opened.name}"
        return find_tag_names(feature, own, self._labels, columns=columns, where=where, find_file=self._find_file)

    def _find_file(self) -> Path | None:
        # A converted branch holds Parquet files alone, so the default branch is searched after the commit itself.
        found = find_file(self._opened.name, LABEL_FILES, revisions=(self._opened.commit, None))
        if found is None:
            return None
        file, self.used = found
        return file


def _own_names(opened: _Opened, split: str, paths: Sequence[str], *, column: str) -> Sequence[str] | None:
    """The names of a tag column in a split's own Parquet files, None where they hold none.

    `datasets` gives every split the names of the first file it opens, so a split that orders its names otherwise
    would get the wrong ones in silence.
    """
    from huggingface_hub import HfFileSystem

    found: dict[str, tuple[str, ...] | None] = {}
    for path in paths:
        if opened.streaming:
            url = f"hf://datasets/{opened.name}@{opened.commit}/{path}"
            with HfFileSystem().open(url, block_size=2**16) as file:
                found[path] = _names_in(file, column)
        else:
            found[path] = _names_in(download(opened.name, path, opened.commit), column)
    if len(set(found.values())) > 1:
        raise DataError(f"{opened.name}/{split}: its files name the tags of {column!r} differently: {listed(found)}")
    return next(iter(found.values()), None)


def _refuse_renumbering(opened: _Opened, column: str, shared: Sequence[str] | None) -> None:
    """Offline nobody knows which file a split came from, so all that order the names differently are refused."""
    folder = cache_folder(opened.name, kind="dataset") / "snapshots" / opened.commit
    for file in sorted(folder.rglob("*.parquet")):
        names = _names_in(file, column)
        if names and shared and list(names) != list(shared) and set(names) == set(shared):
            raise DataError(f"{opened.name}: its splits number the tags of {column!r} differently; read it online")


def _names_in(file: Any, column: str) -> tuple[str, ...] | None:
    """The names that one Parquet file gives the class labels of a column."""
    from datasets import Features
    from pyarrow import parquet

    feature = Features.from_arrow_schema(parquet.read_schema(file)).get(column)
    names = getattr(getattr(feature, "feature", None), "names", None)
    return None if names is None else tuple(names)


@contextmanager
def _errors(where: str) -> Iterator[None]:
    from datasets.exceptions import DatasetsError

    with hub_errors(where, kind="dataset", unreadable=(DatasetsError,)):
        yield

"""Hugging Face datasets in, sentences out: the only door to `datasets` and `huggingface_hub`.

Three things that the libraries let slip are held here. A revision is resolved to a commit first, and exactly that
commit is read: `datasets` by itself may answer with whatever revision its cache holds. Integer tags become names at
once, by the names of the very files they come from: two splits may number the same names differently. And every row
is checked, so that a bad one is reported by `name/split/row N` (see `hub_rows`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tagger.data.hub_rows import STRINGS, Columns, find_tag_names, read_rows
from tagger.errors import ConfigError, DataError, MissingInputError, TaggerError
from tagger.sentence import Sentence

CONVERTED = "refs/convert/parquet"
LABEL_FILES = ("dataset/label.json", "label.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubData:
    """What was read from a dataset, and from which commit.

    Attributes:
        splits: our name of each split -> its sentences, one per row, in the dataset's order.
        commit: the sha of the commit that was read.
    """

    splits: dict[str, list[Sentence]]
    commit: str


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

    Returns:
        The sentences by our names of the splits, each with `source` = `name/split/row N`, where `split` is the
        dataset's name and rows count from 0; and the commit they come from.

    Raises:
        MissingInputError: the repository or revision is not there, or the Hub cannot be reached.
        ConfigError: the configuration, a split, a column, or the names of integer tags are not there.
        DataError: rows that cannot be used, or files that cannot be read.
    """
    columns = Columns(tokens=tokens, tags=tags, scheme=scheme, unknown=unknown)
    commit, files = _resolve(name, revision)
    # `datasets` answers a script with a RuntimeError, or with an older commit where its cache holds one.
    if f"{name.rsplit('/', 1)[-1]}.py" in files:
        raise ConfigError(f"data.revision: {name} is a script, which `datasets` cannot run; try revision: {CONVERTED}")
    builder = _open(name, config=config, commit=commit)
    with _library_errors(name):
        if streaming:
            dataset = builder.as_streaming_dataset()
        else:
            builder.download_and_prepare()
            dataset = builder.as_dataset()
    find_file = partial(_find_labels, name, commit)
    result: dict[str, list[Sentence]] = {}
    for ours, theirs in splits.items():
        if theirs not in dataset:
            raise ConfigError(f"data.splits.{ours}: {name} has no split {theirs!r}; there are: {_listed(dataset)}")
        where = f"{name}/{theirs}"
        with _library_errors(where):
            features = _features(dataset[theirs], columns, where)
            names = None
            if tags is not None:
                own = _own_names(builder, theirs, tags, streaming=streaming)
                column = f"column {tags!r} of {name}"
                names = find_tag_names(features[tags], own, labels, where=column, find_file=find_file)
            rows = read_rows(dataset[theirs], replace(columns, known_only=ours != "train"), names, where=where)
            result[ours] = list(rows)
    return HubData(splits=result, commit=commit)


def _resolve(name: str, revision: str | None) -> tuple[str, frozenset[str]]:
    """The commit a revision names, and the files in it (none are known offline)."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled, RevisionNotFoundError

    try:
        with _library_errors(name, passed=(OfflineModeIsEnabled, RevisionNotFoundError)):
            info = HfApi().dataset_info(name, revision=revision)
            # For its side effect, with a README or without: the cache then knows which commit the revision is.
            with suppress(EntryNotFoundError):
                hf_hub_download(name, "README.md", repo_type="dataset", revision=revision)
            return str(info.sha), frozenset(file.rfilename for file in info.siblings or ())
    except RevisionNotFoundError as error:
        with _library_errors(name):
            refs = HfApi().list_repo_refs(name, repo_type="dataset")
        known = [*(ref.name for ref in (*refs.branches, *refs.tags)), *(ref.ref for ref in refs.converts)]
        raise MissingInputError(f"{name}: no revision {revision!r}; there are: {_listed(known)}") from error
    except OfflineModeIsEnabled as error:
        wanted = revision or "main"
        reference = _cache_folder(name) / "refs" / wanted
        if reference.is_file():
            return reference.read_text(encoding="utf-8").strip(), frozenset()
        if (_cache_folder(name) / "snapshots" / wanted).is_dir():
            return wanted, frozenset()
        complaint = f"{name}: revision {wanted} is not in the cache, and HF_HUB_OFFLINE is set"
        raise MissingInputError(complaint) from error


def _open(name: str, *, config: str | None, commit: str) -> Any:
    """The `datasets` builder of a configuration at a commit."""
    from datasets import get_dataset_config_names, load_dataset_builder

    # The prefix keeps a local folder of the same name from being read instead.
    path = f"hf://datasets/{name}"
    with _library_errors(name):
        try:
            builder = load_dataset_builder(path, config, revision=commit)
        except ValueError as error:
            known = get_dataset_config_names(path, revision=commit)
            if config in known or (config is None and len(known) == 1):
                raise
            complaint = "pick one" if config is None else f"{name} has no configuration {config!r}"
            raise ConfigError(f"data.config: {complaint}; there are: {_listed(known)}") from error
    if builder.hash != commit:
        raise MissingInputError(f"{name}: commit {commit} cannot be read; the cache holds commit {builder.hash} only")
    # A repository that declares no configurations takes any name for its only one.
    if config is not None and builder.config.data_files is not None and config not in builder.builder_configs:
        raise ConfigError(
            f"data.config: {name} has no configuration {config!r}; there are: {_listed(builder.builder_configs)}"
        )
    return builder


def _features(dataset: Any, columns: Columns, where: str) -> Mapping[str, Any]:
    """The features of a split's columns, after a check that the columns are there."""
    from datasets import Features

    features = dataset.features
    if features is None:  # A stream of JSON or CSV does not know its columns before its first rows.
        first = next(iter(dataset.with_format("arrow").iter(batch_size=1)), None)
        if first is None:
            raise DataError(f"{where}: no rows")
        features = Features.from_arrow_schema(first.schema)
    for key, column in (("tokens", columns.tokens), ("tags", columns.tags)):
        if column is not None and column not in features:
            raise ConfigError(f"data.{key}: {where} has no column {column!r}; there are: {_listed(features)}")
        if column is not None and getattr(features[column], "feature", None) is None:
            raise ConfigError(f"data.{key}: column {column!r} of {where} holds {features[column]}, not lists")
    dtype = getattr(features[columns.tokens].feature, "dtype", None)
    if dtype not in STRINGS:
        raise ConfigError(f"data.tokens: column {columns.tokens!r} of {where} holds {dtype}, not strings")
    return dict(features)


def _own_names(builder: Any, split: str, column: str, *, streaming: bool) -> Sequence[str] | None:
    """The names of a tag column in a split's own Parquet files, None where they hold none.

    `datasets` gives every split the names of the first file it opens, so a split that orders its names otherwise
    would get the wrong ones in silence.
    """
    from huggingface_hub import HfFileSystem, hf_hub_download

    if builder.config.data_files is None:
        _refuse_renumbering(builder, column)
        return None
    found: dict[str, tuple[str, ...] | None] = {}
    for url in builder.config.data_files.get(split, ()):
        if not url.startswith("hf://") or not url.endswith(".parquet"):
            continue
        path = url.split(f"@{builder.hash}/", 1)[-1]
        if streaming:
            with HfFileSystem().open(url, block_size=2**16) as file:
                found[path] = _names_in(file, column)
        else:
            local = hf_hub_download(builder.repo_id, path, repo_type="dataset", revision=builder.hash)
            found[path] = _names_in(local, column)
    if len(set(found.values())) > 1:
        raise DataError(
            f"{builder.repo_id}/{split}: its files name the tags of {column!r} differently: {_listed(found)}"
        )
    return next(iter(found.values()), None)


def _refuse_renumbering(builder: Any, column: str) -> None:
    """Offline nobody knows which file a split came from, so all that order the names differently are refused."""
    shared = getattr(getattr((builder.info.features or {}).get(column), "feature", None), "names", None)
    for file in sorted((_cache_folder(builder.repo_id) / "snapshots" / builder.hash).rglob("*.parquet")):
        names = _names_in(file, column)
        if names and shared and list(names) != shared and set(names) == set(shared):
            raise DataError(f"{builder.repo_id}: its splits number the tags of {column!r} differently; read it online")


def _names_in(file: Any, column: str) -> tuple[str, ...] | None:
    """The names that one Parquet file gives the class labels of a column."""
    from datasets import Features
    from pyarrow import parquet

    feature = Features.from_arrow_schema(parquet.read_schema(file)).get(column)
    names = getattr(getattr(feature, "feature", None), "names", None)
    return None if names is None else tuple(names)


def _find_labels(name: str, commit: str) -> Path | None:
    """The file in which a repository names its tags, None where it has none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    for path in LABEL_FILES:
        with suppress(EntryNotFoundError):
            return Path(hf_hub_download(name, path, repo_type="dataset", revision=commit))
    return None


@contextmanager
def _library_errors(where: str, *, passed: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns what the libraries raise into one line of ours; `passed` are left to the caller."""
    from datasets.exceptions import DatasetsError
    from huggingface_hub import constants, errors

    ours: tuple[type[Exception], ...] = (TaggerError, *passed)
    # The HTTP library's own base class, which huggingface_hub has changed before: httpx, then httpx2.
    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined, unused-ignore]
    try:
        yield
    except ours:
        raise
    except errors.GatedRepoError as error:
        raise MissingInputError(f"{where}: gated: accept its terms on the Hub, then `hf auth login`") from error
    except errors.RepositoryNotFoundError as error:
        raise MissingInputError(f"{where}: no such dataset on {constants.ENDPOINT}, or a private one") from error
    except errors.HFValidationError as error:
        raise ConfigError(f"data.name: {_one_line(error)}") from error
    except (errors.HfHubHTTPError, transport, ConnectionError) as error:
        raise MissingInputError(f"{where}: no answer from {constants.ENDPOINT}: {_one_line(error)}") from error
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{where}: cannot be read: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    """The message of the first cause, which is the telling one, as one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _cache_folder(name: str) -> Path:
    """Where huggingface_hub keeps what it has of a dataset: `refs/REVISION` and `snapshots/COMMIT`."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type="dataset"))


def _listed(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"

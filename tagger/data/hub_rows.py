"""Rows of a Hugging Face dataset -> sentences, and what integer tags mean.

`hub` opens the dataset and hands it over, so this module needs neither `datasets` nor `huggingface_hub`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.data.lines import TagChecker, read_lines
from tagger.data.strict_json import parse_json
from tagger.errors import ConfigError, DataError
from tagger.schemes import OUTSIDE, PLAIN, join_tag
from tagger.sentence import MAX_TOKENS, Sentence

ROWS_PER_READ = 1000
UNLABELLED = -1
STRINGS = ("string", "large_string", "null")  # null: a column whose every list is empty

_PREFIX = re.compile(r"[A-Z]-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where the sentences of a dataset are: `data.tokens`, `data.tags`, `data.scheme` and `data.unknown_tag`.

    Attributes:
        tokens: the column of tokens.
        tags: the column of tags; None: no tags are read.
        scheme: how the tags spell spans, or `plain`.
        unknown: the tag (or the name of the class label) where nobody knows the tag; None: every tag is known.
        known_only: whether an unknown tag is an error.
        checked: whether tags are held against the scheme; False: whoever asks for the rows does it.
    """

    tokens: str
    tags: str | None
    scheme: str
    unknown: str | None = None
    known_only: bool = False
    checked: bool = True


def check_columns(features: Mapping[str, Any], columns: Columns, *, where: str) -> None:
    """Raises a ConfigError, which lists the columns there are, if those of tokens and tags are not there or no lists.

    Args:
        features: the `datasets` feature of each column.
        columns: where the tokens and tags are to be.
        where: what errors call the split.
    """
    for key, column in (("tokens", columns.tokens), ("tags", columns.tags)):
        if column is not None and column not in features:
            there = ", ".join(sorted(features))
            raise ConfigError(f"data.{key}: {where} has no column {column!r}; there are: {there}")
        if column is not None and getattr(features[column], "feature", None) is None:
            raise ConfigError(f"data.{key}: column {column!r} of {where} holds {features[column]}, not lists")
    inner = features[columns.tokens].feature
    if getattr(inner, "dtype", None) not in STRINGS:
        kind = getattr(inner, "dtype", inner)
        raise ConfigError(f"data.tokens: column {columns.tokens!r} of {where} holds lists of {kind}, not of strings")


def find_tag_names(
    feature: Any,
    own: Sequence[str] | None,
    labels: Sequence[str] | Path | None,
    *,
    columns: Columns,
    where: str,
    find_file: Callable[[], Path | None],
) -> Mapping[int, str] | None:
    """Finds what integer tags mean.

    In the scheme IO, names without a prefix are types: `person` is read as `I-person`. An id of -1, by which datasets
    mark what is not labelled, is the unknown tag where the config names one.

    Args:
        feature: the `datasets` feature of the column of tags: a list of class labels, strings or integers.
        own: the names that the split's own files give; they go before the feature's.
        labels: the names that the config gives, in the order of their ids, or a file of them.
        columns: how the tags spell spans, and which of them is unknown.
        where: what errors call the column.
        find_file: the repository's own file of names, or None; called only where nothing else names the integers.

    Returns:
        Names by id; None for a column that holds the tags themselves.

    Raises:
        ConfigError: labels for tags that have names, integers that nothing names, or a column of something else.
        MissingInputError: there is no such file of names.
        DataError: a file that does not hold names.
    """
    names = own or getattr(feature.feature, "names", None)
    dtype = getattr(feature.feature, "dtype", None)
    if names or dtype in STRINGS:
        if labels is not None:
            raise ConfigError(f"data.labels: {where} names its own tags; leave labels out")
        return _spell(dict(enumerate(names)), columns) if names else None
    if not str(dtype).startswith(("int", "uint")):
        raise ConfigError(f"data.tags: {where} holds lists of {dtype or feature.feature}, not of strings or labels")
    if labels is not None and not isinstance(labels, (str, Path)):
        return _spell(dict(enumerate(labels)), columns)
    file = find_file() if labels is None else Path(labels)
    if file is None:
        raise ConfigError(f"data.labels: {where} holds integers without names, so labels must name them")
    return _spell(_read_labels(file), columns)


def _spell(names: Mapping[int, str], columns: Columns) -> Mapping[int, str]:
    """The names as tags of the scheme, with one for -1 where a tag may be unknown."""
    if columns.scheme == "IO" and OUTSIDE in names.values() and not any(map(_PREFIX.match, names.values())):
        kept = (OUTSIDE, columns.unknown)
        names = {number: name if name in kept else join_tag("I", name) for number, name in names.items()}
    return names if columns.unknown is None else {UNLABELLED: columns.unknown, **names}


def _read_labels(path: Path) -> Mapping[int, str]:
    """Reads names of tags: a JSON list, a JSON object name -> id, or one name a line."""
    lines = [line for _, line in read_lines(path)]
    if not lines or not lines[0].lstrip().startswith(("[", "{")):
        return dict(enumerate(lines))
    try:
        value = parse_json("\n".join(lines))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise DataError(f"{path}: not usable JSON: {error}") from error
    pairs = list(enumerate(value)) if isinstance(value, list) else [(number, tag) for tag, number in value.items()]
    fits = all(type(number) is int and isinstance(tag, str) for number, tag in pairs)
    if not fits or len({number for number, _ in pairs}) < len(pairs):
        raise DataError(f"{path}: expected a list of names, or an object of name -> id with an id for each")
    return dict(pairs)


def read_rows(dataset: Any, columns: Columns, names: Mapping[int, str] | None, *, where: str) -> Iterator[Sentence]:
    """Reads a split by whole Arrow columns, which is far faster than decoding row by row.

    Args:
        dataset: the split, downloaded or streaming.
        columns: where its tokens and tags are, and how the tags spell spans.
        names: what integer tags mean; None where the tags are strings, or where there are none.
        where: what errors and sources call the split.

    Yields:
        One sentence per row, with `source` = `where/row N`, counted from 0.

    Raises:
        DataError: `where/row N` of a token or tag that is null, empty, without a name or none of the scheme's, and of
            a row with more tokens or fewer than tags, or with too many.
    """
    wanted = [column for column in (columns.tokens, columns.tags) if column is not None]
    checker = TagChecker(scheme=PLAIN)
    if columns.checked:
        checker = TagChecker(scheme=columns.scheme, unknown=columns.unknown, known_only=columns.known_only)
    row = 0
    for table in dataset.select_columns(wanted).with_format("arrow").iter(batch_size=ROWS_PER_READ):
        all_tokens = table.column(columns.tokens).to_pylist()
        all_tags = [None] * len(all_tokens) if columns.tags is None else table.column(columns.tags).to_pylist()
        for tokens, values in zip(all_tokens, all_tags, strict=True):
            source = f"{where}/row {row}"
            if tokens is None or not all(tokens):
                problem = "the tokens are" if tokens is None else "a token is"
                raise DataError(f"{source}: {problem} {'empty' if '' in (tokens or ()) else 'null'}")
            if len(tokens) > MAX_TOKENS:
                raise DataError(f"{source}: expected a row of at most {MAX_TOKENS:,} tokens, found {len(tokens):,}")
            tags = None
            if columns.tags is not None:
                if values is None or len(values) != len(tokens):
                    raise DataError(f"{source}: {len(tokens)} tokens but {len(values or ())} tags")
                tags = tuple(values if names is None else map(names.get, values))
                for tag, value in zip(tags, values, strict=True):
                    if tag is None:
                        raise DataError(f"{source}: {_describe_nameless(value)}")
                    checker.check(tag, source)
            yield Sentence(tokens=tuple(tokens), tags=tags, source=source)
            row += 1


def _describe_nameless(value: int | None) -> str:
    if value is None:
        return "a tag is null"
    hint = " (-1 means not labelled; with data.unknown_tag, train may hold it)" if value == UNLABELLED else ""
    return f"tag {value} has no name{hint}"

"""The data section of a config -> Corpus: its splits, where they came from, and what was counted in them."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tagger.config import DataConfig, SchemeName
from tagger.data.arrow import ArrowSentences
from tagger.data.carve import carve_out
from tagger.data.columns import read_conll, read_first_row
from tagger.data.conllu import read_conllu
from tagger.data.lines import list_names, read_lines
from tagger.data.rows import read_jsonl
from tagger.errors import ConfigError, DataError
from tagger.files import hash_file
from tagger.schemes import OUTSIDE, SCHEMES, is_legal, is_plain, split_tag
from tagger.sentence import Sentence

if TYPE_CHECKING:
    from tagger.data.hub import HubData

_HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_SPAN_TAG = re.compile(r"[BIESLU]-.+", re.DOTALL)
_ZERO_WIDTH = ("Cf", "Mn", "Me")  # format characters and marks that take no place of their own
_LIKELY: tuple[SchemeName, ...] = ("BIO", "IO", "IOB1", "BIOES", "BILOU")  # the commoner first where both fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Sentences with gold tags, in splits.

    Any iterable of sentences will do for a split; what is kept are columns (`ArrowSentences`).

    Attributes:
        train: the sentences to learn from.
        dev: the sentences to choose the best epoch on; may be empty.
        test: the sentences to report on; may be empty.
        labels: span schemes: the span types of train, in alphabetical order; plain: its tags.
        scheme: how the tags spell spans.
        manifest: for each split, what was read: source, SHA-256 (of a file) or commit (of a dataset), and how
            many sentences, tokens, empty sentences, illegal transitions, unknown tags and tokens without any width.
    """

    train: ArrowSentences
    dev: ArrowSentences
    test: ArrowSentences
    labels: tuple[str, ...]
    scheme: str
    manifest: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("train", "dev", "test"):
            sentences: Iterable[Sentence] = getattr(self, name)
            if not isinstance(sentences, ArrowSentences):
                object.__setattr__(self, name, ArrowSentences(sentences))


def load_corpus(data: DataConfig) -> Corpus:
    """Reads every split that the config names, or has taken from train.

    Args:
        data: the data section.

    Raises:
        MissingInputError: a file or dataset that is not there.
        ConfigError: tags that spell spans, read as plain ones.
        DataError: data that is not as declared, a split that holds no sentence, or a train split without any span or
            without any known tag.
    """
    if data.format == "hub":
        names = named_sources(data)
        loaded = load_hub_splits(data, names)
        splits = {split: ArrowSentences(sentences) for split, sentences in loaded.splits.items()}
        facts = {"commit": loaded.commit, **({} if loaded.labels is None else {"labels": loaded.labels})}
        origins = {split: {"source": f"{data.name}/{name}", **facts} for split, name in names.items()}
    else:
        named = {split: Path(path) for split, path in named_sources(data).items()}
        splits = {split: _read_split(path, data, known_only=split != "train") for split, path in named.items()}
        # a pipe can be read only once
        hashes = {split: {"sha256": hash_file(path)} if path.is_file() else {} for split, path in named.items()}
        origins = {split: {"source": str(path), **hashes[split]} for split, path in named.items()}
    for split, sentences in splits.items():
        if not sentences.starts[-1]:
            raise DataError(
                f"{origins[split]['source']}: holds no sentence, but data.{split} needs one (format {data.format})"
            )
    if is_plain(data.scheme):
        _refuse_spans(splits["train"], data, where=str(origins["train"]["source"]))
    if data.dev_share:
        carve_out(splits, origins, data)
    labels = _labels(splits["train"], data)
    if not labels:
        path = None if data.format == "hub" else Path(str(data.train))
        found = "O" if data.unknown_tag is None else f"O or unknown ({data.unknown_tag!r})"
        if is_plain(data.scheme):
            found = f"unknown ({data.unknown_tag!r})"
        raise DataError(
            f"{origins['train']['source']}: every tag is {found}, so there is nothing to learn; are the tags elsewhere?"
            f"{_tag_places(path, data)}"
        )
    ordered = sorted(splits, key=("train", "dev", "test").index)
    manifest = {split: {**origins[split], **_count(splits[split], data)} for split in ordered}
    return Corpus(
        train=splits["train"],
        dev=splits.get("dev", ArrowSentences()),
        test=splits.get("test", ArrowSentences()),
        labels=labels,
        scheme=data.scheme,
        manifest=manifest,
    )


def read_sentences(
    source: Path | BinaryIO, data: DataConfig, *, tagged: bool = True, known_only: bool = True
) -> Iterator[Sentence]:
    """Reads one file, or one open binary stream, as the data section describes it.

    Args:
        source: the file, or a stream such as standard input.
        data: format, columns or keys, and scheme; its paths are not looked at.
        tagged: whether to read tags too.
        known_only: whether `data.unknown_tag` is an error, as it is wherever tags are to be scored.
    """
    unknown = data.unknown_tag
    if data.format == "conllu":
        tags = str(data.tags or "UPOS") if tagged else None
        return read_conllu(source, tags=tags, scheme=data.scheme, unknown=unknown, known_only=known_only)
    if data.format == "jsonl":
        key = str(data.tags or "tags") if tagged else None
        return read_jsonl(
            source,
            tokens=str(data.tokens or "tokens"),
            tags=key,
            scheme=data.scheme,
            unknown=unknown,
            known_only=known_only,
        )
    column = (-1 if data.tags is None else data.tags) if tagged else None
    return read_conll(
        source,
        tokens=1 if data.tokens is None else data.tokens,
        tags=column,
        scheme=data.scheme,
        delimiter=data.delimiter,
        header=data.header,
        comments=data.comments,
        unknown=unknown,
        known_only=known_only,
    )


def _read_split(path: Path, data: DataConfig, *, known_only: bool) -> ArrowSentences:
    try:
        return ArrowSentences(read_sentences(path, data, known_only=known_only))
    except DataError as error:
        # what is wrong with the file as a whole, and not on a line, already says where tags could be
        places = "" if str(error).startswith(f"{path}: ") else _tag_places(path, data)
        if not places:
            raise
        raise DataError(f"{error}{places}") from error


def _tag_places(path: Path | None, data: DataConfig) -> str:
    """Where a file's tags can be; nothing if the file cannot be read even without tags."""
    if path is None or not path.is_file():
        return ""
    try:
        first = None
        for sentence in read_sentences(path, data, tagged=False):  # to its end: whether all but the tags is right
            first = first or (sentence if len(sentence) else None)
        if first is None:
            return ""
        if data.format == "conll":
            row = read_first_row(path, delimiter=data.delimiter, header=data.header, comments=data.comments)
            return "" if row is None else _describe_row(*row)
        if data.format == "conllu":
            return _describe_keys(line for _, line in read_lines(path))
        number = int(str(first.source).rpartition(":")[2])
        line = next(line for at, line in read_lines(path) if at == number)
    except (DataError, OSError):
        return ""
    return f"; the keys of line {number} are {list_names(json.loads(line))}"


def _describe_keys(lines: Iterable[str]) -> str:
    keys: set[str] = set()
    for line in lines:
        for cell in line.split("\t")[9:]:
            keys.update(item.partition("=")[0] for item in cell.split("|") if "=" in item)
    return f"; data.tags can be UPOS, XPOS or a key of MISC ({list_names(sorted(keys)) if keys else 'there is none'})"


def _describe_row(number: int, cells: list[str]) -> str:
    columns = list_names(f"{column} = {cell}" for column, cell in enumerate(cells, start=1))
    return f"; the columns of line {number} are {columns}"


def _refuse_spans(sentences: ArrowSentences, data: DataConfig, *, where: str) -> None:
    """Refuses tags that spell spans but are read as plain ones: their accuracy would count every O."""
    tags = set(sentences.tags.values) - {data.unknown_tag}
    prefixes = {tag[0] for tag in tags if _SPAN_TAG.fullmatch(tag)}
    if OUTSIDE not in tags or not prefixes or any(tag != OUTSIDE and not _SPAN_TAG.fullmatch(tag) for tag in tags):
        return
    # Where no scheme has all these letters (E beside L, say), the tags are plain after all.
    candidates = [name for name in _LIKELY if prefixes <= set(SCHEMES[name].prefixes)]
    if candidates:
        transitions = sentences.count_transitions()
        illegal = {name: _count_illegal(transitions, name, unknown=data.unknown_tag) for name in candidates}
        guess = min(candidates, key=illegal.__getitem__)  # the first of those that forbid the fewest transitions
        raise ConfigError(
            f"data.scheme: {where}: the tags look like {guess}: set data.scheme (BIO, IOB1, BIOES, BILOU, or IO)"
        )


def named_sources(data: DataConfig) -> dict[str, str]:
    """Each split that a data section names -> its file, or the dataset's name of it."""
    if data.format == "hub":
        return dict(_HUB_SPLITS if data.splits is None else data.splits)
    named = {"train": data.train, "dev": data.dev, "test": data.test}
    return {split: path for split, path in named.items() if path}


def load_hub_splits(data: DataConfig, names: Mapping[str, str], *, checked: bool = True) -> "HubData":
    """Reads splits of the dataset that a data section describes.

    Args:
        data: the data section.
        names: our name of each split -> the dataset's.
        checked: whether tags are held against the scheme.
    """
    from tagger.data.hub import load_hub

    return load_hub(
        str(data.name),
        config=data.config,
        revision=data.revision,
        splits=names,
        tokens=str(data.tokens or "tokens"),
        tags=str(data.tags or "tags"),
        scheme=data.scheme,
        unknown=data.unknown_tag,
        labels=Path(data.labels) if isinstance(data.labels, str) else data.labels,
        streaming=data.streaming,
        checked=checked,
    )


def _count(sentences: ArrowSentences, data: DataConfig) -> dict[str, str | int]:
    illegal = 0
    if not is_plain(data.scheme):
        illegal = _count_illegal(sentences.count_transitions(), data.scheme, unknown=data.unknown_tag)
    unknown = 0 if data.unknown_tag is None else sentences.tags.count()[data.unknown_tag]
    zero_width = sum(count for token, count in sentences.tokens.count().items() if _has_no_width(token))
    return {
        "sentences": len(sentences),
        "tokens": int(sentences.starts[-1]),
        "empty_sentences": int((sentences.lengths == 0).sum()),
        "illegal_transitions": illegal,
        "unknown_tags": unknown,
        "zero_width_tokens": zero_width,
    }


def _has_no_width(token: str) -> bool:
    """Whether nothing of a token can be seen: a zero-width space, say, which few mean to be one."""
    return all(unicodedata.category(character) in _ZERO_WIDTH for character in token)


def _count_illegal(
    transitions: Counter[tuple[str | None, str | None]], scheme: SchemeName, *, unknown: str | None
) -> int:
    """How many transitions the scheme forbids, as far as both neighbours are known."""
    return sum(
        count
        for pair, count in transitions.items()
        if (unknown is None or unknown not in pair) and not is_legal(*pair, scheme)
    )


def _labels(sentences: ArrowSentences, data: DataConfig) -> tuple[str, ...]:
    tags = set(sentences.tags.values) - {data.unknown_tag}
    if is_plain(data.scheme):
        return tuple(sorted(tags))
    return tuple(sorted({split_tag(tag, data.scheme)[1] for tag in tags if tag != OUTSIDE}))

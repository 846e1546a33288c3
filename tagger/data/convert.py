"""One way of writing a corpus -> another: columns, CoNLL-U, JSON Lines, and the schemes of span tags.

Within one format a file is rewritten: only tags change, and further columns, keys, comments and blank lines stay as
they are. From one format to another tokens and tags go over, and what is left out is counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import BinaryIO, cast

from tagger.config import DataConfig
from tagger.data.corpus import read_sentences
from tagger.data.lines import Source
from tagger.data.repair import Change, Changes, LineSource
from tagger.data.rewrite import LeftOut, Rewriter
from tagger.data.writers import write_conll, write_conllu, write_jsonl
from tagger.errors import ConfigError, DataError
from tagger.schemes import ALIASES, OUTSIDE, convert_tags, is_legal, is_plain, tags_to_spans
from tagger.sentence import Sentence

SPAN_KEY = "NER"
"""The key of MISC that holds the tags of a span scheme in CoNLL-U, where no other is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How a corpus is to be written.

    Attributes:
        format: conll, conllu or jsonl.
        scheme: how tags are to spell spans; None: as they do.
        tags: conllu: UPOS, XPOS or a key of MISC; jsonl: a key. None: UPOS, in a span scheme NER; the key tags.
    """

    format: str
    scheme: str | None = None
    tags: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was done.

    Attributes:
        sentences: how many were written.
        tokens: how many tokens they have.
        repaired: what was repaired.
        lost: what could not be carried over.
    """

    sentences: int
    tokens: int
    repaired: tuple[Change, ...]
    lost: tuple[Change, ...]


def convert(source: Source, sink: BinaryIO, data: DataConfig, *, target: Target, repair: bool = False) -> Conversion:
    """Reads a corpus and writes it another way, sentence by sentence.

    Args:
        source: a file, or an open binary stream.
        sink: where to write to.
        data: how the source is to be read; its paths are not looked at.
        target: how it is to be written.
        repair: whether to repair what has one meaning only (see `repair`), and tags that may not follow each other,
            as conlleval reads them. Without it, such tags are an error.

    Raises:
        MissingInputError: there is no such file.
        ConfigError: a target that does not suit the source.
        DataError: what cannot be read or written, with its `path:line`.
    """
    check_target(data, target)
    repairs, lost = Changes(), Changes()
    has_cells = data.format == "conllu" or (data.format == "conll" and data.delimiter != "space")
    lines = LineSource(source, repairs=repairs if repair else None, has_cells=has_cells)
    speller = _Speller(data=data, scheme=target.scheme or data.scheme, repairs=repairs if repair else None, lost=lost)
    sentences = read_sentences(cast(BinaryIO, lines), data, known_only=False)
    counted = _Counted(sentences)
    if target.format == data.format and target.tags is None:
        texts = Rewriter(data, lines).rewrite((sentence, speller.respell(sentence)) for sentence in counted)
    else:
        left_out = LeftOut(data, lines, lost)
        respelled = (replace(each, tags=tuple(speller.respell(each))) for each in left_out.count(counted))
        texts = (text.encode("utf-8") for text in _write(respelled, data, target))
    for text in texts:
        sink.write(text)
    return Conversion(sentences=counted.sentences, tokens=counted.tokens, repaired=repairs.listed(), lost=lost.listed())


def check_target(data: DataConfig, target: Target) -> None:
    """Raises a ConfigError if a target does not suit the data it is made from."""
    if target.scheme is not None and is_plain(target.scheme) != is_plain(data.scheme):
        raise ConfigError(
            f"--to-scheme: the tags are read as {data.scheme}, which cannot become {target.scheme}; "
            "say with --scheme what they are"
        )
    if target.tags is not None and target.format == "conll":
        raise ConfigError("--to-tags: has no effect on conll, where tags are in the last column; leave it out")


def _write(sentences: Iterable[Sentence], data: DataConfig, target: Target) -> Iterator[str]:
    if target.format == "conll":
        return write_conll(sentences)
    if target.format == "jsonl":
        return write_jsonl(sentences, tags=target.tags or "tags")
    return write_conllu(
        sentences, tags=target.tags or ("UPOS" if is_plain(data.scheme) else SPAN_KEY), unknown=data.unknown_tag
    )


class _Counted:
    """Counts sentences as they pass."""

    def __init__(self, sentences: Iterable[Sentence]) -> None:
        self._all = sentences
        self.sentences = self.tokens = 0

    def __iter__(self) -> Iterator[Sentence]:
        for sentence in self._all:
            self.sentences += 1
            self.tokens += len(sentence)
            yield sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speller:
    """Respells tags in the target's scheme."""

    data: DataConfig
    scheme: str
    repairs: Changes | None
    lost: Changes

    def respell(self, sentence: Sentence) -> list[str]:
        tags, where = list(sentence.tags or ()), str(sentence.source)
        source, unknown = self._name(self.data.scheme), self.data.unknown_tag
        target = self._name(self.scheme)
        if is_plain(source) or all(tag == OUTSIDE for tag in tags):
            return tags
        has_unknown = unknown is not None and unknown in tags
        if has_unknown and source != target:
            raise DataError(f"{where}: holds the unknown tag {unknown!r}, so its spans cannot be respelled in {target}")
        pairs = list(pairwise((None, *tags, None)))
        illegal = [
            at for at, pair in enumerate(pairs) if not (has_unknown and unknown in pair) and not is_legal(*pair, source)
        ]
        if illegal and (self.repairs is None or has_unknown):
            hint = "with unknown tags beside it, it cannot be repaired" if has_unknown else "--repair respells it"
            raise DataError(f"{where}: {_describe(tags, illegal[0])}, which {source} forbids; {hint}")
        if illegal and self.repairs is not None:
            mended = convert_tags(tags, source, source)
            changed = sum(old != new for old, new in zip(tags, mended, strict=True))
            self.repairs.add("tags respelled, read as conlleval does", where, count=changed)
            tags = mended
        if source == target:
            return tags
        converted = convert_tags(tags, source, target)
        if target == "IO":
            merged = len(tags_to_spans(tags, source)) - len(tags_to_spans(converted, target))
            if merged:
                self.lost.add(
                    "spans that touch one of their own label, which IO makes one with it", where, count=merged
                )
        return converted

    @staticmethod
    def _name(scheme: str) -> str:
        return ALIASES.get(scheme, scheme)


def _describe(tags: list[str], position: int) -> str:
    if position == len(tags):
        return f"the sentence ends after {tags[-1]}"
    return f"token {position + 1} has {tags[position]} " + (
        f"after {tags[position - 1]}" if position else "at the start of the sentence"
    )

"""The errors that an HTML report lists: which of them, in which piece of their sentence, and what to filter them by."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise

from tagger.evaluation.figures import Node, show_text
from tagger.evaluation.findings import Place
from tagger.evaluation.matching import MISSED
from tagger.evaluation.mistakes import Mistake, list_mistakes
from tagger.evaluation.report import Report
from tagger.schemes import is_plain, tags_to_spans
from tagger.sentence import Span

MAX_ERRORS = 500  # in one page, shared evenly by the kinds of error
MAX_BYTES = 400_000  # of their text, likewise
_CONTEXT = 160  # characters of a sentence on each side of an error
_LONGEST = 160  # characters of one piece of an error
_GOLD, _PREDICTED = "g", "p"
_FOLDER = re.compile(r"^.*[/\\](?=[^/\\]*:[0-9]+$)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a sentence.

    Attributes:
        text: its tokens, ready to be shown.
        marks: `g` if gold covers it, `p` if the prediction does, `c` if two systems differ on it; empty for what stands
            around them.
    """

    text: str
    marks: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedError:
    """One error as a page shows it.

    Attributes:
        kind: what went wrong.
        gold: gold's label; None if gold has nothing there.
        predicted: the predicted label; None if nothing was predicted.
        confidence: the model's, where it stands in the document; None if unknown.
        source: where the sentence comes from; None if unknown.
        pieces: the sentence.
    """

    kind: str
    gold: str | None
    predicted: str | None
    confidence: Node | None
    source: str | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """What the list of errors holds.

    Attributes:
        errors: those listed, in the order of the data.
        kinds: the kinds of error among them.
        gold: gold's labels among them.
        predicted: the predicted labels among them.
        pairs: the labels (gold, predicted) of at least one of them.
        bounds: (kind, how many are listed, how many there are), where not all are listed.
    """

    errors: tuple[ListedError, ...]
    kinds: tuple[str, ...]
    gold: tuple[str | None, ...]
    predicted: tuple[str | None, ...]
    pairs: frozenset[tuple[str | None, str | None]]
    bounds: tuple[tuple[str, int, int], ...]

    @property
    def is_confident(self) -> bool:
        """Whether any error has a confidence."""
        return any(error.confidence is not None for error in self.errors)


def build_browser(report: Report, document: Node, *, limit: int = MAX_ERRORS) -> Browser:
    """Chooses the errors to list and prepares them.

    Of each kind the same number is listed at most, and of each kind as many different confusions as possible: the first
    of each pair of labels come before their second ones.

    Args:
        report: the report.
        document: its JSON document.
        limit: how many errors are listed at most.
    """
    found = list(list_mistakes(report))
    totals = Counter(mistake.kind for mistake in found)
    chosen: dict[int, ListedError] = {}
    for kind in totals:
        room = MAX_BYTES // len(totals)
        for number in _rank(found, kind)[: limit // len(totals)]:
            error = _list_error(found[number], report, document)
            labels = [label or "" for label in (error.gold, error.predicted)]
            room -= weigh([*(piece.text for piece in error.pieces), *labels, *labels, error.source or ""])
            if room < 0:
                break
            chosen[number] = error
    errors = tuple(chosen[number] for number in sorted(chosen))
    listed = Counter(error.kind for error in errors)
    return Browser(
        errors=errors,
        kinds=tuple(kind for kind, _ in totals.most_common()),
        gold=_sort_labels(error.gold for error in errors),
        predicted=_sort_labels(error.predicted for error in errors),
        pairs=frozenset((error.gold, error.predicted) for error in errors),
        bounds=tuple((kind, listed[kind], total) for kind, total in totals.items() if listed[kind] < total),
    )


def weigh(texts: Iterable[str]) -> int:
    """The bytes that texts take in a page."""
    return sum(len(escape(text).encode("utf-8", "replace")) for text in texts)


def cut_sentence(
    tokens: Sequence[str], *, gold: tuple[int, int] | None, predicted: tuple[int, int] | None
) -> tuple[Piece, ...]:
    """Cuts a sentence where gold or the prediction begins or ends, and shortens what is very long.

    Args:
        tokens: T tokens.
        gold: the tokens `[start, end)` that gold covers; None for nothing.
        predicted: those that the prediction covers.
    """
    places = [place for place in (gold, predicted) if place is not None]
    first, last = min(start for start, _ in places), max(end for _, end in places)
    edges = sorted({0, len(tokens), *(edge for place in places for edge in place)})
    pieces: list[Piece] = []
    for start, end in pairwise(edges):
        text = show_text(" ".join(tokens[start:end]))
        covered = [
            mark
            for mark, place in ((_GOLD, gold), (_PREDICTED, predicted))
            if place is not None and place[0] <= start < place[1]
        ]
        if end <= first:
            text = text if len(text) <= _CONTEXT else f"… {_drop_part(text[-_CONTEXT:])}"
        elif start >= last:
            text = text if len(text) <= _CONTEXT else f"{_drop_part(text[:_CONTEXT][::-1])[::-1]} …"
        elif len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
        pieces.append(Piece(text=text, marks=" ".join(covered)))
    return tuple(pieces)


def _drop_part(text: str) -> str:
    """Text without the part of a token that it begins with; as it is where it holds no whole one."""
    return text.partition(" ")[2] or text


def mark_tokens(tokens: Sequence[str], extents: Iterable[tuple[int, int]]) -> tuple[Piece, ...]:
    """Cuts a sentence into what lies in any of some extents `[start, end)`, marked `c`, and what does not."""
    inside = {at for start, end in extents for at in range(start, end)}
    pieces: list[Piece] = []
    for is_inside, members in groupby(range(len(tokens)), key=inside.__contains__):
        text = show_text(" ".join(tokens[at] for at in members))
        if len(text) > 2 * _LONGEST:
            text = f"{text[:_LONGEST]} … {text[-_LONGEST:]}"
        pieces.append(Piece(text=text, marks="c" if is_inside else ""))
    return tuple(pieces)


def show_place(report: Report, place: Place, *, has_gold: bool, has_predicted: bool) -> tuple[Piece, ...]:
    """A place in a sentence of the report, marked as gold's, the prediction's or both; empty if it is not listed."""
    if place.sentence >= len(report.sentences):
        return ()
    tokens, extent = report.sentences[place.sentence].tokens, (place.start, place.end)
    return cut_sentence(tokens, gold=extent if has_gold else None, predicted=extent if has_predicted else None)


def shorten_source(source: str | None) -> str | None:
    """`folder/file:line` without its folder; any other source as it is."""
    return source if source is None else _FOLDER.sub("", source)


def _rank(found: Sequence[Mistake], kind: str) -> list[int]:
    """The mistakes of a kind, the first of each pair of labels before the second ones."""
    seen = Counter[tuple[str | None, str | None]]()
    ranked: list[tuple[int, int]] = []
    for number, mistake in enumerate(found):
        if mistake.kind == kind:
            pair = (_label(mistake.gold), _label(mistake.predicted))
            ranked.append((seen[pair], number))
            seen[pair] += 1
    return [number for _, number in sorted(ranked)]


def _list_error(mistake: Mistake, report: Report, document: Node) -> ListedError:
    sentence = report.sentences[mistake.sentence]
    return ListedError(
        kind=mistake.kind,
        gold=_label(mistake.gold),
        predicted=_label(mistake.predicted),
        confidence=_find_confidence(mistake, report, document),
        source=shorten_source(sentence.source),
        pieces=cut_sentence(sentence.tokens, gold=_extent(mistake.gold), predicted=_extent(mistake.predicted)),
    )


def _find_confidence(mistake: Mistake, report: Report, document: Node) -> Node | None:
    """Where the model's confidence stands: the span's or the tag's; of a missed span, the least of its tags."""
    sentence, node = report.sentences[mistake.sentence], document["sentences"][mistake.sentence]
    if mistake.kind == MISSED and mistake.gold is not None:
        if sentence.confidence is None:
            return None
        extent = range(mistake.gold.start, mistake.gold.end)
        return node["confidence"][min(extent, key=sentence.confidence.__getitem__)]
    if mistake.predicted is None or mistake.predicted.confidence is None:
        return None
    if is_plain(report.scheme):
        return node["confidence"][mistake.predicted.start]
    spans = tags_to_spans(report.predicted_tags(mistake.sentence), report.scheme)
    return node["span_confidence"][[span.start for span in spans].index(mistake.predicted.start)]


def _label(span: Span | None) -> str | None:
    return None if span is None else span.label


def _extent(span: Span | None) -> tuple[int, int] | None:
    return None if span is None else (span.start, span.end)


def _sort_labels(labels: Iterable[str | None]) -> tuple[str | None, ...]:
    return tuple(sorted(set(labels), key=lambda label: (label is None, label or "")))

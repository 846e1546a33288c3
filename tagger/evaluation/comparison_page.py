"""What the page of a comparison shows: everything that its template needs beside the JSON document itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tagger.evaluation.browser import MAX_BYTES, Piece, mark_tokens, shorten_source, weigh
from tagger.evaluation.charts import widen
from tagger.evaluation.comparison import ComparedSentence, Comparison, Difference, Flip, Pair
from tagger.evaluation.figures import Node, show_text
from tagger.schemes import is_plain, tags_to_spans

MAX_FLIPS = 200  # in one page, shared evenly by its pairs of systems
MAX_DIFFERENCES = 300
FEW = 30  # parts with fewer do not decide how wide the rows are
SIGNIFICANCE = 0.05
IMPROVED, WORSENED = "improved", "worsened"
_MAX_WORDS, _MAX_ROWS = 60, 12  # characters; rows of one sentence

Row = tuple[str, tuple[str | None, ...]]  # words; gold's label, then that of each of the two systems


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDifference:
    """One difference as a page shows it.

    Attributes:
        node: where it stands in the document.
        verdict: what its corrected p-value says: `better`, `worse`, `undecided`; `-` where there is none.
    """

    node: Node
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFlip:
    """A sentence that two systems tag differently well.

    Attributes:
        kind: `improved` or `worsened`, from the first system to the second.
        pair: index of the pair of systems.
        node: where its errors stand in the document.
        source: where the sentence comes from; None if unknown.
        pieces: the sentence, what is in `rows` marked.
        rows: words on which gold and the two systems do not agree, with the labels of all three.
        is_cut: whether there are more of those.
    """

    kind: str
    pair: int
    node: Node
    source: str | None
    pieces: tuple[Piece, ...]
    rows: tuple[Row, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPair:
    """Two systems as a page shows them.

    Attributes:
        node: where the pair stands in the document.
        first: the name of the one.
        second: the name of the other.
        verdict: of the main score: of all differences the first.
        groups: (group, its differences).
        num_shown: how many differences are shown.
        extent: the difference that the rows are as wide as.
    """

    node: Node
    first: str
    second: str
    verdict: str
    groups: tuple[tuple[str, tuple[ListedDifference, ...]], ...]
    num_shown: int
    extent: float


def describe_comparison(comparison: Comparison, document: Node) -> dict[str, Any]:
    """What `comparison.html.j2` needs.

    Args:
        comparison: the comparison.
        document: its JSON document.
    """
    names = [system.name for system in comparison.systems]
    pairs = [
        _list_pair(pair, node, names, limit=MAX_DIFFERENCES // len(comparison.pairs))
        for pair, node in zip(comparison.pairs, document["pairs"], strict=True)
    ]
    flips, bounds = _list_flips(comparison, document, pairs)
    sections = [
        ("systems", "Systems"),
        *((f"pair-{index}", f"{each.first} → {each.second}") for index, each in enumerate(pairs)),
    ]
    return {
        "sections": [*sections, *([("errors", "Sentences that flipped")] if flips else [])],
        "pairs": pairs,
        "flips": flips,
        "flip_bounds": bounds,
        "significance": SIGNIFICANCE,
    }


def judge(difference: Difference) -> str:
    """What a difference's corrected p-value says at the 5 % level."""
    if difference.corrected_p is None or difference.difference is None:
        return "-"
    if difference.corrected_p >= SIGNIFICANCE:
        return "undecided"
    return "better" if difference.difference > 0 else "worse"


def _list_pair(pair: Pair, node: Node, names: Sequence[str], *, limit: int) -> ListedPair:
    shown = [
        (each.group, ListedDifference(node=node["differences"][index], verdict=judge(each)))
        for index, each in enumerate(pair.differences[:limit])
    ]
    groups = [
        (group, tuple(each for _, each in members)) for group, members in groupby(shown, key=lambda each: each[0])
    ]
    return ListedPair(
        node=node,
        first=names[pair.first],
        second=names[pair.second],
        verdict=shown[0][1].verdict if shown else "-",
        groups=tuple(groups),
        num_shown=len(shown),
        extent=_find_extent(pair.differences),
    )


def _find_extent(differences: Sequence[Difference]) -> float:
    """A round value that holds every interval of the large parts, or of all parts where none is large."""
    large = [each for each in differences if each.count >= FEW] or differences
    ends = [abs(each.difference) for each in large if each.difference is not None]
    ends += [abs(end) for each in large if each.interval for end in (each.interval.low, each.interval.high)]
    return min(widen([0.0, *ends], step_count=4)[1], 1.0)


def _list_flips(
    comparison: Comparison, document: Node, pairs: Sequence[ListedPair]
) -> tuple[list[ListedFlip], list[tuple[str, ListedPair, int, Node]]]:
    """The flips to list; and (kind, pair, how many are listed, all of them) where not all are."""
    flips: list[ListedFlip] = []
    bounds: list[tuple[str, ListedPair, int, Node]] = []
    parts = max(2 * len(pairs), 1)
    for index, (pair, node) in enumerate(zip(comparison.pairs, document["pairs"], strict=True)):
        for kind, found in ((IMPROVED, pair.improved), (WORSENED, pair.worsened)):
            room, before = MAX_BYTES // parts, len(flips)
            for flip, each in zip(found[: MAX_FLIPS // parts], node[kind], strict=False):
                listed = _list_flip(comparison, pair=pair, flip=(kind, index, flip, each))
                cells = [text or "" for words, labels in listed.rows for text in (words, *labels)]
                room -= weigh([*(piece.text for piece in listed.pieces), *cells, listed.source or ""])
                if room < 0:
                    break
                flips.append(listed)
            if len(flips) - before < len(found):
                bounds.append((kind, pairs[index], len(flips) - before, node[kind]))
    return flips, bounds


def _list_flip(comparison: Comparison, *, pair: Pair, flip: tuple[str, int, Flip, Node]) -> ListedFlip:
    kind, number, found, node = flip
    sentence = comparison.sentences[found.sentence]
    extents = _find_differing(comparison, sentence, (pair.first, pair.second))
    rows = []
    for (start, end), labels in list(extents.items())[:_MAX_ROWS]:
        words = show_text(" ".join(sentence.tokens[start:end]))
        rows.append((words if len(words) <= _MAX_WORDS else f"{words[:_MAX_WORDS]} …", labels))
    return ListedFlip(
        kind=kind,
        pair=number,
        node=node,
        source=shorten_source(sentence.source),
        pieces=mark_tokens(sentence.tokens, list(extents)),
        rows=tuple(rows),
        is_cut=len(rows) < len(extents),
    )


def _find_differing(
    comparison: Comparison, sentence: ComparedSentence, systems: tuple[int, int]
) -> dict[tuple[int, int], tuple[str | None, ...]]:
    """Tokens `[start, end)` -> the labels that gold and the two systems give them, where those are not all the same."""
    sides = [sentence.gold, *(sentence.predicted[system] for system in systems)]
    read: list[dict[tuple[int, int], str]] = []
    for side in sides:
        tags = [comparison.tags[tag] for tag in side]
        if is_plain(comparison.scheme):
            read.append({(at, at + 1): tag for at, tag in enumerate(tags)})
        else:
            spans = tags_to_spans(tags, comparison.scheme)
            read.append({(span.start, span.end): span.label for span in spans})
    extents = sorted({extent for side in read for extent in side})
    labels = {extent: tuple(side.get(extent) for side in read) for extent in extents}
    return {extent: found for extent, found in labels.items() if len(set(found)) > 1}

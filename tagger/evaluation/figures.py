"""The figures of a page: values of a JSON document that know their place in it, and how each is written for people.

Every figure that a page shows is marked with its place (a JSON Pointer, RFC 6901) and its notation, so that any figure
can be looked up in the report.json beside the page.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from tagger.evaluation.numbers import UNDEFINED, format_percent

_SMALLEST_P = 0.0001
_JOINERS = "\u200c\u200d"  # parts of words and of emoji, which do not move what stands around them
_NO_LABEL = "~"


class Node:
    """A value of a JSON document, and its place.

    Templates read `report.scores.micro` where the document holds `{"scores": {"micro": ...}}`. A key that is not there
    is an error; a null is a node without value.
    """

    __slots__ = ("_document_place", "_document_value")

    def __init__(self, value: Any, place: str = "") -> None:
        self._document_value = value
        self._document_place = place

    def __getitem__(self, key: str | int) -> "Node":
        value = self._document_value
        if isinstance(value, dict) or (isinstance(value, list) and type(key) is int):
            part = value[key]  # type: ignore[index]
            return Node(part, f"{self._document_place}/{_escape(str(key))}")
        raise KeyError(key)

    def __iter__(self) -> Iterator["Node"]:
        value = self._document_value or ()
        return (self[key] for key in (value if isinstance(value, dict) else range(len(value))))

    def __len__(self) -> int:
        return len(self._document_value or ())

    def __bool__(self) -> bool:
        return bool(self._document_value)

    def __contains__(self, key: str) -> bool:
        return key in (self._document_value or ())


def get_value(node: Node) -> Any:
    """What the document holds there."""
    return node._document_value


def get_place(node: Node) -> str:
    """The node's JSON Pointer."""
    return node._document_place


def get_pairs(node: Node) -> list[tuple[str, Node]]:
    """The keys of an object with what they hold, in the document's order."""
    return [(key, node[key]) for key in get_value(node) or ()]


def _escape(key: str) -> str:
    """A key as a part of a pointer; what is invisible is percent-encoded, as where pointers are URIs (section 6)."""
    pointed = key.replace("~", "~0").replace("/", "~1")
    return "".join(each if each.isprintable() and each != "%" else quote(each, errors="replace") for each in pointed)


def _format_fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.6g}"
    return show_text(str(value))


def _format_p(value: float) -> str:
    return f"< {_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.4f}"


def _format_points(value: float) -> str:
    text = f"{100 * value:+.2f}"
    return "0.00" if float(text) == 0 else text


# notation -> how a value that is defined is written
NOTATIONS: dict[str, Callable[[Any], str]] = {
    "percent": format_percent,  # of a value in [0, 1], two decimals
    "points": _format_points,  # a difference of two such values
    "count": lambda value: f"{value:,}",
    "length": lambda value: f"{len(value):,}",  # of a list
    "decimal": lambda value: f"{value:.4f}",
    "basis": lambda value: f"{value / 10_000:.2f}",  # a confidence that is stored in percent of a percent
    "threshold": lambda value: f"{value:.4f}",  # a confidence that may be typed in again
    "p": _format_p,  # of a test
    "seconds": lambda value: f"{value:,.2f}",
    "hash": lambda value: f"{show_text(value[:12])}…",  # the beginning of a SHA-256
    "fact": _format_fact,
}


def format_figure(value: Any, notation: str) -> str:
    """A value as people read it, `-` where it is undefined.

    Args:
        value: what the document holds.
        notation: one of NOTATIONS.
    """
    return UNDEFINED if value is None else NOTATIONS[notation](value)


def show_text(text: str) -> str:
    """Text from data as a page may hold it: what is invisible or moves its surroundings is spelled out (`\\u202e`)."""
    return "".join(
        each if each.isprintable() or each in _JOINERS else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def make_key(label: str | None) -> str:
    """What a label is called in a filter: itself; `~` for no label; an empty one, or one that begins so, with `~~`."""
    if label is None:
        return _NO_LABEL
    return (
        show_text(label) if label and not label.startswith(_NO_LABEL) else f"{_NO_LABEL}{_NO_LABEL}{show_text(label)}"
    )

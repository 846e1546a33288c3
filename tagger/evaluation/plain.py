"""Dataclasses <-> what JSON holds: values are written and read as their dataclasses declare them.

Derived scores are written for the reader, and dropped again on reading. A field with the metadata ADDED may be missing:
files written before there was such a field lack it.
"""

import math
import reprlib
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores

ADDED = {"added": True}
_DERIVED: dict[type, tuple[str, ...]] = {
    Counts: ("precision", "recall", "f1"),
    Ratio: ("value",),
    TagScores: ("main_name", "main", "rule", "macro_f1"),
    SpanScores: ("main_name", "main", "rule", "macro_f1"),
}
_EXPECTED = {int: "an integer >= 0", float: "a finite number", str: "a string"}


def to_plain(value: Any) -> Any:
    """A value made of dataclasses, dictionaries and tuples as JSON holds it."""
    if is_dataclass(value):
        names = (*_DERIVED.get(type(value), ()), *(each.name for each in fields(value)))
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [to_plain(each) for each in value]
    return value


def from_plain(kind: Any, value: Any, where: str) -> Any:
    """The value of a declared type that `to_plain` wrote so.

    Args:
        kind: the type, as a field declares it.
        value: what JSON held.
        where: its place, for messages.

    Raises:
        ValueError: `where: what is wrong`.
    """
    if is_dataclass(kind):
        return _read_fields(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _read_union(arguments, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _unexpected("an object", value, where)
        return {key: from_plain(arguments[1], each, f"{where}.{key}") for key, each in value.items()}
    if origin is tuple:
        same = arguments[-1] is Ellipsis
        if not isinstance(value, list) or not (same or len(value) == len(arguments)):
            raise _unexpected("a list" if same else f"a list of {len(arguments)}", value, where)
        kinds = [arguments[0]] * len(value) if same else arguments
        return tuple(
            from_plain(*pair, f"{where}[{index}]") for index, pair in enumerate(zip(kinds, value, strict=True))
        )
    # bool is an int to Python, not to a reader of JSON
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise _unexpected(_EXPECTED[kind], value, where)
    if kind is str:
        return value
    if (value < 0 and kind is int) or not math.isfinite(value):
        raise _unexpected(_EXPECTED[kind], value, where)
    return kind(value)


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    others = [kind for kind in kinds if kind is not NoneType]
    if value is None and len(others) < len(kinds):
        return None
    if len(others) == 1:
        return from_plain(others[0], value, where)
    if TagScores in others:
        return from_plain(TagScores if isinstance(value, dict) and "accuracy" in value else SpanScores, value, where)
    if not isinstance(value, tuple(others)):
        raise _unexpected("a string, a number or null", value, where)
    return value


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unexpected("an object", value, where)
    hints, names = get_type_hints(kind), [each.name for each in fields(kind)]
    for each in fields(kind):
        if each.name not in value and each.metadata != ADDED:
            raise ValueError(f"{where}: no key {each.name!r}")
    for name in value.keys() - {*names, *_DERIVED.get(kind, ())}:
        raise ValueError(f"{where}: no such key {name!r}")
    read = {name: from_plain(hints[name], value[name], f"{where}.{name}") for name in names if name in value}
    try:
        return kind(**read)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _unexpected(expected: str, value: Any, where: str) -> ValueError:
    return ValueError(f"{where}: expected {expected}, got {reprlib.repr(value)}")

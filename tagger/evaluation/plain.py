"""Dataclasses <-> what JSON holds: values are written and read as their dataclasses declare them.

What a dataclass names in DERIVED is written for the reader, and dropped again on reading. A field with the metadata
ADDED may be missing: files written before there was such a field lack it.
"""

import math
import reprlib
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

ADDED = {"added": True}
_EXPECTED = {int: "an integer >= 0", float: "a finite number", str: "a string"}


def to_plain(value: Any) -> Any:
    """A value made of dataclasses, dictionaries and tuples as JSON holds it."""
    if isinstance(value, tuple):
        if value and isinstance(value[0], str | int | float):  # a tuple of plain values holds nothing else
            return list(value)
        return [to_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if is_dataclass(value):
        return {name: to_plain(getattr(value, name)) for name in _names(value.__class__)}
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
        if same and _all_are(arguments[0], value):
            return tuple(value)
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
    if is_dataclass(others[0]):
        given = value if isinstance(value, dict) else {}
        likely = max(others, key=lambda kind: sum(name in given for name in _hints(kind)))
        return from_plain(likely, value, where)
    if not isinstance(value, tuple(others)):
        raise _unexpected("a string, a number or null", value, where)
    return value


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unexpected("an object", value, where)
    hints, names = _hints(kind), [each.name for each in fields(kind)]
    for each in fields(kind):
        if each.name not in value and each.metadata != ADDED:
            raise ValueError(f"{where}: no key {each.name!r}")
    for name in value.keys() - {*names, *getattr(kind, "DERIVED", ())}:
        raise ValueError(f"{where}: no such key {name!r}")
    read = {name: from_plain(hints[name], value[name], f"{where}.{name}") for name in names if name in value}
    try:
        return kind(**read)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _all_are(kind: Any, values: list[Any]) -> bool:
    """Whether they are all strings, or all integers >= 0: told at once, for lists can be long."""
    if kind not in (int, str) or any(type(each) is not kind for each in values):
        return False
    return kind is str or min(values, default=0) >= 0


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return (*getattr(kind, "DERIVED", ()), *(each.name for each in fields(kind)))


def _unexpected(expected: str, value: Any, where: str) -> ValueError:
    return ValueError(f"{where}: expected {expected}, got {reprlib.repr(value)}")

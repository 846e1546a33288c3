"""Every setting's key and type, whether a value fits it, and how to say so where it does not."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tagger.config import Config

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}


def value_of(settings: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key of a config as nested dictionaries."""
    value: Any = settings
    for part in key.split("."):
        value = value[part]
    return value


def takes_text(key: str) -> bool:
    """Whether any text will do for a setting, as it stands."""
    return fits("any text", SETTINGS[key])


def describe_mismatch(key: str, value: object) -> str:
    """`expected a whole number, got 'x'`, for a value that does not fit a setting's type."""
    # YAML reads `no`, `3` and `1e5` as no text
    hint = "; in quotes it would be text" if takes_text(key) and isinstance(value, bool | int | float) else ""
    return f"expected {_spell(SETTINGS[key])}, got {show(value)}{hint}"


def _list_settings(schema: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, hint in get_type_hints(schema).items():
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _list_settings(hint, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint


SETTINGS: dict[str, Any] = dict(_list_settings(Config))
"""Every setting's dotted key and type."""


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a setting's type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin is UnionType:
        return any(fits(value, part) for part in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if origin is dict:
        keys, values = arguments
        return isinstance(value, dict) and all(fits(key, keys) and fits(value[key], values) for key in value)
    if isinstance(value, bool):  # to Python, True is a whole number too
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _spell(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is UnionType:
        return " or ".join(_spell(part) for part in arguments)
    if origin is list:
        return "a list of whole numbers" if arguments[0] is int else "a list of texts"
    if origin is dict:
        return "a section of texts" if arguments[1] is str else "a section of numbers"
    return _NAMES[hint]


def show(value: Any) -> str:
    """A value as YAML or Python spells it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)

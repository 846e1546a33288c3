"""Dataclasses as JSON documents: strict in both directions, laid out so that people can read and compare them."""

import json
import reprlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from tagger.data.strict_json import parse_json
from tagger.evaluation.plain import from_plain, to_plain

_WIDTH = 100
_LINES = ("sentences",)  # long lists: a line for each part, however long it is


def write_document(value: Any, *, version: int) -> str:
    """A dataclass as a JSON document that names its format.

    Args:
        value: the dataclass.
        version: its format.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    return "".join(_write({"format": version, **to_plain(value)}, depth=0)) + "\n"


def read_document(kind: Any, text: str, *, name: str, versions: Collection[int]) -> Any:
    """What `write_document` wrote.

    Args:
        kind: the dataclass.
        text: the document.
        name: what it is called in messages.
        versions: the formats that can be read.

    Raises:
        ValueError: what is wrong, and where.
    """
    document = parse_json(text)
    if isinstance(document, dict):
        found = document.pop("format", None)
        if isinstance(found, bool) or found not in versions:
            known = " or ".join(map(str, versions))
            if found is None:
                raise ValueError(f"no key 'format', which says how it is laid out: expected {known}")
            raise ValueError(f"format: expected {known}, got {reprlib.repr(found)}: a newer tagger may read it")
    return from_plain(kind, document, name)


def _write(value: Any, *, depth: int) -> Iterator[str]:
    """What fits into a line stands on one; what does not goes on, indented, a line for each part."""
    if not isinstance(value, dict | list) or not value or (depth and _fits(value)):
        yield json.dumps(value, allow_nan=False)
        return
    is_object = isinstance(value, dict)
    parts: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    indent, between = "  " * (depth + 1), "\n"
    yield "{" if is_object else "["
    for key, part in parts:
        yield f"{between}{indent}" + (f"{json.dumps(key)}: " if is_object else "")
        if key in _LINES and isinstance(part, list) and part:
            yield "[\n" + ",\n".join(f"{indent}  {json.dumps(each, allow_nan=False)}" for each in part)
            yield f"\n{indent}]"
        else:
            yield from _write(part, depth=depth + 1)
        between = ",\n"
    yield f"\n{'  ' * depth}" + ("}" if is_object else "]")


def _fits(value: Any) -> bool:
    if len(value) > _WIDTH // 3 or any(isinstance(each, dict | list) and len(each) > _WIDTH for each in value):
        return False
    return len(json.dumps(value)) <= _WIDTH

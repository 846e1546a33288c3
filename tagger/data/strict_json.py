"""JSON as strict as RFC 8259: what Python's own reader lets pass in silence is an error."""

import json
from typing import Any, NoReturn


def parse_json(text: str) -> Any:
    """Parses one JSON document.

    Unlike `json.loads` it refuses NaN and infinity, and an object in which a key occurs twice, of which `json.loads`
    keeps the last.

    Args:
        text: the document.

    Raises:
        json.JSONDecodeError: not JSON; it knows the place.
        ValueError: JSON that cannot be used: NaN or infinity, a key that occurs twice, a number of too many digits, or
            nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for key, value in pairs:
        if key in unique:
            raise ValueError(f"the key {key[:60]!r} occurs twice")
        unique[key] = value
    return unique


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")

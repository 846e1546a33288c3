"""JSON Lines, read and written: one JSON object a line, as strict as RFC 8259.

Python's own reader is lenient where data loss hides: it takes NaN, keeps the last of two equal keys (see
`strict_json`), and lets half a surrogate pair through that no file can hold. All three are errors here.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from tagger.data.lines import (
    BLANKS,
    Source,
    TagChecker,
    check_length,
    list_names,
    quote,
    read_lines,
    source_name,
    surrogate,
)
from tagger.data.strict_json import parse_json
from tagger.errors import DataError
from tagger.sentence import Prediction, Sentence

_CONFIDENCE_DIGITS = 4


def read_jsonl(
    source: Source,
    *,
    tokens: str = "tokens",
    tags: str | None = "tags",
    scheme: str = "plain",
    unknown: str | None = None,
    known_only: bool = False,
) -> Iterator[Sentence]:
    """Reads sentences from JSON Lines, one at a time.

    Blank lines are skipped. An empty list of tokens is an empty sentence, which is kept: answers stay aligned with
    the lines they answer.

    Args:
        source: a file (plain or gzip), or an open binary stream, whose errors say `<stdin>:LINE`.
        tokens: key of the list of tokens.
        tags: key of the list of tags, one per token; None: no tags are read.
        scheme: how tags spell spans; every tag must be one of the scheme's.
        unknown: the tag that stands where nobody knows the tag; None: every tag is known.
        known_only: whether an unknown tag is an error.

    Yields:
        Sentences whose source is their `path:line`.

    Raises:
        MissingInputError: there is no such file.
        DataError: a line that does not fit, with its `path:line`.
    """
    name = source_name(source)
    checker = TagChecker(scheme=scheme, unknown=unknown, known_only=known_only)
    with closing(read_lines(source)) as lines:
        for number, line in lines:
            if not line.strip(BLANKS):
                continue
            where = f"{name}:{number}"
            row = parse_row(line, where)
            # Text decoded from UTF-8 has no surrogates; only an escape brings one in.
            may_hold_surrogates = "\\u" in line
            words = string_list(row, tokens, where, may_hold_surrogates=may_hold_surrogates)
            check_length(len(words), name, line=number)
            if tags is None:
                yield Sentence(tokens=words, source=where)
                continue
            found = string_list(row, tags, where, may_hold_surrogates=may_hold_surrogates)
            if len(found) != len(words):
                raise DataError(f"{where}: {len(words)} {tokens} but {len(found)} {tags}")
            for tag in found:
                checker.check(tag, where)
            yield Sentence(tokens=words, tags=found, source=where)


def format_jsonl(prediction: Prediction) -> str:
    """Writes a prediction as one line of JSON; `read_jsonl` reads its tokens and tags back.

    Args:
        prediction: one prediction.

    Returns:
        One line with the keys `tokens`, `tags`, `confidence` (4 decimals), `spans` (half-open, in tokens) and, where
        the prediction has them, `offsets` (half-open, in characters).

    Raises:
        DataError: a token holds half a surrogate pair, which UTF-8 cannot spell.
        ValueError: a confidence is not finite.
    """
    row: dict[str, Any] = {
        "tokens": prediction.tokens,
        "tags": prediction.tags,
        "confidence": [round(value, _CONFIDENCE_DIGITS) for value in prediction.confidence],
        "spans": [
            {
                "start": span.start,
                "end": span.end,
                "label": span.label,
                "confidence": None if span.confidence is None else round(span.confidence, _CONFIDENCE_DIGITS),
            }
            for span in prediction.spans
        ],
    }
    if prediction.offsets is not None:
        row["offsets"] = prediction.offsets
    for position, token in enumerate(prediction.tokens):
        if problem := surrogate(token):
            raise DataError(f"token {position + 1} ({token!r}) {problem}")
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def parse_row(line: str, where: str) -> dict[str, Any]:
    """The object of a line; DataError if there is none."""
    try:
        row = parse_json(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:
        raise DataError(f"{where}: not usable JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object, found {_json_type(row)}")
    return row


def string_list(row: dict[str, Any], key: str, where: str, *, may_hold_surrogates: bool) -> tuple[str, ...]:
    """The strings under a key of a row; DataError if they are none."""
    if key not in row:
        raise DataError(f"{where}: no key {key!r}; the keys are {list_names(map(repr, row))}")
    values = row[key]
    if not isinstance(values, list):
        raise DataError(f"{where}: {key}: expected a list of strings, found {_json_type(values)}")
    for position, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise DataError(f"{where}: {key}: expected strings, found {_json_type(value)} at position {position}")
        if not value:
            raise DataError(f"{where}: {key}: empty string at position {position}")
        if may_hold_surrogates and surrogate(value):
            raise DataError(f"{where}: {key}: half a surrogate pair at position {position} ({quote(value)})")
    return tuple(values)


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number"}
    return names[type(value)]

"""Strict JSON: what Python's own reader takes, unless it loses something in silence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.data.strict_json import parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class TestParseJson:
    @given(values)
    def test_what_was_written_is_read(self, value: Any) -> None:
        assert parse_json(json.dumps(value)) == value

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"a": 1, "a": 1}', "the key 'a' occurs twice"),
            ('[{"x": {"b": 1, "c": 2, "b": 3}}]', "the key 'b' occurs twice"),
            ("[NaN]", "NaN is not a JSON number"),
            ('{"a": -Infinity}', "-Infinity is not a JSON number"),
            ("[" * 200_000, "nested too deeply"),
            ('{"a":' * 200_000, "nested too deeply"),
        ],
    )
    def test_what_json_loads_would_let_pass(self, text: str, message: str) -> None:
        with pytest.raises(ValueError) as caught:
            parse_json(text)
        assert str(caught.value) == message

    def test_what_is_no_json_is_located(self) -> None:
        with pytest.raises(json.JSONDecodeError, match="line 2 column 4"):
            parse_json('{"a":\n 1 x}')

    def test_a_number_of_too_many_digits(self) -> None:
        with pytest.raises(ValueError, match="digits"):
            parse_json("1" * 5000)

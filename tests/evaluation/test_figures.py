"""Figures: where they stand and how they are written."""

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.figures import Node, format_figure, get_pairs, get_place, get_value, show_text

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def walk(node: Node) -> list[Node]:
    value = get_value(node)
    below = [part for part in node for part in walk(part)] if isinstance(value, list | dict) else []
    return [node, *below]


@given(documents)
def test_a_place_leads_back_to_its_value(document: object) -> None:
    for node in walk(Node(document)):
        found = document
        for part in get_place(node).split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]  # type: ignore[index]
        assert found == get_value(node)


def test_a_node_reads_like_the_document() -> None:
    node = Node(json.loads('{"a": {"b": [1, null, {"items": 2}]}, "empty": {}}'))
    assert get_value(node["a"]["b"][2]["items"]) == 2
    assert [get_value(each) for each in node["a"]["b"]][:2] == [1, None]
    assert [(key, get_place(each)) for key, each in get_pairs(node)] == [("a", "/a"), ("empty", "/empty")]
    assert not node["empty"]
    assert not node["a"]["b"][1]
    assert len(node["a"]["b"]) == 3
    assert "b" in node["a"]
    for wrong in ("c", 0):
        with pytest.raises(KeyError):
            node["a"][wrong]


@pytest.mark.parametrize(
    ("value", "notation", "expected"),
    [
        (None, "percent", "-"),
        (0.93765, "percent", "93.77"),
        (0.1, "points", "+10.00"),
        (-0.1, "points", "-10.00"),
        (-0.00001, "points", "0.00"),
        (12345, "count", "12,345"),
        ([1, 2], "length", "2"),
        (9876, "basis", "0.99"),
        (0.00005, "p", "< 0.0001"),
        (0.0001, "p", "0.0001"),
        (1234.5678, "seconds", "1,234.57"),
        ("ab" * 32, "hash", "abababababab…"),
        (True, "fact", "yes"),
        (0.5, "fact", "0.5"),
        (1234567.25, "fact", "1,234,567.2"),
        ("a\u202eb", "fact", "a\\u202eb"),
    ],
)
def test_notations(value: object, notation: str, expected: str) -> None:
    assert format_figure(value, notation) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zürich 東京", "Zürich 東京"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("\u200e\u200b\ufeff", "\\u200e\\u200b\\ufeff"),
        ("a\tb\x00\x1b[31m", "a\\tb\\x00\\x1b[31m"),
        ("👩\u200d🔬", "👩\u200d🔬"),  # one picture, made of two
        ("\udce9", "\\udce9"),
        ("a\u00a0b", "a\\xa0b"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, expected: str) -> None:
    assert show_text(text) == expected

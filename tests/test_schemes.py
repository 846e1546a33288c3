"""Tag schemes: round trips, legality against enumeration, conlleval's reading, conversions, errors."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.schemes import (
    PLAIN,
    SCHEMES,
    convert_tags,
    get_scheme,
    illegal_transitions,
    is_legal,
    is_plain,
    join_tag,
    spans_to_tags,
    split_tag,
    strict_spans,
    tags_of_types,
    tags_to_spans,
)
from tagger.sentence import Span
from tests.oracles import all_span_sets, conlleval_counts
from tests.strategies import SPAN_SCHEMES, span_lists, tag_sequences

TYPES = ("X", "Y")


def keys(spans: list[Span]) -> list[tuple[int, int, str]]:
    return [span.key for span in spans]


def spell(spans: list[tuple[int, int, str]], length: int, scheme: str) -> list[str]:
    return spans_to_tags([Span(start=start, end=end, label=label) for start, end, label in spans], length, scheme)


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IO", "I-X I-X O I-X I-X I-X O I-Y I-X"),
        ("IOB1", "I-X I-X O I-X B-X I-X O I-Y I-X"),
        ("BIO", "B-X I-X O B-X B-X I-X O B-Y B-X"),
        ("IOB2", "B-X I-X O B-X B-X I-X O B-Y B-X"),
        ("BIOES", "B-X E-X O S-X B-X E-X O S-Y S-X"),
        ("IOBES", "B-X E-X O S-X B-X E-X O S-Y S-X"),
        ("BILOU", "B-X L-X O U-X B-X L-X O U-Y U-X"),
    ],
)
def test_each_scheme_spells_the_same_spans_in_its_own_way(scheme: str, tags: str) -> None:
    spans = [(0, 2, "X"), (3, 4, "X"), (4, 6, "X"), (7, 8, "Y"), (8, 9, "X")]
    assert spell(spans, 9, scheme) == tags.split()


def test_inner_tokens_of_a_long_span() -> None:
    assert spell([(0, 4, "X")], 4, "BIOES") == ["B-X", "I-X", "I-X", "E-X"]
    assert spell([(0, 4, "X")], 4, "IOB1") == ["I-X"] * 4


@pytest.mark.parametrize("scheme", [name for name in SPAN_SCHEMES if name != "IO"])
@given(drawn=span_lists())
def test_spans_survive_a_round_trip(scheme: str, drawn: tuple[list[Span], int]) -> None:
    spans, length = drawn
    tags = spans_to_tags(reversed(spans), length, scheme)
    assert len(tags) == length
    assert tags_to_spans(tags, scheme) == spans
    assert strict_spans(tags, scheme) == spans
    assert illegal_transitions(tags, scheme) == []


@given(drawn=span_lists(touching=False))
def test_spans_survive_a_round_trip_in_io_unless_one_type_touches(drawn: tuple[list[Span], int]) -> None:
    spans, length = drawn
    assert tags_to_spans(spans_to_tags(spans, length, "IO"), "IO") == spans


def test_io_joins_touching_spans_of_one_type() -> None:
    assert keys(tags_to_spans(spell([(0, 1, "X"), (1, 3, "X")], 3, "IO"), "IO")) == [(0, 3, "X")]


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
def test_a_sequence_is_legal_exactly_if_some_spans_are_spelled_so(scheme: str) -> None:
    tags = tags_of_types(TYPES, scheme)
    for length in range(5):
        spelled = {tuple(spell(spans, length, scheme)) for spans in all_span_sets(length, TYPES)}
        legal = {each for each in product(tags, repeat=length) if not illegal_transitions(each, scheme)}
        assert legal == spelled


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
def test_strict_spans_are_all_spans_of_legal_sequences_and_those_alone(scheme: str) -> None:
    for tags in product(tags_of_types(TYPES, scheme), repeat=3):
        legal = not illegal_transitions(tags, scheme)
        assert legal == (spell(keys(strict_spans(tags, scheme)), 3, scheme) == list(tags))


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@given(data=st.data())
def test_every_token_but_o_is_in_one_span_and_conlleval_counts_as_many(scheme: str, data: st.DataObject) -> None:
    tags = data.draw(tag_sequences(scheme))
    spans = tags_to_spans(tags, scheme)
    covered = [position for span in spans for position in range(span.start, span.end)]
    assert covered == [position for position, tag in enumerate(tags) if tag != "O"]
    counted = conlleval_counts([tags], [tags])
    assert {label: sum(span.label == label for span in spans) for label in counted} == {
        label: gold for label, (_, _, gold) in counted.items()
    }
    assert set(keys(strict_spans(tags, scheme))) <= set(keys(spans))


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("BIO", "I-X I-X O I-Y", [(0, 2, "X"), (3, 4, "Y")]),
        ("BIO", "B-X I-Y I-Y B-Y", [(0, 1, "X"), (1, 3, "Y"), (3, 4, "Y")]),
        ("BIOES", "B-X I-X O E-X I-X S-X", [(0, 2, "X"), (3, 4, "X"), (4, 5, "X"), (5, 6, "X")]),
        ("BIOES", "B-X S-X E-X", [(0, 1, "X"), (1, 2, "X"), (2, 3, "X")]),
        ("BILOU", "L-X L-X U-X I-X L-X", [(0, 1, "X"), (1, 2, "X"), (2, 3, "X"), (3, 5, "X")]),
        ("IOB1", "B-X I-X I-Y B-Y", [(0, 2, "X"), (2, 3, "Y"), (3, 4, "Y")]),
        ("BIO", "B I O I-a-b B-a-b", [(0, 2, ""), (3, 4, "a-b"), (4, 5, "a-b")]),
    ],
)
def test_illegal_sequences_are_read_by_conllevals_rule(
    scheme: str, tags: str, expected: list[tuple[int, int, str]]
) -> None:
    assert keys(tags_to_spans(tags.split(), scheme)) == expected


def test_strict_spans_leave_out_what_is_not_spelled_right() -> None:
    assert keys(strict_spans(["I-X", "I-X", "O", "B-X", "I-Y"], "BIO")) == [(3, 4, "X")]
    assert keys(strict_spans(["B-X", "I-X", "O", "S-X", "E-X"], "BIOES")) == [(3, 4, "X")]
    assert keys(strict_spans(["B-X", "I-X", "O", "I-X", "B-X"], "IOB1")) == [(3, 4, "X"), (4, 5, "X")]


@pytest.mark.parametrize("source", SPAN_SCHEMES)
@pytest.mark.parametrize("target", [name for name in SPAN_SCHEMES if name != "IO"])
@given(data=st.data())
def test_conversion_keeps_the_spans_and_makes_them_legal(source: str, target: str, data: st.DataObject) -> None:
    tags = data.draw(tag_sequences(source) | tag_sequences(source, legal=True))
    converted = convert_tags(tags, source, target)
    assert tags_to_spans(converted, target) == tags_to_spans(tags, source)
    assert illegal_transitions(converted, target) == []


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@given(data=st.data())
def test_conversion_of_legal_tags_to_their_own_scheme_changes_nothing(scheme: str, data: st.DataObject) -> None:
    tags = data.draw(tag_sequences(scheme, legal=True))
    assert convert_tags(tags, scheme, scheme) == tags


def test_conversion_of_plain_tags() -> None:
    assert convert_tags(["NOUN", "B-x"], PLAIN, PLAIN) == ["NOUN", "B-x"]
    with pytest.raises(ValueError, match="no span scheme 'plain'"):
        convert_tags(["NOUN"], PLAIN, "BIO")
    with pytest.raises(ValueError, match="no span scheme 'plain'"):
        convert_tags(["B-X"], "BIO", PLAIN)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("O", ("O", "")), ("B-PER", ("B", "PER")), ("I-a-b", ("I", "a-b")), ("B", ("B", "")), ("B--x", ("B", "-x"))],
)
def test_split_at_the_first_hyphen_and_join_again(tag: str, expected: tuple[str, str]) -> None:
    assert split_tag(tag, "BIO") == expected
    assert join_tag(*expected) == tag


@pytest.mark.parametrize("tag", ["E-X", "b-X", "B-", "-X", "", "NOUN", "O-X", "BI-X", "B_X", " B-X", "^-X", "$"])
def test_split_refuses_what_is_no_tag_of_the_scheme(tag: str) -> None:
    with pytest.raises(ValueError, match=r"is no tag of scheme BIO \(expected O, B-TYPE, I-TYPE\)"):
        split_tag(tag, "IOB2")


def test_unknown_schemes_are_refused_by_name() -> None:
    for call in (get_scheme, lambda name: split_tag("O", name), lambda name: spans_to_tags([], 1, name)):
        with pytest.raises(ValueError, match="no span scheme 'BOI': one of IO, IOB1, BIO, BIOES, BILOU"):
            call("BOI")
    with pytest.raises(ValueError, match="no span scheme"):
        tags_to_spans([], "BOI")


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 2, "X"), (1, 3, "Y")], "overlaps"),
        ([(1, 1, "X")], "does not fit"),
        ([(-1, 1, "X")], "does not fit"),
        ([(2, 4, "X")], "does not fit"),
    ],
)
def test_spans_that_cannot_be_spelled_are_refused(spans: list[tuple[int, int, str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spell(spans, 3, "BIO")


def test_positions_of_illegal_transitions_include_both_ends() -> None:
    assert illegal_transitions(["I-X", "O", "B-X", "I-Y"], "BIO") == [0, 3]
    assert illegal_transitions(["B-X", "O", "S-X", "B-X"], "BIOES") == [1, 4]
    assert illegal_transitions([], "BIOES") == []
    assert illegal_transitions(["NOUN", "VERB"], PLAIN) == []


def test_is_legal_at_the_ends_and_on_plain_tags() -> None:
    assert is_legal(None, "B-X", "BIO")
    assert not is_legal(None, "I-X", "BIO")
    assert not is_legal("B-X", None, "BIOES")
    assert is_legal("E-X", None, "BIOES")
    assert is_legal("VERB", None, PLAIN)


def test_names_of_schemes() -> None:
    assert get_scheme("IOBES") is SCHEMES["BIOES"]
    assert is_plain(PLAIN)
    assert not is_plain("BIO")
    assert tags_of_types(["X", "a-b"], "BIOES") == [
        "O", "B-X", "I-X", "E-X", "S-X", "B-a-b", "I-a-b", "E-a-b", "S-a-b",
    ]  # fmt: skip

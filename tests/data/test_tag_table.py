"""What network tags mean to their scheme, against brute force from `tagger.schemes`, for every pair of schemes."""

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from tagger.data.batches import Flags
from tagger.data.tag_table import NO_LABEL, TagSpelling, TagTable
from tagger.schemes import (
    PLAIN,
    SCHEMES,
    convert_tags,
    is_legal,
    spans_to_tags,
    split_tag,
    tags_of_types,
    tags_to_spans,
)
from tagger.sentence import Span
from tests.oracles import all_span_sets
from tests.strategies import span_lists

PAIRS = list(product(SCHEMES, SCHEMES))
# types that hold hyphens, look like prefixes or tags, or differ from one another in a hyphen alone
TYPE_SETS = [("X", "Y"), ("event-film", "event_film"), ("B", "I-x"), ("a-", "-a"), ("O", "_")]
UNKNOWN = "?"
for_each_pair = pytest.mark.parametrize(("encoding", "scheme"), PAIRS)


def table_of(tags: list[str], encoding: str, scheme: str) -> TagTable:
    table = TagTable.build(tags, encoding=encoding, scheme=scheme)
    assert table is not None
    return table


@for_each_pair
@pytest.mark.parametrize("types", TYPE_SETS)
class TestTagTable:
    def test_says_what_is_legal(self, encoding: str, scheme: str, types: tuple[str, ...]) -> None:
        tags = tags_of_types(types, encoding)
        table = table_of(tags, encoding, scheme)
        assert table.start.tolist() == [is_legal(None, tag, encoding) for tag in tags]
        assert table.end.tolist() == [is_legal(tag, None, encoding) for tag in tags]
        assert table.transitions.tolist() == [[is_legal(one, other, encoding) for other in tags] for one in tags]
        flags = (table.start, table.transitions, table.end, table.opens)
        assert {flag.dtype for flag in flags} == {torch.bool}

    def test_numbers_the_labels(self, encoding: str, scheme: str, types: tuple[str, ...]) -> None:
        tags = tags_of_types(types, encoding)
        table = table_of(tags, encoding, scheme)
        assert table.label_names == types
        names = [None if number == NO_LABEL else types[number] for number in table.labels.tolist()]
        assert names == [None if tag == "O" else split_tag(tag, encoding)[1] for tag in tags]

    def test_reads_the_spans_that_the_answer_spells(self, encoding: str, scheme: str, types: tuple[str, ...]) -> None:
        """Of any three tags, legal or not: a span for each tag that opens one, until the next that does, or O."""
        tags = tags_of_types(types, encoding)
        table = table_of(tags, encoding, scheme)
        labels, opens, outside = table.labels.tolist(), table.opens.tolist(), tags.index("O")
        for path in product(range(len(tags)), repeat=3):
            found = []
            for position, (before, here) in enumerate(pairwise([outside, *path])):
                if opens[before][here]:
                    found.append((position, position + 1, types[labels[here]]))
                elif labels[here] != NO_LABEL:
                    start, _, label = found.pop()
                    assert label == types[labels[here]]
                    found.append((start, position + 1, label))
            answer = convert_tags([tags[tag] for tag in path], encoding, scheme)
            assert found == [span.key for span in tags_to_spans(answer, scheme)]


@pytest.mark.parametrize("encoding", ["BIOES", "BIO"])
def test_a_table_follows_the_order_of_the_tags(encoding: str) -> None:
    tags = tags_of_types(("X", "Y"), encoding)[::-1]
    table = table_of(tags, encoding, "BIO")
    assert table.label_names == ("Y", "X")
    assert table.labels.tolist()[-1] == NO_LABEL
    assert table.transitions.tolist() == [[is_legal(one, other, encoding) for other in tags] for one in tags]


def test_plain_tags_have_no_table() -> None:
    assert TagTable.build(["NOUN", "VERB", "O"], encoding="BIOES", scheme=PLAIN) is None


def test_tags_that_are_none_of_the_encodings_are_refused() -> None:
    with pytest.raises(ValueError, match="'E-X' is no tag of scheme BIO"):
        TagTable.build(["O", "B-X", "E-X"], encoding="BIO", scheme="BIO")


@cache
def sentences(encoding: str, scheme: str, length: int, types: tuple[str, ...]) -> list[tuple[list[str], list[str]]]:
    """Every legal sentence of network tags, beside the data tags it stands for."""
    spelled = dict.fromkeys(
        tuple(spans_to_tags([Span(start=start, end=end, label=label) for start, end, label in spans], length, encoding))
        for spans in all_span_sets(length, types)
    )
    return [(list(tags), convert_tags(tags, encoding, scheme)) for tags in spelled]


@for_each_pair
class TestTagSpelling:
    @pytest.mark.parametrize("types", TYPE_SETS)
    def test_knows_what_each_tag_can_stand_for(self, encoding: str, scheme: str, types: tuple[str, ...]) -> None:
        tags = tags_of_types(types, encoding)
        spelling = TagSpelling(tags, encoding=encoding, scheme=scheme)
        expected: dict[str, set[str]] = {tag: set() for tag in tags}
        for length in range(1, 6):
            for network, data in sentences(encoding, scheme, length, types):
                for one, other in zip(network, data, strict=True):
                    expected[one].add(other)
        assert dict(zip(tags, spelling.data_tags, strict=True)) == expected
        assert spelling.is_one_to_one == all(len(known) == 1 for known in expected.values())

    def test_allows_what_can_stand_for_one_of_several(self, encoding: str, scheme: str) -> None:
        tags = tags_of_types(("a-b", "Y"), encoding)
        spelling = TagSpelling(tags, encoding=encoding, scheme=scheme)
        wanted = {"O", *spelling.data_tags[tags.index("I-a-b")]}
        flags = spelling.allowed(wanted)
        assert flags == [bool(known & wanted) for known in spelling.data_tags]
        assert any(flags)
        assert not any(flag for tag, flag in zip(tags, flags, strict=True) if tag.endswith("-Y"))
        with pytest.raises(ValueError, match="the model has no tag 'I-b'"):
            spelling.allowed(["O", "I-b"])

    @given(drawn=span_lists(max_length=7))
    @settings(deadline=None, max_examples=40)
    def test_known_gold_is_respelled(self, encoding: str, scheme: str, drawn: tuple[list[Span], int]) -> None:
        spans, length = drawn
        tags = tags_of_types(dict.fromkeys([*(span.label for span in spans), "other"]), encoding)
        data = spans_to_tags(spans, length, scheme)
        rows = TagSpelling(tags, encoding=encoding, scheme=scheme).of_sentence(data, unknown=UNKNOWN)
        respelled = convert_tags(data, scheme, encoding)
        assert rows == [[tag == wanted for tag in tags] for wanted in respelled]

    @pytest.mark.parametrize(
        ("length", "types"), [(1, ("X", "Y-z")), (2, ("X", "Y-z")), (3, ("X", "Y-z")), (5, ("X",))]
    )
    def test_partly_known_gold_leaves_the_tags_of_all_that_agrees_with_it_and_no_others(
        self, encoding: str, scheme: str, length: int, types: tuple[str, ...]
    ) -> None:
        tags = tags_of_types(types, encoding)
        spelling = TagSpelling(tags, encoding=encoding, scheme=scheme)
        ids = {tag: number for number, tag in enumerate(tags)}
        agreeing: dict[tuple[str, ...], Flags] = {}
        for network, data in sentences(encoding, scheme, length, types):
            for hidden in product((False, True), repeat=length):
                if any(hidden):
                    gold = tuple(UNKNOWN if hide else tag for hide, tag in zip(hidden, data, strict=True))
                    flags = agreeing.setdefault(gold, np.zeros((length, len(tags)), dtype=bool))
                    flags[range(length), [ids[tag] for tag in network]] = True
        assert len(agreeing) >= length
        for gold, flags in agreeing.items():
            assert spelling.of_sentence(gold, unknown=UNKNOWN) == flags.tolist(), gold


def test_gold_that_is_illegal_in_itself_is_left_as_it_is() -> None:
    tags = tags_of_types(("X",), "BIOES")
    spelling = TagSpelling(tags, encoding="BIOES", scheme="BIO")
    rows = spelling.of_sentence(["O", "I-X", UNKNOWN], unknown=UNKNOWN)
    assert [[tag for tag, keep in zip(tags, row, strict=True) if keep] for row in rows] == [["O"], ["I-X", "E-X"], tags]


def test_known_gold_that_is_illegal_is_read_as_everywhere_else() -> None:
    tags = tags_of_types(("X",), "BIOES")
    rows = TagSpelling(tags, encoding="BIOES", scheme="BIO").of_sentence(["O", "I-X"], unknown=UNKNOWN)
    assert [tags[row.index(True)] for row in rows] == ["O", "S-X"]
    assert sum(map(sum, rows)) == 2


class TestPlainTags:
    tags = ("NOUN", "VERB", "O", "B-x")
    spelling = TagSpelling(tags, encoding=PLAIN, scheme=PLAIN)

    def test_stand_for_themselves(self) -> None:
        assert self.spelling.data_tags == [{tag} for tag in self.tags]
        assert self.spelling.is_one_to_one
        assert self.spelling.allowed(["O", "VERB"]) == [False, True, True, False]

    def test_are_known_or_not(self) -> None:
        rows = self.spelling.of_sentence(["B-x", UNKNOWN, "NOUN"], unknown=UNKNOWN)
        assert rows == [[False, False, False, True], [True] * 4, [True, False, False, False]]

    def test_that_are_none_are_refused(self) -> None:
        with pytest.raises(ValueError, match="the model has no tag 'ADJ'"):
            self.spelling.of_sentence(["NOUN", "ADJ", UNKNOWN], unknown=UNKNOWN)


@pytest.mark.parametrize("scheme", [PLAIN, "BIO"])
def test_no_tokens_have_no_rows(scheme: str) -> None:
    assert TagSpelling(["O"], encoding=scheme, scheme=scheme).of_sentence([], unknown=UNKNOWN) == []


def test_a_tag_that_the_network_has_in_no_form_is_refused_where_all_is_known_too() -> None:
    spelling = TagSpelling(tags_of_types(("X",), "BIOES"), encoding="BIOES", scheme="BIO")
    for gold in (["B-Y"], ["B-Y", UNKNOWN]):
        with pytest.raises(ValueError, match="the model has no tag 'B-Y'"):
            spelling.of_sentence(gold, unknown=UNKNOWN)


def test_iob1_is_told_apart_by_what_comes_before() -> None:
    """I-X I-X is one span whatever comes after it: never two spans of one token each."""
    tags = tags_of_types(("X",), "BIOES")
    spelling = TagSpelling(tags, encoding="BIOES", scheme="IOB1")
    rows = spelling.of_sentence(["O", "I-X", "I-X", UNKNOWN], unknown=UNKNOWN)
    kept = [[tag for tag, keep in zip(tags, row, strict=True) if keep] for row in rows]
    assert kept == [["O"], ["B-X"], ["I-X", "E-X"], ["O", "E-X", "S-X"]]

"""Which scheme tags follow: counted against the schemes' own tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.data.scheme_evidence import CANDIDATES, SchemeEvidence
from tagger.schemes import convert_tags, illegal_transitions, split_tag
from tests.strategies import SPAN_SCHEMES, tag_sequences

BIO = [["B-X", "I-X", "O", "B-X"], ["B-Y", "B-Y", "I-Y"], ["O", "B-X", "I-X", "I-X", "B-X"]]


def evidence(sentences: list[list[str]], unknown: str | None = None) -> SchemeEvidence:
    counted = SchemeEvidence(unknown=unknown)
    for number, tags in enumerate(sentences):
        counted.add(tags, str(number))
    return counted


def allows(tags: list[str], scheme: str) -> bool:
    try:
        return not illegal_transitions(tags, scheme)
    except ValueError:
        return False


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES", "BILOU", "IO"])
def test_guesses_each_scheme(scheme: str) -> None:
    assert evidence([convert_tags(tags, "BIO", scheme) for tags in BIO]).guess() == scheme


@pytest.mark.parametrize("tags", [["NOUN", "VERB"], ["O", "O"], [], ["O", "B-X", "NOUN", "DET", "ADJ"]])
def test_other_tags_are_plain(tags: list[str]) -> None:
    assert evidence([tags]).guess() == "plain"


def test_a_slip_does_not_decide() -> None:
    assert evidence([*BIO * 5, ["E-X"], ["I-X"]]).guess() == "BIO"


@given(st.data(), st.sampled_from(SPAN_SCHEMES))
def test_counts_are_those_of_the_tables(data: st.DataObject, scheme: str) -> None:
    sentences = data.draw(st.lists(tag_sequences(scheme), max_size=4))
    counted = evidence(sentences)
    with_spans = [tags for tags in sentences if set(tags) - {"O"}]
    assert counted.total == len(with_spans)
    for name in CANDIDATES:
        assert counted.allowed(name) == sum(allows(tags, name) for tags in with_spans)
        for other in CANDIDATES:
            expected = [tags for tags in with_spans if allows(tags, name) and not allows(tags, other)]
            assert counted.allowed(name, not_by=other) == len(expected)
            if expected:
                assert sentences[int(counted.example(name, not_by=other))] == expected[0]
    for tags in sentences:
        assert counted.illegal(tags, scheme) == illegal_transitions(tags, scheme)
        assert counted.is_legal(tags, scheme) == allows(tags, scheme)


def test_unknown_tags_may_stand_anywhere() -> None:
    counted = evidence([["_", "I-X", "O"], ["O", "I-X", "_"]], unknown="_")
    assert counted.is_legal(["_", "I-X"], "BIO")
    assert counted.illegal(["O", "I-X", "_"], "BIO") == [1]
    assert counted.allowed("BIO") == 1


def test_tags_of_another_scheme_are_no_transitions() -> None:
    counted = evidence([["S-X", "I-Y", "O"]])
    assert counted.illegal(["S-X", "I-Y", "O", "I-Y"], "BIO") == [3]
    assert not counted.is_legal(["S-X"], "BIO")
    with pytest.raises(ValueError):
        split_tag("S-X", "BIO")

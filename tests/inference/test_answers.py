"""The Speller: the network's tags as the data spell them, and the other way round; join: sentences of one text."""

from collections.abc import Collection, Sequence

import numpy as np
import pytest

from tagger.inference.answers import EMPTY, Speller, join
from tagger.schemes import tags_of_types
from tagger.sentence import Prediction, Span

TAGS = tags_of_types(("X", "Y"), "BIOES")  # O, then B I E S of X, then of Y
SCHEMES = ["IO", "IOB1", "BIO", "IOB2", "BIOES", "IOBES", "BILOU"]


def speller(scheme: str, encoding: str = "BIOES") -> Speller:
    if scheme == "plain":
        return Speller(("N", "V"), encoding="plain", scheme="plain")
    return Speller(tags_of_types(("X", "Y"), encoding), encoding=encoding, scheme=scheme)


def ids(tags: str) -> list[int]:
    return [TAGS.index(tag) for tag in tags.split()]


def names_of(flags: np.ndarray) -> list[set[str]]:
    return [{tag for tag, flag in zip(TAGS, row, strict=True) if flag} for row in flags]


class TestRespell:
    @pytest.mark.parametrize(
        ("scheme", "expected"),
        [
            ("BIOES", "B-X I-X E-X S-X O S-Y"),
            ("BILOU", "B-X I-X L-X U-X O U-Y"),
            ("BIO", "B-X I-X I-X B-X O B-Y"),
            ("IOB1", "I-X I-X I-X B-X O I-Y"),
            ("IO", "I-X I-X I-X I-X O I-Y"),
        ],
    )
    def test_spans_are_kept(self, scheme: str, expected: str) -> None:
        assert speller(scheme).respell(ids("B-X I-X E-X S-X O S-Y")) == expected.split()

    def test_illegal_sequences_are_spelled_legally(self) -> None:
        assert speller("BIO").respell(ids("O I-X E-Y I-Y")) == ["O", "B-X", "B-Y", "B-Y"]

    def test_what_is_fixed_stays_where_it_is_illegal(self) -> None:
        known = speller("BIO").flags(("a",) * 4, [["O"], None, ["I-Y"], ["I-Y", "B-Y"]])
        assert speller("BIO").respell(ids("O I-X E-Y I-Y"), known) == ["O", "B-X", "I-Y", "B-Y"]

    def test_plain_tags_and_no_tags(self) -> None:
        assert speller("plain").respell([1, 0]) == ["V", "N"]
        assert speller("BIO").respell([]) == []


class TestCountIllegal:
    @pytest.mark.parametrize(
        ("tags", "expected"),
        [
            ("", 0),
            ("B-X E-X S-X O B-Y I-Y E-Y", 0),
            ("O I-X E-Y I-Y", 4),  # O I-X, I-X E-Y, E-Y I-Y, I-Y and the end
            ("E-X", 1),
            ("B-X", 1),
            ("B-X O", 1),
        ],
    )
    def test_is_of_the_networks_own_tags(self, tags: str, expected: int) -> None:
        """However legal the answers are."""
        assert speller("BIO").count_illegal(ids(tags)) == expected

    def test_plain_tags_forbid_nothing(self) -> None:
        assert speller("plain").count_illegal([0, 1, 1]) == 0

    def test_a_text_adds_up_its_sentences(self) -> None:
        one = Prediction(tokens=("a",), tags=("O",), spans=(), confidence=(1.0,), num_illegal=2)
        assert join([one, EMPTY, one], ((0, 1), (2, 3))).num_illegal == 4


class TestAnswers:
    @pytest.mark.parametrize("scheme", SCHEMES)
    @pytest.mark.parametrize("encoding", ["BIOES", "BIO", "IO", "IOB1"])
    def test_are_every_tag_of_the_data(self, scheme: str, encoding: str) -> None:
        found = speller(scheme, encoding)
        assert found.answers == tuple(tags_of_types(("X", "Y"), scheme))
        assert found.labels == {"X": 0, "Y": 1}

    def test_of_plain_tags_are_the_tags(self) -> None:
        assert (speller("plain").answers, speller("plain").labels) == (("N", "V"), {})
        assert speller("plain").stands_for == [[1, 0], [0, 1]]

    def test_each_tag_stands_for_one(self) -> None:
        #                                O  B-X I-X
        assert speller("BIO").stands_for[:5] == [
            [1, 0, 0, 0, 0],  # O
            [0, 1, 0, 0, 0],  # B-X
            [0, 0, 1, 0, 0],  # I-X
            [0, 0, 1, 0, 0],  # E-X
            [0, 1, 0, 0, 0],  # S-X
        ]
        assert [len(row) for row in speller("IO").stands_for] == [3] * 9

    def test_in_iob1_for_itself(self) -> None:
        assert speller("IOB1").stands_for == np.eye(9).tolist()


class TestFlags:
    @pytest.mark.parametrize(
        ("scheme", "tag", "expected"),
        [
            ("BIO", "B-X", {"B-X", "S-X"}),
            ("BIO", "I-X", {"I-X", "E-X"}),
            ("BIO", "O", {"O"}),
            ("IO", "I-Y", {"B-Y", "I-Y", "E-Y", "S-Y"}),
            ("BIOES", "E-X", {"E-X"}),
            ("BILOU", "U-X", {"S-X"}),
        ],
    )
    def test_are_the_tags_that_can_stand_for_it(self, scheme: str, tag: str, expected: set[str]) -> None:
        flags = speller(scheme).flags(("a", "b", "c"), [{tag}, None, [tag, "O"]])
        assert names_of(flags) == [expected, set(TAGS), expected | {"O"}]
        assert flags.dtype == np.bool_

    def test_of_a_free_sentence_and_of_none(self) -> None:
        assert speller("BIO").flags(("a", "b"), None).all()
        assert speller("BIO").flags((), []).shape == speller("BIO").flags((), None).shape == (0, 9)
        assert speller("plain").flags(("a",), [["V"]]).tolist() == [[False, True]]

    @pytest.mark.parametrize(
        ("allowed", "message"),
        [
            ([None], "2 tokens but allowed tags for 1"),
            ([None, ["L-X"]], "the model has no tag 'L-X'"),
            ([None, ()], "token 'b' is left without a tag it may get"),
        ],
    )
    def test_refused(self, allowed: Sequence[Collection[str] | None], message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}$"):
            speller("BIO").flags(("a", "b"), allowed)

    def test_a_string_is_no_collection_of_tags(self) -> None:
        with pytest.raises(TypeError, match="got the string 'O'"):
            speller("BIO").flags(("a",), ["O"])

    @pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "IOB1"])
    def test_every_answer_can_be_fixed(self, scheme: str) -> None:
        for tag in speller(scheme).answers:
            assert speller(scheme).flags(("a",), [[tag]]).any()

    def test_iob1_cannot(self) -> None:
        with pytest.raises(ValueError, match="in IOB1 they depend on their neighbours"):
            speller("IOB1").flags(("a",), [["I-X"]])


class TestJoin:
    def test_everything_moves(self) -> None:
        one = Prediction(
            tokens=("a", "b"),
            tags=("O", "B-X"),
            spans=(Span(start=1, end=2, label="X", confidence=0.5),),
            confidence=(0.9, 0.8),
            sentence_starts=(0,),
        )
        offsets = ((0, 1), (2, 3), (4, 5), (6, 7))
        joined = join([one, EMPTY, one], offsets)
        assert (joined.tokens, joined.tags) == (one.tokens * 2, one.tags * 2)
        assert joined.confidence == one.confidence * 2
        assert joined.spans == (*one.spans, Span(start=3, end=4, label="X", confidence=0.5))
        assert (joined.offsets, joined.sentence_starts) == (offsets, (0, 2))

    def test_nothing(self) -> None:
        assert join([EMPTY], ()) == Prediction(tokens=(), tags=(), spans=(), confidence=(), offsets=())

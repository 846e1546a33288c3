"""CoNLL-U: what is read, and what is refused and where."""

import io

import pytest

from tagger.data.conllu import read_conllu
from tagger.errors import DataError
from tagger.sentence import Sentence


def stream(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def row(identifier: int | str, form: str, upos: str = "X", misc: str = "_") -> str:
    return f"{identifier}\t{form}\t_\t{upos}\tXP\t_\t_\t_\t_\t{misc}\n"


class TestReadConllu:
    TEXT = (
        "# text = vámonos al\n"
        + row("1-2", "vámonos", "_")
        + row(1, "vamos", "VERB", "NER=B-X|SpaceAfter=No")
        + row(2, "nos", "PRON")
        + row("2.1", "e", "_")
        + row(3, "10 000", "NUM", "Z=1|NER=O")
        + "\n# c\n"
        + row(1, "#", "SYM")
    )

    def test_words(self) -> None:
        first, second = read_conllu(stream(self.TEXT))
        assert first == Sentence(tokens=("vamos", "nos", "10 000"), tags=("VERB", "PRON", "NUM"), source="<stdin>:3")
        assert second == Sentence(tokens=("#",), tags=("SYM",), source="<stdin>:9")

    def test_other_tags(self) -> None:
        assert [s.tags for s in read_conllu(stream(self.TEXT), tags="XPOS")] == [("XP",) * 3, ("XP",)]
        assert [s.tags for s in read_conllu(stream(self.TEXT), tags=None)] == [None, None]
        assert [s.tags for s in read_conllu(stream(self.TEXT), tags="NER", scheme="BIO")] == [("B-X", "O", "O"), ("O",)]
        with pytest.raises(DataError, match=r":4: no NER=\.\.\. in MISC"):
            list(read_conllu(stream(self.TEXT), tags="NER"))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (row(1, "a") + row(3, "b"), ":2: expected ID 2, .*found '3'"),
            (row(1, "a") + row(1, "b"), ":2: expected ID 2, .*is the empty line"),
            (row("01", "a"), ":1: expected ID 1"),
            (row("x", "a"), ":1: expected ID 1"),
            ("1\ta\tX\n", ":1: expected 10 columns, found 3"),
            (row(1, "a") + "# c\n", ":2: expected 10 columns, found 1 .*comments stand before"),
            (row(1, "a", "_"), r":1: UPOS is not annotated"),
            (row(1, "a", ""), ":1: empty tag"),
            (row(1, " "), ":1: empty token"),
            (row("1-2", "a") + "\n", ":1: a sentence without words"),
            (row("1-2", "a"), ":1: a sentence without words"),
        ],
    )
    def test_bad_lines_are_located(self, text: str, message: str) -> None:
        with pytest.raises(DataError, match=rf"^<stdin>{message}"):
            list(read_conllu(stream(text)))

    @pytest.mark.parametrize("tags", ["UPOS", "XPOS"])
    def test_unspecified_is_unknown_where_it_is_so_declared(self, tags: str) -> None:
        text = row(1, "a", "_").replace("XP", "_") + row(2, "b", "X")
        (sentence,) = read_conllu(stream(text), tags=tags, unknown="_")
        assert sentence.tags == ("_", "X" if tags == "UPOS" else "XP")
        with pytest.raises(DataError, match=rf"^<stdin>:1: {tags} is not annotated"):
            list(read_conllu(stream(text), tags=tags, unknown="?"))
        with pytest.raises(DataError, match=r"^<stdin>:1: the tag is unknown"):
            list(read_conllu(stream(text), tags=tags, unknown="_", known_only=True))

    @pytest.mark.parametrize(("tags", "scheme"), [("NREX", "BIO"), ("ner", "IO"), ("SpaceAfte", "BIOES")])
    def test_a_key_that_no_word_has(self, tags: str, scheme: str) -> None:
        """All O would be the answer, and nobody would notice."""
        message = rf"^<stdin>: no word has {tags}=\.\.\. in MISC \(column 10\); the keys are NER, SpaceAfter, Z$"
        with pytest.raises(DataError, match=message):
            list(read_conllu(stream(self.TEXT), tags=tags, scheme=scheme))
        with pytest.raises(DataError, match=r"no word has NER=\.\.\. in MISC \(column 10\); the keys are none$"):
            list(read_conllu(stream(row(1, "a", misc="NER") + row("1.1", "e", misc="NER=O")), tags="NER", scheme="BIO"))

    @pytest.mark.parametrize("misc", ["NER=O", "NER=_"])
    def test_a_key_that_one_word_has(self, misc: str) -> None:
        text = row(1, "a") + "\n" + row(1, "b", misc=misc) + row(2, "c")
        tags = [s.tags for s in read_conllu(stream(text), tags="NER", scheme="BIO", unknown="_")]
        assert tags == [("O",), (misc[4:], "O")]

    def test_without_words_no_key_is_missed(self) -> None:
        assert list(read_conllu(stream("# c\n"), tags="NER", scheme="BIO")) == []

    def test_unknown_in_misc(self) -> None:
        text = row(1, "a", misc="NER=_") + row(2, "b")
        assert [s.tags for s in read_conllu(stream(text), tags="NER", scheme="BIO", unknown="_")] == [("_", "O")]

    def test_tags_must_be_of_the_scheme(self) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:1: 'NOUN' is no tag of scheme BIO"):
            list(read_conllu(stream(row(1, "a", "NOUN")), scheme="BIO"))

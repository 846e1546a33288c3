"""Sentences written and read back: the identity for every format and every scheme, and refusal of what would change."""

import io
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.data.columns import read_conll
from tagger.data.conllu import read_conllu
from tagger.data.rows import read_jsonl
from tagger.data.writers import write_conll, write_conllu, write_jsonl
from tagger.errors import ConfigError, DataError
from tagger.sentence import Sentence
from tests.strategies import SPAN_SCHEMES, tag_sequences

# Blanks of every kind within, zero width, what only looks like a line end, a comment, a document start, a byte-order
# mark: all that a token of a file can be.
_ODD = "\u200b", "\u00a0", "a\u2028b", "a\u0085b", "# a", "a b", " a", "_", "-DOCSTART-x", "é\u0301", "\x1c\x0b"
texts = st.sampled_from(_ODD) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r\t"))
cells = texts.filter(lambda cell: bool(cell.strip(" \t")) and not f"{cell} ".startswith(("-DOCSTART- ", "\ufeff")))
plain_tags = cells.filter(lambda tag: "|" not in tag and tag != "_")
strings = st.text(min_size=1)  # hypothesis leaves surrogates out


@st.composite
def tagged(
    draw: st.DrawFn, scheme: str, *, tokens: st.SearchStrategy[str] = cells, tags: st.SearchStrategy[str] = plain_tags
) -> list[Sentence]:
    """Sentences with tokens and tags, no empty one."""
    sentences = []
    for _ in range(draw(st.integers(1, 3))):
        if scheme == "plain":
            found = draw(st.lists(tags, min_size=1, max_size=4))
        else:
            found = draw(tag_sequences(scheme, max_length=4)) or ["O"]
        words = draw(st.lists(tokens, min_size=len(found), max_size=len(found)))
        sentences.append(Sentence(tokens=tuple(words), tags=tuple(found)))
    return sentences


def stream(texts: Iterable[str]) -> io.BytesIO:
    return io.BytesIO("".join(texts).encode())


def contents(sentences: Iterable[Sentence]) -> list[tuple[tuple[str, ...], tuple[str, ...] | None]]:
    return [(sentence.tokens, sentence.tags) for sentence in sentences]


SCHEMES = ("plain", *SPAN_SCHEMES)
_NO_SPACE = str.maketrans(" ", "~")


@pytest.mark.parametrize("scheme", SCHEMES)
class TestRoundTrip:
    @given(data=st.data())
    def test_columns(self, scheme: str, data: st.DataObject) -> None:
        written = data.draw(tagged(scheme))
        text = list(write_conll(written))
        assert len(text) == len(written)
        assert contents(read_conll(stream(text), scheme=scheme)) == contents(written)
        assert list(write_conll(read_conll(stream(text), scheme=scheme))) == text

    @given(data=st.data())
    def test_columns_between_spaces(self, scheme: str, data: st.DataObject) -> None:
        written = [
            Sentence(
                tokens=tuple(token.translate(_NO_SPACE) for token in sentence.tokens),
                tags=tuple(tag.translate(_NO_SPACE) for tag in sentence.tags or ()),
            )
            for sentence in data.draw(tagged(scheme))
        ]
        text = list(write_conll(written, delimiter="space"))
        assert contents(read_conll(stream(text), scheme=scheme)) == contents(written)

    @given(data=st.data())
    def test_conllu(self, scheme: str, data: st.DataObject) -> None:
        written = data.draw(tagged(scheme, tokens=cells | st.just("\ufeff")))
        for tags in ("UPOS", "XPOS", "NER"):
            text = list(write_conllu(written, tags=tags))
            assert contents(read_conllu(stream(text), tags=tags, scheme=scheme)) == contents(written)
            assert list(write_conllu(read_conllu(stream(text), tags=tags, scheme=scheme), tags=tags)) == text

    @given(data=st.data(), keys=st.lists(strings, min_size=2, max_size=2, unique=True))
    def test_jsonl(self, scheme: str, data: st.DataObject, keys: list[str]) -> None:
        written = data.draw(tagged(scheme, tokens=strings, tags=strings.filter(lambda tag: bool(tag.strip(" \t")))))
        written.append(Sentence(tokens=(), tags=()))
        text = list(write_jsonl(written, tokens=keys[0], tags=keys[1]))
        assert [line.index("\n") for line in text] == [len(line) - 1 for line in text]
        read = read_jsonl(stream(text), tokens=keys[0], tags=keys[1], scheme=scheme)
        assert contents(read) == contents(written)


@given(st.lists(st.lists(cells, min_size=1, max_size=3), min_size=1, max_size=3))
def test_without_tags(rows: list[list[str]]) -> None:
    written = [Sentence(tokens=tuple(row)) for row in rows]
    assert contents(read_conllu(stream(write_conllu(written)), tags=None)) == contents(written)
    assert contents(read_jsonl(stream(write_jsonl(written)), tags=None)) == contents(written)
    joined = [Sentence(tokens=tuple(token.translate(_NO_SPACE) for token in row)) for row in rows]
    assert contents(read_conll(stream(write_conll(joined)), tags=None)) == contents(joined)


def test_layouts() -> None:
    sentences = [Sentence(tokens=("a b", "c"), tags=("X", "O")), Sentence(tokens=("é",), tags=("_",))]
    assert list(write_conll(sentences)) == ["a b\tX\nc\tO\n\n", "é\t_\n\n"]
    assert list(write_conllu(sentences, tags="NER", unknown="_")) == [
        "1\ta b" + "\t_" * 7 + "\tNER=X\n2\tc" + "\t_" * 7 + "\tNER=O\n\n",
        "1\té" + "\t_" * 7 + "\tNER=_\n\n",
    ]
    assert list(write_conllu(sentences, tags="XPOS", unknown="_"))[1] == "1\té" + "\t_" * 8 + "\n\n"
    assert list(write_jsonl(sentences)) == [
        '{"tokens": ["a b", "c"], "tags": ["X", "O"]}\n',
        '{"tokens": ["é"], "tags": ["_"]}\n',
    ]
    assert list(write_jsonl([Sentence(tokens=())], tokens="w")) == ['{"w": []}\n']


def space(sentences: Iterable[Sentence]) -> Iterator[str]:
    return write_conll(sentences, delimiter="space")


def ner(sentences: Iterable[Sentence]) -> Iterator[str]:
    return write_conllu(sentences, tags="NER")


class TestRefused:
    @pytest.mark.parametrize(
        ("write", "token", "problem"),
        [
            (write_conll, "", "it is empty"),
            (write_conll, " ", "it is blank"),
            (write_conll, "a\tb", "it holds a tab"),
            (write_conll, "a\nb", "it holds a tab, a line end"),
            (write_conll, "a\0", "or a NUL"),
            (write_conll, "\ud800", "half a surrogate pair"),
            (write_conll, "-DOCSTART-", "start of a document"),
            (write_conll, "-DOCSTART- a", "start of a document"),
            (space, "a b", "a space, which separates"),
            (write_conllu, "a\r", "a line end"),
            (write_conllu, " ", "it is blank"),
            (write_jsonl, "", "it is empty"),
            (write_jsonl, "\udfff", "half a surrogate pair"),
        ],
    )
    @pytest.mark.parametrize("source", [None, "file:7"])
    def test_tokens(
        self, write: Callable[[list[Sentence]], Iterator[str]], token: str, problem: str, source: str | None
    ) -> None:
        sentences = [
            Sentence(tokens=("ok",), tags=("X",)),
            Sentence(tokens=("a", token), tags=("X", "X"), source=source),
        ]
        texts = write(sentences)
        next(texts)
        with pytest.raises(DataError, match=rf"^{source or 'sentence 2'}: token 2 \(.*\) cannot be written.*{problem}"):
            next(texts)

    @pytest.mark.parametrize(
        ("write", "tag", "problem"),
        [
            (write_conll, "X\tY", "it holds a tab"),
            (space, "X Y", "a space, which separates"),
            (write_conllu, "_", "it means not annotated in UPOS"),
            (write_conllu, "", "it is empty"),
            (ner, "X|Y", r"it holds \|"),
            (write_jsonl, " \t", "it is blank"),
        ],
    )
    def test_tags(self, write: Callable[[list[Sentence]], Iterator[str]], tag: str, problem: str) -> None:
        with pytest.raises(DataError, match=rf"^sentence 1: tag 2 \(.*\) cannot be written in .*{problem}"):
            list(write([Sentence(tokens=("a", "b"), tags=("X", tag))]))

    def test_unknown_has_one_spelling_in_upos(self) -> None:
        with pytest.raises(DataError, match=r"tag 1 \('\?'\) .*it means unknown, which is _ in UPOS$"):
            list(write_conllu([Sentence(tokens=("a",), tags=("?",))], unknown="?"))

    def test_a_byte_order_mark_that_would_be_the_files(self) -> None:
        sentences = [Sentence(tokens=("\ufeffa",), tags=("X",))]
        with pytest.raises(DataError, match="byte-order mark"):
            list(write_conll(sentences))
        assert contents(read_conll(stream(write_conll([Sentence(tokens=("a",), tags=("X",)), *sentences]))))[1] == (
            ("\ufeffa",),
            ("X",),
        )

    def test_a_blank_in_a_column_by_itself(self) -> None:
        with pytest.raises(DataError, match="where no tab does"):
            list(write_conll([Sentence(tokens=("a b",))]))

    @pytest.mark.parametrize("write", [write_conll, write_conllu])
    def test_a_sentence_without_tokens(self, write: Callable[[list[Sentence]], Iterator[str]]) -> None:
        with pytest.raises(DataError, match=r"^f:3: a sentence without tokens cannot be written in .*JSON Lines can"):
            list(write([Sentence(tokens=(), source="f:3")]))

    @pytest.mark.parametrize("write", [write_conll, write_conllu, write_jsonl])
    def test_tags_in_some_sentences_alone(self, write: Callable[[list[Sentence]], Iterator[str]]) -> None:
        bare, full = Sentence(tokens=("a",)), Sentence(tokens=("a",), tags=("X",))
        with pytest.raises(DataError, match=r"^sentence 2: no tags, unlike"):
            list(write([full, bare]))
        with pytest.raises(DataError, match=r"^sentence 2: tags, unlike"):
            list(write([bare, full]))

    def test_settings(self) -> None:
        with pytest.raises(ConfigError, match=r"^delimiter: expected tab or space, found 'auto'$"):
            write_conll([], delimiter="auto")
        with pytest.raises(ConfigError, match=r"^tags: expected UPOS, XPOS or a key of MISC, found 'a=b'$"):
            write_conllu([], tags="a=b")
        with pytest.raises(ConfigError, match=r"both be under the key 'x'$"):
            write_jsonl([], tokens="x", tags="x")

"""Columns: what is read, what is refused and where, and write -> read."""

import gzip
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.data.columns import format_conll, read_conll
from tagger.errors import ConfigError, DataError, MissingInputError
from tagger.sentence import Prediction, Sentence


def stream(text: str | bytes) -> io.BytesIO:
    return io.BytesIO(text.encode() if isinstance(text, str) else text)


def pairs(sentences: Iterator[Sentence]) -> list[list[tuple[str, str]]]:
    return [list(zip(s.tokens, s.tags or (), strict=True)) for s in sentences]


def predict(tokens: tuple[str, ...], tags: tuple[str, ...], starts: tuple[int, ...] = ()) -> Prediction:
    return Prediction(
        tokens=tokens,
        tags=tags,
        spans=(),
        confidence=(1.0,) * len(tokens),
        sentence_starts=starts or (0,)[: len(tokens)],
    )


class TestReadConll:
    def test_sentences_tags_and_sources(self, tmp_path: Path) -> None:
        path = tmp_path / "a.conll"
        path.write_bytes(b"\n-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n \t \nPeter NNP B-PER")
        first, second = read_conll(path, scheme="BIO")
        assert first == Sentence(tokens=("EU", "rejects"), tags=("B-ORG", "O"), source=f"{path}:4")
        assert second == Sentence(tokens=("Peter",), tags=("B-PER",), source=f"{path}:7")

    def test_columns_by_number_and_by_name(self) -> None:
        text = "id\tword\tpos\tner\n1\ta b\tDT\tO\n"
        assert pairs(read_conll(stream(text), tokens="word", tags="pos", header=True)) == [[("a b", "DT")]]
        assert pairs(read_conll(stream(text), tokens=-3, tags=4, header=True)) == [[("a b", "O")]]

    def test_without_tags(self) -> None:
        assert [s.tags for s in read_conll(stream("a\nb\n"), tags=None)] == [None]

    def test_only_the_declared_characters_separate(self) -> None:
        odd = "a\u2028b\u0085c\u00a0d\u3000e\x0bf\x1cg"
        assert pairs(read_conll(stream(f"{odd} O\n"))) == [[(odd, "O")]]
        assert pairs(read_conll(stream("\u00a0\tO\n"))) == [[("\u00a0", "O")]]

    def test_auto_is_decided_by_the_first_row(self) -> None:
        assert pairs(read_conll(stream("-DOCSTART- O\n\na  b\tX\n"))) == [[("a  b", "X")]]
        assert pairs(read_conll(stream(" a  X \nb\t Y\n"))) == [[("a", "X"), ("b", "Y")]]
        with pytest.raises(DataError, match=r"^<stdin>:2: expected 2 columns, found 1 .*delimiter: space"):
            list(read_conll(stream("a\tX\nb Y\n")))

    def test_comments_are_skipped_between_sentences_only(self) -> None:
        text = "# c\na X\n# Y\n\n# c\nb Z\n"
        assert pairs(read_conll(stream(text), comments="# ")) == [[("a", "X"), ("#", "Y")], [("b", "Z")]]
        with pytest.raises(DataError, match=r":3: expected 2 columns, found 3"):
            list(read_conll(stream("a X\n\n# b c\n")))

    def test_byte_order_mark_and_crlf(self) -> None:
        assert pairs(read_conll(stream("\ufeffa\tX\r\n\r\nb\tY\r\n"))) == [[("a", "X")], [("b", "Y")]]

    def test_gzip(self, tmp_path: Path) -> None:
        path = tmp_path / "a.conll.gz"
        path.write_bytes(gzip.compress(b"a X\n"))
        assert pairs(read_conll(path)) == [[("a", "X")]]
        path.write_bytes(gzip.compress(b"a X\n" * 1000)[:-12])
        with pytest.raises(DataError, match=r"damaged gzip file"):
            list(read_conll(path))
        with pytest.raises(DataError, match=r"<stdin>:1: gzip-compressed"):
            list(read_conll(stream(gzip.compress(b"a X\n"))))

    @pytest.mark.parametrize("text", ["", "\n\n \n", "-DOCSTART- -X-\n"])
    def test_nothing(self, text: str) -> None:
        assert list(read_conll(stream(text))) == []

    def test_is_lazy(self) -> None:
        """The first sentence comes before the second is read: its error is still ahead."""
        sentences = read_conll(stream("a X\n\nb\n"))
        assert next(sentences).tokens == ("a",)
        with pytest.raises(DataError, match=r":3: "):
            next(sentences)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"a X\n\nb X Y\n", r":3: expected 2 columns, found 3 \(blanks separate"),
            (b"a\tb\tX\na b\tX\n", r":2: expected 3 columns, found 2 \(one tab"),
            (b"a\n", r":1: expected a column for tokens and another for tags, found 1"),
            (b"a\tX\n \tX\n", r":2: empty token in column 1"),
            (b"a\tX\nb\t\n", r":2: empty tag"),
            (b"a\tX\nb\xff\tX\n", r":2: not UTF-8 \(byte 0xff at byte 2"),
            (b"a\tX\nb\0\tX\n", r":2: holds a NUL"),
            (b"a\tX\rb\tX\n", r":1: holds a carriage return"),
            (b"a\tX\r", r":1: holds a carriage return"),
            (b"\xff\xfea\0", r":1: looks like UTF-16"),
        ],
    )
    def test_bad_lines_are_located(self, data: bytes, message: str) -> None:
        with pytest.raises(DataError, match=rf"^<stdin>{message}"):
            list(read_conll(stream(data)))

    def test_tags_must_be_of_the_scheme(self) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:2: 'X-PER' is no tag of scheme BIO"):
            list(read_conll(stream("a B-PER\nb X-PER\n"), scheme="BIO"))
        assert pairs(read_conll(stream("a X-PER\n"))) == [[("a", "X-PER")]]

    def test_columns_that_are_not_there(self) -> None:
        with pytest.raises(DataError, match=r":1: tokens: no column 'form'; the columns are word, tag"):
            list(read_conll(stream("word tag\na X\n"), tokens="form", header=True))
        with pytest.raises(DataError, match=r":1: tags: two columns named 'tag'"):
            list(read_conll(stream("word tag tag\n"), tags="tag", header=True))
        with pytest.raises(DataError, match=r":1: tags are in column 4: expected 4 columns, found 2"):
            list(read_conll(stream("a X\n"), tags=4))

    def test_settings_are_checked_at_once(self) -> None:
        with pytest.raises(ConfigError, match=r"needs a header"):
            read_conll(stream(""), tokens="word")
        with pytest.raises(ConfigError, match=r"tags: columns are counted from 1"):
            read_conll(stream(""), tags=0)
        with pytest.raises(ConfigError, match=r"delimiter: expected auto, tab or space"):
            read_conll(stream(""), delimiter=",")
        with pytest.raises(ConfigError, match=r"comments"):
            read_conll(stream(""), comments="")

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInputError, match=r"none\.conll: no such file$"):
            list(read_conll(tmp_path / "none.conll"))
        with pytest.raises(DataError, match=r"is a folder, expected a file$"):
            list(read_conll(tmp_path))

    def test_a_line_without_end_does_not_fill_the_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tagger.data.lines._LINE_LIMIT", 100)
        with pytest.raises(DataError, match=r":1: a line of more than"):
            list(read_conll(stream("a" * 101)))


# Any text that columns can hold; a byte-order mark at the very start of a file is the file's, not the token's.
cells = st.text(st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda cell: cell.strip(" \t") and not cell.startswith(("\ufeff", "-DOCSTART-"))
)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    lengths = draw(st.lists(st.integers(1, 4), max_size=3))
    total = sum(lengths)
    tokens = draw(st.lists(cells, min_size=total, max_size=total))
    tags = draw(st.lists(cells, min_size=total, max_size=total))
    return predict(tuple(tokens), tuple(tags), tuple(sum(lengths[:index]) for index in range(len(lengths))))


class TestFormatConll:
    @given(st.lists(predictions(), max_size=3))
    def test_round_trip(self, written: list[Prediction]) -> None:
        expected = []
        for prediction in written:
            edges = [*prediction.sentence_starts, len(prediction)]
            rows = list(zip(prediction.tokens, prediction.tags, strict=True))
            expected += [rows[start:end] for start, end in pairwise(edges)]
        assert pairs(read_conll(stream("".join(map(format_conll, written))))) == expected

    def test_layout(self) -> None:
        assert format_conll(predict(("a", "b", "c"), ("X", "Y", "Z"), (0, 2))) == "a\tX\nb\tY\n\nc\tZ\n\n"
        assert format_conll(predict((), ())) == "\n"

    @pytest.mark.parametrize("token", ["", " ", "a\tb", "a\nb", "a\r", "a\0", "\ud800", "-DOCSTART-", "-DOCSTART- x"])
    def test_what_columns_cannot_hold_is_refused(self, token: str) -> None:
        with pytest.raises(DataError, match=r"token 2 .*--to jsonl"):
            format_conll(predict(("a", token), ("X", "X")))

    def test_a_tag_that_columns_cannot_hold_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"token 1 .*--to jsonl"):
            format_conll(predict(("a",), ("X\tY",)))

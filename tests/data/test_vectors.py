"""Pretrained vectors: what is read, what is refused and where, and that nothing touches TLS."""

import gzip
import ssl
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import AffixesConfig, CharactersConfig, WordsConfig
from tagger.data.vectors import read_vectors
from tagger.data.vocab import Vocabulary
from tagger.errors import DataError, MissingInputError

EXPECTED = "expected a word and 2 numbers (features.words.dim), separated by single spaces"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v.txt"


def read(path: Path, content: str | bytes, dim: int = 2) -> tuple[list[str], list[list[float]]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    read = read_vectors(path, dim)
    assert (read.vectors.shape, read.vectors.dtype) == ((len(read.words), dim), np.float32)
    return read.words, read.vectors.tolist()


def error_of(path: Path, content: str | bytes, dim: int = 2) -> str:
    with pytest.raises(DataError) as caught:
        read(path, content, dim)
    message = str(caught.value)
    del caught  # it holds this frame, and thereby itself and the file that was being read
    assert "\n" not in message
    return message.removeprefix(str(path))


class TestReadVectors:
    def test_glove(self, path: Path) -> None:
        assert read(path, "the 1 -2.5\n, 3e-1 4\n") == (["the", ","], [[1.0, -2.5], [np.float32(0.3), 4.0]])

    def test_header_and_trailing_blanks_of_fasttext(self, path: Path) -> None:
        assert read(path, "2 2\nthe 1 2 \n2 3 4 \n") == (["the", "2"], [[1.0, 2.0], [3.0, 4.0]])

    def test_a_header_is_the_first_line_alone(self, path: Path) -> None:
        assert read(path, "1 2\n7 8 9\n")[0] == ["7"]
        assert ":2: expected a word and 2 numbers" in error_of(path, "7 8 9\n1 2\n")

    def test_words_may_hold_spaces(self, path: Path) -> None:
        words = ["a", ". . .", "at name@domain.com", "New York"]
        assert read(path, "".join(f"{word} 1 2\n" for word in words))[0] == words

    def test_odd_blanks_are_no_separators(self, path: Path) -> None:
        odd = "a\u00a0b\u2028c\u0085d\u3000e\x0bf\tg"
        assert read(path, f"{odd} 1 2\n") == ([odd], [[1.0, 2.0]])

    def test_the_first_of_a_repeated_word_counts(self, path: Path) -> None:
        path.write_text("a 1 2\nA 3 4\na 5 6\nb 7 8\nb 7 8\n", encoding="utf-8")
        assert read_vectors(path, 2).num_repeated == 2
        assert read_vectors(path, 2, lowercase=True).num_repeated == 3
        assert read_vectors(path, 2, lowercase=True, wanted={"a"}).num_repeated == 2
        assert read(path, "a 1 2\nb 3 4\na 5 6\n") == (["a", "b"], [[1.0, 2.0], [3.0, 4.0]])

    def test_other_spellings_of_a_file(self, path: Path) -> None:
        expected = (["é", "b"], [[1.0, 2.0], [3.0, 4.0]])
        assert read(path, "\ufeffé 1 2\r\nb 3 4") == expected
        assert read(path, gzip.compress("é 1 2\nb 3 4\n".encode())) == expected

    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs", "Nd"], exclude_characters=" \n\r\0\ufeff"), min_size=1),
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
            min_size=1,
            max_size=5,
        ),
        st.booleans(),
    )
    def test_what_was_written_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[float]], header: bool
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "written.vec"
        lines = [f"{len(table)} 3\n"] if header else []
        lines += [f"{word} {' '.join(map(repr, vector))}\n" for word, vector in table.items()]
        assert read(path, "".join(lines), dim=3) == (list(table), list(table.values()))

    def test_lower_case(self, path: Path) -> None:
        """Of spellings that fall together the first counts, and no row is left that no word is looked up by."""
        path.write_text("The 1 2\nthe 3 4\nParis 5 6\nİ 7 8\n", encoding="utf-8")
        assert read_vectors(path, 2).words == ["The", "the", "Paris", "İ"]
        lower = read_vectors(path, 2, lowercase=True)
        assert (lower.words, lower.vectors.tolist()) == (
            ["the", "paris", "İ".lower()],
            [[1.0, 2.0], [5.0, 6.0], [7.0, 8.0]],
        )
        known = Vocabulary.build(
            {"PARIS": 1},
            tags=(),
            extra_words=lower.words,
            words=WordsConfig(lowercase=True),
            characters=CharactersConfig(),
            affixes=AffixesConfig(),
        )
        assert {known.normalise(form) for form in ("THE", "Paris", "İ")} == set(known.words)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a 1 2 3\n", ":1: its vectors have 3 numbers, but features.words.dim is 2"),
            ("2 3\na 1 2 3\n", ":1: its vectors have 3 numbers, but features.words.dim is 2"),
            ("2 1\na 1\n", ":1: its vectors have 1 numbers, but features.words.dim is 2"),
            ("a 1\n", f":1: {EXPECTED}, found 1 numbers"),
            ("a 1 2\nb 1\n", f":2: {EXPECTED}, found 1 numbers"),
            ("a 1 2\n\n", f":2: {EXPECTED}, found no word"),
            (" 1 2\n", f":1: {EXPECTED}, found no word"),
            ("a\t1\t2\n", f":1: {EXPECTED}, found 0 numbers"),
            ("New York 1\n", ":1: 'York' is not a number; is features.words.dim the width"),
            ("a 1 2\nb 1 x\n", ":2: 'x' is not a number; is features.words.dim the width"),
            ("a 1 2\na 1 x\n", ":2: 'x' is not a number; is features.words.dim the width"),
            ("a 1 nan\n", ":1: nan is not a finite number of 32 bits"),
            ("a 1 2\nb -inf 2\n", ":2: -inf is not a finite number of 32 bits"),
            ("a 1_0 2\n", ":1: '1_0' is not a number"),
            ("a 1 \u0661\n", ":1: '\u0661' is not a number"),
            ("a 1 0x1\n", ":1: '0x1' is not a number"),
            ("a 1 1-2\n", ":1: '1-2' is not a number"),
            ("a 1 \n", f":1: {EXPECTED}, found 1 numbers"),
            ("a 1  2\n", ":1: '' is not a number"),
            ("a 1e39 2\n", ":1: 1e+39 is not a finite number of 32 bits"),
            (b"a 1 2\nb\xff 1 2\n", ":2: not UTF-8 (byte 0xff at byte 2 of the line)"),
            (b"PK\x03\x04\0\0", ":1: holds a NUL character; is this a text file?"),
            ("", ": holds no vectors"),
            ("5 2\n", ": holds no vectors"),
        ],
    )
    def test_bad_files_are_located(self, path: Path, content: str | bytes, message: str) -> None:
        assert error_of(path, content).startswith(message)

    def test_missing_and_folder(self, path: Path) -> None:
        with pytest.raises(MissingInputError, match=r"v\.txt: no such file$"):
            read_vectors(path, 2)
        with pytest.raises(DataError, match=r"is a folder, expected a file$"):
            read_vectors(path.parent, 2)

    def test_tls_is_still_verified(self, path: Path) -> None:
        """torchtext's own reader switches verification off for the whole process."""
        read(path, "a 1 2\n")
        context = ssl._create_default_https_context()
        assert ssl._create_default_https_context is ssl.create_default_context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

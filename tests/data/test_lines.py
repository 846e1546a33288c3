"""What the readers of text files share: a file is closed as soon as nobody reads on."""

import gzip
import io
import os
import typing
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import IO, Any

import pytest

from tagger.data.columns import read_conll
from tagger.data.conllu import read_conllu
from tagger.data.lines import TagChecker, read_lines
from tagger.data.rows import read_jsonl
from tagger.data.vectors import read_vectors
from tagger.errors import DataError, MissingInputError
from tagger.sentence import Sentence

CONLLU = "1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n\n"
SENTENCES = [
    pytest.param(read_conll, "a X\n\n", id="conll"),
    pytest.param(read_conllu, CONLLU, id="conllu"),
    pytest.param(read_jsonl, '{"tokens": ["a"], "tags": ["X"]}\n', id="jsonl"),
]


class TestReadLines:
    LINES: typing.ClassVar = [(1, "é"), (2, "b")]
    PACKED = gzip.compress("é\r\nb\n".encode())

    def test_gzip_on_a_stream_that_can_peek(self) -> None:
        """As standard input can."""
        stream = io.BufferedReader(io.BytesIO(self.PACKED))
        assert list(read_lines(stream)) == self.LINES
        assert not stream.closed

    def test_text_on_a_stream_that_can_peek_is_read_whole(self) -> None:
        assert list(read_lines(io.BufferedReader(io.BytesIO("é\nb\n".encode())))) == self.LINES
        assert list(read_lines(io.BufferedReader(io.BytesIO(b"")))) == []

    def test_gzip_on_a_stream_that_cannot(self) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:1: gzip-compressed, expected text; unpack it first$"):
            list(read_lines(io.BytesIO(self.PACKED)))

    def test_gzip_through_a_pipe(self) -> None:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb") as other:
            other.write(self.PACKED)
            other.close()
            assert list(read_lines(stream)) == self.LINES

    def test_damaged_gzip_on_a_stream(self) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:3: damaged gzip file"):
            list(read_lines(io.BufferedReader(io.BytesIO(self.PACKED[:-9]))))

    def test_a_stream_that_cannot_be_read(self) -> None:
        """A folder as standard input, say."""

        class Broken(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, _: object) -> int:
                raise OSError(21, "Is a directory")

        with pytest.raises(MissingInputError, match=r"^<stdin>:1: cannot be read: Is a directory$"):
            list(read_lines(io.BufferedReader(Broken())))


class TestTagChecker:
    @pytest.mark.parametrize("scheme", ["plain", "BIO"])
    def test_an_unknown_tag_is_none_of_the_scheme(self, scheme: str) -> None:
        checker = TagChecker(scheme=scheme, unknown="")
        for _ in range(2):
            checker.check("", "f:1")
        assert TagChecker(scheme=scheme).unknown is None
        with pytest.raises(DataError, match=r"^f:2: empty tag$"):
            TagChecker(scheme=scheme).check("", "f:2")

    @pytest.mark.parametrize("tag", ["_", "O"])
    def test_where_it_must_be_known(self, tag: str) -> None:
        checker = TagChecker(scheme="BIO", unknown=tag, known_only=True)
        checker.check("B-X", "f:1")
        for _ in range(2):
            with pytest.raises(DataError, match=rf"^f:1: the tag is unknown \('{tag}'\), but gold must be known here"):
                checker.check(tag, "f:1")


def list_vectors(path: Path) -> list[object]:
    return list(read_vectors(path, 1).words)


def record_opened(monkeypatch: pytest.MonkeyPatch) -> list[IO[Any]]:
    """Every file that is opened from now on; the list holds them, so that nothing but closing closes them."""
    opened: list[IO[Any]] = []
    real = Path.open

    def record(path: Path, mode: str) -> IO[Any]:
        opened.append(real(path, mode))
        return opened[-1]

    monkeypatch.setattr(Path, "open", record)
    return opened


@pytest.mark.parametrize(("read", "text"), [*SENTENCES, pytest.param(list_vectors, "a 1\n", id="vectors")])
def test_a_kept_exception_keeps_no_file_open(
    read: Callable[[Path], Iterable[object]], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback holds the reader, which would hold the file until the collector comes: a ResourceWarning."""
    path = tmp_path / "file"
    path.write_text(f"{text}bad\n{text}", encoding="utf-8")
    opened = record_opened(monkeypatch)
    with pytest.raises(DataError) as kept:
        list(read(path))
    assert opened, kept
    assert all(file.closed for file in opened), kept


@pytest.mark.parametrize(("read", "text"), SENTENCES)
def test_a_caller_who_stops_early_leaves_no_file_open(
    read: Callable[[Path], Generator[Sentence, None, None]],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "file"
    path.write_text(text * 3, encoding="utf-8")
    opened = record_opened(monkeypatch)
    sentences = read(path)
    assert next(sentences).tokens == ("a",)
    assert [file.closed for file in opened] == [False]
    sentences.close()
    assert [file.closed for file in opened] == [True]


def test_a_stream_stays_open() -> None:
    """Standard input is not ours to close."""
    stream = io.BytesIO(b"a X\n\nbad\n")
    with pytest.raises(DataError):
        list(read_conll(stream))
    assert not stream.closed

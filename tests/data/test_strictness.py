"""What every reader of files holds, whatever the format, as `load_corpus` sees it.

The three formats spell the same sentences here, so a rule is a row and each format a column.
"""

import gzip
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tagger.config import DataConfig
from tagger.data import lines
from tagger.data.corpus import Corpus, load_corpus
from tagger.errors import DataError, MissingInputError, TaggerError

FORMATS = ("conll", "conllu", "jsonl")
Rows = Sequence[tuple[str, str]]


def spell(form: str, *sentences: Rows, escape: bool = False) -> bytes:
    """Sentences of (token, tag) in a format; the second token of a sentence is on line 2 where there are columns."""
    if form == "jsonl":
        records = [{"tokens": [token for token, _ in each], "tags": [tag for _, tag in each]} for each in sentences]
        return "".join(json.dumps(record, ensure_ascii=escape) + "\n" for record in records).encode()
    texts = []
    for each in sentences:
        row = "{1}\t{2}\n" if form == "conll" else "{0}\t{1}" + "\t_" * 7 + "\tT={2}\n"
        texts.append("".join(row.format(number, *pair) for number, pair in enumerate(each, start=1)) + "\n")
    return "".join(texts).encode()


def describe(form: str, path: Path, *, scheme: str = "plain") -> DataConfig:
    tags = "T" if form == "conllu" else None
    return DataConfig(format=form, train=str(path), tags=tags, scheme=scheme)  # type: ignore[arg-type]


def load(form: str, path: Path, content: bytes, *, scheme: str = "plain") -> Corpus:
    path.write_bytes(content)
    return load_corpus(describe(form, path, scheme=scheme))


def error_of(
    form: str, path: Path, content: bytes, *, scheme: str = "plain", kind: type[TaggerError] = DataError
) -> str:
    """What is said of a file, after its path: `:line: what was expected, what came`."""
    with pytest.raises(kind) as caught:
        load(form, path, content, scheme=scheme)
    message = str(caught.value)
    del caught  # it holds this frame, and thereby itself and the file that was being read
    assert message.isprintable()
    assert message.startswith(f"{path}:")
    return message.removeprefix(str(path))


def pairs(corpus: Corpus) -> list[list[tuple[str, str]]]:
    return [list(zip(each.tokens, each.tags or (), strict=True)) for each in corpus.train]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train"


GOOD = [[("a", "X"), ("b", "Y")], [("c", "X")]]


@pytest.mark.parametrize("form", FORMATS)
class TestRead:
    """What is data, and stays as it is."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text,
            lambda text: b"\xef\xbb\xbf" + text,
            lambda text: text.replace(b"\n", b"\r\n"),
            lambda text: text.rstrip(b"\n"),
            lambda text: b"\n \n\t\n" + text,
            lambda text: text + b"\n \n\t\n\n",
            gzip.compress,
            lambda text: gzip.compress(text[:20]) + gzip.compress(text[20:]),
        ],
        ids=["plain", "bom", "crlf", "no end", "blanks before", "blanks after", "gzip", "gzip twice"],
    )
    def test_spellings_of_a_file(self, form: str, path: Path, change: Callable[[bytes], bytes]) -> None:
        corpus = load(form, path, change(spell(form, *GOOD)))
        assert pairs(corpus) == GOOD
        assert corpus.manifest["train"]["sentences"] == 2

    @pytest.mark.parametrize("separator", [b"\n", b"\t\n", b" \n", b"\n\t\n \t\n\n"])
    def test_lines_of_blanks_between_sentences(self, form: str, path: Path, separator: bytes) -> None:
        """WNUT-17 separates its sentences by a tab."""
        assert (
            pairs(
                load(form, path, spell(form, GOOD[0]).removesuffix(b"\n\n") + b"\n" + separator + spell(form, GOOD[1]))
            )
            == GOOD
        )

    @pytest.mark.parametrize(
        "token", ["a\u2028b", "a\u0085b", "a\u00a0b", "\u00a0", "\u3000", "a\x0bb", "a\x1cb", "\u2029"]
    )
    def test_odd_blanks_within_a_token(self, form: str, path: Path, token: str) -> None:
        written = [[("x", "X"), (token, "Y"), ("y", "X")]]
        assert pairs(load(form, path, spell(form, *written))) == written
        if form == "jsonl":
            assert pairs(load(form, path, spell(form, *written, escape=True))) == written

    @pytest.mark.parametrize("token", ["\u200b", "\u200d\ufeff", "\u0301", "\u00ad"])
    def test_a_token_without_width_is_kept_and_counted(self, form: str, path: Path, token: str) -> None:
        written = [[("x\u200b", "X"), (token, "Y")], [("e\u0301", "X"), (token, "X")]]
        corpus = load(form, path, spell(form, *written))
        assert pairs(corpus) == written
        assert corpus.manifest["train"]["zero_width_tokens"] == 2

    @pytest.mark.parametrize("token", ["2020-01-01", "1e3", "null", "true", "NaN", "007", "[1]", '"', "\\", "#", "_"])
    def test_what_looks_like_something_else_is_text(self, form: str, path: Path, token: str) -> None:
        written = [[("x", token if form != "conllu" else "X"), (token, "Y")]]
        assert pairs(load(form, path, spell(form, *written))) == written

    def test_illegal_gold_is_read_and_counted(self, form: str, path: Path) -> None:
        written = [[("a", "O"), ("b", "I-X")], [("c", "B-X"), ("d", "I-Y")], [("e", "I-X")]]
        corpus = load(form, path, spell(form, *written), scheme="BIO")
        assert pairs(corpus) == written
        assert corpus.manifest["train"]["illegal_transitions"] == 3

    def test_one_tag_only(self, form: str, path: Path) -> None:
        assert load(form, path, spell(form, [("a", "X"), ("b", "X")])).labels == ("X",)

    def test_new_content_under_the_old_time(self, form: str, path: Path) -> None:
        first = load(form, path, spell(form, *GOOD))
        times = path.stat()
        path.write_bytes(spell(form, [("a", "X"), ("b", "Z")], GOOD[1]))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        second = load_corpus(describe(form, path))
        assert path.stat().st_size == times.st_size
        assert second.labels == ("X", "Z")
        assert first.manifest["train"]["sha256"] != second.manifest["train"]["sha256"]

    def test_a_pipe(self, form: str, path: Path) -> None:
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(spell(form, *GOOD)),))
        writer.start()
        assert pairs(load_corpus(describe(form, path))) == GOOD
        writer.join()


@pytest.mark.parametrize("form", FORMATS)
class TestRefused:
    """What is no data: each an error on its line."""

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (b"\0", "holds a NUL character; is this a text file?"),
            (b"\xff", "not UTF-8 (byte 0xff at byte "),
            (b"\xed\xa0\x80", "not UTF-8 (byte 0xed at byte "),
            (b"\r", "holds a carriage return that is not part of a line end (expected LF or CRLF)"),
        ],
        ids=["nul", "utf-8", "surrogate", "cr"],
    )
    def test_what_is_no_text(self, form: str, path: Path, bad: bytes, message: str) -> None:
        text = spell(form, *GOOD)
        line = 1 if form == "jsonl" else 2
        assert error_of(form, path, text.replace(b"b", b"b" + bad, 1)).startswith(f":{line}: {message}")

    def test_carriage_returns_as_line_ends(self, form: str, path: Path) -> None:
        assert error_of(form, path, spell(form, *GOOD).replace(b"\n", b"\r")).startswith(":1: holds a carriage return")

    def test_blank_tokens(self, form: str, path: Path) -> None:
        token = "" if form == "jsonl" else " "
        place = {"conll": ":2: empty token in column 1", "conllu": ":2: empty token in FORM (column 2)"}
        expected = place.get(form, ":1: tokens: empty string at position 2")
        assert error_of(form, path, spell(form, [("a", "X"), (token, "Y")])) == expected

    def test_tags_of_another_scheme(self, form: str, path: Path) -> None:
        message = error_of(form, path, spell(form, [("a", "B-X"), ("b", "L-X")]), scheme="BIO")
        assert message.startswith(f":{1 if form == 'jsonl' else 2}: 'L-X' is no tag of scheme BIO (expected O, B-TYPE")

    @pytest.mark.parametrize("content", [b"", b"\n", b" \t\n\n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
    def test_nothing(self, form: str, path: Path, content: bytes) -> None:
        assert error_of(form, path, content) == f": holds no sentence, but data.train needs one (format {form})"

    def test_damaged_gzip(self, form: str, path: Path) -> None:
        packed = gzip.compress(spell(form, *GOOD) * 100)
        assert ": damaged gzip file: " in error_of(form, path, packed[:-9])
        assert ": damaged gzip file: " in error_of(form, path, packed + b"garbage")
        assert ": damaged gzip file: " in error_of(form, path, packed[:-8] + bytes(8))

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_sentence_that_does_not_end(self, form: str, path: Path, packed: bool) -> None:
        text = spell(form, [("w", "X")] * 100_002)
        line = 1 if form == "jsonl" else 100_001
        message = error_of(form, path, gzip.compress(text, compresslevel=1) if packed else text)
        assert message.startswith(f":{line}: expected a sentence of at most 100,000 tokens, found ")
        assert message.endswith(
            "100,002" if form == "jsonl" else "(it began on line 1; is an empty line missing after each sentence?)"
        )

    def test_the_longest_sentence_there_may_be(self, form: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lines, "MAX_TOKENS", 2)
        assert pairs(load(form, path, spell(form, *GOOD))) == GOOD
        assert "at most 2 tokens" in error_of(form, path, spell(form, [("a", "X")] * 3))

    def test_a_folder(self, form: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r": is a folder, expected a file$"):
            load_corpus(describe(form, tmp_path))

    def test_nothing_there(self, form: str, path: Path) -> None:
        with pytest.raises(MissingInputError, match=r"train: no such file$"):
            load_corpus(describe(form, path))

    def test_a_file_that_may_not_be_read(self, form: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        path.write_bytes(spell(form, *GOOD))
        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(MissingInputError, match=r"train: cannot be read: Permission denied$"):
            load_corpus(describe(form, path))

    def test_an_archive(self, form: str, path: Path) -> None:
        """Other kinds of compression are refused by what they are: no text."""
        assert error_of(form, path, b"PK\x03\x04\x14\0\0\0").startswith(":1: holds a NUL character")
        assert error_of(form, path, b"BZh91AY&SY\xff").startswith(":1: not UTF-8")
        assert error_of(form, path, b"\xfd7zXZ\0").startswith(":1: not UTF-8")


def test_messages_hold_no_more_of_the_file_than_can_be_read(path: Path) -> None:
    """An escape sequence in a file is not sent to the terminal, and a line of a megabyte is not either."""
    tag = "B-\x1b[31m" + "x" * 10_000
    message = error_of("conll", path, spell("conll", [("a", f"Q{tag}"), ("b", tag)]), scheme="BIO")
    assert len(message) < 400
    assert "'QB-\\x1b[31mxxx" in message

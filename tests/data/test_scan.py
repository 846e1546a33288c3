"""A scan against the readers, which stop at the first error: what one refuses the other reports."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import DataConfig
from tagger.data.corpus import read_sentences
from tagger.data.scan import LineTally, scan
from tagger.data.scanned import BAD_LINE, BAD_TAG, BAD_TEXT, RAGGED, Scanned
from tagger.errors import DataError

Problems = list[tuple[str, int | None, str]]


def scan_bytes(content: bytes, data: DataConfig, known_only: bool = True) -> tuple[list[Scanned], Problems, LineTally]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(content)
        problems: Problems = []
        tally = LineTally()
        report = lambda *problem: problems.append(problem)  # noqa: E731
        return list(scan(path, data, known_only=known_only, report=report, tally=tally)), problems, tally


def read_bytes(content: bytes, data: DataConfig) -> tuple[list[tuple[object, ...]], int | None, bool]:
    """What the reader gives, the line of its error, and whether there was one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(content)
        found: list[tuple[object, ...]] = []
        try:
            for sentence in read_sentences(path, data, known_only=True):
                line_number = int(str(sentence.source).rpartition(":")[2])
                found.append((sentence.tokens, sentence.tags, line_number))
        except DataError as error:
            line = re.match(rf"{re.escape(str(path))}:(\d+)", str(error))
            return found, int(line[1]) if line else None, True
        return found, None, False


CELLS = [b"a", b"b c", b"O", b"B-X", b"I-X", b"Q-X", b"", b" ", b"\xff", b"x\0", b"y\rz", "\u2028".encode()]
ENDS = [b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\n\t\n", b""]
column_files = st.lists(
    st.tuples(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3).map(b"\t".join), st.sampled_from(ENDS))
    | st.sampled_from([(b"-DOCSTART-\tO", b"\n"), (b"# c", b"\n"), (b"a\tO", b"\n"), (b"b\tB-X", b"\n")]),
    max_size=8,
).map(lambda lines: b"".join(line + end for line, end in lines))

word = st.tuples(
    st.sampled_from([b"1", b"2", b"3", b"1-2", b"1.1", b"x", b"0"]),
    st.sampled_from([b"a", b" ", b"\xff", b"b c"]),
    st.sampled_from([b"X", b"_", b"Y"]),
    st.sampled_from([b"_", b"NER=O", b"NER=B-X|A=b", b"NER=Q"]),
).map(lambda cells: b"\t".join([cells[0], cells[1], b"_", cells[2], b"_", b"_", b"_", b"_", b"_", cells[3]]))
conllu_files = st.lists(st.sampled_from([b"", b"", b"# text", b"1\ta\t_\tX", b"\t"]) | word | word, max_size=9).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)

rows = st.fixed_dictionaries(
    {
        "tokens": st.lists(st.sampled_from(["a", "b", "", 1, "\ud800"]), max_size=2),
        "tags": st.lists(st.sampled_from(["O", "B-X", "Q", " "]), max_size=2),
    },
    optional={"more": st.just(None)},
).map(lambda row: json.dumps(row).encode())
row_files = st.lists(rows | st.sampled_from([b"", b"{", b"[]", b'{"tokens": ["a"]}', b"\xff"]), max_size=6).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)


@pytest.mark.parametrize(
    ("files", "data"),
    [
        (column_files, DataConfig(scheme="BIO")),
        (column_files, DataConfig(delimiter="space")),
        (column_files, DataConfig(comments="#", delimiter="tab", scheme="BIO", unknown_tag="O")),
        (column_files, DataConfig(header=True, tokens="a", tags=2)),
        (conllu_files, DataConfig(format="conllu")),
        (conllu_files, DataConfig(format="conllu", tags="NER", scheme="BIO")),
        (row_files, DataConfig(format="jsonl", scheme="BIO")),
    ],
)
def test_agrees_with_the_readers(files: st.SearchStrategy[bytes], data: DataConfig) -> None:
    @given(files)
    def check(content: bytes) -> None:
        expected, line, failed = read_bytes(content, data)
        scanned, problems, _ = scan_bytes(content, data)
        assert bool(problems) == failed
        if failed:
            assert problems[0][1] == line
        found = [(each.tokens, each.tags, each.start) for each in scanned]
        assert found[: len(expected)] == expected
        if not failed:
            assert len(found) == len(expected)
            assert all(each.is_whole and not each.has_bad_tag for each in scanned)

    check()


class TestColumns:
    def test_goes_on_after_each_error(self) -> None:
        content = b"a\tO\nb\tO\tO\nc\n\nd\tB-X\n\xff\tO\n\ne\tQ\nf\t\n\ng\tI-X\n"
        scanned, problems, _ = scan_bytes(content, DataConfig(scheme="BIO"))
        assert [(kind, line) for kind, line, _ in problems] == [
            *((RAGGED, 2), (RAGGED, 3), (BAD_TEXT, 6), (BAD_TAG, 8), (BAD_TAG, 9))
        ]
        assert [each.tokens for each in scanned] == [("a",), ("d",), ("e", "f"), ("g",)]
        assert [each.is_whole for each in scanned] == [False, False, True, True]
        assert [each.has_bad_tag for each in scanned] == [False, False, True, False]
        assert problems[0][2].startswith("expected 2 columns, found 3")

    def test_a_column_that_is_not_there_ends_it(self) -> None:
        scanned, problems, _ = scan_bytes(b"a O\nb O\n", DataConfig(tags=3))
        assert (scanned, len(problems)) == ([], 1)
        assert problems[0][:2] == (BAD_LINE, 1)


def test_conllu_finds_its_way_after_a_wrong_number() -> None:
    lines = [f"{number}\ta\t_\tX\t_\t_\t_\t_\t_\t_" for number in (1, 3, 4, 4)]
    scanned, problems, _ = scan_bytes("\n".join(lines).encode(), DataConfig(format="conllu"))
    assert [line for _, line, _ in problems] == [2, 4]
    assert scanned[0].lines == [1, 2, 3, 4]


def test_words_know_their_lines() -> None:
    content = b"# c\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n1.1\t-\t_\t_\t_\t_\t_\t_\t_\t_\n"
    content += b"2\tb\t_\tY\t_\t_\t_\t_\t_\t_\n"
    (scanned,), problems, _ = scan_bytes(content, DataConfig(format="conllu"))
    assert (scanned.start, list(scanned.lines), problems) == (3, [3, 5], [])


def test_line_ends_are_counted() -> None:
    _, _, tally = scan_bytes(b"\xef\xbb\xbfa\tO\r\n\t\n \r\nb\tO\n", DataConfig())
    assert tally == LineTally(
        has_mark=True, carriage_returns=2, first_carriage_return=1, blank=2, first_blank=2, total=4
    )


def test_damaged_gzip_is_reported(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"a\tO\n\n" * 1000)[:-9])
    problems: Problems = []
    list(scan(path, DataConfig(), known_only=True, report=lambda *p: problems.append(p), tally=LineTally()))
    assert [kind for kind, _, _ in problems] == [BAD_TEXT]
    assert problems[0][2].startswith("damaged gzip file")


@pytest.mark.parametrize(
    ("content", "data"),
    [
        (b"a\tO\n" * 5 + b"\nb\tO\n", DataConfig()),
        (b"".join(b"%d\ta\t_\tX\t_\t_\t_\t_\t_\t_\n" % n for n in range(1, 6)), DataConfig(format="conllu")),
        (b'{"tokens": ["a", "b", "c", "d"], "tags": ["O", "O", "O", "O"]}\n', DataConfig(format="jsonl")),
    ],
)
def test_a_sentence_that_does_not_end(content: bytes, data: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tagger.data.lines", "tagger.data.scanned"):
        monkeypatch.setattr(f"{module}.MAX_TOKENS", 3)
    _, line, failed = read_bytes(content, data)
    scanned, problems, _ = scan_bytes(content, data)
    assert failed
    assert [(kind, at) for kind, at, _ in problems] == [(BAD_LINE, line)]
    assert all(len(each.tokens) <= 3 for each in scanned)

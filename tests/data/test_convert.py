"""Conversions: round trips over formats and schemes, what is kept, what is counted, what is repaired."""

import io
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import DataConfig
from tagger.data.convert import Conversion, Target, convert
from tagger.data.corpus import read_sentences
from tagger.data.repair import Change
from tagger.errors import ConfigError, DataError
from tagger.schemes import convert_tags, illegal_transitions, spans_to_tags, tags_to_spans
from tests.strategies import PLAIN_TAGS, SPAN_SCHEMES, span_lists, tag_sequences

FORMATS = ("conll", "conllu", "jsonl")
LOSSLESS = tuple(scheme for scheme in SPAN_SCHEMES if scheme != "IO")

tokens = st.text(
    st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=4
).filter(lambda token: token.strip(" \t") and not token.startswith(("\ufeff", "-DOCSTART-", "#")))


def run(
    content: bytes,
    data: DataConfig,
    *,
    to: str,
    scheme: str | None = None,
    tags: str | None = None,
    repair: bool = False,
) -> tuple[bytes, Conversion]:
    sink = io.BytesIO()
    done = convert(io.BytesIO(content), sink, data, target=Target(format=to, scheme=scheme, tags=tags), repair=repair)
    return sink.getvalue(), done


def described(form: str, scheme: str) -> DataConfig:
    """How what was written in a format is read back."""
    tags = "NER" if form == "conllu" and scheme != "plain" else None
    return DataConfig(format=form, scheme=scheme, tags=tags)  # type: ignore[arg-type]


@st.composite
def canonical(draw: st.DrawFn, scheme: str) -> bytes:
    """A corpus in columns, as the writer of columns writes it."""
    text = ""
    for _ in range(draw(st.integers(0, 3))):
        if scheme == "plain":
            tags = draw(st.lists(st.sampled_from(PLAIN_TAGS).filter(lambda tag: tag != "_"), min_size=1, max_size=4))
        else:
            spans, length = draw(span_lists(touching=scheme != "IO"))
            tags = [tag.replace(" ", "_").replace("|", "/") for tag in spans_to_tags(spans, length, scheme)]
            if illegal_transitions(tags, scheme):  # two labels became one
                tags = ["O"]
        text += "".join(f"{draw(tokens)}\t{tag}\n" for tag in tags) + ("\n" if tags else "")
    return text.encode()


class TestRoundTrips:
    @pytest.mark.parametrize("scheme", ["plain", *SPAN_SCHEMES])
    def test_formats(self, scheme: str) -> None:
        @given(canonical(scheme))
        def check(content: bytes) -> None:
            for first, second in product(FORMATS, FORMATS):
                one, _ = run(content, described("conll", scheme), to=first)
                two, _ = run(one, described(first, scheme), to=second, tags=None)
                back, done = run(two, described(second, scheme), to="conll")
                assert back == content
                assert not done.repaired
                assert not done.lost

        check()

    @pytest.mark.parametrize("form", FORMATS)
    def test_schemes(self, form: str) -> None:
        @given(canonical("BIO"), st.sampled_from(LOSSLESS), st.sampled_from(LOSSLESS))
        def check(content: bytes, first: str, second: str) -> None:
            zero, _ = run(content, described("conll", "BIO"), to=form)
            one, _ = run(zero, described(form, "BIO"), to=form, scheme=first)
            two, _ = run(one, described(form, first), to=form, scheme=second)
            back, _ = run(two, described(form, second), to=form, scheme="BIO")
            assert back == zero

        check()

    @given(canonical("BIO"))
    def test_through_io_is_lost_what_is_counted(self, content: bytes) -> None:
        there, done = run(content, described("conll", "BIO"), to="conll", scheme="IO")
        back, _ = run(there, described("conll", "IO"), to="conll", scheme="BIO")
        assert (back == content) == (not done.lost)


class TestWithinAFormat:
    def test_columns_keep_all_but_the_tag(self) -> None:
        content = b"-DOCSTART- -X- O O\n\n EU  NNP\tI-NP I-ORG \r\nx VB I-VP O\n \nPeter NNP I-NP I-PER\nB N I-NP B-PER"
        data = DataConfig(scheme="IOB1", delimiter="space")
        assert run(content, data, to="conll")[0] == content
        expected = content.replace(b"I-ORG", b"B-ORG").replace(b"I-PER", b"B-PER")
        assert run(content, data, to="conll", scheme="BIO")[0] == expected

    def test_columns_by_name_and_comments(self) -> None:
        content = b"# c\nner\tword\n# d\nI-X\ta b\n# \tc\n\nO\td\n\n# e\n"
        data = DataConfig(scheme="IOB1", header=True, comments="# ", tokens="word", tags="ner", delimiter="tab")
        with pytest.raises(DataError, match=r"^<stdin>:5: '# ' is no tag of scheme IOB1"):
            run(content, data, to="conll", scheme="BIO")
        content = content.replace(b"# \tc\n", b"")
        assert run(content, data, to="conll", scheme="BIO")[0] == content.replace(b"I-X", b"B-X")

    def test_a_docstart_ends_a_sentence(self) -> None:
        content = b"\xef\xbb\xbfa\tI-X\n-DOCSTART-\tO\nb\tI-X\n"
        done = run(content, DataConfig(scheme="IOB1"), to="conll", scheme="BIO")[0]
        assert done == content.replace(b"I-X", b"B-X")

    def test_conllu_keeps_all_but_the_key(self) -> None:
        word = "{}\t{}\tl\tNOUN\tNN\tA=b\t0\troot\t_\t{}\n"
        content = "# c\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\tX=y\n" + word.format(1, "a", "SpaceAfter=No|NER=I-X|Z=1")
        content += (
            word.format(2, "b", "_") + word.format("2.1", "-", "_") + word.format(3, "c", "NER=I-X") + "\n# end\n"
        )
        data = DataConfig(format="conllu", tags="NER", scheme="IOB1")
        expected = content.replace("NER=I-X", "NER=B-X")
        assert run(content.encode(), data, to="conllu", scheme="BIO")[0].decode() == expected
        mended = content.replace("NER=I-X", "NER=B-X", 1).replace(
            "2\tb\tl\tNOUN\tNN\tA=b\t0\troot\t_\t_", "2\tb" + "\t_" * 8
        )
        assert run(mended.encode(), data, to="conllu", scheme="BIO", repair=True)[1].repaired[0].count == 1

    def test_a_missing_key_of_misc_stays_missing_where_the_tag_is_o(self) -> None:
        content = b"1\ta\t_\t_\t_\t_\t_\t_\t_\tN=I-X\n2\tb\t_\t_\t_\t_\t_\t_\t_\t_\n\n"
        data = DataConfig(format="conllu", tags="N", scheme="IO")
        assert run(content, data, to="conllu", scheme="BILOU")[0] == content.replace(b"I-X", b"U-X")

    def test_upos_can_hold_spans(self) -> None:
        content = b"1\ta\t_\tI-X\t_\t_\t_\t_\t_\t_\n\n"
        data = DataConfig(format="conllu", tags="UPOS", scheme="IO")
        assert run(content, data, to="conllu", scheme="BIO")[0] == content.replace(b"I-X", b"B-X")

    def test_rows_keep_their_keys(self) -> None:
        content = b'{"id": 7, "words": ["\\u00e9"], "ner": ["I-X"], "more": {"a": [1.5, null]}}\n\n'
        data = DataConfig(format="jsonl", tokens="words", tags="ner", scheme="IO")
        assert run(content, data, to="jsonl")[0] == content
        done = run(content, data, to="jsonl", scheme="BIO")[0].decode()
        assert done == content.decode().replace("I-X", "B-X")

    @pytest.mark.parametrize(
        "rest",
        [
            r'"n": 1e999',
            r'"n": 0.10000000000000000555, "z": -0',
            r'"text": "\ud800"',
            r'"o": {"tags": ["I-X"]}',
            '"s":"\\"}"',
        ],
    )
    def test_what_stands_beside_the_tags_of_a_row_is_not_spelled_anew(self, rest: str) -> None:
        """Numbers beyond a float and half surrogate pairs could not be written again."""
        for row in (
            f'{{"tokens":["a"],"tags" : ["I-X"] , {rest}}}',
            f' {{ {rest},"tokens":["a"], "\\u0074ags": ["I-X"]}}',
        ):
            data = DataConfig(format="jsonl", scheme="IO")
            done = run(f"{row}\n".encode(), data, to="jsonl", scheme="BIO")[0].decode()
            assert done in (f"{row}\n".replace("I-X", "B-X", 1), "B-X".join(f"{row}\n".rsplit("I-X", 1)))
            (sentence,) = read_sentences(io.BytesIO(done.encode()), replace(data, scheme="BIO"))
            assert sentence.tags == ("B-X",)

    def test_a_header_with_an_odd_blank(self) -> None:
        data = DataConfig(header=True, tokens="to\u00a0ken", tags="tag", delimiter="space", scheme="IO")
        content = "to\u00a0ken tag\na I-X\n"
        assert run(content.encode(), data, to="conll", scheme="BIO")[0].decode() == content.replace("I-X", "B-X")


@st.composite
def loose_columns(draw: st.DrawFn, *, delimiter: str) -> bytes:
    """Columns with all that may stand around tokens and tags: further columns, comments, all sorts of empty lines."""
    blank = "\t" if delimiter == "tab" else draw(st.sampled_from([" ", "\t", "  "]))
    edges = st.just("") if delimiter == "tab" else st.sampled_from(["", " "])
    between = st.lists(
        st.sampled_from(["\n", "\t\n", " \r\n", "-DOCSTART- -X- O\n", "\n## a comment\n"]), min_size=1, max_size=3
    )
    text = draw(st.sampled_from(["", "\ufeff", "## c\n", "-DOCSTART-\n"]))
    for _ in range(draw(st.integers(0, 3))):
        spans, length = draw(span_lists())
        tags = [tag.replace(" ", "_") for tag in spans_to_tags(spans, length, "BIO")]
        tags = ["O"] * length if illegal_transitions(tags, "BIO") else tags
        for tag in tags:
            cells = [draw(st.sampled_from(["a", "é", "O", "#"])), draw(st.sampled_from(["X", "_"])), tag, "more"]
            text += draw(edges) + blank.join(cells) + draw(edges) + draw(st.sampled_from(["\n", "\r\n"]))
        text += "".join(draw(between))
    return (text.rstrip("\r\n") if draw(st.booleans()) else text).encode()


@pytest.mark.parametrize("delimiter", ["tab", "space"])
def test_columns_come_back_byte_by_byte(delimiter: str) -> None:
    data = DataConfig(delimiter=delimiter, tags=-2, comments="## ")  # type: ignore[arg-type]

    @given(loose_columns(delimiter=delimiter), st.sampled_from(LOSSLESS))
    def check(content: bytes, scheme: str) -> None:
        there, done = run(content, replace(data, scheme="BIO"), to="conll", scheme=scheme)
        back, _ = run(there, replace(data, scheme=scheme), to="conll", scheme="BIO")  # type: ignore[arg-type]
        assert back == content
        assert not done.lost
        legal = [sentence.tags or () for sentence in read_sentences(io.BytesIO(there), replace(data, scheme=scheme))]  # type: ignore[arg-type]
        assert not any(illegal_transitions(tags, scheme) for tags in legal)

    check()


class TestBetweenFormats:
    def test_what_has_no_place_is_counted(self) -> None:
        content = b"-DOCSTART- -X- O\n\nEU NNP B-ORG\nx VB O\n"
        done = run(content, DataConfig(scheme="BIO"), to="jsonl")
        assert done[0] == b'{"tokens": ["EU", "x"], "tags": ["B-ORG", "O"]}\n'
        assert done[1].lost == (
            Change(what="-DOCSTART- lines", count=1, first="<stdin>:1"),
            Change(what="rows with further columns", count=2, first="<stdin>:3"),
        )

    def test_of_conllu(self) -> None:
        content = (
            "# c\n1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\tl\tX\t_\t_\t_\t_\t_\tN=O|S=No\n2\tb\t_\tX\t_\t_\t_\t_\t_\t_\n"
        )
        lost = run(content.encode(), DataConfig(format="conllu"), to="conll")[1].lost
        assert [(change.what, change.count) for change in lost] == [
            *(("comments", 1), ("ranges and empty nodes", 1), ("words with LEMMA", 1)),
            ("words with further keys of MISC", 1),
        ]

    def test_of_rows(self) -> None:
        content = b'{"tokens": ["a"], "tags": ["X"], "id": 1}\n'
        lost = run(content, DataConfig(format="jsonl"), to="conll")[1].lost
        assert lost == (Change(what="rows with the key 'id'", count=1, first="<stdin>:1"),)

    def test_what_the_target_cannot_hold_is_refused_with_its_place(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text('{"tokens": ["a"], "tags": ["X"]}\n{"tokens": ["a\\tb"], "tags": ["X"]}\n')
        with pytest.raises(DataError, match=r"a\.jsonl:2: token 1"):
            convert(path, io.BytesIO(), DataConfig(format="jsonl"), target=Target(format="conll"))

    def test_where_tags_go(self) -> None:
        assert run(b"a\tX\n", DataConfig(), to="conllu", tags="XPOS")[0] == b"1\ta\t_\t_\tX\t_\t_\t_\t_\t_\n\n"
        assert run(b"a\tX\n", DataConfig(), to="jsonl", tags="pos")[0] == b'{"tokens": ["a"], "pos": ["X"]}\n'


class TestRepair:
    def test_bytes(self) -> None:
        content = b"\xef\xbb\xbfa \tX\r\n\t\r\nb\0\0\tX\r\r\nc\t Y \n \t"
        data = DataConfig()
        with pytest.raises(DataError, match=r"^<stdin>:3: holds a NUL"):
            run(content, data, to="conll")
        done = run(content, data, to="conll", repair=True)
        assert done[0] == b"a\tX\n\nb\tX\nc\tY\n\n"
        assert {change.what: change.count for change in done[1].repaired} == {
            "byte-order marks removed": 1,
            "CRLF line ends made LF": 3,
            "lines with blanks around cells trimmed": 2,
            "lines of blanks made empty": 2,
            "NUL characters removed": 2,
        }

    @pytest.mark.parametrize("content", [b"a\tX\nb\xff\tX\n", b"a\tX\nb\n", b"a\tX\nb\rc\tX\n"])
    def test_what_has_two_meanings_stays_an_error(self, content: bytes) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:2: "):
            run(content, DataConfig(), to="conll", repair=True)

    @pytest.mark.parametrize("scheme", SPAN_SCHEMES)
    def test_illegal_tags_become_what_conlleval_reads(self, scheme: str) -> None:
        @given(tag_sequences(scheme))
        def check(tags: list[str]) -> None:
            tags = [tag.replace(" ", "_") for tag in tags] or ["O"]
            content = "".join(f"w\t{tag}\n" for tag in tags).encode()
            data = DataConfig(scheme=scheme)  # type: ignore[arg-type]
            illegal = illegal_transitions(tags, scheme)
            if illegal:
                with pytest.raises(DataError, match=rf"^<stdin>:1: .* which {scheme} forbids; --repair respells it"):
                    run(content, data, to="conll")
            done, report = run(content, data, to="conll", repair=True)
            mended = [line.split("\t")[1] for line in done.decode().split("\n") if line]
            assert mended == convert_tags(tags, scheme, scheme)
            assert not illegal_transitions(mended, scheme)
            assert tags_to_spans(mended, scheme) == tags_to_spans(tags, scheme)
            changed = sum(old != new for old, new in zip(tags, mended, strict=True))
            assert sum(change.count for change in report.repaired) == changed
            assert run(done, data, to="conll", repair=True)[1].repaired == ()

        check()

    def test_clean_bytes_pass_unchanged(self) -> None:
        content = b"a b\tX\n\nc\tY"
        done, report = run(content, DataConfig(), to="conll", repair=True)
        assert (done, report.repaired) == (content, ())


PIECES = [
    b"a",
    b"\t",
    b" ",
    b"\n",
    b"\r\n",
    b"\0",
    b"O",
    b"B-X",
    b"I-X",
    b"{",
    b"}",
    b'"',
    b"\xff",
    b"\xef\xbb\xbf",
    b"\n\n",
]
PIECES += [
    b'{"tokens": ["a"], "tags": ["I-X"]}\n',
    b"1\ta\t_\tX\t_\t_\t_\t_\t_\tNER=I-X\n",
    b"a\tI-X\n",
    b"# c\n",
    b"-DOCSTART-",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=16).map(b"".join), st.booleans(), st.data())
def test_any_bytes_are_converted_or_refused_by_line(content: bytes, repair: bool, drawn: st.DataObject) -> None:
    form, to = drawn.draw(st.sampled_from(FORMATS)), drawn.draw(st.sampled_from(FORMATS))
    data, scheme = described(form, "BIO"), drawn.draw(st.sampled_from(LOSSLESS))
    try:
        done, report = run(content, data, to=to, scheme=scheme, repair=repair)
    except DataError as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert message.startswith("<stdin>:")
        return
    again = described(to, scheme) if to != form else replace(data, scheme=scheme)  # type: ignore[arg-type]
    read = list(read_sentences(io.BytesIO(done), again))
    assert (len(read), sum(map(len, read))) == (report.sentences, report.tokens)
    assert not any(illegal_transitions(sentence.tags or (), scheme) for sentence in read)


class TestUnknownTags:
    data = DataConfig(scheme="BIO", unknown_tag="_")

    def test_are_copied(self) -> None:
        content = b"a\t_\nb\tI-X\nc\t_\n"
        assert run(content, self.data, to="conll", repair=True)[0] == content

    def test_cannot_be_respelled(self) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:1: holds the unknown tag '_'"):
            run(b"a\t_\n", self.data, to="conll", scheme="BIOES")

    def test_beside_illegal_ones(self) -> None:
        with pytest.raises(DataError, match=r"token 3 has I-X after O, which BIO forbids; with unknown tags"):
            run(b"a\t_\nb\tO\nc\tI-X\n", self.data, to="conll", repair=True)


def test_targets_that_do_not_suit() -> None:
    with pytest.raises(ConfigError, match=r"--to-scheme: the tags are read as plain, which cannot become BIO"):
        run(b"", DataConfig(), to="conll", scheme="BIO")
    with pytest.raises(ConfigError, match=r"--to-tags: has no effect on conll"):
        run(b"", DataConfig(), to="conll", tags="x")


def test_only_what_is_left_out_is_counted() -> None:
    """A line that looks like a comment within a sentence is a token, and a no-break space separates no columns."""
    content = "# c\nA\u00a0b O\n# O\nB\u00a0c d B-X\n\n# e\nA x O\n"
    with pytest.raises(DataError, match=r"^<stdin>:4: expected 2 columns"):
        run(content.encode(), DataConfig(comments="#", delimiter="space"), to="jsonl")
    content = content.replace(" d", "").replace(" x", "")
    done = run(content.encode(), DataConfig(comments="#", delimiter="space"), to="jsonl")[1]
    assert done.lost == (Change(what="comments", count=2, first="<stdin>:1"),)


def test_counts_what_was_written() -> None:
    done = run(b"a\tX\nb\tX\n\nc\tX\n", DataConfig(), to="jsonl")[1]
    assert (done.sentences, done.tokens) == (2, 3)


def test_memory_holds_a_sentence_at_a_time() -> None:
    """Each sentence is written before the next is read."""
    written: list[int] = []

    class Sink(io.BytesIO):
        def write(self, text: bytes) -> int:  # type: ignore[override]
            written.append(source.tell())
            return super().write(text)

    source = io.BytesIO(b"a\tX\n\n" * 3)
    convert(source, Sink(), DataConfig(), target=Target(format="jsonl"))
    assert all(before < after for before, after in pairwise(written))

"""JSON Lines: what is read, what is refused and where, and write -> read."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.data.rows import format_jsonl, read_jsonl
from tagger.errors import DataError, MissingInputError
from tagger.sentence import Prediction, Sentence, Span


def stream(text: str | bytes) -> io.BytesIO:
    return io.BytesIO(text.encode() if isinstance(text, str) else text)


class TestReadJsonl:
    def test_rows(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text(
            '{"tokens": ["EU", "2020-01-01"], "tags": ["B-ORG", "O"], "id": 1}\n \n{"tokens": [], "tags": []}'
        )
        assert list(read_jsonl(path, scheme="BIO")) == [
            Sentence(tokens=("EU", "2020-01-01"), tags=("B-ORG", "O"), source=f"{path}:1"),
            Sentence(tokens=(), tags=(), source=f"{path}:3"),
        ]

    def test_other_keys_and_no_tags(self) -> None:
        text = '{"words": ["a\\u2028b"], "pos": ["X"]}\n'
        assert [(s.tokens, s.tags) for s in read_jsonl(stream(text), tokens="words", tags="pos")] == [
            (("a\u2028b",), ("X",))
        ]
        assert [s.tags for s in read_jsonl(stream(text), tokens="words", tags=None)] == [None]

    def test_only_a_newline_ends_a_line(self) -> None:
        text = '{"tokens": ["a\u2028\u0085\u2029b"], "tags": ["X"]}\r\n'
        assert [s.tokens for s in read_jsonl(stream("\ufeff" + text))] == [("a\u2028\u0085\u2029b",)]

    def test_escaped_pairs_are_characters(self) -> None:
        text = r'{"tokens": ["\ud83d\ude00"], "tags": ["X"]}'
        assert [s.tokens for s in read_jsonl(stream(text))] == [("😀",)]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b'{"tokens": ["a"], "tags": ["X"]', "not JSON: .* at character 32"),
            (b"[]", "expected a JSON object, found a list"),
            (b"null", "expected a JSON object, found null"),
            (b'{"words": ["a"], "tags": ["X"]}', "no key 'tokens'; the keys are 'words', 'tags'"),
            (b"{}", "no key 'tokens'; the keys are none"),
            (b'{"tokens": ["a"]}', "no key 'tags'; the keys are 'tokens'"),
            (b'{"tokens": "a b", "tags": []}', "tokens: expected a list of strings, found a string"),
            (b'{"tokens": ["a", 1], "tags": []}', "tokens: expected strings, found a number at position 2"),
            (b'{"tokens": ["a"], "tags": [true]}', "tags: expected strings, found a boolean at position 1"),
            (b'{"tokens": ["a"], "tags": null}', "tags: expected a list of strings, found null"),
            (b'{"tokens": ["a"], "tags": []}', "1 tokens but 0 tags"),
            (b'{"tokens": ["a"], "tokens": ["b"], "tags": ["X"]}', "the key 'tokens' occurs twice"),
            (b'{"tokens": ["\\ud800"], "tags": ["X"]}', "tokens: half a surrogate pair at position 1"),
            (b'{"tokens": ["a", ""], "tags": ["X", "X"]}', "tokens: empty string at position 2"),
            (b'{"tokens": ["a"], "tags": ["X"], "p": NaN}', "NaN is not a JSON number"),
            (b'{"tokens": ["a"], "tags": ["X"], "p": -Infinity}', "-Infinity is not a JSON number"),
            (b'{"tokens": ["a"], "tags": [" "]}', "empty tag"),
            (b'{"tokens": ["\xe9"], "tags": ["X"]}', "not UTF-8"),
            (b"[" * 200_000, "nested too deeply"),
            (b'{"tokens": ["a"], "tags": ["X"], "n": ' + b"1" * 5000 + b"}", "not usable JSON"),
        ],
    )
    def test_bad_rows_are_located(self, line: bytes, message: str) -> None:
        with pytest.raises(DataError, match=rf"^<stdin>:2: .*{message}"):
            list(read_jsonl(stream(b"\n" + line)))

    def test_tags_must_be_of_the_scheme(self) -> None:
        with pytest.raises(DataError, match=r"^<stdin>:1: 'X' is no tag of scheme BIO"):
            list(read_jsonl(stream('{"tokens": ["a"], "tags": ["X"]}'), scheme="BIO"))

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingInputError, match=r"no such file$"):
            list(read_jsonl(tmp_path / "none.jsonl"))


strings = st.text(min_size=1)  # hypothesis leaves surrogates out


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    tokens = tuple(draw(st.lists(strings, max_size=5)))
    size = len(tokens)
    tags = draw(st.lists(strings.filter(lambda tag: tag.strip(" \t") != ""), min_size=size, max_size=size))
    confidence = draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    return Prediction(tokens=tokens, tags=tuple(tags), spans=(), confidence=tuple(confidence))


class TestFormatJsonl:
    @given(st.lists(predictions(), max_size=3))
    def test_round_trip(self, written: list[Prediction]) -> None:
        text = "".join(map(format_jsonl, written))
        assert text.count("\n") == len(written)
        read = [(s.tokens, s.tags) for s in read_jsonl(stream(text))]
        assert read == [(prediction.tokens, prediction.tags) for prediction in written]

    def test_all_keys(self) -> None:
        prediction = Prediction(
            tokens=("Zoë", "sings"),
            tags=("B-PER", "O"),
            spans=(Span(start=0, end=1, label="PER", confidence=0.123456), Span(start=0, end=2, label="X")),
            confidence=(0.98765, 1.0),
            offsets=((0, 3), (4, 9)),
            sentence_starts=(0,),
        )
        line = format_jsonl(prediction)
        assert "Zoë" in line
        assert json.loads(line) == {
            "tokens": ["Zoë", "sings"],
            "tags": ["B-PER", "O"],
            "confidence": [0.9877, 1.0],
            "spans": [
                {"start": 0, "end": 1, "label": "PER", "confidence": 0.1235},
                {"start": 0, "end": 2, "label": "X", "confidence": None},
            ],
            "offsets": [[0, 3], [4, 9]],
        }

    def test_no_offsets_no_key(self) -> None:
        line = format_jsonl(Prediction(tokens=(), tags=(), spans=(), confidence=()))
        assert line == '{"tokens": [], "tags": [], "confidence": [], "spans": []}\n'

    def test_what_no_file_can_hold_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"token 1 .*surrogate"):
            format_jsonl(Prediction(tokens=("\ud800",), tags=("X",), spans=(), confidence=(1.0,)))
        with pytest.raises(ValueError, match=r"not JSON compliant"):
            format_jsonl(Prediction(tokens=("a",), tags=("X",), spans=(), confidence=(float("nan"),)))

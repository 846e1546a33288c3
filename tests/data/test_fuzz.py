"""The readers on bytes that nobody meant: sentences or a located DataError, and never anything else.

Seeded: a failure names the number that makes it again. `TAGGER_FUZZ=20000` runs so many of each kind.
"""

import gzip
import io
import os
import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tagger.data.columns import read_conll
from tagger.data.conllu import read_conllu
from tagger.data.rows import read_jsonl
from tagger.data.vectors import read_vectors
from tagger.errors import DataError
from tagger.sentence import Sentence

NUM_CASES = int(os.environ.get("TAGGER_FUZZ", "3000"))

_CONLL = "-DOCSTART- -X- O\n\nEU\tNNP\tB-ORG\nr\u00e9jects\tVBZ\tO\n\t\n\u200b\tX\tO\n# c\tX\tI-ORG\n"
_CONLLU = (
    "# text = d\u00e9j\u00e0 vu\n1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\t_\tADP\tP\t_\t_\t_\t_\tNER=O|SpaceAfter=No\n"
    "2\tle 10\t_\tDET\tD\t_\t_\t_\t_\tNER=B-X\n2.1\te\t_\t_\t_\t_\t_\t_\t_\t_\n\n1\ta\t_\tX\tY\t_\t_\t_\t_\t_\n\n"
)
_JSONL = (
    '{"tokens": ["EU", "2020-01-01", "\\ud83d\\ude00"], "tags": ["B-X", "O", "O"], "n": [1.5e3, null, true, {}]}\n'
    '{"tags": [], "tokens": []}\n\n{"tokens": ["\u2028"], "tags": ["I-X"]}\n'
)
_VECTORS = "3 2\nthe 1 -2.5e-3\nNew York 0.5 .25\n\u00e9 +1. 3\n"
_PIECES = [
    *(bytes([value]) for value in b'\0\t\n\r "\\#-.0123456789:[]{},|=_aBIOX\x1f\x7f'),
    *(
        "\ufeff",
        "\u2028",
        "\u0085",
        "\u00a0",
        "\u200b",
        "\U0001f600",
        "nan",
        "1e999",
        "B-X",
        "I-",
        "-DOCSTART-",
        "NER=",
    ),
    *(b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\x1f\x8b\x08\0", b"\r\n", b"\\ud800", b"[" * 2000, b"1" * 5000),
]
_PIECES = [piece.encode() if isinstance(piece, str) else piece for piece in _PIECES]

Read = Callable[[io.BufferedReader], Iterator[Sentence]]
READERS: dict[str, tuple[str, list[Read]]] = {
    "conll": (
        _CONLL,
        [
            read_conll,
            partial(read_conll, scheme="BIO", delimiter="tab", comments="# ", unknown="_"),
            partial(read_conll, tokens="EU", tags="B-ORG", header=True, delimiter="space"),
            partial(read_conll, tokens=-1, tags=None),
        ],
    ),
    "conllu": (
        _CONLLU,
        [
            read_conllu,
            partial(read_conllu, tags="XPOS", unknown="_", known_only=True),
            partial(read_conllu, tags="NER", scheme="BIOES"),
            partial(read_conllu, tags=None),
        ],
    ),
    "jsonl": (
        _JSONL,
        [read_jsonl, partial(read_jsonl, scheme="BIO", unknown=""), partial(read_jsonl, tokens="tags", tags=None)],
    ),
}


def mutate(valid: bytes, chance: random.Random) -> bytes:
    """A file that is nearly the valid one."""
    data = bytearray(valid)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 3, 30)))
        kind = chance.randrange(6)
        if kind == 0:
            data[start:end] = b""
        elif kind == 1:
            data[start:start] = data[end : end + chance.randrange(60)]
        elif kind == 2 and start < len(data):
            data[start] ^= 1 << chance.randrange(8)
        elif kind == 3:
            data[start:end] = chance.randbytes(chance.randrange(4))
        else:
            data[start:end] = chance.choice(_PIECES)
    return bytes(data)


def invent(chance: random.Random) -> bytes:
    """Any bytes, or what files are made of in any order."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(40))
    return b"".join(chance.choices(_PIECES, k=chance.randrange(30)))


def cases(valid: str, seed: str, count: int) -> Iterator[tuple[str, bytes]]:
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        data = mutate(valid.encode(), chance) if chance.random() < 0.7 else invent(chance)
        if chance.random() < 0.1:
            data = gzip.compress(data, mtime=0)
            data = mutate(data, chance) if chance.random() < 0.7 else data
        yield f"{seed}/{number}: {data!r}", data


def check_message(message: str, case: str, name: str) -> None:
    assert re.match(rf"{re.escape(name)}(:\d+)?: .", message), (case, message)
    assert message.isprintable(), (case, message)
    assert len(message) < 3000, (case, message)


@pytest.mark.parametrize("form", READERS)
def test_sentences_or_a_located_error(form: str) -> None:
    valid, readers = READERS[form]
    outcomes = {"read": 0, "refused": 0}
    for case, data in cases(valid, form, NUM_CASES):
        for read in readers:
            try:
                sentences = list(read(io.BufferedReader(io.BytesIO(data))))  # type: ignore[arg-type]
            except DataError as error:
                outcomes["refused"] += 1
                check_message(str(error), case, "<stdin>")
            except Exception as error:
                raise AssertionError(case) from error
            else:
                outcomes["read"] += 1
                for sentence in sentences:
                    assert all(sentence.tokens), case
                    assert sentence.tags is None or len(sentence.tags) == len(sentence.tokens), case
                    assert re.fullmatch(r"<stdin>:\d+", str(sentence.source)), case
    assert min(outcomes.values()) > NUM_CASES // 10, outcomes  # else the cases would say little


def test_vectors_or_a_located_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "v.txt"
    read, count = 0, NUM_CASES // 20  # files, which take longer
    for case, data in cases(_VECTORS, "vectors", count):
        path.write_bytes(data)
        try:
            found = read_vectors(path, 2, lowercase=True)
        except DataError as error:
            check_message(str(error), case, str(path))
        except Exception as error:
            raise AssertionError(case) from error
        else:
            read += 1
            assert found.vectors.shape == (len(found.words), 2), case
            assert abs(found.vectors).max() < float("inf"), case
    assert read > count // 20

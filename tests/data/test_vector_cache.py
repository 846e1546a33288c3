"""The cache of parsed vectors: never stale, never damaged, never in the way."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tagger.data import vector_cache, vectors
from tagger.data.vectors import read_vectors
from tagger.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tagger" / "vectors"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "v.txt"
    file.write_text("a 1 2\nB 3 4\nb 5 6\n", encoding="utf-8")
    return file


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were parsed, and not taken from the cache."""
    seen: list[Path] = []
    real = vectors._parse_file

    def note(path: Path, dim: int) -> Iterator[vector_cache.Block]:
        seen.append(path)
        return real(path, dim)

    monkeypatch.setattr(vectors, "_parse_file", note)
    return seen


def read(path: Path) -> dict[str, list[float]]:
    found = read_vectors(path, 2)
    return dict(zip(found.words, found.vectors.tolist(), strict=True))


def test_a_file_is_parsed_once(path: Path, cache: Path, parsed: list[Path]) -> None:
    first = read(path)
    assert [read(path), read(path)] == [first, first] == [{"a": [1, 2], "B": [3, 4], "b": [5, 6]}] * 2
    assert read_vectors(path, 2, lowercase=True).words == ["a", "b"]  # one entry serves both
    assert parsed == [path]
    copy = path.with_name("other.txt")
    copy.write_bytes(path.read_bytes())
    assert read(copy) == first  # the content counts, not the name
    assert parsed == [path]
    assert len(list(cache.iterdir())) == 1


def test_new_content_under_the_old_time(path: Path, parsed: list[Path]) -> None:
    read(path)
    times = path.stat()
    path.write_text("a 1 2\nB 3 4\nb 5 7\n", encoding="utf-8")  # as long as before
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read(path)["b"] == [5, 7]
    assert len(parsed) == 2


def test_another_files_name(path: Path, tmp_path: Path) -> None:
    """torchtext finds its cache by the file's name alone."""
    read(path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / path.name).write_text("a 8 9\n", encoding="utf-8")
    assert read(tmp_path / "b" / path.name) == {"a": [8, 9]}


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "tail"])
def test_a_damaged_entry_is_made_anew(path: Path, cache: Path, parsed: list[Path], damage: str) -> None:
    first = read(path)
    (entry,) = cache.iterdir()
    sound = entry.read_bytes()
    middle = len(sound) // 2
    spoilt = {
        "flip": sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :],
        "cut": sound[:-40],
        "empty": b"",
        "tail": sound + b"x",
    }[damage]
    entry.write_bytes(spoilt)
    assert read(path) == first
    assert len(parsed) == 2
    assert entry.read_bytes() == sound


def test_an_error_leaves_nothing_behind(path: Path, cache: Path) -> None:
    path.write_text("a 1 2\nb 1\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(DataError, match=r"v\.txt:2: "):
            read(path)
    assert list(cache.iterdir()) == []


def test_without_a_cache(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read(path) == {"a": [1, 2], "B": [3, 4], "b": [5, 6]}


def test_a_file_that_changes_while_it_is_read(path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is not kept under the hash of what had been there."""
    hashes = iter(["before", "after"])
    monkeypatch.setattr(vector_cache, "hash_file", lambda _: next(hashes))
    assert read(path) == {"a": [1, 2], "B": [3, 4], "b": [5, 6]}
    assert list(cache.iterdir()) == []


def test_through_a_pipe(path: Path) -> None:
    pipe = path.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a 1 2\n",))
    writer.start()
    assert read(pipe) == {"a": [1, 2]}
    writer.join()


def test_what_is_wanted_alone_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_BLOCK_ROWS", 2)
    rows = 1000
    lines = (f"w{row} {row} 0.5\n" for row in range(rows))
    path.write_text("".join(lines) + "w7 8 8\n", encoding="utf-8")
    found = read_vectors(path, 2, wanted={"w7", "w999", "not there"})
    assert (found.words, found.vectors.tolist()) == (["w7", "w999"], [[7, 0.5], [999, 0.5]])
    assert found.num_rows == rows + 1
    assert found.vectors.dtype == np.float32
    assert found.vectors.base is None or found.vectors.base.nbytes == found.vectors.nbytes  # no view of the whole
    with pytest.raises(DataError, match=r"of its 1,001 words none occurs in the data"):
        read_vectors(path, 2, wanted={"x"})

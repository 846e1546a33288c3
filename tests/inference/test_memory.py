"""Memory handed back: harmless wherever it runs."""

import ctypes
from collections.abc import Iterator

import pytest

from tagger.inference import memory
from tagger.inference.memory import release_memory


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    memory._find_trim.cache_clear()
    yield
    memory._find_trim.cache_clear()


def test_it_harms_nothing_in_use() -> None:
    blocks = [bytearray(b"x" * size) for size in range(1, 5000, 7)]
    kept = blocks[::2]
    del blocks
    release_memory()
    assert all(block == b"x" * len(block) for block in kept)


def test_it_asks_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Library:
        malloc_trim = asked.append

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    release_memory()
    release_memory()
    assert asked == [0, 0]


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_without_such_a_function_it_does_nothing(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    looked: list[object] = []

    def fail(name: object) -> None:
        looked.append(name)
        raise error("no such thing")

    monkeypatch.setattr(ctypes, "CDLL", fail)
    release_memory()
    release_memory()
    assert looked == [None]  # looked for once, and that is that

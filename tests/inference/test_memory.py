"""Memory handed back, and no search for garbage: harmless wherever it runs."""

import ctypes
import gc
from collections.abc import Iterator

import pytest

from tagger.inference import memory
from tagger.inference.memory import no_garbage_search, release_memory


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


class TestNoGarbageSearch:
    @pytest.mark.parametrize("enabled", [True, False])
    def test_ends_as_it_was(self, enabled: bool) -> None:
        before = gc.isenabled()
        (gc.enable if enabled else gc.disable)()
        try:
            with no_garbage_search():
                assert not gc.isenabled()
                with pytest.raises(ValueError, match="inner"), no_garbage_search():
                    raise ValueError("inner")
                assert not gc.isenabled()  # the last one that leaves puts it back
            assert gc.isenabled() == enabled
        finally:
            (gc.enable if before else gc.disable)()

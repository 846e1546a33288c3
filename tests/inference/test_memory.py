"""Memory kept or handed back, and no search for garbage: harmless wherever it runs."""

import ctypes
import gc
import os
import platform
from collections.abc import Iterator

import pytest
import torch

from tagger.config import TrainingConfig
from tagger.inference import memory
from tagger.inference.memory import keeping_memory, no_garbage_search, release_memory
from tagger.training.hardware import accelerating


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    memory._find.cache_clear()
    yield
    memory._find.cache_clear()


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


class TestKeepingMemory:
    @pytest.mark.skipif(
        platform.libc_ver()[0] != "glibc" or platform.machine() != "x86_64", reason="needs glibc's allocator in torch"
    )
    def test_what_is_freed_is_not_taken_from_the_system_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = pytest.importorskip("resource")

        def count_faults() -> int:
            return usage.getrusage(usage.RUSAGE_SELF).ru_minflt  # type: ignore[no-any-return]

        def fill() -> None:
            held = [torch.ones(5_000_000) for _ in range(10)]  # 20 MB each: more than glibc keeps by itself
            assert held

        self._forget_settings(monkeypatch)
        with keeping_memory():
            for _ in range(3):
                fill()
            before = count_faults()
            for _ in range(10):
                fill()
            assert count_faults() - before < 48_830  # pages: those of one time

    def test_it_is_set_as_man_mallopt_says_and_memory_handed_back_at_the_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self._watch(monkeypatch, is_granted=True)
        with keeping_memory():
            assert asked == [(-3, 32 << 20), (-1, -1)]
        assert asked[2:] == [(-1, 64 << 20), (0,)]

    def test_training_keeps_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self._watch(monkeypatch, is_granted=True)
        with accelerating(torch.device("cpu"), TrainingConfig()):
            assert (-1, -1) in asked

    def test_refused_nothing_else_is_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self._watch(monkeypatch, is_granted=False)
        with keeping_memory():
            pass
        assert asked == [(-3, 32 << 20)]

    @pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_ARENA_MAX"])
    def test_what_the_user_has_set_stays(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        asked = self._watch(monkeypatch, is_granted=True)
        monkeypatch.setenv(name, "2")
        with keeping_memory():
            pass
        assert asked == []

    def test_without_such_a_function_it_does_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
        with keeping_memory():
            assert bool((torch.ones(3) == 1).all())

    def _watch(self, monkeypatch: pytest.MonkeyPatch, *, is_granted: bool) -> list[tuple[int, ...]]:
        """What glibc is asked from now on."""
        asked: list[tuple[int, ...]] = []

        def answer(*given: int) -> int:
            asked.append(given)
            return int(is_granted)

        class Library:
            mallopt = staticmethod(answer)
            malloc_trim = staticmethod(answer)

        self._forget_settings(monkeypatch)
        monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
        return asked

    def _forget_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))]:
            monkeypatch.delenv(name)


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

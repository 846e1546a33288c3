"""Memory while work goes on: kept from step to step or handed back to the system, and not searched for garbage."""

import ctypes
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# of `man mallopt`
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 32 << 20  # bytes: glibc maps larger pieces one by one, whatever it is told
_NEVER = -1

_lock = threading.Lock()  # of what follows: the collector belongs to the whole process
_num_pauses = 0
_was_enabled = False


@contextmanager
def no_garbage_search() -> Iterator[None]:
    """Pauses Python's search for cycles: for a window's worth of objects, none of which is part of one.

    Answers are many small objects, so that the collector would search all that the program holds every few thousand
    sentences, which in a process with a corpus in memory took as long as tagging them.
    """
    global _num_pauses, _was_enabled
    with _lock:
        if _num_pauses == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _num_pauses += 1
    try:
        yield
    finally:
        with _lock:
            _num_pauses -= 1
            if _num_pauses == 0 and _was_enabled:
                gc.enable()


def release_memory() -> None:
    """Hands freed memory back to the system where the C library can; does nothing elsewhere.

    Batches of ever different shapes leave holes that glibc keeps, so a long stream's memory would grow without end.
    """
    trim = _find("malloc_trim")
    if trim is not None:
        trim(0)


@contextmanager
def keeping_memory() -> Iterator[None]:
    """Freed memory stays with the process, where glibc lets it: for training, whose steps take as much each time.

    Otherwise glibc hands pieces of some megabytes back, and the system clears them again page by page. It cannot say
    how it is set: at the end, which the first of several runs at once makes for all, it is set to the most it could
    have come to by itself. Whoever sets glibc's allocator in the environment knows better, and is left alone.
    """
    set_option = None if _is_set_by_user() else _find("mallopt")
    if set_option is None or not set_option(_MMAP_THRESHOLD, _LARGEST_THRESHOLD):
        yield
        return
    set_option(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        set_option(_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD)
        release_memory()


def _is_set_by_user() -> bool:
    return "GLIBC_TUNABLES" in os.environ or any(name.startswith("MALLOC_") for name in os.environ)


@cache
def _find(name: str) -> Any:
    """A function of glibc's allocator, or None."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # musl, macOS and Windows have none
        return None

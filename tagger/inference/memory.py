"""Memory while prediction goes on: handed back to the system, and not searched for garbage at each turn."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

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
    trim = _find_trim()
    if trim is not None:
        trim(0)


@cache
def _find_trim() -> Any:
    """glibc's `malloc_trim`, or None."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS and Windows have none
        return None

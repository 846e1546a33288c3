"""Memory handed back to the system while prediction goes on."""

import ctypes
from functools import cache
from typing import Any


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

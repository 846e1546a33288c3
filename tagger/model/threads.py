"""How many threads torch computes in, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[int]:
    """Computes in this thread alone; yields how many torch was set to, which are set again at the end.

    The setting is this thread's, and that of threads which use torch for the first time meanwhile: they keep it.
    """
    num_threads = torch.get_num_threads()
    if num_threads == 1:
        yield 1
        return
    torch.set_num_threads(1)
    try:
        yield num_threads
    finally:
        torch.set_num_threads(num_threads)

"""Batches of a window side by side, one to a core."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_on_cores(work: Callable[[_Item], _Result], items: Sequence[_Item], *, device: torch.device) -> list[_Result]:
    """`work` of each item, in order; on a CPU on as many threads as torch is set to use, one to each.

    A step of an LSTM is too short to be shared out: two threads on two batches do more than two threads on each step.
    A thread that begins elsewhere in the process meanwhile finds torch set to one thread.

    Raises:
        Exception: that of the first item whose work failed; what had not begun by then is left undone.
    """
    num_threads = torch.get_num_threads()
    if device.type != "cpu" or min(num_threads, len(items)) < 2:
        return [work(item) for item in items]
    pool = ThreadPoolExecutor(min(num_threads, len(items)), thread_name_prefix="tagger")
    torch.set_num_threads(1)  # of this thread and of those that begin from now on
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(num_threads)

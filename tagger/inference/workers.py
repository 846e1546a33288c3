"""Batches of a window side by side, one to a core."""

from collections.abc import Callable, Sequence
from threading import Thread
from typing import TypeVar

import torch

from tagger.model.threads import one_thread

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_on_cores(work: Callable[[_Item], _Result], items: Sequence[_Item], *, device: torch.device) -> list[_Result]:
    """`work` of each item, in order; on a CPU on as many threads as torch is set to use.

    A step of an LSTM is too short to be shared out: two threads on two batches do more than two threads on each step.
    So torch computes each item in one thread, also where there is but one, and no result depends on how many there are.

    Raises:
        BaseException: that of the first item whose work failed, or an interrupt; what had not begun is left undone.
    """
    if device.type != "cpu":
        return [work(item) for item in items]
    with one_thread() as num_threads:
        return _share_out(work, items, num_threads=num_threads)


def _share_out(work: Callable[[_Item], _Result], items: Sequence[_Item], *, num_threads: int) -> list[_Result]:
    # threads of our own, for a pool of `concurrent.futures` takes no work once the main thread has ended
    results: dict[int, _Result] = {}
    failures: dict[int, BaseException] = {}
    places = iter(range(len(items)))

    def go_on() -> None:
        for place in places:
            if failures:
                return
            try:
                results[place] = work(items[place])
            except BaseException as error:  # noqa: BLE001 it is raised below, in the thread that asked
                failures[place] = error
                return

    helpers: list[Thread] = []
    try:
        for _ in range(min(num_threads, len(items)) - 1):
            helper = Thread(target=go_on, name="tagger", daemon=True)
            helper.start()
            helpers.append(helper)
    except RuntimeError:  # the interpreter is ending, or there are too many threads: those that are there do it all
        pass
    go_on()
    try:
        for helper in helpers:
            if any(not isinstance(error, Exception) for error in failures.values()):
                break  # an interrupt waits for nobody
            helper.join()
    except BaseException as error:  # noqa: BLE001 an interrupt, raised below
        failures[-1] = error  # nobody begins anything more
    if failures:
        raise failures[min(failures)]
    return [results[place] for place in range(len(items))]

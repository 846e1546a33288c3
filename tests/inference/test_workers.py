"""Work on several cores against the same work on one."""

import subprocess
import sys
import threading

import pytest
import torch

from tagger.inference.workers import map_on_cores

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 4])
def num_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_results_come_in_order_from_one_torch_thread_each(num_threads, size):
    seen = []

    def work(item):
        seen.append(torch.get_num_threads())
        return item * item

    assert map_on_cores(work, range(size), device=CPU) == [item * item for item in range(size)]
    assert torch.get_num_threads() == num_threads
    assert seen == [1] * size


def test_several_work_at_once(num_threads):
    together = threading.Barrier(num_threads, timeout=30)
    map_on_cores(lambda _: together.wait(), range(num_threads), device=CPU)  # breaks if they come one by one


def test_the_first_failure_comes_out_and_what_had_not_begun_is_left(num_threads):
    begun = []

    def work(item):
        begun.append(item)
        raise ValueError(item)

    with pytest.raises(ValueError, match=r"^0$"):
        map_on_cores(work, range(100), device=CPU)
    assert len(begun) < 100
    assert torch.get_num_threads() == num_threads


def test_on_a_gpu_work_stays_in_one_thread(num_threads):
    names = map_on_cores(lambda _: threading.current_thread().name, range(3), device=torch.device("cuda"))
    assert set(names) == {threading.current_thread().name}


def test_an_interrupt_waits_for_nobody(num_threads):
    release, begun = threading.Event(), []

    def work(item):
        begun.append(item)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        release.wait(timeout=30)

    with pytest.raises(KeyboardInterrupt):
        map_on_cores(work, range(100), device=CPU)
    release.set()
    assert torch.get_num_threads() == num_threads
    assert len(begun) <= num_threads


def test_goes_on_in_one_thread_where_there_can_be_no_more(num_threads, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert map_on_cores(lambda item: item + 1, range(5), device=CPU) == [1, 2, 3, 4, 5]


def test_works_in_a_thread_that_outlives_the_main_one():
    code = """
import threading, time, torch
from tagger.inference.workers import map_on_cores
torch.set_num_threads(2)
def late():
    time.sleep(0.3)
    print(map_on_cores(lambda item: item + 1, range(3), device=torch.device("cpu")))
threading.Thread(target=late).start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[1, 2, 3]\n", "")

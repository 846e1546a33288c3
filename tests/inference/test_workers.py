"""Work on several cores against the same work on one."""

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
def test_results_come_in_order_and_threads_are_put_back(num_threads, size):
    seen = []

    def work(item):
        seen.append(torch.get_num_threads())
        return item * item

    assert map_on_cores(work, range(size), device=CPU) == [item * item for item in range(size)]
    assert torch.get_num_threads() == num_threads
    assert seen == [num_threads if size < 2 else 1] * size  # several at once: one thread each


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

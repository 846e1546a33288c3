"""What a run asks of the machine: precision, seed, threads, memory; put back when it ends, as far as each can be."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState

from tagger.config import TrainingConfig
from tagger.evaluation.numbers import format_count
from tagger.inference.device import has_bf16
from tagger.inference.memory import keeping_memory


@contextmanager
def accelerating(device: torch.device, settings: TrainingConfig) -> Iterator[Accelerator]:
    """An Accelerator for one run, which keeps the memory that its steps free.

    accelerate keeps device and precision of a process's first Accelerator for all that follow. The next run may want
    others, and the caller may have an Accelerator of its own: what was kept is put aside, and put back at the end.

    Args:
        device: where the run computes.
        settings: the config's section.
    """
    shared = [state._shared_state for state in (PartialState, AcceleratorState, GradientState)]
    before = [dict(state) for state in shared]
    for state in shared:
        state.clear()
    try:
        precision = "bf16" if choose_precision(device, settings) == "bf16" else "no"
        with keeping_memory():
            yield Accelerator(mixed_precision=precision, cpu=device.type == "cpu")
    finally:
        for state, kept in zip(shared, before, strict=True):
            state.clear()
            state.update(kept)


def describe_device(device: torch.device) -> str:
    """`cpu, 2 threads`, or the GPU's name."""
    if device.type == "cpu":
        return f"cpu, {format_count(torch.get_num_threads(), 'thread')}"
    return torch.cuda.get_device_name(device)


def describe_machine() -> str:
    """`linux x86_64, 8 CPUs`."""
    return f"{sys.platform} {platform.machine()}, {format_count(os.cpu_count() or 1, 'CPU')}"


def choose_precision(device: torch.device, settings: TrainingConfig) -> str:
    """fp32 or bf16: what the settings say, where `auto` takes bf16 if the hardware computes in it."""
    if settings.precision == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    return settings.precision


@contextmanager
def seeded(settings: TrainingConfig) -> Iterator[None]:
    """Seeds torch, and sets its threads for as long as the run lasts."""
    threads = torch.get_num_threads()
    torch.manual_seed(settings.seed)
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

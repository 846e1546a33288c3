"""Where to compute: the device that a name means, and how exactly it computes."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import torch

from tagger.errors import ConfigError

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")

_FLAGS = threading.Lock()  # cuDNN's flags belong to the whole process


def pick_device(name: str, *, key: str = "device") -> torch.device:
    """The device a name means.

    Args:
        name: auto, cpu, cuda or cuda:N.
        key: the setting to name in the error.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if name != "cpu" and device.type != "cuda":
        raise ConfigError(f"{key}: no device {name!r}: one of auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"{key}: {name}: there are {torch.cuda.device_count()} CUDA devices here; try cpu or auto")
    return device


def computing(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Within it, matrix products are computed in float32 to its last bit, or in bfloat16, with 8 bits of mantissa."""
    if precision == "fp32":
        return full_float32(device)
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Computes float32 in float32: by default cuDNN's LSTM and convolutions round to TF32, with 10 bits of mantissa.

    On CUDA, one thread at a time.
    """
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    with (
        _FLAGS,
        cudnn.flags(
            enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
        ),
    ):
        yield

"""Where to compute: the device that a name means, and how exactly it computes."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, cast, get_args

import torch

from tagger.errors import ConfigError

Precision = Literal["fp32", "bf16", "int8"]

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


def pick_precision(name: str, device: torch.device, *, key: str = "precision") -> Precision:
    """The precision of prediction that a name means, where `auto` is bf16 if the hardware computes in it, else fp32.

    Args:
        name: auto, fp32, bf16 or int8.
        device: where to compute.
        key: the setting to name in the error.

    Raises:
        ConfigError: there is no such precision, or not on this device.
    """
    if name == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    if name not in get_args(Precision):
        raise ConfigError(f"{key}: expected one of auto, {', '.join(get_args(Precision))}, got {name!r}")
    if name == "int8" and device.type != "cpu":
        raise ConfigError(f"{key}: int8 is for CPUs; on {device}, take bf16")
    return cast(Precision, name)


def has_bf16(device: torch.device) -> bool:
    """Whether it multiplies bfloat16 by itself, which is when that is faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def has_int8() -> bool:
    """Whether the CPU multiplies 8-bit integers by itself; one that is not x86 does not tell, and is believed to."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities.get("architecture") != "x86_64":
        return True
    return any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "avx_vnni_int8"))


def warn_of_precision(precision: Precision, device: torch.device) -> str | None:
    """One line where a precision is slower than float32 there, up to fifteen times (docs/benchmarks.md); else None."""
    if precision == "fp32" or (has_bf16(device) if precision == "bf16" else has_int8()):
        return None
    return f"precision {precision}: {device} has no instructions for it, so that fp32 is faster here, often many times"


def computing(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Within it, floats are multiplied in float32 to its last bit, or in bfloat16, with 8 bits of mantissa."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return full_float32(device)


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

"""Where to compute: the device that a name means."""

import torch

from tagger.errors import ConfigError


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

"""`model.safetensors` of a model folder: weights, checked against the network that they are for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tagger.errors import ModelError
from tagger.manifests import MIB, shorten

MAX_HEADER = 2 * MIB  # bytes that describe the weights; a network of 1,000 layers needs less than one


class WithoutInitialisation(TorchFunctionMode):
    """Within it, `torch.nn.init` leaves weights as memory happens to be: for a network whose weights are to be read."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls the function, unless it is one that draws."""
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def parse_weights(content: bytes, *, path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name; a ModelError that names `path` if it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelError(f"{path}: not a safetensors file: {shorten(error)}") from error
    return weights


def check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, path: Path) -> None:
    """Raises a ModelError unless the weights have the names, shapes and types expected, and are finite.

    Args:
        weights: what was read.
        expected: what the network has.
        path: what to name in messages.
    """
    odd = sorted(set(weights) ^ set(expected))
    if odd:
        fault = "is missing" if odd[0] in expected else "is too much"
        raise ModelError(f"{path}: does not fit the config: {shorten(odd[0])} {fault} ({len(odd)} such)")
    for name, value in weights.items():
        if value.shape != expected[name].shape or value.dtype != expected[name].dtype:
            came, wanted = (f"{tuple(weight.shape)} {weight.dtype}" for weight in (value, expected[name]))
            raise ModelError(f"{path}: {name}: expected {wanted}, found {shorten(came)}")
        # The least and the greatest are not finite where any is not, NaN included, and one pass finds them.
        if value.numel() and not torch.isfinite(torch.stack(torch.aminmax(value))).all():
            raise ModelError(f"{path}: {name}: holds numbers that are not finite")

"""Dropout whose random numbers cost a CPU a sixth of torch's or less: 16 bits a number, not a Bernoulli draw each.

Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting". torch draws each number's
fate on a CPU one after the other, about 10 ns each, which was a sixth of a whole training step.
"""

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor, nn

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """Sets each number to 0 with probability p in training and scales the others so that the expectation stays.

    On a CPU, p is rounded to a multiple of 2**-16, and the scale is that of the rounded p. Elsewhere it is torch's own.

    Args:
        p: probability in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not self.training or self.p == 0:
            return values
        if values.device.type != "cpu":
            return F.dropout(values, self.p)
        num_dropped = min(round(self.p * _LEVELS), _LEVELS - 1)  # of the 65,536 values a random number can have
        scale = _LEVELS / (_LEVELS - num_dropped)
        drawn = _random_int16(values.shape).to(torch.promote_types(values.dtype, torch.float32))
        # 0 below the first number that is kept, the scale from there on: torch's comparisons are slower than sums
        kept = drawn.sub_(num_dropped - _LEVELS // 2 - 1).clamp_(0, 1).mul_(scale)
        return values * kept.to(values.dtype)

    def extra_repr(self) -> str:
        """What `print(network)` says of it."""
        return f"p={self.p}"


def _random_int16(shape: torch.Size) -> Tensor:
    """Uniform over all 65,536 values, from torch's CPU generator: four to a 64-bit draw."""
    size = shape.numel()
    drawn = torch.empty((size + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return drawn.view(torch.int16)[:size].view(shape)

"""The negative log-likelihood of a CRF with its gradient, and the score of one tag sequence; letters as in `crf`."""

from typing import Any

import torch
from torch import Tensor

from tagger.model.lattice import Potentials, sum_paths


class NegativeLogLikelihood(torch.autograd.Function):
    """The summed loss, with its gradient by forward-backward instead of autograd through the loop.

    d loss / d emission[t, j] is the probability of tag j at token t, less 1 if it is gold; likewise for the other
    scores, with expected and gold counts: Sutton & McCallum (2012), "An Introduction to Conditional Random Fields",
    section 5.1.
    """

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        start: Tensor,
        transitions: Tensor,
        end: Tensor,
        tags: Tensor,
        lengths: Tensor,
        allowed: Tensor | None,
    ) -> Tensor:
        """The loss: () nats, summed over sentences."""
        potentials = Potentials(start=start, transitions=transitions, end=end)
        ctx.lengths, ctx.dtypes = lengths, [part.dtype for part in (emissions, start, transitions, end)]
        if allowed is None:
            ctx.all_paths = sum_paths(emissions, lengths, potentials)
            ctx.gold = GoldPath(emissions, tags, lengths, potentials)
        else:  # in float64: two sums over nearly the same paths are about to be subtracted
            ctx.all_paths = sum_paths(emissions.double(), lengths, potentials)
            ctx.gold = sum_paths(emissions.double(), lengths, potentials, allowed=allowed)
        loss: Tensor = (ctx.all_paths.log_partition - ctx.gold.log_partition).sum()  # () nats, float64
        return loss.to(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of emissions, start, transitions and end."""
        # `once_differentiable` would let loss + penalty(gradient) through, and take the penalty for a constant
        if torch.is_grad_enabled():
            raise RuntimeError("the CRF's loss can be differentiated only once, so not with create_graph=True")
        with torch.autocast(gradient.device.type, enabled=False):
            return NegativeLogLikelihood._gradients(ctx, gradient)

    @staticmethod
    def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        posteriors = ctx.gold.take_from(ctx.all_paths.posteriors())  # (B, T, K), less those of gold
        counts = ctx.all_paths.transition_counts() - ctx.gold.transition_counts()  # (K, K)
        last = (ctx.lengths - 1).view(-1, 1, 1).expand(-1, 1, posteriors.size(2))
        parts = (posteriors, posteriors[:, 0].sum(dim=0), counts, posteriors.gather(1, last).sum(dim=(0, 1)))
        gradients = (part.mul_(gradient).to(dtype) for part, dtype in zip(parts, ctx.dtypes, strict=True))
        return *gradients, None, None, None


class GoldPath:
    """A lattice of one path: what `sum_paths` gives where gold is known at every token, without its loop."""

    def __init__(self, emissions: Tensor, tags: Tensor, lengths: Tensor, potentials: Potentials) -> None:
        num_steps = emissions.size(1)
        self._tags, self._num_tags = tags, emissions.size(2)
        self._dtype = emissions.dtype
        self._in_sentence = torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)  # (B, T)
        scores = emissions.gather(2, tags.unsqueeze(2)).squeeze(2).double()  # (B, T)
        scores[:, 1:] += potentials.transitions.double()[tags[:, :-1], tags[:, 1:]]
        total = torch.where(self._in_sentence, scores, 0.0).sum(dim=1)
        last = tags.gather(1, (lengths - 1).unsqueeze(1)).squeeze(1)
        self.log_partition = total + potentials.start.double()[tags[:, 0]] + potentials.end.double()[last]

    def take_from(self, posteriors: Tensor) -> Tensor:
        """Takes this path's posteriors, which are 1 at gold, from others (B, T, K), in place."""
        ones = self._in_sentence.to(posteriors.dtype).unsqueeze(2)
        return posteriors.scatter_add_(2, self._tags.unsqueeze(2), -ones)

    def transition_counts(self) -> Tensor:
        """(K, K): how often gold has tag j after tag i."""
        pairs = self._tags[:, :-1] * self._num_tags + self._tags[:, 1:]
        inside = self._in_sentence[:, 1:].flatten().to(self._dtype)
        counts = inside.new_zeros(self._num_tags**2).index_add_(0, pairs.flatten(), inside)
        return counts.view(self._num_tags, self._num_tags)

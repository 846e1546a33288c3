"""Linear-chain conditional random field: Lafferty, McCallum & Pereira (2001).

The score of a tag sequence y of n tokens is

    score(y) = start[y_0] + sum_t emission[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_(n-1)]

and its probability is `exp(score(y)) / Z`, where Z sums `exp(score)` over all sequences. `lattice` does the sums,
`viterbi` finds the best sequences, `spans` gives the probability of a whole span; here they become a module with
weights, a loss and the loss's gradient. pytorch-crf, the reference, can do the loss and the decoding instead.

Letters: B sentences, T tokens of the longest, K tags. Emissions are (B, T, K); a mask is (B, T), True at tokens, which
stand on the left. Whatever stands in padding has no effect.
"""

from typing import Any

import torch
from torch import Tensor, nn

from tagger.data.tag_table import TagTable
from tagger.model import reference
from tagger.model.checks import check_emissions, check_mask, check_tags
from tagger.model.lattice import Lattice, Potentials, sum_paths
from tagger.model.spans import span_probabilities
from tagger.model.viterbi import FORBIDDEN, best_path, best_paths

# Added to the score of what the tag scheme forbids: finite, so that gradients are too. What it forbids is decoded only
# where every legal sequence is worse by more than this.
ILLEGAL = -1e4


class LinearChainCRF(nn.Module):
    """A CRF over emissions, with pytorch-crf's three weights under their names: state dicts move either way.

    Args:
        num_tags: K.
        table: what the tag scheme allows; None where every sequence is legal.
        constrain_training: let the loss know what is illegal too, so that no probability is spent on it. Decoding and
            every probability always know.
        use_torchcrf: leave the loss and the best sequence to pytorch-crf, the reference.
    """

    illegal_start: Tensor
    illegal_transitions: Tensor
    illegal_end: Tensor

    def __init__(
        self,
        num_tags: int,
        *,
        table: TagTable | None = None,
        constrain_training: bool = False,
        use_torchcrf: bool = False,
    ) -> None:
        super().__init__()
        self.num_tags, self.table = num_tags, table
        self._constrain_training, self._use_torchcrf = constrain_training, use_torchcrf
        # drawn as pytorch-crf draws them, so that the same seed gives the same weights
        self.start_transitions = nn.Parameter(torch.empty(num_tags).uniform_(-0.1, 0.1))
        self.end_transitions = nn.Parameter(torch.empty(num_tags).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags).uniform_(-0.1, 0.1))
        self.register_buffer("illegal_start", _penalty(table, "start", (num_tags,)), persistent=False)
        self.register_buffer(
            "illegal_transitions", _penalty(table, "transitions", (num_tags, num_tags)), persistent=False
        )
        self.register_buffer("illegal_end", _penalty(table, "end", (num_tags,)), persistent=False)

    def negative_log_likelihood(
        self, emissions: Tensor, tags: Tensor, mask: Tensor, *, allowed: Tensor | None = None
    ) -> Tensor:
        """The loss: log Z less the score of gold, summed over the batch's sentences.

        Where gold is not known at every token, the loss is that of all sequences that agree with what is known: Tsuboi
        et al. (2008), "Training Conditional Random Fields Using Incomplete Annotations", equation 3.

        Args:
            emissions: (B, T, K) float32 or float64 scores.
            tags: (B, T) gold tag ids; not looked at where `allowed` is given.
            mask: (B, T) bool.
            allowed: (B, T, K) bool, the tags that agree with gold, at least one a token; None: gold is `tags`.

        Returns:
            () nats. Its gradient is exact, by forward-backward, and cannot be differentiated again.

        Raises:
            ValueError: as `check_tags` and `check_mask`; or pytorch-crf is to learn from `allowed`.
        """
        emissions, lengths = check_emissions(emissions, mask, num_tags=self.num_tags), check_mask(mask)
        if allowed is None:
            check_tags(tags, mask, num_tags=self.num_tags)
            tags = tags.masked_fill(~mask, 0)
        potentials = self._potentials(constrained=self._constrain_training)
        if self._use_torchcrf:
            if allowed is not None:
                raise ValueError("pytorch-crf cannot learn from tokens whose gold tag is not known")
            return reference.negative_log_likelihood(_fill(emissions, mask), tags, mask, potentials)
        start, transitions, end = potentials.start, potentials.transitions, potentials.end
        loss: Tensor = _NegativeLogLikelihood.apply(  # type: ignore[no-untyped-call]
            emissions, start, transitions, end, tags, lengths, allowed
        )
        return loss

    def viterbi(self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """The likeliest tag sequence of each sentence.

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            allowed: (B, T, K) bool, the tags to choose from, at least one a token; None for all.

        Returns:
            (B, T) ids, 0 where padded.
        """
        emissions, lengths = check_emissions(emissions, mask, num_tags=self.num_tags), check_mask(mask)
        if allowed is not None:
            emissions = emissions.masked_fill(~allowed, FORBIDDEN)
        if self._use_torchcrf:
            return reference.best_path(_fill(emissions, mask), mask, self._potentials().to(emissions.dtype))
        return best_path(emissions, lengths, self._potentials().to(emissions.dtype))

    def n_best(self, emissions: Tensor, mask: Tensor, *, n: int) -> tuple[Tensor, Tensor]:
        """The n likeliest tag sequences of each sentence, and how likely each is.

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            n: how many, >= 1.

        Returns:
            (B, n, T) ids, 0 where padded, the likeliest first; (B, n) float64 probabilities. Where a sentence has fewer
            than n sequences, what is missing has probability 0 and ids that mean nothing.
        """
        if n < 1:
            raise ValueError(f"n: expected a number >= 1, got {n}")
        emissions, lengths = check_emissions(emissions, mask, num_tags=self.num_tags), check_mask(mask)
        emissions, potentials = _fill(emissions, mask).detach().double(), self._potentials()
        with torch.no_grad():
            paths, scores = best_paths(emissions, lengths, potentials, n=n)
            log_partition = sum_paths(emissions, lengths, potentials).log_partition
            return paths, (scores - log_partition.unsqueeze(1)).exp().clamp(max=1.0)  # rounding alone exceeds 1

    def sum_paths(self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Lattice:
        """The sums over all sequences, or over those of `allowed` (B, T, K) tags: see `lattice`."""
        emissions = check_emissions(emissions, mask, num_tags=self.num_tags)
        return sum_paths(emissions, check_mask(mask), self._potentials(), allowed=allowed)

    def marginals(self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """The probability of each tag at each token, over all sequences: forward-backward (Rabiner, 1989).

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            allowed: (B, T, K) bool, the tags to choose from, at least one a token; None for all.

        Returns:
            (B, T, K) in the emissions' type; each token's K numbers sum to 1; uniform where padded.
        """
        posteriors = self.sum_paths(emissions, mask, allowed=allowed).posteriors()
        return posteriors.masked_fill(~mask.unsqueeze(2), 1 / self.num_tags).to(emissions.dtype)

    def span_probabilities(
        self, emissions: Tensor, mask: Tensor, spans: Tensor, *, allowed: Tensor | None = None
    ) -> Tensor:
        """The probability that each span stands exactly there with that label: see `spans`.

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            spans: (N, 4) int64: sentence, first token, token after the last, label.
            allowed: (B, T, K) bool, the tags to choose from, at least one a token; None for all.

        Returns:
            (N,) float64.
        """
        if self.table is None:
            raise ValueError("tags without a scheme spell no spans")
        lattice = self.sum_paths(emissions.double(), mask, allowed=allowed)
        return span_probabilities(lattice, spans, table=self.table)

    def _potentials(self, *, constrained: bool = True) -> Potentials:
        if not constrained or self.table is None:
            return Potentials(start=self.start_transitions, transitions=self.transitions, end=self.end_transitions)
        # in float64: beside a penalty of 1e4, float32 would keep three decimals of a weight
        return Potentials(
            start=self.start_transitions.double() + self.illegal_start,
            transitions=self.transitions.double() + self.illegal_transitions,
            end=self.end_transitions.double() + self.illegal_end,
        )


class _NegativeLogLikelihood(torch.autograd.Function):
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
        potentials = Potentials(start=start, transitions=transitions, end=end)
        ctx.lengths, ctx.dtypes = lengths, [part.dtype for part in (emissions, start, transitions, end)]
        if allowed is None:
            ctx.all_paths = sum_paths(emissions, lengths, potentials)
            ctx.gold = _GoldPath(emissions, tags, lengths, potentials)
        else:  # in float64: two sums over nearly the same paths are about to be subtracted
            ctx.all_paths = sum_paths(emissions.double(), lengths, potentials)
            ctx.gold = sum_paths(emissions.double(), lengths, potentials, allowed=allowed)
        loss: Tensor = (ctx.all_paths.log_partition - ctx.gold.log_partition).sum()  # () nats, float64
        return loss.to(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # `once_differentiable` would let loss + penalty(gradient) through, and take the penalty for a constant
        if torch.is_grad_enabled():
            raise RuntimeError("the CRF's loss can be differentiated only once, so not with create_graph=True")
        with torch.autocast(gradient.device.type, enabled=False):
            return _NegativeLogLikelihood._gradients(ctx, gradient)

    @staticmethod
    def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        posteriors = ctx.gold.take_from(ctx.all_paths.posteriors())  # (B, T, K), less those of gold
        counts = ctx.all_paths.transition_counts() - ctx.gold.transition_counts()  # (K, K)
        last = (ctx.lengths - 1).view(-1, 1, 1).expand(-1, 1, posteriors.size(2))
        parts = (posteriors, posteriors[:, 0].sum(dim=0), counts, posteriors.gather(1, last).sum(dim=(0, 1)))
        gradients = (part.mul_(gradient).to(dtype) for part, dtype in zip(parts, ctx.dtypes, strict=True))
        return *gradients, None, None, None


class _GoldPath:
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


def _fill(emissions: Tensor, mask: Tensor) -> Tensor:
    return emissions.masked_fill(~mask.unsqueeze(2), 0.0)


def _penalty(table: TagTable | None, name: str, shape: tuple[int, ...]) -> Tensor:
    penalty = torch.zeros(shape)
    return penalty if table is None else penalty.masked_fill(~getattr(table, name), ILLEGAL)

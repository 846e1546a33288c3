"""Linear-chain conditional random field: Lafferty, McCallum & Pereira (2001).

The score of a tag sequence y of n tokens is

    score(y) = start[y_0] + sum_t emission[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_(n-1)]

and its probability is `exp(score(y)) / Z`, where Z sums `exp(score)` over all sequences. `lattice` does the sums,
`viterbi` finds the best sequences, `spans` gives the probability of a whole span; here they become a module with
weights, a loss and the loss's gradient. pytorch-crf, the reference, can do the loss and the decoding instead.

Letters: B sentences, T tokens of the longest, K tags. Emissions are (B, T, K); a mask is (B, T), True at tokens, which
stand on the left. Whatever stands in padding has no effect.
"""

import torch
from torch import Tensor, nn

from tagger.data.tag_table import TagTable
from tagger.model import reference
from tagger.model.checks import check_emissions, check_mask, check_tags
from tagger.model.lattice import Lattice, Potentials, sum_paths
from tagger.model.likelihood import GoldPath, NegativeLogLikelihood
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
        loss: Tensor = NegativeLogLikelihood.apply(  # type: ignore[no-untyped-call]
            emissions, start, transitions, end, tags, lengths, allowed
        )
        return loss

    def negative_log_probability(
        self, emissions: Tensor, tags: Tensor, mask: Tensor, *, temperature: float | Tensor
    ) -> Tensor:
        """How unlikely gold is by the probabilities that are given out, illegal tags known, whatever training knows.

        Args:
            emissions: (B, T, K) float32 or float64 scores.
            tags: (B, T) gold tag ids.
            mask: (B, T) bool.
            temperature: what is fitted, > 0; the gradient of a () tensor is exact.

        Returns:
            () nats, summed over the batch's sentences.
        """
        emissions, lengths = check_emissions(emissions, mask, num_tags=self.num_tags), check_mask(mask)
        check_tags(tags, mask, num_tags=self.num_tags)
        chain = self._potentials(temperature=temperature)
        nats: Tensor = NegativeLogLikelihood.apply(  # type: ignore[no-untyped-call]
            _fill(emissions, mask) / temperature,
            chain.start,
            chain.transitions,
            chain.end,
            tags.masked_fill(~mask, 0),
            lengths,
            None,
        )
        return nats

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

    def n_best(self, emissions: Tensor, mask: Tensor, *, n: int, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """The n likeliest tag sequences of each sentence, and how likely each is.

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            n: how many, >= 1.
            temperature: of the probabilities, see `sum_paths`; no effect on which sequences they are.

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
            if temperature != 1:
                emissions, potentials = emissions / temperature, self._potentials(temperature=temperature)
                each = GoldPath(
                    emissions.repeat_interleave(n, dim=0),
                    paths.flatten(0, 1),
                    lengths.repeat_interleave(n),
                    potentials,
                )
                scores = torch.where(scores.isneginf(), scores, each.log_partition.view_as(scores))
            log_partition = sum_paths(emissions, lengths, potentials).log_partition
            return paths, (scores - log_partition.unsqueeze(1)).exp().clamp(max=1.0)  # rounding alone exceeds 1

    def sum_paths(
        self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None, temperature: float = 1.0
    ) -> Lattice:
        """The sums over all sequences, or over those of `allowed` (B, T, K) tags: see `lattice`.

        All scores that are learned are divided by the temperature: Guo et al. (2017), "On Calibration of Modern Neural
        Networks", section 4.2, with the whole sentence for a class. What is illegal stays so.
        """
        emissions = check_emissions(emissions, mask, num_tags=self.num_tags)
        chain = self._potentials(temperature=temperature)
        return sum_paths(emissions / temperature, check_mask(mask), chain, allowed=allowed)

    def marginals(
        self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None, temperature: float = 1.0
    ) -> Tensor:
        """The probability of each tag at each token, over all sequences: forward-backward (Rabiner, 1989).

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            allowed: (B, T, K) bool, the tags to choose from, at least one a token; None for all.
            temperature: see `sum_paths`.

        Returns:
            (B, T, K) in the emissions' type; each token's K numbers sum to 1; uniform where padded.
        """
        posteriors = self.sum_paths(emissions, mask, allowed=allowed, temperature=temperature).posteriors()
        return posteriors.masked_fill(~mask.unsqueeze(2), 1 / self.num_tags).to(emissions.dtype)

    def span_probabilities(
        self,
        emissions: Tensor,
        mask: Tensor,
        spans: Tensor,
        *,
        allowed: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """The probability that each span stands exactly there with that label: see `spans`.

        Args:
            emissions: (B, T, K) scores.
            mask: (B, T) bool.
            spans: (N, 4) int64: sentence, first token, token after the last, label.
            allowed: (B, T, K) bool, the tags to choose from, at least one a token; None for all.
            temperature: see `sum_paths`.

        Returns:
            (N,) float64.
        """
        if self.table is None:
            raise ValueError("tags without a scheme spell no spans")
        lattice = self.sum_paths(emissions.double(), mask, allowed=allowed, temperature=temperature)
        return span_probabilities(lattice, spans, table=self.table)

    def _potentials(self, *, constrained: bool = True, temperature: float | Tensor = 1.0) -> Potentials:
        learned = Potentials(start=self.start_transitions, transitions=self.transitions, end=self.end_transitions)
        if not constrained or (self.table is None and not isinstance(temperature, Tensor) and temperature == 1):
            return learned
        # in float64: beside a penalty of 1e4, float32 would keep three decimals of a weight
        return Potentials(
            start=learned.start.double() / temperature + self.illegal_start,
            transitions=learned.transitions.double() / temperature + self.illegal_transitions,
            end=learned.end.double() / temperature + self.illegal_end,
        )


def _fill(emissions: Tensor, mask: Tensor) -> Tensor:
    return emissions.masked_fill(~mask.unsqueeze(2), 0.0)


def _penalty(table: TagTable | None, name: str, shape: tuple[int, ...]) -> Tensor:
    penalty = torch.zeros(shape)
    return penalty if table is None else penalty.masked_fill(~getattr(table, name), ILLEGAL)

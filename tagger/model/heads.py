"""Two heads with the same five methods: loss, decode, marginals, span_probabilities, negative_log_probability.

Both work in float32 or better, whatever the precision of the emissions, and autocast does not change that.

Emissions are the network's K scores of each token, (B, T, K); the mask (B, T) is True at tokens. Where `allowed`
(B, T, K) is given, it says which tags come into question at each token, at least one. A `temperature` divides all
that is learned before it becomes probabilities (see `temperature.py`); neither loss nor decoding knows of it.
"""

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor, nn

from tagger.data.tag_table import TagTable
from tagger.model.checks import check_tags
from tagger.model.crf import LinearChainCRF
from tagger.model.lattice import Potentials, sum_paths
from tagger.model.spans import span_probabilities


class SoftmaxHead(nn.Module):
    """Each token by itself: the softmax of its emissions.

    Args:
        table: what the tags mean, for the probability of spans; None for plain tags.
        costs: (K,) nats, see `augment`; None for none.
    """

    costs: Tensor | None

    def __init__(self, *, table: TagTable | None = None, costs: Tensor | None = None) -> None:
        super().__init__()
        self._table = table
        self.register_buffer("costs", costs, persistent=False)

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """Mean negative log-likelihood of the gold tags (B, T), or of what is `allowed`: () nats per token."""
        if allowed is not None:
            scores = _widen(emissions[mask])  # (number of tokens, K)
            agreeing = scores.masked_fill(~allowed[mask], float("-inf"))
            return (torch.logsumexp(scores, dim=1) - torch.logsumexp(agreeing, dim=1)).mean()
        check_tags(tags, mask, num_tags=emissions.size(2))
        return F.cross_entropy(augment(_widen(emissions), tags, mask, costs=self.costs)[mask], tags[mask])

    def decode(self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """The likeliest tag of each token: (B, T) ids, 0 where padded."""
        return _only(emissions, allowed).argmax(dim=2).masked_fill(~mask, 0)

    def marginals(
        self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None, temperature: float = 1.0
    ) -> Tensor:
        """The probability of each tag at each token: (B, T, K), uniform where padded."""
        scores = _only(_widen(emissions) / temperature, allowed)
        return torch.softmax(scores.masked_fill(~mask.unsqueeze(2), 0.0), dim=2)

    def negative_log_probability(
        self, emissions: Tensor, tags: Tensor, mask: Tensor, *, temperature: float | Tensor
    ) -> Tensor:
        """How unlikely gold (B, T) is by the marginals: () nats, summed over tokens."""
        return F.cross_entropy(_widen(emissions)[mask] / temperature, tags[mask], reduction="sum")

    def span_probabilities(
        self,
        emissions: Tensor,
        mask: Tensor,
        spans: Tensor,
        *,
        allowed: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """The probability that each span (N, 4) stands exactly there, tokens being independent: (N,) float64.

        The same sum as `CRFHead`'s, over a chain whose transitions all score 0.
        """
        if self._table is None:
            raise ValueError("tags without a scheme spell no spans")
        nothing = emissions.new_zeros(emissions.size(2))
        chain = Potentials(start=nothing, transitions=nothing.expand(len(nothing), -1), end=nothing)
        scores = emissions.double() / temperature
        return span_probabilities(sum_paths(scores, mask.sum(dim=1), chain, allowed=allowed), spans, table=self._table)


class CRFHead(nn.Module):
    """The whole sentence at once: a linear-chain CRF over the emissions.

    Args:
        num_tags: K.
        table: what the tag scheme allows; None for plain tags.
        constrain_training: let the loss know what is illegal too.
        use_torchcrf: leave loss and decoding to pytorch-crf.
        costs: (K,) nats, see `augment`; None for none.
    """

    costs: Tensor | None

    def __init__(
        self,
        num_tags: int,
        *,
        table: TagTable | None = None,
        constrain_training: bool = False,
        use_torchcrf: bool = False,
        costs: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.crf = LinearChainCRF(
            num_tags, table=table, constrain_training=constrain_training, use_torchcrf=use_torchcrf
        )
        self.register_buffer("costs", costs, persistent=False)

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """Mean negative log-likelihood of the gold sequences (B, T), or of what is `allowed`: () nats per token."""
        emissions = _widen(emissions)
        if allowed is None:
            emissions = augment(emissions, tags, mask, costs=self.costs)
        return self.crf.negative_log_likelihood(emissions, tags, mask, allowed=allowed) / mask.sum()

    def decode(self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """The likeliest tag sequence of each sentence (Viterbi): (B, T) ids, 0 where padded."""
        return self.crf.viterbi(_widen(emissions), mask, allowed=allowed)

    def marginals(
        self, emissions: Tensor, mask: Tensor, *, allowed: Tensor | None = None, temperature: float = 1.0
    ) -> Tensor:
        """The probability of each tag at each token, over all sequences: (B, T, K), uniform where padded."""
        return self.crf.marginals(_widen(emissions), mask, allowed=allowed, temperature=temperature)

    def negative_log_probability(
        self, emissions: Tensor, tags: Tensor, mask: Tensor, *, temperature: float | Tensor
    ) -> Tensor:
        """How unlikely the gold sequences (B, T) are among all sequences: () nats, summed over sentences."""
        return self.crf.negative_log_probability(_widen(emissions), tags, mask, temperature=temperature)

    def span_probabilities(
        self,
        emissions: Tensor,
        mask: Tensor,
        spans: Tensor,
        *,
        allowed: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """The probability that each span (N, 4) stands exactly there, over all sequences: (N,) float64."""
        return self.crf.span_probabilities(_widen(emissions), mask, spans, allowed=allowed, temperature=temperature)


def augment(emissions: Tensor, tags: Tensor, mask: Tensor, *, costs: Tensor | None) -> Tensor:
    """Makes mistakes on some tags cost more: softmax-margin.

    Where gold is tag k, every other tag's score is raised by `costs[k]` nats in training, so that the model must win by
    more: Gimpel & Smith (2010), "Softmax-Margin CRFs", equation 6, with a cost that adds up over tokens.

    Args:
        emissions: (B, T, K) scores.
        tags: (B, T) gold tag ids, anything where padded.
        mask: (B, T) bool.
        costs: (K,) nats for each gold tag; None changes nothing.

    Returns:
        (B, T, K).
    """
    if costs is None:
        return emissions
    tags = tags.masked_fill(~mask, 0).clamp(0, len(costs) - 1)  # what is no tag is refused by the loss itself
    margin = costs[tags].unsqueeze(2).expand_as(emissions)
    return emissions + margin.scatter(2, tags.unsqueeze(2), 0.0)


def _only(emissions: Tensor, allowed: Tensor | None) -> Tensor:
    return emissions if allowed is None else emissions.masked_fill(~allowed, float("-inf"))


def _widen(emissions: Tensor) -> Tensor:
    return emissions.to(torch.promote_types(emissions.dtype, torch.float32))

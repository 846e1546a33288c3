"""Two heads with the same three methods: loss, decode, marginals.

Both work in float32, whatever the precision of the emissions, and autocast does not change that.

Emissions are the network's K scores of each token, (B, T, K); the mask is True at tokens.
"""

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor, nn

from tagger.model.crf import LinearChainCRF, check_tags


class SoftmaxHead(nn.Module):
    """Each token by itself: the softmax of its emissions."""

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Mean negative log-likelihood of the gold tags (B, T): () nats per token."""
        check_tags(tags, mask, num_tags=emissions.size(2))
        return F.cross_entropy(emissions[mask].float(), tags[mask])

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The likeliest tag of each token: (B, T) ids, 0 where padded."""
        return emissions.argmax(dim=2).masked_fill(~mask, 0)

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of each tag at each token: (B, T, K), uniform where padded."""
        return torch.softmax(emissions.float().masked_fill(~mask.unsqueeze(2), 0.0), dim=2)


class CRFHead(nn.Module):
    """The whole sentence at once: a linear-chain CRF over the emissions.

    Args:
        num_tags: K.
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self.crf = LinearChainCRF(num_tags)

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Mean negative log-likelihood of the gold sequences (B, T): () nats per token."""
        return self.crf.negative_log_likelihood(emissions.float(), tags, mask) / mask.sum()

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The likeliest tag sequence of each sentence (Viterbi): (B, T) ids, 0 where padded."""
        return self.crf.viterbi(emissions.float(), mask)

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of each tag at each token, over all sequences: (B, T, K), uniform where padded."""
        return self.crf.marginals(emissions.float(), mask)

"""Linear-chain conditional random field: Lafferty, McCallum & Pereira (2001).

The score of a tag sequence y is `start[y_1] + sum_t emission[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_T]`, and
its probability is `exp(score)` over the sum of all sequences' `exp(score)`. Weights, likelihood and Viterbi are
pytorch-crf's; the posteriors it lacks are here.
"""

import torch
from torch import Tensor
from torchcrf import CRF as TorchCRF  # noqa: N811 the package's own name is too bare


class LinearChainCRF(TorchCRF):  # type: ignore[misc]
    """pytorch-crf's CRF, batch first, with posteriors.

    Args:
        num_tags: K.
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__(num_tags, batch_first=True)

    def negative_log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The loss, summed over the batch's sentences.

        Args:
            emissions: (B, T, K) float32 scores.
            tags: (B, T) gold tag ids, any valid id where padded.
            mask: (B, T) bool, True at tokens; the first column is True.

        Returns:
            () nats.
        """
        return -self(emissions, tags, mask=mask, reduction="sum")  # type: ignore[no-any-return]

    def viterbi(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The likeliest tag sequence of each sentence: (B, T) ids, 0 where padded."""
        paths = self.decode(emissions, mask=mask)
        best = torch.zeros(mask.shape, dtype=torch.int64)
        for row, path in enumerate(paths):
            best[row, : len(path)] = torch.tensor(path, dtype=torch.int64)
        return best.to(emissions.device)

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The probability of each tag at each token, over all sequences: forward-backward (Rabiner, 1989).

        Args:
            emissions: (B, T, K) float32 scores.
            mask: (B, T) bool, True at tokens; the first column is True.

        Returns:
            (B, T, K); each token's K numbers sum to 1; uniform where padded.
        """
        num_steps = emissions.size(1)
        emissions = emissions.masked_fill(~mask.unsqueeze(2), 0.0)
        # alpha[t][b, j]: log of the summed exp(score) of all sequences up to token t that end in tag j
        alpha = [self.start_transitions + emissions[:, 0]]
        for step in range(1, num_steps):
            # (B, K, 1) + (K, K) + (B, 1, K), over the previous tag -> (B, K)
            reached = alpha[-1].unsqueeze(2) + self.transitions + emissions[:, step].unsqueeze(1)
            alpha.append(torch.where(mask[:, step, None], torch.logsumexp(reached, dim=1), alpha[-1]))
        # beta[b, i]: the same for everything after token t, given tag i at t
        beta = self.end_transitions.expand_as(alpha[-1])
        betas = [beta]
        for step in range(num_steps - 1, 0, -1):
            after = self.transitions + (emissions[:, step] + beta).unsqueeze(1)  # (B, K, K)
            beta = torch.where(mask[:, step, None], torch.logsumexp(after, dim=2), beta)
            betas.append(beta)
        scores = torch.stack(alpha, dim=1) + torch.stack(betas[::-1], dim=1)  # (B, T, K)
        return torch.softmax(scores.masked_fill(~mask.unsqueeze(2), 0.0), dim=2)

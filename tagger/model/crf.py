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
            emissions: (B, T, K) float32 scores, anything where padded.
            tags: (B, T) gold tag ids, anything where padded.
            mask: (B, T) bool, True at tokens; the first column is True.

        Returns:
            () nats.

        Raises:
            ValueError: as `check_tags`.
        """
        check_tags(tags, mask, num_tags=self.num_tags)
        # pytorch-crf multiplies padding by 0, and 0 * NaN is NaN; and it looks padding's tags up
        emissions, tags = emissions.masked_fill(~mask.unsqueeze(2), 0.0), tags.masked_fill(~mask, 0)
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
            emissions: (B, T, K) float32 scores, anything where padded.
            mask: (B, T) bool, True at tokens; the first column is True.

        Returns:
            (B, T, K); each token's K numbers sum to 1; uniform where padded.
        """
        num_steps = emissions.size(1)
        emissions = emissions.masked_fill(~mask.unsqueeze(2), 0.0)
        # Each step is normalised, which cancels in the end: growing sums would cost float32 its decimals.
        # alpha[b, j]: log probability of tag j at this token, given the tokens up to it
        alpha = torch.log_softmax(self.start_transitions + emissions[:, 0], dim=1)
        alphas = [alpha]
        for step in range(1, num_steps):
            # (B, K, 1) + (K, K), summed over the previous tag -> (B, K): all ways to reach each tag
            reached = torch.logsumexp(alpha.unsqueeze(2) + self.transitions, dim=1)
            alpha = torch.log_softmax(reached + emissions[:, step], dim=1)
            alphas.append(alpha)
        # beta[b, i]: up to a constant, log of the summed exp(score) of everything after this token, given tag i at it
        beta = self.end_transitions.expand_as(alpha)
        betas = [beta]
        for step in range(num_steps - 1, 0, -1):
            # (K, K) + (B, 1, K), summed over the next tag -> (B, K): all ways to go on from each tag
            after = torch.logsumexp(self.transitions + (emissions[:, step] + beta).unsqueeze(1), dim=2)
            # where padded, nothing comes after but the end
            beta = torch.where(mask[:, step, None], torch.log_softmax(after, dim=1), beta)
            betas.append(beta)
        scores = torch.stack(alphas, dim=1) + torch.stack(betas[::-1], dim=1)  # (B, T, K)
        return torch.softmax(scores.masked_fill(~mask.unsqueeze(2), 0.0), dim=2)


def check_tags(tags: Tensor, mask: Tensor, *, num_tags: int) -> None:
    """Refuses gold tags that are no tag's id: pytorch-crf reads -1 as the last tag, cross-entropy skips -100.

    On the CPU alone: on a GPU, looking at the tags would make every training step wait for the device.

    Args:
        tags: (B, T) gold tag ids, anything where padded.
        mask: (B, T) bool, True at tokens.
        num_tags: K.

    Raises:
        ValueError: a token's tag is not in [0, K).
    """
    if tags.device.type != "cpu":
        return
    wrong = tags[mask & ((tags < 0) | (tags >= num_tags))]
    if len(wrong):
        raise ValueError(f"expected gold tag ids from 0 to {num_tags - 1}, got {int(wrong[0])}")

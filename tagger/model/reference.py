"""The CRF's loss and best sequence by pytorch-crf: the reference that ours is held against, and can be swapped for."""

import torch
from torch import Tensor
from torchcrf import CRF

from tagger.model.lattice import Potentials


def negative_log_likelihood(emissions: Tensor, tags: Tensor, mask: Tensor, potentials: Potentials) -> Tensor:
    """The loss, summed over the batch's sentences: () nats, by autograd through pytorch-crf's loop.

    Args:
        emissions: (B, T, K) scores; padding holds finite numbers.
        tags: (B, T) gold tag ids, any valid id where padded.
        mask: (B, T) bool, True at tokens; the first column is True.
        potentials: the chain's other scores.
    """
    weights = {
        "start_transitions": potentials.start,
        "transitions": potentials.transitions,
        "end_transitions": potentials.end,
    }
    likelihood: Tensor = torch.func.functional_call(_crf(emissions), weights, (emissions, tags), {"mask": mask})
    return -likelihood


def best_path(emissions: Tensor, mask: Tensor, potentials: Potentials) -> Tensor:
    """The highest-scoring tag sequence of each sentence: (B, T) ids, 0 where padded. Arguments as above."""
    crf = _crf(emissions)
    crf.start_transitions.data = potentials.start.detach()
    crf.transitions.data = potentials.transitions.detach()
    crf.end_transitions.data = potentials.end.detach()
    best = torch.zeros(mask.shape, dtype=torch.int64)
    for row, path in enumerate(crf.decode(emissions, mask=mask)):
        best[row, : len(path)] = torch.tensor(path, dtype=torch.int64)
    return best.to(emissions.device)


def _crf(emissions: Tensor) -> CRF:
    with torch.random.fork_rng(devices=[]):  # it draws weights, which are not the ones to be used
        return CRF(emissions.size(2), batch_first=True).to(emissions)

"""The probability of a whole span, exactly: constrained forward-backward.

A span stands exactly at tokens [s, e) with label L if its first token opens a span of L, none of the others opens one
or leaves it, and it ends there: at the sentence's end, or because the next token is O or opens a span of its own.
Whether a tag opens a span depends on the tag before it alone (conlleval's rule, under which every tag sequence spells
spans), so the probability is a sum over the paths that take the right kind of transition at each of these places:
Culotta & McCallum (2004), "Confidence Estimation for Information Extraction", section 3.
"""

import math

import torch
from torch import Tensor

from tagger.data.tag_table import NO_LABEL, TagTable
from tagger.model.lattice import Lattice

_MAX_PIECE = 1024  # spans looked at together ...
_MAX_NUMBERS = 2**22  # ... and fewer where K is large: each takes K * K numbers


def span_probabilities(lattice: Lattice, spans: Tensor, *, table: TagTable) -> Tensor:
    """The probability of each span, over all tag sequences of its sentence.

    Args:
        lattice: the sums of a batch of B sentences.
        spans: (N, 4) int64: sentence, first token, token after the last, label; each span within its sentence.
        table: what the tags mean.

    Returns:
        (N,) float64 probabilities.
    """
    with torch.no_grad():
        size = max(1, min(_MAX_PIECE, _MAX_NUMBERS // len(table.labels) ** 2))
        pieces = [_probabilities(lattice, piece, table=table) for piece in torch.split(spans, size)]
        return torch.cat(pieces)


def _probabilities(lattice: Lattice, spans: Tensor, *, table: TagTable) -> Tensor:
    opens, labels = table.opens.to(spans.device), table.labels.to(spans.device)
    row, first, after, label = spans.unbind(dim=1)
    in_label = labels == label.unsqueeze(1)  # (N, K)
    scores = lattice.potentials.transitions
    opening = scores.masked_fill(~opens, -math.inf)
    inside = scores.masked_fill(opens, -math.inf)
    closing = scores.masked_fill(~(opens | (labels == NO_LABEL)), -math.inf)
    emissions, (alpha, beta) = lattice.emissions.double(), lattice.logs()

    # mass[n, j]: log of the summed exp(score) of all paths up to this token of span n that have kept to it, in tag j
    before = alpha[row, (first - 1).clamp(min=0)]  # (N, K)
    mass = torch.where((first == 0).unsqueeze(1), lattice.potentials.start, _step(before, opening))
    mass = (mass + emissions[row, first]).masked_fill(~in_label, -math.inf)
    longest = int((after - first).max()) if len(spans) else 0
    for offset in range(1, longest):
        position = torch.minimum(first + offset, after - 1)
        longer = (_step(mass, inside) + emissions[row, position]).masked_fill(~in_label, -math.inf)
        mass = torch.where((first + offset < after).unsqueeze(1), longer, mass)
    lengths = lattice.lengths[row]
    following = torch.minimum(after, lengths - 1)
    going_on = _step(mass, closing) + emissions[row, following] + beta[row, following]
    stopping = mass + lattice.potentials.end
    total = torch.where((after == lengths).unsqueeze(1), stopping, going_on).logsumexp(dim=1)
    return (total - lattice.log_partition[row]).exp().clamp(max=1.0)  # rounding alone exceeds 1


def _step(mass: Tensor, scores: Tensor) -> Tensor:
    """(N, K) sums at one token and (K, K) scores -> (N, K) sums at the next, without its emission."""
    return torch.logsumexp(mass.unsqueeze(2) + scores, dim=1)

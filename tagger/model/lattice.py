"""Sums over all tag sequences of a linear chain: partition function, posteriors, expected transitions.

Letters: B sentences, T tokens of the longest, K tags. With `x_t(j) = exp(emission[t, j])` and
`E(i, j) = exp(transitions[i, j])`, the forward and backward sums are (Rabiner, 1989, section III)

    alpha_0(j) = exp(start[j]) x_0(j)            alpha_t(j) = x_t(j) sum_i alpha_(t-1)(i) E(i, j)
    beta_(n-1)(i) = exp(end[i])                  beta_t(i) = sum_j E(i, j) x_(t+1)(j) beta_(t+1)(j)

and `Z = sum_j alpha_(n-1)(j) exp(end[j])` for a sentence of n tokens. `ScaledLattice` computes both as matrix products
over numbers that are rescaled to sum to 1 at every token (Rabiner, section V.A), in float64 and in one loop: read from
its last token backwards, a sentence's `gamma_t = x_t beta_t` obeys the very recursion of alpha with E transposed.

A number that is some 700 nats behind the others of its token is lost: exp of it is 0. That matters only if the paths
that go through it catch up later, as when all others turn out to need a forbidden transition. So the two directions err
on different sides. Forwards, what is lost counts as nothing: Z comes out too small, if anything. Backwards, every gamma
is at least FLOOR, more than can be lost: Z comes out too large. At every token `sum_j alpha_t(j) beta_t(j)`, from which
the posteriors follow, lies between the two (it can only fall from one token to the next). Where the two agree nothing
that matters was lost; where they do not, `sum_paths` does the sums again on logarithms.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tagger.model.features import reversal

FLOOR = 1e-300  # beside sums of 1: above all that float64 loses (below 1e-307), and below all that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Potentials:
    """The scores of a chain, apart from the emissions.

    Attributes:
        start: (K,) score of beginning with each tag.
        transitions: (K, K) score of tag j after tag i, at [i, j].
        end: (K,) score of ending with each tag.
    """

    start: Tensor
    transitions: Tensor
    end: Tensor


class ScaledLattice:
    """Forward and backward sums, rescaled at every token; exact where `is_exact` says so.

    Args:
        emissions: (B, T, K) float64 scores, -inf for a tag that is not to be summed over; padding holds zeros.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: float64.

    Attributes:
        emissions: as given.
        lengths: as given.
        potentials: as given.
        log_partition: (B,) log Z; less where something was lost.
    """

    def __init__(self, emissions: Tensor, lengths: Tensor, potentials: Potentials) -> None:
        num_steps = emissions.size(1)
        self.emissions, self.lengths, self.potentials = emissions, lengths, potentials
        self._backwards = reversal(lengths, num_steps).t().unsqueeze(2)  # (T, B, 1)
        # the highest score of each kind is taken out, so that no factor exceeds 1, and added to the logarithms again
        highest = emissions.amax(dim=2, keepdim=True)  # (B, T, 1)
        x = torch.exp(emissions - highest)
        x = x.transpose(0, 1)  # (T, B, K): time first, so that each step's numbers lie together
        self._highest_start, start = _exp(potentials.start)  # (), (K,)
        self._highest_transition, self._exp_transitions = _exp(potentials.transitions)  # (), (K, K)
        self._highest_end, end = _exp(potentials.end)  # (), (K,)
        both = torch.stack([x, self._reverse(x)], dim=1)  # (T, 2, B, K): forwards, and each sentence backwards
        first = torch.stack([start, end]).unsqueeze(1)  # (2, 1, K)
        steps = torch.stack([self._exp_transitions, self._exp_transitions.t()])  # (2, K, K)
        floor = x.new_zeros(2, 1, 1)
        floor[1] = FLOOR
        before, state, scale = _run(both, first, steps, floor=floor)
        # alpha[t], gamma[t]: (B, K) sums up to token t, and from token t on, rescaled;
        # before[t], after[t]: the same without token t's own emission
        self._alpha, self._before = state[:, 0], before[:, 0]
        self._gamma, self._after = self._reverse(state[:, 1]), self._reverse(before[:, 1])
        in_sentence = torch.arange(num_steps, device=lengths.device).unsqueeze(1) < lengths  # (T, B)
        self._in_sentence = in_sentence
        self._log_scale = torch.where(in_sentence, scale[:, 0, :, 0].log(), 0.0)  # (T, B)
        self._log_scale_back = torch.where(in_sentence, self._reverse(scale[:, 1]).squeeze(2).log(), 0.0)
        self._highest = torch.where(in_sentence, highest.squeeze(2).t(), 0.0)  # (T, B)
        last = (lengths - 1).view(1, -1, 1).expand(1, -1, x.size(2))
        ends = (self._alpha.gather(0, last)[0] * end).sum(dim=1)  # (B,)
        begins = (self._gamma[0] * start + FLOOR).sum(dim=1)
        # log Z less the highest scores: too small if anything, and too large if anything
        self._lower = ends.log() + self._log_scale.sum(dim=0)  # (B,)
        self._upper = begins.log() + self._log_scale_back.sum(dim=0)
        highest_path = self._highest.sum(dim=0) + (lengths - 1) * self._highest_transition  # (B,)
        self.log_partition = self._lower + highest_path + self._highest_start + self._highest_end

    @property
    def is_exact(self) -> bool:
        """Whether nothing that matters was lost: but for rounding, Z is the same number from both ends."""
        rounding = 1e-14 * (self.lengths + self._lower.abs())  # some 30 times what is seen; less than inf, or NaN
        return bool(((self._upper - self._lower).abs() < rounding).all())

    def posteriors(self) -> Tensor:
        """(B, T, K): the probability of each tag at each token; zeros in padding."""
        product = self._alpha * self._after  # (T, B, K), proportional to the probability
        product = product / product.sum(dim=2, keepdim=True)
        return torch.where(self._in_sentence.unsqueeze(2), product, 0.0).transpose(0, 1)

    def transition_counts(self) -> Tensor:
        """(K, K): how often tag j is expected after tag i, over the whole batch."""
        gamma, reached = self._gamma[1:], self._before[1:]  # (T-1, B, K): at token t+1
        total = (reached * gamma).sum(dim=2, keepdim=True)  # what the K * K products below sum to
        factor = torch.where(self._in_sentence[1:].unsqueeze(2), total.reciprocal(), 0.0)
        # NaN stands in padding alone, after a last tag that nothing can follow
        alpha = (self._alpha[:-1] * factor).nan_to_num_(nan=0.0)  # (T-1, B, K)
        return self._exp_transitions * (alpha.flatten(0, 1).t() @ gamma.flatten(0, 1))

    def logs(self) -> tuple[Tensor, Tensor]:
        """Alpha and beta as logarithms, (B, T, K) each, to the scale of `log_partition`."""
        steps = torch.arange(self._alpha.size(0), device=self.lengths.device).unsqueeze(1)  # (T, 1)
        # what was taken out of alpha[t], and of after[t]: (T, B)
        gained = torch.cumsum(self._log_scale + self._highest, dim=0) + steps * self._highest_transition
        ahead = self._log_scale_back + self._highest
        ahead = ahead.flip(0).cumsum(dim=0).flip(0) - ahead  # of the tokens after t alone
        ahead = ahead + (self.lengths - 1 - steps) * self._highest_transition
        log_alpha = self._alpha.log() + (gained + self._highest_start).unsqueeze(2)
        log_beta = self._after.log() + (ahead + self._highest_end).unsqueeze(2)
        return log_alpha.transpose(0, 1), log_beta.transpose(0, 1)

    def _reverse(self, values: Tensor) -> Tensor:
        """(T, B, *) with each sentence reversed within its own length."""
        return values.gather(0, self._backwards.expand_as(values))


class LogLattice:
    """The same sums on logarithms: always exact, many times slower.

    Arguments and attributes are `ScaledLattice`'s.
    """

    def __init__(self, emissions: Tensor, lengths: Tensor, potentials: Potentials) -> None:
        self.emissions, self.lengths, self.potentials = emissions, lengths, potentials
        num_steps = emissions.size(1)
        self._in_sentence = torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)  # (B, T)
        alpha = [potentials.start + emissions[:, 0]]
        for step in range(1, num_steps):
            reached = torch.logsumexp(alpha[-1].unsqueeze(2) + potentials.transitions, dim=1) + emissions[:, step]
            alpha.append(torch.where(self._in_sentence[:, step, None], reached, alpha[-1]))
        beta = [potentials.end.expand_as(alpha[0])]
        for step in range(num_steps - 1, 0, -1):
            ahead = (emissions[:, step] + beta[-1]).unsqueeze(1)
            left = torch.logsumexp(potentials.transitions + ahead, dim=2)
            beta.append(torch.where(self._in_sentence[:, step, None], left, beta[-1]))
        self._alpha, self._beta = torch.stack(alpha, dim=1), torch.stack(beta[::-1], dim=1)  # (B, T, K)
        self.log_partition = torch.logsumexp(alpha[-1] + potentials.end, dim=1)

    def posteriors(self) -> Tensor:
        """(B, T, K): the probability of each tag at each token; zeros in padding."""
        return torch.where(self._in_sentence.unsqueeze(2), torch.softmax(self._alpha + self._beta, dim=2), 0.0)

    def transition_counts(self) -> Tensor:
        """(K, K): how often tag j is expected after tag i, over the whole batch."""
        transitions = self.potentials.transitions
        counts = torch.zeros_like(transitions)
        for step in range(1, self.emissions.size(1)):
            ahead = (self.emissions[:, step] + self._beta[:, step]).unsqueeze(1)  # (B, 1, K)
            log = self._alpha[:, step - 1].unsqueeze(2) + transitions + ahead
            chance = torch.softmax(log.flatten(1), dim=1).view_as(log)  # (B, K, K)
            counts += torch.where(self._in_sentence[:, step].view(-1, 1, 1), chance, 0.0).sum(dim=0)
        return counts

    def logs(self) -> tuple[Tensor, Tensor]:
        """Alpha and beta as logarithms, (B, T, K) each, to the scale of `log_partition`."""
        return self._alpha, self._beta


Lattice = ScaledLattice | LogLattice


def sum_paths(emissions: Tensor, lengths: Tensor, potentials: Potentials, *, allowed: Tensor | None = None) -> Lattice:
    """Sums over all tag sequences; no gradient flows through it.

    Args:
        emissions: (B, T, K) scores; whatever stands in padding has no effect.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: the chain's other scores.
        allowed: (B, T, K) bool, the tags to sum over, at least one at each token; None for all.
    """
    with torch.no_grad():
        padding = torch.arange(emissions.size(1), device=lengths.device) >= lengths.unsqueeze(1)
        emissions = emissions.detach().double()
        if allowed is not None:
            emissions = emissions.masked_fill(~allowed, -math.inf)
        emissions = emissions.masked_fill(padding.unsqueeze(2), 0.0)
        scores = Potentials(
            start=potentials.start.detach().double(),
            transitions=potentials.transitions.detach().double(),
            end=potentials.end.detach().double(),
        )
        scaled = ScaledLattice(emissions, lengths, scores)
        return scaled if scaled.is_exact else LogLattice(emissions, lengths, scores)


def _exp(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The highest of some scores, and exp of each as far as it falls short of that."""
    highest = scores.max()
    return highest, torch.exp(scores - highest)


def _run(x: Tensor, first: Tensor, steps: Tensor, *, floor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The recursion of alpha, for several chains at once.

    Args:
        x: (T, N, B, K) factors of each token.
        first: (N, 1, K) factors of the first token, beside x.
        steps: (N, K, K) factors of the transitions.
        floor: (N, 1, 1) added to every sum before it is rescaled.

    Returns:
        (T, N, B, K) each token's sums before its own factor; with it, rescaled to sum to 1; (T, N, B, 1) what they
        summed to.
    """
    before, state = torch.empty_like(x), torch.empty_like(x)
    scale = x.new_empty(*x.shape[:3], 1)
    before[0] = first
    rows = zip(before.unbind(), state.unbind(), scale.unbind(), x.unbind(), strict=True)
    previous: Tensor | None = None
    for reached, current, total, factor in rows:
        if previous is not None:
            torch.bmm(previous, steps, out=reached)
        torch.addcmul(floor, reached, factor, out=current)
        torch.sum(current, dim=2, keepdim=True, out=total)
        previous = current.div_(total)
    return before, state, scale

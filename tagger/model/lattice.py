"""Sums over all tag sequences of a linear chain: partition function, posteriors, expected transitions.

Letters: B sentences, T tokens of the longest, K tags. With `x_t(j) = exp(emission[t, j])` and
`E(i, j) = exp(transitions[i, j])`, the forward and backward sums are (Rabiner, 1989, section III)

    alpha_0(j) = exp(start[j]) x_0(j)            alpha_t(j) = x_t(j) sum_i alpha_(t-1)(i) E(i, j)
    beta_(n-1)(i) = exp(end[i])                  beta_t(i) = sum_j E(i, j) x_(t+1)(j) beta_(t+1)(j)

and `Z = sum_j alpha_(n-1)(j) exp(end[j])` for a sentence of n tokens. `ScaledLattice` computes both as matrix products
over numbers that are rescaled to sum to 1 at every token (Rabiner, section V.A), in one loop: read from its last token
backwards, a sentence's `gamma_t = x_t beta_t` obeys the very recursion of alpha with E transposed.

A number that is too far behind the others of its token (some 80 nats in float32, 700 in float64) is lost: exp of it is
0. That matters only if the paths that go through it catch up later, as when all others turn out to need a forbidden
transition. So the two directions err on different sides. Forwards, what is lost counts as nothing: Z comes out too
small, if anything. Backwards, every gamma is at least a floor, more than can be lost: Z comes out too large. At every
token `sum_j alpha_t(j) beta_t(j)`, from which the posteriors follow, lies between the two (it can only fall from one
token to the next). Where the two agree nothing that matters was lost; where they do not, `sum_paths` does the sums
again in float64, and if need be on logarithms.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tagger.model.features import reversal

# Beside sums of 1: above all that is lost (below 1e-37, 1e-307), and below all that counts.
_FLOOR = {torch.float32: 1e-30, torch.float64: 1e-300}
# By how much Z may differ between the two directions, per token or nat: some 30 times the rounding that is seen.
_ROUNDING = {torch.float32: 2e-6, torch.float64: 1e-14}

_PIECE = 1024  # tokens


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

    def to(self, dtype: torch.dtype) -> "Potentials":
        """The same in another type."""
        return Potentials(start=self.start.to(dtype), transitions=self.transitions.to(dtype), end=self.end.to(dtype))

    def detach(self) -> "Potentials":
        """The same, without gradients."""
        return Potentials(start=self.start.detach(), transitions=self.transitions.detach(), end=self.end.detach())


class ScaledLattice:
    """Forward and backward sums, rescaled at every token; exact where `is_exact` says so.

    Args:
        emissions: (B, T, K) float32 or float64 scores, -inf for a tag that is not to be summed over; padding holds
            zeros. The sums are of their type.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: float64.

    Attributes:
        emissions: as given.
        lengths: as given.
        potentials: as given.
        log_partition: (B,) float64 log Z; less where something was lost.
    """

    def __init__(self, emissions: Tensor, lengths: Tensor, potentials: Potentials) -> None:
        (num_sentences, num_steps, num_tags), dtype = emissions.shape, emissions.dtype
        self.emissions, self.lengths, self.potentials = emissions, lengths, potentials
        # the highest score of each kind is taken out, so that no factor exceeds 1, and added to the logarithms again
        highest = emissions.amax(dim=2, keepdim=True)  # (B, T, 1)
        x = torch.exp(emissions - highest)
        self._highest_start, start = _exp(potentials.start, dtype)  # (), (K,)
        self._highest_transition, self._exp_transitions = _exp(potentials.transitions, dtype)  # (), (K, K)
        self._highest_end, end = _exp(potentials.end, dtype)  # (), (K,)
        first = torch.stack([start, end]).unsqueeze(1)  # (2, 1, K)
        steps = torch.stack([self._exp_transitions, self._exp_transitions.t()])  # (2, K, K)
        floor = x.new_zeros(2, 1, 1)
        floor[1] = _FLOOR[dtype]
        # Two chains, one forwards and one from each sentence's end backwards, time first, so that the numbers of a step
        # lie together. Rows of K numbers are moved whole, by their place in (B * T) and in (T * 2 * B).
        sentences = torch.arange(num_sentences, device=lengths.device)
        times = torch.arange(num_steps, device=lengths.device).unsqueeze(1)  # (T, 1)
        backwards = reversal(lengths, num_steps).t()  # (T, B)
        both = torch.stack([times.expand_as(backwards), backwards], dim=1) + sentences * num_steps  # (T, 2, B)
        chains = x.flatten(0, 1).index_select(0, both.flatten()).view(*both.shape, num_tags)
        # state: alpha, and gamma, up to each token, rescaled; before: the same without the token's own emission
        before, state, scale = _run(chains, first, steps, floor=floor)
        # where token t of the second chain stands
        self._home = ((2 * backwards + 1) * num_sentences + sentences).flatten()
        self._state, self._before, self._in_sentence = state, before, times < lengths  # (T, 2, B, K) twice, (T, B)
        # logarithms are added up in float64: over a long sentence they grow large beside what each token adds
        log_scale = torch.where(self._in_sentence.unsqueeze(1), scale.squeeze(3).double().log(), 0.0)  # (T, 2, B)
        self._log_scale = log_scale
        self._highest = torch.where(self._in_sentence, highest.squeeze(2).t(), 0.0).double()  # (T, B)
        # both chains' sums at their last token, (2, B, K), and what is left to multiply them by there
        last = (lengths - 1).view(1, 1, -1, 1).expand(1, 2, -1, num_tags)
        ends = state.gather(0, last)[0] * torch.stack([end, start]).unsqueeze(1) + floor
        # log Z less the highest scores: too small if anything, and too large if anything
        self._bounds = ends.sum(dim=2).double().log() + log_scale.sum(dim=0)  # (2, B)
        highest_path = self._highest.sum(dim=0) + (lengths - 1) * self._highest_transition  # (B,)
        self.log_partition = self._bounds[0] + highest_path + (self._highest_start + self._highest_end)

    @property
    def is_exact(self) -> bool:
        """Whether nothing that matters was lost: but for rounding, Z is the same number from both ends."""
        lower, upper = self._bounds
        # of the logarithms only those of float64 round by their size
        rounding = _ROUNDING[self.emissions.dtype] * self.lengths + _ROUNDING[torch.float64] * lower.abs()
        return bool(((upper - lower).abs() < rounding).all())  # not so for inf or NaN

    def posteriors(self) -> Tensor:
        """(B, T, K): the probability of each tag at each token; zeros in padding."""
        product = self._state[:, 0] * self._at_home(self._before)  # (T, B, K), alpha beta, proportional to it
        product.div_(product.sum(dim=2, keepdim=True))
        return product.masked_fill_(~self._in_sentence.unsqueeze(2), 0.0).transpose(0, 1)

    def take_from(self, posteriors: Tensor) -> Tensor:
        """Takes these paths' posteriors from those of others (B, T, K), in place."""
        return posteriors.sub_(self.posteriors())

    def transition_counts(self) -> Tensor:
        """(K, K): how often tag j is expected after tag i, over the whole batch."""
        # (T-1, B, K) each: alpha at token t; at token t+1 gamma, and alpha without the token's own emission
        alpha, gamma, reached = self._state[:-1, 0], self._at_home(self._state)[1:], self._before[1:, 0]
        total = (reached * gamma).sum(dim=2, keepdim=True)  # what the K * K products below sum to
        # in padding there may be NaN, after a last tag that nothing can follow
        alpha = (alpha / total).masked_fill_(~self._in_sentence[1:].unsqueeze(2), 0.0)
        # in pieces, added up in float64: over many tokens float32 would lose digits
        pieces = zip(torch.split(alpha.flatten(0, 1), _PIECE), torch.split(gamma.flatten(0, 1), _PIECE), strict=True)
        products = [one.t() @ other for one, other in pieces]  # (K, K) each
        return self._exp_transitions * torch.stack(products).sum(dim=0, dtype=torch.float64)

    def logs(self) -> tuple[Tensor, Tensor]:
        """Alpha and beta as logarithms, (B, T, K) each, to the scale of `log_partition`."""
        steps = torch.arange(self.emissions.size(1), device=self.lengths.device).unsqueeze(1)  # (T, 1)
        # what was taken out of alpha[t], and of beta[t]: (T, B)
        gained = torch.cumsum(self._log_scale[:, 0] + self._highest, dim=0) + steps * self._highest_transition
        ahead = self._at_home(self._log_scale.unsqueeze(3)).squeeze(2) + self._highest
        ahead = ahead.flip(0).cumsum(dim=0).flip(0) - ahead  # of the tokens after t alone
        ahead = ahead + (self.lengths - 1 - steps) * self._highest_transition
        log_alpha = self._state[:, 0].double().log() + (gained + self._highest_start).unsqueeze(2)
        log_beta = self._at_home(self._before).double().log() + (ahead + self._highest_end).unsqueeze(2)
        return log_alpha.transpose(0, 1), log_beta.transpose(0, 1)

    def _at_home(self, chains: Tensor) -> Tensor:
        """(T, 2, B, *) -> (T, B, *): of the second chain, what belongs to each token."""
        rows = chains.flatten(0, 2).index_select(0, self._home)
        return rows.view(chains.size(0), chains.size(2), chains.size(3))


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

    def take_from(self, posteriors: Tensor) -> Tensor:
        """Takes these paths' posteriors from those of others (B, T, K), in place."""
        return posteriors.sub_(self.posteriors())

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
        emissions: (B, T, K) float32 or float64 scores; whatever stands in padding has no effect.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: the chain's other scores.
        allowed: (B, T, K) bool, the tags to sum over, at least one at each token; None for all.
    """
    with torch.no_grad():
        padding = torch.arange(emissions.size(1), device=lengths.device) >= lengths.unsqueeze(1)
        emissions = emissions.detach()
        if allowed is not None:
            emissions = emissions.masked_fill(~allowed, -math.inf)
        emissions = emissions.masked_fill(padding.unsqueeze(2), 0.0)
        scores = potentials.detach().to(torch.float64)
        for dtype in dict.fromkeys((emissions.dtype, torch.float64)):
            scaled = ScaledLattice(emissions.to(dtype), lengths, scores)
            if scaled.is_exact:
                return scaled
        return LogLattice(emissions.double(), lengths, scores)


def _exp(scores: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The highest of some scores, and exp of each as far as it falls short of that, in another type."""
    highest = scores.max()
    return highest, torch.exp(scores - highest).to(dtype)


def _run(x: Tensor, first: Tensor, steps: Tensor, *, floor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The recursion of alpha, for several chains at once.

    Args:
        x: (T, N, B, K) factors of each token; overwritten.
        first: (N, 1, K) factors of the first token, beside x.
        steps: (N, K, K) factors of the transitions.
        floor: (N, 1, 1) added to every number.

    Returns:
        (T, N, B, K) each token's sums before its own factor; with it, rescaled to sum to 1; (T, N, B, 1) what they
        summed to.
    """
    before, state = torch.empty_like(x), x  # in place: memory is slow
    scale = x.new_empty(*x.shape[:3], 1)
    before[0] = first
    totals = iter(scale[::2].unbind())
    previous: Tensor | None = None
    for step, (reached, current) in enumerate(zip(before.unbind(), state.unbind(), strict=True)):
        if previous is not None:
            torch.bmm(previous, steps, out=reached)
        torch.addcmul(floor, reached, current, out=current)
        if step % 2 == 0:  # in two steps sums do not shrink so far that float32 runs out
            current.div_(torch.sum(current, dim=2, keepdim=True, out=next(totals)))
        previous = current
    # what the loop skipped, for all tokens at once; the tokens after them were computed from sums not yet rescaled
    total = torch.sum(state[1::2], dim=3, keepdim=True, out=scale[1::2])
    state[1::2] /= total
    following = total[: len(scale[2::2])]
    before[2::2] /= following
    scale[2::2] /= following
    return before, state, scale

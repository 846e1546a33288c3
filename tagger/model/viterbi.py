"""The best tag sequences of a linear chain: Viterbi (1967), and its n-best form.

Letters: B sentences, T tokens of the longest, K tags. The forward pass keeps scores alone:

    score_0(j) = start[j] + emission[0, j]      score_t(j) = emission[t, j] + max_i score_(t-1)(i) + transitions[i, j]

Which tag each score came from is worked out on the way back, for the one tag that is needed, from the very sums the
maximum was taken over. That is little work at many tokens, so NumPy does it, whose calls cost less than half of torch's
(or of a kernel's launch): between the two passes all scores move to the CPU, once.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tagger.model.lattice import Potentials
from tagger.model.threads import one_thread

_Array = npt.NDArray[Any]

_LEVEL_EVERY = 16  # tokens
_SMALL = 2**18  # sums a token of the batch, below which one thread is faster than several that wait for each other
FORBIDDEN = -1e30  # score of a tag that is not to be taken: below any sum of real scores, yet finite


def best_path(emissions: Tensor, lengths: Tensor, potentials: Potentials) -> Tensor:
    """The highest-scoring tag sequence of each sentence.

    Args:
        emissions: (B, T, K) float32 or float64 scores; whatever stands in padding has no effect.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: the chain's other scores, of the same type.

    Returns:
        (B, T) int64 tags, 0 in padding; of equal sequences, any.
    """
    with torch.no_grad():
        is_small = emissions.size(0) * emissions.size(2) ** 2 <= _SMALL
        # several threads would meet twice a token, up to 16 us each time
        with one_thread() if is_small else nullcontext():
            scores = _best_scores(emissions, potentials)
        arrays = [part.cpu().numpy() for part in (scores, lengths - 1, potentials.transitions, potentials.end)]
        best = _trace(arrays[0], arrays[1], transitions=arrays[2], end=arrays[3])
        return torch.from_numpy(best).to(emissions.device)


def _best_scores(emissions: Tensor, potentials: Potentials) -> Tensor:
    """(T, B, K): at [t, b, j] the best score of any sequence up to token t that ends in tag j, but for a constant."""
    num_sentences, num_steps, num_tags = emissions.shape
    scores = emissions.new_empty(num_steps, num_sentences, num_tags).copy_(emissions.transpose(0, 1))
    scores[0] += potentials.start
    by_previous = potentials.transitions.unsqueeze(1)  # (K, 1, K)
    # (previous tag, sentence, tag): so laid out, the maximum runs over whole rows of memory
    reached = scores.new_empty(num_tags, num_sentences, num_tags)
    highest = scores.new_empty(num_sentences, num_tags)
    by_tag = scores.transpose(1, 2).unsqueeze(3).unbind()  # T of (K, B, 1)
    for step, (before, after) in enumerate(zip(by_tag, scores.unbind()[1:], strict=False), start=1):
        torch.add(before, by_previous, out=reached)
        after += torch.amax(reached, dim=0, out=highest)
        if step % _LEVEL_EVERY == 0:  # a constant changes no path, but large sums cost decimals
            after -= after.amax(dim=1, keepdim=True)
    return scores


def _trace(scores: _Array, last: _Array, *, transitions: _Array, end: _Array) -> _Array:
    """The way back along the best scores.

    Args:
        scores: (T, B, K), as above; the last token's are overwritten.
        last: (B,) place of each sentence's last token.
        transitions: (K, K) score of tag j after tag i, at [i, j].
        end: (K,) score of ending with each tag.

    Returns:
        (B, T) int64 tags, 0 in padding.
    """
    num_steps, num_sentences, num_tags = scores.shape
    sentences = np.arange(num_sentences)
    final = (scores[last, sentences] + end).argmax(axis=1)  # (B,)
    # each sentence's last tag wins whatever comes after it: one loop then serves all lengths
    scores[last, sentences] = np.where(np.arange(num_tags) == final[:, None], -FORBIDDEN, FORBIDDEN)
    into = np.ascontiguousarray(transitions.T)  # [j, i]
    best = np.empty((num_steps, num_sentences), dtype=np.int64)
    come_from, following = np.empty_like(scores[0]), final
    with np.errstate(all="ignore"):  # padding may hold anything
        for score, tags in zip(scores[::-1], best[::-1], strict=True):
            np.take(into, following, axis=0, out=come_from, mode="clip")  # "clip", for "raise" makes a copy
            come_from += score
            following = come_from.argmax(axis=1, out=tags)  # (B,) where the following tag came from
    return np.where(np.arange(num_steps) <= last[:, None], best.T, 0)


def best_paths(emissions: Tensor, lengths: Tensor, potentials: Potentials, *, n: int) -> tuple[Tensor, Tensor]:
    """The n highest-scoring tag sequences of each sentence, best first.

    Args:
        emissions: (B, T, K) scores; padding holds finite numbers.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: the chain's other scores.
        n: how many, >= 1.

    Returns:
        (B, n, T) int64 tags, 0 in padding, and (B, n) scores; -inf where a sentence has fewer than n sequences.
    """
    num_sentences, num_steps, num_tags = emissions.shape
    last = lengths - 1
    # scores[b, j, r]: the r-th best score of sequences up to token t that end in tag j
    scores = emissions.new_full((num_sentences, num_tags, n), -torch.inf)
    scores[:, :, 0] = potentials.start + emissions[:, 0]
    origins: list[Tensor] = []  # for each token after the first: (B, K, n) index i * n + r of where it came from
    for step in range(1, num_steps):
        # (B, i, r, j) -> (B, i * n + r, j)
        reached = (scores.unsqueeze(3) + potentials.transitions.unsqueeze(1)).flatten(1, 2)
        values, origin = reached.topk(n, dim=1)  # (B, n, K)
        values = values.transpose(1, 2) + emissions[:, step].unsqueeze(2)  # (B, K, n)
        inside = (step <= last).view(-1, 1, 1)
        scores = torch.where(inside, values, scores)
        # past the end every entry points at itself
        itself = torch.arange(num_tags * n, device=last.device).view(1, num_tags, n)
        origins.append(torch.where(inside, origin.transpose(1, 2), itself))
    total, place = (scores + potentials.end.unsqueeze(1)).flatten(1).topk(n, dim=1)  # (B, n)
    path = [place // n]
    for origin in reversed(origins):
        place = origin.flatten(1).gather(1, place)
        path.append(place // n)
    paths = torch.stack(path[::-1], dim=2)  # (B, n, T)
    padding = torch.arange(num_steps, device=last.device) > last.view(-1, 1, 1)
    return paths.masked_fill(padding, 0), total

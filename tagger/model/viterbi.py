"""The best tag sequences of a linear chain: Viterbi (1967), and its n-best form.

Letters: B sentences, T tokens of the longest, K tags. The forward pass keeps scores alone; which tag each score came
from is worked out on the way back, for the one tag that is needed, from the very sums the maximum was taken over.
Nothing is moved to the CPU on the way.
"""

import torch
from torch import Tensor

from tagger.model.lattice import Potentials

_LEVEL_EVERY = 16  # tokens
FORBIDDEN = -1e30  # score of a tag that is not to be taken: below any sum of real scores, yet finite


def best_path(emissions: Tensor, lengths: Tensor, potentials: Potentials) -> Tensor:
    """The highest-scoring tag sequence of each sentence.

    Args:
        emissions: (B, T, K) scores; whatever stands in padding has no effect.
        lengths: (B,) tokens of each sentence, each >= 1.
        potentials: the chain's other scores.

    Returns:
        (B, T) int64 tags, 0 in padding; of equal sequences, any.
    """
    num_sentences, num_steps, num_tags = emissions.shape
    with torch.no_grad():
        # scores[t, b, j]: the best score of any sequence up to token t that ends in tag j
        scores = emissions.new_empty(num_steps, num_sentences, num_tags)
        torch.add(emissions[:, 0], potentials.start, out=scores[0])
        by_tag = scores.transpose(1, 2).unsqueeze(3).unbind()  # T of (K, B, 1)
        reached = emissions.new_empty(num_tags, num_sentences, num_tags)
        by_previous = potentials.transitions.unsqueeze(1)  # (K, 1, K)
        by_step = scores.unbind()  # T of (B, K)
        moves = zip(by_tag, by_step[1:], emissions.unbind(dim=1)[1:], strict=False)
        for step, (before, after, emission) in enumerate(moves, start=1):
            # (previous tag, B, tag): so laid out, the maximum runs over whole rows of memory
            torch.add(before, by_previous, out=reached)
            torch.amax(reached, dim=0, out=after).add_(emission)
            if step % _LEVEL_EVERY == 0:  # a constant changes no path, but large sums cost decimals
                after.sub_(after.amax(dim=1, keepdim=True))
        last = (lengths - 1).unsqueeze(1)  # (B, 1)
        at_end = scores.gather(0, last.expand(1, -1, num_tags).contiguous())[0] + potentials.end
        final = at_end.argmax(dim=1, keepdim=True)  # (B, 1) each sentence's last tag
        # From the last token on, let the last tag win whatever comes after it: one loop then serves all lengths.
        positions = torch.arange(num_steps, device=lengths.device)
        settled = torch.full_like(at_end, FORBIDDEN).scatter_(1, final, -FORBIDDEN)  # (B, K)
        torch.where((positions >= last).t().unsqueeze(2), settled, scores, out=scores)
        into = potentials.transitions.t().contiguous()  # [j, i]
        best = lengths.new_empty(num_steps + 1, num_sentences)
        best[num_steps] = final.squeeze(1)
        rows, come_from = best.unbind(), torch.empty_like(at_end)
        for score, tag, following in zip(reversed(by_step), rows[-2::-1], rows[:0:-1], strict=True):
            torch.index_select(into, 0, following, out=come_from)
            torch.argmax(come_from.add_(score), dim=1, out=tag)  # (B,) where the following tag came from
        return best[:-1].t().masked_fill(positions > last, 0)


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

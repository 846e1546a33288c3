"""A convolution over embedded characters and its maximum over the word, by table look-ups.

There are few distinct characters, so what a filter gets from each of them at each of its places is worked out once; a
convolution is then a sum of looked-up rows. On a CPU this takes a fifth of the time of embedding, `Conv1d` and `amax`.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor
from torch.autograd.function import once_differentiable

from tagger.data.vocab import PADDING


def strongest_answers(scores: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
    """The strongest answer of each filter anywhere in each word.

    Args:
        scores: (S, N, F), what filter f gets from character n at place s of the S it sees; 0 for n = 0, padding,
            which gets no gradient.
        characters: (U, C) int64 character ids below N; 0 is padding, on the right.
        lengths: (U,) characters of each word; a word of length 0 counts as one padding character.

    Returns:
        (U, F): the maximum over the word's characters c of the sum over s of `scores[s, characters[c + s - S // 2]]`.
    """
    answers: Tensor = _StrongestAnswers.apply(scores, characters, lengths)  # type: ignore[no-untyped-call]
    return answers


class _StrongestAnswers(torch.autograd.Function):
    """The gradient of a filter's maximum goes to the S rows that made it, and to no other."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
        num_places, num_characters, num_filters = scores.shape
        num_words, longest = characters.shape
        # (U, C, S): the characters that a filter centred on character c sees, as rows of scores laid out (S * N, F)
        seen = F.pad(characters, (num_places // 2, num_places // 2)).unfold(1, num_places, 1)
        rows = seen + torch.arange(num_places, device=seen.device) * num_characters
        summed = F.embedding_bag(rows.reshape(-1, num_places), scores.reshape(-1, num_filters), mode="sum")
        summed = summed.view(num_words, longest, num_filters)  # (U, C, F): filter f centred on character c
        outside = torch.arange(longest, device=seen.device) >= lengths.clamp(min=1).unsqueeze(1)  # (U, C)
        summed += torch.zeros_like(outside, dtype=summed.dtype).masked_fill_(outside, float("-inf")).unsqueeze(2)
        if not ctx.needs_input_grad[0]:
            return summed.amax(dim=1)
        best, places = summed.max(dim=1)  # (U, F): the maximum, and the character it is centred on
        ctx.save_for_backward(rows, places)
        ctx.shape = scores.shape
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, places = ctx.saved_tensors
        num_places, num_characters, num_filters = ctx.shape
        total = gradient.new_zeros(num_places * num_characters, num_filters)
        for place in range(num_places):
            total.scatter_add_(0, rows[:, :, place].gather(1, places), gradient)  # (U, F): one row a word and filter
        total = total.view(num_places, num_characters, num_filters)
        total[:, PADDING] = 0  # padding scores 0 and keeps doing so
        return total, None, None

"""Hypothesis strategies for what the package reads: span types, tags, corpora of gold and predicted tags.

And random batches for the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from hypothesis import strategies as st
from torch import Tensor

from tagger.schemes import SCHEMES, spans_to_tags
from tagger.sentence import Span

if TYPE_CHECKING:
    from tagger.data.batches import Batch

SPAN_SCHEMES = tuple(SCHEMES)
PLAIN_TAGS = ("NOUN", "VERB", "PRP$", "``", "|", "B-x", "O", "X_y")

# Types that look like prefixes, hold the separator, or differ from another in it alone.
_AWKWARD = ("PER", "event-film", "event_film", "B", "I-x", "O", "a-", "-a", "_")
Corpus = tuple[list[list[str]], list[list[str]]]


def labels(*, empty: bool = False) -> st.SearchStrategy[str]:
    """Types of span, hyphens and underscores included; `empty` also draws the type of a bare `B`."""
    drawn = st.sampled_from(_AWKWARD) | st.text(alphabet="AbO_-é ", min_size=1, max_size=4)
    return drawn | st.just("") if empty else drawn


@st.composite
def span_lists(draw: st.DrawFn, *, touching: bool = True, max_length: int = 8) -> tuple[list[Span], int]:
    """Spans in order without overlap, and a sentence length; without `touching`, no two of one type touch."""
    length = draw(st.integers(0, max_length))
    types = draw(st.lists(labels(empty=True), min_size=1, max_size=3, unique=True))
    spans: list[Span] = []
    position = 0
    while position < length:
        end = draw(st.integers(position, length))  # an empty stretch is a token outside
        label = draw(st.sampled_from(types))
        same = bool(spans) and spans[-1].end == position and spans[-1].label == label
        if end > position and (touching or not same):
            spans.append(Span(start=position, end=end, label=label))
        position = max(end, position + 1)
    return spans, length


@st.composite
def tag_sequences(draw: st.DrawFn, scheme: str, *, legal: bool = False, max_length: int = 8) -> list[str]:
    """Tags of one sentence: any of the scheme's in any order, or, if `legal`, tags that spell spans."""
    if legal:
        spans, length = draw(span_lists(max_length=max_length))
        return spans_to_tags(spans, length, scheme)
    types = draw(st.lists(labels(), min_size=1, max_size=2))
    tags = ["O", *(f"{prefix}-{label}" for prefix in SCHEMES[scheme].prefixes for label in types)]
    return draw(st.lists(st.sampled_from(tags), max_size=max_length))


@st.composite
def corpora(draw: st.DrawFn, scheme: str, *, max_sentences: int = 5) -> Corpus:
    """Gold and predicted tags of the same sentences, legal or not; empty sentences and all-O ones included."""
    types = draw(st.lists(labels(), min_size=1, max_size=3, unique=True))
    tags = ["O", *(f"{prefix}-{label}" for prefix in SCHEMES[scheme].prefixes for label in types)]
    pairs = st.lists(
        st.tuples(st.sampled_from(tags), st.sampled_from(tags)) | st.sampled_from(tags).map(lambda t: (t, t))
    )
    sentences = draw(st.lists(pairs, max_size=max_sentences))
    return [[gold for gold, _ in each] for each in sentences], [
        [predicted for _, predicted in each] for each in sentences
    ]


@st.composite
def plain_corpora(draw: st.DrawFn, *, max_sentences: int = 5) -> Corpus:
    """Gold and predicted plain tags of the same sentences."""
    tag = st.sampled_from(PLAIN_TAGS)
    sentences = draw(st.lists(st.lists(st.tuples(tag, tag), max_size=8), max_size=max_sentences))
    return [[gold for gold, _ in each] for each in sentences], [
        [predicted for _, predicted in each] for each in sentences
    ]


def random_batch(
    lengths: Sequence[int],
    *,
    num_words: int = 20,
    num_characters: int = 15,
    num_buckets: int = 30,
    num_affixes: int = 3,
    num_tags: int = 5,
    num_forms: int = 12,
) -> "Batch":
    """Sentences of these lengths as `collate` would lay them out, drawn with torch's generator; form 0 is padding."""
    from tagger.data.batches import Batch

    sizes = torch.tensor(lengths)
    mask = torch.arange(max(lengths)) < sizes[:, None]  # (B, T)
    character_lengths = torch.randint(1, 8, (num_forms,))  # (U,)
    character_lengths[0] = 0
    longest = int(character_lengths.max())
    characters = torch.randint(1, num_characters, (num_forms, longest))  # (U, C)
    affixes = torch.randint(1, num_buckets + 1, (num_forms, num_affixes))  # (U, A)
    affixes[0] = 0
    words = torch.randint(1, num_words, (num_forms,))  # (U,)
    words[0] = 0
    return Batch(
        forms=torch.randint(1, num_forms, mask.shape) * mask,
        words=words,
        characters=characters * (torch.arange(longest) < character_lengths[:, None]),
        character_lengths=character_lengths,
        affixes=affixes,
        lengths=sizes,
        tags=torch.randint(num_tags, mask.shape) * mask,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A random batch for a linear-chain CRF, float64; noise in the padding.

    Attributes:
        lengths: (B,) tokens.
        mask: (B, T) bool.
        emissions: (B, T, K).
        tags: (B, T) gold.
        allowed: (B, T, K) bool, at least one tag a token; gold may be left out.
        start: (K,).
        transitions: (K, K).
        end: (K,).
    """

    lengths: Tensor
    mask: Tensor
    emissions: Tensor
    tags: Tensor
    allowed: Tensor
    start: Tensor
    transitions: Tensor
    end: Tensor


@st.composite
def chains(
    draw: st.DrawFn, *, num_tags: int | None = None, max_steps: int = 6, scales: Sequence[float] = (0.0, 0.5, 2.0, 9.0)
) -> Chain:
    """Up to 3 sentences and 5 tags: as much as brute force can do."""
    lengths = draw(st.lists(st.integers(1, max_steps), min_size=1, max_size=3))
    size = draw(st.integers(1, 5)) if num_tags is None else num_tags
    scale = st.sampled_from(scales)
    return random_chain(
        lengths, size, seed=draw(st.integers(0, 2**32)), scale=draw(scale), transition_scale=draw(scale)
    )


def random_chain(
    lengths: Sequence[int], num_tags: int, *, seed: int, scale: float = 2.0, transition_scale: float = 1.5
) -> Chain:
    """A batch of sentences of these lengths; the scales are the standard deviations of its scores."""
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=random, dtype=torch.float64)

    sizes = torch.tensor(lengths)
    shape = (len(lengths), max(lengths))
    allowed = torch.rand(*shape, num_tags, generator=random) < 0.5
    one = torch.randint(num_tags, (*shape, 1), generator=random)
    return Chain(
        lengths=sizes,
        mask=torch.arange(shape[1]) < sizes[:, None],
        emissions=normal(*shape, num_tags) * scale,
        tags=torch.randint(num_tags, shape, generator=random),
        allowed=allowed.scatter(2, one, True),
        start=normal(num_tags) * transition_scale,
        transitions=normal(num_tags, num_tags) * transition_scale,
        end=normal(num_tags) * transition_scale,
    )

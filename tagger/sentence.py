"""The plain data everything else passes around: sentences in, predictions out.

All spans are half-open, `[start, end)`, in tokens; all offsets are half-open, in characters (code points)
of the very string the user gave.
"""

from dataclasses import dataclass
from typing import Any

MAX_TOKENS = 100_000
"""Tokens of the longest sentence that is read or tagged: memory grows with it, by some 10 to 40 KB a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sequence of tokens, with one gold tag per token where the data has them.

    Any sequence will do for tokens, tags and offsets; what is kept are tuples.

    Attributes:
        tokens: the tokens, as the data spells them.
        tags: one tag per token in the data's own scheme, or None where the data has no tags.
        source: where it comes from, for error messages: `path:line` or `dataset/split/row`; None if unknown.
        offsets: for each token its `(start, end)` characters in the raw text, or None if it never was raw text.

    Raises:
        TypeError: a string where a sequence of strings belongs.
        ValueError: not as many tags or offsets as tokens.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    source: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "tags", "offsets"):
            value: Any = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"{name} are a sequence of strings, not one string: {value!r}")
            if value is not None and type(value) is not tuple:
                object.__setattr__(self, name, tuple(value))
        if self.tags is not None and len(self.tags) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.tags)} tags")
        if self.offsets is not None and len(self.offsets) != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens but {len(self.offsets)} offsets")

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A labelled stretch of tokens: a named entity, a chunk, a slot.

    Attributes:
        start: index of its first token.
        end: index after its last token.
        label: its type, such as `PER`.
        confidence: the model's probability in [0, 1] that a span stands exactly there with this label, or None for gold
            spans. With a CRF head it is exact: the sum over all tag sequences of the sentence that spell this span,
            whatever they say elsewhere. With a softmax head it is the same sum with the tokens' tags independent.
    """

    start: int
    end: int
    label: str
    confidence: float | None = None

    @property
    def key(self) -> tuple[int, int, str]:
        """What makes two spans the same: place and label, not confidence."""
        return (self.start, self.end, self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the tagger says about one sentence.

    Attributes:
        tokens: the tokens, exactly as given.
        tags: one tag per token, in the scheme of the training data.
        spans: the spans those tags spell; empty for plain tags.
        confidence: the model's probability for each token's tag, in [0, 1]: its posterior, which with a CRF head is a
            sum over all tag sequences of the sentence. Tags of the network's own encoding that the data spell alike
            (B- and S- of BIOES are B- in BIO) count as one, except in IOB1, where that depends on their neighbours.
        offsets: for each token its `(start, end)` characters in the string given to `predict_text`, else None.
        sentence_starts: index of the first token of each sentence that the text was split into; `(0,)` for a
            sentence given as tokens, `()` where there are no tokens.
        num_illegal: transitions between the network's own tags that its encoding forbids, before they were respelled
            in the scheme of the training data.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    spans: tuple[Span, ...]
    confidence: tuple[float, ...]
    offsets: tuple[tuple[int, int], ...] | None = None
    sentence_starts: tuple[int, ...] = ()
    num_illegal: int = 0

    def __len__(self) -> int:
        return len(self.tokens)

"""What a Predictor is given, checked: whatever is no sentence or no text is refused by name."""

from collections.abc import Iterable, Iterator, Sequence

from tagger.errors import DataError
from tagger.sentence import MAX_TOKENS


class LongSentenceError(DataError):
    """A sentence of more tokens than are tagged together."""


def check_sentences(sentences: object) -> None:
    """Refuses with a TypeError what cannot be sentences of tokens."""
    if isinstance(sentences, str):
        raise TypeError("predict takes sentences of tokens, not a string: use predict_text for raw text")
    if not isinstance(sentences, Iterable):
        raise TypeError(f"predict takes sentences of tokens, such as [['The', 'cat']], got {_kind(sentences)}")


def check_tokens(sentence: Sequence[str]) -> tuple[str, ...]:
    """A sentence's tokens; a TypeError if it is no sequence of strings, a LongSentenceError if it is too long."""
    if isinstance(sentence, str):
        raise TypeError("a sentence is a sequence of tokens, not a string: use predict_text for raw text")
    if not isinstance(sentence, Iterable):
        raise TypeError(f"a sentence is a sequence of tokens, got {_kind(sentence)}")
    tokens = tuple(sentence)
    if not {*map(type, tokens)} <= {str}:  # only then one by one: a token may be of a class of strings
        for token in tokens:
            if not isinstance(token, str):
                raise TypeError(f"a token is a string, got {_kind(token)}: {token!r}")
    if len(tokens) > MAX_TOKENS:
        raise LongSentenceError(f"expected a sentence of at most {MAX_TOKENS:,} tokens, found {len(tokens):,}")
    return tokens


def take_window(sentences: Iterator[Sequence[str]], *, num_sentences: int, num_tokens: int) -> list[tuple[str, ...]]:
    """The next sentences, checked: so many, or fewer if they hold so many tokens already; none at the end."""
    window: list[tuple[str, ...]] = []
    for sentence in sentences:
        window.append(check_tokens(sentence))
        num_tokens -= len(window[-1])
        if len(window) >= num_sentences or num_tokens <= 0:
            break
    return window


def check_texts(texts: object) -> None:
    """Refuses with a TypeError what cannot be several texts."""
    if isinstance(texts, str):
        raise TypeError("predict_text_stream takes many strings, not one: use predict_text")
    if not isinstance(texts, Iterable):
        raise TypeError(f"predict_text takes a string or a list of strings, got {_kind(texts)}")


def check_text(text: object) -> None:
    """Refuses with a TypeError what is no text."""
    if not isinstance(text, str):
        raise TypeError(f"predict_text takes strings, got {_kind(text)}: use predict for tokens")


def _kind(value: object) -> str:
    return type(value).__name__

"""Predictor: sentences in, Predictions out, in input order."""

import functools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import overload

import torch

from tagger.data.batches import bucket, collate
from tagger.data.vocab import FormTable, Vocabulary
from tagger.errors import ConfigError
from tagger.inference.model_folder import SavedModel, load_model
from tagger.inference.text import split_text
from tagger.model.network import SequenceTagger
from tagger.schemes import OUTSIDE, convert_tags, is_plain, split_tag, tags_of_types, tags_to_spans
from tagger.sentence import Prediction, Span

WINDOW = 2048  # sentences looked at together, so that batches hold sentences of like length
BATCH_TOKENS = 4096
MAX_FORMS = 200_000  # distinct words remembered, at about 200 bytes each


def load(folder: str | Path, *, device: str = "auto") -> "Predictor":
    """Loads a trained model.

    Args:
        folder: a run folder, or the model folder within it.
        device: auto = the GPU if there is one; else cpu, cuda or cuda:N.

    Raises:
        MissingInputError: there is no model there.
        ModelError: the model is damaged, foreign or of a newer format.
        ConfigError: there is no such device.
    """
    return predictor_of(load_model(Path(folder)), device=pick_device(device))


def predictor_of(saved: SavedModel, *, device: torch.device) -> "Predictor":
    """The Predictor of a saved model."""
    return Predictor(
        saved.network,
        saved.vocabulary,
        scheme=saved.config.data.scheme,
        encoding=saved.config.model.encoding,
        device=device,
    )


def pick_device(name: str, *, key: str = "device") -> torch.device:
    """The device a name means.

    Args:
        name: auto, cpu, cuda or cuda:N.
        key: the setting to name in the error.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if name != "cpu" and device.type != "cuda":
        raise ConfigError(f"{key}: no device {name!r}: one of auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"{key}: {name}: there are {torch.cuda.device_count()} CUDA devices here; try cpu or auto")
    return device


class Predictor:
    """Tags sentences with a trained network, in float32: a sentence's tags do not depend on its company.

    Several threads may share one.

    Args:
        network: the trained network.
        vocabulary: strings <-> ids.
        scheme: how the answers spell spans: the data's own scheme.
        encoding: how the network's tags spell spans; no effect on plain tags.
        device: where to compute.
    """

    def __init__(
        self,
        network: SequenceTagger,
        vocabulary: Vocabulary,
        *,
        scheme: str,
        encoding: str,
        device: torch.device,
    ) -> None:
        self.network = network.to(device)
        self.vocabulary = vocabulary
        self.scheme = scheme
        self.device = device
        self._encoding = scheme if is_plain(scheme) else encoding
        self._table = FormTable(vocabulary, max_forms=MAX_FORMS)
        self._lock = threading.Lock()  # held wherever the table is in use

    def __reduce__(self) -> tuple[Callable[..., "Predictor"], tuple[SequenceTagger, Vocabulary]]:
        # Pickling (for other processes) and copying leave out the lock, and the forms met so far.
        encoding = self._encoding
        make = functools.partial(Predictor, scheme=self.scheme, encoding=encoding, device=self.device)
        return make, (self.network, self.vocabulary)

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag an answer can hold, in the data's own scheme."""
        if is_plain(self.scheme):
            return self.vocabulary.tags
        labels = (split_tag(tag, self._encoding)[1] for tag in self.vocabulary.tags if tag != OUTSIDE)
        return tuple(tags_of_types(dict.fromkeys(labels), self.scheme))

    def predict(self, sentences: Iterable[Sequence[str]]) -> list[Prediction]:
        """Tags sentences given as tokens.

        Args:
            sentences: sentences, each a sequence of tokens. An empty sentence gets an empty Prediction in its place.

        Returns:
            One Prediction a sentence, in order.

        Raises:
            TypeError: a bare string where a sequence of tokens belongs, or a token that is no string.
        """
        return list(self.predict_stream(sentences))

    def predict_stream(self, sentences: Iterable[Sequence[str]]) -> Iterator[Prediction]:
        """`predict` for any number of sentences in constant memory: reads ahead by at most `WINDOW` sentences."""
        if isinstance(sentences, str):
            raise TypeError("predict takes sentences of tokens, not a string: use predict_text for raw text")
        return self._windows(iter(sentences))

    @overload
    def predict_text(self, text: str) -> Prediction: ...
    @overload
    def predict_text(self, text: list[str]) -> list[Prediction]: ...
    def predict_text(self, text: str | list[str]) -> Prediction | list[Prediction]:
        """Tags raw text, which is split into sentences and tokens.

        Args:
            text: one string, or a list of strings.

        Returns:
            One Prediction a string, with each token's `offsets` into that very string; the sentences found begin at
            `sentence_starts`. A string without tokens gets an empty Prediction.
        """
        if isinstance(text, str):
            return self.predict_text([text])[0]
        return list(self.predict_text_stream(text))

    def predict_text_stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """`predict_text` for any number of strings in constant memory: reads ahead by at most `WINDOW` sentences."""
        if isinstance(texts, str):
            raise TypeError("predict_text_stream takes many strings, not one: use predict_text")
        return self._texts(iter(texts))

    def _texts(self, texts: Iterator[str]) -> Iterator[Prediction]:
        waiting: deque[tuple[int, _Offsets]] = deque()  # of each text read: its sentences, and its tokens' offsets

        def split() -> Iterator[tuple[str, ...]]:
            for text in texts:
                if not isinstance(text, str):
                    raise TypeError(f"predict_text takes strings, got {type(text).__name__}: use predict for tokens")
                sentences = split_text(text)
                offsets = tuple(offset for sentence in sentences for offset in sentence.offsets or ())
                # a text without tokens passes as an empty sentence, so that it keeps its place
                waiting.append((max(1, len(sentences)), offsets))
                yield from [sentence.tokens for sentence in sentences] or [()]

        parts: list[Prediction] = []
        for part in self.predict_stream(split()):
            parts.append(part)
            if len(parts) == waiting[0][0]:
                yield _join(parts, waiting.popleft()[1])
                parts = []

    def _windows(self, sentences: Iterator[Sequence[str]]) -> Iterator[Prediction]:
        while window := [_checked(sentence) for sentence in islice(sentences, WINDOW)]:
            yield from self._predict_window(window)

    def _predict_window(self, window: list[tuple[str, ...]]) -> list[Prediction]:
        answers = [_EMPTY] * len(window)
        names = self.vocabulary.tags
        self.network.eval()
        # inference_mode is per thread, so it is entered here and not when the model is loaded
        with torch.inference_mode():
            for indices in bucket([len(tokens) for tokens in window], batch_size=None, batch_tokens=BATCH_TOKENS):
                with self._lock:
                    rows = self._table.rows(window[index] for index in indices)
                    batch = collate(rows, table=self._table, tags=None, order=indices)
                batch = batch.to(self.device)
                mask = batch.mask
                emissions = self.network(batch)  # (B, T, K)
                ids = self.network.head.decode(emissions, mask)  # (B, T)
                marginals = self.network.head.marginals(emissions, mask)  # (B, T, K)
                chosen = marginals.gather(2, ids.unsqueeze(2)).squeeze(2)  # (B, T) probability of the tag given
                for index, row, chances in zip(indices, ids.tolist(), chosen.tolist(), strict=True):
                    tokens = window[index]
                    tags = [names[number] for number in row[: len(tokens)]]
                    answers[index] = self._answer(tokens, tags, chances[: len(tokens)])
        return answers

    def _answer(self, tokens: tuple[str, ...], tags: list[str], confidence: list[float]) -> Prediction:
        spans: tuple[Span, ...] = ()
        if not is_plain(self.scheme):
            tags = convert_tags(tags, self._encoding, self.scheme)
            # The probability that all of the span's tags are right, taking tokens as independent.
            spans = tuple(
                Span(
                    start=span.start,
                    end=span.end,
                    label=span.label,
                    confidence=math.prod(confidence[span.start : span.end]),
                )
                for span in tags_to_spans(tags, self.scheme)
            )
        return Prediction(
            tokens=tokens, tags=tuple(tags), spans=spans, confidence=tuple(confidence), sentence_starts=(0,)
        )


_Offsets = tuple[tuple[int, int], ...]
_EMPTY = Prediction(tokens=(), tags=(), spans=(), confidence=())


def _checked(sentence: Sequence[str]) -> tuple[str, ...]:
    if isinstance(sentence, str):
        raise TypeError("a sentence is a sequence of tokens, not a string: use predict_text for raw text")
    if not isinstance(sentence, Iterable):
        raise TypeError(f"a sentence is a sequence of tokens, got {type(sentence).__name__}")
    tokens = tuple(sentence)
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"a token is a string, got {type(token).__name__}: {token!r}")
    return tokens


def _join(parts: list[Prediction], offsets: tuple[tuple[int, int], ...]) -> Prediction:
    """One Prediction for a text out of those of its sentences."""
    tokens: list[str] = []
    tags: list[str] = []
    spans: list[Span] = []
    confidence: list[float] = []
    starts: list[int] = []
    for part in parts:
        shift = len(tokens)
        if part.tokens:
            starts.append(shift)
        spans += [
            Span(start=span.start + shift, end=span.end + shift, label=span.label, confidence=span.confidence)
            for span in part.spans
        ]
        tokens += part.tokens
        tags += part.tags
        confidence += part.confidence
    return Prediction(
        tokens=tuple(tokens),
        tags=tuple(tags),
        spans=tuple(spans),
        confidence=tuple(confidence),
        offsets=offsets,
        sentence_starts=tuple(starts),
    )

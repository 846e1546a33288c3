"""Predictor: sentences in, Predictions out, in input order."""

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar, overload

import torch
from torch import Tensor

from tagger.data.batches import Flags, bucket, pad_flags
from tagger.data.vocab import Vocabulary
from tagger.errors import ConfigError
from tagger.inference.answers import EMPTY, AllowedTags, Speller, join
from tagger.inference.device import Precision, computing
from tagger.inference.form_features import FormFeatures
from tagger.inference.inputs import check_sentences, check_text, check_texts, check_tokens, take_window
from tagger.inference.memory import no_garbage_search, release_memory
from tagger.inference.text import split_text
from tagger.inference.workers import map_on_cores
from tagger.model.heads import CRFHead
from tagger.model.network import SequenceTagger
from tagger.schemes import is_plain, tags_to_spans
from tagger.sentence import Prediction, Span

WINDOW = 4096  # sentences looked at together, so that batches hold sentences of like length
WINDOW_TOKENS = 2**17  # a window ends earlier if it holds so many: its answers wait in memory for each other
BATCH_TOKENS = 6144
LONG_BATCH_TOKENS = 2**15  # where sentences are long
MAX_FORMS_SIZE = 2**28  # bytes, about, of what is remembered of distinct words

_Answer = TypeVar("_Answer")


class Predictor:
    """Tags sentences with a trained network; in float32, a sentence's tags do not depend on its company.

    Several threads may share one.

    Args:
        network: the trained network.
        vocabulary: strings <-> ids.
        scheme: how the answers spell spans: the data's own scheme.
        encoding: how the network's tags spell spans; no effect on plain tags.
        device: where to compute.
        temperature: of every probability (see `tagger.model.temperature`); no effect on tags.
        precision: of the LSTM's products (see `load`); a form's features, and all that follows the LSTM, are float32.

    Raises:
        ConfigError: this network does not compute in this precision here.
    """

    def __init__(
        self,
        network: SequenceTagger,
        vocabulary: Vocabulary,
        *,
        scheme: str,
        encoding: str,
        device: torch.device,
        temperature: float = 1.0,
        precision: Precision = "fp32",
    ) -> None:
        if precision == "int8" and not network.encoder.reads_products(device):
            raise ConfigError("precision: int8 is for CPUs, and for an LSTM without projections; take fp32 or bf16")
        self.network = network.to(device)
        self.vocabulary = vocabulary
        self.scheme = scheme
        self.encoding = scheme if is_plain(scheme) else encoding
        self.device = device
        self.temperature = temperature
        self.precision: Precision = precision
        self._speller = Speller(vocabulary.tags, encoding=self.encoding, scheme=scheme)
        self._answers = torch.tensor(self._speller.stands_for, dtype=torch.float32, device=device)  # (K, A)
        self._features = FormFeatures(network, vocabulary, max_size=MAX_FORMS_SIZE, device=device)
        self._windows_since_release = 0.0  # full ones, tagged since memory was handed back

    def __reduce__(self) -> tuple[Callable[..., "Predictor"], tuple[SequenceTagger, Vocabulary]]:
        # Pickling (for other processes) and copying leave out the lock, and the forms met so far.
        return self._maker(self.temperature), (self.network, self.vocabulary)

    def at_temperature(self, temperature: float) -> "Predictor":
        """The same predictor, its probabilities at another temperature; 1: as the network was trained."""
        return self._maker(temperature)(self.network, self.vocabulary)

    def _maker(self, temperature: float) -> Callable[[SequenceTagger, Vocabulary], "Predictor"]:
        return functools.partial(
            Predictor,
            scheme=self.scheme,
            encoding=self.encoding,
            device=self.device,
            temperature=temperature,
            precision=self.precision,
        )

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag an answer can hold, in the data's own scheme."""
        return self._speller.answers

    def predict(
        self, sentences: Iterable[Sequence[str]], *, allowed: Iterable[AllowedTags | None] | None = None
    ) -> list[Prediction]:
        """Tags sentences given as tokens.

        Args:
            sentences: sentences, each a sequence of tokens. An empty sentence gets an empty Prediction in its place.
            allowed: what is known beforehand: for each sentence None, or for each of its tokens None or the tags it may
                get, in the data's own scheme (known gold, a gazetteer). They are kept, even where the scheme forbids
                them next to each other.

        Returns:
            One Prediction a sentence, in order.

        Raises:
            TypeError: a bare string where a sequence of tokens or a set of tags belongs, or a token that is no string.
            DataError: a sentence of more than 100,000 tokens (`tagger.sentence.MAX_TOKENS`).
            ValueError: `allowed` does not match the sentences, holds an unknown tag, or leaves a token none; or it is
                given where the data's scheme is IOB1, in which a tag's meaning depends on its neighbours.
        """
        if allowed is None:
            return list(self.predict_stream(sentences))
        check_sentences(sentences)
        checked, limits = [check_tokens(sentence) for sentence in sentences], list(allowed)
        if len(checked) != len(limits):
            raise ValueError(f"{len(checked)} sentences but allowed tags for {len(limits)}")
        flags = [self._speller.flags(*pair) for pair in zip(checked, limits, strict=True)]
        waiting, limited = iter(checked), iter(flags)
        answers: list[Prediction] = []
        while window := take_window(waiting, num_sentences=WINDOW, num_tokens=WINDOW_TOKENS):
            answers += self._predict_window(window, list(islice(limited, len(window))))
        return answers

    def predict_n_best(self, sentences: Iterable[Sequence[str]], *, n: int) -> list[list[tuple[Prediction, float]]]:
        """The n likeliest tag sequences of each sentence, best first, each with its probability in [0, 1].

        Args:
            sentences: sentences, each a sequence of tokens.
            n: how many, >= 1; a sentence that has fewer gets fewer. In the scheme IO, two may read alike.

        Raises:
            TypeError: as `predict`.
            ValueError: n < 1, or the model has no CRF head.
        """
        if n < 1:
            raise ValueError(f"n: expected a number >= 1, got {n}")
        if not isinstance(self.network.head, CRFHead):
            raise ValueError("only a model with a CRF head ranks whole tag sequences")
        check_sentences(sentences)
        checked = [check_tokens(sentence) for sentence in sentences]
        crf = self.network.head.crf

        def rank(scored: _Scored) -> list[tuple[int, tuple[Prediction, float]]]:
            paths, chances = crf.n_best(scored.emissions, scored.mask, n=n, temperature=self.temperature)
            ranked = zip(self._decode(checked, scored, paths), chances.flatten().tolist(), strict=True)
            return [(index, (prediction, chance)) for (index, prediction), chance in ranked]

        answers: list[list[tuple[Prediction, float]]] = [[] for _ in checked]
        for index, (prediction, chance) in self._work_through(checked, None, rank):
            if chance > 0 or not answers[index]:
                answers[index].append((prediction, chance))
        return answers

    def predict_stream(self, sentences: Iterable[Sequence[str]]) -> Iterator[Prediction]:
        """`predict` for any number of sentences in constant memory: reads ahead by at most `WINDOW` sentences."""
        check_sentences(sentences)
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
        check_texts(texts)
        return self._texts(iter(texts))

    def _texts(self, texts: Iterator[str]) -> Iterator[Prediction]:
        waiting: deque[tuple[int, _Offsets]] = deque()  # of each text read: its sentences, and its tokens' offsets

        def split() -> Iterator[tuple[str, ...]]:
            for text in texts:
                check_text(text)
                sentences = split_text(text)
                offsets = tuple(offset for sentence in sentences for offset in sentence.offsets or ())
                # a text without tokens passes as an empty sentence, so that it keeps its place
                waiting.append((max(1, len(sentences)), offsets))
                yield from [sentence.tokens for sentence in sentences] or [()]

        parts: list[Prediction] = []
        for part in self.predict_stream(split()):
            parts.append(part)
            if len(parts) == waiting[0][0]:
                yield join(parts, waiting.popleft()[1])
                parts = []

    def _windows(self, sentences: Iterator[Sequence[str]]) -> Iterator[Prediction]:
        while window := take_window(sentences, num_sentences=WINDOW, num_tokens=WINDOW_TOKENS):
            yield from self._predict_window(window, None)

    def _predict_window(self, window: list[tuple[str, ...]], flags: list[Flags] | None) -> list[Prediction]:
        def tag(scored: _Scored) -> list[tuple[int, Prediction]]:
            ids = self.network.head.decode(scored.emissions, scored.mask, allowed=scored.allowed)  # (B, T)
            return list(self._decode(window, scored, ids.unsqueeze(1)))

        answers = [EMPTY] * len(window)
        for index, answer in self._work_through(window, flags, tag):
            answers[index] = answer
        self._windows_since_release += max(len(window) / WINDOW, sum(map(len, window)) / WINDOW_TOKENS)
        if self._windows_since_release >= 1:  # not for every sentence that comes by itself: it takes milliseconds
            self._windows_since_release = 0.0
            release_memory()
        return answers

    def _work_through(
        self,
        window: list[tuple[str, ...]],
        flags: list[Flags] | None,
        answer: Callable[["_Scored"], list[_Answer]],
    ) -> Iterator[_Answer]:
        """What `answer` makes of a window's sentences, in batches of like length; empty ones are left out."""
        self.network.train(mode=False)

        @torch.inference_mode()  # which is per thread
        def work(indices: list[int]) -> list[_Answer]:
            return answer(self._score(window, flags, indices))

        lengths = [len(tokens) for tokens in window]
        # long sentences eight at a time: a step for one or two takes as long as a step for eight
        most_tokens = max(BATCH_TOKENS, min(8 * max(lengths, default=0), LONG_BATCH_TOKENS))
        groups = bucket(lengths, batch_size=None, batch_tokens=most_tokens)
        with no_garbage_search():
            # the longest first, so that no core is left alone with a slow batch at the end
            return chain.from_iterable(map_on_cores(work, groups[::-1], device=self.device))

    def _score(self, window: list[tuple[str, ...]], flags: list[Flags] | None, indices: list[int]) -> "_Scored":
        """The emissions of one batch: the sentences at these places of a window."""
        with computing(self.device, self.precision):
            known, forms, lengths = self._features.look_up([window[index] for index in indices])
            emissions = self.network.emissions(known, forms, lengths, in_int8=self.precision == "int8")
        mask = torch.arange(forms.size(1), device=self.device) < lengths.unsqueeze(1)  # (B, T)
        limits = None if flags is None else [flags[index] for index in indices]
        allowed = None
        if limits is not None:
            allowed = torch.from_numpy(pad_flags(limits, lengths.numpy(force=True))).to(self.device)
        return _Scored(indices=indices, emissions=emissions, mask=mask, allowed=allowed, flags=limits)

    def _decode(
        self, window: list[tuple[str, ...]], scored: "_Scored", ids: Tensor
    ) -> Iterator[tuple[int, Prediction]]:
        """The Predictions of tag ids (B, R, T), R for each sentence, each with the sentence's place in the window."""
        head, emissions, mask, allowed = self.network.head, scored.emissions, scored.mask, scored.allowed
        # (B, 1, T, A): the probability of each tag as the data spell it, which several of the network's can stand for
        marginals = head.marginals(emissions, mask, allowed=allowed, temperature=self.temperature)
        chances_of_tags = (marginals @ self._answers).unsqueeze(1)
        given = self._answers.argmax(dim=1)[ids].unsqueeze(3)  # (B, R, T, 1)
        confidence = chances_of_tags.expand(-1, ids.size(1), -1, -1).gather(3, given).squeeze(3).clamp(max=1.0)
        rows = [row for row in range(ids.size(0)) for _ in range(ids.size(1))]  # of each answer: its sentence
        tokens = [window[scored.indices[row]] for row in rows]
        paths = [
            path[: len(words)] for words, path in zip(tokens, ids.flatten(0, 1).numpy(force=True).tolist(), strict=True)
        ]
        tags = [
            self._speller.respell(path, None if scored.flags is None else scored.flags[row])
            for row, path in zip(rows, paths, strict=True)
        ]
        spans: list[list[Span]] = [[] for _ in tags]
        if labels := self._speller.labels:
            spans = [tags_to_spans(path, self.scheme) for path in tags]
            # (N, 4): sentence, first token, token after the last, label
            places = torch.tensor(
                [
                    (row, span.start, span.end, labels[span.label])
                    for row, found in zip(rows, spans, strict=True)
                    for span in found
                ],
                dtype=torch.int64,
                device=self.device,
            ).view(-1, 4)
            exact = head.span_probabilities(emissions, mask, places, allowed=allowed, temperature=self.temperature)
            chances = iter(exact.tolist())
            spans = [[replace(span, confidence=min(1.0, next(chances))) for span in found] for found in spans]
        for at, (row, sure) in enumerate(zip(rows, confidence.flatten(0, 1).numpy(force=True).tolist(), strict=True)):
            prediction = Prediction(
                tokens=tokens[at],
                tags=tuple(tags[at]),
                spans=tuple(spans[at]),
                confidence=tuple(sure[: len(tokens[at])]),
                sentence_starts=(0,),
                num_illegal=self._speller.count_illegal(paths[at]),
            )
            yield scored.indices[row], prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """One batch, scored: its sentences' places in the window, emissions (B, T, K), mask (B, T), allowed (B, T, K).

    `flags` are what is allowed, (T, K) of each sentence.
    """

    indices: list[int]
    emissions: Tensor
    mask: Tensor
    allowed: Tensor | None
    flags: list[Flags] | None


_Offsets = tuple[tuple[int, int], ...]

"""What an evaluation found, as plain data: strict JSON in and out.

A report holds counts; every precision, recall, F1 and accuracy in its JSON is written for the reader and counted
afresh when the file is read. Undefined values are `null`; NaN and infinity are refused in both directions.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from tagger.data.strict_json import parse_json
from tagger.errors import DataError
from tagger.evaluation.counts import SpanScores, TagScores
from tagger.evaluation.plain import ADDED, from_plain, to_plain
from tagger.evaluation.scores import audit_with_seqeval, score
from tagger.schemes import get_scheme, is_plain
from tagger.sentence import Prediction, Sentence

FORMAT = 1
MAX_CONFUSIONS = 15
Fact = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """One tag taken for another.

    Attributes:
        gold: the tag in gold.
        predicted: the tag predicted instead.
        count: tokens this happened to.
    """

    gold: str
    predicted: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One epoch of training.

    Attributes:
        epoch: its number, from 1.
        train_loss: mean loss over the epoch, in nats per token.
        dev_score: the main score on dev, in [0, 1]; None without dev.
        seconds: how long the epoch took.
    """

    epoch: int
    train_loss: float
    dev_score: float | None
    seconds: float

    def __post_init__(self) -> None:
        numbers = (self.train_loss, self.seconds, 0.0 if self.dev_score is None else self.dev_score)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"epoch {self.epoch}: a number that is not finite in its training curve")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTags:
    """The network's own tags, before they were respelled in the scheme of the data.

    Attributes:
        encoding: the scheme they are spelled in.
        num_illegal: transitions between them that this scheme forbids, sentence starts and ends included.
    """

    encoding: str
    num_illegal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How well one system tagged one split, and how the system was made.

    Attributes:
        title: what was evaluated, in a few words.
        split: which data: train, dev, test, or a file's name.
        scheme: the tag scheme of the data.
        num_sentences: sentences, those without tokens included.
        num_tokens: tokens.
        scores: the scores, all of them counted by the rules they name.
        most_confused: the commonest confusions of tags, most frequent first.
        curve: one point for each epoch of training; empty if unknown.
        facts: how it was made, in display order: seed, device, seconds, versions, hashes of the data.
        seqeval: micro precision, recall and F1 in [0, 1] as seqeval counted them in its default mode, None where
            undefined; None where seqeval was not asked, as for plain tags.
        own_tags: how legal the network's own tags were; None if unknown, as for plain tags.
        warnings: what to know before the scores are believed.
    """

    title: str
    split: str
    scheme: str
    num_sentences: int
    num_tokens: int
    scores: TagScores | SpanScores
    most_confused: tuple[Confusion, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    facts: dict[str, Fact] = field(default_factory=dict)
    seqeval: tuple[float | None, float | None, float | None] | None = None
    own_tags: OwnTags | None = field(default=None, metadata=ADDED)
    warnings: tuple[str, ...] = field(default=(), metadata=ADDED)

    def __post_init__(self) -> None:
        scores = self.scores
        if not is_plain(self.scheme):
            get_scheme(self.scheme)  # raises if there is none
        if is_plain(self.scheme) != isinstance(scores, TagScores):
            raise ValueError(f"{type(scores).__name__} do not belong to scheme {self.scheme}")
        tokens = scores.accuracy if isinstance(scores, TagScores) else scores.tokens
        if tokens.total != self.num_tokens or scores.sentences.total > self.num_sentences:
            raise ValueError(
                f"{tokens.total} tokens in {scores.sentences.total} sentences were scored, but the report has "
                f"{self.num_tokens} in {self.num_sentences}"
            )
        for name, value in self.facts.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"fact {name!r} is {value}, not a finite number")

    def to_json(self) -> str:
        """Writes the report as JSON with every derived score spelled out; `from_json` gives the same report back."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, indent=2, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Report":
        """Reads what `to_json` wrote; derived scores in it are counted afresh, whatever the text says.

        Args:
            text: a JSON document.

        Returns:
            The report.

        Raises:
            DataError: anything that `to_json` would not have written; the message names the key.
        """
        try:
            document = parse_json(text)
            if isinstance(document, dict) and document.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT}, the one this version of tagger reads")
            report: Report = from_plain(Report, document, "report")
        except (ValueError, OverflowError) as error:
            raise DataError(f"not a report: {error}") from error
        return report


def build_report(
    gold: Sequence[Sentence],
    predicted: Sequence[Sentence | Prediction],
    *,
    title: str,
    split: str,
    scheme: str,
    known_words: Collection[str] | None = None,
    encoding: str | None = None,
    curve: Sequence[CurvePoint] = (),
    facts: Mapping[str, Fact] | None = None,
    warnings: Sequence[str] = (),
) -> Report:
    """Scores predictions against gold and makes the report; spans are counted a second time by seqeval.

    Args:
        gold: sentences with gold tags.
        predicted: the same sentences with predicted tags, in the same order.
        title: what is evaluated, in a few words.
        split: which data: train, dev, test, or a file's name.
        scheme: the tag scheme of both sides.
        known_words: the words of the training data as its tokens spell them; None: unknown words are not counted.
        encoding: the scheme of the network's own tags; None if unknown.
        curve: one point for each epoch of training.
        facts: how the system was made, in display order.
        warnings: what to know before the scores are believed.

    Raises:
        DataError: a sentence without tags; the message names it.
        ValueError: sentences that do not match, or tags that are none of the scheme's.
    """
    gold_tags, predicted_tags = _get_tags(gold, "gold"), _get_tags(predicted, "predicted")
    tokens = _get_tokens(gold, predicted)
    scores = score(gold_tags, predicted_tags, scheme=scheme, tokens=tokens, known_words=known_words)
    spans = scores if isinstance(scores, SpanScores) else None
    return Report(
        title=title,
        split=split,
        scheme=scheme,
        num_sentences=len(gold),
        num_tokens=sum(map(len, tokens)),
        scores=scores,
        most_confused=_find_confusions(gold_tags, predicted_tags),
        curve=tuple(curve),
        facts=dict(facts or {}),
        seqeval=audit_with_seqeval(gold_tags, predicted_tags, scheme=scheme, scores=spans) if spans else None,
        own_tags=_count_illegal(predicted, encoding) if spans else None,
        warnings=tuple(warnings),
    )


def _get_tokens(gold: Sequence[Sentence], predicted: Sequence[Sentence | Prediction]) -> list[tuple[str, ...]]:
    for number, (ours, theirs) in enumerate(zip(gold, predicted, strict=False), start=1):
        if ours.tokens != theirs.tokens:
            raise ValueError(f"sentence {number}: gold and prediction have different tokens")
    return [sentence.tokens for sentence in gold]


def _count_illegal(predicted: Sequence[Sentence | Prediction], encoding: str | None) -> OwnTags | None:
    if encoding is None:
        return None
    num_illegal = sum(each.num_illegal for each in predicted if isinstance(each, Prediction))
    return OwnTags(encoding=encoding, num_illegal=num_illegal)


def _get_tags(sentences: Sequence[Sentence | Prediction], side: str) -> list[tuple[str, ...]]:
    tags: list[tuple[str, ...]] = []
    for number, sentence in enumerate(sentences, start=1):
        if sentence.tags is None:
            source = sentence.source if isinstance(sentence, Sentence) else None
            raise DataError(f"{source or f'{side} sentence {number}'}: no tags to score")
        tags.append(sentence.tags)
    return tags


def _find_confusions(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> tuple[Confusion, ...]:
    pairs = Counter(zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True))
    wrong = [(-count, ours, theirs) for (ours, theirs), count in pairs.items() if ours != theirs]
    return tuple(
        Confusion(gold=ours, predicted=theirs, count=-count) for count, ours, theirs in sorted(wrong)[:MAX_CONFUSIONS]
    )

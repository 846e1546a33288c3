"""What an evaluation found, as plain data: strict JSON in and out.

A report holds counts; every precision, recall, F1 and accuracy in its JSON is written for the reader and counted
afresh when the file is read. Undefined values are `null`; NaN and infinity are refused in both directions.
"""

import json
import math
import reprlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import chain
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from tagger.errors import DataError
from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
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
        return json.dumps({"format": FORMAT, **_write(self)}, indent=2, allow_nan=False) + "\n"

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
            document = json.loads(text, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
            if isinstance(document, dict) and document.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT}, the one this version of tagger reads")
            report: Report = _read(Report, document, "report")
        except (ValueError, OverflowError, RecursionError) as error:
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
    curve: Sequence[CurvePoint] = (),
    facts: Mapping[str, Fact] | None = None,
) -> Report:
    """Scores predictions against gold and makes the report; spans are counted a second time by seqeval.

    Args:
        gold: sentences with gold tags.
        predicted: the same sentences with predicted tags, in the same order.
        title: what is evaluated, in a few words.
        split: which data: train, dev, test, or a file's name.
        scheme: the tag scheme of both sides.
        known_words: the words of the training data as its tokens spell them; None leaves unknown words uncounted.
        curve: one point for each epoch of training.
        facts: how the system was made, in display order.

    Returns:
        The report.

    Raises:
        DataError: a sentence without tags; the message names it.
        ValueError: sentences that do not match, or tags that are none of the scheme's.
        TaggerError: seqeval counts other spans, which is a defect.
    """
    gold_tags, predicted_tags = _get_tags(gold, "gold"), _get_tags(predicted, "predicted")
    for number, (ours, theirs) in enumerate(zip(gold, predicted, strict=False), start=1):
        if ours.tokens != theirs.tokens:
            raise ValueError(f"sentence {number}: gold and prediction have different tokens")
    tokens = [sentence.tokens for sentence in gold]
    scores = score(gold_tags, predicted_tags, scheme=scheme, tokens=tokens, known_words=known_words)
    seqeval = None
    if isinstance(scores, SpanScores):
        seqeval = audit_with_seqeval(gold_tags, predicted_tags, scheme=scheme, scores=scores)
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
        seqeval=seqeval,
    )


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


# --- JSON: values are written and read as their dataclasses declare them --------------------------------------------

# Written for the reader, and dropped again on reading.
_DERIVED: dict[type, tuple[str, ...]] = {
    Counts: ("precision", "recall", "f1"),
    Ratio: ("value",),
    TagScores: ("main_name", "main", "rule", "macro_f1"),
    SpanScores: ("main_name", "main", "rule", "macro_f1"),
}
_EXPECTED = {int: "an integer >= 0", float: "a finite number", str: "a string"}


def _write(value: Any) -> Any:
    if is_dataclass(value):
        names = (*_DERIVED.get(type(value), ()), *(each.name for each in fields(value)))
        return {name: _write(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: _write(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_write(each) for each in value]
    return value


def _read(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _read_fields(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _read_union(arguments, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _unexpected("an object", value, where)
        return {key: _read(arguments[1], each, f"{where}.{key}") for key, each in value.items()}
    if origin is tuple:
        same = arguments[-1] is Ellipsis
        if not isinstance(value, list) or not (same or len(value) == len(arguments)):
            raise _unexpected("a list" if same else f"a list of {len(arguments)}", value, where)
        kinds = [arguments[0]] * len(value) if same else arguments
        return tuple(_read(*pair, f"{where}[{index}]") for index, pair in enumerate(zip(kinds, value, strict=True)))
    # bool is an int to Python, not to a reader of JSON
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise _unexpected(_EXPECTED[kind], value, where)
    if kind is str:
        return value
    if (value < 0 and kind is int) or not math.isfinite(value):
        raise _unexpected(_EXPECTED[kind], value, where)
    return kind(value)


def _read_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    others = [kind for kind in kinds if kind is not NoneType]
    if value is None and len(others) < len(kinds):
        return None
    if len(others) == 1:
        return _read(others[0], value, where)
    if TagScores in others:
        return _read(TagScores if isinstance(value, dict) and "accuracy" in value else SpanScores, value, where)
    if not isinstance(value, tuple(others)):
        raise _unexpected("a string, a number or null", value, where)
    return value


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unexpected("an object", value, where)
    hints, names = get_type_hints(kind), [each.name for each in fields(kind)]
    for name in names:
        if name not in value:
            raise ValueError(f"{where}: no key {name!r}")
    for name in value.keys() - {*names, *_DERIVED.get(kind, ())}:
        raise ValueError(f"{where}: no such key {name!r}")
    read = {name: _read(hints[name], value[name], f"{where}.{name}") for name in names}
    try:
        return kind(**read)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _unexpected(expected: str, value: Any, where: str) -> ValueError:
    return ValueError(f"{where}: expected {expected}, got {reprlib.repr(value)}")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        repeated = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {repeated!r} occurs twice")
    return read


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")

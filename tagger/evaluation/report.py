"""What an evaluation found, as plain data: strict JSON in and out.

A report holds counts; every precision, recall, F1 and accuracy in its JSON is written for the reader and counted
afresh when the file is read. Undefined values are `null`; NaN and infinity are refused in both directions.
"""

import math
from dataclasses import dataclass, field

from tagger.errors import DataError
from tagger.evaluation.counts import SpanScores, TagScores
from tagger.evaluation.document import read_document, write_document
from tagger.evaluation.findings import (
    Baseline,
    Breakdown,
    Calibration,
    Confusion,
    ConfusionCell,
    Intervals,
    PrecisionRecall,
    ScoredSentence,
    Suspect,
    Temperature,
)
from tagger.evaluation.plain import ADDED
from tagger.schemes import get_scheme, is_plain

FORMAT = 2
READS = (1, 2)  # 1 held scores, commonest confusions, curve and facts
Fact = str | int | float | None


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
        most_confused: the commonest confusions of tags or span types, most frequent first.
        curve: one point for each epoch of training; empty if unknown.
        facts: how it was made, in display order: seed, device, seconds, versions, hashes of the data.
        seqeval: micro precision, recall and F1 in [0, 1] as seqeval counted them in its default mode, None where
            undefined; None where seqeval was not asked, as for plain tags.
        own_tags: how legal the network's own tags were; None if unknown, as for plain tags.
        warnings: what to know before the scores are believed.
        intervals: how sure the scores are; None for fewer than two sentences.
        breakdowns: where the system fails.
        confusion_matrix: its cells that are not 0, gold by gold.
        calibration: whether confidences can be trusted, of tokens and of spans; empty for a system without any.
        temperature: what the model's scores were divided by; None if nothing was fitted.
        precision_recall: over the confidence threshold: of all labels together first, then each.
        min_precision: the precision that a threshold was asked for, in [0, 1]; None if none was.
        suspects: where a confident model disagrees with gold, the most confident first.
        baselines: simple systems beside it, trained on the same data.
        labels: the tags or span types that the system knows; empty if unknown.
        manifest: for each split that was read, its source, hash and counts.
        config: the resolved config as YAML; None if unknown.
        tags: every tag of gold and prediction; sentences name them by their index.
        sentences: every sentence with gold and prediction, in the order of the data; empty in format 1.
        words: for each word of the sentences how often train holds it, and how many different labels train gives it;
            None if unknown.
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
    intervals: Intervals | None = field(default=None, metadata=ADDED)
    breakdowns: tuple[Breakdown, ...] = field(default=(), metadata=ADDED)
    confusion_matrix: tuple[ConfusionCell, ...] = field(default=(), metadata=ADDED)
    calibration: tuple[Calibration, ...] = field(default=(), metadata=ADDED)
    temperature: Temperature | None = field(default=None, metadata=ADDED)
    precision_recall: tuple[PrecisionRecall, ...] = field(default=(), metadata=ADDED)
    min_precision: float | None = field(default=None, metadata=ADDED)
    suspects: tuple[Suspect, ...] = field(default=(), metadata=ADDED)
    baselines: tuple[Baseline, ...] = field(default=(), metadata=ADDED)
    labels: tuple[str, ...] = field(default=(), metadata=ADDED)
    manifest: dict[str, dict[str, str | int]] = field(default_factory=dict, metadata=ADDED)
    config: str | None = field(default=None, metadata=ADDED)
    tags: tuple[str, ...] = field(default=(), metadata=ADDED)
    sentences: tuple[ScoredSentence, ...] = field(default=(), metadata=ADDED)
    words: dict[str, tuple[int, int]] | None = field(default=None, metadata=ADDED)

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
        if self.sentences and len(self.sentences) != self.num_sentences:
            raise ValueError(f"{len(self.sentences)} sentences are listed, {self.num_sentences} were scored")
        for number, sentence in enumerate(self.sentences, start=1):
            if max(max(ids, default=-1) for ids in (sentence.gold, sentence.predicted or ())) >= len(self.tags):
                raise ValueError(f"sentence {number} names a tag that the report does not list")
        for place in (*(each.place for each in self.suspects), *(at for c in self.most_confused for at in c.examples)):
            inside = place.sentence < len(self.sentences)
            if not (inside and place.start < place.end <= len(self.sentences[place.sentence].tokens)):
                raise ValueError(f"{place} is no place in the sentences")

    def gold_tags(self, sentence: int) -> tuple[str, ...]:
        """Gold's tags of a sentence, named by its index."""
        return tuple(self.tags[number] for number in self.sentences[sentence].gold)

    def predicted_tags(self, sentence: int) -> tuple[str, ...]:
        """The predicted tags of a sentence, named by its index."""
        found = self.sentences[sentence]
        return tuple(self.tags[number] for number in (found.gold if found.predicted is None else found.predicted))

    def to_json(self) -> str:
        """Writes the report as JSON with every derived score spelled out; `from_json` gives the same report back."""
        return write_document(self, version=FORMAT)

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
            report: Report = read_document(Report, text, name="report", versions=READS)
        except (ValueError, OverflowError) as error:
            raise DataError(f"not a report: {error}") from error
        return report

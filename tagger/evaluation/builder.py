"""Gold and predicted sentences in, a Report out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tagger.errors import DataError
from tagger.evaluation.calibration import Confidence, calibrate, draw_curves, read_confidence
from tagger.evaluation.confusions import fill_matrix, find_confusions, find_suspects
from tagger.evaluation.counts import SpanScores
from tagger.evaluation.findings import Baseline, ScoredSentence, Temperature
from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import Ids, lay_out
from tagger.evaluation.measures import break_down, choose_units, find_intervals, main_interval
from tagger.evaluation.properties import Property, TrainingWords, find_properties
from tagger.evaluation.report import CurvePoint, Fact, OwnTags, Report
from tagger.evaluation.scores import audit_with_seqeval, score
from tagger.evaluation.statistics import NUM_RESAMPLES, resample_totals
from tagger.evaluation.tallies import tally
from tagger.sentence import Prediction, Sentence

MAX_AUDITED = 20_000  # sentences: seqeval takes 20 s for 100,000
_SCALE = 10_000  # of the confidences that a report keeps for each token


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A simple system's tags of the same sentences.

    Attributes:
        name: what it is called.
        rule: what it does, in a line.
        tags: its tags of each sentence.
        seconds: how long training and tagging took.
    """

    name: str
    rule: str
    tags: Sequence[Sequence[str]]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a system was made from.

    Attributes:
        labels: the tags or span types that it knows.
        manifest: for each split that was read, its source, hash and counts.
        config: the resolved config as YAML; None if unknown.
    """

    labels: Sequence[str] = ()
    manifest: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    config: str | None = None


UNKNOWN_ORIGIN = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What was done to the confidences of the predictions.

    Attributes:
        temperature: what the scores were divided by, > 0.
        fitted_on: the data it was fitted on.
        unscaled: the predictions without it.
    """

    temperature: float
    fitted_on: str
    unscaled: Sequence[Prediction]


def build_report(
    gold: Sequence[Sentence],
    predicted: Sequence[Sentence | Prediction],
    *,
    title: str,
    split: str,
    scheme: str,
    known_words: Collection[str] | None = None,
    words: TrainingWords | None = None,
    encoding: str | None = None,
    documents: Sequence[int | None] | None = None,
    rivals: Sequence[Rival] = (),
    min_precision: float | None = None,
    scaled: Scaled | None = None,
    curve: Sequence[CurvePoint] = (),
    facts: Mapping[str, Fact] | None = None,
    warnings: Sequence[str] = (),
    origin: Origin = UNKNOWN_ORIGIN,
) -> Report:
    """Scores predictions against gold and makes the report; spans are counted a second time by seqeval.

    Args:
        gold: sentences with gold tags.
        predicted: the same sentences with predicted tags, in the same order.
        title: what is evaluated, in a few words.
        split: which data: train, dev, test, or a file's name.
        scheme: the tag scheme of both sides.
        known_words: the words of the training data as its tokens spell them; None: unknown words are not counted.
        words: for each of those words how often train holds it, and how many different labels train gives it.
        encoding: the scheme of the network's own tags; None if unknown.
        documents: the number of each sentence's document; None if the data mark none.
        rivals: simple systems to set beside it.
        min_precision: the precision that a confidence threshold is looked for, in [0, 1]; None for none.
        scaled: the temperature of the confidences; None if nothing was fitted.
        curve: one point for each epoch of training.
        facts: how the system was made, in display order.
        warnings: what to know before the scores are believed.
        origin: what the system was made from.

    Raises:
        DataError: a sentence without tags; the message names it.
        ValueError: sentences that do not match, or tags that are none of the scheme's.
    """
    gold_tags, predicted_tags = _get_tags(gold, "gold"), _get_tags(predicted, "predicted")
    tokens = _get_tokens(gold, predicted)
    scores = score(gold_tags, predicted_tags, scheme=scheme, tokens=tokens, known_words=known_words)
    spans = scores if isinstance(scores, SpanScores) else None
    layout = lay_out(tokens)
    judged = Judgement(gold_tags, predicted_tags, layout=layout, scheme=scheme)
    found = list(find_properties(layout, known_words=known_words, words=words, spans=spans is not None))
    unit, units, num_units = choose_units(layout, documents)
    tallies = tally(judged, [each for each in found if isinstance(each, Property)], units=units, num_units=num_units)
    # of one unit every resample is the same: that would pass for certainty
    totals = resample_totals(tallies.counts, num_resamples=NUM_RESAMPLES if num_units > 1 else 0)
    confidence = read_confidence(predicted, judged)
    audited = spans is not None and len(gold) <= MAX_AUDITED
    return Report(
        title=title,
        split=split,
        scheme=scheme,
        num_sentences=len(gold),
        num_tokens=len(layout.sentences),
        scores=scores,
        most_confused=find_confusions(judged),
        curve=tuple(curve),
        facts=dict(facts or {}),
        seqeval=audit_with_seqeval(gold_tags, predicted_tags, scheme=scheme, scores=spans) if audited else None,
        own_tags=_count_illegal(predicted, encoding) if spans else None,
        warnings=tuple(warnings),
        intervals=find_intervals(tallies, totals, unit=unit) if num_units > 1 else None,
        breakdowns=break_down(tallies, totals, properties=found, plain=spans is None),
        confusion_matrix=fill_matrix(judged),
        calibration=calibrate(judged, confidence) if confidence else (),
        temperature=_describe_temperature(scaled, judged) if scaled else None,
        precision_recall=tuple(draw_curves(judged, confidence, min_precision=min_precision)) if confidence else (),
        min_precision=min_precision,
        suspects=find_suspects(judged, confidence) if confidence else (),
        baselines=tuple(_score_rival(each, judged, gold_tags, units=units, num_units=num_units) for each in rivals),
        labels=tuple(origin.labels),
        manifest={name: dict(read) for name, read in origin.manifest.items()},
        config=origin.config,
        tags=judged.tags,
        sentences=tuple(_list_sentences(gold, judged, confidence, documents)),
        words=None if words is None else {word: words.get(word, (0, 0)) for word in layout.words},
    )


def _describe_temperature(scaled: Scaled, judged: Judgement) -> Temperature:
    before = read_confidence(scaled.unscaled, judged)
    return Temperature(
        value=scaled.temperature,
        fitted_on=scaled.fitted_on,
        before=calibrate(judged, before) if before else (),
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


def _score_rival(
    rival: Rival, judged: Judgement, gold: Sequence[Sequence[str]], *, units: Ids, num_units: int
) -> Baseline:
    theirs = Judgement(gold, rival.tags, layout=judged.layout, scheme=judged.scheme)
    return Baseline(
        name=rival.name,
        rule=rival.rule,
        scores=score(gold, rival.tags, scheme=judged.scheme),
        interval=main_interval(tally(theirs, (), units=units, num_units=num_units)) if num_units > 1 else None,
        seconds=rival.seconds,
    )


def _list_sentences(
    gold: Sequence[Sentence],
    judged: Judgement,
    confidence: Confidence | None,
    documents: Sequence[int | None] | None,
) -> Iterator[ScoredSentence]:
    edges = judged.layout.offsets.tolist()
    ours, theirs, right = judged.gold.tolist(), judged.predicted.tolist(), judged.right_sentences.tolist()
    tokens = spans = None
    if confidence is not None:
        tokens = (confidence.tokens * _SCALE).astype(np.int64).tolist()  # rounded down: 1 is certainty
    if confidence is not None and confidence.spans is not None:
        spans = (confidence.spans * _SCALE).astype(np.int64).tolist()
        of_spans = np.searchsorted(judged.predicted_spans.starts, judged.layout.offsets).tolist()
    for number, sentence in enumerate(gold):
        start, end = edges[number], edges[number + 1]
        yield ScoredSentence(
            tokens=sentence.tokens,
            gold=tuple(ours[start:end]),
            predicted=None if right[number] else tuple(theirs[start:end]),
            confidence=None if tokens is None else tuple(tokens[start:end]),
            span_confidence=None if spans is None else tuple(spans[of_spans[number] : of_spans[number + 1]]),
            source=sentence.source,
            document=None if documents is None else documents[number],
        )

"""Gold and predicted sentences in, a Report out."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from tagger.errors import DataError
from tagger.evaluation.counts import SpanScores
from tagger.evaluation.findings import Confusion
from tagger.evaluation.report import CurvePoint, Fact, OwnTags, Report
from tagger.evaluation.scores import audit_with_seqeval, score
from tagger.sentence import Prediction, Sentence

MAX_CONFUSIONS = 15


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

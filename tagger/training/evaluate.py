"""evaluate(): a trained model on sentences with gold tags -> Report."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tagger.data.vocab import known_words
from tagger.errors import DataError
from tagger.evaluation.report import CurvePoint, Fact, Report, build_report
from tagger.inference.predictor import Predictor, load
from tagger.sentence import Sentence


def evaluate(
    model: Predictor | str | Path,
    sentences: Sequence[Sentence],
    *,
    title: str = "tagger",
    split: str = "test",
    curve: Sequence[CurvePoint] = (),
    facts: Mapping[str, Fact] | None = None,
) -> Report:
    """Tags sentences and compares the tags with gold.

    Args:
        model: a Predictor, or a run folder or model folder to load one from.
        sentences: sentences with gold tags, in the scheme of the model's training data.
        title: what is evaluated, for the report's heading.
        split: the name of the data, for the report's heading.
        curve: one point for each epoch of training, for the report.
        facts: how the model was made, for the report, in display order.

    Returns:
        The report; spans in it are counted a second time by seqeval.

    Raises:
        DataError: a sentence without tags.
        MissingInputError, ModelError: the model cannot be loaded.
    """
    predictor = model if isinstance(model, Predictor) else load(model)
    for number, sentence in enumerate(sentences, start=1):
        if sentence.tags is None:  # said before the work of tagging, not after
            raise DataError(f"{sentence.source or f'sentence {number}'}: no tags to score")
    start = time.perf_counter()
    predictions = predictor.predict(sentence.tokens for sentence in sentences)
    seconds = time.perf_counter() - start
    num_tokens = sum(map(len, sentences))
    return build_report(
        sentences,
        predictions,
        title=title,
        split=split,
        scheme=predictor.scheme,
        known_words=known_words(predictor.vocabulary, {token for sentence in sentences for token in sentence.tokens}),
        curve=curve,
        facts={**(facts or {}), "predicted tokens/s": round(num_tokens / seconds)},
    )

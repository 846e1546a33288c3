"""The temperature of a model's probabilities, fitted on dev."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tagger.data.arrow import ArrowSentences
from tagger.data.batches import LazyBatches, Ragged, bucket
from tagger.data.vocab import FormTable
from tagger.evaluation.report import Fact
from tagger.inference.device import full_float32
from tagger.inference.predictor import BATCH_TOKENS, Predictor
from tagger.model.temperature import Fit, ScoredGold, fit_temperature
from tagger.schemes import convert_tags, is_plain

FITTED_ON = "dev"
MAX_SCORES = 2**26  # emissions that are held at once; of a larger dev every second sentence counts, or every third, ...


def fit_on_dev(predictor: Predictor, dev: ArrowSentences) -> Fit:
    """Fits the temperature of a predictor's network.

    Args:
        predictor: holds the network; it is left in evaluation mode.
        dev: gold. Sentences with a tag that the network does not know are left out.
    """
    if not len(dev.tokens.codes):
        return Fit(missing="there is no dev split")
    network, table = predictor.network, FormTable(predictor.vocabulary)
    rows, tags = _encode(dev, predictor, table)
    if not len(rows):
        return Fit(missing="every sentence of dev has a tag that train lacks")
    groups = bucket(np.diff(rows.starts), batch_size=None, batch_tokens=BATCH_TOKENS)
    network.train(mode=False)
    gold = []
    with torch.no_grad(), full_float32(predictor.device):
        for batch in LazyBatches(groups, rows=rows, table=table, tags=tags):
            batch = batch.to(predictor.device)
            if batch.tags is not None:
                gold.append(ScoredGold(emissions=network(batch), tags=batch.tags, mask=batch.mask))
    return fit_temperature(network.head, gold)


def describe_fit(manifest: Mapping[str, Any]) -> dict[str, Fact]:
    """Why a saved model's probabilities have no temperature, as a fact for a report; nothing where they have one."""
    entry = manifest.get("temperature")
    reason = entry.get("missing") if isinstance(entry, Mapping) else None
    return describe_missing(reason if isinstance(reason, str) else None)


def describe_missing(reason: str | None) -> dict[str, Fact]:
    """The same of a fit, by its reason."""
    return {} if reason is None else {"temperature": f"1, not fitted: {reason}"}


def _encode(dev: ArrowSentences, predictor: Predictor, table: FormTable) -> tuple[Ragged[np.int32], Ragged[np.int32]]:
    """The forms of the sentences that count, as rows of the table, and their gold tags as the network spells them."""
    ids = {tag: number for number, tag in enumerate(predictor.vocabulary.tags)}
    step = math.ceil(len(dev.tokens.codes) * len(ids) / MAX_SCORES)
    rows, tags, starts = [], [], [0]
    for sentence in dev[::step]:
        spelled = list(sentence.tags or ())
        if not is_plain(predictor.scheme):
            spelled = convert_tags(spelled, predictor.scheme, predictor.encoding)
        if spelled and all(tag in ids for tag in spelled):
            rows += table.rows([sentence.tokens])
            tags.append(np.array([ids[tag] for tag in spelled], dtype=np.int32))
            starts.append(starts[-1] + len(spelled))
    ends = np.array(starts, dtype=np.int64)
    forms, gold = (np.concatenate([np.zeros(0), *parts]).astype(np.int32) for parts in (rows, tags))
    return Ragged(values=forms, starts=ends), Ragged(values=gold, starts=ends)

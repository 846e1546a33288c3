"""Gold and prediction of all sentences side by side, in arrays: which tokens and spans are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tagger.evaluation.layout import Flags, Ids, Layout, Spans, lay_out_tags, read_spans
from tagger.schemes import OUTSIDE, is_plain, split_tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What became of each span (see `MatchCounts`): P pairs, of which one side may be missing.

    Attributes:
        gold: (P,) index of the gold span; -1 for a spurious one.
        predicted: (P,) index of the predicted span; -1 for a missed one.
        same_place: (P,) whether both have the same boundaries.
    """

    gold: Ids
    predicted: Ids
    same_place: Flags


class Judgement:
    """Gold and predicted tags of N sentences, M tokens.

    Args:
        gold: the gold tags of each sentence.
        predicted: the predicted tags of each.
        layout: the sentences.
        scheme: how both spell spans.
        tags: tags to know beforehand, so that those of several systems get the same ids.

    Attributes:
        tags: the tag of each id.
        labels: plain: the tags; else the span types, each in alphabetical order.
        gold: (M,) ids of the gold tags.
        predicted: (M,) ids of the predicted ones.
        right: (M,) whether they are the same.
    """

    def __init__(
        self,
        gold: Sequence[Sequence[str]],
        predicted: Sequence[Sequence[str]],
        *,
        layout: Layout,
        scheme: str,
        tags: Sequence[str] = (),
    ) -> None:
        known = {tag: number for number, tag in enumerate(tags)}
        self.layout, self.scheme, self.is_plain = layout, scheme, is_plain(scheme)
        self.gold, self.predicted = lay_out_tags(gold, known), lay_out_tags(predicted, known)
        self.tags = tuple(known)
        self.right = self.gold == self.predicted
        self.labels = tuple(sorted(known))
        if not self.is_plain:
            self.labels = tuple(sorted({split_tag(tag, scheme)[1] for tag in known if tag != OUTSIDE}))

    @cached_property
    def gold_labels(self) -> Ids:
        """(M,) the label of each gold tag; plain tags only."""
        return self._label_of_tag[self.gold]

    @cached_property
    def predicted_labels(self) -> Ids:
        """(M,) the label of each predicted tag; plain tags only."""
        return self._label_of_tag[self.predicted]

    @cached_property
    def gold_spans(self) -> Spans:
        """The spans of gold."""
        return self._read(self.gold)

    @cached_property
    def predicted_spans(self) -> Spans:
        """The predicted spans."""
        return self._read(self.predicted)

    @cached_property
    def pairs(self) -> Pairs:
        """Every span of both sides once."""
        return pair_spans(self.gold_spans, self.predicted_spans)

    @cached_property
    def found(self) -> Flags:
        """For each gold span whether it was predicted just so."""
        return self._exact[0]

    @cached_property
    def correct(self) -> Flags:
        """For each predicted span whether gold has just that one."""
        return self._exact[1]

    @cached_property
    def right_sentences(self) -> Flags:
        """(N,) whether every tag of a sentence is right."""
        wrong = np.bincount(self.layout.sentences[~self.right], minlength=self.layout.num_sentences)
        right: Flags = wrong == 0
        return right

    @cached_property
    def _exact(self) -> tuple[Flags, Flags]:
        gold, predicted, pairs = self.gold_spans, self.predicted_spans, self.pairs
        ours, theirs = pairs.gold[pairs.same_place], pairs.predicted[pairs.same_place]
        same = gold.labels[ours] == predicted.labels[theirs]
        found, correct = np.zeros(len(gold.starts), dtype=bool), np.zeros(len(predicted.starts), dtype=bool)
        found[ours[same]], correct[theirs[same]] = True, True
        return found, correct

    @property
    def _label_of_tag(self) -> Ids:
        place = {label: number for number, label in enumerate(self.labels)}
        return np.array([place[tag] for tag in self.tags], dtype=np.int64)

    def _read(self, ids: Ids) -> Spans:
        return read_spans(ids, self.layout, tags=self.tags, scheme=self.scheme, labels=self.labels)


def pair_spans(gold: Spans, predicted: Spans) -> Pairs:
    """What `match_spans` does for one sentence, for all of them."""
    length = int(max(gold.ends.max(initial=0), predicted.ends.max(initial=0)))
    at = np.full(length + 1, -1)
    at[predicted.starts] = np.arange(len(predicted.starts))
    other = at[gold.starts]
    same = (other >= 0) & (predicted.ends[other] == gold.ends) if len(predicted.starts) else other >= 0
    ours, theirs = np.flatnonzero(same), other[same]
    free_gold = np.flatnonzero(~same)
    free_predicted = np.setdiff1d(np.arange(len(predicted.starts)), theirs, assume_unique=True)
    rest = _pair_overlapping(gold, predicted, free_gold, free_predicted)
    left, right = (np.array(side, dtype=np.int64) for side in zip(*rest, strict=True)) if rest else (ours[:0], ours[:0])
    return Pairs(
        gold=np.concatenate([ours, left]),
        predicted=np.concatenate([theirs, right]),
        same_place=np.arange(len(ours) + len(left)) < len(ours),
    )


def _pair_overlapping(gold: Spans, predicted: Spans, ours: Ids, theirs: Ids) -> list[tuple[int, int]]:
    """Pairs of what is left after those with the same boundaries, and (-1, other) or (one, -1) of what stays alone."""
    first = np.searchsorted(predicted.ends[theirs], gold.starts[ours], side="right")
    last = np.searchsorted(predicted.starts[theirs], gold.ends[ours], side="left")
    ranges = list(zip(ours.tolist(), first.tolist(), last.tolist(), strict=True))
    names, labels, their_labels = theirs.tolist(), gold.labels.tolist(), predicted.labels.tolist()
    taken: set[int] = set()
    partner: dict[int, int] = {}
    for same_type in (True, False):
        for one, low, high in ranges:
            if one in partner:
                continue
            for other in names[low:high]:
                if other not in taken and (not same_type or labels[one] == their_labels[other]):
                    partner[one] = other
                    taken.add(other)
                    break
    pairs = [(one, partner.get(one, -1)) for one, _, _ in ranges]
    return pairs + [(-1, other) for other in names if other not in taken]

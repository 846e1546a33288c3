"""What is counted in each sentence or document: the columns that every score, interval and test is worked out from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tagger.evaluation.judgement import Judgement
from tagger.evaluation.layout import Flags, Ids
from tagger.evaluation.properties import Property
from tagger.evaluation.statistics import Floats, divide, f1_of

MAX_LABELS = 200  # with columns of their own: three each would not fit into memory for thousands
OVERALL, LABEL = "overall", "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A score: the columns that hold what is correct, predicted and gold. An accuracy is the F1 of what is both.

    Attributes:
        group: `overall`, `label`, or the name of a property.
        name: the score, the label, or the bucket.
        correct: a column.
        predicted: a column.
        gold: a column.
    """

    group: str
    name: str
    correct: int
    predicted: int
    gold: int

    def f1(self, totals: Floats) -> Floats:
        """F1 of totals (R, C): (R,), NaN where undefined."""
        return f1_of(totals[:, self.correct], totals[:, self.predicted], totals[:, self.gold])

    def precision(self, totals: Floats) -> Floats:
        """Precision of totals (R, C): (R,), NaN where undefined."""
        return divide(totals[:, self.correct], totals[:, self.predicted])

    def recall(self, totals: Floats) -> Floats:
        """Recall of totals (R, C): (R,), NaN where undefined."""
        return divide(totals[:, self.correct], totals[:, self.gold])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """All scores of a system, and what they are worked out from.

    Attributes:
        counts: (U, C) what is counted in each unit.
        scores: the scores, each with its columns.
        has_all_labels: whether every label of gold is among them.
    """

    counts: Floats
    scores: tuple[Tally, ...]
    has_all_labels: bool

    def find(self, group: str) -> dict[str, Tally]:
        """The scores of a group by name."""
        return {each.name: each for each in self.scores if each.group == group}

    def macro_f1(self, totals: Floats) -> Floats:
        """Mean F1 of the labels that gold has, in each row of totals (R, C): (R,), NaN where it has none.

        NaN too where not every label has columns: the mean of the commonest is another score.
        """
        labels = list(self.find(LABEL).values())
        if not labels or not self.has_all_labels:
            return np.full(len(totals), np.nan)
        scores = np.stack([each.f1(totals) for each in labels])
        occurs = np.stack([totals[:, each.gold] > 0 for each in labels])
        return divide(np.where(occurs, scores, 0.0).sum(axis=0), occurs.sum(axis=0).astype(float))


def tally(judged: Judgement, properties: Sequence[Property], *, units: Ids, num_units: int) -> Tallies:
    """Counts what every score needs.

    Args:
        judged: gold and prediction.
        properties: what to break scores down by.
        units: (N,) the unit of each sentence.
        num_units: U.
    """
    columns = _Columns(units, num_units, judged)
    sentences = judged.layout.lengths > 0
    columns.add_ratio(OVERALL, "sentences", units[judged.right_sentences & sentences], units[sentences])
    if judged.is_plain:
        columns.add_tags(judged, properties)
    else:
        columns.add_ratio(OVERALL, "tokens", columns.of_tokens[judged.right], columns.of_tokens)
        columns.add_spans(judged, properties)
    in_gold = judged.gold_labels if judged.is_plain else judged.gold_spans.labels
    return Tallies(
        counts=np.stack(columns.columns, axis=1).astype(np.float64),
        scores=tuple(columns.scores),
        has_all_labels=len(np.unique(in_gold)) <= MAX_LABELS,
    )


class _Columns:
    """Columns under way: what is counted is named by the unit that it lies in."""

    def __init__(self, units: Ids, num_units: int, judged: Judgement) -> None:
        self.columns: list[Ids] = []
        self.scores: list[Tally] = []
        self.num_units = num_units
        self.of_tokens = units[judged.layout.sentences]  # (M,)

    def add_ratio(self, group: str, name: str, right: Ids, of: Ids) -> None:
        """Adds a score of so many right out of so many."""
        correct, total = self._count(right), self._count(of)
        self.scores.append(Tally(group=group, name=name, correct=correct, predicted=total, gold=total))

    def add_counts(self, group: str, name: str, correct: Ids, predicted: Ids, gold: Ids) -> None:
        """Adds a score of what is correct, predicted and gold."""
        numbers = [self._count(each) for each in (correct, predicted, gold)]
        self.scores.append(Tally(group=group, name=name, correct=numbers[0], predicted=numbers[1], gold=numbers[2]))

    def add_tags(self, judged: Judgement, properties: Sequence[Property]) -> None:
        """Adds accuracy, each tag, and each bucket."""
        of, right = self.of_tokens, judged.right
        self.add_ratio(OVERALL, "accuracy", of[right], of)
        ours, theirs = judged.gold_labels, judged.predicted_labels
        for label in _commonest(ours, len(judged.labels)):
            in_gold, in_predicted = ours == label, theirs == label
            name = judged.labels[label]
            self.add_counts(LABEL, name, of[in_gold & right], of[in_predicted], of[in_gold])
        for each in properties:
            for number, name in enumerate(each.buckets):
                inside = each.of_tokens == number
                self.add_ratio(each.name, name, of[inside & right], of[inside])

    def add_spans(self, judged: Judgement, properties: Sequence[Property]) -> None:
        """Adds all spans by each rule, each type, and each bucket."""
        gold, predicted, pairs = judged.gold_spans, judged.predicted_spans, judged.pairs
        ours, theirs = self.of_tokens[gold.starts], self.of_tokens[predicted.starts]
        self.add_counts(OVERALL, "micro F1", ours[judged.found], theirs, ours)
        spelled = judged.found & gold.strict
        spelled[spelled] = _strict_partner(judged)[spelled]
        self.add_counts(OVERALL, "strict F1", ours[spelled], theirs[predicted.strict], ours[gold.strict])
        both = (pairs.gold >= 0) & (pairs.predicted >= 0)
        same_type = both.copy()
        same_type[both] = gold.labels[pairs.gold[both]] == predicted.labels[pairs.predicted[both]]
        self.add_counts(OVERALL, "boundaries F1", ours[pairs.gold[pairs.same_place]], theirs, ours)
        self.add_counts(OVERALL, "types F1", ours[pairs.gold[same_type]], theirs, ours)
        for label in _commonest(gold.labels, len(judged.labels)):
            in_gold, in_predicted = gold.labels == label, predicted.labels == label
            name = judged.labels[label]
            self.add_counts(LABEL, name, ours[in_gold & judged.found], theirs[in_predicted], ours[in_gold])
        for each in properties:
            of_gold, of_predicted = each.of_spans(gold), each.of_spans(predicted)
            for number, name in enumerate(each.buckets):
                in_gold, in_predicted = of_gold == number, of_predicted == number
                self.add_counts(each.name, name, ours[in_gold & judged.found], theirs[in_predicted], ours[in_gold])

    def _count(self, units: Ids) -> int:
        self.columns.append(np.bincount(units, minlength=self.num_units))
        return len(self.columns) - 1


def _strict_partner(judged: Judgement) -> Flags:
    """For each gold span whether the predicted one in its place is spelled strictly too."""
    strict = np.zeros(len(judged.gold_spans.starts), dtype=bool)
    at = judged.pairs.same_place
    strict[judged.pairs.gold[at]] = judged.predicted_spans.strict[judged.pairs.predicted[at]]
    return strict


def _commonest(in_gold: Ids, num_labels: int) -> list[int]:
    """The labels to count one by one, in alphabetical order: all, or the commonest in gold, whatever is predicted."""
    ranked = np.argsort(-np.bincount(in_gold, minlength=num_labels), kind="stable")
    return sorted(ranked[:MAX_LABELS].tolist())

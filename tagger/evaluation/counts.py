"""What scores are made of: counts, which are stored, and ratios, which are derived from them and never stored.

A ratio over nothing is undefined: None here, `null` in JSON, `-` in print; never NaN, 0 or 1 by convention.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from tagger.evaluation.plain import ADDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What precision, recall and F1 are made of.

    Attributes:
        correct: predicted and in gold.
        predicted: all that were predicted.
        gold: all that are in gold.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("precision", "recall", "f1")
    correct: int
    predicted: int
    gold: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= min(self.predicted, self.gold):
            raise ValueError(f"{self.correct} correct of {self.predicted} predicted and {self.gold} gold")

    @property
    def precision(self) -> float | None:
        """Part of what was predicted that is correct, in [0, 1]; None if nothing was predicted."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Part of gold that was found, in [0, 1]; None if gold holds nothing."""
        return self.correct / self.gold if self.gold else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, 2c / (p + g), in [0, 1]; None if nothing is predicted or in gold."""
        total = self.predicted + self.gold
        return 2 * self.correct / total if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """So many right out of so many.

    Attributes:
        correct: how many are right.
        total: out of how many.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("value",)
    correct: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.total:
            raise ValueError(f"{self.correct} correct of {self.total}")

    @property
    def value(self) -> float | None:
        """The ratio in [0, 1]; None over nothing."""
        return self.correct / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchCounts:
    """What became of each span, after MUC-5 (Chinchor & Sundheim, 1993): every gold span and every predicted one once.

    Pairs are made one to one within a sentence, by conlleval's reading of the tags: first spans with the same
    boundaries; then, left to right, spans that overlap and have the same type; then spans that overlap. What is left
    over is missed in gold, spurious in the prediction.

    Attributes:
        correct: same boundaries, same type.
        wrong_type: same boundaries, another type.
        wrong_boundary: overlapping, same type.
        wrong_both: overlapping, another type.
        missed: gold spans that overlap no predicted span that is free.
        spurious: predicted spans that overlap no gold span that is free.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("boundaries", "types")
    correct: int
    wrong_type: int
    wrong_boundary: int
    wrong_both: int
    missed: int
    spurious: int

    @property
    def boundaries(self) -> Counts:
        """Spans with the right boundaries, whatever their type."""
        return self._count(self.correct + self.wrong_type)

    @property
    def types(self) -> Counts:
        """Spans that overlap one of their own type, whatever their boundaries."""
        return self._count(self.correct + self.wrong_boundary)

    def _count(self, right: int) -> Counts:
        paired = self.correct + self.wrong_type + self.wrong_boundary + self.wrong_both
        return Counts(correct=right, predicted=paired + self.spurious, gold=paired + self.missed)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagScores:
    """Scores of plain tags.

    Attributes:
        accuracy: tokens with gold's tag.
        per_tag: each tag of gold or prediction -> its counts, in tokens.
        sentences: sentences with every tag right; those without tokens are not counted.
        unknown_words: accuracy over tokens that are not in the training words; None if those were not given.
        known_words: accuracy over tokens that are; None if those were not given.
        main_name: what `main` is called.
        rule: how `main` is counted, to print beside it.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("main_name", "main", "rule", "macro_f1")
    main_name: ClassVar[str] = "accuracy"
    rule: ClassVar[str] = "accuracy over tokens"
    accuracy: Ratio
    per_tag: dict[str, Counts]
    sentences: Ratio
    unknown_words: Ratio | None = None
    known_words: Ratio | None = None

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of the tags that occur in gold; None if gold is empty."""
        return _macro_f1(self.per_tag.values())

    @property
    def main(self) -> float | None:
        """The one number to compare systems by: accuracy, in [0, 1]."""
        return self.accuracy.value


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanScores:
    """Scores of spans.

    Attributes:
        micro: all spans by conlleval's rule, whatever their type.
        per_type: each type of gold or prediction -> its counts by conlleval's rule.
        strict: all spans spelled exactly as the scheme spells them, on both sides.
        strict_per_type: the same by type.
        illegal_gold: transitions in gold that the scheme forbids, sentence starts and ends included.
        illegal_predicted: the same in the prediction.
        tokens: tokens with gold's tag.
        sentences: sentences with every tag right; those without tokens are not counted.
        unknown_word_spans: recall over gold spans with at least one word that is not in the training words; None if
            those were not given.
        known_word_spans: recall over all other gold spans; None if the training words were not given.
        matches: what became of each span where a partial match counts too; None in reports of earlier versions.
        main_name: what `main` is called.
        rule: how `main` is counted, to print beside it.
    """

    DERIVED: ClassVar[tuple[str, ...]] = ("main_name", "main", "rule", "macro_f1")
    main_name: ClassVar[str] = "micro F1"
    rule: ClassVar[str] = "spans by conlleval's rule, micro"
    micro: Counts
    per_type: dict[str, Counts]
    strict: Counts
    strict_per_type: dict[str, Counts]
    illegal_gold: int
    illegal_predicted: int
    tokens: Ratio
    sentences: Ratio
    unknown_word_spans: Ratio | None = None
    known_word_spans: Ratio | None = None
    matches: MatchCounts | None = field(default=None, metadata=ADDED)

    @property
    def macro_f1(self) -> float | None:
        """Mean F1 of the types that occur in gold, by conlleval's rule; None if gold holds no span."""
        return _macro_f1(self.per_type.values())

    @property
    def main(self) -> float | None:
        """The one number to compare systems by: micro F1 by conlleval's rule, in [0, 1]."""
        return self.micro.f1


def _macro_f1(counts: Iterable[Counts]) -> float | None:
    defined = [each.f1 for each in counts if each.gold and each.f1 is not None]
    return sum(defined) / len(defined) if defined else None

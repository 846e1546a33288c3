"""What is odd about the labels of a corpus: those that train lacks, rare ones, and texts that bear two."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tagger.data.lines import quote
from tagger.schemes import OUTSIDE, is_plain, tags_to_spans

TRAIN = "train"
# One label has so much of all spans (or tags), or O of all tokens, that a score over all hardly sees the others.
_DOMINANT, _DOMINANT_OUTSIDE = 0.9, 0.99
# A label that a text bears so seldom beside another is taken for a slip, else the text for ambiguous.
_SLIP, _SLIP_LONG = 0.1, 0.34
_MIN_EVIDENCE, _MIN_EVIDENCE_LONG = 10, 3


@dataclass(slots=True)
class Place:
    """Where something was met first, and how often it was met."""

    where: str
    count: int


class LabelFinding(NamedTuple):
    """A finding, as `Collector.add` takes it."""

    kind: str
    where: str
    message: str
    weight: float


@dataclass(slots=True, kw_only=True)
class LabelCounts:
    """Counts labels: span labels in a span scheme, tags in plain.

    Attributes:
        scheme: how tags spell spans.
        unknown: the tag that stands where nobody knows the tag; it is no label.
        labels: split -> label -> where it was first, and how often.
        tags: split -> how often each tag occurs.
        texts: text of a span -> label -> where it was first, and how often.
        lengths: text of a span -> its tokens.
    """

    scheme: str
    unknown: str | None = None
    labels: dict[str, dict[str, Place]] = field(default_factory=dict)
    tags: dict[str, Counter[str]] = field(default_factory=dict)
    texts: dict[str, dict[str, Place]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)

    def add(self, tokens: Sequence[str], tags: Sequence[str], *, split: str, place: Callable[[int], str]) -> None:
        """Counts a sentence.

        Args:
            tokens: T tokens.
            tags: T tags, all of the scheme.
            split: the split it is in.
            place: position of a token -> its place.
        """
        labels = self.labels.setdefault(split, {})
        self.tags.setdefault(split, Counter()).update(tags)
        if is_plain(self.scheme):
            for tag, count in Counter(tags).items():
                if tag in labels:
                    labels[tag].count += count
                elif tag != self.unknown:
                    labels[tag] = Place(place(tags.index(tag)), count)
            return
        known = [OUTSIDE if tag == self.unknown else tag for tag in tags]
        for span in tags_to_spans(known, self.scheme):
            text = " ".join(tokens[span.start : span.end])
            self.lengths[text] = span.end - span.start
            for counts in (labels, self.texts.setdefault(text, {})):
                if span.label in counts:
                    counts[span.label].count += 1
                else:
                    counts[span.label] = Place(place(span.start), 1)

    def unseen(self) -> Iterator[LabelFinding]:
        """Labels of dev and test that train lacks."""
        known = self.labels.get(TRAIN, {})
        for split, labels in self.labels.items():
            for label, place in labels.items() if TRAIN in self.labels else ():
                if label not in known:
                    message = f"{self._noun} {label!r} is in {split} {_times(place.count)}, but not in train"
                    yield LabelFinding("unseen-label", place.where, message, place.count)

    def rare(self, min_count: int) -> Iterator[LabelFinding]:
        """Labels of train with fewer than `min_count` examples."""
        for label, place in self.labels.get(TRAIN, {}).items():
            if place.count < min_count:
                message = f"{self._noun} {label!r} is in train {_times(place.count)} only"
                yield LabelFinding("rare-label", place.where, message, -place.count)

    def imbalance(self, source: str) -> Iterator[LabelFinding]:
        """Labels that leave hardly anything to the others; `source` is what train is called."""
        counts = {label: place.count for label, place in self.labels.get(TRAIN, {}).items()}
        total = sum(counts.values())
        if len(counts) > 1 and max(counts.values()) > _DOMINANT * total:
            label = max(counts, key=counts.__getitem__)
            what = "tokens" if is_plain(self.scheme) else "spans"
            message = f"{self._noun} {label!r} has {counts[label]:,} of {total:,} {what} ({counts[label] / total:.1%})"
            yield LabelFinding("imbalance", source, message, 0)
        tags = self.tags.get(TRAIN, Counter())
        outside = tags[OUTSIDE]
        if not is_plain(self.scheme) and outside > _DOMINANT_OUTSIDE * tags.total():
            share = f"{outside:,} of {tags.total():,} tokens ({outside / tags.total():.2%})"
            yield LabelFinding("imbalance", source, f"O stands at {share}", 0)

    def conflicts(self) -> Iterator[LabelFinding]:
        """Texts of spans that bear one label often and another so seldom that it may be a slip."""
        for text, labels in self._contested():
            best = max(labels, key=lambda label: labels[label].count)
            much = labels[best].count
            for label, place in labels.items():
                if label != best and self._is_slip(text, much=much, little=place.count):
                    message = f"{quote(text)} is {label} {_times(place.count)}, but {best} {_times(much)}"
                    message += f" (first at {labels[best].where})"
                    weight = (much / place.count) * self.lengths[text]
                    yield LabelFinding("label-conflict", place.where, message, weight)

    def num_ambiguous(self) -> int:
        """How many texts bear several labels of which none looks like a slip."""
        return sum(
            not any(
                self._is_slip(text, much=max(each.count for each in labels.values()), little=place.count)
                for place in labels.values()
            )
            for text, labels in self._contested()
        )

    def _contested(self) -> Iterator[tuple[str, dict[str, Place]]]:
        return ((text, labels) for text, labels in self.texts.items() if len(labels) > 1)

    def _is_slip(self, text: str, *, much: int, little: int) -> bool:
        is_long = self.lengths[text] > 1
        needed, share = (_MIN_EVIDENCE_LONG, _SLIP_LONG) if is_long else (_MIN_EVIDENCE, _SLIP)
        return much >= needed and little <= share * much

    @property
    def _noun(self) -> str:
        return "tag" if is_plain(self.scheme) else "label"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"

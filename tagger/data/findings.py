"""What `lint` looks for and what it found: plain data, and the collector that counts all and keeps a few examples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tagger.data.recurrence import DUPLICATE, LEAKAGE, TAG_CONFLICT
from tagger.data.scanned import BAD_LINE, BAD_TAG, BAD_TEXT, RAGGED

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of finding.

    Attributes:
        name: what machines call it.
        severity: `error` or `warning`.
        title: what people call it.
        advice: what to do, or why it matters.
    """

    name: str
    severity: str
    title: str
    advice: str = ""


KINDS = (
    Kind(name=BAD_TEXT, severity=ERROR, title="lines that are not text"),
    Kind(name=RAGGED, severity=ERROR, title="lines with more or fewer columns than the first"),
    Kind(name=BAD_LINE, severity=ERROR, title="lines that cannot be read"),
    Kind(name=BAD_TAG, severity=ERROR, title="tags that cannot be read"),
    Kind(name="nothing", severity=ERROR, title="splits without a sentence"),
    Kind(
        name="scheme",
        severity=ERROR,
        title="tags of another scheme",
        advice="set the scheme that the tags follow, or convert them: tagger data convert",
    ),
    Kind(
        name="illegal-transition",
        severity=ERROR,
        title="tags that may not follow each other",
        advice="tagger data convert --repair respells them, reading spans as conlleval does",
    ),
    Kind(
        name=LEAKAGE,
        severity=WARNING,
        title="sentences that stand in an earlier split too",
        advice="scores on them say what was remembered; --forbid-leakage makes them an error",
    ),
    Kind(name=DUPLICATE, severity=WARNING, title="sentences that stand twice in a split"),
    Kind(name=TAG_CONFLICT, severity=WARNING, title="the same sentence with different tags"),
    Kind(
        name="label-conflict",
        severity=WARNING,
        title="span texts with a second label where another is the rule",
    ),
    Kind(
        name="unseen-label",
        severity=WARNING,
        title="labels that train lacks",
        advice="no model can learn them; each counts as missed",
    ),
    Kind(name="suspicious-character", severity=WARNING, title="tokens and tags with suspicious characters"),
    Kind(name="line-end", severity=WARNING, title="line ends, byte-order marks and blank lines out of the ordinary"),
    Kind(name="empty-sentence", severity=WARNING, title="sentences without tokens"),
    Kind(
        name="long-sentence",
        severity=WARNING,
        title="sentences of unusual length",
        advice="is an empty line missing?",
    ),
    Kind(name="rare-label", severity=WARNING, title="labels with few examples in train"),
    Kind(name="imbalance", severity=WARNING, title="labels that outweigh all others"),
)
"""Every kind of finding, in the order of the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding.

    Attributes:
        where: `path:line`, `dataset/split/row N`, or a path or split alone.
        message: what is there.
    """

    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All findings of one kind.

    Attributes:
        kind: which.
        total: how many there are.
        examples: the most telling of them, or all.
    """

    kind: Kind
    total: int
    examples: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintOptions:
    """What to look for, and how much to show.

    Attributes:
        examples: findings of each kind to keep; None: all.
        forbid_leakage: whether a sentence in two splits is an error.
        max_length: tokens; longer sentences are told.
        min_recurring: tokens; shorter sentences that come again are counted, not told.
        min_count: spans (plain: tokens); labels with fewer in train are told.
    """

    examples: int | None = 5
    forbid_leakage: bool = False
    max_length: int = 250
    min_recurring: int = 5
    min_count: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSize:
    """What a split is made of.

    Attributes:
        source: its file, or `dataset/split`.
        sentences: how many.
        tokens: how many in all.
    """

    source: str
    sentences: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What was found in a corpus.

    Attributes:
        scheme: how its tags were read.
        splits: what was read.
        groups: the findings by kind.
        notes: what was seen and, being no more than ordinary, is no finding.
    """

    scheme: str
    splits: Mapping[str, SplitSize]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]

    def count(self, severity: str) -> int:
        """How many findings are of a severity."""
        return sum(group.total for group in self.groups if group.kind.severity == severity)


class Collector:
    """Counts findings by kind and keeps the most telling ones.

    Args:
        kinds: the kinds there are, in the order they are to be shown in.
        limit: how many examples of each kind to keep; None: all.
    """

    def __init__(self, kinds: Iterable[Kind], *, limit: int | None) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._limit = limit
        self._totals: dict[str, int] = {}
        self._kept: dict[str, list[tuple[float, int, Finding]]] = {}

    def add(self, kind: str, where: str, message: str, *, weight: float = 0.0) -> None:
        """Adds a finding.

        Args:
            kind: the name of its kind.
            where: its place.
            message: what is there.
            weight: how telling it is; of equal ones the earlier is kept.
        """
        total = self._totals[kind] = self._totals.get(kind, 0) + 1
        kept = self._kept.setdefault(kind, [])
        if self._limit is None or len(kept) < self._limit or weight > kept[-1][0]:
            kept.append((weight, -total, Finding(where=where, message=message)))
            if self._limit is not None:
                kept.sort(key=_rank, reverse=True)
                del kept[self._limit :]

    def groups(self) -> tuple[Group, ...]:
        """What was found, in the order of the kinds; the most telling first."""
        return tuple(
            Group(
                kind=kind,
                total=self._totals[name],
                examples=tuple(finding for *_, finding in sorted(self._kept[name], key=_rank, reverse=True)),
            )
            for name, kind in self._kinds.items()
            if name in self._totals
        )


def _rank(kept: tuple[float, int, Finding]) -> tuple[float, int]:
    return kept[:2]


def kinds_by(options: LintOptions) -> tuple[Kind, ...]:
    """The kinds, as severe as the options say."""
    return tuple(
        replace(kind, severity=ERROR) if kind.name == LEAKAGE and options.forbid_leakage else kind for kind in KINDS
    )

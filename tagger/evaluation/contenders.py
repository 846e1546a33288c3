"""Systems to compare, and whether they can be compared at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagger.errors import DataError
from tagger.evaluation.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A system to compare.

    Attributes:
        name: what it is called; no two have the same.
        reports: of each of its runs: one, or one for each seed; all of the same data.
    """

    name: str
    reports: tuple[Report, ...]


def check_comparable(contenders: Sequence[Contender]) -> None:
    """Raises DataError, saying what differs, unless all were scored on the same data and know the same labels."""
    reference, base = contenders[0].name, contenders[0].reports[0]
    for each in contenders:
        for report in each.reports:
            who = f"{each.name}: {report.title}" if len(each.reports) > 1 else each.name
            if report.num_sentences and not report.sentences:
                raise DataError(
                    f"{who}: its report lists no sentences, so it was written by an earlier version: evaluate again"
                )
            problem = _find_difference(base, report)
            if problem:
                raise DataError(f"{who} cannot be compared with {reference}: {problem}")


def _find_difference(base: Report, other: Report) -> str | None:
    if base.scheme != other.scheme:
        return f"scheme {other.scheme} instead of {base.scheme}"
    if base.num_sentences != other.num_sentences:
        return f"{other.num_sentences:,} sentences instead of {base.num_sentences:,}"
    for number, (ours, theirs) in enumerate(zip(base.sentences, other.sentences, strict=True)):
        where = f"sentence {number + 1}" + (f" ({theirs.source})" if theirs.source else "")
        if ours.tokens != theirs.tokens:
            return f"other tokens in {where}"
        if base.gold_tags(number) != other.gold_tags(number):
            return f"other gold tags in {where}"
    lacking, added = sorted(set(base.labels) - set(other.labels)), sorted(set(other.labels) - set(base.labels))
    if base.labels and other.labels and (lacking or added):
        parts = [f"it does not know {', '.join(lacking)}"] if lacking else []
        parts += [f"it alone knows {', '.join(added)}"] if added else []
        return f"other labels: {'; '.join(parts)}"
    return None


def shared_words(contenders: Sequence[Contender]) -> tuple[dict[str, tuple[int, int]] | None, list[str]]:
    """What train holds of each word, where all were trained on the same."""
    reports = [report for each in contenders for report in each.reports]
    if all(report.words == reports[0].words for report in reports):
        return reports[0].words, []
    return None, ["The systems were trained on different words, so differences are not broken down by those."]


def warn_of_seeds(contenders: Sequence[Contender]) -> Iterator[str]:
    """What to know where a system has one run only."""
    single = [each.name for each in contenders if len(each.reports) == 1]
    if single:
        yield (
            f"One run of {', '.join(single)}: another seed may change a score by as much as this difference; "
            "the tests tell of other sentences, not of other seeds."
        )

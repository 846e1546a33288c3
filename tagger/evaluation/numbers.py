"""How numbers are written for people, wherever they are shown."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagger.evaluation.findings import Interval

UNDEFINED = "-"


def format_percent(value: float | None) -> str:
    """A score in [0, 1] as a percentage with two decimals, `-` where it is undefined."""
    return UNDEFINED if value is None else f"{100 * value:.2f}"


def format_interval(interval: "Interval | None") -> str:
    """An interval of a score in percent, `41.2–58.1`, of a difference `-1.2 to 3.4`; `-` where there is none."""
    if interval is None:
        return UNDEFINED
    between = " to " if interval.low < 0 else "–"
    return f"{100 * interval.low:.1f}{between}{100 * interval.high:.1f}"


def format_count(number: int, noun: str) -> str:
    """So many of something: `1 sentence`, `1,200 sentences`.

    Args:
        number: how many.
        noun: what, in the singular; its plural ends in s.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""What is shown, whatever it is shown as: a page of sections, each with a table and notes."""

from dataclasses import dataclass

INDENT = "  "  # in front of the name of what is a part of the score above it

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, a table (`align` holds `l` or `r` for each column), and notes under it."""

    heading: str
    columns: Row
    align: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is shown of a report or a comparison: a title, a line under it, warnings, and sections."""

    title: str
    subtitle: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]


def clean(text: str) -> str:
    """Spells out line ends, control characters and the like, which would break a table or drive a terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)

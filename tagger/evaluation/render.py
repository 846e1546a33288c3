"""A report as plain text and as Markdown: the same sections, each score with its rule and its counts beside it."""

import textwrap
import unicodedata
from collections.abc import Sequence

from tagger.evaluation.comparison import Comparison
from tagger.evaluation.comparison_sections import make_comparison_page
from tagger.evaluation.page import INDENT, Page, Row, Section, clean
from tagger.evaluation.report import Report
from tagger.evaluation.sections import make_page

_SHORTEST_CELL = 12
_MARKDOWN_SPECIAL = frozenset("\\`*_[]<>|#&~$")


def render_text(shown: Report | Comparison, *, width: int = 88) -> str:
    """Renders what matters most for a terminal or a log: aligned tables, no colours, no escape sequences.

    Args:
        shown: a report or a comparison.
        width: columns to stay within as far as names and numbers allow; labels too long for it lose their middle.

    Returns:
        Lines of text, the last one ended.
    """
    page = _make(shown, full=False)
    title = clean(page.title)
    lines = [title, "=" * min(width, _measure(title)), page.subtitle]
    for warning in page.warnings:
        lines += _wrap(f"Warning: {clean(warning)}", width)
    for section in page.sections:
        lines += ["", section.heading, *_align(section, width)]
        for note in section.notes:
            lines += _wrap(note, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_markdown(shown: Report | Comparison) -> str:
    """Renders everything as Markdown with tables, fit for a pull request or a model card.

    Args:
        shown: a report or a comparison.

    Returns:
        Markdown text, the last line ended.
    """
    page = _make(shown, full=True)
    lines = [f"# {_escape(clean(page.title))}", "", _escape(page.subtitle)]
    for warning in page.warnings:
        lines += ["", f"**Warning:** {_escape(clean(warning))}"]
    for section in page.sections:
        lines += ["", f"## {_escape(section.heading)}", ""]
        lines.append(_join_cells([_escape(cell) for cell in section.columns]))
        lines.append(_join_cells(["---:" if letter == "r" else "---" for letter in section.align]))
        lines += [_join_cells([_escape(_mark_indent(cell)) for cell in row]) for row in section.rows]
        for note in section.notes:
            lines += ["", _escape(note)]
    return "\n".join(lines) + "\n"


def _make(shown: Report | Comparison, *, full: bool) -> Page:
    return make_page(shown, full=full) if isinstance(shown, Report) else make_comparison_page(shown, full=full)


def _escape(text: str) -> str:
    return "".join(f"\\{each}" if each in _MARKDOWN_SPECIAL else each for each in text)


def _mark_indent(cell: str) -> str:
    """Markdown drops blanks in front: a dash instead."""
    return f"– {cell.removeprefix(INDENT)}" if cell.startswith(INDENT) else cell


def _join_cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _measure(text: str) -> int:
    """Columns a text takes on a terminal: East Asian characters are wide, combining marks take none."""
    wide = sum(1 for each in text if unicodedata.east_asian_width(each) in "WF")
    return len(text) + wide - sum(1 for each in text if unicodedata.category(each) in {"Mn", "Me"})


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False)


def _cut(text: str, limit: int) -> str:
    while _measure(text) > limit:
        middle = len(text) // 2
        text = f"{text[: middle - 1]}…{text[middle + 1 :]}"
    return text


def _align(section: Section, width: int) -> list[str]:
    table = [section.columns, *section.rows]
    widths = [max(_measure(row[index]) for row in table) for index in range(len(section.columns))]
    excess = sum(widths) + 2 * (len(widths) - 1) - width
    # text in the last column goes on in the next line; labels in front of numbers lose their middle
    texts = [index for index, letter in enumerate(section.align) if letter == "l"]
    for index in sorted(texts, reverse=True, key=lambda index: (index == len(widths) - 1, widths[index])):
        least = max(min(widths[index], _SHORTEST_CELL), widths[index] - max(excess, 0))
        excess -= widths[index] - least
        widths[index] = least
    rows = [_wrap_row(row, section.align, widths=widths) for row in table]
    rules = "  ".join("─" * each for each in widths)
    return [*rows[0], rules, *(line for row in rows[1:] for line in row)]


def _wrap_row(row: Row, align: str, *, widths: Sequence[int]) -> list[str]:
    rest: list[str] = []
    if align[-1] == "l":
        last, *rest = textwrap.wrap(row[-1], widths[-1], break_long_words=False, break_on_hyphens=False) or [""]
        row = (*row[:-1], last)
    cells = []
    for index, (cell, letter, limit) in enumerate(zip(row, align, widths, strict=True)):
        shown = cell if letter == "l" and index == len(row) - 1 else _cut(cell, limit)
        blanks = " " * (limit - _measure(shown))
        cells.append(shown + blanks if letter == "l" else blanks + shown)
    indent = " " * (sum(widths[:-1]) + 2 * (len(widths) - 1))
    return ["  ".join(cells), *(indent + each for each in rest)]

"""A report as one HTML file: it asks for nothing from anywhere, opens from a disk, and can be sent as it is.

What it shows is written by templates beside this module, from the report's JSON document; every figure is marked with
its place there. Text from data is escaped by the templates and spelled out where it is invisible; should any of it
still come to be read as a script, the page's content security policy names what may run by its hash.
"""

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tagger.evaluation import figures
from tagger.evaluation.charts import Contrast, place_bar, place_difference
from tagger.evaluation.comparison import Comparison
from tagger.evaluation.comparison_page import describe_comparison
from tagger.evaluation.figures import Node, get_pairs, get_place, get_value, make_key, show_text
from tagger.evaluation.plain import to_plain
from tagger.evaluation.report import Report
from tagger.evaluation.report_page import describe_report


def render_html(report: Report) -> str:
    """Renders a report as one HTML page.

    Args:
        report: what to render.

    Returns:
        The page; written as UTF-8 it stays under 1 MB for any number of sentences: what is long is cut and says so.
    """
    document = Node(to_plain(report))
    return _render("report.html.j2", {"report": document, **describe_report(report, document)})


def render_comparison_html(comparison: Comparison) -> str:
    """Renders a comparison as one HTML page, with the same promises as `render_html`."""
    document = Node(to_plain(comparison))
    return _render("comparison.html.j2", {"comparison": document, **describe_comparison(comparison, document)})


def _render(template: str, context: dict[str, Any]) -> str:
    return _make_environment().get_template(template).render(context)


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tagger.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        value=get_value,
        place=get_place,
        pairs=get_pairs,
        clean=show_text,
        clean_lines=lambda text: "\n".join(map(show_text, text.split("\n"))),
        key=make_key,
        figure=lambda node, notation: figures.format_figure(get_value(node), notation),
        place_bar=lambda node, interval, width: place_bar(get_value(node), _ends(interval), width=width),
        place_difference=_place_difference,
    )
    for name, file in (("style", "page.css"), ("script", "page.js")):
        source = (files("tagger.evaluation") / "templates" / file).read_text(encoding="utf-8").strip()
        environment.globals[name] = source
        digest = hashlib.sha256(source.encode()).digest()
        environment.globals[f"{name}_hash"] = b64encode(digest).decode()
    return environment


def _place_difference(node: Node, interval: Node, extent: float, width: float) -> Contrast:
    return place_difference(get_value(node), _ends(interval), extent=extent, width=width)


def _ends(interval: Node | None) -> tuple[float, float] | None:
    return (get_value(interval)["low"], get_value(interval)["high"]) if interval else None

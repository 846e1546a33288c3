"""What the page of a report shows: everything that its templates need beside the JSON document itself."""

from typing import Any

from tagger.evaluation.browser import Browser, build_browser, shorten_source, show_place
from tagger.evaluation.charts import thin
from tagger.evaluation.figures import Node, get_value
from tagger.evaluation.matching import MISSED, SPURIOUS, WRONG_BOTH, WRONG_BOUNDARY, WRONG_TYPE
from tagger.evaluation.plots import plot_curve, plot_reliability, plot_thresholds
from tagger.evaluation.report import Report
from tagger.evaluation.tables import build_matrix, link_errors, list_labels
from tagger.schemes import is_plain

FEW = 30  # a part of the data with fewer is marked
MAX_SUSPECTS, FIRST_SUSPECTS = 100, 15  # listed; those that are seen at once
MAX_EPOCHS, MAX_KNOWN_LABELS = 200, 500
_MAX_THRESHOLD_CHARTS, _MAX_THRESHOLDS = 6, 100
_MATCH_RULES = (
    ("correct", "same boundaries, same type"),
    (WRONG_TYPE, "same boundaries, another type"),
    (WRONG_BOUNDARY, "overlapping, same type"),
    (WRONG_BOTH, "overlapping, another type"),
    (MISSED, "in gold, and overlapping nothing predicted that is free"),
    (SPURIOUS, "predicted, and overlapping nothing in gold that is free"),
)


def describe_report(report: Report, document: Node) -> dict[str, Any]:
    """What `report.html.j2` needs.

    Args:
        report: the report.
        document: its JSON document.
    """
    plain = is_plain(report.scheme)
    browser = build_browser(report, document)
    return {
        "is_plain": plain,
        "noun": "tag" if plain else "type",
        "nouns": "tags" if plain else "types",
        "units": "tokens" if plain else "spans",
        "few": FEW,
        "sections": _list_sections(report, has_errors=bool(browser.errors)),
        "match_rules": _MATCH_RULES,
        "listed_kinds": browser.kinds,
        "label_rows": list_labels(report, document),
        "word_intervals": _find_word_intervals(report, document),
        "labels_node": document["scores"]["per_tag" if plain else "per_type"],
        "browser": browser if browser.errors else None,
        **_collect_confusions(report, document, browser),
        **_collect_trust(report, document),
        "curve": plot_curve(report.curve, main_name=report.scores.main_name),
        "curve_rows": [document["curve"][index] for index in thin(len(report.curve), MAX_EPOCHS)],
        "known_labels": list(document["labels"])[:MAX_KNOWN_LABELS],
        "manifest_columns": list(dict.fromkeys(name for entry in report.manifest.values() for name in entry)),
    }


def _list_sections(report: Report, *, has_errors: bool) -> list[tuple[str, str]]:
    """The sections that a report has, as (name, heading)."""
    sections = [
        ("scores", "Scores", True),
        ("baselines", "Against baselines", bool(report.baselines)),
        ("labels", "Tags" if is_plain(report.scheme) else "Span types", True),
        ("failures", "Where it fails", bool(report.breakdowns)),
        ("confusions", "What it confuses", bool(report.confusion_matrix or report.most_confused)),
        ("errors", "Errors", has_errors),
        ("trust", "Can I trust it", bool(report.calibration or report.precision_recall)),
        ("suspects", "Suspect gold", bool(report.suspects)),
        ("curve", "Learning curve", bool(report.curve)),
        ("making", "How it was made", bool(report.facts or report.manifest or report.config or report.labels)),
    ]
    return [(name, heading) for name, heading, is_there in sections if is_there]


def _find_word_intervals(report: Report, document: Node) -> dict[str, Node | None]:
    """The intervals of the accuracy over known and over unknown words, which the breakdown by those words holds."""
    found: dict[str, Node | None] = {"known": None, "unknown": None}
    if is_plain(report.scheme):
        for breakdown, node in zip(report.breakdowns, document["breakdowns"], strict=True):
            if breakdown.name == "known words":
                found |= {get_value(bucket["name"]): bucket["interval"] for bucket in node["buckets"]}
    return found


def _collect_confusions(report: Report, document: Node, browser: Browser) -> dict[str, Any]:
    plain = is_plain(report.scheme)  # where gold and prediction are of the same tokens
    confusions = []
    for node, confusion in zip(document["most_confused"], report.most_confused, strict=True):
        sides = {"has_gold": confusion.gold is not None, "has_predicted": plain or confusion.gold is None}
        example = show_place(report, confusion.examples[0], **sides) if confusion.examples else ()
        confusions.append((node, example, link_errors(browser, confusion.gold, confusion.predicted)))
    return {"matrix": build_matrix(report, document, browser), "confusions": confusions}


def _collect_trust(report: Report, document: Node) -> dict[str, Any]:
    earlier = {each.unit: index for index, each in enumerate(report.temperature.before)} if report.temperature else {}
    reliability = []
    for index, calibration in enumerate(report.calibration):
        before = node = None
        if report.temperature is not None and calibration.unit in earlier:
            before = report.temperature.before[earlier[calibration.unit]]
            node = document["temperature"]["before"][earlier[calibration.unit]]
        reliability.append((document["calibration"][index], node, plot_reliability(calibration, before)))
    curves = list(zip(document["precision_recall"], report.precision_recall, strict=True))
    curves.sort(key=lambda pair: -pair[1].points[0].counts.gold if pair[1].points else 0)  # all together come first
    suspects = [
        (
            document["suspects"][index],
            show_place(
                report,
                suspect.place,
                has_gold=suspect.gold is not None,
                has_predicted=suspect.predicted is not None,
            ),
            _source(report, suspect.place.sentence),
        )
        for index, suspect in enumerate(report.suspects[:MAX_SUSPECTS])
    ]
    return {
        "reliability": reliability,
        "thresholds": [(node, plot_thresholds(each)) for node, each in curves[:_MAX_THRESHOLD_CHARTS]],
        "threshold_rows": [node for node, _ in curves[:_MAX_THRESHOLDS]],
        "suspects": suspects,
        "first_suspects": FIRST_SUSPECTS,
    }


def _source(report: Report, sentence: int) -> str | None:
    return shorten_source(report.sentences[sentence].source) if sentence < len(report.sentences) else None

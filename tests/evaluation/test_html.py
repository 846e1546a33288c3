"""The HTML pages: what they hold, that every figure is the JSON's, and that nothing from data is read as HTML."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tagger.evaluation.builder import build_report
from tagger.evaluation.comparison import Comparison
from tagger.evaluation.counts import SpanScores
from tagger.evaluation.findings import ScoredSentence
from tagger.evaluation.html import render_comparison_html, render_html
from tagger.evaluation.report import Report
from tagger.sentence import Sentence
from tests.evaluation import examples
from tests.evaluation.page import Element, parse_page

# Written out a second time here: the pages are held to these, not to their own table.
WRITTEN: dict[str, Callable[[Any], str]] = {
    "percent": lambda value: f"{value * 100:.2f}",
    "points": lambda value: "0.00" if abs(value) < 5e-5 else f"{value * 100:+.2f}",
    "count": lambda value: f"{value:,}",
    "length": lambda value: f"{len(value):,}",
    "decimal": lambda value: f"{value:.4f}",
    "basis": lambda value: f"{value / 10000:.2f}",
    "threshold": lambda value: f"{value:.4f}",
    "p": lambda value: "< 0.0001" if value < 0.0001 else f"{value:.4f}",
    "seconds": lambda value: f"{value:,.2f}",
    "hash": lambda value: value[:12] + "…",
    "fact": lambda value: value if isinstance(value, str) else f"{value:g}" if abs(value) < 1e5 else str(value),
}
# Digits in our own words.
OURS = re.compile(r"95 %|\bF1\b|a confidence of 80|80 of 100|fewer than 30|\(1 \+ k\)|R \+ 1|below 0\.05|25 more")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"' {{ 7*7 }} {% raw %} \u202eevil\u2066 &amp;"
BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c")


def pointer(document: Any, path: str) -> Any:
    for part in path.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        document = document[int(key) if isinstance(document, list) else key]
    return document


def spell_out(text: str) -> str:
    return "".join(f"\\u{ord(each):04x}" if each in BIDI else each for each in text)


def render(value: Report | Comparison) -> str:
    return render_html(value) if isinstance(value, Report) else render_comparison_html(value)


def poison(value: Report | Comparison) -> Report | Comparison:
    """The same with markup and characters that turn the direction of text in every name, label, token and fact."""
    text = value.to_json()
    evil = json.dumps(HOSTILE)[1:-1]
    for word in ("PER", "LOC", "NOUN", "VERB", "Anna", "dogs", "test.conll", "cpu, 1 thread", "HMM",
                 "most frequent tag", "all known", "known words", "span length", "seed: 1", "runs/a"):  # fmt: skip
        text = text.replace(word, word + evil)
    return type(value).from_json(text)


def no_spans() -> Report:
    gold = [Sentence(tokens=("a", "b"), tags=("O", "O"))]
    return build_report(gold, gold, title="nothing", split="test", scheme="BIO")


def nothing() -> Report:
    return build_report([], [], title="empty", split="test", scheme="plain")


def only_predicted() -> Report:
    gold = [Sentence(tokens=("a", "b"), tags=("O", "O"))]
    found = [Sentence(tokens=("a", "b"), tags=("B-X", "O"))]
    return build_report(gold, found, title="spurious", split="test", scheme="BIO")


CASES = {
    "spans": examples.span_report,
    "tags": examples.tag_report,
    "comparison": examples.comparison,
    "poisoned spans": lambda: poison(examples.span_report()),
    "poisoned tags": lambda: poison(examples.tag_report()),
    "poisoned comparison": lambda: poison(examples.comparison()),
    "no spans": no_spans,
    "nothing": nothing,
    "only predicted": only_predicted,
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, str, Element]:
    value = CASES[request.param]()
    html = render(value)
    return json.loads(value.to_json()), html, parse_page(html)


class TestEveryPage:
    def test_every_figure_is_the_json_s(self, case: tuple[Any, str, Element]) -> None:
        document, _, page = case
        figures = [each for each in page.walk() if "data-path" in each.attributes]
        assert len(figures) > 10
        for figure in figures:
            value = pointer(document, figure.attributes["data-path"])
            expected = "-" if value is None else WRITTEN[figure.attributes["data-as"]](value)
            assert figure.text == spell_out(expected), figure.attributes

    def test_no_figure_stands_there_unmarked(self, case: tuple[Any, str, Element]) -> None:
        for element, text in case[2].texts():
            if element.is_within(
                "data-path", "data-text", "data-shown", "data-total", "tick", "style", "script", "title", "desc", "h1"
            ):
                continue
            assert not re.search(r"\d", OURS.sub("", text)), text

    def test_undefined_is_a_dash(self, case: tuple[Any, str, Element]) -> None:
        for element, text in case[2].texts():
            if not element.is_within("script", "style", "data-text"):
                assert not re.search(r"\b(nan|NaN|inf|Infinity|None|null|undefined|True|False)\b", text), text

    def test_nothing_from_data_is_read_as_html(self, case: tuple[Any, str, Element]) -> None:
        _, html, page = case
        assert [script.text for script in page.find("script")] == [page.find("script")[0].text]
        assert "alert" not in page.find("script")[0].text
        assert not page.find("img")
        assert BIDI.isdisjoint(html)
        assert "49" not in {text.strip() for _, text in page.texts()}
        for element in page.walk():
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"]

    def test_it_asks_for_nothing(self, case: tuple[Any, str, Element]) -> None:
        _, html, page = case
        for element in page.walk():
            for name in ("href", "src", "action", "xlink:href", "srcset", "data"):
                assert element.attributes.get(name, "#").startswith(("#", "data:,")), element
        assert not re.search(
            r"@import|url\(|fetch|XMLHttp|import\(", page.find("style")[0].text + page.find("script")[0].text
        )
        assert len(html.encode("utf-8")) < 200_000

    def test_only_its_own_style_and_script_may_run(self, case: tuple[Any, str, Element]) -> None:
        page = case[2]
        (policy,) = (
            each.attributes["content"]
            for each in page.find("meta")
            if each.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'none'"
        for name in ("style", "script"):
            digest = b64encode(hashlib.sha256(page.find(name)[0].text.encode()).digest()).decode()
            assert rules[f"{name}-src"] == f"'sha256-{digest}'"

    def test_it_can_be_used_without_eyes_and_without_a_mouse(self, case: tuple[Any, str, Element]) -> None:
        page = case[2]
        ids = [each.attributes["id"] for each in page.walk() if "id" in each.attributes]
        assert len(set(ids)) == len(ids)
        assert page.find("html")[0].attributes["lang"] == "en"
        assert len(page.find("h1")) == len(page.find("main")) == len(page.find("nav")) == 1
        labelled = {label.attributes["for"] for label in page.find("label")}
        assert labelled == {each.attributes["id"] for each in page.find("select") + page.find("input")}
        for each in page.find("svg"):
            if each.attributes.get("aria-hidden") != "true":
                assert each.attributes["role"] == "img"
                assert each.find("title")[0].text
                assert each.find("desc")[0].text
        for each in page.walk():
            for name in ("aria-labelledby", "aria-describedby"):
                assert set(each.attributes.get(name, "").split()) <= set(ids)
            if each.tag == "th":
                assert each.attributes["scope"] in ("row", "col", "rowgroup")
            if each.tag == "a":
                target = each.attributes["href"].removeprefix("#")
                assert target in ids or "=" in target
        assert all(link.attributes["href"][1:] in ids for link in page.find("nav")[0].find("a"))
        regions = [each for each in page.find(class_="wide") if each.find("table")]
        assert all(each.attributes["tabindex"] == "0" and each.attributes["aria-label"] for each in regions)


def places(page: Element) -> set[str]:
    return {each.attributes["data-path"] for each in page.walk() if "data-path" in each.attributes}


class TestFiles:
    """The files that training left in its run folder."""

    @pytest.mark.parametrize("fixture", ["pos_run", "ner_run"])
    def test_every_figure_of_report_html_is_that_of_report_json(
        self, fixture: str, request: pytest.FixtureRequest
    ) -> None:
        folder: Path = request.getfixturevalue(fixture)
        text, html = ((folder / name).read_text(encoding="utf-8") for name in ("report.json", "report.html"))
        document, page = json.loads(text), parse_page(html)
        figures = [each for each in page.walk() if "data-path" in each.attributes]
        assert len(figures) > 400
        for figure in figures:
            value = pointer(document, figure.attributes["data-path"])
            expected = "-" if value is None else WRITTEN[figure.attributes["data-as"]](value)
            assert figure.text == expected, figure.attributes
        assert html == render_html(Report.from_json(text))


class TestReport:
    def test_every_part_of_a_report_is_shown(self) -> None:
        page = parse_page(render_html(examples.span_report()))
        found = places(page)
        for path in (
            "/num_sentences",
            "/scores/main",
            "/scores/micro/precision",
            "/scores/strict/f1",
            "/scores/per_type/LOC/f1",
            "/scores/per_type/<b>ORG<~1b>/gold",
            "/scores/strict_per_type/LOC/f1",
            "/scores/matches/wrong_boundary",
            "/scores/matches/types/recall",
            "/intervals/micro/precision/low",
            "/intervals/per_label/LOC/f1/high",
            "/seqeval/2",
            "/own_tags/num_illegal",
            "/breakdowns/0/buckets/1/main",
            "/breakdowns/0/buckets/1/count",
            "/breakdowns/0/buckets/1/interval/low",
            "/confusion_matrix/3/count",
            "/most_confused/2/count",
            "/sentences/0/span_confidence/0",
            "/sentences/1/confidence/3",
            "/calibration/1/expected_error",
            "/calibration/1/bins/9/mean_confidence",
            "/temperature/value",
            "/temperature/before/0/expected_error",
            "/precision_recall/1/chosen/threshold",
            "/min_precision",
            "/suspects/0/confidence",
            "/baselines/0/scores/main",
            "/baselines/0/interval/low",
            "/baselines/0/seconds",
            "/curve/2/dev_score",
            "/curve/0/train_loss",
            "/facts/seed",
            "/facts/torch",
            "/manifest/train/sha256",
        ):
            assert path in found, path
        headings = [each.text for each in page.find("h2")]
        assert headings == [
            "Scores, in percent", "Against baselines", "Span types", "Where it fails", "What it confuses", "Errors",
            "Can I trust its confidence", "Suspect gold", "Learning curve", "How it was made",
        ]  # fmt: skip
        assert [each.text for each in page.find(class_="warning")] == [
            "Warning: 2 span types of test never occur in train: <b>ORG</b>, LOC"
        ]
        assert "the model folder holds no word counts: it was saved by an earlier version" in page.text
        assert "train: train.conll\ntraining:\n  seed: 1" in page.text

    def test_a_token_that_looks_like_a_script_stays_text(self) -> None:
        html = render_html(examples.span_report())
        assert "<script>alert(1)" not in html
        assert "<b>ORG" not in html
        (error,) = parse_page(html).find("li", having={"data-kind": "wrong boundary"})
        assert error.find(class_="s")[0].text == "Anna Lee saw <script>alert(1)</script> ."
        assert [mark.text for mark in error.find("mark", class_="g")] == ["Anna", "Lee"]
        assert [mark.text for mark in error.find("mark", class_="p")] == ["Anna"]

    def test_a_report_without_findings_shows_its_scores_alone(self) -> None:
        bare = replace(no_spans(), sentences=(), confusion_matrix=(), most_confused=(), breakdowns=())
        names = [each.attributes["id"] for each in parse_page(render_html(bare)).find("section")]
        assert names[:2] == ["scores", "labels"]
        assert "errors" not in names

    def test_two_thousand_sentences_full_of_errors_stay_under_a_megabyte(self) -> None:
        labels = [f"面倒な型{number}" for number in range(120)]
        tags = ("O", *(f"B-{label}" for label in labels))
        word = "&<縦>" * 20
        gold, found = (
            [
                Sentence(
                    tokens=(word,) * 10, tags=tuple(tags[(i * 13 + at * step) % 121] for at in range(10)), source=word
                )
                for i in range(2000)
            ]
            for step in (3, 5)
        )
        report = build_report(gold, found, title="much", split="test", scheme="BIO")
        sentences = tuple(
            ScoredSentence(
                tokens=ours.tokens,
                gold=tuple(map(tags.index, ours.tags or ())),
                predicted=tuple(map(tags.index, theirs.tags or ())),
                confidence=(9999,) * 10,
                source=word,
            )
            for ours, theirs in zip(gold, found, strict=True)
        )
        html = render_html(replace(report, tags=tags, sentences=sentences))
        assert len(html.encode("utf-8")) < 1_000_000
        page = parse_page(html)
        listed = page.find(having={"id": "error-list"})[0].find("li")
        (note,) = (each for each in page.find("p", class_="note") if each.text.startswith("Listed:"))
        assert sum(int(each.text) for each in note.find(having={"data-shown": ""})) == len(listed)
        mistakes = report.num_tokens - report.scores.tokens.correct if isinstance(report.scores, SpanScores) else 0
        assert sum(int(each.text) for each in note.find(having={"data-total": ""})) >= mistakes / 2


class TestComparison:
    def test_every_part_of_a_comparison_is_shown(self) -> None:
        page = parse_page(render_comparison_html(examples.comparison()))
        found = places(page)
        for path in (
            "/systems/1/mean",
            "/systems/1/deviation",
            "/systems/1/runs/2/main",
            "/num_shuffles",
            "/num_tests",
            "/pairs/0/differences/0/difference",
            "/pairs/0/differences/0/interval/low",
            "/pairs/0/differences/0/corrected_p",
            "/pairs/0/differences/2/count",
            "/pairs/0/across_seeds/p",
            "/pairs/0/improved/0/first",
        ):
            assert path in found, path
        improved, worsened = page.find(having={"id": "error-list"})[0].find("li")
        rows = [[cell.text for cell in row.find("td")] for row in improved.find("tbody")[0].find("tr")]
        assert rows == [["Anna <i>Lee</i>", "PER", "none", "PER"]]
        assert [cell.attributes.get("class") for cell in improved.find("td")] == [None, None, "wrong", "right"]
        assert worsened.attributes["data-kind"] == "worsened"
        assert "undecided" in page.text

    def test_however_much_there_is_to_compare_it_stays_under_a_megabyte(self) -> None:
        comparison = examples.comparison()
        (pair,) = comparison.pairs
        first, *_ = pair.differences
        flip = pair.improved[0]
        pair = replace(pair, differences=(first,) * 2000, improved=(flip,) * 2000, worsened=(flip,) * 2000)
        words, tags = ("&<縦>" * 20,) * 200, (3,) * 200
        sentence = replace(
            comparison.sentences[0], tokens=words, gold=(0,) * 200, predicted=(tags, (0,) * 200), source="x" * 90
        )
        much = replace(comparison, pairs=(pair,) * 3, sentences=(sentence,) * 2)
        html = render_comparison_html(much)
        assert len(html.encode("utf-8")) < 1_000_000
        page = parse_page(html)
        listed = len(page.find(having={"id": "error-list"})[0].find("li"))
        notes = [each for each in page.find("p", class_="note") if " listed; all are in comparison.json" in each.text]
        assert [each.find(having={"data-as": "length"})[0].text for each in notes] == ["2,000"] * 6
        assert 10 < sum(int(each.find(having={"data-shown": ""})[0].text) for each in notes) == listed < 198
        assert "And further words." in page.text

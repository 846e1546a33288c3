"""Reports as text and Markdown: what a reader must find there, and what must never come out."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tagger.evaluation.builder import build_report
from tagger.evaluation.render import render_markdown, render_text
from tagger.evaluation.report import CurvePoint, Fact, OwnTags, Report
from tagger.sentence import Sentence
from tests.strategies import SPAN_SCHEMES, Corpus, corpora, plain_corpora


def build(corpus: Corpus, scheme: str, *, known_words: list[str] | None = None) -> Report:
    gold, predicted = (
        [Sentence(tokens=tuple(f"w{i}" for i in range(len(tags))), tags=tuple(tags)) for tags in side]
        for side in corpus
    )
    return build_report(
        gold, predicted, title="An example", split="test", scheme=scheme, known_words=known_words, facts={"seed": 7}
    )


def spans() -> Report:
    gold = [["B-PER", "I-PER", "O", "B-TOWN"], ["O", "B-TOWN", "B-ORG"]]
    predicted = [["B-PER", "I-PER", "O", "B-TOWN"], ["I-TOWN", "O", "O"]]
    return build((gold, predicted), "BIO", known_words=["w0", "w1"])


def tags() -> Report:
    return build(([["N", "V", "N", "D"]], [["N", "N", "N", "D"]]), "plain", known_words=["w0", "w1"])


def rows(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def markdown_rows(text: str) -> list[list[str]]:
    """The body cells of every table, as a Markdown parser understands them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            found.append([])
        if before.type == "td_open":
            found[-1].append("".join(child.content for child in token.children or []))
    return [row for row in found if row]


class TestText:
    def test_every_score_has_its_rule_and_its_counts(self) -> None:
        found = rows(render_text(spans(), width=120))
        assert ["micro F1", "57.14", "0.0–100.0", "spans by conlleval's rule, micro"] in found
        assert ["precision", "66.67", "2", "3", "0.0–100.0", "of the predicted spans"] in found
        assert ["recall", "50.00", "2", "4", "0.0–100.0", "of the gold spans"] in found
        assert ["strict F1", "66.67", "0.0–100.0", "strict: spans spelled exactly as BIO spells them"] in found
        assert ["precision", "100.00", "2", "2", "-", "of the predicted strict spans"] in found
        assert ["seqeval F1", "57.14", "seqeval's own count: precision 66.67, recall 50.00"] in found
        assert ["macro F1", "50.00", "0.0–100.0", "mean F1 of the 3 types in gold, by conlleval's rule"] in found
        assert ["known words", "50.00", "1", "2", "recall over all other gold spans"] in found
        assert ["tokens", "57.14", "4", "7", "0.0–100.0", "accuracy over tokens"] in found
        assert ["sentences", "50.00", "1", "2", "0.0–100.0", "sentences with every tag right"] in found
        assert "Transitions that BIO forbids: 0 in gold, 1 in the prediction." in render_text(spans())

    def test_plain_tags(self) -> None:
        found = rows(render_text(tags(), width=120))
        assert ["accuracy", "75.00", "3", "4", "accuracy over tokens"] in found
        assert ["unknown words", "100.00", "2", "2", "accuracy over tokens never seen in training"] in found
        assert ["known words", "50.00", "1", "2", "accuracy over tokens seen in training"] in found
        assert ["macro F1", "60.00", "-", "mean F1 of the 3 tags in gold"] in found
        assert "seqeval" not in render_text(tags())

    def test_labels_come_by_frequency_then_name(self) -> None:
        found = rows(render_text(spans()))
        first = found.index(["TOWN", "50.00", "0.0–100.0", "50.00", "50.00", "1", "2", "2", "66.67"])
        assert found[first + 1] == ["ORG", "0.00", "-", "-", "0.00", "0", "0", "1", "0.00"]
        assert found[first + 2] == ["PER", "100.00", "-", "100.00", "100.00", "1", "1", "1", "100.00"]

    def test_undefined_is_a_dash_with_its_counts(self) -> None:
        text = render_text(build(([["O"]], [["O"]]), "BIO"))
        assert ["precision", "-", "0", "0", "-", "of the predicted spans"] in rows(text)
        assert ["micro F1", "-", "-", "spans by conlleval's rule, micro"] in rows(text)
        assert "unknown words" not in text

    @pytest.mark.parametrize(
        ("number", "said"), [(0, "0 transitions"), (1, "1 transition"), (1200, "1,200 transitions")]
    )
    def test_illegal_transitions_before_respelling(self, number: int, said: str) -> None:
        text = " ".join(render_text(replace(spans(), own_tags=OwnTags(encoding="BIOES", num_illegal=number))).split())
        were = "was" if number == 1 else "were"
        assert f" {said} in the network's own encoding BIOES {were} illegal before respelling. " in text
        assert "strict scores tell of gold's spelling, not the network's." in text
        assert "respelling" not in render_text(spans())

    def test_a_model_that_predicts_no_span_is_told_in_words(self) -> None:
        nothing, something = [["O", "O"]], [["B-X", "O"]]
        for gold, predicted, said in (
            (something, nothing, [False, True]),
            (nothing, something, [True, False]),
            (nothing, nothing, [True, True]),
            (something, something, [False, False]),
        ):
            text = render_text(build((gold, predicted), "BIO"))
            assert [line in text for line in ("Gold holds no span.", "The model predicted no span at all.")] == said

    def test_warnings_stand_above_the_scores(self) -> None:
        report = replace(spans(), warnings=("train and test are the same data: a_b.conll", "second"))
        text, markdown = render_text(report), render_markdown(report)
        assert text.splitlines()[3:5] == ["Warning: train and test are the same data: a_b.conll", "Warning: second"]
        assert "**Warning:** train and test are the same data: a\\_b.conll" in markdown.splitlines()
        assert text.index("Warning: second") < text.index("Scores")
        assert markdown.index("**Warning:** second") < markdown.index("Scores")

    def test_one_of_a_kind(self) -> None:
        point = CurvePoint(epoch=1, train_loss=1.0, dev_score=None, seconds=1.0)
        text = render_text(replace(build(([["N"]], [["N"]]), "plain"), curve=(point,)))
        assert "test · 1 sentence · 1 token · scheme plain" in text
        assert "mean F1 of the 1 tag in gold" in text
        assert "1 epoch in 1.0 s." in text

    def test_columns_are_aligned(self) -> None:
        lines = render_text(spans()).splitlines()
        start = lines.index("Each type, spans by conlleval's rule, in percent") + 1
        assert len({len(line) for line in lines[start : start + 5]}) == 1

    def test_wide_characters_keep_the_columns_aligned(self) -> None:
        lines = render_text(build(([["B-人名", "B-PER"]], [["B-人名", "B-PER"]]), "BIO")).splitlines()
        wide, narrow = (next(line for line in lines if line.startswith(name)) for name in ("人名", "PER"))
        assert len(wide) + 2 == len(narrow)

    def test_confusions_curve_and_facts(self) -> None:
        curve = tuple(
            CurvePoint(epoch=epoch, train_loss=2 / epoch, dev_score=score, seconds=1.5)
            for epoch, score in ((1, 0.5), (2, 0.9), (3, 0.8))
        )
        facts: dict[str, Fact] = {"seed": 12345, "tokens/s": 12345.678, "weights": 1234567, "gpu": None}
        found = rows(render_text(replace(tags(), curve=curve, facts=facts)))
        assert ["V", "N", "1", "w1"] in found
        assert ["dev accuracy, percent", "50.00", "80.00", "90.00", "2", "▁█▆"] in found
        assert ["train loss, nats per token", "2.0000", "0.6667", "0.6667", "3", "█▃▁"] in found
        assert ["3 epochs in 4.5 s."] in found
        assert ["seed", "12345"] in found  # a name, which a config must be able to repeat
        assert ["tokens/s", "12,345.7"] in found
        assert ["weights", "1,234,567"] in found
        assert ["gpu", "-"] in found

    def test_empty_sections_are_left_out(self) -> None:
        text = render_text(replace(tags(), most_confused=(), facts={}))
        assert not any(word in text for word in ("confusions", "curve", "made"))

    def test_a_curve_without_dev_or_with_gaps(self) -> None:
        points = [CurvePoint(epoch=epoch, train_loss=1.0, dev_score=None, seconds=1.0) for epoch in range(1, 100)]
        text = render_text(replace(tags(), curve=tuple(points)))
        assert "dev accuracy" not in text
        assert "▁" * 40 in text
        assert "▁" * 41 not in text
        gap = (points[0], replace(points[1], dev_score=0.25), replace(points[2], dev_score=0.5))
        assert "·▁█" in render_text(replace(tags(), curve=gap))

    @pytest.mark.parametrize("width", [80, 88, 120])
    def test_it_stays_within_the_width(self, width: int) -> None:
        facts: dict[str, Fact] = {"note": "many words " * 20, "seed": 1}
        label = "a-very-long-name-for-a-type-of-span-that-nobody-would-type"
        corpus = [[f"B-{label}-1", f"B-{label}-2"]], [["O", "O"]]
        text = render_text(replace(build(corpus, "BIO", known_words=[]), facts=facts), width=width)
        assert max(map(len, text.splitlines())) <= width
        assert all(f"type-{n}" in text for n in (1, 2))

    @pytest.mark.parametrize("render", [render_text, render_markdown])
    def test_control_characters_never_reach_the_terminal(self, render: object) -> None:
        assert callable(render)
        report = build(([["X\x1b[31m", "a\nb"]], [["\u2028", "\ud800"]]), "plain")
        text = render(replace(report, title="T\x1b]0;\x07\r", split="s\n", facts={"k\n": "v\x00\n"}))
        assert all(each.isprintable() or each == "\n" for each in text)
        assert len(text.splitlines()) == text.count("\n")
        assert "\\x1b" in text


class TestMarkdown:
    def test_tables_hold_what_the_text_holds(self) -> None:
        found = markdown_rows(render_markdown(spans()))
        assert ["micro F1", "57.14", "", "", "0.0–100.0", "spans by conlleval's rule, micro"] in found
        assert ["strict F1", "66.67", "", "", "0.0–100.0", "strict: spans spelled exactly as BIO spells them"] in found
        assert ["TOWN", "50.00", "0.0–100.0", "50.00", "50.00", "1", "2", "2", "66.67"] in found
        assert ["seed", "7"] in found
        assert [
            "– precision",
            "66.67",
            "2",
            "3",
            "0.0–100.0",
            "of the predicted spans",
        ] in found  # blanks would be lost
        assert ["– known words", "50.00", "1", "2", "", "accuracy over tokens seen in training"] in markdown_rows(
            render_markdown(tags())
        )
        assert "# An example" in render_markdown(spans()).splitlines()
        assert "Transitions that BIO forbids: 0 in gold, 1 in the prediction." in render_markdown(spans())

    @pytest.mark.parametrize(
        "label", ["|", "``", "a|b", "\\|", "\\", "*x*", "_y_", "<b>", "[z](u)", "PRP$", "&amp;", "#", "~~s~~", "'' `"]
    )
    def test_any_label_reads_as_itself(self, label: str) -> None:
        report = build(([[label, "N"]], [["N", label]]), "plain")
        found = markdown_rows(render_markdown(report))
        assert [label, "0.00", "-", "0.00", "0.00", "0", "1", "1"] in found
        assert [label, "N", "1", "w0"] in found


@pytest.mark.parametrize("scheme", ["plain", *SPAN_SCHEMES])
@settings(max_examples=20)
@given(data=st.data())
def test_every_report_renders_without_nan(scheme: str, data: st.DataObject) -> None:
    corpus = data.draw(plain_corpora() if scheme == "plain" else corpora(scheme))
    report = build(corpus, scheme, known_words=["w1"])
    for text in (render_text(report), render_markdown(report)):
        assert "nan" not in text.lower()
        assert "None" not in text
        assert text.endswith("\n")

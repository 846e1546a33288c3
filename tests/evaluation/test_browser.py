"""The errors that a page lists."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tagger.evaluation.browser import build_browser, cut_sentence, mark_tokens
from tagger.evaluation.builder import build_report
from tagger.evaluation.counts import SpanScores
from tagger.evaluation.figures import Node, get_place, get_value, make_key
from tagger.evaluation.report import Report
from tagger.sentence import Sentence
from tests.evaluation import examples
from tests.strategies import Corpus, corpora, plain_corpora


def build(corpus: Corpus, scheme: str) -> tuple[Report, Node]:
    gold, found = (
        [Sentence(tokens=tuple(f"w{at}" for at in range(len(tags))), tags=tuple(tags)) for tags in side]
        for side in corpus
    )
    report = build_report(gold, found, title="x", split="test", scheme=scheme)
    return report, Node(json.loads(report.to_json()))


@given(corpora("BIO"))
def test_there_is_one_error_for_each_that_was_counted(corpus: Corpus) -> None:
    report, document = build(corpus, "BIO")
    browser = build_browser(report, document)
    assert isinstance(report.scores, SpanScores)
    assert report.scores.matches is not None
    counted = {
        kind: getattr(report.scores.matches, kind.replace(" ", "_"))
        for kind in ("wrong type", "wrong boundary", "wrong both", "missed", "spurious")
    }
    assert Counter(error.kind for error in browser.errors) == Counter(
        {kind: count for kind, count in counted.items() if count}
    )
    assert browser.bounds == ()


@given(plain_corpora(), st.integers(0, 6))
def test_no_more_than_asked_for_and_every_confusion_before_a_second_of_one(corpus: Corpus, limit: int) -> None:
    report, document = build(corpus, "plain")
    everything, some = build_browser(report, document).errors, build_browser(report, document, limit=limit)
    assert len(some.errors) == min(limit, len(everything))
    assert [each for each in everything if each in some.errors][: len(some.errors)] or not some.errors
    pairs = Counter((error.gold, error.predicted) for error in some.errors)
    if len(pairs) < len({(error.gold, error.predicted) for error in everything}):
        assert set(pairs.values()) <= {1}
    if len(some.errors) < len(everything):
        assert some.bounds == (("wrong tag", len(some.errors), len(everything)),)


def test_a_confidence_is_the_span_s_or_the_least_of_the_tags_that_missed_it() -> None:
    report = examples.span_report()
    browser = build_browser(report, Node(json.loads(report.to_json())))
    found = [
        (error.kind, get_place(error.confidence), get_value(error.confidence))
        for error in browser.errors
        if error.confidence
    ]
    assert found == [
        ("wrong boundary", "/sentences/0/span_confidence/0", 5000),
        ("wrong type", "/sentences/1/span_confidence/0", 9700),
        ("missed", "/sentences/1/confidence/3", 9400),
        ("spurious", "/sentences/2/span_confidence/1", 4100),
    ]


def test_a_tag_s_confidence_is_its_token_s() -> None:
    report = examples.tag_report()
    browser = build_browser(report, Node(json.loads(report.to_json())))
    assert [get_place(error.confidence) for error in browser.errors if error.confidence] == [
        "/sentences/0/confidence/1",
        "/sentences/0/confidence/2",
    ]
    assert browser.kinds == ("wrong tag",)
    assert browser.pairs == {("NOUN", "VERB"), ("PRP$", "NOUN")}


def test_a_sentence_is_cut_where_marks_begin_and_end() -> None:
    pieces = cut_sentence(list("abcdef"), gold=(1, 3), predicted=(2, 5))
    assert [(piece.text, piece.marks) for piece in pieces] == [
        ("a", ""), ("b", "g"), ("c", "g p"), ("d e", "p"), ("f", ""),
    ]  # fmt: skip


@given(
    st.lists(st.text(alphabet="ab\u202e\u200d<", min_size=1, max_size=3), min_size=1, max_size=9),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_pieces_are_the_sentence(tokens: list[str], one: tuple[int, int], other: tuple[int, int]) -> None:
    gold, predicted = (
        (min(*pair, len(tokens) - 1), min(max(*pair, min(pair) + 1), len(tokens))) for pair in (one, other)
    )
    for pieces in (
        cut_sentence(tokens, gold=gold, predicted=predicted),
        cut_sentence(tokens, gold=gold, predicted=None),
        mark_tokens(tokens, [gold, predicted]),
    ):
        assert " ".join(piece.text for piece in pieces) == " ".join(tokens).replace("\u202e", "\\u202e")
    covered = " ".join(
        piece.text for piece in cut_sentence(tokens, gold=gold, predicted=predicted) if "g" in piece.marks
    )
    assert covered == " ".join(tokens[gold[0] : gold[1]]).replace("\u202e", "\\u202e")


def test_long_sentences_lose_their_ends_and_keep_the_error() -> None:
    tokens = [f"w{number}" for number in range(1000)]
    before, error, after = cut_sentence(tokens, gold=(500, 501), predicted=(500, 501))
    assert (error.text, error.marks) == ("w500", "g p")
    assert before.text.startswith("… ")
    assert before.text.endswith("w498 w499")
    assert after.text.startswith("w501 w502")
    assert len(before.text) < 200
    assert after.text.endswith(" …")


@given(st.lists(st.none() | st.text(alphabet="~a", max_size=3), min_size=2, max_size=2, unique=True))
def test_no_two_labels_share_a_key_and_none_has_the_key_of_no_filter(labels: list[str | None]) -> None:
    keys = [make_key(label) for label in labels]
    assert keys[0] != keys[1]
    assert "" not in keys

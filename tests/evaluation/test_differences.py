"""Comparisons: by hand, between equals, across seeds, and refused."""

import json
import random
from dataclasses import replace
from typing import ClassVar

import pytest

from tagger.errors import DataError
from tagger.evaluation.builder import Origin
from tagger.evaluation.comparison import Comparison, Difference
from tagger.evaluation.contenders import Contender
from tagger.evaluation.differences import compare_reports
from tagger.evaluation.render import render_markdown, render_text
from tagger.evaluation.report import Report
from tests.evaluation.test_builder import build

Lines = list[tuple[str, str, str]]


def contend(name: str, *reports: Report) -> Contender:
    return Contender(name=name, reports=reports)


def compare(*contenders: Contender, num_shuffles: int = 500) -> Comparison:
    return compare_reports(contenders, num_shuffles=num_shuffles)


def find(comparison: Comparison, name: str, *, group: str = "overall", pair: int = 0) -> Difference:
    (found,) = (each for each in comparison.pairs[pair].differences if (each.group, each.name) == (group, name))
    return found


def noisy(seed: int, rate: float, *, scheme: str = "BIO") -> Report:
    """Sixty sentences whose gold is always the same; some tags of the prediction are drawn anew."""
    gold, chance = random.Random(1), random.Random(seed)
    tags = ["O", "B-X", "B-Y"]
    lines = []
    for number in range(60):
        ours = [gold.choice(tags) for _ in range(1 + number % 7)]
        theirs = [chance.choice(tags) if chance.random() < rate else tag for tag in ours]
        lines.append((" ".join(f"w{at}" for at in range(len(ours))), " ".join(ours), " ".join(theirs)))
    return build(lines, scheme=scheme, known_words={"w0", "w1"}, words={"w0": (9, 2), "w1": (1, 1)})


class TestByHand:
    lines: ClassVar[Lines] = [("a b", "B-X O", "B-X O"), ("c", "B-Y", "O"), ("d", "O", "B-X"), ("e", "O", "O")]
    other: ClassVar[Lines] = [("a b", "B-X O", "O O"), ("c", "B-Y", "B-Y"), ("d", "O", "O"), ("e", "O", "O")]

    def comparison(self) -> Comparison:
        return compare(contend("one", build(self.lines, scheme="BIO")), contend("two", build(self.other, scheme="BIO")))

    def test_scores_and_differences(self) -> None:
        found = self.comparison()
        micro = find(found, "micro F1")
        assert (micro.first, micro.second, micro.count) == (0.5, pytest.approx(2 / 3), 2)
        assert micro.difference == pytest.approx(1 / 6)
        assert find(found, "X", group="type").difference == pytest.approx(0 - 2 / 3)
        assert (find(found, "Y", group="type").first, find(found, "Y", group="type").second) == (0.0, 1.0)
        assert find(found, "1", group="span length").count == 2
        assert found.pairs[0].differences[0] == micro  # the main score comes first

    def test_sentences_that_flipped(self) -> None:
        found = self.comparison()
        (pair,) = found.pairs
        improved = [(found.sentences[flip.sentence].tokens, flip.first, flip.second) for flip in pair.improved]
        worsened = [(found.sentences[flip.sentence].tokens, flip.first, flip.second) for flip in pair.worsened]
        assert improved == [(("c",), 1, 0), (("d",), 1, 0)]
        assert worsened == [(("a", "b"), 0, 1)]
        assert [sentence.index for sentence in found.sentences] == [0, 1, 2]
        first = found.sentences[0]
        spelled = [[found.tags[at] for at in side] for side in (first.gold, *first.predicted)]
        assert spelled == [["B-X", "O"], ["B-X", "O"], ["O", "O"]]

    def test_json_and_what_is_shown(self) -> None:
        found = self.comparison()
        text = found.to_json()
        assert Comparison.from_json(text) == found
        json.loads(text, parse_constant=pytest.fail)
        shown, markdown = render_text(found), render_markdown(found)
        assert "micro F1" in shown
        assert "A  one" in shown
        assert "B makes fewer errors than A in 2 sentences, more in 1." in shown
        assert "| better | 1 | 0 | f:1 | c |" in markdown
        assert "nan" not in shown + markdown

    def test_damage_is_named(self) -> None:
        document = json.loads(self.comparison().to_json())
        document["pairs"][0]["differences"][0]["p"] = "small"
        with pytest.raises(DataError, match=r"not a comparison: comparison\.pairs\[0\]\.differences\[0\]\.p"):
            Comparison.from_json(json.dumps(document))
        document = json.loads(self.comparison().to_json())
        for key, value, message in (
            ("systems", document["systems"][:1], "systems 0 and 1 are no pair of 1"),
            ("sentences", [], "a flip names a sentence"),
            ("tags", [], "sentence 0 names a tag"),
        ):
            with pytest.raises(DataError, match=message):
                Comparison.from_json(json.dumps({**document, key: value}))
        document["sentences"][0]["predicted"].pop()
        with pytest.raises(DataError, match="sentence 0 does not have a tag of every system"):
            Comparison.from_json(json.dumps(document))
        with pytest.raises(DataError, match="no key 'format'"):
            Comparison.from_json("{}")


class TestTests:
    def test_equals_differ_in_nothing(self) -> None:
        found = compare(contend("a", noisy(1, 0.3)), contend("b", noisy(1, 0.3)))
        for each in found.pairs[0].differences:
            assert each.difference in (None, 0.0)
            assert each.p in (None, 1.0)
            assert each.interval is None or each.interval.low == each.interval.high == 0.0
        assert found.sentences == ()

    def test_what_is_plainly_better_is_found_so(self) -> None:
        found = compare(contend("bad", noisy(1, 0.9)), contend("good", noisy(2, 0.05)))
        micro = find(found, "micro F1")
        assert micro.p == 1 / 501  # (1 + k) / (R + 1) with k = 0
        assert micro.interval is not None
        assert micro.interval.low > 0
        assert len(found.pairs[0].improved) > len(found.pairs[0].worsened)

    def test_p_values_are_corrected_for_their_number(self) -> None:
        found = compare(contend("a", noisy(1, 0.3)), contend("b", noisy(2, 0.2)), contend("c", noisy(3, 0.5)))
        assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
        mains = sorted(pair.differences[0].p or 0 for pair in found.pairs)
        corrected = sorted(pair.differences[0].corrected_p or 0 for pair in found.pairs)
        assert corrected[0] == pytest.approx(min(1, 3 * mains[0]))  # the smallest, for three main scores
        others = [each for pair in found.pairs for each in pair.differences[1:] if each.p is not None]
        smallest = min(others, key=lambda each: each.p or 0)
        assert smallest.corrected_p == pytest.approx(min(1, len(others) * (smallest.p or 0)))
        assert found.num_tests == 3 + len(others)
        assert found.correction == f"Holm (1979): main scores for 3, all others for {len(others)}"

    def test_buckets_of_training_words_only_where_both_know_the_same(self) -> None:
        one, other = noisy(1, 0.3), noisy(2, 0.3)
        groups = {each.group for each in compare(contend("a", one), contend("b", other)).pairs[0].differences}
        assert {"overall", "type", "known words", "training frequency", "sentence length"} <= groups
        apart = compare(contend("a", one), contend("b", replace(other, words={"w0": (1, 1)})))
        groups = {each.group for each in apart.pairs[0].differences}
        assert "known words" not in groups
        assert "sentence length" in groups
        assert "different words" in apart.warnings[0]

    def test_plain_tags(self) -> None:
        found = compare(contend("a", noisy(1, 0.3, scheme="plain")), contend("b", noisy(2, 0.3, scheme="plain")))
        assert found.pairs[0].differences[0].name == "accuracy"
        assert find(found, "B-X", group="tag").count > 0


class TestSeeds:
    def test_runs_count_as_their_mean(self) -> None:
        runs = [noisy(seed, 0.3) for seed in (1, 2)]
        found = compare(contend("a", *runs), contend("b", noisy(3, 0.3)))
        tokens = [report.scores.tokens.correct for report in runs]  # type: ignore[union-attr]
        total = runs[0].num_tokens
        assert find(found, "tokens").first == pytest.approx(sum(tokens) / 2 / total)
        assert found.pairs[0].across_seeds is None
        assert found.warnings[0].startswith("One run of b:")
        assert len(found.systems[0].runs) == 2
        assert found.systems[0].mean == pytest.approx(sum(run.scores.main or 0 for run in runs) / 2)

    def test_across_seeds(self) -> None:
        good, bad = ([noisy(seed, rate) for seed in range(3)] for rate in (0.1, 0.8))
        found = compare(contend("bad", *bad), contend("good", *good))
        test = found.pairs[0].across_seeds
        assert test is not None
        assert (test.num_permutations, test.exact, test.p) == (20, 1, 0.1)
        assert found.warnings == ()
        assert "Across seeds (3 and 3 runs)" in render_text(found)


class TestRefusals:
    base: ClassVar[Lines] = [("a b", "N V", "N N"), ("c", "N", "N")]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([("a b", "N V", "N N")], "1 sentences instead of 2"),
            ([("a x", "N V", "N N"), ("c", "N", "N")], r"other tokens in sentence 1 \(f:0\)"),
            ([("a b", "N V", "N N"), ("c", "V", "N")], r"other gold tags in sentence 2 \(f:1\)"),
        ],
    )
    def test_other_data(self, lines: Lines, message: str) -> None:
        with pytest.raises(DataError, match=f"^two cannot be compared with one: {message}"):
            compare(contend("one", build(self.base, scheme="plain")), contend("two", build(lines, scheme="plain")))

    def test_another_scheme(self) -> None:
        spans = build([("a b", "B-X O", "B-X O"), ("c", "O", "O")], scheme="BIO")
        with pytest.raises(DataError, match="scheme BIO instead of plain"):
            compare(contend("one", build(self.base, scheme="plain")), contend("two", spans))

    def test_other_labels(self) -> None:
        one, other = (
            build(self.base, scheme="plain", origin=Origin(labels=labels)) for labels in (("N", "V"), ("N", "X", "Y"))
        )
        with pytest.raises(DataError, match="other labels: it does not know V; it alone knows X, Y"):
            compare(contend("one", one), contend("two", other))
        unknown = build(self.base, scheme="plain")
        assert compare(contend("one", one), contend("two", unknown)).systems

    def test_reports_without_sentences(self) -> None:
        old = replace(build(self.base, scheme="plain"), sentences=(), most_confused=(), suspects=())
        with pytest.raises(DataError, match="two: its report lists no sentences"):
            compare(contend("one", build(self.base, scheme="plain")), contend("two", old))

    def test_fewer_than_two_and_two_of_a_name(self) -> None:
        report = build(self.base, scheme="plain")
        for contenders in ([contend("a", report)], [contend("a", report), contend("a", report)]):
            with pytest.raises(ValueError, match="two systems or more"):
                compare_reports(contenders)


@pytest.mark.parametrize("scheme", ["plain", "BIO"])
def test_next_to_nothing(scheme: str) -> None:
    for lines in ([], [("", "", "")], [("a", "O", "O")]):
        one, other = build(lines, scheme=scheme), build(lines, scheme=scheme)
        found = compare(contend("a", one), contend("b", other), num_shuffles=10)
        assert Comparison.from_json(found.to_json()) == found
        assert "nan" not in render_text(found) + render_markdown(found)

"""The simple systems: by hand, and by going through every tag sequence."""

import math
from itertools import pairwise, product

import numpy as np
import pytest

from tagger.evaluation.baselines import HMM, MOST_FREQUENT, _chances_of_tags, _Counted, _Words, run_baselines
from tagger.schemes import illegal_transitions
from tagger.sentence import Sentence


def sentence(tokens: str, tags: str) -> Sentence:
    return Sentence(tokens=tuple(tokens.split()), tags=tuple(tags.split()))


TRAIN = [
    sentence("the walk ended", "D N V"),
    sentence("they walk daily", "P V A"),
    sentence("the long walk ended", "D A N V"),
    sentence("they walked slowly", "P V A"),
    sentence("the talks stopped quickly", "D N V A"),
]


def tag(
    train: list[Sentence], tokens: list[str], *, scheme: str = "plain", unknown: str | None = None
) -> dict[str, list[list[str]]]:
    found = run_baselines(train, [each.split() for each in tokens], scheme=scheme, unknown=unknown)
    return {each.name: [list(tags) for tags in each.tags] for each in found}


def test_most_frequent_tag_by_hand() -> None:
    assert tag(TRAIN, ["they walk the xyz"])[MOST_FREQUENT] == [["P", "N", "D", "V"]]  # V is the commonest of all
    ties = [sentence("a a b", "Y X Y")]
    assert tag(ties, ["a zzz"])[MOST_FREQUENT] == [["X", "Y"]]  # equally often: the first of the alphabet


def test_hmm_reads_the_context_and_the_ending() -> None:
    answers = tag(TRAIN, ["they walk", "the walk", "they talked", "the talk ended newly"])[HMM]
    assert answers[0] == ["P", "V"]
    assert answers[1] == ["D", "N"]
    assert answers[2] == ["P", "V"]  # an unknown word in -ed
    assert answers[3] == ["D", "N", "V", "A"]


def test_hmm_is_the_best_of_all_tag_sequences() -> None:
    counted = _Counted(TRAIN, None)
    start, transitions, end = (np.log(each) for each in _chances_of_tags(counted))
    words = _Words(counted)
    tokens = ["the", "walk", "xyz", "ended"]
    emissions = [words.score(token) for token in tokens]

    def total(path: tuple[int, ...]) -> float:
        moved = sum(transitions[a, b] for a, b in pairwise(path))
        emitted = sum(each[at] for each, at in zip(emissions, path, strict=True))
        return float(start[path[0]] + moved + emitted + end[path[-1]])

    best = max(product(range(len(counted.tags)), repeat=len(tokens)), key=total)
    assert tag(TRAIN, [" ".join(tokens)])[HMM] == [[counted.tags[at] for at in best]]


def test_chances_are_chances() -> None:
    counted = _Counted(TRAIN, None)
    start, transitions, end = _chances_of_tags(counted)
    assert start.sum() == pytest.approx(1)
    assert transitions.sum(axis=1) + end == pytest.approx(np.ones(len(counted.tags)), abs=1e-9)
    words = _Words(counted)
    for word in ("walk", "xyz", "Xyzed", "7"):
        # log P(t | w) - log P(t): with the tags' frequencies put back they sum to 1
        assert (np.exp(words.score(word)) * counted.prior).sum() == pytest.approx(1)


def test_spans_are_legal() -> None:
    train = [sentence("in New York City", "O B-L I-L I-L"), sentence("in Rome with Anna", "O B-L O B-P")]
    for scheme in ("BIO", "IOB1", "IO"):
        source = train if scheme == "BIO" else [
            sentence(" ".join(each.tokens), " ".join(t.replace("B-", "I-") for t in each.tags or ())) for each in train
        ]  # fmt: skip
        for answers in tag(source, ["York City", "City Rome New", "x y z"], scheme=scheme).values():
            assert [len(tags) for tags in answers] == [2, 3, 3]
        hmm = tag(source, ["York City", "City Rome New", "x y z"], scheme=scheme)[HMM]
        assert not any(illegal_transitions(tags, scheme) for tags in hmm)


def test_unknown_tags_teach_nothing() -> None:
    train = [*TRAIN, sentence("walk", "?"), sentence("walk", "?"), sentence("walk", "?")]
    assert tag(train, ["walk"], unknown="?")[MOST_FREQUENT] == [["N"]]
    assert tag(train, ["they walk"], unknown="?")[HMM] == [["P", "V"]]
    assert tag([sentence("a", "?")], ["a"], unknown="?") == {}


def test_nothing_to_learn_from_and_nothing_to_tag() -> None:
    assert tag([], ["a"]) == {}
    assert tag(TRAIN, [])[HMM] == []
    assert tag(TRAIN, ["", "walk", ""])[HMM][::2] == [[], []]


def test_one_tag_and_one_token() -> None:
    assert tag([sentence("a", "N")], ["a b c"]) == {MOST_FREQUENT: [["N"] * 3], HMM: [["N"] * 3]}
    assert all(math.isfinite(each.seconds) for each in run_baselines(TRAIN, [["a"]], scheme="plain"))

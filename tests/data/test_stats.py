"""What is in a corpus: against counting by hand, and quantiles against sorting."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.config import DataConfig
from tagger.data.corpus import load_corpus
from tagger.data.splits import read_split
from tagger.data.stats import Lengths, Rate, describe_corpus, quantiles
from tagger.errors import ConfigError, DataError


def write(path: Path, text: str) -> str:
    path.write_text(text.replace("/", "\t"), encoding="utf-8")
    return str(path)


def test_counts(tmp_path: Path) -> None:
    train = write(tmp_path / "a", "The/O\ncat/B-X\nThe/I-X\n\nthe/B-Y\n")
    dev = write(tmp_path / "b", "THE/O\ndog/B-X\ncat/I-X\n\n")
    stats = describe_corpus(DataConfig(train=train, dev=dev, scheme="BIO"))
    first, second = stats.splits["train"], stats.splits["dev"]
    assert (first.source, first.sentences, first.tokens, first.forms, first.words) == (train, 2, 4, 3, 2)
    assert first.lengths == Lengths(mean=2.0, min=1, q25=1, median=1, q75=3, q95=3, max=3)
    assert dict(first.labels) == {"X": 1, "Y": 1}
    assert (first.inside, first.unknown_words, first.unknown_forms) == (Rate(count=3, total=4), None, None)
    assert second.unknown_words == Rate(count=1, total=3)
    assert second.unknown_forms == Rate(count=2, total=3)
    kept = describe_corpus(DataConfig(train=train, dev=dev, scheme="BIO"), lowercase=False).splits["dev"]
    assert (kept.words, kept.unknown_words) == (3, Rate(count=2, total=3))


def test_plain_tags_unknown_tags_and_empty_sentences(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"tokens": [], "tags": []}\n{"tokens": ["a", "b", "c"], "tags": ["N", "_", "N"]}\n')
    split = describe_corpus(DataConfig(format="jsonl", train=str(path), unknown_tag="_")).splits["train"]
    assert (split.sentences, split.empty_sentences, split.unknown_tags) == (2, 1, 1)
    assert (dict(split.labels), split.inside) == ({"N": 2}, None)
    assert split.lengths == quantiles({3: 1})


def test_without_train_nothing_is_unknown(tmp_path: Path) -> None:
    dev = write(tmp_path / "b", "a/N\n")
    assert describe_corpus(DataConfig(dev=dev)).splits["dev"].unknown_words is None


def test_an_empty_file_has_no_lengths(tmp_path: Path) -> None:
    split = describe_corpus(DataConfig(train=write(tmp_path / "a", "\n"))).splits["train"]
    assert (split.sentences, split.lengths, Rate(count=0, total=0).value) == (0, None, None)


def test_what_dev_share_draws_is_a_split(tmp_path: Path) -> None:
    data = DataConfig(
        train=write(tmp_path / "a", "".join(f"w{at}/N\n\n" for at in range(20))), dev_share=0.2, dev_seed=3
    )
    corpus = load_corpus(data)
    stats = describe_corpus(data).splits
    assert list(stats) == ["train", "dev"]
    for name, part in (("train", corpus.train), ("dev", corpus.dev)):
        assert list(read_split(data, name)) == list(part)
        assert stats[name].sentences == len(part)
        assert stats[name].source == corpus.manifest[name]["source"]
    assert stats["dev"].unknown_words == Rate(count=4, total=4)


def test_a_pipe_cannot_be_drawn_from(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ConfigError, match=r"^data\.dev_share: .*a is no file that could be read twice"):
        describe_corpus(DataConfig(train=str(tmp_path / "a"), dev_share=0.2))


def test_bad_data_are_located(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "a/N\nb\n")
    with pytest.raises(DataError, match=r"a:2: expected 2 columns"):
        describe_corpus(DataConfig(train=path))


@given(st.lists(st.integers(1, 30), min_size=1))
def test_quantiles_are_those_of_the_sorted_list(lengths: list[int]) -> None:
    found = quantiles(Counter(lengths))
    assert found is not None
    ordered = sorted(lengths)
    for percent, value in ((25, found.q25), (50, found.median), (75, found.q75), (95, found.q95)):
        assert value == min(each for each in ordered if 100 * sum(x <= each for x in ordered) >= percent * len(ordered))
    assert (found.min, found.max) == (ordered[0], ordered[-1])
    assert found.mean == pytest.approx(sum(lengths) / len(lengths))

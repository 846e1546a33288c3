"""find_caveats(): shared data, tags that train lacks, a dev without spans; nothing where nothing is odd."""

from collections.abc import Mapping

import pytest

from tagger.data.corpus import Corpus
from tagger.sentence import Sentence
from tagger.training.caveats import find_caveats


def make(
    train: str, dev: str = "", test: str = "", *, scheme: str = "plain", manifest: Mapping[str, dict[str, str]] = {}
) -> Corpus:
    """One sentence a split, given by its tags; the manifest of three different files unless said otherwise."""
    splits = {
        name: (Sentence(tokens=("a",) * len(tags.split()), tags=tuple(tags.split())),) if tags else ()
        for name, tags in (("train", train), ("dev", dev), ("test", test))
    }
    tags = set(train.split())
    labels = tuple(sorted(tags if scheme == "plain" else {tag[2:] for tag in tags - {"O"}}))
    origins = {name: {"source": f"{name}.conll", "sha256": name} for name in splits if splits[name]}
    return Corpus(labels=labels, scheme=scheme, manifest={**origins, **manifest}, **splits)


def test_nothing_odd() -> None:
    assert find_caveats(make("N V", "N", "V")) == ()
    assert find_caveats(make("B-X O", "B-X", "O", scheme="BIO")) == ()
    assert find_caveats(make("N")) == ()


@pytest.mark.parametrize(
    ("same", "said"),
    [
        (("train", "test"), "train and test"),
        (("dev", "test"), "dev and test"),
        (("train", "dev", "test"), "train, dev and test"),
    ],
)
def test_the_same_file_under_any_name(same: tuple[str, ...], said: str) -> None:
    manifest = {name: {"source": f"{name}.conll", "sha256": "f00"} for name in same}
    assert find_caveats(make("N", "N", "N", manifest=manifest)) == (f"{said} are the same data: {same[0]}.conll",)


def test_the_same_split_of_a_dataset() -> None:
    """All splits of a dataset have one commit, which says nothing."""
    manifest = {name: {"source": f"owner/name/{name}", "commit": "c"} for name in ("train", "dev", "test")}
    assert find_caveats(make("N", "N", "N", manifest=manifest)) == ()
    manifest["test"] = manifest["dev"]
    assert find_caveats(make("N", "N", "N", manifest=manifest)) == ("dev and test are the same data: owner/name/dev",)


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        (make("N", "N", "Y N X"), "2 tags of test never occur in train: X, Y"),
        (make("N", "N X", "N"), "1 tag of dev never occurs in train: X"),
        (make("B-X", "B-X", "B-Z I-Z O B-X", scheme="BIO"), "1 span type of test never occurs in train: Z"),
        (make("B-X", "B-X", "B-Z B-Y", scheme="BIO"), "2 span types of test never occur in train: Y, Z"),
    ],
)
def test_what_train_never_holds(corpus: Corpus, said: str) -> None:
    assert find_caveats(corpus) == (said,)


def test_a_dev_without_spans() -> None:
    assert find_caveats(make("B-X", "O O", "B-X", scheme="BIO")) == (
        "dev holds no span: it cannot tell epochs apart, so the last one is kept",
    )
    assert find_caveats(make("O N", "O", "N")) == ()

"""What to know about a corpus before the scores that come of it are believed."""

from collections.abc import Iterator

from tagger.data.corpus import Corpus
from tagger.schemes import OUTSIDE, is_plain, split_tag

ON_TRAIN = (
    "scored on the training data: this is how well the model knows what it has seen, not how well it tags new text"
)


def find_caveats(corpus: Corpus) -> tuple[str, ...]:
    """One line for each thing that is odd about the splits: shared data, tags that train lacks, a dev without spans."""
    return (*_shared_data(corpus), *_unseen_labels(corpus), *_dev_without_spans(corpus))


def _shared_data(corpus: Corpus) -> Iterator[str]:
    splits: dict[str, list[str]] = {}
    for split, read in corpus.manifest.items():
        splits.setdefault(str(read.get("sha256", read["source"])), []).append(split)
    for names in splits.values():
        if len(names) > 1:
            source = corpus.manifest[names[0]]["source"]
            yield f"{', '.join(names[:-1])} and {names[-1]} are the same data: {source}"


def _unseen_labels(corpus: Corpus) -> Iterator[str]:
    noun = "tag" if is_plain(corpus.scheme) else "span type"
    for split, sentences in (("dev", corpus.dev), ("test", corpus.test)):
        tags = set(sentences.tags.values)
        labels = tags if is_plain(corpus.scheme) else {split_tag(tag, corpus.scheme)[1] for tag in tags - {OUTSIDE}}
        if unseen := sorted(labels - set(corpus.labels)):
            nouns, occur = (noun, "occurs") if len(unseen) == 1 else (f"{noun}s", "occur")
            yield f"{len(unseen):,} {nouns} of {split} never {occur} in train: {', '.join(unseen)}"


def _dev_without_spans(corpus: Corpus) -> Iterator[str]:
    if corpus.dev and not is_plain(corpus.scheme) and set(corpus.dev.tags.values) <= {OUTSIDE}:
        yield "dev holds no span: it cannot tell epochs apart, so the last one is kept"

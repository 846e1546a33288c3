"""How often the train split holds a word, and how many different labels it gives it."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from tagger.schemes import OUTSIDE, is_plain, split_tag
from tagger.sentence import Sentence

if TYPE_CHECKING:
    from tagger.data.vocab import Vocabulary


def training_words(vocabulary: "Vocabulary", forms: Collection[str]) -> dict[str, tuple[int, int]] | None:
    """For each form how often train holds its word, and how many different labels train gives that word.

    Args:
        vocabulary: the vocabulary of the train split.
        forms: words, as tokens spell them.

    Returns:
        (0, 0) for a form whose word train does not hold; None where the vocabulary does not say, as in models of
        earlier versions.
    """
    if vocabulary.num_train_words and not (vocabulary.word_counts and vocabulary.word_labels):
        return None
    pairs = zip(vocabulary.words, vocabulary.word_counts, vocabulary.word_labels, strict=False)
    counts = {word: (count, labels) for word, count, labels in pairs}
    return {form: counts.get(vocabulary.normalise(form), (0, 0)) for form in forms}


def find_labels(sentences: Sequence[Sentence], *, scheme: str, unknown: str | None) -> dict[str, set[str]]:
    """The different labels that gold gives each form: tags, or span types and O.

    Args:
        sentences: sentences with gold tags.
        scheme: how they spell spans.
        unknown: the tag that stands where nobody knows the tag; it is no label.
    """
    plain, label_of = is_plain(scheme), dict[str, str]()
    found: dict[str, set[str]] = {}
    for sentence in sentences:
        for token, tag in zip(sentence.tokens, sentence.tags or (), strict=False):
            if tag == unknown:
                continue
            if tag not in label_of:  # the hyphen keeps a type O from being taken for outside
                label_of[tag] = tag if plain or tag == OUTSIDE else f"-{split_tag(tag, scheme)[1]}"
            found.setdefault(token, set()).add(label_of[tag])
    return found


def count_labels(words: Sequence[str], labels: Mapping[str, Collection[str]], *, lowercase: bool) -> tuple[int, ...]:
    """How many different labels each word has, given those of each form."""
    found: dict[str, set[str]] = {}
    for form, given in labels.items():
        found.setdefault(form.lower() if lowercase else form, set()).update(given)
    return tuple(len(found.get(word, ())) for word in words)

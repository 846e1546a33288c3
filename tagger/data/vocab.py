"""Words, characters, affixes and tags <-> ids.

A *form* is a word as spelled. Everything the network needs to know about a form (word id, character ids, affix ids)
is worked out once, kept as a row of arrays in a `FormTable`, and looked up by the form's row from then on.
"""

import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.config import AffixesConfig, CharactersConfig, WordsConfig
from tagger.data.training_words import count_labels

PADDING, UNKNOWN = 0, 1  # ids of padding and of everything unseen, for words and for characters
_NUM_SPECIAL = 2
_FORM_SIZE = 180  # bytes, about, of a remembered form beside its characters: a string, and its entry in a dictionary

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What the training data taught us to count, and how to look a form up in it.

    Attributes:
        words: known words; word i has id i + 2. The train split's words come first.
        num_train_words: how many of `words` the train split holds; the rest come from pretrained vectors.
        characters: known characters; character i has id i + 2.
        tags: the network's tags; tag i has id i.
        lowercase: words are looked up in lower case.
        max_length: characters of a word that are read; longer words lose their middle.
        num_buckets: rows of the hash table of affixes.
        prefixes: lengths of prefixes, in characters.
        suffixes: lengths of suffixes, in characters.
        shape: whether a word's shape is an affix too.
        word_counts: how often the train split holds each of its words; empty in models of earlier versions.
        word_labels: how many different tags or span types, O among them, train gives each; empty likewise.
    """

    words: tuple[str, ...]
    num_train_words: int
    characters: tuple[str, ...]
    tags: tuple[str, ...]
    lowercase: bool
    max_length: int
    num_buckets: int
    prefixes: tuple[int, ...]
    suffixes: tuple[int, ...]
    shape: bool
    word_counts: tuple[int, ...] = ()
    word_labels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("word_counts", "word_labels"):
            value: Any = getattr(self, name)  # of a file, it may be anything
            if not isinstance(value, tuple) or any(type(each) is not int or each < 0 for each in value):
                raise ValueError(f"{name}: expected a list of numbers >= 0")
            if value and type(self.num_train_words) is int and len(value) != self.num_train_words:
                raise ValueError(f"{name}: {len(value)} numbers for {self.num_train_words} words of train")

    @property
    def num_word_ids(self) -> int:
        """Rows of the word embedding: padding, unknown, and the words."""
        return len(self.words) + _NUM_SPECIAL

    @property
    def num_character_ids(self) -> int:
        """Rows of the character embedding: padding, unknown, and the characters."""
        return len(self.characters) + _NUM_SPECIAL

    @property
    def num_affixes(self) -> int:
        """A, the affixes of each word, its shape included."""
        return len(self.prefixes) + len(self.suffixes) + self.shape

    def normalise(self, form: str) -> str:
        """The spelling under which a form is looked up among the words."""
        return form.lower() if self.lowercase else form

    @classmethod
    def build(
        cls,
        counts: Mapping[str, int],
        *,
        tags: Sequence[str],
        extra_words: Sequence[str],
        words: WordsConfig,
        characters: CharactersConfig,
        affixes: AffixesConfig,
        labels: Mapping[str, Collection[str]] | None = None,
    ) -> "Vocabulary":
        """Makes the vocabulary of a train split.

        Args:
            counts: how often each form occurs in train.
            tags: the network's tags, in the order of their ids.
            extra_words: words to know beside those of train: the words of pretrained vectors.
            words: the config's section.
            characters: the config's section.
            affixes: the config's section.
            labels: the tags or span types, O among them, that train gives each form; None: they are not counted.
        """
        word_counts, character_counts = count_words(counts, lowercase=words.lowercase), count_characters(counts)
        known = rank(word_counts, min_count=words.min_count)
        extra = [] if not extra_words else sorted(set(extra_words) - set(known))
        return cls(
            words=(*known, *extra),
            num_train_words=len(known),
            characters=tuple(rank(character_counts)),
            tags=tuple(tags),
            lowercase=words.lowercase,
            max_length=characters.max_length,
            num_buckets=affixes.num_buckets,
            prefixes=tuple(affixes.prefixes) if affixes.dim else (),
            suffixes=tuple(affixes.suffixes) if affixes.dim else (),
            shape=affixes.shape and affixes.dim > 0,
            word_counts=tuple(word_counts[word] for word in known),
            word_labels=() if labels is None else count_labels(known, labels, lowercase=words.lowercase),
        )


def count_words(counts: Mapping[str, int], *, lowercase: bool) -> Counter[str]:
    """How often each word occurs, given how often each form does."""
    words: Counter[str] = Counter()
    for form, count in counts.items():
        words[form.lower() if lowercase else form] += count
    return words


def count_characters(counts: Mapping[str, int]) -> Counter[str]:
    """How often each character occurs, given how often each form does."""
    characters: Counter[str] = Counter()
    for form, count in counts.items():
        for character in form:
            characters[character] += count
    return characters


def rank(counts: Counter[str], *, min_count: int = 1) -> list[str]:
    """The entries seen at least `min_count` times, the commonest first, then in alphabetical order."""
    from torchtext.vocab import Vocab

    # The list alone is kept: Vocab.stoi is a defaultdict that grows with each unknown word it is asked for.
    return list(Vocab(counts, min_freq=min_count, specials=[]).itos)


def word_shape(form: str) -> str:
    """The word with upper case as X, lower case as x, digits as d, and runs cut to four: `iPhone15` -> `xXxxxxdd`."""
    shape: list[str] = []
    for character in form:
        if character.isupper():
            kind = "X"
        elif character.isalpha():
            kind = "x"
        elif character.isdigit():
            kind = "d"
        else:
            kind = character
        if shape[-4:] != [kind] * 4:
            shape.append(kind)
    return "".join(shape)


def hash_affix(kind: str, text: str, num_buckets: int) -> int:
    """The row, from 1, of an affix in the hash table: CRC-32, so that it is the same on every machine and run."""
    return 1 + zlib.crc32(f"{kind}:{text}".encode("utf-8", "surrogatepass")) % num_buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class FormRows:
    """What the network is told about U forms.

    Attributes:
        words: (U,) word ids.
        characters: (U, C) character ids, padded on the right.
        character_lengths: (U,) characters of each form.
        affixes: (U, A) rows of the affix table.
    """

    words: Ids
    characters: Ids
    character_lengths: Ids
    affixes: Ids


class FormTable:
    """Remembers the ids of every form it has met; row 0 is padding.

    Args:
        vocabulary: what to look forms up in.

    Attributes:
        size: bytes, about, that it takes.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._word_ids = _ids(vocabulary.words)
        self._character_ids = _ids(vocabulary.characters)
        self._rows: dict[str, int] = {}
        self.size = 0  # bytes, about
        self._words = np.zeros(1024, dtype=np.int32)
        self._characters = np.zeros((1024, vocabulary.max_length), dtype=np.int32)
        self._lengths = np.zeros(1024, dtype=np.int32)
        self._affixes = np.zeros((1024, vocabulary.num_affixes), dtype=np.int32)

    def __len__(self) -> int:
        """Rows so far, padding included."""
        return len(self._rows) + 1

    def rows(self, sentences: Iterable[Sequence[str]]) -> list[Ids]:
        """Looks up sentences of tokens, learning the forms that are new.

        Returns:
            For each sentence, an array (T,) of rows, to be given to `gather`.
        """
        sentences = list(sentences)
        tokens = list(chain.from_iterable(sentences))
        found = list(map(self._rows.get, tokens))
        if None in found:
            found = list(map(self._learn, tokens))
        flat = np.array(found, dtype=np.int64)
        ends = accumulate(map(len, sentences), initial=0)
        return [flat[start:end] for start, end in pairwise(ends)]

    def rows_of_forms(self, forms: Iterable[str]) -> npt.NDArray[np.int32]:
        """Looks up distinct forms, (V,), learning those that are new."""
        return np.fromiter(map(self._learn, forms), dtype=np.int32)

    def gather(self, rows: Ids) -> FormRows:
        """The ids of the forms in these rows, (U,); characters are cut to the longest form among them."""
        lengths = self._lengths[rows]
        longest = max(1, int(lengths.max(initial=0)))
        return FormRows(
            words=self._words[rows].astype(np.int64),
            characters=self._characters[rows, :longest].astype(np.int64),
            character_lengths=lengths.astype(np.int64),
            affixes=self._affixes[rows].astype(np.int64),
        )

    def _learn(self, form: str) -> int:
        known = self._rows.get(form)
        if known is not None:
            return known
        row = len(self._rows) + 1
        if row >= len(self._words):
            self._characters = _doubled(self._characters)
            self._lengths = _doubled(self._lengths)
            self._affixes = _doubled(self._affixes)
            self._words = _doubled(self._words)  # last: its length says for how many rows there is room in them all
        vocabulary = self._vocabulary
        self._words[row] = self._word_ids.get(vocabulary.normalise(form), UNKNOWN)
        characters = _shorten(form, vocabulary.max_length)
        self._lengths[row] = len(characters)
        self._characters[row, : len(characters)] = [self._character_ids.get(c, UNKNOWN) for c in characters]
        self._affixes[row] = affix_ids(form, vocabulary)
        self._rows[form] = row
        self.size += _FORM_SIZE + 4 * (len(form) + vocabulary.max_length + vocabulary.num_affixes)
        return row


def affix_ids(form: str, vocabulary: Vocabulary) -> list[int]:
    """The A rows of the affix table for a form: prefixes, suffixes (both in lower case), then its shape."""
    lower, buckets = form.lower(), vocabulary.num_buckets
    ids = [hash_affix(f"p{size}", lower[:size], buckets) for size in vocabulary.prefixes]
    ids += [hash_affix(f"s{size}", lower[-size:], buckets) for size in vocabulary.suffixes]
    if vocabulary.shape:
        ids.append(hash_affix("shape", word_shape(form), buckets))
    return ids


def known_words(vocabulary: Vocabulary, forms: Collection[str]) -> set[str]:
    """Those of `forms` whose word the train split holds."""
    words = set(vocabulary.words[: vocabulary.num_train_words])
    return {form for form in forms if vocabulary.normalise(form) in words}


def _ids(entries: Sequence[str]) -> Mapping[str, int]:
    return {entry: number for number, entry in enumerate(entries, start=_NUM_SPECIAL)}


def _shorten(form: str, length: int) -> str:
    if len(form) <= length:
        return form
    head = (length + 1) // 2
    return form[:head] + form[len(form) - (length - head) :]


def _doubled(array: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return np.concatenate([array, np.zeros_like(array)])

"""Simple systems to set beside a model: trained on the same data in seconds, by counting.

What a word's tag is likely to be, P(t | w), is counted: of a word that train holds, its own counts, smoothed with those
of words like it; of any other word, those of words like it that train holds once (their shape and ending), from the
longest ending that was seen to none (Samuelsson, 1993; Brants, 2000, "TnT", section 2.3).
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch

from tagger.data.tag_table import TagTable
from tagger.data.vocab import word_shape
from tagger.evaluation.builder import Rival
from tagger.evaluation.statistics import Floats
from tagger.model.crf import LinearChainCRF
from tagger.schemes import is_plain
from tagger.sentence import Sentence

MOST_FREQUENT = "most frequent tag"
HMM = "HMM"
_SUFFIXES = (1, 2, 3, 4)
_WEIGHT_OF_LIKE = 0.5  # what words like it weigh beside a word's own counts, in tokens
_WEIGHT_OF_SHORTER = 2.0  # what a shorter ending weighs beside a longer one's counts, in words
_WEIGHT_OF_TAG = 1.0  # what a tag's own frequency weighs beside the counts after another, in tokens
_BATCH = 512  # sentences

Tags = Sequence[Sequence[str]]


def run_baselines(
    train: Sequence[Sentence], tokens: Sequence[Sequence[str]], *, scheme: str, unknown: str | None = None
) -> tuple[Rival, ...]:
    """Trains both and has them tag.

    Args:
        train: sentences with gold tags.
        tokens: the sentences to tag.
        scheme: how the tags spell spans.
        unknown: the tag that stands where nobody knows the tag.

    Returns:
        Most frequent tag, then HMM; neither where train has no known tag.
    """
    start = time.perf_counter()
    counted = _Counted(train, unknown)
    if not counted.tags:
        return ()
    counting = time.perf_counter() - start
    frequent = _tag_by_frequency(counted, tokens)
    first = time.perf_counter()
    by_hmm = _tag_by_hmm(counted, tokens, scheme)
    last = time.perf_counter()
    return (
        Rival(
            name=MOST_FREQUENT,
            rule="each word's most frequent tag in train",
            tags=frequent,
            seconds=round(first - start, 3),
        ),
        Rival(
            name=HMM,
            rule="tag pairs and words counted in train",
            tags=by_hmm,
            seconds=round(counting + last - first, 3),
        ),
    )


class _Counted:
    """What is counted in train: K tags, of words and of each other."""

    def __init__(self, train: Sequence[Sentence], unknown: str | None) -> None:
        self.of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.pairs = Counter[tuple[str, str]]()
        self.starts, self.ends, self.of_all = Counter[str](), Counter[str](), Counter[str]()
        for sentence in train:
            tags = sentence.tags or ()
            for token, tag in zip(sentence.tokens, tags, strict=False):
                if tag != unknown:
                    self.of_word[token][tag] += 1
            known = [tag for tag in tags if tag != unknown]
            if known and len(known) == len(tags):  # only then is it known what follows what
                self.starts[tags[0]] += 1
                self.ends[tags[-1]] += 1
                self.pairs.update(pairwise(tags))
            self.of_all.update(known)
        self.tags = tuple(sorted(self.of_all))
        self.ids = {tag: number for number, tag in enumerate(self.tags)}
        self.prior = self.vector(self.of_all) / max(1, self.of_all.total())  # (K,)

    def vector(self, counts: Counter[str]) -> Floats:
        """(K,) the counts of each tag."""
        values = np.zeros(len(self.tags))
        for tag, count in counts.items():
            values[self.ids[tag]] = count
        return values


def _tag_by_frequency(counted: _Counted, tokens: Sequence[Sequence[str]]) -> list[list[str]]:
    # of tags that are equally frequent the first in alphabetical order: what a word gets depends on nothing else
    best = {word: min(counts, key=lambda tag: (-counts[tag], tag)) for word, counts in counted.of_word.items()}
    default = min(counted.of_all, key=lambda tag: (-counted.of_all[tag], tag))
    return [[best.get(token, default) for token in sentence] for sentence in tokens]


def _tag_by_hmm(counted: _Counted, tokens: Sequence[Sequence[str]], scheme: str) -> list[list[str]]:
    table = None if is_plain(scheme) else TagTable.build(counted.tags, encoding=scheme, scheme=scheme)
    crf = LinearChainCRF(len(counted.tags), table=table)
    start, transitions, end = _chances_of_tags(counted)
    words = _Words(counted)
    with torch.no_grad():
        crf.start_transitions.copy_(torch.from_numpy(np.log(start)))
        crf.transitions.copy_(torch.from_numpy(np.log(transitions)))
        crf.end_transitions.copy_(torch.from_numpy(np.log(end)))
    filled = [number for number, sentence in enumerate(tokens) if len(sentence)]
    filled.sort(key=lambda number: len(tokens[number]))
    answers: list[list[str]] = [[] for _ in tokens]
    with torch.inference_mode():
        for first in range(0, len(filled), _BATCH):
            numbers = filled[first : first + _BATCH]
            lengths = torch.tensor([len(tokens[number]) for number in numbers])
            mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)  # (B, T)
            emissions = torch.zeros(*mask.shape, len(counted.tags))  # (B, T, K)
            emissions[mask] = torch.from_numpy(
                np.stack([words.score(token) for number in numbers for token in tokens[number]]).astype(np.float32)
            )
            for number, path in zip(numbers, crf.viterbi(emissions, mask).tolist(), strict=True):
                answers[number] = [counted.tags[tag] for tag in path[: len(tokens[number])]]
    return answers


def _chances_of_tags(counted: _Counted) -> tuple[Floats, Floats, Floats]:
    """P(first tag) (K,), P(tag | tag before) (K, K), P(last | tag) (K,), smoothed with the frequency of tags."""
    size = len(counted.tags)
    pairs = np.zeros((size, size))
    for (one, other), count in counted.pairs.items():
        pairs[counted.ids[one], counted.ids[other]] = count
    ends = counted.vector(counted.ends)
    starts = counted.vector(counted.starts) + _WEIGHT_OF_TAG * counted.prior
    after = pairs.sum(axis=1) + ends + _WEIGHT_OF_TAG
    end_rate = max(ends.sum(), 1.0) / max(pairs.sum() + ends.sum(), 1.0)
    transitions = (pairs + _WEIGHT_OF_TAG * (1 - end_rate) * counted.prior + 1e-12) / after[:, None]
    return starts / starts.sum(), transitions, (ends + _WEIGHT_OF_TAG * end_rate + 1e-12) / after


class _Words:
    """log P(w | t) of words, up to a constant: log P(t | w) - log P(t)."""

    def __init__(self, counted: _Counted) -> None:
        self._counted = counted
        self._like: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._known: dict[str, Floats] = {}
        once = {word: tags for word, tags in counted.of_word.items() if tags.total() == 1}
        for word, tags in (once or counted.of_word).items():
            for likeness in _likenesses(word):
                self._like[likeness].update(tags)

    def score(self, word: str) -> Floats:
        """(K,) nats."""
        found = self._known.get(word)
        if found is None:
            chances = self._chances_by_likeness(word)
            if word in self._counted.of_word:
                counts = self._counted.vector(self._counted.of_word[word])
                chances = (counts + _WEIGHT_OF_LIKE * chances) / (counts.sum() + _WEIGHT_OF_LIKE)
            found = self._known[word] = np.log(chances) - np.log(self._counted.prior)
        return found

    def _chances_by_likeness(self, word: str) -> Floats:
        chances = self._counted.prior
        for likeness in _likenesses(word):
            counts = self._counted.vector(self._like[likeness]) if likeness in self._like else np.zeros(len(chances))
            chances = (counts + _WEIGHT_OF_SHORTER * chances) / (counts.sum() + _WEIGHT_OF_SHORTER)
        return chances


def _likenesses(word: str) -> Iterator[tuple[str, str]]:
    """What makes words alike, the commonest first: shape with runs cut to one, then with longer and longer endings."""
    shape = word_shape(word)
    short = "".join(letter for letter, before in zip(shape, f" {shape}", strict=False) if letter != before)[:4]
    yield short, ""
    for length in _SUFFIXES:
        if length < len(word):
            yield short, word[-length:].lower()

"""Cross-validation: sentences in folds, such that equal sentences are in one."""

import heapq
from collections.abc import Iterable
from hashlib import sha256

from tagger.errors import ConfigError
from tagger.sentence import Sentence


def assign_folds(sentences: Iterable[Sentence], *, num_folds: int, seed: int) -> list[int | None]:
    """Deals sentences out to folds of about as many tokens each.

    Sentences with the same tokens, whatever their tags, are in one fold, so that a model trained on the others has
    never seen the very sentence. Which fold that is depends on the sentences and the seed alone: not on their order,
    nor on Python's or NumPy's generators.

    Args:
        sentences: the sentences.
        num_folds: how many folds, >= 2.
        seed: another seed deals otherwise.

    Returns:
        Of each sentence its fold, from 0; None of a sentence without tokens.

    Raises:
        ConfigError: fewer than 2 folds, or more than there are different sentences.
    """
    tokens = [sentence.tokens for sentence in sentences]
    sizes: dict[tuple[str, ...], int] = {}
    for each in tokens:
        if each:
            sizes[each] = sizes.get(each, 0) + len(each)
    if not 2 <= num_folds <= len(sizes):
        raise ConfigError(
            f"--folds: expected a number in [2, {len(sizes)}], the number of different sentences, got {num_folds}"
        )
    shuffled = sorted(sizes, key=lambda each: sha256(f"{seed} {each!r}".encode("utf-8", "surrogatepass")).digest())
    lightest = [(0, fold) for fold in range(num_folds)]  # a heap
    folds: dict[tuple[str, ...], int] = {}
    for each in shuffled:
        size, folds[each] = heapq.heappop(lightest)
        heapq.heappush(lightest, (size + sizes[each], folds[each]))
    return [folds.get(each) for each in tokens]

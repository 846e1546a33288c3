"""Slow, obvious versions of what the package does fast, written from the published descriptions alone."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise, product

import torch
import torch.nn.functional as F  # noqa: N812 the name everyone knows it by
from torch import Tensor

from tagger.schemes import convert_tags, tags_to_spans

# type -> (correct, predicted, gold)
TypeCounts = dict[str, tuple[int, int, int]]

# conlleval: (previous letter, current letter) pairs between which a chunk ends, or starts, with the type unchanged.
# S is no letter of the original script; it is read as one token from B to E.
_ENDS = {"BB", "BO", "BS", "IB", "IO", "IS", "EB", "EE", "EI", "EO", "ES", "SB", "SE", "SI", "SO", "SS"}
_STARTS = {"BB", "IB", "OB", "OI", "EB", "EE", "EI", "OE", "SB", "SE", "SI", "BS", "ES", "IS", "OS", "SS"}


def conlleval_counts(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> TypeCounts:
    """The counts of conlleval (CoNLL-2000 shared task): one pass over both columns, a blank line after each sentence.

    The letters L and U of BILOU, which the script does not know, are read as E and S.
    """
    correct, found_predicted, found_gold = Counter[str](), Counter[str](), Counter[str]()
    last_gold = last_predicted = ("O", "")
    in_correct = False
    for gold_tag, predicted_tag in _lines(gold, predicted):
        here_gold, here_predicted = _read(gold_tag), _read(predicted_tag)
        end_gold, end_predicted = _chunk_ends(last_gold, here_gold), _chunk_ends(last_predicted, here_predicted)
        start_gold = _chunk_starts(last_gold, here_gold)
        start_predicted = _chunk_starts(last_predicted, here_predicted)
        if in_correct:
            if end_gold and end_predicted and last_gold[1] == last_predicted[1]:
                in_correct = False
                correct[last_gold[1]] += 1
            elif end_gold != end_predicted or here_gold[1] != here_predicted[1]:
                in_correct = False
        if start_gold and start_predicted and here_gold[1] == here_predicted[1]:
            in_correct = True
        found_gold[here_gold[1]] += start_gold
        found_predicted[here_predicted[1]] += start_predicted
        last_gold, last_predicted = here_gold, here_predicted
    labels = +found_gold | +found_predicted
    return {label: (correct[label], found_predicted[label], found_gold[label]) for label in labels}


def all_span_sets(length: int, labels: Sequence[str], start: int = 0) -> Iterator[list[tuple[int, int, str]]]:
    """Every set of spans without overlap over `length` tokens, as sorted (start, end, label)."""
    if start == length:
        yield []
        return
    yield from all_span_sets(length, labels, start + 1)
    for end in range(start + 1, length + 1):
        for label in labels:
            for rest in all_span_sets(length, labels, end):
                yield [(start, end, label), *rest]


def crf_path_scores(
    emissions: Sequence[Sequence[float]],
    *,
    start: Sequence[float],
    transitions: Sequence[Sequence[float]],
    end: Sequence[float],
) -> dict[tuple[int, ...], float]:
    """The score of every tag sequence of one sentence under a linear-chain CRF (Lafferty et al., 2001)."""
    scores = {}
    for path in product(range(len(start)), repeat=len(emissions)):
        emitted = sum(emission[tag] for emission, tag in zip(emissions, path, strict=True))
        moved = sum(transitions[previous][current] for previous, current in pairwise(path))
        scores[path] = start[path[0]] + emitted + moved + end[path[-1]]
    return scores


def crf_log_partition(scores: Mapping[tuple[int, ...], float]) -> float:
    """The log of the summed exp(score) of every tag sequence."""
    return math.log(math.fsum(math.exp(score) for score in scores.values()))


def crf_marginals(scores: Mapping[tuple[int, ...], float], num_tags: int) -> list[list[float]]:
    """For each token the probability of each tag: that of all sequences which have it there."""
    log_partition = crf_log_partition(scores)
    length = len(next(iter(scores)))
    return [
        [
            math.fsum(math.exp(score - log_partition) for path, score in scores.items() if path[token] == tag)
            for tag in range(num_tags)
        ]
        for token in range(length)
    ]


def crf_paths(emissions: Tensor, *, start: Tensor, transitions: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The same as tensors that gradients flow through: all paths (P, T) of one sentence (T, K), and scores (P,)."""
    length, num_tags = emissions.shape
    paths = all_paths(length, num_tags)
    scores = start[paths[:, 0]] + end[paths[:, -1]] + emissions[torch.arange(length), paths].sum(dim=1)
    return paths, scores + transitions[paths[:, :-1], paths[:, 1:]].sum(dim=1)


@cache
def all_paths(length: int, num_tags: int) -> Tensor:
    """(P, T): every sequence of tag ids, in lexical order."""
    return torch.cartesian_prod(*[torch.arange(num_tags)] * length).view(-1, length)


def tag_probabilities(paths: Tensor, scores: Tensor, num_tags: int) -> Tensor:
    """(T, K): for each token the probability of each tag, from all paths and their scores."""
    return torch.einsum("p,ptk->tk", torch.softmax(scores, dim=0), F.one_hot(paths, num_tags).to(scores))


@cache
def spans_of_paths(
    tags: tuple[str, ...], length: int, encoding: str, scheme: str
) -> dict[tuple[int, int, str], Tensor]:
    """For each span (start, end, label) that some path spells, which do: (P,) bool in the order of `all_paths`."""
    paths = all_paths(length, len(tags))
    found: dict[tuple[int, int, str], Tensor] = {}
    for row, path in enumerate(paths.tolist()):
        for span in tags_to_spans(convert_tags([tags[tag] for tag in path], encoding, scheme), scheme):
            found.setdefault(span.key, torch.zeros(len(paths), dtype=torch.bool))[row] = True
    return found


def _lines(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        yield from zip(gold_tags, predicted_tags, strict=True)
        yield "O", "O"


def _read(tag: str) -> tuple[str, str]:
    letter, _, label = tag.partition("-")
    return {"L": "E", "U": "S"}.get(letter, letter), label


def _chunk_ends(last: tuple[str, str], here: tuple[str, str]) -> bool:
    return last[0] + here[0] in _ENDS or (last[0] != "O" and last[1] != here[1])


def _chunk_starts(last: tuple[str, str], here: tuple[str, str]) -> bool:
    return last[0] + here[0] in _STARTS or (here[0] != "O" and last[1] != here[1])

"""Slow, obvious versions of what the package does fast, written from the published descriptions alone."""

from collections import Counter
from collections.abc import Iterator, Sequence

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

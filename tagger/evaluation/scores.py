"""Gold tags and predicted tags in, scores out (`tagger.evaluation.counts`).

Two kinds of score, each named by its rule:

* plain tags (parts of speech): accuracy over tokens, and precision, recall and F1 of each tag;
* spans (entities, chunks, slots): precision, recall and F1 over whole spans, read by the rule of `conlleval`
  (Tjong Kim Sang & Buchholz, 2000, "Introduction to the CoNLL-2000 Shared Task: Chunking"). The strict counts beside
  them take only spans that are spelled exactly as the scheme spells them.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain
from operator import eq

from tagger.errors import TaggerError
from tagger.evaluation.counts import Counts, Ratio, SpanScores, TagScores
from tagger.evaluation.matching import CORRECT, count_matches, match_spans
from tagger.schemes import (
    OUTSIDE,
    get_scheme,
    illegal_transitions,
    is_legal,
    is_plain,
    join_tag,
    split_tag,
    strict_spans,
    tags_to_spans,
)
from tagger.sentence import Span

_Keys = frozenset[tuple[int, int, str]]
_NO_SPANS: _Keys = frozenset()


def score(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    scheme: str,
    tokens: Sequence[Sequence[str]] | None = None,
    known_words: Collection[str] | None = None,
) -> TagScores | SpanScores:
    """Scores predicted tags against gold tags.

    Args:
        gold: the gold tags of each sentence.
        predicted: the predicted tags of each sentence, in the same scheme.
        scheme: the name of the tag scheme both are spelled in; `plain` gives TagScores, every other SpanScores.
        tokens: the tokens of each sentence; needed only to tell known words from unknown ones.
        known_words: the words of the training data, spelled as in `tokens`.

    Returns:
        The scores.

    Raises:
        ValueError: sentences that do not match, or a tag that is none of the scheme's (the message names the
            sentence, counted from 1); an unknown scheme; `known_words` without `tokens`.
    """
    _check_lengths(gold, predicted, "predicted tags")
    if tokens is not None:
        _check_lengths(gold, tokens, "tokens")
    elif known_words is not None:
        raise ValueError("known_words need tokens")
    known = None if known_words is None else frozenset(known_words)
    if is_plain(scheme):
        return _score_tags(gold, predicted, tokens=tokens, known=known)
    return _score_spans(gold, predicted, scheme=scheme, tokens=tokens, known=known)


def audit_with_seqeval(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    scheme: str,
    scores: SpanScores | None = None,
) -> tuple[float | None, float | None, float | None]:
    """Has seqeval count the same spans in its default mode, and insists on the same result.

    seqeval reads the tags themselves, so that no line of ours stands between it and the data; only BILOU, which its
    default mode does not know, is spelled with the letters of BIOES first.

    Args:
        gold: the gold tags of each sentence.
        predicted: the predicted tags of each sentence.
        scheme: the name of the span scheme both are spelled in.
        scores: the scores to check; counted afresh if None.

    Returns:
        seqeval's micro precision, recall and F1 in [0, 1], None where undefined.

    Raises:
        TaggerError: seqeval counts otherwise, which is a defect.
        ValueError: as `score`; or a scheme without spans, of which seqeval would strip the first letter.
    """
    _check_lengths(gold, predicted, "predicted tags")
    if scores is None:
        scores = _score_spans(gold, predicted, scheme=scheme, tokens=None, known=None)
    # seqeval calls the empty type `_`, which may be another type's real name.
    empty = "_" * (1 + max((len(label) for label in scores.per_type), default=0))
    theirs, ratios = _count_with_seqeval(
        [[_spell_for_seqeval(tag, scheme, empty) for tag in tags] for tags in gold],
        [[_spell_for_seqeval(tag, scheme, empty) for tag in tags] for tags in predicted],
    )
    ours = {label or empty: counts for label, counts in scores.per_type.items()}
    if theirs != ours:
        differing = sorted(label for label in theirs.keys() | ours.keys() if theirs.get(label) != ours.get(label))
        raise TaggerError(f"seqeval counts other spans than tagger, a defect: types {', '.join(differing)}")
    micro = (scores.micro.precision, scores.micro.recall, scores.micro.f1)
    if any(abs(number - (value or 0.0)) > 1e-9 for number, value in zip(ratios, micro, strict=True)):
        raise TaggerError(f"seqeval scores {ratios} where tagger scores {micro}, a defect")
    # Where nothing is there to divide by, seqeval says 0 by convention.
    first, second, third = (None if value is None else number for number, value in zip(ratios, micro, strict=True))
    return first, second, third


def _check_lengths(gold: Sequence[Sequence[str]], other: Sequence[Sequence[str]], name: str) -> None:
    for number, (ours, theirs) in enumerate(zip(gold, other, strict=False), start=1):
        if len(ours) != len(theirs):
            raise ValueError(f"sentence {number}: {len(ours)} gold tags but {len(theirs)} {name}")
    if len(gold) != len(other):
        first = min(len(gold), len(other)) + 1
        lacking = "gold tags" if len(gold) < len(other) else name
        raise ValueError(f"sentence {first} has no {lacking}: {len(gold)} sentences of gold, {len(other)} of {name}")


def _score_tags(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    tokens: Sequence[Sequence[str]] | None,
    known: frozenset[str] | None,
) -> TagScores:
    pairs = Counter(zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True))
    correct, predicted_tags, gold_tags = Counter[str](), Counter[str](), Counter[str]()
    for (ours, theirs), count in pairs.items():
        correct[ours] += count if ours == theirs else 0
        predicted_tags[theirs] += count
        gold_tags[ours] += count
    unknown_words = known_words = None
    if tokens is not None and known is not None:
        is_known = map(known.__contains__, chain.from_iterable(tokens))
        is_right = map(eq, chain.from_iterable(gold), chain.from_iterable(predicted))
        split = Counter(zip(is_known, is_right, strict=True))
        unknown_words = _ratio(split[False, True], split[False, False])
        known_words = _ratio(split[True, True], split[True, False])
    return TagScores(
        accuracy=Ratio(correct=correct.total(), total=pairs.total()),
        per_tag=_by_label(correct, predicted_tags, gold_tags),
        sentences=_count_right_sentences(gold, predicted),
        unknown_words=unknown_words,
        known_words=known_words,
    )


def _score_spans(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    scheme: str,
    tokens: Sequence[Sequence[str]] | None,
    known: frozenset[str] | None,
) -> SpanScores:
    reader = _SpanReader(scheme)
    lenient, strict = _Tally(), _Tally()
    illegal_gold = illegal_predicted = 0
    matches = Counter[str]()
    found = Counter[tuple[bool, bool]]()  # (every word known, span found) -> gold spans
    for index, (ours, theirs) in enumerate(zip(gold, predicted, strict=True)):
        try:
            read = gold_spans, gold_strict, gold_illegal = reader.read(ours)
            spans, spans_strict, illegal = read if ours == theirs else reader.read(theirs)
        except ValueError as error:
            raise ValueError(f"sentence {index + 1}: {error}") from error
        lenient.add(gold_spans, spans)
        strict.add(gold_strict, spans_strict)
        illegal_gold += gold_illegal
        illegal_predicted += illegal
        if gold_spans == spans:
            matches[CORRECT] += len(spans)
        else:
            matches.update(kind for kind, _, _ in match_spans(_in_order(gold_spans), _in_order(spans)))
        if gold_spans and tokens is not None and known is not None:
            words = tokens[index]
            found.update((known.issuperset(words[key[0] : key[1]]), key in spans) for key in gold_spans)
    split = known is not None
    return SpanScores(
        micro=lenient.micro,
        per_type=lenient.per_type,
        strict=strict.micro,
        strict_per_type=strict.per_type,
        illegal_gold=illegal_gold,
        illegal_predicted=illegal_predicted,
        tokens=Ratio(
            correct=sum(map(eq, chain.from_iterable(gold), chain.from_iterable(predicted))),
            total=sum(map(len, gold)),
        ),
        sentences=_count_right_sentences(gold, predicted),
        unknown_word_spans=_ratio(found[False, True], found[False, False]) if split else None,
        known_word_spans=_ratio(found[True, True], found[True, False]) if split else None,
        matches=count_matches(matches),
    )


def _in_order(keys: _Keys) -> list[Span]:
    return [Span(start=start, end=end, label=label) for start, end, label in sorted(keys)]


class _SpanReader:
    """Reads spans both ways; remembers legal transitions, of which a corpus has few however long it is."""

    def __init__(self, scheme: str) -> None:
        self.scheme = get_scheme(scheme).name
        self.legal: set[tuple[str | None, str | None]] = set()

    def read(self, tags: Sequence[str]) -> tuple[_Keys, _Keys, int]:
        """Returns the spans by conlleval's rule, those spelled strictly, and the number of illegal transitions."""
        if tags.count(OUTSIDE) == len(tags):
            return _NO_SPANS, _NO_SPANS, 0
        spans = frozenset(span.key for span in tags_to_spans(tags, self.scheme))
        new = set(zip((None, *tags), (*tags, None), strict=True)) - self.legal
        self.legal.update(pair for pair in new if is_legal(*pair, self.scheme))
        if new <= self.legal:
            return spans, spans, 0  # a legal sequence spells all its spans strictly
        spelled = frozenset(span.key for span in strict_spans(tags, self.scheme))
        return spans, spelled, len(illegal_transitions(tags, self.scheme))


class _Tally:
    """Counts of spans by type, one sentence after another."""

    def __init__(self) -> None:
        self.correct, self.predicted, self.gold = Counter[str](), Counter[str](), Counter[str]()

    def add(self, gold: _Keys, predicted: _Keys) -> None:
        for counter, keys in ((self.correct, gold & predicted), (self.predicted, predicted), (self.gold, gold)):
            for _, _, label in keys:
                counter[label] += 1

    @property
    def micro(self) -> Counts:
        return Counts(correct=self.correct.total(), predicted=self.predicted.total(), gold=self.gold.total())

    @property
    def per_type(self) -> dict[str, Counts]:
        return _by_label(self.correct, self.predicted, self.gold)


def _by_label(correct: Counter[str], predicted: Counter[str], gold: Counter[str]) -> dict[str, Counts]:
    return {
        label: Counts(correct=correct[label], predicted=predicted[label], gold=gold[label])
        for label in sorted(predicted.keys() | gold.keys())
    }


def _ratio(right: int, wrong: int) -> Ratio:
    return Ratio(correct=right, total=right + wrong)


def _count_right_sentences(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Ratio:
    right = sum(all(map(eq, ours, theirs)) for ours, theirs in zip(gold, predicted, strict=True) if ours)
    return Ratio(correct=right, total=sum(1 for tags in gold if tags))


def _spell_for_seqeval(tag: str, scheme: str, empty: str) -> str:
    if tag == OUTSIDE:
        return tag
    prefix, label = split_tag(tag, scheme)
    return join_tag({"L": "E", "U": "S"}.get(prefix, prefix), label or empty)


def _count_with_seqeval(
    gold: list[list[str]], predicted: list[list[str]]
) -> tuple[dict[str, Counts], tuple[float, float, float]]:
    from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

    if not gold:  # seqeval rejects a corpus without sentences
        return {}, (0.0, 0.0, 0.0)
    entities, true_entities = set(get_entities(predicted)), set(get_entities(gold))
    counted = _by_label(
        *(Counter(label for label, _, _ in each) for each in (entities & true_entities, entities, true_entities))
    )
    precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
    return counted, (float(precision), float(recall), float(f1))

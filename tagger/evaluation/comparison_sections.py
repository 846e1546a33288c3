"""What is shown of a comparison: each two systems with the scores in which they differ."""

from collections.abc import Iterator

from tagger.evaluation.comparison import Comparison, Difference, Flip, Pair
from tagger.evaluation.numbers import UNDEFINED, format_count, format_interval, format_percent
from tagger.evaluation.page import INDENT, Page, Row, Section, clean

_SHORT_LIST = 10
_SMALLEST_P = 0.0001
_NUM_LETTERS = 26


def make_comparison_page(comparison: Comparison, *, full: bool) -> Page:
    """What is shown of a comparison.

    Args:
        comparison: the comparison.
        full: everything, or what matters most.
    """
    names = [each.name for each in comparison.systems]
    sentences, tokens = (
        format_count(number, noun)
        for number, noun in ((comparison.num_sentences, "sentence"), (comparison.num_tokens, "token"))
    )
    sections = [_list_systems(comparison)]
    for pair in comparison.pairs:
        sections += _show_pair(comparison, pair, full=full)
    return Page(
        title=f"Comparison: {', '.join(names)}",
        subtitle=f"{clean(comparison.split)} · {sentences} · {tokens} · scheme {comparison.scheme}",
        warnings=comparison.warnings,
        sections=tuple(sections),
    )


def _name_systems(comparison: Comparison) -> list[str]:
    """A, B, C, ...: what systems are called where there is no room for their names."""
    return [
        chr(ord("A") + number) if number < _NUM_LETTERS else str(number + 1)
        for number in range(len(comparison.systems))
    ]


def _list_systems(comparison: Comparison) -> Section:
    first, rows = comparison.systems[0].runs[0], []
    for letter, each in zip(_name_systems(comparison), comparison.systems, strict=True):
        runs = [run.main for run in each.runs]
        spread = "" if each.deviation is None else f"± {100 * each.deviation:.2f}"
        rows.append(
            (
                letter,
                clean(each.name),
                format_percent(each.mean),
                spread,
                f"{len(runs):,}",
            )
        )
    return Section(
        heading="Main scores, in percent",
        columns=("", "system", first.main_name, "over seeds", "runs"),
        align="llrrr",
        rows=tuple(rows),
        notes=(f"{first.main_name}: {first.rule}.",),
    )


def _show_pair(comparison: Comparison, pair: Pair, *, full: bool) -> Iterator[Section]:
    letters = _name_systems(comparison)
    first, second = letters[pair.first], letters[pair.second]
    shown = list(pair.differences)
    if not full:
        overall = [each for each in shown if each.group == "overall"]
        others = [each for each in shown if each.group != "overall" and each.p is not None]
        shown = overall + sorted(others, key=lambda each: each.p or 0.0)[:_SHORT_LIST]
    yield Section(
        heading=f"{second} beside {first}, in percent",
        columns=("score", first, second, f"{second} - {first}", "95 % interval", "p", "corrected", "gold"),
        align="lrrrrrrr",
        rows=tuple(_show_difference(each) for each in shown),
        notes=tuple(_explain(comparison, pair)),
    )
    if full and (pair.improved or pair.worsened):
        yield _list_flips(comparison, pair)


def _show_difference(found: Difference) -> Row:
    name = found.name if found.group == "overall" else f"{INDENT}{found.group}: {found.name or '(empty)'}"
    change = UNDEFINED if found.difference is None else f"{100 * found.difference:+.2f}"
    return (
        clean(name),
        format_percent(found.first),
        format_percent(found.second),
        change,
        format_interval(found.interval),
        _show_p(found.p),
        _show_p(found.corrected_p),
        f"{found.count:,}",
    )


def _show_p(p: float | None) -> str:
    if p is None:
        return UNDEFINED
    return f"< {_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.4f}"


def _explain(comparison: Comparison, pair: Pair) -> Iterator[str]:
    yield (
        f"p: approximate randomisation, {comparison.num_shuffles:,} shuffles of "
        f"{format_count(comparison.num_units, comparison.unit)}; corrected by {comparison.correction}. "
        f"Interval: paired bootstrap, {comparison.num_resamples:,} resamples."
    )
    better, worse = format_count(len(pair.improved), "sentence"), f"{len(pair.worsened):,}"
    letters = _name_systems(comparison)
    yield f"{letters[pair.second]} makes fewer errors than {letters[pair.first]} in {better}, more in {worse}."
    if pair.across_seeds is not None:
        test = pair.across_seeds
        how = "all" if test.exact else "random"
        yield (
            f"Across seeds ({test.num_runs[0]} and {test.num_runs[1]} runs): difference of means "
            f"{100 * test.difference:+.2f}, p = {test.p:.4f} by {how} {test.num_permutations:,} permutations of runs."
        )


def _list_flips(comparison: Comparison, pair: Pair) -> Section:
    def show(flip: Flip, change: str) -> Row:
        sentence = comparison.sentences[flip.sentence]
        where = sentence.source or f"sentence {sentence.index + 1}"
        return (change, f"{flip.first:,}", f"{flip.second:,}", clean(where), clean(" ".join(sentence.tokens)))

    rows = [show(flip, "better") for flip in pair.improved[:_SHORT_LIST]]
    rows += [show(flip, "worse") for flip in pair.worsened[:_SHORT_LIST]]
    letters = _name_systems(comparison)
    first, second = letters[pair.first], letters[pair.second]
    return Section(
        heading=f"Sentences that flipped from {first} to {second}",
        columns=("change", f"errors of {first}", f"errors of {second}", "where", "sentence"),
        align="lrrll",
        rows=tuple(rows),
        notes=(f"The {_SHORT_LIST} that changed most either way; comparison.json has every one.",),
    )

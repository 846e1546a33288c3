"""Tag schemes as tables: tags <-> spans, legal transitions, conversions.

A *scheme* says how tags spell spans: `B-PER I-PER O` is one `PER` span of two tokens in BIO. Each scheme is a table
of legal (previous, current) prefixes that can be held against the paper it comes from:

* IO: one prefix; two spans of one type that touch cannot be told apart.
* IOB1: Ramshaw & Marcus (1995), "Text Chunking using Transformation-Based Learning": B only where a span follows
  another of its own type without a gap.
* BIO (IOB2): Tjong Kim Sang & Veenstra (1999), "Representing Text Chunks": B at the start of every span.
* BIOES (IOBES) and BILOU: the same with the end (E, L) and the span of one token (S, U) marked; BILOU as in
  Ratinov & Roth (2009), "Design Challenges and Misconceptions in Named Entity Recognition".
* plain: tags that spell no spans, such as parts of speech.

Reading spans is lenient: it follows the rule of `conlleval` (CoNLL-2000 shared task), under which every tag other
than O belongs to a span, however illegal the sequence. `strict_spans` keeps only the spans that are spelled as the
scheme spells them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tagger.sentence import Span

OUTSIDE = "O"
PLAIN = "plain"
ALIASES = {"IOB2": "BIO", "IOBES": "BIOES"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One scheme's table.

    `any_type` and `same_type` map a previous prefix to the prefixes that may follow it: with whatever type, and only
    with the previous tag's own type. `^` stands for the sentence's start and `$` for its end.

    Attributes:
        name: the name used in configs.
        any_type: previous prefix -> prefixes that may follow with any type.
        same_type: previous prefix -> further prefixes that may follow with the same type only.
        begin: prefix of a longer span's first token.
        end: prefix of a longer span's last token.
        single: prefix of a span of one token.
        adjacent: prefix of a first token that follows a span of its own type without a gap (differs in IOB1 only).
    """

    name: str
    any_type: dict[str, str]
    same_type: dict[str, str]
    begin: str
    end: str
    single: str
    adjacent: str

    @property
    def prefixes(self) -> str:
        """Every prefix of the scheme, O left out."""
        return "".join(key for key in self.any_type if key not in "^O")


SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            name="IO",
            any_type={"^": "OI$", "O": "OI$", "I": "OI$"},
            same_type={},
            begin="I",
            end="I",
            single="I",
            adjacent="I",
        ),
        Scheme(
            name="IOB1",
            any_type={"^": "OI$", "O": "OI$", "I": "OI$", "B": "OI$"},
            same_type={"I": "B", "B": "B"},
            begin="I",
            end="I",
            single="I",
            adjacent="B",
        ),
        Scheme(
            name="BIO",
            any_type={"^": "OB$", "O": "OB$", "B": "OB$", "I": "OB$"},
            same_type={"B": "I", "I": "I"},
            begin="B",
            end="I",
            single="B",
            adjacent="B",
        ),
        Scheme(
            name="BIOES",
            any_type={"^": "OBS$", "O": "OBS$", "B": "", "I": "", "E": "OBS$", "S": "OBS$"},
            same_type={"B": "IE", "I": "IE"},
            begin="B",
            end="E",
            single="S",
            adjacent="B",
        ),
        Scheme(
            name="BILOU",
            any_type={"^": "OBU$", "O": "OBU$", "B": "", "I": "", "L": "OBU$", "U": "OBU$"},
            same_type={"B": "IL", "I": "IL"},
            begin="B",
            end="L",
            single="U",
            adjacent="B",
        ),
    )
}

# conlleval's rule knows B, I, E and S; BILOU says L for E and U for S.
_CONLLEVAL_LETTER = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "O": "O"}
_STARTS_ALWAYS = frozenset("BS")
_ENDS_ALWAYS = frozenset("ES")


def get_scheme(name: str) -> Scheme:
    """Returns the table of a span scheme; raises ValueError naming the schemes there are."""
    scheme = SCHEMES.get(ALIASES.get(name, name))
    if scheme is None:
        raise ValueError(f"no span scheme {name!r}: one of {', '.join(SCHEMES)}")
    return scheme


def is_plain(name: str) -> bool:
    """Whether `name` is the scheme of tags that spell no spans."""
    return ALIASES.get(name, name) == PLAIN


def split_tag(tag: str, scheme: str) -> tuple[str, str]:
    """Splits a tag into prefix and type at its first hyphen: `B-event-film` -> `("B", "event-film")`.

    Args:
        tag: a tag such as `B-PER`, `O`, or `B` (a span with the empty type).
        scheme: the name of a span scheme.

    Returns:
        Prefix and type; the type of `O` is the empty string.

    Raises:
        ValueError: the prefix is not one of the scheme's, the hyphen has no type behind it, or there is no such scheme.
    """
    table = get_scheme(scheme)
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, hyphen, label = tag.partition("-")
    if len(prefix) != 1 or prefix not in table.prefixes or (hyphen and not label):
        expected = ", ".join([OUTSIDE, *(f"{letter}-TYPE" for letter in table.prefixes)])
        raise ValueError(f"{tag!r} is no tag of scheme {table.name} (expected {expected})")
    return prefix, label


def join_tag(prefix: str, label: str) -> str:
    """The inverse of `split_tag`."""
    return f"{prefix}-{label}" if label else prefix


def tags_to_spans(tags: Sequence[str], scheme: str) -> list[Span]:
    """Reads the spans that tags spell, leniently, by conlleval's rule.

    A span starts at B or S, after the end of another, or where the type changes; it ends after E or S, before B or S,
    before O, or where the type changes. Every tag but O is part of a span.

    Args:
        tags: T tags of one sentence.
        scheme: the name of a span scheme.

    Returns:
        The spans in order; they do not overlap.

    Raises:
        ValueError: a tag that is none of the scheme's; an unknown scheme, even where there are no tags.
    """
    get_scheme(scheme)
    spans: list[Span] = []
    start, open_label = 0, ""
    previous = OUTSIDE  # letter of the tag before, O when no span is open
    for position, tag in enumerate(tags):
        prefix, label = split_tag(tag, scheme)
        letter = _CONLLEVAL_LETTER[prefix]
        starts = letter != OUTSIDE and (
            letter in _STARTS_ALWAYS or previous in _ENDS_ALWAYS or previous == OUTSIDE or label != open_label
        )
        if previous != OUTSIDE and (starts or letter == OUTSIDE):
            spans.append(Span(start=start, end=position, label=open_label))
        if starts:
            start, open_label = position, label
        previous = letter
    if previous != OUTSIDE:
        spans.append(Span(start=start, end=len(tags), label=open_label))
    return spans


def spans_to_tags(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Spells spans as tags.

    Args:
        spans: spans that do not overlap, in any order.
        length: T, the number of tokens of the sentence.
        scheme: the name of a span scheme.

    Returns:
        T tags.

    Raises:
        ValueError: a span that is empty, out of bounds, or overlaps another.
    """
    table = get_scheme(scheme)
    tags = [OUTSIDE] * length
    previous_end, previous_label = -1, ""
    for span in sorted(spans, key=lambda span: span.start):
        if not 0 <= span.start < span.end <= length:
            raise ValueError(f"span [{span.start}, {span.end}) does not fit into {length} tokens")
        if span.start < previous_end:
            raise ValueError(f"span [{span.start}, {span.end}) overlaps the one before it")
        touches = span.start == previous_end and span.label == previous_label
        letters = [table.begin, *"I" * (span.end - span.start - 2), table.end]
        if span.end - span.start == 1:
            letters = [table.single]
        if touches and table.adjacent != table.begin:
            letters[0] = table.adjacent
        tags[span.start : span.end] = [join_tag(letter, span.label) for letter in letters]
        previous_end, previous_label = span.end, span.label
    return tags


def strict_spans(tags: Sequence[str], scheme: str) -> list[Span]:
    """The spans that are spelled exactly as the scheme spells them; on BIO and BIOES, seqeval's strict mode.

    Args:
        tags: T tags of one sentence.
        scheme: the name of a span scheme.

    Returns:
        A part of `tags_to_spans(tags, scheme)`.
    """
    spans = tags_to_spans(tags, scheme)
    spelled = spans_to_tags(spans, len(tags), scheme)
    return [span for span in spans if list(tags[span.start : span.end]) == spelled[span.start : span.end]]


def convert_tags(tags: Sequence[str], source: str, target: str) -> list[str]:
    """Respells tags from one span scheme in another, keeping the spans (illegal sequences by conlleval's rule).

    To and from `IO` spans of one type that touch become one. With `plain` on both sides nothing changes.
    """
    if is_plain(source) and is_plain(target):
        return list(tags)
    return spans_to_tags(tags_to_spans(tags, source), len(tags), target)


def is_legal(previous: str | None, current: str | None, scheme: str) -> bool:
    """Whether `current` may follow `previous`.

    Args:
        previous: a tag, or None for the sentence's start.
        current: a tag, or None for the sentence's end.
        scheme: the name of a scheme; every transition of plain tags is legal.
    """
    if is_plain(scheme):
        return True
    before, before_label = ("^", "") if previous is None else split_tag(previous, scheme)
    after, after_label = ("$", "") if current is None else split_tag(current, scheme)
    table = get_scheme(scheme)
    if after in table.any_type[before]:
        return True
    return after in table.same_type.get(before, "") and before_label == after_label


def illegal_transitions(tags: Sequence[str], scheme: str) -> list[int]:
    """Positions t (0 <= t <= T) where tag t may not follow tag t-1; T stands for the sentence's end."""
    return [
        position for position, (previous, current) in enumerate(_pairs(tags)) if not is_legal(previous, current, scheme)
    ]


def tags_of_types(labels: Iterable[str], scheme: str) -> list[str]:
    """Every tag a scheme can spell for span types: O first, then by type: the K tags of a model."""
    table = get_scheme(scheme)
    return [OUTSIDE, *(join_tag(prefix, label) for label in labels for prefix in table.prefixes)]


def _pairs(tags: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    return zip([None, *tags], [*tags, None], strict=True)

"""What is wrong with a corpus, and what is odd about it: every finding by its place, in one pass over each split.

Errors are what a reader refuses or what contradicts the declared scheme. Warnings are what seldom is meant; each rule
is made to miss a doubtful case rather than to report it. Time is linear in the data; memory grows with the number of
sentences (a digest each) and of distinct words and spans, not with the text.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from tagger.config import DataConfig, SchemeName
from tagger.data.characters import find_suspicious
from tagger.data.findings import Collector, LintOptions, LintReport, SplitSize, kinds_by
from tagger.data.label_rules import TRAIN, LabelCounts
from tagger.data.lines import TagChecker, quote
from tagger.data.recurrence import SentenceMemory, quote_sentence
from tagger.data.scan import LineTally, scan
from tagger.data.scanned import BAD_LINE, RAGGED, Scanned, check_tags, message_of
from tagger.data.scheme_evidence import CANDIDATES, SchemeEvidence
from tagger.data.splits import DEV, describe_source, draw_dev, named_splits, read_split
from tagger.errors import DataError
from tagger.schemes import ALIASES, PLAIN, is_plain

# From so many sentences, and so much of all with spans, another scheme is seen; below that there are slips.
_MIN_OTHER, _MIN_OTHER_SHARE = 3, 0.05
# So few of its own sentences may be left to a scheme whose place another has taken.
_LEFT_OVER = 0.02


def guess_scheme(data: DataConfig) -> SchemeName:
    """The scheme that most sentences of the first split follow; a whole pass over its file."""
    path = Path(next(iter(named_splits(data).values())))
    evidence = SchemeEvidence(unknown=data.unknown_tag)
    # Any span scheme will do: tags of others are kept, and words without a key of MISC are O.
    for scanned in scan(path, replace(data, scheme="BIO"), known_only=False, report=_ignore, tally=LineTally()):
        evidence.add(scanned.tags, "")
    return evidence.guess()


def lint(data: DataConfig, options: LintOptions) -> LintReport:
    """Looks through every split that a data section names.

    A local file is read to its end whatever is wrong in it; of a dataset a split with a row that is
    no sentence is not read.

    Args:
        data: the data section; its scheme is what tags are held against.
        options: what to look for.

    Raises:
        MissingInputError: a file or dataset that is not there.
        ConfigError: settings that no data can be read by.
    """
    linter = _Linter(data, options)
    for split, name in named_splits(data).items():
        if data.format == "hub":
            linter.read_rows(split, f"{data.name}/{name}")
        else:
            linter.read_file(split, Path(name))
    return linter.report()


def _ignore(_kind: str, _line: int | None, _message: str) -> None:
    """Drops a problem: another pass reports it."""


class _Linter:
    """Applies the rules, sentence by sentence, and then to what was counted."""

    def __init__(self, data: DataConfig, options: LintOptions) -> None:
        self._data, self._options = data, options
        self._scheme = ALIASES.get(data.scheme, data.scheme)
        self._found = Collector(kinds_by(options), limit=options.examples)
        self._memory = SentenceMemory(min_length=options.min_recurring, unknown=data.unknown_tag)
        self._labels = LabelCounts(scheme=self._scheme, unknown=data.unknown_tag)
        self._clean: set[str] = set()
        self._sizes: dict[str, SplitSize] = {}

    def read_file(self, split: str, path: Path) -> None:
        """Looks through a file."""

        def at(line: int) -> str:
            return f"{path}:{line}"

        num_ragged = 0

        def note(kind: str, line: int | None, message: str) -> None:
            nonlocal num_ragged
            num_ragged += kind == RAGGED
            self._found.add(kind, str(path) if line is None else at(line), message)

        is_drawn = split == DEV and bool(self._data.dev_share)  # from train, whose lines have been judged
        tally = LineTally()
        report = _ignore if is_drawn else note
        sentences = scan(path, self._data, known_only=split != TRAIN, report=report, tally=tally)
        self._read(split, self._part(split, path, sentences), at=at)
        if is_drawn:
            return
        if num_ragged > self._sizes[split].tokens and self._data.format == "conll":
            message = f"{num_ragged:,} rows have other columns than the first one; is that a title or a header?"
            self._found.add(BAD_LINE, str(path), message)
        self._check_lines(path, tally)

    def _part(self, split: str, path: Path, sentences: Iterable[Scanned]) -> Iterable[Scanned]:
        """What `data.dev_share` makes of a file: train without what it draws, or that."""
        if not self._data.dev_share or split not in (TRAIN, DEV):
            return sentences
        whole = scan(path, self._data, known_only=False, report=_ignore, tally=LineTally())
        chosen: set[int] = set()
        try:
            chosen = draw_dev(self._data, whole)
        except DataError as error:
            if split == TRAIN:
                self._found.add("nothing", str(path), message_of(error, str(path)))
        return (each for number, each in enumerate(sentences) if (number in chosen) == (split == DEV))

    def read_rows(self, split: str, source: str) -> None:
        """Looks through a split of a dataset."""

        def at(row: int) -> str:
            return f"{source}/row {row}"

        def note(kind: str, row: int | None, message: str) -> None:
            self._found.add(kind, source if row is None else at(row), message)

        def rows() -> Iterable[Scanned]:
            try:
                for sentence in read_split(self._data, split, checked=False):  # a wrong tag does not end it
                    number = int(str(sentence.source).rpartition(" ")[2])
                    yield check_tags(sentence, number, checker=checker, report=note)
            except DataError as error:
                where, _, message = str(error).partition(": ")
                self._found.add(BAD_LINE, where, message)

        checker = TagChecker(scheme=self._scheme, unknown=self._data.unknown_tag, known_only=split != TRAIN)
        self._read(split, rows(), at=at)

    def _read(self, split: str, sentences: Iterable[Scanned], *, at: Callable[[int], str]) -> None:
        source = describe_source(self._data, split)
        evidence = SchemeEvidence(unknown=self._data.unknown_tag)
        num_sentences = num_tokens = 0
        for each in sentences:
            num_sentences += 1
            num_tokens += len(each.tokens)
            self._check_characters(each, at)
            if each.is_whole:
                evidence.add(each.tags, at(each.start))
                self._check_sentence(split, each, evidence=evidence, at=at)
        self._sizes[split] = SplitSize(source=source, sentences=num_sentences, tokens=num_tokens)
        if not num_tokens:
            self._found.add("nothing", source, f"{split} holds no token that can be read")
        self._check_scheme(source, evidence)

    def _check_sentence(
        self, split: str, sentence: Scanned, *, evidence: SchemeEvidence, at: Callable[[int], str]
    ) -> None:
        tokens, tags, lines = sentence.tokens, sentence.tags, sentence.lines
        where = at(sentence.start)
        if not tokens:
            self._found.add("empty-sentence", where, "no tokens")
            return
        if len(tokens) > self._options.max_length:
            self._found.add(
                "long-sentence", where, f"{len(tokens):,} tokens: {quote_sentence(tokens)}", weight=len(tokens)
            )
        if not is_plain(self._scheme) and not evidence.is_legal(tags, self._scheme):
            for position in evidence.illegal(tags, self._scheme):
                place = at(lines[min(position, len(lines) - 1)])
                self._found.add("illegal-transition", place, _describe_transition(sentence, position))
        for again in self._memory.add(tokens, tags, split=split, where=where):
            self._found.add(again.kind, at(lines[again.position]), again.message, weight=len(tokens))
        if not sentence.has_bad_tag:
            self._labels.add(tokens, tags, split=split, place=lambda position: at(lines[position]))

    def _check_characters(self, sentence: Scanned, at: Callable[[int], str]) -> None:
        for words, what in ((sentence.tokens, "token"), (sentence.tags, "tag")):
            if self._clean.issuperset(words):
                continue
            for word, line in zip(words, sentence.lines, strict=True):
                if word in self._clean:
                    continue
                problem = find_suspicious(word)
                if problem is None:
                    self._clean.add(word)
                else:
                    self._found.add("suspicious-character", at(line), f"{what} {quote(word)}: {problem}")

    def _check_lines(self, path: Path, tally: LineTally) -> None:
        if tally.has_mark:
            self._found.add("line-end", f"{path}:1", "starts with a byte-order mark, which is left out")
        if tally.carriage_returns:
            message = f"lines that end in CRLF, read as LF: {tally.carriage_returns:,} of {tally.total:,}"
            self._found.add("line-end", f"{path}:{tally.first_carriage_return}", message)
        if tally.blank:
            message = f"lines of blanks or tabs alone, read as empty: {tally.blank:,}"
            self._found.add("line-end", f"{path}:{tally.first_blank}", message)

    def _check_scheme(self, source: str, evidence: SchemeEvidence) -> None:
        """Whether sentences follow another scheme than the declared one, and so many that they are no slips."""
        declared = self._scheme
        if is_plain(declared):
            guess = evidence.guess()
            if guess != PLAIN and evidence.tags["O"]:
                self._found.add("scheme", source, f"the tags look like {guess}, but the scheme is plain")
            return
        gains = {name: evidence.allowed(name, not_by=declared) for name in CANDIDATES if name != declared}
        other = max(gains, key=gains.__getitem__)
        gained, kept = gains[other], evidence.allowed(declared, not_by=other)
        if gained < max(_MIN_OTHER, _MIN_OTHER_SHARE * evidence.total):
            return
        where = evidence.example(other, not_by=declared)
        message = f"{gained:,} of {evidence.total:,} sentences with spans follow {other} and not {declared}"
        if kept > _LEFT_OVER * gained:
            first = evidence.example(declared, not_by=other)
            message += f"; {kept:,} follow {declared} and not {other} (first at {first}): the two are mixed"
        self._found.add("scheme", where, message, weight=gained)

    def report(self) -> LintReport:
        """What was found."""
        source = self._sizes[TRAIN].source if TRAIN in self._sizes else ""
        rules = (
            self._labels.conflicts(),
            self._labels.unseen(),
            self._labels.rare(self._options.min_count),
            self._labels.imbalance(source),
        )
        for findings in rules:
            for finding in findings:
                self._found.add(finding.kind, finding.where, finding.message, weight=finding.weight)
        return LintReport(
            scheme=self._data.scheme, splits=self._sizes, groups=self._found.groups(), notes=tuple(self._notes())
        )

    def _notes(self) -> Iterable[str]:
        least, memory = self._options.min_recurring, self._memory
        for count, place in ((memory.short_leaks, "an earlier split"), (memory.short_duplicates, "their own split")):
            if count:
                yield f"sentences of fewer than {least} tokens that stand in {place} too, which is ordinary: {count:,}"
        if ambiguous := self._labels.num_ambiguous():
            yield f"span texts with several labels of which none stands out, taken for ambiguous: {ambiguous:,}"


def _describe_transition(sentence: Scanned, position: int) -> str:
    tokens, tags = sentence.tokens, sentence.tags
    if position == len(tags):
        return f"the sentence ends after {tags[-1]} ({quote(tokens[-1])})"
    before = f"after {tags[position - 1]}" if position else "at the start of a sentence"
    return f"{tags[position]} {before} ({quote(tokens[position])})"

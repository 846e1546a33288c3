"""One sentence of a scan, while its lines come in and when it is done."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tagger.data.lines import TagChecker, check_length
from tagger.errors import DataError
from tagger.sentence import MAX_TOKENS, Sentence

BAD_TEXT, RAGGED, BAD_LINE, BAD_TAG = "bad-text", "ragged-columns", "bad-line", "bad-tag"
Report = Callable[[str, int | None, str], None]  # kind of problem, line (None: the file as a whole), message


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """One sentence as far as it can be read.

    Attributes:
        tokens: T tokens.
        tags: T tags; empty where the data has none.
        start: the line (or the row of a dataset) it starts in.
        lines: T, the line (or the row) of each token.
        is_whole: whether all its lines could be read.
        has_bad_tag: whether a tag is none of the scheme's, or may not be unknown.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    start: int
    lines: Sequence[int]
    is_whole: bool
    has_bad_tag: bool


class Draft:
    """A sentence while its lines come in.

    Args:
        checker: judges tags.
        report: gets the problems.
    """

    def __init__(self, *, checker: TagChecker, report: Report) -> None:
        self._checker, self._report = checker, report
        self.start = 0
        self.clear()

    def clear(self) -> None:
        """Drops what came in."""
        self.rows = 0  # lines of the sentence, whatever they hold
        self.words: list[str] = []
        self.tags: list[str] = []
        self.lines: list[int] = []
        self.is_whole, self.has_bad_tag = True, False
        self._is_full = False

    def open(self, number: int) -> None:
        """Takes note of a line that belongs to the sentence."""
        if not self.words:
            self.start = number
        self.rows += 1

    def add(self, word: str, tag: str, number: int) -> None:
        """Adds a token, and a problem if its tag is none; one too many for a sentence is a problem and left out."""
        if len(self.words) == MAX_TOKENS:
            if not self._is_full:
                self._is_full = True
                self._refuse_length(number)
            return
        self.words.append(word)
        self.tags.append(tag)
        self.lines.append(number)
        try:
            self._checker.check(tag, "")
        except DataError as error:
            self._report(BAD_TAG, number, message_of(error))
            self.has_bad_tag = True

    def fail(self, kind: str, number: int | None, error: DataError) -> None:
        """Reports a problem of the sentence."""
        self._report(kind, number, message_of(error))
        self.is_whole = False

    def _refuse_length(self, number: int) -> None:
        try:
            check_length(MAX_TOKENS + 1, "", line=number, start=self.start)
        except DataError as error:
            self.fail(BAD_LINE, number, error)

    def finish(self) -> Scanned:
        """The sentence; the next one begins."""
        done = Scanned(
            tokens=tuple(self.words),
            tags=tuple(self.tags),
            start=self.lines[0] if self.lines else self.start,
            lines=self.lines,
            is_whole=self.is_whole,
            has_bad_tag=self.has_bad_tag,
        )
        self.clear()
        return done


class AnyTag(TagChecker):
    """Lets every tag pass: it is judged when its token is already kept."""

    def check(self, tag: str, where: str) -> None:
        """Raises nothing."""


def check_tags(sentence: Sentence, number: int, *, checker: TagChecker, report: Report) -> Scanned:
    """What a scan would make of a row of a dataset.

    Args:
        sentence: the row.
        number: which row it is; it stands for the line of each token.
        checker: judges tags.
        report: gets each problem.
    """
    draft = Draft(checker=checker, report=report)
    draft.open(number)
    for word, tag in zip(sentence.tokens, sentence.tags or (), strict=True):
        draft.add(word, tag, number)
    return draft.finish()


def message_of(error: DataError, path: str = "") -> str:
    """What an error says, without the place."""
    return re.sub(rf"^{re.escape(path)}(:\d+)?: ", "", str(error))

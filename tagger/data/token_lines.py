"""On which line of its file each token of a sentence stands: a Sentence knows that of its first one alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tagger.config import DataConfig
from tagger.data.scan import LineTally, scan
from tagger.errors import MissingInputError

_ONE_TOKEN_A_LINE = ("conll", "conllu")


def find_token_lines(path: Path, data: DataConfig, wanted: Mapping[int, tuple[str, ...]]) -> dict[int, Sequence[int]]:
    """Reads a file once more for the lines of some sentences' tokens; comments, ranges and empty nodes are no tokens.

    Args:
        path: the file.
        data: how it is read; its paths are not looked at.
        wanted: line of a sentence's first token, as its source says it -> its T tokens.

    Returns:
        The same key -> T lines. A sentence is left out where the file no longer holds it there; all are where a line
        is a whole sentence (JSON Lines), where the file can be read only once (a pipe), and where it has gone.
    """
    if data.format not in _ONE_TOKEN_A_LINE or not wanted or not path.is_file():
        return {}
    sentences = scan(path, data, known_only=False, report=_ignore, tally=LineTally())
    try:
        return {each.start: each.lines for each in sentences if wanted.get(each.start) == each.tokens}
    except MissingInputError:  # it was there when training began: the sentences' own places have to do
        return {}


def _ignore(_kind: str, _line: int | None, _message: str) -> None:
    """Drops a problem: the reader has found none."""

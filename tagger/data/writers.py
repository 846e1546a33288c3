"""Sentences -> CoNLL columns, CoNLL-U or JSON Lines, such that the readers give the same tokens and tags back.

What a reader would not give back is refused: a written file that reads differently is data lost in silence.
"""

import json
from collections.abc import Callable, Iterable, Iterator

from tagger.data.columns import DOCSTART, unwritable
from tagger.data.lines import BLANKS, surrogate
from tagger.errors import ConfigError, DataError
from tagger.sentence import Sentence

UNSPECIFIED = "_"

_SEPARATORS = {"tab": "\t", "space": " "}
_FIELDS = {"UPOS": 3, "XPOS": 4}
_MISC = 9
_NUM_COLUMNS = 10


def write_conll(sentences: Iterable[Sentence], *, delimiter: str = "tab") -> Iterator[str]:
    """Writes sentences as columns: token and tag, or the token alone where there are no tags.

    Args:
        sentences: what to write, one at a time.
        delimiter: what separates the columns: tab (one tab) or space (one space).

    Yields:
        The text of a sentence, with the empty line after it.

    Raises:
        ConfigError: an unknown delimiter.
        DataError: a sentence without tokens, or a token or tag that columns cannot hold.
    """
    if delimiter not in _SEPARATORS:
        raise ConfigError(f"delimiter: expected tab or space, found {delimiter!r}")
    return _conll_texts(sentences, delimiter=delimiter)


def write_conllu(sentences: Iterable[Sentence], *, tags: str = "UPOS", unknown: str | None = None) -> Iterator[str]:
    """Writes sentences as CoNLL-U: ID, FORM and the tag; every other column is `_`.

    Args:
        sentences: what to write, one at a time.
        tags: where tags go: UPOS, XPOS, or a key of MISC, which then stands at every word, at `O` too.
        unknown: the tag that stands where nobody knows the tag. UPOS and XPOS can only spell it `_`.

    Yields:
        The text of a sentence, with the empty line after it.

    Raises:
        ConfigError: a key that MISC cannot hold.
        DataError: a sentence without tokens, or a token or tag that CoNLL-U cannot hold.
    """
    if tags not in _FIELDS and (unwritable(tags) or any(character in tags for character in "=|")):
        raise ConfigError(f"tags: expected UPOS, XPOS or a key of MISC, found {tags!r}")
    return _conllu_texts(sentences, tags=tags, unknown=unknown)


def write_jsonl(sentences: Iterable[Sentence], *, tokens: str = "tokens", tags: str = "tags") -> Iterator[str]:
    """Writes sentences as JSON Lines, one object each.

    Args:
        sentences: what to write, one at a time; one without tags gets no key for them.
        tokens: key of the list of tokens.
        tags: key of the list of tags.

    Yields:
        One line for each sentence.

    Raises:
        ConfigError: one key for both.
        DataError: an empty token, a blank tag, or half a surrogate pair.
    """
    if tokens == tags:
        raise ConfigError(f"tags: tokens and tags cannot both be under the key {tags!r}")
    return _jsonl_lines(sentences, tokens=tokens, tags=tags)


def _conll_texts(sentences: Iterable[Sentence], *, delimiter: str) -> Iterator[str]:
    separator = _SEPARATORS[delimiter]

    def problem_of(cell: str) -> str | None:
        if delimiter == "space" and " " in cell:
            return "holds a space, which separates columns here"
        return unwritable(cell)

    starts_file = True
    for where, sentence in _located(sentences):
        _refuse_empty(sentence, where, "columns")
        for position, token in enumerate(sentence.tokens):
            problem = problem_of(token) or _misread(token, starts_file=starts_file, is_alone=sentence.tags is None)
            _refuse(problem, where, f"token {position + 1} ({token!r}) cannot be written in columns")
            starts_file = False
        _check_tags(sentence, where, problem_of, "columns")
        columns = (sentence.tokens,) if sentence.tags is None else (sentence.tokens, sentence.tags)
        rows = zip(*columns, strict=True)
        yield "".join(separator.join(row) + "\n" for row in rows) + "\n"


def _misread(token: str, *, starts_file: bool, is_alone: bool) -> str | None:
    """Why `read_conll` would not give back this token at the start of a line, though a cell can hold it."""
    if token == DOCSTART or token.startswith(f"{DOCSTART} "):
        return f"is read as the start of a document ({DOCSTART})"
    if starts_file and token.startswith("\ufeff"):
        return "starts the file with a byte-order mark"
    if is_alone and " " in token:
        return "holds a space, which separates columns where no tab does"
    return None


def _conllu_texts(sentences: Iterable[Sentence], *, tags: str, unknown: str | None) -> Iterator[str]:
    at = _FIELDS.get(tags, _MISC)

    def problem_of(tag: str) -> str | None:
        if at == _MISC:
            return "holds |, which separates the keys of MISC" if "|" in tag else unwritable(tag)
        if tag == UNSPECIFIED and unknown != UNSPECIFIED:
            return f"means not annotated in {tags}"
        if tag == unknown != UNSPECIFIED:
            return f"means unknown, which is {UNSPECIFIED} in {tags}"
        return unwritable(tag)

    for where, sentence in _located(sentences):
        _refuse_empty(sentence, where, "CoNLL-U")
        for position, token in enumerate(sentence.tokens):
            _refuse(unwritable(token), where, f"token {position + 1} ({token!r}) cannot be written in CoNLL-U")
        _check_tags(sentence, where, problem_of, "CoNLL-U")
        lines = []
        for position, token in enumerate(sentence.tokens):
            cells = [str(position + 1), token, *[UNSPECIFIED] * (_NUM_COLUMNS - 2)]
            if sentence.tags is not None:
                cells[at] = sentence.tags[position] if at != _MISC else f"{tags}={sentence.tags[position]}"
            lines.append("\t".join(cells) + "\n")
        yield "".join(lines) + "\n"


def _jsonl_lines(sentences: Iterable[Sentence], *, tokens: str, tags: str) -> Iterator[str]:
    def problem_of(tag: str) -> str | None:
        return surrogate(tag) or (None if tag.strip(BLANKS) else "is blank")

    for where, sentence in _located(sentences):
        for position, token in enumerate(sentence.tokens):
            problem = surrogate(token) or (None if token else "is empty")
            _refuse(problem, where, f"token {position + 1} ({token!r}) cannot be written in JSON Lines")
        _check_tags(sentence, where, problem_of, "JSON Lines")
        row = {tokens: sentence.tokens} if sentence.tags is None else {tokens: sentence.tokens, tags: sentence.tags}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _check_tags(sentence: Sentence, where: str, problem_of: Callable[[str], str | None], form: str) -> None:
    for position, tag in enumerate(sentence.tags or ()):
        _refuse(problem_of(tag), where, f"tag {position + 1} ({tag!r}) cannot be written in {form}")


def _located(sentences: Iterable[Sentence]) -> Iterator[tuple[str, Sentence]]:
    """Each sentence, with what errors call it; all of them have tags, or none."""
    tagged: bool | None = None
    for number, sentence in enumerate(sentences, start=1):
        where = sentence.source or f"sentence {number}"
        if tagged not in (None, sentence.tags is not None):
            raise DataError(f"{where}: {'no tags' if tagged else 'tags'}, unlike the sentences before it")
        tagged = sentence.tags is not None
        yield where, sentence


def _refuse_empty(sentence: Sentence, where: str, form: str) -> None:
    if not sentence.tokens:
        raise DataError(f"{where}: a sentence without tokens cannot be written in {form}; JSON Lines can hold it")


def _refuse(problem: str | None, where: str, what: str) -> None:
    if problem:
        raise DataError(f"{where}: {what}: it {problem}")

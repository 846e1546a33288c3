"""Where documents begin in a file: `# newdoc` in CoNLL-U, `-DOCSTART-` in columns.

Sentences of one document are alike, so that intervals are honest only where whole documents are drawn.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tagger.data.columns import DOCSTART
from tagger.data.lines import read_lines
from tagger.sentence import Sentence

_MARKS = {"conllu": re.compile(r"#\s*newdoc\b"), "conll": re.compile(rf"{DOCSTART}(?=[ \t]|$)")}


def find_documents(path: Path, sentences: Sequence[Sentence], *, source_format: str) -> list[int] | None:
    """The number of each sentence's document, from 0; None where the file marks none.

    Args:
        path: the file that the sentences were read from.
        sentences: the sentences, each with its source `path:line`.
        source_format: conllu, conll, or another, which has no marks.
    """
    mark = _MARKS.get(source_format)
    if mark is None or not path.is_file():  # a pipe can be read only once
        return None
    with closing(read_lines(path)) as lines:
        starts = [number for number, line in lines if mark.match(line)]
    if not starts:
        return None
    # what stands before the first mark is a document too
    return [bisect_right(starts, _line_of(sentence)) for sentence in sentences]


def _line_of(sentence: Sentence) -> int:
    return int(str(sentence.source).rpartition(":")[2])

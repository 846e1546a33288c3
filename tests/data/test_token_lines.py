"""Lines of tokens: whatever else a file holds between them."""

from pathlib import Path

import pytest

from tagger.config import DataConfig
from tagger.data.corpus import read_sentences
from tagger.data.token_lines import find_token_lines
from tests.conftest import SAMPLE


def row(identifier: str, form: str) -> str:
    return "\t".join([identifier, form, "_", "X", "_", "_", "_", "_", "_", "_"])


def find(path: Path, data: DataConfig) -> list[tuple[int, ...]]:
    """The lines of every sentence of a file."""
    sentences = list(read_sentences(path, data))
    starts = [int(str(each.source).rpartition(":")[2]) for each in sentences]
    wanted = {start: each.tokens for start, each in zip(starts, sentences, strict=True)}
    found = find_token_lines(path, data, wanted)
    return [tuple(found[start]) for start in starts]


CONLLU = DataConfig(format="conllu")


def test_conllu(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    lines = [
        "# text = x",
        "# more",
        row("1-2", "cannot"),
        row("1", "can"),
        row("2", "not"),
        row("2.1", "be"),
        row("3", "b"),
    ]
    path.write_text("\n".join([*lines, "", "", "# c", row("0.1", "e"), row("1", "d"), ""]) + "\n")
    assert find(path, CONLLU) == [(4, 5, 7), (12,)]


def test_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- O\n\n# c\na O\nb O\n \n\n# c\n# d\ne O\n")
    assert find(path, DataConfig(format="conll", comments="# ")) == [(4, 5), (10,)]


def test_the_word_stands_there() -> None:
    path = SAMPLE / "dev.conllu"
    text = path.read_text(encoding="utf-8").split("\n")
    for sentence, lines in zip(read_sentences(path, CONLLU), find(path, CONLLU), strict=True):
        assert [text[line - 1].split("\t")[1] for line in lines] == list(sentence.tokens)


@pytest.mark.parametrize("change", ["other tokens", "gone", "a pipe", "rows"])
def test_nothing_is_said_where_it_is_not_known(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a\tO\nb\tO\n")
    data = DataConfig(format="jsonl" if change == "rows" else "conll")
    if change == "gone":
        path.unlink()
    elif change == "other tokens":
        path.write_text("a\tO\n\nb\tO\n")
    elif change == "a pipe":
        path = Path("/dev/null")
    assert find_token_lines(path, data, {1: ("a", "b")}) == {}

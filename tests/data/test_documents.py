"""Documents by the marks in the file."""

from pathlib import Path

from tagger.data.columns import read_conll
from tagger.data.conllu import read_conllu
from tagger.data.documents import find_documents
from tagger.sentence import Sentence

ROW = "1\tword\t_\tX\t_\t_\t_\t_\t_\t_\n\n"


def test_newdoc_in_conllu(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(
        f"# newdoc id = one\n# text = word\n{ROW}{ROW}# newdoc\n{ROW}# newdocument = none\n{ROW}#newdoc id=2\n{ROW}"
    )
    assert find_documents(path, list(read_conllu(path)), source_format="conllu") == [1, 1, 2, 2, 3]


def test_what_stands_before_the_first_mark_is_a_document_too(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(f"{ROW}# newdoc\n{ROW}")
    assert find_documents(path, list(read_conllu(path)), source_format="conllu") == [0, 1]


def test_docstart_in_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- X O\n\na X O\n\nb X O\n\n-DOCSTART- X O\n\n-DOCSTART-x X O\n\n")
    assert find_documents(path, list(read_conll(path)), source_format="conll") == [1, 1, 2]


def test_no_marks_and_formats_without_any(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(ROW)
    sentences = list(read_conllu(path))
    assert find_documents(path, sentences, source_format="conllu") is None
    assert find_documents(path, sentences, source_format="jsonl") is None
    assert find_documents(tmp_path / "owner" / "name", [Sentence(tokens=("a",))], source_format="hub") is None

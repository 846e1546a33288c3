import json
import shutil
from pathlib import Path

import pytest

import tagger
from tagger.evaluation.comparison import Comparison
from tests.cli.command import call, fail


@pytest.fixture(scope="module")
def reports(pos_run: Path, ner_run: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `pos` and `ner`, each with a report on the tiny test split, and `tweaked`, with other predictions."""
    folder = tmp_path_factory.mktemp("reports")
    for name, run in (("pos", pos_run), ("ner", ner_run)):
        report = tagger.evaluate(run, tiny_corpus / "test.conllu")
        (folder / name).mkdir()
        (folder / name / "report.json").write_text(report.to_json())
    document = json.loads((folder / "pos" / "report.json").read_text())
    for sentence in document["sentences"][:3]:
        sentence["predicted"] = None  # all right, whatever the scores beside it say
    (folder / "tweaked").mkdir()
    (folder / "tweaked" / "report.json").write_text(json.dumps(document))
    return folder


def test_it_prints_what_differs(
    reports: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "88")
    done = call(capsys, "compare", reports / "pos", reports / "tweaked" / "report.json", "--shuffles", "100")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Comparison: ")
    assert f"A  {reports / 'pos'} " in done.out
    assert "approximate randomisation, 100 shuffles of 8 sentences" in " ".join(done.out.split())
    assert "B makes fewer errors than A in 3 sentences, more in 0." in done.out
    assert max(map(len, done.out.splitlines()[3:])) < 150  # long names stand in one place only


def test_out_writes_json_and_markdown(reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    done = call(capsys, "compare", reports / "pos", reports / "tweaked", "--out", out, "--shuffles", "100")
    assert done.code == 0
    assert done.err == f"The comparison is in {out}\n"
    comparison = Comparison.from_json((out / "comparison.json").read_text())
    assert (comparison.num_sentences, comparison.num_shuffles, len(comparison.pairs[0].improved)) == (8, 100, 3)
    assert "## Sentences that flipped from A to B" in (out / "comparison.md").read_text()
    assert "Sentences that flipped</h2>" in (out / "comparison.html").read_text()


def test_models_are_scored_on_data_now(
    pos_run: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(pos_run, tmp_path / "other")
    (other / "report.json").unlink()
    data = tiny_corpus / "dev.conllu"
    done = call(capsys, "compare", pos_run, other, "--data", data, "--shuffles", "10")
    assert done.code == 0
    assert "dev · 8 sentences" in done.out
    assert "makes fewer errors than A in 0 sentences, more in 0." in done.out
    assert "holds no report.json" in fail(capsys, 66, "compare", pos_run, other)


def test_a_folder_of_seeds_is_one_system(reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for system, names in (("a", ("pos", "tweaked")), ("b", ("tweaked", "pos"))):
        for seed, name in enumerate(names, start=1):
            shutil.copytree(reports / name, tmp_path / system / f"seed-{seed}")
    done = call(capsys, "compare", tmp_path / "a", tmp_path / "b", "--shuffles", "100")
    assert done.code == 0
    assert "Across seeds (2 and 2 runs)" in done.out
    assert "6 permutations" in " ".join(done.out.split())


def test_what_cannot_be_compared_is_refused(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fail(capsys, 65, "compare", reports / "pos", reports / "ner")
    assert message == f"{reports / 'ner'} cannot be compared with {reports / 'pos'}: scheme BIO instead of plain"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["pos"], 2, "the following arguments are required: B"),
        (["pos", "./pos"], 2, "./pos: is given twice"),
        (["pos", "absent"], 66, "absent: no such report or run folder"),
        (["pos", "empty"], 66, "empty: holds no report.json"),
        (["pos", "broken.json"], 65, "broken.json: not a report: "),
        (["pos", "bytes.json"], 65, "bytes.json: not a report: not UTF-8"),
        (["pos", "tweaked", "--shuffles", "0"], 2, "argument --shuffles: expected a number >= 1, got '0'"),
        (["pos", "tweaked", "--data", "absent.conllu"], 65, "pos: neither a model folder nor a run folder"),
        (["pos", "tweaked", "--out", "broken.json"], 74, "broken.json: cannot be written: Not a directory"),
    ],
)
def test_wrong_input_is_one_line(
    words: list[str],
    code: int,
    expected: str,
    reports: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("pos", "tweaked"):
        shutil.copytree(reports / name, tmp_path / name)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    monkeypatch.chdir(tmp_path)
    assert expected in fail(capsys, code, "compare", *words)


class TestPython:
    def test_reports_and_paths(self, reports: Path) -> None:
        one = tagger.Report.from_json((reports / "pos" / "report.json").read_text())
        found = tagger.compare(one, reports / "tweaked", num_shuffles=10)
        assert [system.name for system in found.systems] == [one.title, str(reports / "tweaked")]
        seeds = tagger.compare([one, one], reports / "tweaked", num_shuffles=10)
        assert len(seeds.systems[0].runs) == 2

    def test_two_reports_of_one_title(self, reports: Path) -> None:
        one, other = (
            tagger.Report.from_json((reports / name / "report.json").read_text()) for name in ("pos", "tweaked")
        )
        found = tagger.compare(one, other, num_shuffles=10)
        assert [each.name for each in found.systems] == [f"{one.title} [1]", f"{one.title} [2]"]

    def test_what_makes_no_comparison(self, reports: Path) -> None:
        report = tagger.Report.from_json((reports / "pos" / "report.json").read_text())
        for systems, options, message in (
            ([report], {}, "two systems or more, got 1"),
            ([report, []], {}, "system 2: has no report"),
            ([report, report], {"num_shuffles": 0}, "num_shuffles: expected a number >= 1, got 0"),
            ([report, report], {"data": "x.conllu"}, "data: only models can be scored on it"),
        ):
            with pytest.raises(tagger.TaggerError, match=message):
                tagger.compare(*systems, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [80, 300])
def test_tables_fit_the_terminal(
    reports: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    done = call(capsys, "compare", reports / "pos", reports / "tweaked", "--shuffles", "100")
    table = done.out[done.out.index("B beside A") :]
    assert max(map(len, table.splitlines())) <= min(columns, 88)

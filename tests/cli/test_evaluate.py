import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tagger
from tagger.config import DataConfig
from tagger.inference import model_folder
from tests.cli.command import call, fail, write_yaml

GOLD = ["The\tx\tDET", "mayor\tx\tNOUN", "waited\tx\tVERB", ".\tx\tPUNCT", ""]
SPANS = ["In\tO", "Paris\tB-LOC", ",\tO", "Anna\tB-PER", "Lee\tI-PER", "waited\tO", ".\tO", ""]


@pytest.fixture
def test_file(tiny_corpus: Path) -> Path:
    return tiny_corpus / "test.conllu"


def body(out: str) -> list[str]:
    """The report without its heading and the speed."""
    return [line for line in out.splitlines()[3:] if "tokens/s" not in line]


def accuracy_line(out: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if line.startswith("accuracy "))
    return line.split()


def test_it_prints_a_report(pos_run: Path, test_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "evaluate", pos_run, test_file)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{pos_run.name} on {test_file.name}\n")
    assert "test · 8 sentences" in done.out
    assert accuracy_line(done.out)[-3:] == ["accuracy", "over", "tokens"]
    assert done.out.endswith("\n")
    assert not done.out.endswith("\n\n")


def test_out_writes_the_report_as_json_and_markdown(
    pos_run: Path, test_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "evaluate", pos_run, test_file, "--out", tmp_path / "new" / "reports")
    folder = tmp_path / "new" / "reports"
    assert done.code == 0
    assert done.err == f"The report is in {folder}\n"
    report = tagger.Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
    assert (report.split, report.num_sentences) == ("test", 8)
    value = accuracy_line(done.out)[1]
    assert value == f"{100 * report.scores.main:.2f}"
    assert value in (folder / "report.md").read_text(encoding="utf-8")
    assert f">{value}<" in (folder / "report.html").read_text(encoding="utf-8")


def test_several_files_get_a_report_each(
    pos_run: Path, tiny_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tiny_corpus / "test.conllu", tiny_corpus / "dev.conllu"]
    done = call(capsys, "evaluate", pos_run, *files, "--out", tmp_path)
    assert done.code == 0
    assert (
        done.out.index("test · 8 sentences")
        < done.out.index(f"\n\n{pos_run.name} on dev.conllu\n")
        < done.out.index("dev · 8 sent")
    )
    assert done.err == f"The report is in {tmp_path / 'test'}\nThe report is in {tmp_path / 'dev'}\n"
    splits = [json.loads((tmp_path / name / "report.json").read_text())["split"] for name in ("test", "dev")]
    assert splits == ["test", "dev"]


def test_two_files_of_one_name_are_refused_with_out(
    pos_run: Path, test_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copy(test_file, tmp_path / "test.conllu")
    message = fail(capsys, 2, "evaluate", pos_run, test_file, other, "--out", tmp_path / "reports")
    assert message.startswith("--out: two files have the same name")
    assert call(capsys, "evaluate", pos_run, test_file, other).code == 0


def test_other_columns_than_in_training(pos_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_yaml(tmp_path / "gold.conll", GOLD)
    last = call(capsys, "evaluate", pos_run, path, "--from", "conll")
    named = call(capsys, "evaluate", pos_run, path, "--from", "conll", "--tokens", "1", "--tags", "3")
    swapped = call(capsys, "evaluate", pos_run, path, "--from", "conll", "--tags", "2")
    assert (last.code, named.code, swapped.code) == (0, 0, 0)
    assert accuracy_line(last.out) == accuracy_line(named.out)
    assert accuracy_line(last.out)[3] == "4"
    assert accuracy_line(swapped.out)[2] == "0"


def test_keys_of_json_lines(pos_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_yaml(tmp_path / "gold.jsonl", ['{"words": ["The", "mayor"], "pos": ["DET", "NOUN"]}'])
    done = call(capsys, "evaluate", pos_run, path, "--from", "jsonl", "--tokens", "words", "--tags", "pos")
    assert done.code == 0
    assert accuracy_line(done.out)[3] == "2"
    assert "words, pos" in fail(capsys, 65, "evaluate", pos_run, path, "--from", "jsonl").replace("'", "")


def test_data_in_another_scheme_are_converted(
    ner_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bio = write_yaml(tmp_path / "bio.conll", SPANS)
    respelled = [line.replace("B-LOC", "S-LOC").replace("I-PER", "E-PER") for line in SPANS]
    bioes = write_yaml(tmp_path / "bioes.conll", respelled)
    first = call(capsys, "evaluate", ner_run, bio, "--from", "conll")
    second = call(capsys, "evaluate", ner_run, bioes, "--from", "conll", "--scheme", "BIOES")
    assert (first.code, second.code) == (0, 0)
    assert "scheme BIO" in second.out
    scores = [done.out.partition("Scores, in percent")[2].partition("How it was made")[0] for done in (first, second)]
    assert scores[0] == scores[1] != ""
    message = fail(capsys, 65, "evaluate", ner_run, bioes, "--from", "conll")
    assert message.startswith(f"{bioes}:2: ")
    assert "S-LOC" in message


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["absent.conllu"], 66, "absent.conllu: no such file"),
        (["empty.conllu"], 65, "empty.conllu: holds no sentence"),
        (["short.conllu"], 65, "short.conllu:1: expected 10 columns, found 2"),
        (["gold.conll", "--from", "conll", "--tags", "7"], 65, "gold.conll:1: tags are in column 7: expected 7"),
        (["gold.conll", "--from", "conll", "--tags", "pos"], 2, "--tags: expected a column number"),
        (["gold.conll", "--tokens", "1"], 2, "--tokens: has no effect on conllu data"),
        (["gold.conll", "--scheme", "BIO"], 2, "--scheme: the model's tags are plain, those of DATA BIO"),
        (["gold.conll", "--scheme", "BIOS"], 2, "--scheme: expected one of plain, IO, IOB1, BIO"),
        (["gold.conll", "--device", "gpu"], 2, "--device: no device 'gpu'"),
        (["gold.conll", "--from", "xml"], 2, "argument --from: invalid choice: 'xml'"),
        (["."], 65, ".: is a folder, expected a file"),
    ],
)
def test_wrong_input_is_one_line(
    words: list[str],
    code: int,
    expected: str,
    pos_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_yaml(tmp_path / "gold.conll", GOLD)
    write_yaml(tmp_path / "empty.conllu", [""])
    write_yaml(tmp_path / "short.conllu", ["1\tThe"])
    assert expected in fail(capsys, code, "evaluate", pos_run, *words)


@pytest.mark.parametrize("options", [[], ["--from", "conll"]])
def test_gold_must_be_known(
    options: list[str],
    pos_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What meant "unknown" in training means it here, however DATA are written."""
    saved = model_folder.load_model(pos_run)
    trained = replace(saved.config, data=replace(saved.config.data, unknown_tag="_"))
    monkeypatch.setattr(model_folder, "load_model", lambda _: replace(saved, config=trained))
    conllu = ["1\tThe\t_\tDET\t_\t_\t_\t_\t_\t_", "2\tmayor\t_\t_\t_\t_\t_\t_\t_\t_"]
    path = write_yaml(tmp_path / "gold", ["The\tDET", "mayor\t_"] if options else conllu)
    message = fail(capsys, 65, "evaluate", pos_run, path, *options)
    assert message.startswith(f"{path}:2: the tag is unknown ('_'), but gold must be known here")


def test_a_missing_model_is_66(test_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fail(capsys, 66, "evaluate", tmp_path / "absent", test_file)
    assert message == f"{tmp_path / 'absent'}: no such model folder or run folder"


def test_an_output_that_cannot_be_written_is_74(
    pos_run: Path, test_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    for out in (tmp_path / "taken", tmp_path / "taken" / "reports"):
        message = fail(capsys, 74, "evaluate", pos_run, test_file, "--out", out)  # before anything is tagged
        assert message == f"{out}: cannot be written: Not a directory"
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_output_folder_that_may_not_be_written_to_is_74(
    pos_run: Path,
    tiny_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
    files = [tiny_corpus / "test.conllu", tiny_corpus / "dev.conllu"]
    message = fail(capsys, 74, "evaluate", pos_run, *files, "--out", tmp_path / "new")
    assert message == f"{tmp_path / 'new' / 'test'}: cannot be written: Permission denied"
    assert list(tmp_path.iterdir()) == []


def test_a_model_trained_on_a_hub_dataset_asks_what_data_is(
    pos_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = model_folder.load_model(pos_run)
    hub = DataConfig(format="hub", name="owner/name", tags="pos_tags")
    monkeypatch.setattr(model_folder, "load_model", lambda _: replace(saved, config=replace(saved.config, data=hub)))
    path = write_yaml(tmp_path / "gold.conll", GOLD)
    message = fail(capsys, 2, "evaluate", pos_run, path)
    assert message.startswith("--from: the model was trained on a Hub dataset")
    assert call(capsys, "evaluate", pos_run, path, "--from", "conll").code == 0


def test_the_help_says_that_training_decides(capsys: pytest.CaptureFixture[str]) -> None:
    out = call(capsys, "evaluate", "--help").out
    assert "default: as in training" in out
    assert "on a machine that others use too, 1 is often fastest" in " ".join(out.split())


def test_baselines_stand_beside_the_model(
    pos_run: Path, test_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "most frequent tag" not in call(capsys, "evaluate", pos_run, test_file).out
    done = call(capsys, "evaluate", pos_run, test_file, "--baselines", "--out", tmp_path)
    assert (done.code, "most frequent tag" in done.out, "HMM" in done.out) == (0, True, True)
    report = tagger.Report.from_json((tmp_path / "report.json").read_text())
    assert [each.name for each in report.baselines] == ["most frequent tag", "HMM"]
    trained = tagger.Report.from_json((pos_run / "report.json").read_text())
    assert [each.name for each in trained.baselines] == ["most frequent tag", "HMM"]


def test_baselines_need_the_data_that_the_model_was_trained_on(
    pos_run: Path, test_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = model_folder.load_model(pos_run)
    for train, code, message in ((str(test_file), 65, "has changed since"), ("absent.conllu", 66, "no such file")):
        data = replace(saved.config.data, train=train)
        moved = replace(saved, config=replace(saved.config, data=data))
        monkeypatch.setattr(model_folder, "load_model", lambda _, moved=moved: moved)
        assert message in fail(capsys, code, "evaluate", pos_run, test_file, "--baselines")


def test_the_confidence_for_a_precision(
    pos_run: Path, test_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "evaluate", pos_run, test_file, "--min-precision", "0.9", "--out", tmp_path)
    assert (done.code, "for a precision of 90.00 % or more" in done.out) == (0, True)
    report = tagger.Report.from_json((tmp_path / "report.json").read_text())
    chosen = report.precision_recall[0].chosen
    assert report.min_precision == 0.9
    assert chosen is not None
    assert (chosen.counts.precision or 0) >= 0.9
    for wrong in ("1.5", "-0.1", "high", "nan"):
        assert "expected a number in [0, 1]" in fail(
            capsys, 2, "evaluate", pos_run, test_file, "--min-precision", wrong
        )


def test_the_report_says_what_the_model_was_made_from(pos_run: Path, test_file: Path) -> None:
    report = tagger.evaluate(pos_run, test_file)
    assert report.labels == model_folder.load_model(pos_run).vocabulary.tags
    assert report.manifest["train"]["sentences"] == 677
    assert report.config is not None
    assert "num_epochs: 2" in report.config
    assert report.words is not None
    assert report.words["the"][0] > 100
    missing = [each.name for each in report.breakdowns if each.missing]
    assert missing == []

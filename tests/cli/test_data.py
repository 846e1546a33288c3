"""`tagger data`: what is printed, where it goes, and the exit codes."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.cli.command import call, fail, feed, on_terminal, write_yaml
from tests.conftest import SAMPLE
from tests.fakehub import FakeHub

BIO = "Ada\tB-PER\nmet\tO\nBob\tB-PER\n\nin\tO\nOslo\tB-LOC\n\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    train, dev = tmp_path / "train.conll", tmp_path / "dev.conll"
    train.write_text(BIO)
    dev.write_text("Eve\tI-PER\nin\tO\nthe\tO\nold\tO\nOslo\tB-LOC\n\n")
    return train, dev


class TestCheck:
    def test_text(self, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        train, dev = files
        done = call(capsys, "data", "check", dev, train)
        assert (done.code, done.err) == (65, "tagger: 1 error, 2 warnings\n")
        assert done.out == (
            f"train  2 sentences, 5 tokens  {train}\n"
            f"dev    1 sentence, 5 tokens  {dev}\n"
            "scheme BIO (guessed from the tags; --scheme says otherwise)\n"
            "\n"
            "error: tags that may not follow each other: 1\n"
            f"  {dev}:1: I-PER at the start of a sentence ('Eve')\n"
            "  (tagger data convert --repair respells them, reading spans as conlleval does)\n"
            "\n"
            "warning: labels with few examples in train: 2\n"
            f"  {train}:6: label 'LOC' is in train once only\n"
            f"  {train}:1: label 'PER' is in train 2 times only\n"
            "\n"
            "1 error, 2 warnings\n"
        )

    def test_warnings_alone_are_no_failure(self, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        done = call(capsys, "data", "check", files[0], "--scheme", "BIO", "--examples", 1)
        assert (done.code, done.err) == (0, "")
        assert "scheme BIO\n" in done.out
        assert "  and 1 more\n" in done.out

    def test_json(self, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        train, dev = files
        done = call(capsys, "data", "check", "--train", train, "--test", dev, "--json", "--min-count", 1)
        assert done.code == 65
        assert json.loads(done.out) == {
            "format": 1,
            "scheme": "BIO",
            "scheme_guessed": True,
            "splits": {
                "train": {"source": str(train), "sentences": 2, "tokens": 5},
                "test": {"source": str(dev), "sentences": 1, "tokens": 5},
            },
            "errors": 1,
            "warnings": 0,
            "findings": [
                {
                    "kind": "illegal-transition",
                    "severity": "error",
                    "title": "tags that may not follow each other",
                    "total": 1,
                    "examples": [{"where": f"{dev}:1", "message": "I-PER at the start of a sentence ('Eve')"}],
                }
            ],
            "notes": [],
        }

    def test_forbidden_leakage(self, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        train, dev = files
        train.write_text(BIO + dev.read_text().replace("I-PER", "B-PER"))
        words = ("data", "check", train, dev, "--min-length", 5)
        dev.write_text(dev.read_text().replace("I-PER", "B-PER"))
        assert call(capsys, *words).code == 0
        done = call(capsys, *words, "--forbid-leakage")
        assert done.code == 65
        assert f'  {dev}:1: also at {train}:8: "Eve in the old Oslo"\n' in done.out

    def test_a_config(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = ["data:", "  format: conllu", f"  train: {SAMPLE / 'train.conllu'}", "  tags: NER", "  scheme: BIO"]
        config = write_yaml(tmp_path / "a.yaml", lines)
        done = call(capsys, "data", "check", config)
        assert (done.code, done.out.splitlines()[1]) == (0, "scheme BIO")
        assert "scheme plain" in call(capsys, "data", "check", config, "--data.tags", "UPOS", "--data.scheme=plain").out
        assert fail(capsys, 2, "data", "check", config, "--tags", "NER") == (
            "--tags: a config says that by itself; use --data.tags"
        )

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            ([], 2, "expected a config or files (see tagger data check --help)"),
            (["none.conll"], 66, "none.conll: no such file"),
            (["-"], 2, "-: standard input is not read here; give a file, or /dev/stdin with --scheme and --from"),
            (["a", "b", "c", "d"], 2, "4 files, but there are three splits: name them with --train, --dev and --test"),
            (["train.x", "other.x"], 2, "which file is which split? Their names do not tell: use --train, --dev"),
            (["a.conll", "b.jsonl"], 2, "--from: the files' endings tell different formats; say which one it is"),
            (["a", "--train", "b"], 2, "give files by themselves or by --train, --dev and --test, not both"),
            (["a", "--data.tags", "1"], 2, "--data.tags: only a config takes settings; files are described by"),
            (["a", "--scheme", "XX"], 2, "--scheme: expected one of plain, IO"),
            (["a", "--examples", "0"], 2, "argument --examples: expected a number from 1, got '0'"),
            (["a.jsonl", "--header"], 2, "--header: has no effect on jsonl; leave it out"),
            (["a.conllu", "--tokens", "1"], 2, "--tokens: has no effect on conllu; leave it out"),
            (["a", "--tags", "ner"], 2, "--tags: expected a column number"),
        ],
    )
    def test_usage(
        self,
        words: list[str],
        code: int,
        message: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert fail(capsys, code, "data", "check", *words).startswith(message)

    def test_what_is_no_file_needs_its_scheme(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "no file that could be read twice" in fail(capsys, 2, "data", "check", "/dev/null")

    def test_names_tell_the_splits_else_the_order(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in ("eng.testa", "eng.testb", "eng.train", "x.iob", "y.iob"):
            (tmp_path / name).write_text(BIO)
        named = call(capsys, "data", "check", tmp_path / "eng.testa", tmp_path / "eng.testb", tmp_path / "eng.train")
        assert [line.split()[0] for line in named.out.splitlines()[:3]] == ["train", "dev", "test"]
        assert named.out.splitlines()[1].endswith("eng.testa")
        ordered = call(capsys, "data", "check", tmp_path / "y.iob", tmp_path / "x.iob")
        assert ordered.out.splitlines()[0].endswith("y.iob")

    def test_what_data_hold_cannot_drive_a_terminal(self, tmp_path: Path) -> None:
        path = tmp_path / "a.conll"
        path.write_text(" ".join(["\x1b[31mred"]) + "\tB-X\n" + "a\tO\n" * 5 + "\n", encoding="utf-8")
        path.write_text(path.read_text() * 2)
        code, shown = on_terminal("data", "check", path)
        assert code == 0
        assert "\x1b" not in shown
        assert "also at" in shown


def test_a_dataset_of_the_hub(tmp_path: Path) -> None:
    def rows(tags: list[list[str]]) -> bytes:
        content = io.BytesIO()
        tokens = [[f"w{number}" for number in range(len(row))] for row in tags]
        parquet.write_table(pyarrow.table({"tokens": tokens, "tags": tags}), content)
        return content.getvalue()

    lines = ["data:", "  format: hub", "  name: marl/rows", "  splits: {train: train, test: test}", "  scheme: BIO"]
    config = write_yaml(tmp_path / "a.yaml", lines)
    with FakeHub() as hub:
        train = rows([["O", "B-X", "O", "O", "O"], ["O", "I-X"]])
        hub.commit("marl/rows", {"train.parquet": train, "test.parquet": rows([["O", "B-X", "O", "O", "O"], ["Q"]])})
        done = subprocess.run(
            [sys.executable, "-m", "tagger", "data", "check", config, "--json"],
            env={**hub.environment(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 65, done.stderr
    document = json.loads(done.stdout)
    assert document["splits"]["test"] == {"source": "marl/rows/test", "sentences": 2, "tokens": 6}
    places = {each["kind"]: [example["where"] for example in each["examples"]] for each in document["findings"]}
    assert places["illegal-transition"] == ["marl/rows/train/row 1"]
    assert places["bad-tag"] == ["marl/rows/test/row 1"]
    assert places["leakage"] == ["marl/rows/test/row 0"]


class TestStats:
    def test_text(self, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        train, dev = files
        done = call(capsys, "data", "stats", train, dev)
        assert (done.code, done.err) == (0, "")
        rows = {line[:20].strip(): line[20:].split() for line in done.out.splitlines()}
        assert rows["sentences"] == ["2", "1"]
        assert rows["unknown words"] == ["-", "60.00%"]
        assert rows["PER"] == ["2", "1"]

    def test_json(self, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
        document = json.loads(call(capsys, "data", "stats", *files, "--json", "--keep-case").out)
        assert (document["format"], document["scheme"], document["lowercase"]) == (1, "BIO", False)
        assert document["splits"]["dev"]["unknown_words"] == {"count": 3, "total": 5}
        assert document["splits"]["train"]["labels"] == {"PER": 2, "LOC": 1}
        assert document["splits"]["train"]["lengths"]["mean"] == 2.5

    def test_a_config_says_whether_case_counts(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        config = write_yaml(tmp_path / "a.yaml", ["data:", "  format: conllu", f"  train: {SAMPLE / 'train.conllu'}"])
        assert json.loads(call(capsys, "data", "stats", config, "--json").out)["lowercase"] is True
        words = ("data", "stats", config, "--json", "--features.words.lowercase", "false")
        assert json.loads(call(capsys, *words).out)["lowercase"] is False

    def test_bad_data(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "a.conll").write_text("a\tX\nb\n")
        assert ":2: expected 2 columns" in fail(capsys, 65, "data", "stats", tmp_path / "a.conll")


class TestConvert:
    def test_files_by_their_endings(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source, target, back = tmp_path / "a.iob", tmp_path / "b.jsonl", tmp_path / "c.conll"
        source.write_text(BIO)
        done = call(capsys, "data", "convert", source, target, "--scheme", "BIO", "--to-scheme", "BIOES")
        assert (done.code, done.out, done.err) == (0, "", "2 sentences, 5 tokens: conll -> jsonl\n")
        assert json.loads(target.read_text().splitlines()[0])["tags"] == ["S-PER", "O", "S-PER"]
        assert call(capsys, "data", "convert", target, back, "--scheme", "BIOES", "--to-scheme", "BIO").code == 0
        assert back.read_text() == BIO

    def test_standard_input_and_output(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        feed(monkeypatch, BIO)
        done = call(capsys, "data", "convert", "--from", "conll", "--to", "conllu", "--scheme", "BIO", "--quiet")
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines()[0] == "1\tAda\t_\t_\t_\t_\t_\t_\t_\tNER=B-PER"
        assert fail(capsys, 2, "data", "convert").startswith("--from: standard input has no ending")

    def test_repairs_and_losses_are_told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source = tmp_path / "a.conll"
        source.write_bytes(b"x\tX\tI-A\r\ny\tX\tB-A\r\n")
        words = ("data", "convert", source, "--scheme", "BIO", "--to-scheme", "IO")
        message = fail(capsys, 65, *words)
        assert message == (
            f"{source}:1: token 1 has I-A at the start of the sentence, which BIO forbids; --repair respells it"
        )
        done = call(capsys, *words, "--repair")
        assert (done.code, done.out) == (0, "x\tX\tI-A\ny\tX\tI-A\n")
        assert done.err == (
            "1 sentence, 2 tokens: conll -> conll\n"
            f"  CRLF line ends made LF: 2 (first at {source}:1)\n"
            f"  tags respelled, read as conlleval does: 1 (first at {source}:1)\n"
            "not carried over:\n"
            f"  spans that touch one of their own label, which IO makes one with it: 1 (first at {source}:1)\n"
        )
        assert "not carried over" in call(capsys, *words, "--repair", "--quiet").err

    def test_a_file_over_itself_and_one_that_fails(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.conll"
        path.write_text(BIO)
        assert call(capsys, "data", "convert", path, path, "--scheme", "BIO", "--to-scheme", "BILOU").code == 0
        assert path.read_text() == BIO.replace("B-", "U-")
        assert fail(capsys, 65, "data", "convert", path, path, "--scheme", "BIO").startswith(f"{path}:1: 'U-PER' is no")
        assert path.read_text() == BIO.replace("B-", "U-")
        assert [each.name for each in tmp_path.iterdir()] == ["a.conll"]

    def test_gzip(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        source, target = tmp_path / "a.conll.gz", tmp_path / "b.jsonl.gz"
        source.write_bytes(gzip.compress(BIO.encode()))
        assert call(capsys, "data", "convert", source, target).code == 0
        first = target.read_bytes()
        assert json.loads(gzip.decompress(first).splitlines()[1])["tokens"] == ["in", "Oslo"]
        assert call(capsys, "data", "convert", source, target).code == 0
        assert target.read_bytes() == first

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["a.conll", "--to-scheme", "BIO"], 2, "--to-scheme: the tags are read as plain, which cannot become BIO"),
            (["a.conll", "--to-scheme", "x"], 2, "--to-scheme: expected one of plain"),
            (["a.conll", "--to-tags", "x"], 2, "--to-tags: has no effect on conll"),
            (["a.conll", "--data.tags", "x"], 2, "--data.tags: convert takes no settings"),
            (["none.conll"], 66, "none.conll: no such file"),
            (["a.conll", "none/b.conll"], 74, "none/b.conll: cannot be written"),
        ],
    )
    def test_usage(
        self,
        words: list[str],
        code: int,
        message: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a.conll").write_text(BIO)
        assert fail(capsys, code, "data", "convert", *words).startswith(message)


@pytest.mark.parametrize("action", ["check", "stats", "convert", "suspects"])
def test_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, "data", action, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"usage: tagger data {action}" in done.out


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(capsys, 2, "data").startswith("the following arguments are required: ACTION")


def test_runs_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(BIO)
    script = (
        "import sys; from tagger.cli.main import main\n"
        f"assert not any(main(['data', action, {str(path)!r}]) for action in ('check', 'stats', 'convert'))\n"
        "assert not {'torch', 'datasets'} & set(sys.modules), 'too much was imported'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""`tagger train` with pretrained vectors: by name through a server, and what a person is told when that goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.inference.model_folder import load_model
from tests.cli.command import call, fail, write_yaml
from tests.cli.test_train import CONFIG, TRAIN
from tests.vector_server import Server, point_to

NAME = "glove.6B.50d"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Server(width=50)
    point_to(f"http://{made.address}", monkeypatch)
    yield made
    made.close()


@pytest.fixture
def words(tmp_path: Path) -> list[object]:
    """The command line of a run with vectors of a name."""
    write_yaml(tmp_path / "train.conll", TRAIN)
    lines = [line.replace("{dim: 8,", f"{{dim: 50, vectors: {NAME},") for line in CONFIG]
    config = write_yaml(tmp_path / "tiny.yaml", lines)
    return ["train", config, "--out", tmp_path / "run"]


@pytest.mark.parametrize("keep", ["data", "all"])
def test_by_name(
    server: Server, words: list[object], keep: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache" / "tagger" / "published"
    done = call(capsys, *words, "--features.words.keep_vectors", keep)
    assert done.code == 0, done
    assert done.err.splitlines()[0] == f"downloading {NAME}, 0.0 MB"
    kept = "2 of 6 words of the data" if keep == "data" else "all 3"
    assert done.err.splitlines()[1] == f"vectors  {kept}  {cache / f'{NAME}.txt'}"
    saved = load_model(Path(str(words[-1])))
    assert saved.config.features.words.vectors == NAME
    assert saved.vocabulary.words[saved.vocabulary.num_train_words :] == (() if keep == "data" else ("zebra",))
    again = call(capsys, *words[:-1], f"{words[-1]}2")
    assert "downloading" not in again.err
    assert server.asked == ["/glove.6B.zip"]


def test_a_server_that_is_down(server: Server, words: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    server.close()
    message = fail(capsys, 66, *words)
    assert message.startswith(f"{NAME}: http://{server.address}/glove.6B.zip: cannot be downloaded: ")
    assert not Path(str(words[-1])).exists()


def test_a_download_cut_short(server: Server, words: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    server.length = len(server.body) + 1
    done = call(capsys, *words)
    assert (done.code, done.out) == (66, "")
    start, message = done.err.splitlines()
    assert start == f"downloading {NAME}, 0.0 MB"
    assert message.startswith(f"tagger: {NAME}: ")
    assert message.endswith("; try again")


def test_no_archive(server: Server, words: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    server.body = b"<html>not here</html>"
    done = call(capsys, *words)
    assert done.code == 65
    assert done.err.splitlines()[1].endswith(
        "glove.6B.zip: damaged or no zip archive: File is not a zip file; removed, try again"
    )


def test_names_and_widths_that_are_none(
    server: Server, words: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    message = fail(capsys, 2, *words, "--features.words.vectors", "glove.5B.50d")
    assert message.startswith("features.words.vectors: no published vectors 'glove.5B.50d'; there are: ")
    message = fail(capsys, 2, *words, "--features.words.dim", "100")
    assert message == f"features.words.dim: {NAME} has vectors of 50 numbers, got 100"
    assert server.asked == []

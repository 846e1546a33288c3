"""Models published to a Hub on 127.0.0.1 by the real client, and loaded by their id."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagger.errors import MissingInputError
from tagger.inference.hub_models import locate_model
from tagger.inference.loading import load
from tagger.inference.predictor import Predictor
from tests.fakehub import FakeHub
from tests.hub_reader import Reader, message_of, reading

SENTENCES = [["Anna", "Weber", "lives", "in", "Oslo", "."], ["Nobody", "came"], []]


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hf")


@pytest.fixture(scope="module")
def reader(hub: FakeHub, home: Path, ner_run: Path) -> Iterator[Reader]:
    with reading(hub.environment(home)) as reader:
        publish(reader, "tester/ner", ner_run / "model")
        yield reader


def publish(reader: Reader, repo_id: str, folder: Path) -> str:
    commit = reader.call("upload", {"repo_id": repo_id, "repo_type": "model", "folder_path": str(folder)})
    assert isinstance(commit, str), commit
    return commit


def predict(reader: Reader, model: str) -> Any:
    return reader.call("predict", {"model": model, "sentences": SENTENCES})


def expected(predictor: Predictor) -> list[list[list[object]]]:
    return [[list(answer.tags), list(answer.confidence)] for answer in predictor.predict(SENTENCES)]


def test_what_is_uploaded_is_what_is_loaded(
    hub: FakeHub, reader: Reader, ner_run: Path, ner_predictor: Predictor
) -> None:
    folder = ner_run / "model"
    published = hub.files("tester/ner", kind="models")
    assert published == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert predict(reader, "tester/ner") == expected(ner_predictor)


def test_a_run_folder_can_be_published_too(reader: Reader, ner_run: Path, ner_predictor: Predictor) -> None:
    publish(reader, "tester/run", ner_run)
    assert predict(reader, "tester/run") == expected(ner_predictor)


def test_a_revision(reader: Reader, pos_run: Path, ner_run: Path, ner_predictor: Predictor) -> None:
    first = publish(reader, "tester/moving", ner_run / "model")
    publish(reader, "tester/moving", pos_run / "model")
    now = predict(reader, "tester/moving")
    assert now != expected(ner_predictor)
    assert predict(reader, f"tester/moving@{first}") == expected(ner_predictor)
    assert predict(reader, "tester/moving@main") == now
    message = message_of(predict(reader, "tester/moving@v9"), "MissingInputError")
    assert message == "tester/moving: no revision 'v9'; there are: main"


def test_the_command_line(reader: Reader, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Anna Weber lives in Oslo.\n", encoding="utf-8")
    done = reader.call("main", ["predict", "tester/ner", str(text), "--quiet"])
    assert (done["code"], done["err"]) == (0, "")
    assert done["out"].startswith("Anna\t")
    gold = tmp_path / "gold.conll"
    gold.write_text("Anna B-PER\nlives O\n", encoding="utf-8")
    done = reader.call("main", ["evaluate", "tester/ner", str(gold), "--from", "conll"])
    assert done["code"] == 0
    assert done["out"].startswith("ner on gold.conll")


def test_only_the_files_of_a_model_are_fetched(hub: FakeHub, reader: Reader, ner_run: Path, tmp_path: Path) -> None:
    shutil.copytree(ner_run / "model", tmp_path / "model")
    (tmp_path / "model" / "evil.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    publish(reader, "tester/more", tmp_path / "model")
    before = len(hub.requests)
    predict(reader, "tester/more")
    assert not any("evil" in line for line in hub.requests[before:])


def test_what_comes_is_checked_like_any_folder(reader: Reader, ner_run: Path, tmp_path: Path) -> None:
    shutil.copytree(ner_run / "model", tmp_path / "model")
    vocabulary = tmp_path / "model" / "vocabulary.json"
    vocabulary.write_bytes(vocabulary.read_bytes().replace(b"PER", b"ORG", 1))
    publish(reader, "tester/forged", tmp_path / "model")
    assert "vocabulary.json" in message_of(predict(reader, "tester/forged"), "ModelError")


def test_a_repository_without_a_model(hub: FakeHub, reader: Reader) -> None:
    hub.commit("tester/other", {"config.json": b"{}", "pytorch_model.bin": b""}, kind="models")
    message = message_of(predict(reader, "tester/other"), "ModelError")
    assert message == (
        "tester/other: holds no model of tagger: no manifest.json; there are: config.json, pytorch_model.bin"
    )


def test_a_path_mistyped(hub: FakeHub, reader: Reader) -> None:
    message = message_of(predict(reader, "runs/nre"), "MissingInputError")
    assert message == (
        f"runs/nre: no such folder, and no such model on {hub.url}, or a private one that this token may not read"
    )
    assert message_of(predict(reader, "runs/n..re"), "MissingInputError") == (
        "runs/n..re: no such folder, and no repository can have this name"
    )


@pytest.mark.parametrize("name", ["ner", "a/b/c", "/a/b", "./a", "../a", "~/a", "a/.b", "a b/c", "-a/b"])
def test_not_an_id(name: str) -> None:
    assert locate_model(name) == Path(name)
    with pytest.raises(MissingInputError, match=r": no such model folder or run folder$"):
        load(name)


def test_what_is_here_goes_first(
    pos_run: Path, pos_predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pos_run, tmp_path / "tester" / "ner")
    monkeypatch.chdir(tmp_path)
    assert expected(load("tester/ner", device="cpu")) == expected(pos_predictor)


def test_private_and_offline(hub: FakeHub, home: Path, reader: Reader, ner_run: Path, ner_predictor: Predictor) -> None:
    publish(reader, "tester/private", ner_run / "model")
    hub.repositories["models", "tester/private"].private = True
    assert predict(reader, "tester/private") == expected(ner_predictor)
    reader.call("set_environment", {"HF_TOKEN": None})
    message = message_of(predict(reader, "tester/private"), "MissingInputError")
    assert message.endswith("or a private one: no token is set (`hf auth login`, or HF_TOKEN)")
    before = len(hub.requests)
    with reading(hub.environment(home, HF_HUB_OFFLINE="1")) as offline:
        assert predict(offline, "tester/private") == expected(ner_predictor)
        message = message_of(predict(offline, "tester/absent"), "MissingInputError")
    assert message == (
        "tester/absent: no such folder, and revision main is not in the cache, and HF_HUB_OFFLINE is set"
    )
    assert len(hub.requests) == before

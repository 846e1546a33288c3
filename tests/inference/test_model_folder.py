"""Model folders: saved and loaded bit for bit; whatever is damaged is refused in one line."""

import errno
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from tagger.errors import MissingInputError, ModelError, OutputError
from tagger.inference.model_folder import FORMAT, SavedModel, load_model, save_model
from tagger.inference.predictor import load

NAMES = ["config.yaml", "manifest.json", "model.safetensors", "vocabulary.json"]


@pytest.fixture
def model(ner_run: Path, tmp_path: Path) -> Path:
    """A model folder that may be damaged."""
    return Path(shutil.copytree(ner_run / "model", tmp_path / "model"))


def save(saved: SavedModel, folder: Path, *, facts: dict[str, Any] | None = None) -> None:
    save_model(folder, saved.network, vocabulary=saved.vocabulary, config=saved.config, facts=facts or {})


def rewrite(model: Path, name: str, content: bytes) -> None:
    """Replaces a file and makes the manifest agree with it."""
    (model / name).write_bytes(content)
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    (model / "manifest.json").write_text(json.dumps(manifest))


def rewrite_weights(model: Path, alter: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_tensors((model / "model.safetensors").read_bytes())
    alter(weights)
    rewrite(model, "model.safetensors", save_tensors(weights))


def rewrite_vocabulary(model: Path, key: str, value: object) -> None:
    vocabulary = json.loads((model / "vocabulary.json").read_text())
    rewrite(model, "vocabulary.json", json.dumps({**vocabulary, key: value}).encode())


def refuse(model: Path, *, naming: str) -> str:
    """Asserts that the model is refused in one line that begins with the file's path; returns the line."""
    with pytest.raises(ModelError) as caught:
        load_model(model)
    message = str(caught.value)
    assert message.startswith(f"{model / naming}: ")
    assert "\n" not in message
    return message


class TestRoundTrip:
    @pytest.mark.parametrize("run", ["pos_run", "ner_run"])
    def test_bit_for_bit(self, run: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        saved = load_model(request.getfixturevalue(run))
        save(saved, tmp_path / "copy", facts={"epoch": 3})
        copy = load_model(tmp_path / "copy")
        assert (copy.vocabulary, copy.config) == (saved.vocabulary, saved.config)
        assert copy.manifest["epoch"] == 3
        before, after = saved.network.state_dict(), copy.network.state_dict()
        assert list(before) == list(after)
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert not copy.network.training
        assert (tmp_path / "copy" / "model.safetensors").read_bytes() == save_tensors(before)

    def test_holds_four_files(self, ner_run: Path) -> None:
        assert sorted(path.name for path in (ner_run / "model").iterdir()) == NAMES

    def test_run_folder_and_model_folder_are_the_same(self, ner_run: Path) -> None:
        assert load_model(ner_run).manifest == load_model(ner_run / "model").manifest

    def test_lone_surrogates_among_the_words(self, ner_run: Path, tmp_path: Path) -> None:
        saved = load_model(ner_run)
        characters = ("\ud800", *saved.vocabulary.characters[1:])
        object.__setattr__(saved.vocabulary, "characters", characters)
        save(saved, tmp_path / "copy")
        assert load_model(tmp_path / "copy").vocabulary.characters == characters

    @pytest.mark.cuda
    def test_saved_from_a_gpu(self, ner_run: Path, tmp_path: Path) -> None:
        saved = load_model(ner_run)
        before = {name: value.clone() for name, value in saved.network.state_dict().items()}
        saved.network.to("cuda")
        save(saved, tmp_path / "copy")
        after = load_model(tmp_path / "copy").network.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)


class TestSave:
    def test_replaces_an_older_model(self, pos_run: Path, model: Path) -> None:
        saved = load_model(pos_run)
        save(saved, model)
        assert load_model(model).config == saved.config
        assert [path.name for path in model.parent.iterdir()] == ["model"]

    def test_full_disk(self, model: Path, pos_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        older, saved = load_model(model).manifest, load_model(pos_run)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(OutputError, match="cannot be written: No space left"):
                save(saved, model)
        assert load_model(model).manifest == older
        assert [path.name for path in model.parent.iterdir()] == ["model"]

    def test_parent_is_a_file(self, ner_run: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="file/model: cannot be written: Not a directory"):
            save(load_model(ner_run), tmp_path / "file" / "model")

    @pytest.mark.parametrize("kind", ["folder", "file"])
    def test_what_is_no_model_is_not_overwritten(self, ner_run: Path, tmp_path: Path, kind: str) -> None:
        precious = tmp_path / "model" / "thesis.txt" if kind == "folder" else tmp_path / "model"
        precious.parent.mkdir(exist_ok=True)
        precious.write_text("years of work")
        with pytest.raises(OutputError, match="is no model; it is not overwritten"):
            save(load_model(ner_run), tmp_path / "model")
        assert precious.read_text() == "years of work"


class TestFind:
    def test_missing(self, tmp_path: Path) -> None:
        for path in (tmp_path / "nowhere", tmp_path / ("x" * 5000)):
            with pytest.raises(MissingInputError) as caught:
                load(path)
            assert str(caught.value).startswith(f"{path}: ")

    def test_file_instead_of_folder(self, model: Path) -> None:
        with pytest.raises(ModelError, match="a model is a folder, this is a file"):
            load_model(model / "model.safetensors")

    def test_some_other_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"neither a model folder nor a run folder: it holds no manifest\.json"):
            load_model(tmp_path)


class TestDamage:
    @pytest.mark.parametrize("name", [name for name in NAMES if name != "manifest.json"])
    def test_missing_file(self, model: Path, name: str) -> None:
        (model / name).unlink()
        assert "No such file" in refuse(model, naming=name)

    @pytest.mark.parametrize("name", NAMES)
    def test_truncated(self, model: Path, name: str) -> None:
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[: len(content) // 2])
        refuse(model, naming=name)

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "manifest.json"])
    @pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
    def test_flipped_bit(self, model: Path, name: str, place: float) -> None:
        content = bytearray((model / name).read_bytes())
        content[int(place * len(content))] ^= 1
        (model / name).write_bytes(content)
        assert "damaged: its SHA-256" in refuse(model, naming=name)

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "3", "{}", '{"format": "1"}', '{"format": 1}', '{"format": 1, "sha256": {}}', "[" * 100_000],
    )
    def test_foreign_manifest(self, model: Path, content: str) -> None:
        (model / "manifest.json").write_text(content)
        refuse(model, naming="manifest.json")

    def test_manifest_is_not_text(self, model: Path) -> None:
        (model / "manifest.json").write_bytes(b"\xff\xfe\x00")
        refuse(model, naming="manifest.json")

    @pytest.mark.parametrize("version", [0, -1, FORMAT + 1])
    def test_other_format(self, model: Path, version: int) -> None:
        manifest = json.loads((model / "manifest.json").read_text())
        (model / "manifest.json").write_text(json.dumps({**manifest, "format": version}))
        assert f"format {version}; this tagger reads formats 1 to {FORMAT}" in refuse(model, naming="manifest.json")

    def test_unknown_key_in_config(self, model: Path) -> None:
        content = (model / "config.yaml").read_text().replace("hidden_dim", "hidden_dimension")
        rewrite(model, "config.yaml", content.encode())
        message = refuse(model, naming="config.yaml")
        assert "no such key" in message
        assert message.endswith("was it saved by another version of tagger?")

    @pytest.mark.parametrize("content", [b"\xff", b"- a\n", b"model: {hidden_dim: x}\n", b"{", b""])
    def test_foreign_config(self, model: Path, content: bytes) -> None:
        rewrite(model, "config.yaml", content)
        with pytest.raises(ModelError) as caught:
            load_model(model)
        assert str(caught.value).startswith(str(model))
        assert "\n" not in str(caught.value)


class TestForgedWeights:
    """The hashes agree, the weights do not."""

    def test_wrong_shape(self, model: Path) -> None:
        rewrite_weights(model, lambda weights: weights.update({"to_emissions.bias": torch.zeros(3)}))
        message = refuse(model, naming="model.safetensors")
        assert "to_emissions.bias: expected (17,) torch.float32, found (3,) torch.float32" in message

    def test_wrong_type(self, model: Path) -> None:
        rewrite_weights(model, lambda weights: weights.update({"to_emissions.bias": torch.zeros(17).half()}))
        assert "found (17,) torch.float16" in refuse(model, naming="model.safetensors")

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_not_finite(self, model: Path, value: float) -> None:
        rewrite_weights(model, lambda weights: weights["to_emissions.weight"][0, 0].fill_(value))
        assert "to_emissions.weight: holds numbers that are not finite" in refuse(model, naming="model.safetensors")

    def test_one_missing_and_one_too_much(self, model: Path) -> None:
        rewrite_weights(model, lambda weights: weights.pop("to_emissions.bias"))
        assert "to_emissions.bias is missing or too much (1 such)" in refuse(model, naming="model.safetensors")
        rewrite_weights(model, lambda weights: weights.update({"extra": torch.zeros(1)}))
        assert "(2 such)" in refuse(model, naming="model.safetensors")

    def test_pickle_is_never_opened(self, model: Path, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
                return os.mkdir, (str(tmp_path / "sprung"),)

        rewrite(model, "model.safetensors", pickle.dumps(Trap()))
        assert "not a safetensors file" in refuse(model, naming="model.safetensors")
        assert not (tmp_path / "sprung").exists()


class TestForgedVocabulary:
    """The hashes agree, the vocabulary does not."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("words", "the"),
            ("words", [1]),
            ("words", None),
            ("words", {"the": 1}),
            ("characters", [["a"]]),
            ("tags", []),
            ("tags", ["O", "Q-PER"]),
            ("prefixes", ["1"]),
            ("suffixes", [True]),
            ("num_train_words", 1.5),
            ("max_length", 0),
            ("max_length", True),
            ("num_buckets", 0),
            ("num_buckets", 100_000),
            ("lowercase", 1),
            ("shape", "yes"),
        ],
    )
    def test_wrong_value(self, model: Path, key: str, value: object) -> None:
        rewrite_vocabulary(model, key, value)
        assert f": {key}: " in refuse(model, naming="vocabulary.json")

    @pytest.mark.parametrize("content", [b"", b"[]", b"3", b"null", b"{}", b'{"word": []}', b"\xff", b"[" * 100_000])
    def test_foreign(self, model: Path, content: bytes) -> None:
        rewrite(model, "vocabulary.json", content)
        assert "not a vocabulary" in refuse(model, naming="vocabulary.json")

    def test_unknown_key(self, model: Path) -> None:
        rewrite_vocabulary(model, "colour", "red")
        assert "colour" in refuse(model, naming="vocabulary.json")

    def test_words_that_do_not_fit_the_weights(self, model: Path) -> None:
        rewrite_vocabulary(model, "words", ["the"])
        assert "features.words.table.weight: expected (3, 16)" in refuse(model, naming="model.safetensors")

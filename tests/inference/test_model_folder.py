"""Model folders: saved and loaded bit for bit; whatever is damaged is refused in one line."""

import errno
import json
import os
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as save_tensors

from tagger.errors import ConfigError, MissingInputError, ModelError, OutputError
from tagger.inference import model_folder
from tagger.inference.loading import load
from tagger.inference.model_folder import FORMAT, SavedModel, load_model, save_model, sizes_of
from tagger.model.network import build_network
from tests.inference.damage import DAMAGES, assert_refused
from tests.inference.forge import (
    CHECKED,
    LISTED,
    change_manifest,
    rewrite,
    rewrite_config,
    rewrite_vocabulary,
    rewrite_weights,
)

NAMES = ["README.md", *sorted(CHECKED)]


@pytest.fixture
def model(ner_run: Path, tmp_path: Path) -> Path:
    """A model folder that may be damaged."""
    return Path(shutil.copytree(ner_run / "model", tmp_path / "model"))


def save(saved: SavedModel, folder: Path, *, facts: dict[str, Any] | None = None) -> None:
    save_model(folder, saved.network, vocabulary=saved.vocabulary, config=saved.config, facts=facts or {})


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

    @pytest.mark.parametrize("run", ["pos_run", "ner_run"])
    def test_what_is_not_saved_is_made_anew(self, run: str, request: pytest.FixtureRequest) -> None:
        saved = load_model(request.getfixturevalue(run))
        with torch.random.fork_rng(devices=[]):
            built = build_network(saved.config.features, saved.config.model, sizes_of(saved.vocabulary, saved.config))
        expected, found = dict(built.named_buffers()), dict(saved.network.named_buffers())
        assert list(expected) == list(found)
        assert all(torch.equal(expected[name], found[name]) for name in expected)

    def test_holds_five_files(self, ner_run: Path) -> None:
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
    @pytest.mark.parametrize("name", LISTED)
    def test_missing_file(self, model: Path, name: str) -> None:
        (model / name).unlink()
        assert "No such file" in refuse(model, naming=name)

    @pytest.mark.parametrize("name", CHECKED)
    def test_truncated(self, model: Path, name: str) -> None:
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[: len(content) // 2])
        refuse(model, naming=name)

    @pytest.mark.parametrize("name", LISTED)
    @pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
    def test_flipped_bit(self, model: Path, name: str, place: float) -> None:
        content = bytearray((model / name).read_bytes())
        content[int(place * len(content))] ^= 1
        (model / name).write_bytes(content)
        assert "damaged: its SHA-256" in refuse(model, naming=name)

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "3", "{}", '{"format": "2"}', '{"format": 2}', '{"format": 2, "files": {}}', "[" * 100_000],
    )
    def test_foreign_manifest(self, model: Path, content: str) -> None:
        (model / "manifest.json").write_text(content)
        refuse(model, naming="manifest.json")

    def test_manifest_is_not_text(self, model: Path) -> None:
        (model / "manifest.json").write_bytes(b"\xff\xfe\x00")
        refuse(model, naming="manifest.json")

    @pytest.mark.parametrize(
        ("version", "hint"), [(0, "older: train the model anew"), (1, "older"), (FORMAT + 1, "newer: upgrade tagger")]
    )
    def test_other_format(self, model: Path, version: int, hint: str) -> None:
        change_manifest(model, lambda manifest: manifest.update(format=version))
        message = refuse(model, naming="manifest.json")
        assert f"format {version}, this tagger reads format {FORMAT}: it is {hint}" in message

    def test_the_first_format_is_told_to_be_older(self, model: Path) -> None:
        (model / "manifest.json").write_text('{"format": 1, "sha256": {"config.yaml": "..."}, "epoch": 1}')
        assert "it is older" in refuse(model, naming="manifest.json")

    def test_a_manifest_that_was_edited(self, model: Path) -> None:
        text = (model / "manifest.json").read_text()
        for edited in (text.replace('"epoch": 3', '"epoch": 2'), text.replace(" ", "  ", 1), text + "\n"):
            assert edited != text
            (model / "manifest.json").write_text(edited)
            assert "damaged: its SHA-256 is not the one it names" in refuse(model, naming="manifest.json")

    def test_every_file_may_be_a_link(self, model: Path, tmp_path: Path) -> None:
        """As in the cache of the Hugging Face Hub."""
        blobs = tmp_path / "blobs"
        blobs.mkdir()
        for path in list(model.iterdir()):
            path.rename(blobs / path.name)
            path.symlink_to(blobs / path.name)
        load_model(model)

    def test_the_card_and_other_files_are_not_looked_at(self, model: Path) -> None:
        (model / "README.md").write_bytes(b"\xffmine")
        (model / ".gitattributes").write_text("*.safetensors filter=lfs\n")
        (model / "pytorch_model.bin").write_bytes(pickle.dumps(1))
        load_model(model)
        (model / "README.md").unlink()
        load_model(model)

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
        message = str(caught.value)
        assert message.startswith(f"{model / 'config.yaml'}:")
        assert message.count(str(model)) == 1
        assert "\n" not in message


class TestForgedWeights:
    """The hashes agree, the weights do not."""

    def test_wrong_shape(self, model: Path) -> None:
        rewrite_weights(model, lambda weights: weights.update({"to_emissions.bias": torch.zeros(3)}))
        message = refuse(model, naming="model.safetensors")
        assert "to_emissions.bias: expected (17,) torch.float32, found (3,) torch.float32" in message

    def test_wrong_type(self, model: Path) -> None:
        rewrite_weights(model, lambda weights: weights.update({"to_emissions.bias": torch.zeros(17).half()}))
        assert "found (17,) torch.float16" in refuse(model, naming="model.safetensors")

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("place", [0, 100, -1])
    def test_not_finite(self, model: Path, value: float, place: int) -> None:
        rewrite_weights(model, lambda weights: weights["to_emissions.weight"].view(-1)[place].fill_(value))
        assert "to_emissions.weight: holds numbers that are not finite" in refuse(model, naming="model.safetensors")

    def test_one_missing_and_one_too_much(self, model: Path) -> None:
        rewrite_weights(model, lambda weights: weights.pop("to_emissions.bias"))
        assert "does not fit the config: to_emissions.bias is missing (1 such)" in refuse(
            model, naming="model.safetensors"
        )
        rewrite_weights(model, lambda weights: weights.update({"extra": torch.zeros(1)}))
        assert "does not fit the config: extra is too much (2 such)" in refuse(model, naming="model.safetensors")

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
            ("word_counts", [1]),
            ("word_counts", [1.5]),
            ("word_labels", [-1]),
            ("word_labels", None),
        ],
    )
    def test_wrong_value(self, model: Path, key: str, value: object) -> None:
        rewrite_vocabulary(model, {key: value})
        assert f": {key}: " in refuse(model, naming="vocabulary.json")

    @pytest.mark.parametrize(
        "content", [b"", b"\xff", b"[" * 100_000, b'{"words": [], "words": []}', b'{"words": NaN}']
    )
    def test_no_json(self, model: Path, content: bytes) -> None:
        rewrite(model, "vocabulary.json", content)
        assert "not JSON" in refuse(model, naming="vocabulary.json")

    @pytest.mark.parametrize("content", [b"[]", b"3", b"null"])
    def test_no_object(self, model: Path, content: bytes) -> None:
        rewrite(model, "vocabulary.json", content)
        assert "expected a JSON object" in refuse(model, naming="vocabulary.json")

    def test_unknown_and_missing_keys(self, model: Path) -> None:
        rewrite_vocabulary(model, {"colour\n": "red"})
        assert "colour\\x0a: no such key" in refuse(model, naming="vocabulary.json")
        rewrite(model, "vocabulary.json", b"{}")
        assert ": characters: is missing" in refuse(model, naming="vocabulary.json")

    def test_models_of_earlier_versions_count_no_words(self, model: Path) -> None:
        vocabulary = json.loads((model / "vocabulary.json").read_text())
        del vocabulary["word_counts"], vocabulary["word_labels"]
        rewrite(model, "vocabulary.json", json.dumps(vocabulary).encode())
        loaded = load_model(model).vocabulary
        assert (loaded.word_counts, loaded.word_labels) == ((), ())

    @pytest.mark.parametrize("key", ["words", "characters", "tags"])
    def test_what_occurs_twice(self, model: Path, key: str) -> None:
        entries = json.loads((model / "vocabulary.json").read_text())[key]
        rewrite_vocabulary(model, {key: [*entries[:-1], entries[0]]})
        assert f"{key}: one of them occurs twice" in refuse(model, naming="vocabulary.json")

    def test_words_that_do_not_fit_the_weights(self, model: Path) -> None:
        words = json.loads((model / "vocabulary.json").read_text())["words"]
        rewrite_vocabulary(model, {"words": [*words, "yet another"]})
        message = refuse(model, naming="model.safetensors")
        assert f"features.words.table.weight: expected ({len(words) + 3}, 16)" in message

    def test_labels(self, model: Path) -> None:
        change_manifest(model, lambda manifest: manifest["labels"].pop())
        assert "labels: not those of vocabulary.json" in refuse(model, naming="manifest.json")

    @pytest.mark.parametrize("value", [0, -1.5, 1e-300, 21, True, "1.5", None, [], {}])
    def test_temperature(self, model: Path, value: object) -> None:
        change_manifest(model, lambda manifest: manifest.update(temperature={"value": value, "missing": None}))
        message = refuse(model, naming="manifest.json")
        assert "temperature: expected a value from 0.05 to 20, found " in message

    @pytest.mark.parametrize("spelled", ["NaN", "Infinity", "1e999"])
    def test_a_temperature_that_is_not_finite(self, model: Path, spelled: str) -> None:
        value = load_model(model).temperature
        text = (model / "manifest.json").read_text()
        (model / "manifest.json").write_text(text.replace(f'"value": {value}', f'"value": {spelled}'))
        refuse(model, naming="manifest.json")

    def test_a_temperature_that_is_no_object(self, model: Path) -> None:
        change_manifest(model, lambda manifest: manifest.update(temperature=1.5))
        assert "temperature: expected" in refuse(model, naming="manifest.json")


class TestTemperature:
    def test_is_loaded_and_applied(self, model: Path) -> None:
        change_manifest(model, lambda manifest: manifest.update(temperature={"value": 3, "missing": None}))
        assert load_model(model).temperature == load(model, device="cpu").temperature == 3.0

    def test_an_older_model_has_none(self, model: Path) -> None:
        change_manifest(model, lambda manifest: manifest.pop("temperature"))
        assert load_model(model).temperature == load(model, device="cpu").temperature == 1.0


class TestBounds:
    """Nothing large is read or made before it is known to fit."""

    def test_sizes_are_compared_before_memory_is_taken(self, model: Path) -> None:
        """A terabyte of weights by the config, and a file of a few: refused at once."""
        rewrite_config(model, "hidden_dim: 24", "hidden_dim: 100000")
        assert "too small for the network" in refuse(model, naming="model.safetensors")

    def test_a_file_larger_than_its_network_is_not_read(self, model: Path) -> None:
        size = 2**40
        os.truncate(model / "model.safetensors", size)  # holes, no disk
        change_manifest(model, lambda manifest: manifest["files"]["model.safetensors"].update(size=size))
        assert f"too large: {size} bytes" in refuse(model, naming="model.safetensors")

    @pytest.mark.parametrize(("name", "limit"), [("config.yaml", 2**16), ("vocabulary.json", 2**28)])
    def test_other_files_have_limits(self, model: Path, name: str, limit: int) -> None:
        os.truncate(model / name, limit + 1)
        change_manifest(model, lambda manifest: manifest["files"][name].update(size=limit + 1))
        assert f"too large: {limit + 1} bytes, at most {limit}" in refuse(model, naming=name)

    def test_many_tags_of_spans(self, ner_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        saved = load_model(ner_run)
        monkeypatch.setattr(model_folder, "MAX_TAGS", 16)
        with pytest.raises(ConfigError, match=r"^model\.encoding: 17 tags; with spans, at most 16 are possible$"):
            sizes_of(saved.vocabulary, saved.config)

    def test_the_random_state_is_left_alone(self, model: Path) -> None:
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        load_model(model)
        assert torch.equal(before, torch.random.get_rng_state())


class TestReplaced:
    """A reader meets one model or another, whole, while a training run saves the next."""

    def test_while_it_is_read(self, pos_run: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        newer, read = load_model(pos_run), model_folder.read_listed

        def replace_first(*given: Any, **named: Any) -> bytes:
            monkeypatch.setattr(model_folder, "read_listed", read)
            save(newer, model)
            return read(*given, **named)

        monkeypatch.setattr(model_folder, "read_listed", replace_first)
        assert load_model(model).config == newer.config

    def test_by_another_thread(self, pos_run: Path, model: Path) -> None:
        both = [load_model(model), load_model(pos_run)]
        stop = threading.Event()

        def replace_all_the_time() -> None:
            while not stop.is_set():
                for saved in both:
                    save(saved, model)

        thread = threading.Thread(target=replace_all_the_time)
        thread.start()
        try:
            found = [load_model(model).config for _ in range(12)]
        finally:
            stop.set()
            thread.join()
        assert all(config in (both[0].config, both[1].config) for config in found)

    def test_a_kill_between_two_renames(self, model: Path) -> None:
        older = load_model(model)
        model.rename(model.with_name(".model.old"))
        assert load_model(model).manifest == older.manifest
        assert load_model(model.parent).manifest == older.manifest


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_or_foreign(model: Path, name: str, tmp_path: Path) -> None:
    """The short version of `tests/faults/test_model_folders.py`."""
    assert_refused(model, DAMAGES[name], seed=f"short {name}", canary=tmp_path / "canary")

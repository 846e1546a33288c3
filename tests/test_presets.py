"""Presets: which setting wins, what is refused, and that only settings are saved."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tagger
from tagger.config import Config
from tagger.config_file import dump_config, load_config
from tagger.config_types import SETTINGS, value_of
from tagger.errors import ConfigError
from tagger.presets import PRESETS, overlay

FREE = {"model.hidden_dim": 8, "training.num_epochs": 3, "training.learning_rate": 0.5}  # exclude no other setting
NAMES = st.sampled_from([None, *PRESETS])


def keys_of(settings: dict[str, Any], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in settings.items():
        keys |= keys_of(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
    return keys


def write(path: Path, settings: dict[str, Any], *, preset: object = None) -> Path:
    own = overlay({"data": {"train": "train.conll"}}, settings)
    path.write_text(yaml.safe_dump({"preset": preset, **own} if preset is not None else own), encoding="utf-8")
    return path


def nested(keys: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in keys.items():
        section, name = key.split(".")
        settings.setdefault(section, {})[name] = value
    return settings


def changed(config: Config) -> dict[str, Any]:
    """The settings that are not the defaults, the training file left out."""
    values, defaults = asdict(config), asdict(Config())
    return {
        key: value_of(values, key)
        for key in SETTINGS
        if value_of(values, key) != value_of(defaults, key) and key != "data.train"
    }


def test_every_preset_sets_the_same_settings_so_that_one_replaces_the_other() -> None:
    assert {frozenset(keys_of(settings)) for settings in PRESETS.values()} == {frozenset(keys_of(PRESETS["fast"]))}
    assert keys_of(PRESETS["fast"]) <= set(SETTINGS)
    assert set(FREE) <= keys_of(PRESETS["fast"])


def test_accurate_adds_a_language_model_to_the_defaults_and_fast_is_narrower(tmp_path: Path) -> None:
    assert changed(load_config(write(tmp_path / "a.yaml", {}, preset="accurate"))) == {"training.language_model": 0.1}
    assert changed(load_config(write(tmp_path / "a.yaml", {}, preset="fast"))) == {
        "model.hidden_dim": 128,
        "training.num_epochs": 10,
        "training.batch_tokens": 1024,
        "training.learning_rate": 4e-3,
    }


@given(
    in_file=NAMES,
    own=st.sets(st.sampled_from(sorted(FREE))),
    on_command_line=NAMES,
    overridden=st.sets(st.sampled_from(sorted(FREE))),
)
def test_the_layers_stand_over_each_other(
    in_file: str | None,
    own: set[str],
    on_command_line: str | None,
    overridden: set[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = write(tmp_path_factory.mktemp("preset") / "a.yaml", nested({key: FREE[key] for key in own}), preset=in_file)
    words = [word for key in sorted(overridden) for word in (f"--{key}", str(FREE[key] * 2))]
    resolved = asdict(load_config(path, words, preset=on_command_line))
    for key, value in FREE.items():
        expected = value_of(asdict(Config()), key)
        if in_file:
            expected = value_of(PRESETS[in_file], key)
        if key in own:
            expected = value
        if on_command_line:
            expected = value_of(PRESETS[on_command_line], key)
        if key in overridden:
            expected = value * 2
        assert value_of(resolved, key) == expected, key


@pytest.mark.parametrize(
    ("training", "words", "on_command_line", "expected"),
    [
        ({"batch_size": 8}, [], None, (8, None)),
        ({"batch_size": None}, [], None, (None, 1024)),
        ({"batch_tokens": 512}, [], None, (None, 512)),
        ({"batch_tokens": None}, [], None, (None, None)),
        ({}, ["--training.batch_size", "8"], None, (8, None)),
        ({}, ["--training.batch_size=null"], None, (None, 1024)),
        ({}, ["--training.batch_tokens", "512"], None, (None, 512)),
        ({"batch_size": 8}, [], "fast", (None, 1024)),
        ({"batch_size": 8}, [], "accurate", (None, None)),
        ({"batch_size": 8}, ["--training.batch_size", "4"], "fast", (4, None)),
    ],
)
def test_of_the_two_sizes_of_a_batch_the_one_that_stands_higher_is_meant(
    training: dict[str, Any],
    words: list[str],
    on_command_line: str | None,
    expected: tuple[int | None, int | None],
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.yaml", {"training": training}, preset="fast")
    resolved = load_config(path, words, preset=on_command_line).training
    assert (resolved.batch_size, resolved.batch_tokens) == expected


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_saved_holds_settings_and_no_preset(preset: str, tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "a.yaml", {}), preset=preset)
    saved = tmp_path / "saved.yaml"
    saved.write_text(dump_config(config), encoding="utf-8")
    assert set(yaml.safe_load(saved.read_text(encoding="utf-8"))) == {"data", "features", "model", "training"}
    assert load_config(saved) == config


def test_sections_that_are_one_in_yaml_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("preset: fast\ndata: {train: train.conll}\nfeatures: &empty {}\nmodel: *empty\n", encoding="utf-8")
    assert load_config(path).model.hidden_dim == 128


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("fats", "expected one of fast, accurate, got 'fats' (did you mean fast?)"),
        ("Accurate", "expected one of fast, accurate, got 'Accurate' (did you mean accurate?)"),
        ("slow and steady", "expected one of fast, accurate, got 'slow and steady'"),
        (3, "expected one of fast, accurate, got 3"),
        ({"fast": True}, "expected one of fast, accurate, got {'fast': True}"),
        ([], "expected one of fast, accurate, got []"),
    ],
)
def test_what_is_no_preset_is_refused(preset: object, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", {}, preset=preset)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}: preset: {message}"
    path = write(tmp_path / "a.yaml", {})
    if isinstance(preset, str):
        with pytest.raises(ConfigError) as caught:
            load_config(path, preset=preset)
        assert str(caught.value) == f"command line: --preset: {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("preset:", "preset: expected one of fast, accurate, got null"),
        ("presett: fast", "presett: no such key (did you mean preset?)"),
        ("model: {preset: fast}", "model.preset: no such key"),
        ("preset: fast\npreset: fast", "preset: stands here twice"),
    ],
)
def test_the_key_is_checked_like_any_other(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"data: {{train: train.conll}}\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert message in str(caught.value)


def test_a_conflict_that_a_preset_brings_names_both(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", {"model": {"proj_size": 200}})
    load_config(path)
    with pytest.raises(ConfigError) as caught:
        tagger.load_config(path, preset="fast")
    assert str(caught.value).startswith(
        f"{path} with the command line: model.proj_size: must be smaller than hidden_dim"
    )

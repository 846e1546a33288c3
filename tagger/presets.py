"""Presets: settings that go together, by name; `preset: NAME` in a config file, or `--preset NAME` on the command line.

A preset is a shorthand: what is saved with a run or a model are its settings, and no name. What a run is made of, each
over the one before: the defaults, the file's preset, the file's own keys, `--preset`, `--section.key`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tagger.config import Config
from tagger.errors import ConfigError

_FAST = {
    "model": {"hidden_dim": 128},
    "training": {
        "num_epochs": 10,
        "batch_size": None,
        "batch_tokens": 1024,
        "learning_rate": 4e-3,
        "language_model": 0.0,
    },
}


def preset_settings(name: object, *, where: str, has_batch_size: bool) -> dict[str, Any]:
    """A preset's settings, nested as in a config file.

    Args:
        name: what was given as a preset's name.
        where: what to name in messages: where it was given.
        has_batch_size: whether something above the preset sets training.batch_size, which excludes batch_tokens.

    Raises:
        ConfigError: there is no such preset.
    """
    if not isinstance(name, str) or name not in PRESETS:
        near = difflib.get_close_matches(str(name), list(PRESETS), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(
            f"{where}: expected one of {', '.join(PRESETS)}, got {'null' if name is None else repr(name)}{hint}"
        )
    return overlay(PRESETS[name], {"training": {"batch_tokens": None}} if has_batch_size else {})


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with others put over them, key by key; both stay as they are."""
    settings = dict(below)
    for key, value in above.items():
        inner = settings.get(key)
        settings[key] = overlay(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return settings


def _defaults_of(settings: Mapping[str, Any], section: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _defaults_of(value, section[key]) if isinstance(value, Mapping) else section[key]
        for key, value in settings.items()
    }


_ACCURATE = overlay(_defaults_of(_FAST, asdict(Config())), {"training": {"language_model": 0.1}})

PRESETS: dict[str, dict[str, Any]] = {"fast": _FAST, "accurate": _ACCURATE}
"""All set the same keys, so that each replaces any other: what `accurate` does not change is as by default."""

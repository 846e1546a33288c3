"""Model folders changed behind their manifest's back, or with a manifest that agrees."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from tagger.manifests import _sign

WEIGHTS, CONFIG, VOCABULARY, MANIFEST = "model.safetensors", "config.yaml", "vocabulary.json", "manifest.json"
LISTED = (WEIGHTS, CONFIG, VOCABULARY)
CHECKED = (*LISTED, MANIFEST)


def change_manifest(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the manifest and signs it anew."""
    manifest = json.loads((model / MANIFEST).read_text())
    del manifest["sha256"]
    change(manifest)
    (model / MANIFEST).write_bytes(_sign(manifest))


def rewrite(model: Path, name: str, content: bytes) -> None:
    """Replaces a file and makes the manifest agree with it."""
    (model / name).write_bytes(content)
    entry = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change_manifest(model, lambda manifest: manifest["files"].update({name: entry}))


def rewrite_weights(model: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_tensors((model / WEIGHTS).read_bytes())
    change(weights)
    rewrite(model, WEIGHTS, save_tensors(weights))


def rewrite_header(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the header of the weights' file and leaves its numbers."""
    content = (model / WEIGHTS).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    change(header)
    spelled = json.dumps(header).encode()
    rewrite(model, WEIGHTS, len(spelled).to_bytes(8, "little") + spelled + content[8 + size :])


def rewrite_vocabulary(model: Path, changes: dict[str, object]) -> None:
    vocabulary = json.loads((model / VOCABULARY).read_text())
    rewrite(model, VOCABULARY, json.dumps({**vocabulary, **changes}).encode())


def rewrite_config(model: Path, old: str, new: str) -> None:
    text = (model / CONFIG).read_text(encoding="utf-8")
    assert old in text
    rewrite(model, CONFIG, text.replace(old, new).encode())

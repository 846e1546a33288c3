"""Models on the Hugging Face Hub: an id instead of a folder.

What comes is checked like any other folder (see `model_folder`): files that no manifest lists are not even fetched.
"""

import re
from pathlib import Path

from tagger.data.hub_client import hub_errors, listed, resolve
from tagger.errors import ModelError

_ID = re.compile(r"(?P<name>[\w][\w.-]*/[\w][\w.-]*)(@(?P<revision>.+))?", re.ASCII)
_FILES = ("manifest.json", "config.yaml", "vocabulary.json", "model.safetensors")
_FOLDERS = ("", "model/")  # a model folder was uploaded, or a run folder


def locate_model(name: str | Path) -> Path:
    """The folder of a model: a folder that is here, or else where the Hub's model of this id was downloaded to.

    Args:
        name: a path, `owner/name`, or `owner/name@REVISION` with a branch, tag or commit. With `HF_HUB_OFFLINE=1`, the
            cache must hold the model.

    Returns:
        A model folder or run folder, not checked yet; the path itself where it cannot be an id.

    Raises:
        MissingInputError: no such folder, and no such model or revision, no right to read it, or no answer.
        ModelError: a repository that holds no model of tagger.
        OutputError: the cache cannot be written.
    """
    path = Path(name)
    match = _ID.fullmatch(path.as_posix())
    return path if match is None or _is_here(path) else _fetch(match["name"], match["revision"])


def _is_here(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:  # it is there, and cannot be looked at: whoever reads it says so
        return True


def _fetch(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    found = resolve(name, revision, kind="model")
    if not any(f"{folder}{_FILES[0]}" in found.files for folder in _FOLDERS):
        raise ModelError(f"{name}: holds no model of tagger: no {_FILES[0]}; there are: {listed(found.files)}")
    wanted = [f"{folder}{file}" for folder in _FOLDERS for file in _FILES]
    with hub_errors(name, kind="model"):
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))

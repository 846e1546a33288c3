"""Folders of files with a manifest that tells whether any bit of them has changed: models and checkpoints.

`manifest.json` names the format and its version, and for each file its size in bytes and its SHA-256. Its last key is
the SHA-256 of all that stands before, and it is read only as it was written: no change to it goes unseen either.
Against damage, not against malice: whoever forges a file can forge its hash. So nothing that is read here is executed,
and what the files hold is for the caller to check.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tagger.data.strict_json import parse_json
from tagger.errors import ModelError

MANIFEST = "manifest.json"
MIB = 2**20
_MAX_MANIFEST = 4 * MIB
_MAX_MESSAGE = 300  # characters of what a foreign file may add to a message


def make_manifest(contents: Mapping[str, bytes], *, kind: str, version: int, facts: Mapping[str, Any]) -> bytes:
    """The manifest of some files.

    Args:
        contents: each file's name and content.
        kind: what the folder holds, such as "model".
        version: the version of its format, from 1.
        facts: what else to keep, as JSON.
    """
    files = {name: {"size": len(content), "sha256": _digest(content)} for name, content in contents.items()}
    return _sign({"kind": kind, "format": version, "files": files, **facts})


def read_manifest(folder: Path, *, kind: str, version: int, names: Collection[str]) -> dict[str, Any]:
    """Reads the manifest of a folder.

    Args:
        folder: the folder.
        kind: what it must hold.
        version: the format's version that is read.
        names: the files it must name, no more and no fewer.

    Returns:
        What `make_manifest` was given, beside `kind`, `format` and `files`.

    Raises:
        ModelError: it is missing, damaged, foreign, or of another format; the message names it.
    """
    path = folder / MANIFEST
    content = read_limited(path, limit=_MAX_MANIFEST)
    manifest = parse_object(content, path=path)
    found = manifest.get("format")
    if type(found) is not int or manifest.get("kind", kind) != kind:
        raise ModelError(f"{path}: not the manifest of a {kind}")
    if found != version:
        hint = "it is newer: upgrade tagger" if found > version else "it is older: train the model anew"
        raise ModelError(f"{path}: format {shorten(found)}, this tagger reads format {version}: {hint}")
    unsigned = {key: value for key, value in manifest.items() if key != "sha256"}
    if not _is_signed(content, unsigned):
        raise ModelError(f"{path}: damaged: its SHA-256 is not the one it names")
    files = manifest.get("files")
    if not isinstance(files, dict) or set(files) != set(names):
        raise ModelError(f"{path}: files: expected those of {', '.join(names)}")
    for name, entry in files.items():
        if not isinstance(entry, dict) or set(entry) != {"size", "sha256"} or type(entry["size"]) is not int:
            raise ModelError(f"{path}: files: {name}: expected its size and its sha256")
    return unsigned


def read_listed(folder: Path, name: str, *, manifest: Mapping[str, Any], limit: int | None = None) -> bytes:
    """Reads a file that a manifest names, and no more of it than its size there.

    Args:
        folder: the manifest's folder.
        name: the file.
        manifest: as `read_manifest` returns it.
        limit: bytes it may have at most; None: any number.

    Raises:
        ModelError: it is missing, damaged or too large; the message names it.
    """
    path, entry = folder / name, manifest["files"][name]
    if limit is not None and entry["size"] > limit:
        raise ModelError(f"{path}: too large: {shorten(entry['size'])} bytes, at most {limit} are read")
    content = read_limited(path, limit=entry["size"])
    if len(content) < entry["size"]:
        raise ModelError(f"{path}: damaged: {len(content)} bytes, but {entry['size']} in {MANIFEST}")
    if _digest(content) != entry["sha256"]:
        raise ModelError(f"{path}: damaged: its SHA-256 is not the one in {MANIFEST}")
    return content


def read_limited(path: Path, *, limit: int) -> bytes:
    """A file's content; a ModelError if it is none, cannot be read, or has more than `limit` bytes."""
    try:
        # a pipe that nobody writes to would be waited for, for ever
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ModelError(f"{path}: not a file")
            if status.st_size > limit:
                raise ModelError(f"{path}: damaged or foreign: {status.st_size} bytes, expected {limit} at most")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse_object(content: bytes, *, path: Path) -> dict[str, Any]:
    """Parses a JSON object; a ModelError that names `path` if the content is none."""
    try:
        value = parse_json(content.decode("utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not JSON: {shorten(error)}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return value


def to_json(value: Mapping[str, Any]) -> bytes:
    """A JSON object as its files hold it: one entry a line, in ASCII, since words may hold lone surrogates."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode("ascii")


def shorten(value: object) -> str:
    """What a foreign file brought along, such that it can stand in a message: one line of printable characters."""
    text = ""
    with suppress(ValueError):  # a whole number of too many digits to be spelled
        text = str(value)
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:_MAX_MESSAGE])
    return shown + "..." if len(text) > _MAX_MESSAGE or not text else shown


def _sign(manifest: Mapping[str, Any]) -> bytes:
    return to_json({**manifest, "sha256": _digest(to_json(manifest))})


def _is_signed(content: bytes, manifest: Mapping[str, Any]) -> bool:
    with suppress(ValueError, RecursionError):  # a number too large for JSON, or nested too deeply
        return _sign(manifest) == content
    return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

"""Verified downloads for the scripts beside this file; the standard library alone.

GitHub's API lists the files of a repository at a ref with each file's size and git blob sha1, which is the sha1 of
`blob SIZE\\0` and the content. Every download is held against that listing, written aside, and renamed into place, so
a file that is there is whole.
"""

import hashlib
import http.client
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

TIMEOUT = 60  # seconds without a byte
CHUNK = 1 << 20
MISSING, BAD_DATA, CANNOT_WRITE = 66, 65, 74


class FetchError(Exception):
    """A download that failed, in one line; `exit_code` is what the script ends with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as the API lists it.

    Attributes:
        name: its name in the repository.
        size: bytes.
        blob: its git blob sha1, in hex.
        url: where its content is.
    """

    name: str
    size: int
    blob: str
    url: str


def list_files(api_url: str, *, base_url: str, ref: str) -> dict[str, RemoteFile]:
    """Asks the API which files lie at the root of a repository.

    Args:
        api_url: the repository's address in the API.
        base_url: the repository's address on the server of raw files.
        ref: branch, tag or commit.

    Returns:
        The files by name.

    Raises:
        FetchError: the repository or ref is not there, or the answer is not a listing.
    """
    url = f"{api_url}/contents?ref={quote(ref, safe='')}"
    try:
        entries = json.loads(_get(url))
        files = [entry for entry in entries if entry["type"] == "file"]
        return {
            entry["name"]: RemoteFile(
                name=entry["name"],
                size=int(entry["size"]),
                blob=entry["sha"],
                url=f"{base_url}/{quote(ref)}/{quote(entry['name'])}",
            )
            for entry in files
        }
    except (ValueError, KeyError, TypeError) as error:
        raise FetchError(f"{url}: not a listing of files ({error!r})", BAD_DATA) from error


def download(remote: RemoteFile) -> bytes:
    """Downloads a file and checks it against the listing.

    Raises:
        FetchError: the file is not there, or its content is not what the API listed.
    """
    content = _get(remote.url)
    if git_blob(content) != remote.blob:
        found = f"git blob {git_blob(content)} of {len(content)} bytes"
        raise FetchError(f"{remote.url}: expected git blob {remote.blob} of {remote.size} bytes, got {found}", BAD_DATA)
    return content


def holds(content: bytes, remotes: Sequence[RemoteFile]) -> bool:
    """Whether content is that of these remote files, one after the other."""
    start = 0
    for remote in remotes:
        if git_blob(content[start : start + remote.size]) != remote.blob:
            return False
        start += remote.size
    return start == len(content)


def git_blob(content: bytes) -> str:
    """The sha1 under which git files this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sha256(content: bytes) -> str:
    """The sha256 of content, in hex."""
    return hashlib.sha256(content).hexdigest()


def parse_pins(pins: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Reads `--sha256 NAME=HEX` options; raises FetchError with code 2 on any other form."""
    found = {}
    for pin in pins:
        name, _, digest = pin.partition("=")
        if name not in names or len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
            raise FetchError(f"--sha256 {pin}: expected NAME=64 hex digits, NAME one of {', '.join(names)}", 2)
        found[name] = digest.lower()
    return found


def check_pin(path: Path, content: bytes, pin: str | None) -> None:
    """Holds content against a pinned sha256, if there is one; raises FetchError where it differs."""
    if pin is not None and sha256(content) != pin:
        raise FetchError(f"{path}: expected sha256 {pin}, got {sha256(content)}", BAD_DATA)


def read_existing(path: Path) -> bytes | None:
    """The content of a file, or None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FetchError(f"{path}: cannot be read: {error.strerror}", CANNOT_WRITE) from error


def write(path: Path, content: bytes) -> None:
    """Writes a file aside and renames it into place.

    Raises:
        FetchError: it cannot be written; nothing of it is left behind then.
    """
    aside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            aside = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)  # the temporary file is for its owner alone
        aside.replace(path)
    except OSError as error:
        raise FetchError(f"{path}: cannot be written: {error.strerror}", CANNOT_WRITE) from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)


def count(content: bytes) -> tuple[int, int]:
    """Sentences and words of CoNLL columns or CoNLL-U: ranges (`3-4`) and empty nodes (`8.1`) are not words."""
    sentences = words = 0
    inside = False
    for line in content.split(b"\n"):
        first = line.split(b"\t", 1)[0]
        if not line.strip(b" \t\r"):
            inside = False
        elif not (line.startswith(b"# ") or (line.startswith(b"#") and b"\t" not in line)):
            sentences += not inside
            inside = True
            words += not (b"-" in first or b"." in first) if first[:1].isdigit() and line.count(b"\t") > 8 else 1
    return sentences, words


def describe(path: Path, content: bytes, note: str) -> str:
    """One line about a file: path, bytes, sentences, words, sha256, and what was done."""
    sentences, words = count(content)
    return f"{path}: {len(content)} bytes, {sentences} sentences, {words} words, sha256 {sha256(content)} ({note})"


def _get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "tagger-data-scripts"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            chunks = list(iter(lambda: answer.read(CHUNK), b""))
            return b"".join(chunks)
    except urllib.error.HTTPError as error:
        hint = " (GitHub's limit for callers without a login; try again in an hour)" if error.code in (403, 429) else ""
        raise FetchError(f"{url}: {error.code} {error.reason}{hint}", MISSING) from error
    except urllib.error.URLError as error:
        raise FetchError(f"{url}: {error.reason}", MISSING) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise FetchError(f"{url}: {error}", MISSING) from error

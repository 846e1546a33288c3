"""Published word vectors by name (`glove.6B.100d`): downloaded once over verified TLS, kept in a cache folder.

torchtext knows the addresses. Its own download is not used: it switches off TLS verification for the whole process,
and keeps a file that was cut short.
"""

import http.client
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tagger.errors import ConfigError, DataError, MissingInputError, OutputError
from tagger.files import replacing

_TIMEOUT = 30.0  # seconds without an answer
_BLOCK = 1 << 20  # bytes between two reports of progress
_DIM = re.compile(r"\.(\d+)d$")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """How far a download is.

    Attributes:
        name: what is downloaded.
        received: bytes so far.
        total: bytes in all; None if the server does not say.
    """

    name: str
    received: int
    total: int | None


def cache_folder() -> Path:
    """Where downloads and what was worked out from vectors are kept: `$XDG_CACHE_HOME/tagger`, or `~/.cache/tagger`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tagger"


def published_vectors(name: str) -> dict[str, tuple[str, str | None]]:
    """What torchtext knows of published word vectors: name -> address, and the file in the archive that is there.

    Args:
        name: the name that is looked for: fastText has one file for each of hundreds of languages, so
            `fasttext.LANGUAGE.300d` is taken as given.
    """
    from torchtext.vocab import FastText, GloVe, pretrained_aliases

    known: dict[str, tuple[str, str | None]] = {}
    for alias, made in pretrained_aliases.items():
        if made.func is GloVe:
            known[alias] = GloVe.url[made.keywords["name"]], f"{alias}.txt"
        elif made.func is FastText:
            known[alias] = FastText.url_base.format(made.keywords["language"]), None
    if match := re.fullmatch(r"fasttext\.([a-z_]+)\.300d", name):
        known[name] = FastText.url_base.format(match[1]), None
    return known


def fetch_vectors(name: str, dim: int, *, tell: Callable[[Download], object]) -> Path:
    """The text file of published vectors, downloaded unless the cache has it.

    Args:
        name: such as `glove.6B.100d`.
        dim: `features.words.dim`.
        tell: called as the download goes on.

    Raises:
        ConfigError: no published vectors have this name, or not this width.
        MissingInputError: the server does not answer, is not who it should be, or stops before the end.
        DataError: what came is no archive, or a damaged one.
        OutputError: the cache cannot be written.
    """
    known = published_vectors(name)
    if name not in known:
        raise ConfigError(f"features.words.vectors: no published vectors {name!r}; there are: {', '.join(known)}")
    width = _DIM.search(name)
    if width is not None and int(width[1]) != dim:
        raise ConfigError(f"features.words.dim: {name} has vectors of {width[1]} numbers, got {dim}")
    address, member = known[name]
    folder = cache_folder() / "published"
    path = folder / (member or address.rpartition("/")[2])
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / address.rpartition("/")[2]
        if not archive.is_file():
            _download(_secured(address), archive, name=name, tell=tell)
        if member is not None:
            _extract(archive, member, path)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return path


def _secured(address: str) -> str:
    """The address over TLS; to this machine itself there is nothing to secure."""
    parts = urlsplit(address)
    return address if parts.hostname in _LOOPBACK else parts._replace(scheme="https").geturl()


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows a redirect, but never from TLS to plain HTTP."""

    def redirect_request(  # the parent's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it redirects to {newurl}, which is not secured by TLS")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(address: str, path: Path, *, name: str, tell: Callable[[Download], object]) -> None:
    handlers = (urllib.request.HTTPSHandler(context=ssl.create_default_context()), _NoDowngrade())
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(address, headers={"User-Agent": "tagger"})
    where = f"{name}: {address}"
    with _network_errors(where):
        answer = opener.open(request, timeout=_TIMEOUT)
    with answer, replacing(path) as file:
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isascii() and length.isdigit() else None
        received = 0
        tell(Download(name=name, received=received, total=total))
        for block in _read_blocks(answer, where):
            received += len(block)
            file.write(block)
            tell(Download(name=name, received=received, total=total))
        if total is not None and received != total:
            raise MissingInputError(f"{where}: the download ended after {received:,} of {total:,} bytes; try again")


def _read_blocks(answer: IO[bytes], where: str) -> Iterator[bytes]:
    while True:
        with _network_errors(where):
            block = answer.read(_BLOCK)
        if not block:
            return
        yield block


@contextmanager
def _network_errors(where: str) -> Iterator[None]:
    """Turns what a server, or the way to it, gets wrong into one line."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise MissingInputError(f"{where}: cannot be downloaded: HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise MissingInputError(f"{where}: cannot be downloaded: {reason}") from error


def _extract(archive: Path, member: str, path: Path) -> None:
    """Unpacks one file; an archive that is none is removed, so that the next attempt downloads it anew."""
    try:
        with zipfile.ZipFile(archive) as files, files.open(member) as packed, replacing(path) as file:
            shutil.copyfileobj(packed, file, _BLOCK)
    except KeyError:
        raise DataError(f"{archive}: holds no {member}; remove it to download it anew") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink(missing_ok=True)
        raise DataError(f"{archive}: damaged or no zip archive: {error}; removed, try again") from error

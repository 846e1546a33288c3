"""An output file that a broken-off `tagger predict` goes on with: what is written grows in FILE.partial.

FILE.partial.json beside it says how far it is: how many texts are answered, how many bytes that makes and their
SHA-256, and what the answers depend on. It is written only when those bytes are on the disk, so that whatever stands
in FILE.partial beyond them, torn or whole, can be cut off. When all is answered, FILE.partial becomes FILE.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tagger.data.strict_json import parse_json
from tagger.errors import ConfigError
from tagger.files import remove_leftovers, sync_folder, write_synced
from tagger.training.lock import NO_LOCKS
from tagger.training.output import writing

_KIND, _FORMAT = "tagger predict", 1
_PIECE = 2**20  # bytes read at once
_MAX_RECORD = 2**16  # bytes
_EMPTY = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How far an output is.

    Attributes:
        work: what the answers depend on, and how it is called in messages -> its value.
        texts: how many texts are answered.
        tokens: how many tokens they hold.
        input: SHA-256 of the texts, in hexadecimal.
        bytes: how many bytes their answers take.
        sha256: of those bytes, in hexadecimal.
    """

    work: Mapping[str, str]
    texts: int = 0
    tokens: int = 0
    input: str = _EMPTY
    bytes: int = 0
    sha256: str = _EMPTY


class PartialOutput:
    """An output under way.

    Args:
        path: FILE.partial.
        stream: the same, open.
        record: how far it is.

    Attributes:
        path: as given.
        record: how far it is on the disk.
    """

    def __init__(self, path: Path, stream: BinaryIO, *, record: Record) -> None:
        self.path, self._stream, self.record = path, stream, record
        self._digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        """Writes the next answer."""
        self._stream.write(content)
        self._digest.update(content)

    def keep(self, *, texts: int, tokens: int, read: str) -> None:
        """Makes sure that what is written so far will not be lost.

        Args:
            texts: how many texts it answers.
            tokens: how many tokens they hold.
            read: SHA-256 of the texts.
        """
        self._sync()
        self.record = replace(
            self.record,
            texts=texts,
            tokens=tokens,
            input=read,
            bytes=self._stream.tell(),
            sha256=self._digest.hexdigest(),
        )
        self.save()

    def save(self) -> None:
        """Writes the record."""
        values = {name: getattr(self.record, name) for name in Record.__slots__}
        content = json.dumps({"kind": _KIND, "format": _FORMAT, **values}, indent=1) + "\n"
        write_synced(_record_path(self.path), content.encode())

    def go_on(self) -> None:
        """Moves to the end of what is kept, and cuts off what stands beyond.

        Raises:
            ConfigError: it is not what was kept.
        """
        left = self.record.bytes
        self._stream.seek(0)
        while piece := self._stream.read(min(left, _PIECE)):
            self._digest.update(piece)
            left -= len(piece)
        if left or self._digest.hexdigest() != self.record.sha256:
            raise ConfigError(
                f"--resume: {self.path}: damaged: it does not begin with the {self.record.bytes:,} bytes that "
                f"{_record_path(self.path).name} names; {_begin_anew(self.path)}"
            )
        self._stream.seek(self.record.bytes)
        self._stream.truncate()

    def finish(self, target: Path) -> None:
        """Puts the output in its place."""
        self._sync()
        self.path.replace(target)
        sync_folder(target.parent)
        _record_path(self.path).unlink(missing_ok=True)

    def leave(self, error: BaseException) -> None:
        """Leaves it to be gone on with after an error, which then says how; nothing where nothing is answered."""
        if not self.record.texts:
            self.path.unlink(missing_ok=True)
            _record_path(self.path).unlink(missing_ok=True)
            return
        with suppress(OSError):
            os.truncate(self.path, self.record.bytes)
            self.save()  # it may have been this that failed
        if isinstance(error, ConfigError):  # to go on as it is would fail again
            return
        error.add_note(
            f"{self.record.texts:,} texts are answered and kept in {self.path}: the same command with --resume goes on"
        )

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())


@contextmanager
def open_partial(path: Path, work: Mapping[str, str], *, resume: bool) -> Iterator[PartialOutput]:
    """An output file that appears under its name when it is complete, and is kept if the block fails.

    Args:
        path: the file; an older one stays until then. A link stays one.
        work: what the answers depend on (see `Record`).
        resume: whether to go on with what an earlier run has left; where it has left nothing, the output begins.

    Raises:
        ConfigError: an earlier run has left something and is not to be gone on with, or was another or cannot be;
            another process writes there.
        OutputError: it cannot be written.
    """
    with writing(str(path)):
        target = path.resolve()
        partial = target.with_name(f"{target.name}.partial")
        lock = _open_locked(partial)
    output = None
    try:
        with writing(str(path)), os.fdopen(os.dup(lock), "r+b") as stream:
            found = PartialOutput(partial, stream, record=_find_record(partial, work, resume=resume))
            found.go_on()
            remove_leftovers(_record_path(partial))
            output = found
            output.save()
            yield output
            output.finish(target)
    except BaseException as error:
        if output is not None:
            output.leave(error)
        raise
    finally:
        os.close(lock)


def _record_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _begin_anew(partial: Path) -> str:
    return f"to begin anew, remove {partial}"


def _open_locked(path: Path) -> int:
    """Opens the file for reading and writing, made if it is not there; only one process at a time may."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock

        flock(descriptor, LOCK_EX | LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):  # held, or put in its place just now
        os.close(descriptor)
        raise ConfigError(f"--output: another tagger writes {path} now; wait for it, or choose another file") from None
    except ImportError:  # Windows: nobody is kept out
        pass
    except OSError as error:
        if error.errno not in NO_LOCKS:
            os.close(descriptor)
            raise
    return descriptor


def _find_record(partial: Path, work: Mapping[str, str], *, resume: bool) -> Record:
    """What to go on from; a record of nothing where nothing is there."""
    if not partial.stat().st_size:
        return Record(work=work)
    place = _record_path(partial)
    found = _read_record(place)
    if found is None:
        raise ConfigError(
            f"--output: {partial} is in the way, and {place.name}, which would say how to go on with it, is missing or "
            f"damaged; {_begin_anew(partial)}"
        )
    if not found.texts:
        return Record(work=work)
    if not resume:
        raise ConfigError(
            f"--output: an earlier run broke off and left {found.texts:,} texts answered in {partial}; go on with it "
            f"by --resume; {_begin_anew(partial)}"
        )
    for name in {**work, **found.work}:
        was, now = found.work.get(name, "none"), work.get(name, "none")
        if was != now:
            raise ConfigError(
                f"--resume: {name}: was {was}, is {now}: the answers in {partial} would not go together; give what it "
                f"was; {_begin_anew(partial)}"
            )
    return found


def _read_record(path: Path) -> Record | None:
    """The record in a file; None where there is none, or none that can be relied upon."""
    try:
        with path.open("rb") as file:
            value = parse_json(file.read(_MAX_RECORD).decode())
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict) or value.pop("kind", None) != _KIND or value.pop("format", None) != _FORMAT:
        return None
    counts, names = ("texts", "tokens", "bytes"), ("input", "sha256")
    if set(value) != {*counts, *names, "work"} or not isinstance(value["work"], dict):
        return None
    are_counts = all(type(value[name]) is int and value[name] >= 0 for name in counts)
    are_texts = all(isinstance(each, str) for each in (*value["work"].values(), *(value[name] for name in names)))
    return Record(**value) if are_counts and are_texts else None

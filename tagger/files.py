"""Files and folders that a kill, a full disk or a loss of power cannot leave half written.

Whatever is saved is written aside, waited for until it is on the disk (fsync), and put in its place by one rename:
a reader finds the older state or the newer one, whole.

A name is put in the place of a file by `rename`, but no folder that holds files can be replaced that way. Two folders
are swapped in one step instead, where the system knows how: `renameat2(RENAME_EXCHANGE)` of Linux and `renamex_np` of
macOS. Elsewhere two renames are needed, and a kill between them leaves the older folder under the name `.NAME.old`:
readers ask `find_folder`, which finds it there.
"""

import ctypes
import errno
import glob
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_EXCHANGE = 2  # both RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS
_HERE = -100  # AT_FDCWD: paths are relative to the working folder
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # of a kernel or a file system that cannot swap


def write_synced(path: Path, content: bytes) -> None:
    """Writes a file as `replacing` does."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to be written aside, which takes an older one's place when it is complete and on the disk.

    The older file stays as it was if the block fails.

    Raises:
        OSError: it cannot be written.
    """
    aside = _aside(path)
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder to be filled with files, which takes an older one's place when all of it is on the disk.

    The older folder stays as it was if the block fails, and is removed when it has been replaced. One process at a time
    may replace a folder; what a killed one has left is removed by `remove_leftovers`.

    Args:
        folder: the place; parents are made. The older folder there is not looked at: the caller knows that it may go.

    Yields:
        The folder to fill, which lies beside the place.

    Raises:
        OSError: it cannot be written.
    """
    aside = _aside(folder)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        for path in aside.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(aside)
        _put_in_place(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_folder(folder: Path) -> Path:
    """The folder itself; where it is gone, the one that a kill in the midst of its replacement has left, if any."""
    older = _older(folder)
    return older if not folder.exists() and older.exists() else folder


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes have left beside a folder or file; nobody else may be replacing it now."""
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*.new"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(_older(folder), ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Waits until the folder's list of names is on the disk, where the system lets folders be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _older(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _put_in_place(aside: Path, folder: Path) -> None:
    older = _older(folder)
    if not folder.exists():
        aside.rename(folder)
    elif not _swap(aside, folder):
        shutil.rmtree(older, ignore_errors=True)  # what is there has been replaced long ago: the folder itself stands
        folder.rename(older)
        try:
            aside.rename(folder)
        except BaseException:
            older.rename(folder)
            raise
    sync_folder(folder.parent)
    shutil.rmtree(older, ignore_errors=True)


def _swap(one: Path, other: Path) -> bool:
    """Swaps two folders in one step; False where the system or the file system cannot."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(os.fsencode(one), os.fsencode(other), _EXCHANGE)
        else:
            failed = library.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    except (AttributeError, OSError, TypeError):  # no such function, no such library, Windows
        return False
    if failed and ctypes.get_errno() not in _CANNOT:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
    return not failed

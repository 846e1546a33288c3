"""One trainer a run folder: a lock that the system takes back when its holder ends, however it ends."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagger.errors import ConfigError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # of a file system without them


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds FOLDER/.lock; a process that was killed holds nothing any more.

    Where the system or its file system knows no locks (Windows, some network file systems), nobody is kept out.

    Raises:
        ConfigError: another process, or another run of this one, is training there.
        OSError: the file cannot be made.
    """
    path = folder / ".lock"
    descriptor = _acquire(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # before it is released: whoever opens it now finds that it is gone, and tries again
        os.close(descriptor)


def _acquire(path: Path) -> int:
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            process = f" (process {holder})" if holder else ""
            raise ConfigError(
                f"--out: {path.parent}: another tagger{process} trains there; wait for it, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(descriptor)
                raise
        if _is_at(descriptor, path):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
            return descriptor
        os.close(descriptor)  # its holder has just removed it


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False

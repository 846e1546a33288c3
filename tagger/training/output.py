"""What cannot be written, said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagger.errors import OutputError


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Turns an OSError into an OutputError that names the file, or `target` where the error knows none.

    A BrokenPipeError stays what it is: whoever read the output has gone.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{error.filename or target}: cannot be written: {error.strerror or error}") from error

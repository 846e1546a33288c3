"""What cannot be written, said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagger.errors import OutputError


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Turns an OSError into an OutputError that names the output.

    A BrokenPipeError stays what it is: whoever read the output has gone.

    Args:
        target: what to name; of a folder (a Path), the file within it if the error knows it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        name = target if isinstance(target, str) else error.filename or target
        raise OutputError(f"{name}: cannot be written: {error.strerror or error}") from error

"""writing(): one line that names what could not be written."""

import errno
from pathlib import Path

import pytest

from tagger.errors import OutputError
from tagger.training.output import writing


def test_the_errors_own_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"nowhere/x: cannot be written: No such file or directory$"),
        writing(Path("else")),
    ):
        (tmp_path / "nowhere" / "x").write_text("")


def fail_to_write(target: Path | str) -> None:
    with writing(target):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("target", ["standard output", Path("standard output")])
def test_otherwise_the_target(target: Path | str) -> None:
    with pytest.raises(OutputError, match=r"^standard output: cannot be written: No space left on device$"):
        fail_to_write(target)


def test_a_reader_that_has_gone_is_no_failure_of_the_output() -> None:
    with pytest.raises(BrokenPipeError), writing("standard output"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

"""The lock: one holder at a time, nothing left, and a killed holder holds nothing."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tagger.errors import ConfigError
from tagger.training.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from tagger.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_second_holder_is_refused_in_one_line(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert names(tmp_path) == [".lock"]
        message = rf"^--out: {tmp_path}: another tagger \(process {os.getpid()}\) trains there; wait for it"
        with pytest.raises(ConfigError, match=message), locked(tmp_path):
            pass
        assert names(tmp_path) == [".lock"]
    assert names(tmp_path) == []
    with locked(tmp_path):
        pass


def test_an_error_releases_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=rf"\(process {process.pid}\)"), locked(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(tmp_path) == [".lock"]
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_never_two_at_once(tmp_path: Path) -> None:
    """The file is removed by each holder: whoever has opened the older one must not believe that it holds the newer."""
    holders, most, refused = 0, 0, 0

    def run() -> None:
        nonlocal holders, most, refused
        for _ in range(200):
            try:
                with locked(tmp_path):
                    holders += 1
                    most = max(most, holders)
                    holders -= 1
            except ConfigError:
                refused += 1

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert names(tmp_path) == []

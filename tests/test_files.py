"""Files and folders put in place at once: whatever fails or is killed, a reader finds the older or the newer, whole."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger import files
from tagger.files import find_folder, remove_leftovers, replacing, replacing_folder, write_synced

NAMES = ("one", "two", "three")


def fill(folder: Path, content: str) -> None:
    with replacing_folder(folder) as aside:
        for name in NAMES:
            (aside / name).write_text(content)


def contents(folder: Path) -> set[str]:
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    return {(folder / name).read_text() for name in NAMES}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["swap", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to replace a folder, wherever the tests run."""
    if request.param == "two renames":
        monkeypatch.setattr(files, "_swap", lambda *_: False)
    return str(request.param)


class TestFile:
    def test_write_synced_keeps_the_older_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_synced(tmp_path / "file", b"old")

        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            write_synced(tmp_path / "file", b"new")
        assert (tmp_path / "file").read_bytes() == b"old"
        assert names(tmp_path) == ["file"]

    @pytest.mark.parametrize("older", [None, b"old"])
    def test_replacing_appears_when_it_is_complete(self, tmp_path: Path, older: bytes | None) -> None:
        path = tmp_path / "file"
        if older is not None:
            path.write_bytes(older)
        with pytest.raises(TypeError), replacing(path) as file:
            file.writelines([b"half", "no bytes"])  # type: ignore[list-item]
        assert (path.read_bytes() if path.exists() else None) == older
        with replacing(path) as file:
            file.write(b"new")
            assert (path.read_bytes() if path.exists() else None) == older
        assert path.read_bytes() == b"new"
        assert names(tmp_path) == ["file"]


@pytest.mark.usefixtures("way")
class TestFolder:
    def test_new_and_replaced(self, tmp_path: Path) -> None:
        folder = tmp_path / "deep" / "model"
        for content in ("old", "new", "newest"):
            fill(folder, content)
            assert contents(folder) == {content}
            assert names(folder.parent) == ["model"]

    def test_a_failing_block_changes_nothing(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", "old")
        with pytest.raises(TypeError), replacing_folder(tmp_path / "model") as aside:
            (aside / "one").write_text(1)  # type: ignore[arg-type]
        assert contents(tmp_path / "model") == {"old"}
        assert names(tmp_path) == ["model"]

    @pytest.mark.parametrize("older", [True, False])
    def test_every_call_of_the_system_failed_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool
    ) -> None:
        """One at a time: the folder is the older one, or, where what failed came last, already the newer one."""
        before = {"old"} if older else None
        number, has_failed = 0, True
        while has_failed:
            folder = tmp_path / str(number) / "model"
            folder.parent.mkdir()
            if older:
                fill(folder, "old")
            with monkeypatch.context() as patch:
                has_failed = fill_failing(patch, folder, number=number)
            assert (contents(folder) if folder.exists() else None) in (before, {"new"})
            assert set(names(folder.parent)) <= {"model", ".model.old"}
            fill(folder, "newer")
            assert contents(folder) == {"newer"}
            assert names(folder.parent) == ["model"]
            number += 1
        assert number >= 7  # three files, two folders, and at least one mkdir and one rename

    def test_what_a_kill_has_left_is_found_and_removed(self, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        fill(folder, "old")
        folder.rename(tmp_path / ".model.old")  # killed between two renames
        fill(tmp_path / ".model.77.new", "half")
        write_synced(tmp_path / ".model.78.new", b"half a file")
        write_synced(tmp_path / "model.new", b"somebody else's")
        assert contents(find_folder(folder)) == {"old"}
        remove_leftovers(folder)
        assert names(tmp_path) == [".model.old", "model.new"]
        fill(folder, "new")
        assert find_folder(folder) == folder
        assert contents(folder) == {"new"}
        assert names(tmp_path) == ["model", "model.new"]

    def test_leftovers_beside_a_folder_that_stands(self, tmp_path: Path) -> None:
        fill(tmp_path / "model", "new")
        fill(tmp_path / ".model.old", "old")
        assert find_folder(tmp_path / "model") == tmp_path / "model"
        remove_leftovers(tmp_path / "model")
        assert names(tmp_path) == ["model"]

    def test_nothing_is_nothing(self, tmp_path: Path) -> None:
        assert find_folder(tmp_path / "model") == tmp_path / "model"
        remove_leftovers(tmp_path / "model")
        assert names(tmp_path) == []


def fill_failing(patch: pytest.MonkeyPatch, folder: Path, *, number: int) -> bool:
    """Fills a folder while call `number` of the system fails; returns whether there was such a call."""
    calls = 0

    def failable(call: Callable[..., object]) -> Callable[..., object]:
        def made(*given: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == number + 1:
                raise OSError(errno.EIO, "Input/output error")
            return call(*given, **named)

        return made

    for owner, name in ((os, "fsync"), (Path, "rename"), (Path, "mkdir"), (files, "_swap")):
        patch.setattr(owner, name, failable(getattr(owner, name)))
    try:
        fill(folder, "new")
    except OSError as error:
        return "Input/output error" in str(error)
    return False


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="the system swaps no folders")
def test_this_system_swaps(tmp_path: Path) -> None:
    fill(tmp_path / "one", "1")
    fill(tmp_path / "other", "2")
    if not files._swap(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this file system cannot")
    assert (contents(tmp_path / "one"), contents(tmp_path / "other")) == ({"2"}, {"1"})
    with pytest.raises(FileNotFoundError):
        files._swap(tmp_path / "one", tmp_path / "absent")


def test_a_reader_always_finds_a_whole_folder(tmp_path: Path) -> None:
    """While it is replaced again and again; a reader that opens the folder itself sees one state of it."""
    folder = tmp_path / "model"
    fill(folder, "0")
    if not files._swap(folder, shutil.copytree(folder, tmp_path / "copy")):
        pytest.skip("this file system swaps no folders")
    missing: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            if not (folder / "one").exists():
                missing.append("one")

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(100):
        fill(folder, str(number))
    stop.set()
    thread.join()
    assert missing == []


def test_killed_while_it_replaces(tmp_path: Path) -> None:
    """The short version of a kill at any instant."""
    folder = tmp_path / "model"
    fill(folder, "old")
    script = (
        "import os, signal, sys; from pathlib import Path; from tagger import files\n"
        "stop = sys.argv[2]\n"
        "def kill(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "if stop == 'before': files._put_in_place = kill\n"
        "if stop == 'between': files._swap = lambda *_: False; Path.rename = lambda old, new, r=Path.rename: "
        "kill() if new.name == 'model' else r(old, new)\n"
        "if stop == 'after': files.shutil.rmtree = lambda *_, ignore_errors, n=[]: "
        "n.append(0) or (kill() if n[1:] else 0)\n"
        "with files.replacing_folder(Path(sys.argv[1])) as aside:\n"
        "    [(aside / name).write_text('new') for name in ('one', 'two', 'three')]\n"
    )
    for stop, expected in (("before", "old"), ("between", "old"), ("after", "new")):
        done = subprocess.run([sys.executable, "-c", script, str(folder), stop], check=False)
        assert done.returncode == -9
        assert contents(find_folder(folder)) == {expected}
        remove_leftovers(folder)
        assert contents(find_folder(folder)) == {expected}
        fill(folder, "old")
        assert names(tmp_path) == ["model"]

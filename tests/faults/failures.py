"""Every write, fsync, rename and new folder of a run fails once, one at a time: the last good checkpoint loads."""

import errno
import os
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path

from tagger.errors import OutputError
from tagger.inference.model_folder import load_model
from tagger.training.checkpoint import Checkpoints
from tests.faults.harness import at, complete, list_moments, prepare, start, wait

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)
FAILING = ("write", "fsync", "rename", "mkdir")


def fail(number: int) -> None:
    """Fails the operation under way."""
    raise OSError(number, os.strerror(number))


def check_folder(out: Path, *, num_saved: int) -> str | None:
    """What is wrong with a run folder in which at least so many checkpoints have been completed."""
    checkpoints = Checkpoints(out / "checkpoints", keep=0)
    newest, damages = checkpoints.newest()
    if damages:
        return f"damaged: {damages}"
    if num_saved and newest is None:
        return "no checkpoint is left"
    if newest is not None and newest.position.epochs[:-1]:  # a model may lag behind its checkpoint by one epoch
        load_model(out)
    return None


def try_moment(config: Path, out: Path, number: int, *, error: int, num_saved: int) -> str | None:
    """Fails one moment of a run; says what is wrong with what it left."""
    ended = wait(start(config, out, prelude=at(number, lambda: fail(error))))
    last = out.with_suffix(".log").read_text().splitlines()[-1:]
    if ended.code != OutputError.exit_code:
        return f"exit code {ended.code}: {last}"
    if not last[0].startswith("tagger: ") or os.strerror(error) not in last[0]:
        return f"not one line that says why: {last}"
    return check_folder(out, num_saved=num_saved)


def try_limit(config: Path, out: Path, limit: int) -> str | None:
    """Goes on with a run under a limit on the size of files; says what is wrong with what it left."""
    before, _ = Checkpoints(out / "checkpoints", keep=0).newest()

    def prelude() -> None:
        sink = os.open(os.devnull, os.O_WRONLY)  # the log is a file that has a size too
        os.dup2(sink, 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = wait(start(config, out, prelude=prelude))
    if ended.code != OutputError.exit_code:
        return f"limit {limit}: exit code {ended.code}"
    after, damages = Checkpoints(out / "checkpoints", keep=0).newest()
    is_kept = before is not None and after is not None and after.position == before.position
    return None if is_kept and not damages else f"limit {limit}: the last checkpoint is not what it was: {damages}"


def run(*, every: int = 1, seed: int = 1) -> dict[str, object]:
    """The harness, and then limits on the size of files.

    Args:
        every: 1 fails every moment, n each nth.
        seed: decides which.
    """
    chance = random.Random(seed)
    began = time.monotonic()
    wrong: list[str] = []
    resumed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, out = prepare(folder, training__num_epochs=2), folder / "run"
        result = complete(config, folder / "whole")
        moments = list_moments(config, folder / "observed")
        can_fail = [
            number
            for number, (kind, what) in enumerate(moments)
            if kind in FAILING and not (kind == "mkdir" and ("mkdir", what) in moments[:number])  # it is there already
        ]
        chosen = can_fail[chance.randrange(every) :: every]
        for count, number in enumerate(chosen):
            # put in place by its rename; after that its folder's fsync may still fail
            num_saved = sum("/checkpoints" in what and kind == "rename" for kind, what in moments[: max(number - 1, 0)])
            error = ERRORS[count % len(ERRORS)]
            found = try_moment(config, out, number, error=error, num_saved=num_saved)
            if found is None and count % 4 == 0:
                resumed += 1
                found = None if complete(config, out) == result else "another result when gone on with"
            if found is not None:
                wrong.append(f"{moments[number]}: {found}")
            shutil.rmtree(out, ignore_errors=True)
            out.with_suffix(".log").unlink(missing_ok=True)
        limits = _run_limits(config, folder, wrong, result=result)
    seconds = round(time.monotonic() - began)
    kinds = {kind: sum(moments[number][0] == kind for number in chosen) for kind in FAILING}
    return {"failed": kinds, "resumed": resumed, "limits": limits, "wrong": wrong, "seconds": seconds}


def _run_limits(config: Path, folder: Path, wrong: list[str], *, result: str) -> int:
    out = folder / "limited"
    saves = [number for number, (kind, _) in enumerate(list_moments(config, folder / "again")) if kind == "step"]
    wait(start(config, out, prelude=at(saves[8], lambda: os._exit(9))))  # in the midst of the second epoch
    limits = (0, 1, 1000, 10_000, 40_000)
    for limit in limits:
        found = try_limit(config, out, limit)
        if found is not None:
            wrong.append(found)
    if complete(config, out) != result:
        wrong.append("another result after the limits")
    return len(limits)

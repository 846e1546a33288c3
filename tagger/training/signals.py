"""SIGINT and SIGTERM: training is left between two steps, when its state is whole and can be saved.

Python's own way, an exception anywhere, would leave an optimizer step half made. While training is under way a signal
is only noted; it is acted upon after the step. Reading, building and evaluating can be left anywhere.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.02  # seconds until a signal that came at a bad moment is sent again


class Terminated(SystemExit):
    """The process was asked to end (SIGTERM); left alone, it ends with the exit code a shell gives to that, 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def terminate(_number: int, _frame: FrameType | None) -> None:
    """A handler of SIGTERM."""
    raise Terminated


class Signals:
    """Handles SIGINT and SIGTERM within its block; only where they are Python's or tagger's own, in the main thread.

    The first signal ends the block with KeyboardInterrupt or Terminated, at once or, within `put_off`, at the next
    `check`. After it the handlers are as they were before, so that a second one ends the process at once.
    """

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._received: int | None = None
        self._raised: BaseException | None = None
        self._is_put_off = False

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in _NUMBERS:
                handler = signal.getsignal(number)
                if handler in (signal.default_int_handler, terminate) or (
                    number == signal.SIGTERM and handler == signal.SIG_DFL
                ):
                    self._before[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        self._put_back()

    def has_raised(self, error: BaseException) -> bool:
        """Whether an exception is this object's, and so was raised where it could be; a second signal's is not."""
        return error is self._raised

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """A block in which a signal is noted for `check`."""
        yield from self._setting(True)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A block, within one of `put_off`, which a signal ends at once; also one that was noted before."""
        self.check()
        yield from self._setting(False)

    def check(self) -> None:
        """Raises KeyboardInterrupt or Terminated if there was a signal."""
        if self._received is not None:
            self._raised = KeyboardInterrupt() if self._received == signal.SIGINT else Terminated()
            raise self._raised

    def _setting(self, is_put_off: bool) -> Iterator[None]:
        before, self._is_put_off = self._is_put_off, is_put_off
        try:
            yield
        finally:
            self._is_put_off = before

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._is_put_off and _is_deaf(frame):
            again = threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        self._received = number
        self._put_back()
        if not self._is_put_off:
            self.check()

    def _put_back(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type]


def _is_deaf(frame: FrameType | None) -> bool:
    """Whether Python would print and forget an exception here: within a `__del__`, which may be called anywhere."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False

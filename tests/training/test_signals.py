"""Signals: noted while they are put off, acted upon at once elsewhere, and left to whoever handles them already."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tagger.training.signals import Signals, Terminated, terminate

ERRORS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[None]:
    before = [signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGTERM, terminate)]
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        assert signal.getsignal(number) in (signal.default_int_handler, terminate)  # as it was
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ERRORS)
class TestSignals:
    def test_at_once(self, number: int) -> None:
        with pytest.raises(ERRORS[number]) as caught, Signals() as signals:  # type: ignore[index]
            send(number)
        assert signals.has_raised(caught.value)

    def test_put_off(self, number: int) -> None:
        with Signals() as signals, signals.put_off():
            signals.check()
            send(number)
            with pytest.raises(ERRORS[number]) as caught:  # type: ignore[index]
                signals.check()
            assert signals.has_raised(caught.value)

    def test_at_once_within_put_off(self, number: int) -> None:
        with Signals() as signals, signals.put_off():
            with signals.at_once():
                pass
            with pytest.raises(ERRORS[number]), signals.at_once():  # type: ignore[index]
                send(number)

    def test_noted_before_at_once(self, number: int) -> None:
        with Signals() as signals, signals.put_off():
            send(number)
            with pytest.raises(ERRORS[number]), signals.at_once():  # type: ignore[index]
                raise AssertionError("not reached")

    def test_a_second_one_ends_at_once(self, number: int) -> None:
        with Signals() as signals, signals.put_off():
            send(number)
            with pytest.raises(ERRORS[number]) as caught:  # type: ignore[index]
                send(number)
            assert not signals.has_raised(caught.value)

    def test_comes_again_where_python_would_forget_it(self, number: int) -> None:
        class Deaf:
            def __del__(self) -> None:
                send(number)

        def wait() -> None:
            Deaf()
            threading.Event().wait(10)

        with pytest.raises(ERRORS[number]), Signals():  # type: ignore[index]
            wait()


def test_the_code_of_termination() -> None:
    with pytest.raises(SystemExit) as caught:
        terminate(signal.SIGTERM, None)
    assert caught.value.code == 143


def test_other_handlers_are_left_alone() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Signals() as signals:
        send(signal.SIGTERM)
        send(signal.SIGINT)
        signals.check()
    assert heard == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_off_the_main_thread_nothing_is_handled() -> None:
    seen: list[object] = []

    def run() -> None:
        with Signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [terminate]

import io

import pytest

from tagger.cli import progress
from tagger.cli.progress import PredictionProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(progress, "_UPDATE_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return now


def test_how_far_it_is_and_what_is_left_count_from_where_it_goes_on(clock: list[float]) -> None:
    terminal, place = Terminal(), [0.0]
    shown = PredictionProgress(terminal, live=True)
    with shown:
        shown.go_on(num_texts=4000, num_tokens=60_000)
        shown._progress.refresh()
        clock[0], place[0] = 150.0, 0.4  # reading again took fifty seconds
        shown.begin(lambda: place[0])
        clock[0], place[0] = 160.0, 0.5
        shown.add(1000)
        shown._progress.refresh()
    assert "reading past 4,000 texts that are answered" in terminal.getvalue()
    assert "61,000 tokens in 4,001 texts (4,000 of them before), 100 tokens/s, 50%, 0:00:50 left" in terminal.getvalue()
    shown.finish()
    assert terminal.getvalue().endswith("61,000 tokens in 4,001 texts (4,000 of them before), 100 tokens/s\n")


def test_what_is_left_is_not_guessed_too_early_nor_where_the_size_is_unknown(clock: list[float]) -> None:
    terminal = Terminal()
    for position, seconds in ((lambda: 0.5, 1.0), (None, 10.0)):
        shown = PredictionProgress(terminal, live=True)
        with shown:
            shown.begin(position)
            clock[0] += seconds
            shown.add(1000)
    assert ", 50%" in terminal.getvalue()
    assert "left" not in terminal.getvalue()

"""Progress of training and prediction: a live bar on a terminal, plain lines elsewhere; always on standard error."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from tagger.evaluation.numbers import format_count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from tagger.data.published import Download
    from tagger.training.position import Epoch
    from tagger.training.run import Event, Started

_UPDATE_SECONDS = 0.1
_SECONDS_TO_GUESS = 2.0
_TIMES_WIDTH = len("10:00:00 left 10:00:00")
BAR_WIDTH = 24


def make_console(stream: TextIO) -> "Console":
    """A console that shows text as it is."""
    from rich.console import Console

    # What is printed holds paths and tags: rich must not take `[x]` or `:x:` in them for its own.
    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=True)


class TrainingProgress:
    """Shows a training run as it happens.

    Args:
        stream: where to; a live bar if it is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._console = make_console(stream)
        text = TextColumn("epoch {task.fields[epoch]}"), TextColumn("{task.fields[state]}")
        times = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
        self._with_bar = (text[0], BarColumn(bar_width=BAR_WIDTH), text[1], *times)
        self._without_bar = (*text, *times)
        self._progress = Progress(
            *self._with_bar,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._fetching: TaskID | None = None
        self._num_epochs = 1
        self._has_dev = False
        self._dev = ""  # the score of the epoch before

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def has_started(self) -> bool:
        """Whether the data are read and the run folder is this run's."""
        return self._task is not None

    def show(self, event: "Event") -> None:
        """Shows one event of `train`."""
        from tagger.data.published import Download
        from tagger.data.vectors import WordVectors

        # here, so that predict, which has no use for them, does not import the rooms of training
        from tagger.training.position import Step
        from tagger.training.run import Finished, Started

        if isinstance(event, Download):
            self._download(event)
        elif isinstance(event, WordVectors):
            kept = f"all {len(event.words):,}"
            if event.num_wanted is not None:
                kept = f"{len(event.words):,} of {format_count(event.num_wanted, 'word')} of the data"
            repeated = f"; {event.num_repeated:,} repeated, of which the first counts" if event.num_repeated else ""
            self._console.print(f"vectors  {kept}  {event.source}{repeated}")
        elif isinstance(event, Finished):
            self._warn(event.warnings)
            self._console.print(f"{event.out}: this run is finished already; nothing is left to do")
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Step):
            done = event.epoch - 1 + event.step / event.num_steps
            loss = f"loss {event.loss:.3f}"
            state = (loss, self._dev, f"{event.tokens_per_second:,.0f} tokens/s")
            if self._has_dev and event.step == event.num_steps:
                state = ("scoring dev", loss, "")
            self._update(epoch=event.epoch, done=done, state=state)
        else:
            self._end_epoch(event)

    def _download(self, event: "Download") -> None:
        """A line where a download begins, and on a terminal how far it is."""
        from rich.progress import TextColumn

        size = "" if event.total is None else f", {event.total / 1e6:,.1f} MB"
        if not event.received:
            self._console.print(f"downloading {event.name}{size}")
            self._progress.columns = (TextColumn("{task.fields[state]}"), *self._with_bar[1:2], *self._with_bar[-3:])
            self._fetching = self._progress.add_task("", total=event.total, state="")
        if self._fetching is not None:
            self._progress.update(self._fetching, completed=event.received, state=f"{event.received / 1e6:,.0f} MB")

    def _start(self, event: "Started") -> None:
        if self._fetching is not None:
            self._progress.remove_task(self._fetching)
            self._fetching = None
        self._num_epochs, self._has_dev = event.num_epochs, bool(event.corpus.dev)
        for split, counts in event.corpus.manifest.items():
            sentences, tokens = (format_count(int(counts[f"{noun}s"]), noun) for noun in ("sentence", "token"))
            line = f"{split:5}  {sentences}, {tokens}  {counts['source']}"
            for noun in ("empty sentence", "illegal transition", "unknown tag", "zero-width token"):
                count = int(counts[f"{noun.replace(' ', '_').replace('-', '_')}s"])
                line += f"; {format_count(count, noun)}" if count else ""
            self._console.print(line)
        scheme = "tags" if event.corpus.scheme == "plain" else "span types"
        self._console.print(f"{scheme:5}  {', '.join(event.corpus.labels)}")
        self._console.print(f"model  {event.num_weights:,} weights on {event.device}, {event.precision}")
        self._warn(event.warnings)
        if event.resumed is not None:
            self._console.print(f"goes on from {event.resumed}")
        first = min(event.num_done + 1, event.num_epochs)
        self._task = self._progress.add_task("", total=event.num_epochs, epoch=f"{first}/{event.num_epochs}", state="")
        self._update(epoch=first, done=event.num_done, state=())

    def _warn(self, warnings: Sequence[str]) -> None:
        for warning in warnings:
            self._console.print(f"warning: {warning}")

    def _end_epoch(self, epoch: "Epoch") -> None:
        self._dev = "" if epoch.dev_score is None else f"dev {100 * epoch.dev_score:.2f}"
        width = len(str(self._num_epochs))
        speed = f"{epoch.tokens_per_second:,.0f} tokens/s"
        line = (
            f"epoch {epoch.number:{width}}/{self._num_epochs}",
            f"loss {epoch.train_loss:.4f}",
            f"{self._dev} *" if self._dev and epoch.is_best else self._dev,
            speed,
            f"{epoch.seconds:.1f} s",
        )
        self._console.print("  ".join(filter(None, line)))
        state = (f"loss {epoch.train_loss:.3f}", self._dev, speed)
        self._update(epoch=min(epoch.number + 1, self._num_epochs), done=epoch.number, state=state)

    def _update(self, *, epoch: int, done: float, state: Sequence[str]) -> None:
        """Updates the bar; where it is too wide for the terminal, what is last in `state` goes first, then the bar."""
        if self._task is None:
            return
        state = [part for part in state if part]
        number = f"{epoch}/{self._num_epochs}"
        room = self._console.width - len(f"epoch {number} ") - len(" ") - _TIMES_WIDTH
        choices = [(state, True), (state[:-1], True), (state[:-1], False), (state[:1], False)]
        fitting = ((parts, bar) for parts, bar in choices if len("  ".join(parts)) + bar * (BAR_WIDTH + 1) <= room)
        parts, bar = next(fitting, choices[-1])
        self._progress.columns = self._with_bar if bar else self._without_bar
        self._progress.update(self._task, completed=done, epoch=number, state="  ".join(parts))


class PredictionProgress:
    """Counts what is tagged, shows it on a terminal, and sums it up at the end.

    Args:
        stream: where to.
        live: show a line that changes as it goes, if the stream is a terminal; not where the answers appear there too.
    """

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._stream = stream
        self._position: Callable[[], float] | None = None
        self._start = self._shown = time.perf_counter()
        self._num_old_texts = self._num_old_tokens = 0
        self._first = 0.0  # how much of the input had been read when tagging began
        self.num_texts = self.num_tokens = 0
        self._progress: Progress | None = self._open_line() if live else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def begin(self, position: Callable[[], float] | None) -> None:
        """Begins to count time.

        Args:
            position: tells how much of the input has been read, in [0, 1]; None: nobody knows.
        """
        self._position = position
        self._first = 0.0 if position is None else position()
        self._start = time.perf_counter()

    def go_on(self, *, num_texts: int, num_tokens: int) -> None:
        """Counts what an earlier run has tagged, and shows that it is read again; `begin` follows."""
        self.num_texts, self.num_tokens = num_texts, num_tokens
        self._num_old_texts, self._num_old_tokens = num_texts, num_tokens
        self._show(f"reading past {num_texts:,} texts that are answered")

    def say(self, line: str) -> None:
        """Prints a line, above the one that changes."""
        if self._progress is None:
            print(line, file=self._stream, flush=True)
        else:
            self._progress.console.print(line)

    def add(self, num_tokens: int) -> None:
        """Counts one text of `num_tokens` tokens."""
        self.num_texts += 1
        self.num_tokens += num_tokens
        if self._progress is None:
            return
        now = time.perf_counter()
        if now - self._shown > _UPDATE_SECONDS:
            self._shown = now
            self._show(f"{self._line()}{self._left(now - self._start)}")

    def finish(self) -> None:
        """Prints the sum."""
        print(self._line(), file=self._stream, flush=True)

    def _open_line(self) -> "Progress | None":
        """The line that changes; None where it would not be shown."""
        # here, so that the first tag of a short text does not wait for what shows no line
        from rich.progress import Progress, TextColumn

        console = make_console(self._stream)
        if not console.is_terminal:
            return None
        progress = Progress(TextColumn("{task.description}", markup=False), console=console, transient=True)
        progress.add_task("", total=None)
        return progress

    def _show(self, line: str) -> None:
        """Changes the line, if there is one."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=line)

    def _line(self) -> str:
        speed = (self.num_tokens - self._num_old_tokens) / (time.perf_counter() - self._start)
        before = f" ({self._num_old_texts:,} of them before)" if self._num_old_texts else ""
        texts = format_count(self.num_texts, "text")
        return f"{format_count(self.num_tokens, 'token')} in {texts}{before}, {speed:,.0f} tokens/s"

    def _left(self, seconds: float) -> str:
        """How much of the input is read, and the time that the rest will take."""
        if self._position is None:
            return ""
        done = self._position()
        line = f", {done:.0%}"
        if done > self._first and seconds > _SECONDS_TO_GUESS:
            left = round(seconds * (1 - done) / (done - self._first))
            line += f", {timedelta(seconds=left)} left"
        return line

"""Progress of cross-validation: a live bar over all folds on a terminal, plain lines elsewhere; on standard error."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tagger.cli.progress import BAR_WIDTH, make_console
from tagger.evaluation.numbers import format_count, format_percent

if TYPE_CHECKING:
    from tagger.training.disagreements import FoldFinished
    from tagger.training.position import Epoch
    from tagger.training.suspects import Event, FoldStarted


class FoldProgress:
    """Shows how cross-validation goes.

    Args:
        stream: where to; a live bar if it is a terminal.

    Attributes:
        num_finished: folds that are done.
        num_folds: how many there are; 0 while the data are read.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = make_console(stream)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR_WIDTH),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._began = time.perf_counter()
        self._num_epochs = 1
        self.num_finished = self.num_folds = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: "Event") -> None:
        """Shows one event of `find_suspect_gold`."""
        from tagger.data.published import Download
        from tagger.data.vectors import WordVectors
        from tagger.training.position import Epoch, Step
        from tagger.training.suspects import FoldStarted

        if isinstance(event, Download):
            if not event.received:
                self._console.print(f"downloading {event.name}")
        elif isinstance(event, WordVectors):
            self._console.print(f"vectors  {len(event.words):,}  {event.source}")
        elif isinstance(event, FoldStarted):
            self._start(event)
        elif isinstance(event, Step):
            self._update(event.epoch, done=event.epoch - 1 + event.step / event.num_steps)
        elif isinstance(event, Epoch):
            self._end_epoch(event)
        else:
            self._finish(event)

    def _start(self, fold: "FoldStarted") -> None:
        self.num_folds, self._num_epochs = fold.num_folds, fold.num_epochs
        if self._task is None:
            self._began = time.perf_counter()
            self._task = self._progress.add_task("", total=fold.num_folds * fold.num_epochs, state="")
        trained, held_out = format_count(fold.num_train, "sentence"), format_count(fold.num_held_out, "sentence")
        line = f"{self._name}  trains on {trained}, looks at {held_out}  on {fold.device}"
        self._console.print(line)
        if fold.unseen:
            labels = ", ".join(fold.unseen)
            self._console.print(f"warning: {self._name} alone has {labels}: its model has never seen them")

    def _end_epoch(self, epoch: "Epoch") -> None:
        self._update(epoch.number, done=epoch.number)
        if self._console.is_terminal:
            return
        dev = "" if epoch.dev_score is None else f"dev {format_percent(epoch.dev_score)}"
        parts = (f"{self._name}  epoch {epoch.number}/{self._num_epochs}", f"loss {epoch.train_loss:.4f}", dev)
        done = (self.num_finished + epoch.number / self._num_epochs) / self.num_folds
        left = (time.perf_counter() - self._began) * (1 / done - 1)
        self._console.print("  ".join(filter(None, (*parts, f"about {_spell(left)} left"))))

    def _finish(self, fold: "FoldFinished") -> None:
        found = (
            f"{format_count(fold.num_suspects, 'suspect')} of {format_count(fold.num_disagreements, 'disagreement')}"
        )
        self._console.print(f"{self._name}  {fold.score_name} {format_percent(fold.score)}  {found}")
        self.num_finished += 1
        if self._task is not None:
            self._progress.update(self._task, completed=self.num_finished * self._num_epochs)

    def _update(self, epoch: int, *, done: float) -> None:
        if self._task is None:
            return
        self._progress.update(
            self._task,
            completed=self.num_finished * self._num_epochs + done,
            description=self._name,
            state=f"epoch {epoch}/{self._num_epochs}",
        )

    @property
    def _name(self) -> str:
        return f"fold {self.num_finished + 1}/{self.num_folds}"


def _spell(seconds: float) -> str:
    """Seconds as `0:01:05`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"

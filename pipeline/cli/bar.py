"""A run followed by a progress bar."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from pipeline.cli.progress import Silent, describe_start
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Status


class Bar(Silent):
    """A progress bar: series processed, refused and failed, rate, time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("series · {task.fields[refused]} refused · {task.fields[failed]} failed ·"),
            TextColumn("{task.fields[rate]} a minute ·"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._counts = {Status.REJECTED: 0, Status.FAILED: 0}
        self._task = self._progress.add_task("", total=None, refused=0, failed=0, rate="-")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Set the bar's length."""
        self._progress.update(self._task, total=n_jobs)
        self.says(describe_start(n_jobs, n_done, workers))

    def finished(self, record: SeriesRecord) -> None:
        """Move the bar on, by a series whose pixels were read."""
        if record.status in self._counts:
            self._counts[record.status] += 1
        speed = self._progress.tasks[0].speed
        self._progress.update(
            self._task,
            advance=0 if record.duration_s is None else 1,
            refused=self._counts[Status.REJECTED],
            failed=self._counts[Status.FAILED],
            rate=f"{60 * speed:.0f}" if speed else "-",
        )

    def says(self, message: str) -> None:
        """Print it above the bar."""
        self._progress.console.print(message, highlight=False, markup=False)


def open_bar() -> Bar | None:
    """Return a bar, None where there is no terminal to show it on."""
    console = Console()
    return Bar(console) if console.is_terminal else None

"""A run followed by a progress bar: headers that are read, then series, then what is written."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from pipeline.cli.progress import Silent, describe_series, describe_start
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Status


class Bar(Silent):
    """A progress bar: what is done of how much, series refused and failed, rate, time left.

    With ``is_verbose`` it prints a line per series above, with ``shows_folders`` with its folder, which may name a
    person.
    """

    def __init__(self, console: Console, *, is_verbose: bool = False, shows_folders: bool = False) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._is_verbose = is_verbose or shows_folders
        self._shows_folders = shows_folders
        self._counts = {Status.REJECTED: 0, Status.FAILED: 0}
        self._begun = monotonic()
        self._task = self._progress.add_task("listing files", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def reads(self, n_read: int, n_files: int) -> None:
        """Show how many headers were read."""
        seconds = monotonic() - self._begun
        rate = f" · {n_read / seconds:.0f} per second" if seconds > 1 else ""
        self._progress.update(self._task, total=n_files, completed=n_read, description=f"files read{rate}")

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Begin a bar of series."""
        self._begun = monotonic()
        self._progress.reset(self._task, total=n_jobs, description=self._describe(0))
        self.says(describe_start(n_jobs, n_done, workers))

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Move the bar on, by a series whose pixels were read."""
        if record.status in self._counts:
            self._counts[record.status] += 1
        self._progress.advance(self._task, 0 if record.duration_s is None else 1)
        self._progress.update(self._task, description=self._describe(self._progress.tasks[0].completed))
        if self._is_verbose:
            self.says(describe_series(record, folder if self._shows_folders else ""))

    def publishes(self, what: str) -> None:
        """Show what is written, of which nobody knows how long it takes."""
        self._progress.reset(self._task, total=None, description=what)

    def says(self, message: str) -> None:
        """Print it above the bar."""
        self._progress.console.print(message, highlight=False, markup=False, soft_wrap=True)

    def _describe(self, n_done: float) -> str:
        refused, failed = self._counts[Status.REJECTED], self._counts[Status.FAILED]
        minutes = (monotonic() - self._begun) / 60
        rate = f" · {n_done / minutes:.0f} per minute" if n_done and minutes else ""
        return f"series · {refused} refused · {failed} failed{rate}"


def open_bar(*, is_verbose: bool = False, shows_folders: bool = False) -> Bar | None:
    """Return a bar, None where there is no terminal to show it on."""
    console = Console()
    return Bar(console, is_verbose=is_verbose, shows_folders=shows_folders) if console.is_terminal else None

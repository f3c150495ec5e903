"""How a run is followed: a progress bar on a terminal, a line a series elsewhere, or JSON lines."""

from argparse import Namespace
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from pipeline.cli.words import print_event
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Status


def _beginning(n_jobs: int, n_done: int, workers: str) -> str:
    told = f"{n_jobs} series to prepare, {n_done} done before"
    return f"{told}; {workers}" if n_jobs and workers else told


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Be told how much there is to do."""

    def finished(self, record: SeriesRecord) -> None:
        """Be told of a series that was worked."""

    def says(self, message: str) -> None:
        """Be told what a person should know."""


class Lines(Silent):
    """A line a series."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Say how much there is to do."""
        print(_beginning(n_jobs, n_done, workers), flush=True)

    def finished(self, record: SeriesRecord) -> None:
        """Say what became of a series."""
        what = record.reason.value if record.reason else f"{record.n_slices} slices, {record.duration_s:.1f} s"
        print(f"{record.series_key} {record.status}: {what}", flush=True)

    def says(self, message: str) -> None:
        """Say it."""
        print(message, flush=True)


class JsonLines(Silent):
    """One line of JSON an event."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Tell how much there is to do."""
        print_event("begins", jobs=n_jobs, done=n_done, workers=workers)

    def finished(self, record: SeriesRecord) -> None:
        """Tell what became of a series."""
        print_event(
            "series",
            series_key=record.series_key,
            status=record.status,
            reason=record.reason,
            warnings=list(record.warnings),
            detail=record.detail,
            duration_s=record.duration_s,
        )

    def says(self, message: str) -> None:
        """Tell it."""
        print_event("message", message=message)


class Bar(Silent):
    """A progress bar: series worked, refused and failed, rate, time left."""

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
        self.says(_beginning(n_jobs, n_done, workers))

    def finished(self, record: SeriesRecord) -> None:
        """Move the bar on, by a series whose pixels were worked."""
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
        """Say it above the bar."""
        self._progress.console.print(message, highlight=False, markup=False)


def listener_for(options: Namespace) -> Silent:
    """Return what follows a run: as the options ask, else as the terminal allows."""
    if options.log_json:
        return JsonLines()
    if options.quiet:
        return Silent()
    console = Console()
    return Bar(console) if console.is_terminal and not options.no_progress else Lines()

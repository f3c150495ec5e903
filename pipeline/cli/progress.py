"""How a run is followed: a bar on a terminal, a line per series elsewhere, or JSON lines."""

from argparse import Namespace
from types import TracebackType
from typing import Self

from pipeline.cli.endings import print_event
from pipeline.record import SeriesRecord


def describe_start(n_jobs: int, n_done: int, workers: str) -> str:
    """Return how much there is to do, in words."""
    words = f"{n_jobs} series to prepare, {n_done} done before"
    return f"{words}; {workers}" if n_jobs and workers else words


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Take how much there is to do."""

    def reads(self, n_read: int, n_files: int) -> None:
        """Take how many headers were read, of how many."""

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Take a series that was processed."""

    def publishes(self, what: str) -> None:
        """Take what is being written after the last series."""

    def says(self, message: str) -> None:
        """Take a message for a person."""


def describe_series(record: SeriesRecord, folder: str = "") -> str:
    """Return how a series ended in a line: its reason and detail, or its size and time; then its folder."""
    what = f"{record.n_slices} slices, {record.duration_s or 0:.1f} s"
    if record.reason:
        what = f"{record.reason.value}, {record.detail}" if record.detail else record.reason.value
    return f"{record.series_key} {record.status}: {what}{f' in {folder}' if folder else ''}"


class Lines(Silent):
    """A line per series; with ``shows_folders`` it names the folder of each, which may name a person."""

    def __init__(self, *, shows_folders: bool = False) -> None:
        self._shows_folders = shows_folders

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Print how much there is to do."""
        print(describe_start(n_jobs, n_done, workers), flush=True)

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Print how a series ended."""
        print(describe_series(record, folder if self._shows_folders else ""), flush=True)

    def says(self, message: str) -> None:
        """Print it."""
        print(message, flush=True)


class JsonLines(Silent):
    """One line of JSON per event."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Print how much there is to do."""
        print_event("begins", jobs=n_jobs, done=n_done, workers=workers)

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Print how a series ended."""
        del folder
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
        """Print it."""
        print_event("message", message=message)


def open_listener(options: Namespace) -> Silent:
    """Return what follows a run: as the options ask, else as the terminal allows."""
    if options.log_json:
        return JsonLines()
    if options.quiet:
        return Silent()
    if options.no_progress:
        return Lines(shows_folders=options.show_folders)
    from pipeline.cli.bar import open_bar  # noqa: PLC0415  rich is slow to import

    bar = open_bar(is_verbose=options.verbose, shows_folders=options.show_folders)
    return bar or Lines(shows_folders=options.show_folders)

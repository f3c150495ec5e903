"""Runs of the whole program for tests: in this process, or as a user would start it."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from pipeline.cluster.jobs import Task
from pipeline.config import load
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.run.run import Outcome, run
from pipeline.scan.headers import READ_HEADERS
from pipeline.scan.masks import READ_MASKS
from pipeline.scan.summary import SUMMARISE

ORIENTED = "steps: [{orient: {to: LPS}}]\n"
WITHOUT_REPORT = "report: {enabled: false}\n"


class Quiet:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        del workers
        self.heard.append((n_jobs, n_done))

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        del folder
        self.heard.append(record)

    def reads(self, n_read: int, n_files: int) -> None:
        pass

    def publishes(self, what: str) -> None:
        pass

    def says(self, message: str) -> None:
        self.heard.append(message)


class InThisProcess:
    """A dispatcher without a cluster: as fast as a function call, and as fragile."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def describe(self) -> str:
        return "no worker but this process"

    def run(self, task: Task[Any, Any], jobs: Iterable[Any], n_jobs: int | None = None) -> Iterator[tuple[Any, Any]]:
        del n_jobs
        function = task.resolve()
        if task in {READ_HEADERS, READ_MASKS, SUMMARISE}:
            return ((job, function(job)) for job in jobs)
        return self.process(function, jobs)

    def process(self, function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Call a function with each series' job; tests make some of them fail here."""
        for job in jobs:
            yield job, function(job)


def carry_out(tmp_path: Path, source: Path, yaml: str = ORIENTED, name: str = "out", **options: Any) -> Outcome:
    """Run a configuration over an input, without a report unless it asks for one; ``name`` is the output folder's."""
    config = tmp_path / f"{name}.yaml"
    config.write_text(yaml if "report:" in yaml else yaml + WITHOUT_REPORT)
    return run(load(config, inputs=[source], output=tmp_path / name, **options), Quiet())


def by_uid(outcome: Outcome) -> dict[str, SeriesRecord]:
    """Return the records by SeriesInstanceUID, as ``private/`` knows it."""
    uids = {row["series_key"]: row["SeriesInstanceUID"] for row in read_table(outcome.output.index)}
    return {uids[record.series_key]: record for record in outcome.records}


def store_of(output: OutputFolder, record: SeriesRecord) -> Path:
    assert record.store is not None
    return output.root / record.store


def bytes_of_stores(outcome: Outcome) -> dict[str, bytes]:
    """Return every file of every store by its relative path."""
    volumes = outcome.output.volumes
    return {str(path.relative_to(volumes)): path.read_bytes() for path in sorted(volumes.rglob("*")) if path.is_file()}


def ctprep(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does."""
    command = [sys.executable, "-m", "pipeline", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)

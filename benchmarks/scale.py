"""Measures what a run costs beside its work, as a cohort grows: time a series, and memory of driver and scheduler.

Jobs do nothing but write a few bytes, so that all that is left is the engine; then the state alone takes as many
finished series: a transaction and a rename each, and at the end the manifest.  Every row is a process of its own.

    python benchmarks/scale.py [--series 1000 10000 100000]
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from cohort.measured import run_alone

from pipeline.cluster.dispatcher import open_cluster
from pipeline.cluster.jobs import Task
from pipeline.cluster.options import ClusterOptions
from pipeline.limits import Limits
from pipeline.output.database import Database
from pipeline.output.layout import OutputFolder
from pipeline.output.state import Finished, OutputState
from pipeline.record import SeriesRecord, SliceOutcome
from pipeline.vocabulary import FileStatus, Status

WORKERS = 2
SLICES = 100
SHOWN = ("series", "seconds", "ms per series", "driver's CPU ms per series", "peak MiB")


@dataclass(frozen=True)
class Series:
    """A series in name only, and the file that is written for it."""

    series_key: str
    path: Path


def work(series: Series) -> SeriesRecord:
    """Write a few bytes and return a record, as a series does."""
    series.path.write_text(series.series_key)
    return record_of(series.series_key)


def record_of(series_key: str) -> SeriesRecord:
    """Return a row of ordinary size."""
    elements = {f"Element{number}": f"value {number}" for number in range(30)}
    return SeriesRecord(
        series_key=series_key, status=Status.OK, sha256="0" * 64, detail="of the usual length", elements=elements
    )


def key_of(number: int) -> str:
    """Return the key of a series."""
    return f"{number:020x}"


def through_cluster(folder: Path, n_series: int) -> None:
    """Work through a local Dask cluster; its scheduler is a part of this process."""
    work: Task[Series, SeriesRecord] = Task("work", "scale:work", lambda job: job.series_key)
    with open_cluster(ClusterOptions(workers=WORKERS), Limits()) as dispatcher:
        for _ in dispatcher.run(work, series_in(folder, n_series), n_series):
            pass


def series_in(folder: Path, n_series: int) -> Iterator[Series]:
    """Yield jobs as they are asked for, a thousand files per folder."""
    for number in range(n_series):
        place = folder / f"{number // 1000:04}"
        place.mkdir(exist_ok=True)
        yield Series(key_of(number), place / f"{number}")


def through_state(folder: Path, n_series: int) -> None:
    """Commit finished series, each with its store, and publish the manifest."""
    with opened(folder) as state:
        for number in range(n_series):
            key = key_of(number)
            store = state.output.unfinished_store(key)
            store.mkdir()
            outcomes = tuple(
                SliceOutcome(f"/in/{key}/{z}", None, FileStatus.USED, None, z, (0, 0), z) for z in range(SLICES)
            )
            state.commit(Finished(record_of(key), "signature", "rules", outcomes), str(store))


def publishing(folder: Path, n_series: int) -> None:
    """Open the state of so many series, and publish it."""
    with opened(folder) as state:
        if len(state.finished) != n_series:
            sys.exit(f"{len(state.finished)} of {n_series} series are in the database")
        state.publish([found.record for found in state.finished.values()], "pseudonym")


@contextmanager
def opened(folder: Path) -> Iterator[OutputState]:
    """Yield the state of an output as a run has it."""
    output = OutputFolder(folder / "out")
    output.prepare()
    with Database.open(output.state) as database:
        yield OutputState.open(output, database)


PARTS: dict[str, Callable[[Path, int], None]] = {
    "cluster": through_cluster,
    "state": through_state,
    "publishing": publishing,
}


def main(arguments: list[str]) -> None:
    """Measure each part for each size, and print one table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args(arguments)
    print("".join(f"| {name} " for name in ("part", *SHOWN)) + "|\n|---" + "|---:" * len(SHOWN) + "|")
    for n_series in asked.series:
        with TemporaryDirectory(prefix="scale-") as folder:
            for part in asked.parts:
                figures = run_alone(__file__, part, folder, str(n_series))
                print(f"| {part} " + "".join(f"| {value:,} " for value in figures) + "|", flush=True)


def measure(part: str, folder: str, n_series: int) -> list[float]:
    """Return what one part costs; see ``SHOWN``."""
    began, busy = perf_counter(), process_time()
    PARTS[part](Path(folder), n_series)
    seconds, busy = perf_counter() - began, process_time() - busy
    peak_mib = getrusage(RUSAGE_SELF).ru_maxrss >> 10
    return [n_series, round(seconds, 1), round(seconds * 1e3 / n_series, 2), round(busy * 1e3 / n_series, 2), peak_mib]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        import scale  # what is pickled must be found by a name that children know

        print(json.dumps(scale.measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        main(sys.argv[1:])

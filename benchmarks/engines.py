"""Measures what an engine costs beside a bare pool of processes: start, idle jobs, short jobs, and real series.

The bare pool is what a script would use: ``multiprocessing`` with two spawned processes, nothing watched, nothing
limited, and a job that crashes takes the program with it.  Each engine does the same jobs with two workers.

    python benchmarks/engines.py [--input DIR] [--rounds 3]

Without ``--input`` the series are a phantom cohort that is made on the spot.
"""

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from pipeline.cluster import ClusterOptions, Lost, open_pool
from pipeline.cluster.fork_server import ENVIRONMENT
from pipeline.config import load
from pipeline.limits import Limits
from pipeline.plan.recipe import build_recipe, scan_inputs
from pipeline.prepare.job import Job
from pipeline.prepare.series import process, warm
from pipeline.privacy import PseudonymKey

WORKERS = 2
SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
CONFIG = "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [1.0, 1.0, 1.0]}}]\nmanifest: {identifiers: keep}\n"

Runner = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


def nothing(job: int) -> int:
    """Take no time at all."""
    return job


def short(job: int) -> int:
    """Keep a core busy for about 20 ms."""
    until = perf_counter() + 0.02
    while perf_counter() < until:
        pass
    return job


@contextmanager
def bare_pool() -> Iterator[Runner]:
    """Open what a script would use."""
    before = dict(os.environ)
    os.environ |= ENVIRONMENT
    with get_context("spawn").Pool(WORKERS, initializer=warm) as pool:
        yield pool.imap_unordered
        pool.close()
        pool.join()
    os.environ.clear()
    os.environ |= before


@contextmanager
def engine(options: ClusterOptions) -> Iterator[Runner]:
    """Open an engine as a run does."""
    with open_pool(options, Limits(), warm) as pool:

        def run(function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
            listed = list(jobs)
            return (result for _, result in pool.engine(len(listed)).run(function, listed))

        yield run


CONTESTANTS = {
    "bare pool": bare_pool,
    "children": lambda: engine(ClusterOptions()),
    "local cluster": lambda: engine(ClusterOptions(workers=WORKERS)),
}


def series_in(root: Path, folder: Path) -> list[Job]:
    """Return a job for each series under a root that its headers do not refuse."""
    path = folder / "config.yaml"
    path.write_text(CONFIG)
    config = load(path, inputs=[root], output=folder / "out")
    recipe = build_recipe(config, PseudonymKey())
    found = [scanned for scanned in scan_inputs(config, PseudonymKey()).series if scanned.refusal is None]
    found.sort(key=lambda scanned: -scanned.record.n_files)
    return [
        Job(scanned.series, scanned.record, scanned.warnings, recipe, str(folder / f"store-{number}"))
        for number, scanned in enumerate(found)
    ]


def seconds(contestant: Callable[[], Any], function: Callable[[Any], Any], jobs: Iterable[Any]) -> float:
    """Return how long a contestant takes for all jobs, from before its start until after its end."""
    began = perf_counter()
    with contestant() as run:
        results = list(run(function, jobs))
    took = perf_counter() - began
    if lost := [result for result in results if isinstance(result, Lost)]:
        message = f"{len(lost)} jobs were lost: {lost[0].detail}"
        raise RuntimeError(message)
    return took


def fresh(jobs: list[Job]) -> list[Job]:
    """Remove what the jobs left the last time."""
    for job in jobs:
        shutil.rmtree(job.folder, ignore_errors=True)
    return jobs


def table(work: dict[str, tuple[Callable[[Any], Any], Callable[[], list[Any]]]], rounds: int) -> None:
    """Print the median wall time of each contestant for each kind of work, and its ratio to the bare pool's."""
    print(f"{'':34}" + "".join(f"{name:>22}" for name in CONTESTANTS))
    for title, (function, jobs) in work.items():
        times: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
        for _ in range(rounds):
            for name, contestant in CONTESTANTS.items():
                times[name].append(seconds(contestant, function, jobs()))
        base = median(times["bare pool"])
        cells = (f"{median(took):.2f} s ({median(took) / base:.2f})" for took in times.values())
        print(f"{title:34}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


def main() -> None:
    """Measure, and print one table."""
    parser = ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--input", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        root = options.input or Path(scratch) / "phantom/dicom"
        if options.input is None:
            make = [sys.executable, SCRIPTS / "make_phantom_cohort.py", root.parent]
            subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        series = series_in(root, Path(scratch))
        table(
            {
                "1 job that does nothing": (nothing, lambda: [0]),
                "2000 jobs that do nothing": (nothing, lambda: list(range(2000))),
                "200 jobs of 20 ms": (short, lambda: list(range(200))),
                f"{len(series)} series, resampled to 1 mm": (process, lambda: fresh(series)),
            },
            options.rounds,
        )


if __name__ == "__main__":
    import engines  # other processes find jobs by their module's name, which is not __main__

    engines.main()

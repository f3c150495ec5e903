"""Measures what the engine costs beside a bare pool of processes: start, idle jobs, short jobs, and real series.

The bare pool is what a script would use: ``multiprocessing`` with two spawned processes, nothing watched, nothing
limited, and a job that crashes takes the program with it.  Both do the same jobs with two workers.

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

from pipeline.cluster.child import ENVIRONMENT
from pipeline.cluster.dispatcher import open_cluster
from pipeline.cluster.jobs import JobFailure, Task, resolve_function
from pipeline.cluster.options import ClusterOptions
from pipeline.config import load
from pipeline.limits import Limits
from pipeline.plan.recipe import build_recipe, scan_inputs
from pipeline.prepare import PRELOAD
from pipeline.prepare.job import PREPARE, Job
from pipeline.prepare.series import warm
from pipeline.privacy import PseudonymKey

WORKERS = 2
SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
CONFIG = "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [1.0, 1.0, 1.0]}}]\nmanifest: {identifiers: keep}\n"

Runner = Callable[[str, Iterable[Any]], Iterator[Any]]
"""Takes the dotted path of a function and its jobs, and yields the results."""


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
        yield lambda function, jobs: pool.imap_unordered(resolve_function(function), jobs)
        pool.close()
        pool.join()
    os.environ.clear()
    os.environ |= before


@contextmanager
def dask_workers() -> Iterator[Runner]:
    """Open the engine as a run does."""
    with open_cluster(ClusterOptions(workers=WORKERS), Limits(), preload=PRELOAD) as dispatcher:

        def run(function: str, jobs: Iterable[Any]) -> Iterator[Any]:
            task: Task[Any, Any] = Task("work", function)
            return (result for _, result in dispatcher.run(task, jobs))

        yield run


CONTESTANTS = {"bare pool": bare_pool, "local cluster": dask_workers}


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


def seconds(contestant: Callable[[], Any], function: str, jobs: Iterable[Any]) -> float:
    """Return how long a contestant takes for all jobs, from before its start until after its end."""
    began = perf_counter()
    with contestant() as run:
        results = list(run(function, jobs))
    took = perf_counter() - began
    if failures := [result for result in results if isinstance(result, JobFailure)]:
        message = f"{len(failures)} jobs failed: {failures[0].detail}"
        raise RuntimeError(message)
    return took


def fresh(jobs: list[Job]) -> list[Job]:
    """Remove what the jobs left the last time."""
    for job in jobs:
        shutil.rmtree(job.folder, ignore_errors=True)
    return jobs


def table(work: dict[str, tuple[str, Callable[[], list[Any]]]], rounds: int) -> None:
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
                "1 job that does nothing": ("engines:nothing", lambda: [0]),
                "2000 jobs that do nothing": ("engines:nothing", lambda: list(range(2000))),
                "200 jobs of 20 ms": ("engines:short", lambda: list(range(200))),
                f"{len(series)} series, resampled to 1 mm": (PREPARE.function, lambda: fresh(series)),
            },
            options.rounds,
        )


if __name__ == "__main__":
    import engines  # other processes find jobs by their module's name, which is not __main__

    engines.main()

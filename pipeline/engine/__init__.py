"""Runs one plain picklable function over many jobs; knows no CT."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, Self

from pipeline.engine.children import ChildrenEngine
from pipeline.engine.guard import Guard
from pipeline.engine.options import ClusterOptions
from pipeline.engine.outcome import J, Lost, R
from pipeline.engine.serial import SerialEngine
from pipeline.errors import UsageError
from pipeline.limits import Limits

__all__ = ["ClusterOptions", "Engine", "Lost", "open_children", "open_engine"]

FEW_JOBS: Final = 4
"""Below it ``workers: auto`` stays serial: a cluster takes two to three seconds to start, a series one or two."""


class Engine(Protocol):
    """Where jobs are worked; a context manager that leaves no process behind."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it, in order of completion.

        Jobs are taken from ``jobs`` as there is room.  The function is found again by its module's name in another
        process, which sees the same ``sys.path``.  Raises ClusterError when the cluster is lost.
        """
        ...


def open_engine(options: ClusterOptions, limits: Limits, n_jobs: int) -> Engine:
    """Return the engine that ``options`` ask for, to be entered; nothing is started yet.

    Raises UsageError for a kind that does not exist yet.
    """
    if options.kind not in {"serial", "local"}:
        msg = f"cluster: {{kind: {options.kind}}} is not available yet; use local or serial"
        raise UsageError(msg)
    guard = Guard.of(options, limits)
    automatic = options.workers == "auto"
    if options.kind == "serial" or (automatic and n_jobs < FEW_JOBS):
        return SerialEngine(guard)
    from pipeline.engine.local import LocalEngine, worker_count  # noqa: PLC0415 - dask only where it is used

    n_workers = worker_count(options.workers, n_jobs)
    return SerialEngine(guard) if automatic and n_workers == 1 else LocalEngine(guard, n_workers)


def open_children(options: ClusterOptions, limits: Limits, n_jobs: int) -> Engine:
    """Return an engine of this machine for many short jobs, whatever cluster the long ones go to."""
    n_children = _cores() if options.workers == "auto" else int(options.workers)
    return ChildrenEngine(Guard.of(options, limits), max(1, min(n_children, n_jobs)))


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Runs one plain picklable function over many jobs; knows no CT."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.cluster.children import ChildrenEngine, core_count
from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.options import ClusterOptions
from pipeline.cluster.outcome import Lost
from pipeline.cluster.pool import Engine, Pool
from pipeline.cluster.ready import check_cluster, script_of
from pipeline.limits import Limits

__all__ = [
    "ClusterOptions",
    "Engine",
    "ForkServer",
    "Lost",
    "Pool",
    "check_cluster",
    "open_children",
    "open_pool",
    "script_of",
]


def open_pool(
    options: ClusterOptions,
    limits: Limits,
    warm: Callable[[], object] | None = None,
    shared: Sequence[Path] = (),
    server: ForkServer | None = None,
) -> Pool:
    """Return the processes of a run, to be entered; nothing is started before there is something to do.

    A ``server`` may have been started ahead; it closes with the pool.
    """
    return Pool(options, limits, warm, shared, server)


def open_children(options: ClusterOptions, limits: Limits, n_jobs: int) -> Engine:
    """Return an engine of this machine for many short jobs, whatever cluster the long ones go to."""
    n_children = core_count() if options.workers == "auto" else options.workers
    return ChildrenEngine(Guard.of(options, limits), max(1, min(n_children, n_jobs)))

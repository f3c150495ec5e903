"""A Dask cluster in this process: its workers are threads that only pass jobs on, each to a child process."""

import logging
import os
from contextlib import ExitStack, closing
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # comes with distributed
from distributed import Client, LocalCluster, Worker

from pipeline.cluster.options import ClusterOptions
from pipeline.errors import ClusterError

LOOPBACK_PORT: Final = "127.0.0.1:0"
"""A free port that no other machine can reach."""


def connect_local(stack: ExitStack, options: ClusterOptions) -> Client:
    """Start a cluster that closes with the stack.

    Only the children are processes: with workers that are processes too, a cluster takes seconds of computing to start,
    and has nothing that children do not have already.  Its ports are on the loopback interface, and answer nothing
    unless ``options`` ask for the dashboard.
    """
    try:
        cluster = LocalCluster(
            n_workers=count_workers(options),
            threads_per_worker=1,
            processes=False,
            worker_class=_PlainWorker,
            memory_limit=0,  # the guarded child is watched, not the worker, which does no work itself
            scheduler_kwargs={"dashboard": options.dashboard},
            dashboard_address=LOOPBACK_PORT,
            worker_dashboard_address=LOOPBACK_PORT,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        msg = f"the local cluster did not start ({type(error).__name__})"
        raise ClusterError(msg) from error
    stack.enter_context(cluster)
    return stack.enter_context(closing(Client(cluster)))


def count_workers(options: ClusterOptions) -> int:
    """Return how many jobs run at once on this machine: one per core unless ``options`` say otherwise."""
    if options.kind == "serial":
        return 1
    return count_cores() if options.workers == "auto" else options.workers


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory_bytes(options: ClusterOptions) -> int:
    """Return what all jobs on this machine may take together: all that it has to give unless ``options`` set less."""
    if options.memory_limit_bytes is None:
        return int(psutil.virtual_memory().available)
    return options.memory_limit_bytes * count_workers(options)


class _PlainWorker(Worker):  # type: ignore[misc]  # distributed is not checked
    """A worker without pages of its own; `LocalCluster` would give it some along with an address."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"dashboard": False})

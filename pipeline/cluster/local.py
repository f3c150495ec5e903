"""A Dask cluster in this process: its workers only pass jobs on, each to a child process of its own."""

import logging
from contextlib import ExitStack, closing
from functools import partial
from typing import Final

from distributed import Client, LocalCluster

from pipeline.cluster.cluster import ClusterEngine
from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.guarding import Guarding
from pipeline.errors import ClusterError

PATIENCE_SECONDS: Final = 60
"""Workers in this process do not leave."""

_ANY_PORT: Final = "127.0.0.1:0"


def local_engine(guard: Guard, n_workers: int, server: ForkServer, memory_bytes: int) -> ClusterEngine:
    """Return an engine of so many workers, which together take no more than so much memory.

    It shows no dashboard; the ports for one are on the loopback interface, and answer nothing.  Only the children are
    processes: with workers that are processes too, a cluster takes seconds of computing to start, and has nothing that
    children do not have already.
    """
    return ClusterEngine(partial(_started, guard, n_workers, server), PATIENCE_SECONDS, memory_bytes)


def _started(guard: Guard, n_workers: int, server: ForkServer, stack: ExitStack) -> Client:
    cluster = stack.enter_context(_cluster(n_workers))
    for worker in cluster.workers.values():
        cluster.sync(worker.plugin_add, plugin=Guarding(guard, server=server))
    return stack.enter_context(closing(Client(cluster)))  # type: ignore[no-untyped-call]


def _cluster(n_workers: int) -> LocalCluster:
    try:
        return LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=n_workers,
            threads_per_worker=1,
            processes=False,
            scheduler_kwargs={"dashboard": False},
            memory_limit=0,  # the guarded child is watched, not the worker, which does no work itself
            dashboard_address=_ANY_PORT,
            worker_dashboard_address=_ANY_PORT,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        msg = f"the local cluster did not start ({type(error).__name__}); try cluster: {{kind: serial}}"
        raise ClusterError(msg) from error

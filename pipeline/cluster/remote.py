"""Workers on other machines: those of a Dask scheduler that runs already, or those that a job queue starts."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from distributed import Client

from pipeline.cluster.cluster import ClusterEngine
from pipeline.cluster.guard import Guard
from pipeline.cluster.guarding import Guarding
from pipeline.cluster.options import ClusterOptions
from pipeline.cluster.security import security_of
from pipeline.cluster.workers import await_worker, check_workers
from pipeline.errors import ClusterError

CONNECT_SECONDS: Final = 10
"""A scheduler that runs answers in much less."""


def remote_engine(
    options: ClusterOptions, guard: Guard, n_jobs: int, warm: bytes | None, shared: Sequence[Path]
) -> ClusterEngine:
    """Return an engine whose workers see the same folders as this process, the first of which is to be written in.

    How much memory a machine gives to how many workers is for its scheduler to know; ``guard`` limits each job.
    """

    def connect(stack: ExitStack) -> Client:
        client = _connected(stack, options, guard, n_jobs, shared)
        check_workers(client, shared)
        client.register_plugin(Guarding(guard, warm))
        return client

    return ClusterEngine(connect, options.patience_seconds, sys.maxsize)


def _connected(stack: ExitStack, options: ClusterOptions, guard: Guard, n_jobs: int, shared: Sequence[Path]) -> Client:
    """Return a client whose cluster has a worker; raises ClusterError where there is none."""
    if options.kind != "address":
        from pipeline.cluster.jobqueue import client_of_queue  # noqa: PLC0415 - an extra

        return client_of_queue(stack, options, guard, n_jobs, shared)
    client = stack.enter_context(closing(_client_at(options)))
    await_worker(client, options.patience_seconds, f"start one with: dask worker {options.address}")
    return client


def _client_at(options: ClusterOptions) -> Client:
    try:
        return Client(options.address, security=security_of(options), timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        why = "no scheduler answers there" + (", or it refuses this certificate" if options.tls else "")
        msg = f"{options.address} cannot be reached ({type(error).__name__}): {why}"
        raise ClusterError(msg) from error

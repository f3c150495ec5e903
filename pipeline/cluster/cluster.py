"""Many jobs on the workers of a Dask cluster, wherever that is."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, Self

import dask
from distributed import Client

from pipeline.cluster.interrupts import held_interrupts
from pipeline.cluster.outcome import J, Lost, R
from pipeline.cluster.sending import Crew, Sending
from pipeline.cluster.waiting import Waiting

SETTINGS: Final = {
    "distributed.scheduler.allowed-failures": 2,  # at 0, jobs that only waited on a dying worker are blamed
    "distributed.scheduler.worker-saturation": 1.0,  # jobs wait at the scheduler, not behind a long or deadly one
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # a job names each file of a series
}


class ClusterEngine:
    """Works jobs on whatever workers ``connect`` finds, and yields them as they finish.

    ``connect`` returns a client whose workers are `Guarding`, and enters on a stack what is to be closed after it.
    Workers pass on pickled jobs and
    answers as they are; their guarded children import what a job needs, hold its limits and may die without any harm to
    the worker.  The cluster is lost when its scheduler is, or when no worker has been there for ``patience_seconds``.
    """

    def __init__(
        self,
        connect: Callable[[ExitStack], Client],
        patience_seconds: float,
        memory_bytes: int,
    ) -> None:
        self._connect = connect
        self._patience_seconds = patience_seconds
        self._memory_bytes = memory_bytes
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with held_interrupts():  # half started, a cluster cannot be closed quietly
                stack.enter_context(dask.config.set(SETTINGS))
                stack.enter_context(_quiet())
                self._client = self._connect(stack)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        with held_interrupts():
            self._open.close()

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it, in order of completion; raises ClusterError when the cluster is lost.

        Jobs are taken from ``jobs`` only as others finish.
        """
        crew = Crew(self._client, self._patience_seconds)
        return Sending(crew, pickle.dumps(function), Waiting(jobs), self._memory_bytes).outcomes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what libraries log to themselves: what a person should know is said by an error."""
    loggers = [logging.getLogger(name) for name in ("asyncio", "distributed", "tornado")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

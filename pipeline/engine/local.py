"""Many jobs at a time on this machine: a Dask cluster of processes, each with a guarded child of its own."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count, islice
from typing import Any, Final, Self, cast

import dask
from dask.system import CPU_COUNT
from distributed import (
    CancelledError,
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    as_completed,
    get_worker,
)
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from pipeline.engine.guard import Guard
from pipeline.engine.guarded import GuardedProcess
from pipeline.engine.interrupts import held_interrupts
from pipeline.engine.outcome import J, Lost, R
from pipeline.errors import ClusterError
from pipeline.vocabulary import Reason

JOBS_PER_WORKER: Final = 4
"""Jobs handed over ahead of time: enough that no worker waits, few enough for any number of series."""

_LOOPBACK: Final = "127.0.0.1"
_ANY_PORT: Final = f"{_LOOPBACK}:0"
_SETTINGS: Final = {
    "distributed.scheduler.allowed-failures": 2,  # at 0, jobs that only waited on a dying worker are blamed
    "distributed.scheduler.worker-saturation": 1.0,  # jobs wait at the scheduler, not behind a long or deadly one
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


def worker_count(asked: int | str, n_jobs: int) -> int:
    """Return how many workers are worth starting: those asked for (``auto``: one a core), never more than jobs."""
    return max(1, min(CPU_COUNT if asked == "auto" else int(asked), n_jobs))


class LocalEngine:
    """Works jobs on ``n_workers`` processes, and yields them as they finish.

    Listens on the loopback interface only and shows no dashboard.  Workers pass on pickled jobs and answers as they
    are; their guarded children import what a job needs, hold its limits and may die without any harm to the worker.
    """

    def __init__(self, guard: Guard, n_workers: int) -> None:
        self._guard = guard
        self._n_workers = n_workers
        self._numbers = count()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with held_interrupts():  # half started, a cluster cannot be closed quietly
                stack.enter_context(dask.config.set(_SETTINGS))
                cluster = stack.enter_context(_cluster(self._n_workers))
                self._client = stack.enter_context(Client(cluster))  # type: ignore[no-untyped-call]
                self._client.register_plugin(_Guarding(self._guard))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        with held_interrupts():
            self._open.close()

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it, in order of completion; raises ClusterError when the cluster is lost.

        Jobs are taken from ``jobs`` only as others finish.
        """
        packed = pickle.dumps(function)
        waiting = iter(jobs)
        running = {self._submit(packed, job): job for job in islice(waiting, JOBS_PER_WORKER * self._n_workers)}
        finished = as_completed(running)  # type: ignore[no-untyped-call]
        for future in finished:
            job = running.pop(future)
            outcome = _outcome(future)
            future.release()
            for following in islice(waiting, 1):
                successor = self._submit(packed, following)
                running[successor] = following
                finished.add(successor)  # type: ignore[no-untyped-call]
            yield job, outcome

    def _submit(self, function: bytes, job: object) -> Future[bytes]:
        with _lost_cluster():
            future: Future[bytes] = self._client.submit(
                _in_worker, function, pickle.dumps(job), key=("job", next(self._numbers))
            )
        return future


def _cluster(n_workers: int) -> LocalCluster:
    try:
        return LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host=_LOOPBACK,
            memory_limit=0,  # the guarded child is watched, not the worker, which does no work itself
            scheduler_kwargs={"dashboard": False, "dashboard_address": _ANY_PORT},
            worker_dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        msg = f"the local cluster did not start ({type(error).__name__}); try cluster: {{kind: serial}}"
        raise ClusterError(msg) from error


class _Guarding(WorkerPlugin):
    """Gives a worker the child process that works its jobs."""

    name = "guarding"

    def __init__(self, guard: Guard) -> None:
        self.process = GuardedProcess(guard)  # starts its child with the first job, so it can travel here

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the plugin interface
        self.process.close()


def _in_worker(function: bytes, job: bytes) -> bytes:
    plugin = cast("_Guarding", get_worker().plugins[_Guarding.name])
    return plugin.process.run(function, job)


def _outcome(future: Future[bytes]) -> Any:
    try:
        with _lost_cluster():
            return pickle.loads(future.result())  # noqa: S301 - our own child's
    except KilledWorker:
        return Lost(Reason.WORKER_LOST, "the worker died, and so did those that tried again")


@contextmanager
def _lost_cluster() -> Iterator[None]:
    """Turn what distributed says when nobody answers any more into ClusterError."""
    try:
        yield
    except (CancelledError, ClosedClientError, CommClosedError) as error:
        msg = "the cluster was lost; what was finished is kept"
        raise ClusterError(msg) from error

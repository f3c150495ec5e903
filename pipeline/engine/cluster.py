"""Many jobs on the workers of a Dask cluster, each with a guarded child of its own."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, Generic, Self, cast
from uuid import uuid4

import dask
from distributed import CancelledError, Client, Future, KilledWorker, Worker, WorkerPlugin, get_worker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from pipeline.engine.fork_server import ForkServer
from pipeline.engine.guard import Guard
from pipeline.engine.guarded import GuardedProcess
from pipeline.engine.interrupts import held_interrupts
from pipeline.engine.outcome import J, Lost, R
from pipeline.engine.waiting import Room, Waiting
from pipeline.errors import ClusterError
from pipeline.vocabulary import Reason

JOBS_PER_WORKER: Final = 4
"""Jobs handed over ahead of time, and more when half are done: no worker waits, for any number of series."""

SECONDS_PER_TASK: Final = 0.025
"""Jobs that finish faster travel several a task: a task costs the scheduler up to 6 ms, whatever is in it."""

LOOK_SECONDS: Final = 2.0
"""How often somebody who waits for a result looks whether anybody works on it."""

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
        return _Sending(crew, pickle.dumps(function), Waiting(jobs), self._memory_bytes).outcomes()


@dataclass
class Crew:
    """The workers of a client's cluster, who come and go."""

    client: Client
    patience_seconds: float
    size: int = 1
    _looked: float = -LOOK_SECONDS
    _seen: float = field(default_factory=monotonic)

    def look(self) -> None:
        """Count the workers, not more often than it takes; raises ClusterError where there was none for too long."""
        if (now := monotonic()) < self._looked + LOOK_SECONDS:
            return
        self._looked = now
        n_workers = len(self._workers())
        if n_workers:
            self.size, self._seen = n_workers, now
        elif now > self._seen + self.patience_seconds:
            msg = f"the cluster has had no worker for {self.patience_seconds:.0f} seconds; what was finished is kept"
            raise ClusterError(msg)

    def _workers(self) -> dict[str, Any]:
        if self.client.status not in {"running", "connecting"}:
            raise _lost()
        with _lost_cluster():
            return dict(self.client.scheduler_info().get("workers", {}))


@dataclass
class _Sending(Generic[J]):
    """One run of a function over jobs: what waits, and what is on its way."""

    crew: Crew
    function: bytes
    waiting: Waiting[J]
    memory_bytes: int
    done: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    running: dict[Any, tuple[J, ...]] = field(default_factory=dict)
    began: float = field(default_factory=monotonic)
    n_finished: int = 0

    def outcomes(self) -> Iterator[tuple[J, Any]]:
        while True:
            self._refill()
            if not self.running:
                return
            future = self._next_done()
            batch = self.running.pop(future)
            answers = _answers(future)
            future.release()
            if answers is None and len(batch) > 1:  # one of them kills workers: which, they show one by one
                self._send([(job,) for job in batch])
                continue
            self.n_finished += len(batch)
            yield from zip(batch, map(_unpacked, answers or (None,)), strict=True)

    def _refill(self) -> None:
        """Once half of what was on its way has arrived, send so much again."""
        self.crew.look()
        ahead = [job for batch in self.running.values() for job in batch]
        size = 1 + int(self.n_finished / (monotonic() - self.began) * SECONDS_PER_TASK)
        room = Room(JOBS_PER_WORKER * self.crew.size * size, self.memory_bytes)
        if len(ahead) <= room.n_jobs // 2:
            following = self.waiting.fitting(ahead, room)
            self._send(list(iter(lambda: tuple(islice(following, size)), ())))

    def _send(self, batches: list[tuple[J, ...]]) -> None:
        if not batches:
            return
        packed = [[pickle.dumps(job) for job in batch] for batch in batches]
        keys = [(_NAME, next(_numbers)) for _ in batches]
        with _lost_cluster():
            futures = self.crew.client.map(_in_worker, [self.function] * len(packed), packed, key=keys, pure=False)
        for future, batch in zip(futures, batches, strict=True):
            self.running[future] = batch
            future.add_done_callback(self.done.put)  # type: ignore[no-untyped-call]

    def _next_done(self) -> Any:
        while True:
            try:
                return self.done.get(timeout=LOOK_SECONDS)
            except Empty:
                self.crew.look()


_NAME: Final = f"ctprep-{uuid4().hex}"
"""Whose tasks they are: a scheduler may serve several programs."""

_numbers = count()


class Guarding(WorkerPlugin):
    """Gives a worker the child process that works its jobs.

    Without a ``server`` to have it from, as in another process, the worker has its own, where ``warm`` is called first.
    """

    name = "ctprep-guarding"

    def __init__(self, guard: Guard, warm: bytes | None = None, server: ForkServer | None = None) -> None:
        self._guard, self._warm, self._server = guard, warm, server
        self._open = ExitStack()

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the plugin interface
        """Begin the imports while the worker waits for its first job."""
        if (server := self._server) is None:
            server = self._open.enter_context(closing(ForkServer()))
        self.process = GuardedProcess(self._guard, server)
        self._open.callback(self.process.end)
        if self._warm:
            server.warm(self._warm)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - the plugin interface
        """Leave no process behind."""
        self._open.close()


def _in_worker(function: bytes, jobs: list[bytes]) -> list[bytes]:
    plugin = cast("Guarding", get_worker().plugins[Guarding.name])
    return [plugin.process.run(function, job) for job in jobs]


def _answers(future: "Future[list[bytes]]") -> list[bytes] | None:
    """Return a task's answers, None where its worker died, and so did those that tried again."""
    try:
        with _lost_cluster():
            return future.result()
    except KilledWorker:
        return None


def _unpacked(answer: bytes | None) -> Any:
    if answer is None:
        return Lost(Reason.WORKER_LOST, "the worker died, and so did those that tried again")
    return pickle.loads(answer)  # noqa: S301 - our own child's


@contextmanager
def _lost_cluster() -> Iterator[None]:
    """Turn what distributed says when nobody answers any more into ClusterError."""
    try:
        yield
    except (CancelledError, ClosedClientError, CommClosedError) as error:
        raise _lost() from error


def _lost() -> ClusterError:
    return ClusterError("the cluster was lost; what was finished is kept")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what distributed logs to itself: what a person should know is said by an error."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)

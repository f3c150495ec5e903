"""Jobs on their way to the workers of a Dask cluster and back: how many at once, and what becomes of them."""

import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, Generic
from uuid import uuid4

from distributed import CancelledError, Client, Future, KilledWorker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from pipeline.cluster.guarding import work_here
from pipeline.cluster.outcome import J, Lost
from pipeline.cluster.waiting import Room, Waiting
from pipeline.errors import ClusterError
from pipeline.vocabulary import Reason

JOBS_PER_WORKER: Final = 4
"""Jobs handed over ahead of time, and more when half are done: no worker waits, for any number of series."""

SECONDS_PER_TASK: Final = 0.025
"""Jobs that finish faster travel several a task: a task costs the scheduler up to 6 ms, whatever is in it."""

LOOK_SECONDS: Final = 2.0
"""How often somebody who waits for a result looks whether anybody works on it."""

_NAME: Final = f"ctprep-{uuid4().hex}"
"""Whose tasks they are: a scheduler may serve several programs."""

_numbers = count()


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
class Sending(Generic[J]):
    """One run of a pickled function over jobs: what waits, what is on its way, and what is suspected to kill workers.

    Where a worker dies again and again, the scheduler blames all that was in its hands.  So those are tried once more
    at the end, one by one and with nobody beside them: who kills workers is found out, and nobody else is lost.
    """

    crew: Crew
    function: bytes
    waiting: Waiting[J]
    memory_bytes: int
    done: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    running: dict[Any, tuple[J, ...]] = field(default_factory=dict)
    suspects: deque[J] = field(default_factory=deque)
    began: float = field(default_factory=monotonic)
    n_finished: int = 0

    def outcomes(self) -> Iterator[tuple[J, Any]]:
        """Yield each job with its result, or the `Lost` that stands for it."""
        while self._refill():
            batch, answers = self._arrived()
            if answers is None:
                self.suspects += batch
            else:
                yield from zip(batch, map(pickle.loads, answers), strict=True)
        while self.suspects:
            self._send([(self.suspects.popleft(),)])
            (job,), answers = self._arrived()
            yield job, KILLER if answers is None else pickle.loads(answers[0])  # noqa: S301 - our own child's

    def _refill(self) -> bool:
        """Once half of what was on its way has arrived, send so much again; False where nothing is left."""
        self.crew.look()
        ahead = [job for batch in self.running.values() for job in batch]
        size = 1 + int(self.n_finished / (monotonic() - self.began) * SECONDS_PER_TASK)
        room = Room(JOBS_PER_WORKER * self.crew.size * size, self.memory_bytes)
        if len(ahead) <= room.n_jobs // 2:
            following = self.waiting.fitting(ahead, room)
            self._send(list(iter(lambda: tuple(islice(following, size)), ())))
        return bool(self.running)

    def _send(self, batches: Sequence[tuple[J, ...]]) -> None:
        if not batches:
            return
        packed = [[pickle.dumps(job) for job in batch] for batch in batches]
        keys = [(_NAME, next(_numbers)) for _ in batches]
        with _lost_cluster():
            futures = self.crew.client.map(work_here, [self.function] * len(packed), packed, key=keys, pure=False)
        for future, batch in zip(futures, batches, strict=True):
            self.running[future] = batch
            future.add_done_callback(self.done.put)  # type: ignore[no-untyped-call]

    def _arrived(self) -> tuple[tuple[J, ...], list[bytes] | None]:
        """Return the jobs of the task that is done next, and their answers: None where they were blamed for a death."""
        future = self._next_done()
        batch = self.running.pop(future)
        self.n_finished += len(batch)
        answers = _answers(future)
        future.release()
        return batch, answers

    def _next_done(self) -> Any:
        while True:
            try:
                return self.done.get(timeout=LOOK_SECONDS)
            except Empty:
                self.crew.look()


KILLER: Final = Lost(Reason.WORKER_LOST, "each worker that tried it died")


def _answers(future: "Future[list[bytes]]") -> list[bytes] | None:
    """Return a task's answers, None where its worker died, and so did those that tried again."""
    try:
        with _lost_cluster():
            return future.result()
    except KilledWorker:
        return None
    except ClusterError:
        raise
    except Exception as error:  # a job's own error is an answer; this one is of the worker
        msg = f"a worker of the cluster cannot work ({type(error).__name__}): is the same ctprep installed there?"
        raise ClusterError(msg) from error


@contextmanager
def _lost_cluster() -> Iterator[None]:
    """Turn what distributed says when nobody answers any more into ClusterError."""
    try:
        yield
    except (CancelledError, ClosedClientError, CommClosedError) as error:
        raise _lost() from error


def _lost() -> ClusterError:
    return ClusterError("the cluster was lost; what was finished is kept")

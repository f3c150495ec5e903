"""Several guarded children of this machine, a thread to wait for each."""

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import LifoQueue, SimpleQueue
from typing import Final, Self

import psutil  # type: ignore[import-untyped]  # comes with distributed

from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.guarded import GuardedProcess
from pipeline.cluster.outcome import J, Lost, R
from pipeline.cluster.waiting import Room, Waiting

JOBS_PER_CHILD: Final = 2
"""One is worked while the next one waits."""


class ChildrenEngine:
    """Works jobs in up to ``n_children`` processes of this machine, and yields them as they finish.

    A child is started when there is a job for it, and works for as long as the engine is open.
    """

    def __init__(
        self, guard: Guard, n_children: int, memory_bytes: int | None = None, server: ForkServer | None = None
    ) -> None:
        self.server = server or ForkServer()
        self.n_children = n_children
        self._room = Room(JOBS_PER_CHILD * n_children, memory_bytes or free_bytes())
        self._processes = [GuardedProcess(guard, self.server) for _ in range(n_children)]
        self._idle: LifoQueue[GuardedProcess] = LifoQueue()
        self._threads = ThreadPoolExecutor(n_children)

    def __enter__(self) -> Self:
        for process in self._processes:
            self._idle.put(process)
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.end()  # what a thread still waits for ends now
        self._threads.shutdown()
        self.server.close()

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it, in order of completion; jobs are taken as others finish."""
        packed, waiting = pickle.dumps(function), Waiting(jobs)
        running: dict[Future[bytes], J] = {}
        done: SimpleQueue[Future[bytes]] = SimpleQueue()  # unlike `wait`, it holds no lock when Ctrl-C comes
        while True:
            for job in waiting.fitting(running.values(), self._room):
                future = self._threads.submit(self._work, packed, pickle.dumps(job))
                running[future] = job
                future.add_done_callback(done.put)
            if not running:
                return
            future = done.get()
            yield running.pop(future), pickle.loads(future.result())  # noqa: S301 - our own child's

    def _work(self, function: bytes, job: bytes) -> bytes:
        process = self._idle.get()
        try:
            return process.run(function, job)
        finally:
            self._idle.put(process)


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes() -> int:
    """Return how much memory the machine has to give."""
    return int(psutil.virtual_memory().available)

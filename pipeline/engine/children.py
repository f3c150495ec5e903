"""Several guarded children, a thread to wait for each: for many short jobs, which would not pay for a cluster."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from queue import SimpleQueue
from typing import Final, Self

from pipeline.engine.guard import Guard
from pipeline.engine.guarded import GuardedProcess
from pipeline.engine.outcome import J, Lost, R

JOBS_PER_CHILD: Final = 2
"""One is worked while the next one waits."""


class ChildrenEngine:
    """Works jobs in ``n_children`` processes of this machine, and yields them as they finish."""

    def __init__(self, guard: Guard, n_children: int) -> None:
        self._processes = [GuardedProcess(guard) for _ in range(n_children)]
        self._idle: SimpleQueue[GuardedProcess] = SimpleQueue()
        self._threads = ThreadPoolExecutor(n_children)

    def __enter__(self) -> Self:
        for process in self._processes:
            self._idle.put(process)
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._close_processes()  # what a thread still waits for ends now
        self._threads.shutdown()
        self._close_processes()

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it, in order of completion; jobs are taken as others finish."""
        packed = pickle.dumps(function)
        waiting = iter(jobs)
        ahead = islice(waiting, JOBS_PER_CHILD * len(self._processes))
        running: dict[Future[bytes], J] = {self._submit(packed, job): job for job in ahead}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                job = running.pop(future)
                for following in islice(waiting, 1):
                    running[self._submit(packed, following)] = following
                yield job, pickle.loads(future.result())  # noqa: S301 - our own child's

    def _submit(self, function: bytes, job: object) -> Future[bytes]:
        return self._threads.submit(self._work, function, pickle.dumps(job))

    def _work(self, function: bytes, job: bytes) -> bytes:
        process = self._idle.get()
        try:
            return process.run(function, job)
        finally:
            self._idle.put(process)

    def _close_processes(self) -> None:
        for process in self._processes:
            process.close()

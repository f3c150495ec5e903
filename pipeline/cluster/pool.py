"""The processes of one run: those that read its headers also work its series, so that their start is paid once."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol, Self

from pipeline.cluster.children import ChildrenEngine, core_count, free_bytes
from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.options import ClusterOptions
from pipeline.cluster.outcome import J, Lost, R
from pipeline.limits import Limits

JOBS_WORTH_A_CLUSTER: Final = 1000
"""From here on ``workers: auto`` starts a local cluster: its two to three seconds are below 1 % of the work."""


class Engine(Protocol):
    """Where jobs are worked; a context manager that leaves no process behind."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it, in order of completion.

        Jobs are taken from ``jobs`` as there is room; one that tells its ``memory_mb`` waits for so much.  The function
        is found again by its module's name in another process, which sees the same ``sys.path``.  Raises ClusterError
        when the cluster is lost.
        """
        ...


class Pool:
    """What a run works with, opened once around all of it; starts nothing before there is something to do.

    ``warm`` is called without arguments in each process that works long jobs, before its first; ``shared`` are folders
    that workers on other machines must see, the first of them to write in.  A ``server`` that was started before is
    used, and closed.
    """

    def __init__(
        self,
        options: ClusterOptions,
        limits: Limits,
        warm: Callable[[], object] | None,
        shared: Sequence[Path],
        server: ForkServer | None = None,
    ) -> None:
        self._options, self._guard = options, Guard.of(options, limits)
        self._warm = None if warm is None else pickle.dumps(warm)
        self._shared = tuple(shared)
        self._children = ChildrenEngine(self._guard, _child_count(options), _room_bytes(options), server)
        self._ahead: Future[Engine] | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._children)
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def run_short(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Work short jobs: in this process until the children have imported what they need, and then in those.

        All processes of a machine with one core, or of a serial run, would be one and the same: this one works on.
        """
        waiting = iter(jobs)
        for job in waiting:
            self.start(function)
            yield job, function(job)
            if self._children.n_children > 1 and self._children.server.is_ready:
                break
        yield from self._children.run(function, waiting)

    def start(self, *functions: Callable[[J], R]) -> None:
        """Begin what long jobs will need, and what these functions do, and return at once."""
        for function in functions:
            self._children.server.load(pickle.dumps(function))
        if self._options.kind == "local" and self._options.workers != "auto":
            self._start_cluster()
        if self._warm and not self._options.is_remote:
            self._children.server.warm(self._warm)

    def engine(self, n_jobs: int) -> Engine:
        """Return the engine for so many long jobs; it closes with the pool.

        Raises ClusterError where a cluster cannot be had.
        """
        self.start()
        if self._is_for_children(n_jobs):
            return self._children
        if not self._options.is_remote:
            return self._start_cluster().result()
        from pipeline.cluster.remote import remote_engine  # noqa: PLC0415 - dask only where it is used

        return self._open.enter_context(remote_engine(self._options, self._guard, n_jobs, self._warm, self._shared))

    def bounds(self) -> str:
        """Return in words how many workers there are, and what one of them may take for a series."""
        n_workers = self._options.workers if self._options.is_remote else self._children.n_children
        workers = {1: "1 worker", "auto": "the cluster's workers"}.get(n_workers, f"{n_workers} workers")
        return f"{workers}, at most {self._guard.memory_bytes >> 20} MiB and {self._guard.timeout_seconds} s a series"

    def _is_for_children(self, n_jobs: int) -> bool:
        options = self._options
        is_worth_a_cluster = options.workers != "auto" or n_jobs >= JOBS_WORTH_A_CLUSTER
        return options.kind == "serial" or (options.kind == "local" and not is_worth_a_cluster)

    def _start_cluster(self) -> Future[Engine]:
        """Let a local cluster start in a thread of its own, once, and close with the pool."""
        if self._ahead is None:
            thread = self._open.enter_context(ThreadPoolExecutor(1))
            self._ahead = thread.submit(self._enter_cluster)
            self._open.callback(self._close_cluster)
        return self._ahead

    def _enter_cluster(self) -> Engine:
        from pipeline.cluster.local import local_engine  # noqa: PLC0415 - dask only where it is used

        children, room_bytes = self._children, _room_bytes(self._options) or free_bytes()
        return local_engine(self._guard, children.n_children, children.server, room_bytes).__enter__()

    def _close_cluster(self) -> None:
        if self._ahead and not self._ahead.exception():
            self._ahead.result().__exit__()


def _child_count(options: ClusterOptions) -> int:
    """Return how many processes of this machine there are for short jobs, and for long ones where no cluster is."""
    if options.kind == "serial":
        return 1
    return core_count() if options.workers == "auto" or options.is_remote else options.workers


def _room_bytes(options: ClusterOptions) -> int | None:
    """Return what all workers of this machine may take together; None is all that it has to give."""
    limit = options.memory_limit_bytes
    return None if limit is None else limit * _child_count(options)

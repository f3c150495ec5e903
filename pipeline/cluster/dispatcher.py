"""The one engine: jobs go to the workers of a Dask cluster, wherever that is, and their results come back."""

import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count, islice
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, Generic, Self
from uuid import uuid4

import dask
from distributed import CancelledError, Client, Future, KilledWorker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from pipeline.cluster.child import start_fork_server
from pipeline.cluster.jobs import Capacity, J, JobFailure, JobLimits, PendingJobs, R, Task, pack_job
from pipeline.cluster.local import connect_local, count_workers, total_memory_bytes
from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.cluster.quiet import hold_interrupts, silence_logs
from pipeline.cluster.remote import check_workers, connect_address
from pipeline.cluster.worker import GuardPlugin, name_of_plugin, run_jobs
from pipeline.errors import ClusterError, UsageError
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

JOBS_PER_WORKER: Final = 4
"""Jobs handed over ahead of time, and more when half are done: no worker waits, for any number of series."""

SECONDS_PER_TASK: Final = 0.025
"""Jobs that finish faster travel several a task: a task costs the scheduler up to 6 ms, also with one job."""

LOOK_SECONDS: Final = 2.0
"""How often the workers are counted while a result is waited for."""

SETTINGS: Final = {
    "distributed.admin.low-level-log-length": 100,  # a message names each file of a series
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # as above
    "distributed.scheduler.allowed-failures": 2,  # at 0, jobs that only waited on a dying worker are blamed
    "distributed.scheduler.worker-saturation": 1.0,  # jobs wait at the scheduler, not behind a long or deadly one
    "distributed.worker.http.routes": [],
}
WITHOUT_DASHBOARD: Final[dict[str, Any]] = {
    "distributed.scheduler.http.routes": [],
    # What a dashboard draws: measured as often as by default, it takes a fifteenth of a core.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
}
OWN_DASHBOARD: Final = {"distributed.dashboard.link": "http://127.0.0.1:{port}/status"}
"""Where the dashboard of a scheduler in this process is; distributed would name another interface of the machine."""


def check_cluster(options: ClusterOptions) -> None:
    """Raise UsageError where the cluster cannot be had here and now; looks, and starts nothing.

    A certificate may be unreadable, a package missing, or a queue's option unknown.
    """
    if options.is_remote:
        for part, path in (options.tls or {}).items():
            if not os.access(path, os.R_OK):
                msg = f"cluster.tls.{part}: {path} cannot be read"
                raise UsageError(msg)
    if options.is_queue and not (find_spec("dask_jobqueue") and find_spec("cryptography")):
        msg = f"cluster: {{kind: {options.kind}}} needs more packages: pip install 'ctprep[hpc]'"
        raise UsageError(msg)
    if options.dashboard and options.kind != "address" and not find_spec("bokeh"):
        msg = "cluster: {dashboard: true} needs bokeh: pip install 'ctprep[dashboard]'"
        raise UsageError(msg)
    find_job_script(options, Limits())


def find_job_script(options: ClusterOptions, limits: Limits) -> str | None:
    """Return what a job queue will be given for each worker, None where there is no queue."""
    if not options.is_queue:
        return None
    from pipeline.cluster.jobqueue import job_script  # noqa: PLC0415  an extra

    return job_script(options, JobLimits.of(options, limits))


def open_cluster(
    options: ClusterOptions,
    limits: Limits,
    *,
    preload: Sequence[str] = (),
    folders: Folders | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> "Dispatcher":
    """Return a dispatcher, to be entered; it connects to its cluster when there is a first job.

    ``preload`` are modules that children import once, before their first job.  ``folders`` are those that workers on
    other machines must see.  ``announce`` takes where the dashboard is, if ``options`` ask for one.
    """
    return Dispatcher(options, JobLimits.of(options, limits), preload, folders or Folders(), announce)


class Dispatcher:
    """Hands jobs to the workers of one cluster for as long as it is open, and leaves no process behind.

    The cluster is lost when its scheduler is, or when no worker has been there for ``cluster.wait_seconds``.
    """

    def __init__(
        self,
        options: ClusterOptions,
        limits: JobLimits,
        preload: Sequence[str],
        folders: Folders,
        announce: Callable[[str], None],
    ) -> None:
        self._options = options
        self._limits = limits
        self._preload = preload
        self._folders = folders
        self._announce = announce
        self._run = uuid4().hex[:8]
        self._numbers = count(1)
        self._open = ExitStack()
        self._client: Client | None = None
        self._request_workers: Callable[[int | None], None] = lambda _: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._client:
            with hold_interrupts():
                self._open.close()

    def describe(self) -> str:
        """Return in words how many workers there are, and what one of them may take for a series."""
        options = self._options
        n_workers = options.workers if options.is_remote else count_workers(options)
        workers = {1: "1 worker", "auto": "the cluster's workers"}.get(n_workers, f"{n_workers} workers")
        memory_mb, seconds = self._limits.memory_bytes >> 20, self._limits.timeout_seconds
        return f"{workers}, at most {memory_mb} MiB and {seconds} s per series"

    def run(self, task: Task[J, R], jobs: Iterable[J], n_jobs: int | None = None) -> Iterator[tuple[J, R | JobFailure]]:
        """Yield each job with its result, in order of completion; raises ClusterError when the cluster is lost.

        Jobs are taken from ``jobs`` only as there is capacity for them.  A job queue is asked for at most ``n_jobs``
        workers.
        """
        pending = PendingJobs(jobs, task.memory_mb)
        if not pending:
            return
        client = self._connect(n_jobs)
        self._request_workers(n_jobs)
        workers = _Workers(client, self._options.patience_seconds)
        memory_bytes = sys.maxsize if self._options.is_remote else total_memory_bytes(self._options)
        yield from _Submission(workers, task, pending, memory_bytes, self._run, self._numbers).results()

    def _connect(self, n_jobs: int | None) -> Client:
        if self._client is None:
            with hold_interrupts(), ExitStack() as stack:  # half started, a cluster cannot be closed quietly
                client = self._start(stack, n_jobs)
                self._open, self._client = stack.pop_all(), client
            if self._options.dashboard:
                self._announce(f"dashboard: {_dashboard_of(client) or 'this scheduler serves none'}")
        return self._client

    def _start(self, stack: ExitStack, n_jobs: int | None) -> Client:
        stack.enter_context(dask.config.set(_settings_of(self._options)))
        stack.enter_context(silence_logs())
        client = self._connect_kind(stack, n_jobs)
        if self._options.is_remote:
            check_workers(client, self._folders)
        client.register_plugin(GuardPlugin(self._run, self._limits, self._preload))
        stack.callback(_unregister, client, self._run)
        return client

    def _connect_kind(self, stack: ExitStack, n_jobs: int | None) -> Client:
        options = self._options
        if options.kind == "address":
            return connect_address(stack, options)
        if options.is_remote:
            from pipeline.cluster.jobqueue import connect_queue  # noqa: PLC0415  an extra

            client, self._request_workers = connect_queue(stack, options, self._limits, self._folders, n_jobs)
            return client
        start_fork_server(self._preload)  # it imports beside the start of the cluster
        return connect_local(stack, options)


def _settings_of(options: ClusterOptions) -> dict[str, Any]:
    """Return what Dask is configured with while the cluster is open."""
    if not options.dashboard:
        return SETTINGS | WITHOUT_DASHBOARD
    return SETTINGS if options.kind == "address" else SETTINGS | OWN_DASHBOARD


def _unregister(client: Client, run: str) -> None:
    """End the children of a run on workers that stay."""
    with suppress(Exception):  # a cluster that is lost has none
        if client.status == "running":
            client.unregister_worker_plugin(name_of_plugin(run))


def _dashboard_of(client: Client) -> str | None:
    with suppress(KeyError):
        return str(client.dashboard_link or "") or None
    return None


@dataclass
class _Workers:
    """The workers of a client's cluster, which come and go."""

    client: Client
    patience_seconds: float
    n_workers: int = 1
    _counted: float = -LOOK_SECONDS
    _seen: float = field(default_factory=monotonic)

    def count(self) -> None:
        """Count the workers, not more often than it takes; raises ClusterError where there was none for too long."""
        if (now := monotonic()) < self._counted + LOOK_SECONDS:
            return
        self._counted = now
        n_workers = self._ask()
        if n_workers:
            self.n_workers, self._seen = n_workers, now
        elif now > self._seen + self.patience_seconds:
            msg = f"the cluster has had no worker for {self.patience_seconds:.0f} seconds; what was finished is kept"
            raise ClusterError(msg)

    def _ask(self) -> int:
        """Return how many jobs the workers can do at once."""
        if self.client.status not in {"running", "connecting"}:
            raise _lost()
        with _lost_cluster():
            return sum(self.client.nthreads().values())


@dataclass
class _Submission(Generic[J, R]):
    """One task over its jobs: those pending, those submitted, and those suspected to kill workers.

    Where a worker dies again and again, the scheduler blames all that was in its hands.  So those are tried once more
    at the end, one by one and with nobody beside them: who kills workers is found out, and nobody else is lost.
    """

    workers: _Workers
    task: Task[J, R]
    pending: PendingJobs[J]
    memory_bytes: int
    run: str
    numbers: Iterator[int]
    done: SimpleQueue[Any] = field(default_factory=SimpleQueue)  # unlike `wait`, it holds no lock when Ctrl-C comes
    submitted: dict[Any, tuple[J, ...]] = field(default_factory=dict)
    suspects: deque[J] = field(default_factory=deque)
    began: float = field(default_factory=monotonic)
    n_finished: int = 0

    def results(self) -> Iterator[tuple[J, R | JobFailure]]:
        """Yield each job with its result or failure."""
        while self._refill():
            batch, answers = self._next_answers()
            if answers is None:
                self.suspects += batch
            else:
                yield from zip(batch, map(pickle.loads, answers), strict=True)
        while self.suspects:
            self._submit([(self.suspects.popleft(),)])
            (job,), answers = self._next_answers()
            yield job, KILLER if answers is None else pickle.loads(answers[0])  # noqa: S301  our own child's

    def _refill(self) -> bool:
        """Once half of what was submitted is done, submit so much again; False where nothing is left."""
        self.workers.count()
        submitted = [job for batch in self.submitted.values() for job in batch]
        size = 1 + int(self.n_finished / (monotonic() - self.began) * SECONDS_PER_TASK)
        capacity = Capacity(JOBS_PER_WORKER * self.workers.n_workers * size, self.memory_bytes)
        if len(submitted) <= capacity.n_jobs // 2:
            following = self.pending.take(submitted, capacity)
            batches = []
            while batch := tuple(islice(following, size)):
                batches.append(batch)
            self._submit(batches)
        return bool(self.submitted)

    def _submit(self, batches: Sequence[tuple[J, ...]]) -> None:
        for batch in batches:
            packed = [pack_job(job) for job in batch]
            with _lost_cluster():
                future = self.workers.client.submit(
                    run_jobs, self.run, self.task.function, packed, key=self._key(batch), pure=False
                )
            self.submitted[future] = batch
            future.add_done_callback(self.done.put)

    def _key(self, batch: Sequence[J]) -> str:
        """Return a name that says what is done with what, as Dask's tools show it, and by which run."""
        number = next(self.numbers)
        label = self.task.label(batch[0]) if self.task.label else None
        parts = [self.task.name, label, *([f"and-{len(batch) - 1}-more"] if label and len(batch) > 1 else [])]
        return "-".join([part for part in parts if part] + [str(number), f"run{self.run}"])

    def _next_answers(self) -> tuple[tuple[J, ...], list[bytes] | None]:
        """Return the jobs of the task that is done next, and their answers: None where they were blamed for a death."""
        future = self._next_done()
        batch = self.submitted.pop(future)
        self.n_finished += len(batch)
        answers = _answers_of(future)
        future.release()
        return batch, answers

    def _next_done(self) -> Any:
        while True:
            try:
                return self.done.get(timeout=LOOK_SECONDS)
            except Empty:
                self.workers.count()


KILLER: Final = JobFailure(Reason.WORKER_LOST, "each worker that tried it died")


def _answers_of(future: "Future[list[bytes]]") -> list[bytes] | None:
    """Return a task's answers, None where its worker died, and so did those that tried again."""
    try:
        with _lost_cluster():
            answers: list[bytes] = future.result()
            return answers
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

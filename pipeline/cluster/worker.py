"""What a Dask worker does: it passes each job on to a guarded child process of its own."""

import multiprocessing
import os
from collections.abc import Sequence
from queue import LifoQueue
from typing import cast

from distributed import Worker, WorkerPlugin, get_worker

from pipeline.cluster.child import GuardedChild, start_fork_server
from pipeline.cluster.jobs import JobLimits


class GuardPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed is not checked
    """Gives a worker the child processes that do a run's jobs, one for each of its threads.

    The plugin is named by the run: several runs may share a scheduler.  Stores are written with the umask of the user
    who runs it, not with that of a queue or a service.
    """

    def __init__(self, run: str, limits: JobLimits, preload: Sequence[str]) -> None:
        self.name = name_of_plugin(run)
        self._limits = limits
        self._preload = tuple(preload)
        self._umask = _read_umask()

    def setup(self, worker: Worker) -> None:
        """Let the imports begin while the worker waits for its first job."""
        multiprocessing.current_process().daemon = False  # a nanny's worker is, and could then have no children
        start_fork_server(self._preload)
        self._children = [GuardedChild(self._limits, self._preload, self._umask) for _ in range(worker.state.nthreads)]
        self._idle: LifoQueue[GuardedChild] = LifoQueue()
        for child in self._children:
            self._idle.put(child)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002  the plugin interface
        """Leave no process behind."""
        for child in self._children:
            child.close()

    def run_job(self, function: str, job: bytes) -> bytes:
        """Return the pickled answer of a child to a packed job."""
        child = self._idle.get()
        try:
            return child.run(function, job)
        finally:
            self._idle.put(child)


def _read_umask() -> int:
    """Return this process's umask, which the system tells only to who sets another."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def name_of_plugin(run: str) -> str:
    """Return the name that the plugin of a run has on every worker."""
    return f"ctprep-{run}"


def run_jobs(run: str, function: str, jobs: Sequence[bytes]) -> list[bytes]:
    """Be a Dask task: return the pickled answers to the packed jobs of a run."""
    plugin = cast("GuardPlugin", get_worker().plugins[name_of_plugin(run)])
    return [plugin.run_job(function, job) for job in jobs]

"""What a worker of a cluster does: it passes each job on to a child process of its own."""

from contextlib import ExitStack, closing
from typing import cast

from distributed import Worker, WorkerPlugin, get_worker

from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.guarded import GuardedProcess


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


def work_here(function: bytes, jobs: list[bytes]) -> list[bytes]:
    """Return the pickled answers to pickled jobs, in a worker that is `Guarding`."""
    plugin = cast("Guarding", get_worker().plugins[Guarding.name])
    return [plugin.process.run(function, job) for job in jobs]

"""Where guarded children come from: one process a run has imported what they need, and is copied for each."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import sendfds
from pathlib import Path
from threading import RLock
from typing import Any, Final

START_SECONDS: Final = 120
"""What the imports of a job may take, on the slowest of file systems."""

ENVIRONMENT: Final = {
    # One job, one thread: two threads over one job gain nothing over two processes.
    **{f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB")},
    "BLOSC_NTHREADS": "1",
    # Buffers of slices and chunks stay in the process: giving each back to the system costs half as much again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""What is set before a process starts that works jobs: read once, when its libraries are loaded."""


class ForkServer:
    """Starts children by copying a process that has imported what their jobs need; may be asked from many threads.

    It starts with the first question, imports in its own time (`load` and `warm` return at once), and is started again
    where it was killed: children that live go on without it.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._prepared: dict[tuple[str, bytes], None] = {}
        self._unanswered = 0

    def load(self, function: bytes) -> None:
        """Let children have imported what a pickled function needs."""
        self._prepare("load", function)

    def warm(self, function: bytes) -> None:
        """Let children have behind them what a pickled function does that takes no argument."""
        self._prepare("warm", function)

    @property
    def is_ready(self) -> bool:
        """True where a child can be had without waiting for imports."""
        with self._lock:
            while self._unanswered and self._connection.poll():
                self._receive()
            return self._process is not None and not self._unanswered

    def fork(self, pipe: Connection, crash_fd: int, lifeline_fd: int, timeout_seconds: int) -> int:
        """Return the process id of a new child; raises OSError or EOFError where none can be had."""
        with self._lock:
            connection = self._started()
            connection.send(("fork", timeout_seconds))
            with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as descriptors:
                sendfds(descriptors, [pipe.fileno(), crash_fd, lifeline_fd])
            return int(self._answer())

    def status(self, pid: int) -> int | None:
        """Return how a child ended, None while it lives or where nobody can tell."""
        with self._lock:
            if not self._is_alive():
                return None
            try:
                self._connection.send(("status", pid))
                code: int | None = self._answer()
            except (EOFError, OSError):
                return None
            return code

    def close(self) -> None:
        """End the process that is copied; its children are not its own, and stay."""
        with self._lock:
            if self._process is None:
                return
            self._process.kill()
            self._process.wait()
            self._connection.close()
            self._process, self._unanswered = None, 0

    def _prepare(self, question: str, function: bytes) -> None:
        with self._lock:
            if (question, function) in self._prepared and self._is_alive():
                return
            self._prepared[question, function] = None
            if self._is_alive():
                self._ask_ahead(question, function)
            else:
                self._started()

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _started(self) -> Connection:
        if not self._is_alive():
            self.close()
            self._connection, theirs = Pipe()
            with theirs:
                self._process = _python("pipeline.cluster.forking", theirs.fileno())
            for question, function in self._prepared:
                self._ask_ahead(question, function)
        return self._connection

    def _ask_ahead(self, question: str, function: bytes) -> None:
        """Ask without waiting for the answer."""
        with suppress(OSError):  # whoever forks next finds out, and starts again
            self._connection.send((question, function))
            self._unanswered += 1

    def _answer(self) -> Any:
        while self._unanswered:
            self._receive()
        return self._take()

    def _receive(self) -> None:
        self._take()
        self._unanswered -= 1

    def _take(self) -> Any:
        try:
            if self._connection.poll(START_SECONDS):
                return self._connection.recv()
        except (EOFError, OSError):
            self.close()
            raise
        self.close()
        msg = "the process that children are copied from does not answer"
        raise TimeoutError(msg)


def _python(module: str, *fds: int) -> subprocess.Popen[bytes]:
    """Start a module in an interpreter that sees the same ``sys.path``."""
    paths: Sequence[str] = [str(Path(path).absolute()) for path in sys.path]
    return subprocess.Popen(  # noqa: S603 - this interpreter, our own module
        [sys.executable, "-P", "-m", module, *map(str, fds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # decoders chatter, and quote what they read
        pass_fds=fds,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(paths)},
    )

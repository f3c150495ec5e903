"""A process that a job cannot take down with it: the limits of every engine are held here, and only here."""

import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import Final, NoReturn

import psutil  # type: ignore[import-untyped]  # comes with distributed

from pipeline.engine.guard import Guard
from pipeline.engine.outcome import Lost
from pipeline.vocabulary import Reason

LOOK_SECONDS: Final = 0.1
"""How often a working child is looked at: within it a child can take a few hundred megabytes too much."""

GRACE_SECONDS: Final = 2.0
"""What a child gets beyond its time, to end by itself and say where it was."""

ENVIRONMENT: Final = {
    # One job, one thread: two threads over one job gain nothing over two processes.
    **{f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB")},
    "BLOSC_NTHREADS": "1",
    # Buffers of slices and chunks stay in the process: giving each back to the system costs half as much again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class GuardedProcess:
    """One child process that is used again for job after job, and replaced when a job breaks it.

    Functions and jobs come pickled and answers go back pickled, so that whoever stands between (a worker of a cluster)
    imports nothing of theirs.  A function must be importable by its module's name.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._child: _Child | None = None
        self._loaded: bytes | None = None

    def run(self, function: bytes, job: bytes) -> bytes:
        """Return the pickled result, or a pickled `Lost` when the job failed, died or cost too much."""
        try:
            return self._ready(function).ask(function, job)
        except _LostError as end:
            self.close()
            return pickle.dumps(end.lost)
        except BaseException:
            self.close()  # or its late answer would be taken for the next job's
            raise

    def close(self) -> None:
        """End the child, whatever it is doing."""
        child, self._child, self._loaded = self._child, None, None
        if child is not None:
            child.close()

    def _ready(self, function: bytes) -> "_Child":
        """Return a child that has loaded the function, so that imports count neither as a job's time nor its memory."""
        if self._child is not None and self._child.is_worn():
            self.close()
        if self._child is None:
            self._child = _Child(self._guard)
        if self._loaded != function:
            self._child.load(function)
            self._loaded = function
        return self._child


class _LostError(Exception):
    """The child is gone, or has to go, for a reason."""

    def __init__(self, reason: Reason, detail: str, traceback: str | None = None) -> None:
        super().__init__(detail)
        self.lost = Lost(reason, detail, traceback)


class _Child:
    """One life of a child process."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._idle_bytes = 0
        self._crash = TemporaryFile()  # noqa: SIM115 - closed with the child
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
                [
                    sys.executable,
                    *("-P", "-m", "pipeline.engine.child"),
                    *map(str, (theirs.fileno(), self._crash.fileno(), guard.timeout_seconds)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # decoders chatter, and quote what they read
                pass_fds=(theirs.fileno(), self._crash.fileno()),
                env=os.environ
                | ENVIRONMENT
                | {"PYTHONPATH": os.pathsep.join(str(Path(p).absolute()) for p in sys.path)},
            )

    def load(self, function: bytes) -> None:
        """Let the child import what the function needs; what it then holds is what it holds when idle."""
        self.ask(function, None)
        self._idle_bytes = self._resident_bytes()

    def is_worn(self) -> bool:
        """Tell whether the child died while idle, or kept so much of its jobs that the next would pay for them."""
        return self._process.poll() is not None or self._taken_bytes() > self._guard.memory_bytes // 2

    def ask(self, function: bytes, job: bytes | None) -> bytes:
        """Return the child's answer; raises `_LostError` when none will come."""
        began = monotonic()
        try:
            self._pipe.send((function, job))
            while not self._pipe.poll(LOOK_SECONDS):
                self._check(monotonic() - began)
            return self._pipe.recv_bytes()
        except (EOFError, OSError):
            self._explain(monotonic() - began)

    def close(self) -> None:
        """Kill the child and let go of everything that tied it to us."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()
        self._crash.close()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _check(self, seconds: float) -> None:
        if seconds > self._guard.timeout_seconds + GRACE_SECONDS:
            raise self._timed_out()
        if self._taken_bytes() > self._guard.memory_bytes:
            detail = f"more than {self._guard.memory_bytes >> 20} MiB"
            raise _LostError(Reason.OUT_OF_MEMORY, detail)

    def _explain(self, seconds: float) -> NoReturn:
        """Say why the child closed its end of the pipe."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        if seconds >= self._guard.timeout_seconds:
            raise self._timed_out()
        raise _LostError(Reason.WORKER_LOST, _ending(self._process.returncode), self._crash_text())

    def _timed_out(self) -> _LostError:
        return _LostError(Reason.TIMEOUT, f"more than {self._guard.timeout_seconds} seconds", self._crash_text())

    def _crash_text(self) -> str | None:
        self._crash.seek(0)
        return self._crash.read().decode(errors="replace") or None

    def _taken_bytes(self) -> int:
        return self._resident_bytes() - self._idle_bytes

    def _resident_bytes(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:  # it has just ended; the pipe says so next
            return 0


def _ending(code: int | None) -> str:
    if code is None:
        return "stopped answering"
    if code >= 0:
        return f"ended with status {code}"
    return f"killed by signal {-code} ({signal.strsignal(-code)})"

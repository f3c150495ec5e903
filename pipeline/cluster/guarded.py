"""A process that a job cannot take down with it: the limits of every engine are held here, and only here."""

import pickle
import signal
from contextlib import ExitStack, suppress
from multiprocessing import Pipe
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import Final, NoReturn

import psutil  # type: ignore[import-untyped]  # comes with distributed

from pipeline.cluster.fork_server import ForkServer
from pipeline.cluster.guard import Guard
from pipeline.cluster.outcome import Lost
from pipeline.vocabulary import Reason

LOOK_SECONDS: Final = 0.1
"""How often a working child is looked at: within it a child can take a few hundred megabytes too much."""

GRACE_SECONDS: Final = 2.0
"""What a child gets beyond its time, to end by itself and say where it was."""

END_SECONDS: Final = 0.002
"""How often a child that is about to end is looked at."""


class GuardedProcess:
    """One child process that is used again for job after job, and replaced when a job breaks it.

    Functions and jobs come pickled and answers go back pickled, so that whoever stands between (a worker of a cluster)
    imports nothing of theirs.  A function must be importable by its module's name.
    """

    def __init__(self, guard: Guard, server: ForkServer) -> None:
        self._guard = guard
        self._server = server
        self._child: _Child | None = None
        self._loaded: bytes | None = None
        self._is_ended = False

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

    def end(self) -> None:
        """Close for good, and let another thread that is about to work here find no child."""
        self._is_ended = True
        self.close()

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
            self._server.load(function)
            self._child = _born(self._guard, self._server)
        if self._is_ended:  # looked at after the child is there: who ended this has seen it, or is seen here
            raise _LostError(Reason.CANCELLED, "the run ended before it")
        if self._loaded != function:
            self._child.load(function)
            self._loaded = function
        return self._child


class _LostError(Exception):
    """The child is gone, or has to go, for a reason."""

    def __init__(self, reason: Reason, detail: str, traceback: str | None = None) -> None:
        super().__init__(detail)
        self.lost = Lost(reason, detail, traceback)


def _born(guard: Guard, server: ForkServer) -> "_Child":
    try:
        return _Child(guard, server)
    except (EOFError, OSError) as error:
        raise _LostError(Reason.WORKER_LOST, f"no process could be started ({type(error).__name__})") from error


class _Child:
    """One life of a child process."""

    def __init__(self, guard: Guard, server: ForkServer) -> None:
        self._guard = guard
        self._server = server
        self._idle_bytes = 0
        self._code: int | None = None
        with ExitStack() as opened:
            crash = opened.enter_context(TemporaryFile())
            self._pipe, theirs = map(opened.enter_context, Pipe())
            lifeline, _ = map(opened.enter_context, Pipe(duplex=False))
            pid = server.fork(theirs, crash.fileno(), lifeline.fileno(), guard.timeout_seconds)
            theirs.close()
            lifeline.close()
            self._process = psutil.Process(pid)
            self._crash, self._open = crash, opened.pop_all()

    def load(self, function: bytes) -> None:
        """Let the child import what the function needs; what it then holds is what it holds when idle."""
        self.ask(function, None)
        self._idle_bytes = self._resident_bytes()

    def is_worn(self) -> bool:
        """Tell whether the child died while idle, or kept so much of its jobs that the next would pay for them."""
        return self._has_ended() or self._taken_bytes() > self._guard.memory_bytes // 2

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
        with suppress(psutil.NoSuchProcess):
            self._process.kill()
        self._wait()
        self._open.close()

    def _check(self, seconds: float) -> None:
        if seconds > self._guard.timeout_seconds + GRACE_SECONDS:
            raise self._timed_out()
        if self._taken_bytes() > self._guard.memory_bytes:
            detail = f"more than {self._guard.memory_bytes >> 20} MiB"
            raise _LostError(Reason.OUT_OF_MEMORY, detail)

    def _explain(self, seconds: float) -> NoReturn:
        """Say why the child closed its end of the pipe."""
        self._wait()
        if seconds >= self._guard.timeout_seconds:
            raise self._timed_out()
        raise _LostError(Reason.WORKER_LOST, _ending(self._code), self._crash_text())

    def _wait(self) -> None:
        """Give the child the time it needs to end."""
        until = monotonic() + GRACE_SECONDS
        while not self._has_ended() and monotonic() < until:
            sleep(END_SECONDS)

    def _has_ended(self) -> bool:
        if self._code is None:
            self._code = self._server.status(self._process.pid)
        return self._code is not None or not self._process.is_running()

    def _timed_out(self) -> _LostError:
        return _LostError(Reason.TIMEOUT, f"more than {self._guard.timeout_seconds} seconds", self._crash_text())

    def _crash_text(self) -> str | None:
        self._crash.seek(0)
        return self._crash.read().decode(errors="replace") or None

    def _taken_bytes(self) -> int:
        return self._resident_bytes() - self._idle_bytes

    def _resident_bytes(self) -> int:
        try:
            return int(self._process.memory_info().rss)
        except psutil.Error:  # it has just ended; the pipe says so next
            return 0


def _ending(code: int | None) -> str:
    if code is None:
        return "stopped answering"
    if code >= 0:
        return f"ended with status {code}"
    return f"killed by signal {-code} ({signal.strsignal(-code)})"

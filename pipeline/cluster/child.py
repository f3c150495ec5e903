"""A child process with a time and memory limit: a job that breaks its process costs one result.

The standard library's fork server imports what jobs need once, and children are copied from it.  Jobs go to a child
packed and results come back pickled, so that the process between (a worker of a cluster) imports nothing of theirs.
"""

import faulthandler
import os
import pickle
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, get_context, parent_process, resource_tracker, set_start_method
from multiprocessing.connection import Connection, wait
from threading import Lock, Thread
from time import monotonic
from types import ModuleType
from typing import Final, NoReturn, Self

import psutil  # type: ignore[import-untyped]  # comes with distributed

from pipeline.cluster import warmup
from pipeline.cluster.jobs import JobFailure, JobLimits, resolve_function, unpack_job
from pipeline.cluster.warmup import FAILURE, describe_failure, describe_warmup, format_trace, list_safe_paths
from pipeline.vocabulary import Reason

POLL_SECONDS: Final = 0.1
"""How often a busy child is looked at: within it a child can take a few hundred megabytes too much."""

GRACE_SECONDS: Final = 2.0
"""What a child gets beyond its time, to end by itself and say where it was."""

CRASH_BYTES: Final = 1 << 16
"""What a pipe holds, more than a crashed child writes of itself."""

ENVIRONMENT: Final = {
    # One job, one thread: two threads over one job gain nothing over two processes.
    **{f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB")},
    "BLOSC_NTHREADS": "1",
    # Buffers of slices and chunks stay in the process: giving each back to the system costs half as much again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "PYTHONSAFEPATH": "1",  # no module of the working directory stands before a library's
}
"""What is set before the fork server starts: read once, when its libraries are loaded."""

_context: Final = get_context("forkserver")
_starting: Final = Lock()


def start_fork_server(preload: Sequence[str]) -> None:
    """Start the process that children are copied from, and return while it imports the modules ``preload``."""
    _context.set_forkserver_preload([warmup.__name__])
    with _child_environment(preload):
        forkserver.ensure_running()


@contextmanager
def _child_environment(preload: Sequence[str]) -> Iterator[None]:
    """Set what the fork server and a child inherit: environment, path, a blocked SIGINT, and no ``__main__``.

    Ctrl-C reaches every process of a terminal's group, and is for the first alone to answer.  A script's own module is
    hidden, because a child would run it: one without ``if __name__ == "__main__"`` would begin its work again.
    """
    resource_tracker.ensure_running()  # started inside, it would lift the mask again
    wanted = ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(list_safe_paths())} | describe_warmup(preload)
    with _starting:
        main, before = sys.modules["__main__"], dict(os.environ)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(wanted)
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name in wanted:
                if name in before:
                    os.environ[name] = before[name]
                else:
                    del os.environ[name]
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class GuardedChild:
    """A child process that takes one job after another, and is replaced when a job breaks it.

    ``preload`` is what a fork server imports that has to be started for it; without ``umask`` it has its parent's.
    """

    def __init__(self, limits: JobLimits, preload: Sequence[str] = (), umask: int | None = None) -> None:
        self._limits = limits
        self._preload = preload
        self._umask = umask
        self._process: _ChildProcess | None = None
        self._is_closed = False

    def run(self, function: str, job: bytes) -> bytes:
        """Return the pickled result of a packed job, or a pickled `JobFailure`."""
        try:
            return self._ready_process(function).ask(function, job)
        except _JobFailedError as error:
            self._end_process()
            return pickle.dumps(error.failure)
        except BaseException:
            self._end_process()  # or its late answer would be taken for the next job's
            raise

    def close(self) -> None:
        """End the child, also while another thread waits for its answer, and start no other."""
        self._is_closed = True
        self._end_process()

    def _ready_process(self, function: str) -> "_ChildProcess":
        """Return a process that has imported the function: imports count neither as a job's time nor its memory."""
        if self._process is not None and self._process.is_worn():
            self._end_process()
        if self._process is None:
            try:
                self._process = _ChildProcess(self._limits, self._preload, self._umask)
            except (EOFError, OSError) as error:
                detail = f"no process could be started ({type(error).__name__})"
                raise _JobFailedError(Reason.WORKER_LOST, detail) from error
        if self._is_closed:  # looked at when the process is there: either it is closed here, or `close` has seen it
            raise _JobFailedError(Reason.CANCELLED, "the run ended before it")
        self._process.load(function)
        return self._process

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


class _JobFailedError(Exception):
    """The process has ended, or has to end, for a reason."""

    def __init__(self, reason: Reason, detail: str, traceback: str | None = None) -> None:
        super().__init__(detail)
        self.failure = JobFailure(reason, detail, traceback)

    @classmethod
    def of(cls, failure: JobFailure) -> Self:
        return cls(failure.reason, failure.detail, failure.traceback)


class _ChildProcess:
    """One life of a child."""

    def __init__(self, limits: JobLimits, preload: Sequence[str], umask: int | None) -> None:
        self._limits = limits
        self._loaded: str | None = None
        self._idle_bytes = self._uncounted_bytes = 0
        self._pipe, jobs = _context.Pipe()
        self._crash, crash = _context.Pipe(duplex=False)
        arguments = (jobs, crash, limits.timeout_seconds, umask)
        self._process = _context.Process(target=serve_jobs, args=arguments, name="ctprep-child", daemon=True)
        with _child_environment(preload):  # the fork server is started again where it was killed
            self._process.start()
        jobs.close()
        crash.close()
        self._usage = psutil.Process(self._process.pid)

    def load(self, function: str) -> None:
        """Let the child import the function; what it then holds, or shares with the fork server, is no job's.

        Raises `_JobFailedError` where it cannot: asked again, the child might say something else, or nothing.
        """
        if self._loaded != function:
            failure = pickle.loads(self.ask(function, None))  # noqa: S301  our own child's
            if failure is not None:
                raise _JobFailedError.of(failure)
            self._loaded = function
            self._idle_bytes = self._resident_bytes()
            self._uncounted_bytes = max(self._idle_bytes, self._shared_bytes())

    def is_worn(self) -> bool:
        """Return whether the child died while idle, or kept so much of its jobs that the next would pay for them."""
        kept_bytes = self._resident_bytes() - self._idle_bytes
        return not self._process.is_alive() or kept_bytes > self._limits.memory_bytes // 2

    def ask(self, function: str, job: bytes | None) -> bytes:
        """Return the child's answer; raises `_JobFailedError` where none will come."""
        began = monotonic()
        try:
            self._pipe.send((function, job))
            while not self._pipe.poll(POLL_SECONDS):
                self._check(monotonic() - began)
            return self._pipe.recv_bytes()
        except (EOFError, OSError):
            self._raise_ending(monotonic() - began)

    def close(self) -> None:
        """Kill the child and close its pipes."""
        self._process.kill()
        self._process.join(GRACE_SECONDS)
        self._pipe.close()
        self._crash.close()

    def _check(self, seconds: float) -> None:
        if seconds > self._limits.timeout_seconds + GRACE_SECONDS:
            raise self._timed_out()
        if self._resident_bytes() - self._uncounted_bytes > self._limits.memory_bytes:
            raise _JobFailedError(Reason.OUT_OF_MEMORY, f"more than {self._limits.memory_bytes >> 20} MiB")

    def _raise_ending(self, seconds: float) -> NoReturn:
        """Say why the child closed its end of the pipe."""
        self._process.join(GRACE_SECONDS)
        if seconds >= self._limits.timeout_seconds:
            raise self._timed_out()
        raise _JobFailedError(Reason.WORKER_LOST, _describe_ending(self._process.exitcode), self._crash_text())

    def _timed_out(self) -> _JobFailedError:
        return _JobFailedError(Reason.TIMEOUT, f"more than {self._limits.timeout_seconds} seconds", self._crash_text())

    def _crash_text(self) -> str | None:
        """Return what the child wrote of a crash: where it was, in functions and lines."""
        if not self._crash.poll():
            return None
        return os.read(self._crash.fileno(), CRASH_BYTES).decode(errors="replace") or None

    def _shared_bytes(self) -> int:
        """Return what the fork server holds: pages of it count as those of a child that touches them."""
        with suppress(psutil.Error):
            server = self._usage.parent()
            return int(server.memory_info().rss) if server else 0
        return 0

    def _resident_bytes(self) -> int:
        try:
            return int(self._usage.memory_info().rss)
        except psutil.Error:  # it has just ended; the pipe says so next
            return 0


def _describe_ending(code: int | None) -> str:
    if code is None:
        return "stopped answering"
    if code >= 0:
        return f"ended with status {code}"
    return f"killed by signal {-code} ({signal.strsignal(-code)})"


# In the child.


def serve_jobs(jobs: Connection, crash: Connection, timeout_seconds: int, umask: int | None) -> None:
    """Be a child: answer what arrives until the pipe closes; where a crash happened is written to ``crash``."""
    _silence()
    if umask is not None:
        os.umask(umask)
    sys.path[:] = list_safe_paths(is_started=True)  # multiprocessing gives a child the path of its parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_start_method("fork", force=True)  # locks of libraries then leave no name behind when this process is killed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's data
    faulthandler.enable(crash.fileno())
    Thread(target=_exit_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            function, job = jobs.recv()
            # Keeps time from outside the interpreter: ends even a decoder that never returns to Python.
            faulthandler.dump_traceback_later(timeout_seconds, exit=True, file=crash.fileno())
            answer = answer_job(function, job)
            faulthandler.cancel_dump_traceback_later()
            jobs.send_bytes(answer)


def _silence() -> None:
    """Send standard output and error nowhere: decoders chatter, and quote what they read."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _exit_with_parent() -> None:
    """End at once when the parent does, however that went."""
    if parent := parent_process():
        wait([parent.sentinel])
    os._exit(0)


def answer_job(function: str, job: bytes | None) -> bytes:
    """Return the pickled result of a packed job, or a pickled `JobFailure`; without a job import the function only."""
    try:
        call = resolve_function(function)
    except Exception as error:  # noqa: BLE001  as below
        return pickle.dumps(FAILURE or describe_failure(error))
    try:
        return pickle.dumps(None if job is None else call(unpack_job(job)))
    except MemoryError as error:
        return pickle.dumps(JobFailure(Reason.OUT_OF_MEMORY, "an allocation was refused", format_trace(error)))
    except Exception as error:  # noqa: BLE001  any error of a job is its answer
        return pickle.dumps(describe_failure(error))

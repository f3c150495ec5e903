"""Small jobs for tests of the cluster, where a child process can import them."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from pipeline.cluster.jobs import JobLimits, Task

QUICK = JobLimits(timeout_seconds=3, memory_bytes=200 << 20)
NAME = "DOE^JANE"

_kept: list[bytearray] = []


@dataclass(frozen=True)
class Answer:
    """What a job found about the process it ran in."""

    job: object
    pid: int


def path_of(function: Callable[[Any], Any]) -> str:
    """Return the dotted path of a function of this module."""
    return f"cluster_jobs:{function.__name__}"


def task_of(function: Callable[[Any], Any], **how: Any) -> Task[Any, Any]:
    """Return a task that calls a function of this module."""
    return Task(function.__name__.replace("_", "-"), path_of(function), **how)


def identify(job: object) -> Answer:
    return Answer(job, os.getpid())


def misbehave(job: str) -> Answer:
    """Do what the job says, or answer it."""
    if job in MISCHIEF:
        MISCHIEF[job]()
    return identify(job)


def rest(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def take_time(_job: object) -> tuple[float, float]:
    """Return when this began and when it ended."""
    began = time.monotonic()
    time.sleep(0.1)
    return began, time.monotonic()


def read_environment(name: str) -> str | None:
    return os.environ.get(name)


def keep(megabytes: int) -> Answer:
    """Hold on to memory after the job is done."""
    _kept.append(bytearray(os.urandom(1)) * (megabytes << 20))
    return identify(megabytes)


def chatter(job: str) -> str:
    """Write where a decoder would."""
    os.write(1, job.encode())
    os.write(2, job.encode())
    return job


def hang_in_c(seconds: int) -> int:
    """Sleep without ever letting go of the interpreter, as a broken decoder would."""
    return int(ctypes.PyDLL(None).sleep(seconds))


def return_unpicklable(_job: object) -> object:
    return lambda: None


def kill_worker(job: str) -> str:
    """Kill the process that asked for this child: in a cluster, the worker."""
    if job == "kill":
        psutil.Process(os.getppid()).parent().kill()
        time.sleep(60)
    return job


def run_until_stopped(kind: str) -> None:
    """Be a program that runs long jobs, and says so once it does; its traceback is that of the stop alone."""
    try:
        _run_long_jobs(kind)
    except KeyboardInterrupt as stop:  # a library may just have been handling an error of its own
        raise stop from None


def _run_long_jobs(kind: str) -> None:
    from pipeline.cluster.dispatcher import open_cluster
    from pipeline.cluster.options import ClusterOptions
    from pipeline.limits import Limits

    options = ClusterOptions("serial") if kind == "serial" else ClusterOptions(workers=2)
    with open_cluster(options, Limits()) as dispatcher:
        for seconds, _ in dispatcher.run(task_of(rest), [0.0, 0.0, *[50.0] * 20]):
            sys.stdout.write(f"{seconds}\n")
            sys.stdout.flush()


def _fail() -> None:
    try:
        {}[NAME]
    except KeyError as error:
        raise ValueError(NAME) from error


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _crash() -> None:
    ctypes.string_at(0)


def _hog() -> None:
    _kept.extend(bytearray(os.urandom(1)) * (10 << 20) for _ in range(60))
    time.sleep(60)


def _overreach() -> None:
    bytearray(1 << 60)


MISCHIEF = {
    "fail": _fail,
    "die": _die,
    "crash": _crash,
    "exit": lambda: os._exit(3),
    "hang": lambda: time.sleep(60),
    "hog": _hog,
    "overreach": _overreach,
}

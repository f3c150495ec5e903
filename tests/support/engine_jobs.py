"""Small jobs for the engines' tests, where a child process can import them."""

import ctypes
import os
import pickle
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

import psutil

from pipeline.cluster.guard import Guard

QUICK = Guard(timeout_seconds=3, memory_bytes=200 << 20)
NAME = "DOE^JANE"

_kept: list[bytearray] = []


@dataclass(frozen=True)
class Answer:
    """What a job found about the process it ran in."""

    job: object
    pid: int


@dataclass(frozen=True)
class Weighed:
    """A job that tells what it will take."""

    number: int
    memory_mb: float


def unpack(answer: bytes) -> Any:
    return pickle.loads(answer)  # noqa: S301 - what the tests packed themselves


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


def remember() -> None:
    """Leave in this process, and in what is copied from it, who it was."""
    os.environ["REMEMBERED_BY"] = str(os.getpid())


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


def work_until_stopped(kind: str) -> None:
    """Be a program that works long jobs, and says so once it does; its traceback is that of the stop alone."""
    try:
        _work_long(kind)
    except KeyboardInterrupt as stop:  # a library may just have been handling an error of its own
        raise stop from None


def _work_long(kind: str) -> None:
    from pipeline.cluster import ClusterOptions, open_pool
    from pipeline.limits import Limits

    workers = {"workers": 2} if kind == "cluster" else {}
    options = ClusterOptions("serial" if kind == "serial" else "local", **workers)  # type: ignore[arg-type]
    with open_pool(options, Limits()) as pool:
        for seconds, _ in pool.engine(22).run(rest, [0.0, 0.0, *[50.0] * 20]):
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

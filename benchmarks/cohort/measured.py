"""What a program took that was run from the shell, or work in this process: time, and memory of its largest process."""

import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

POOLS = ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ONE_THREAD = dict.fromkeys(("BLOSC_NTHREADS", *POOLS), "1")
"""Every contender works in processes, a thread each: so its own libraries are told."""

_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """What a run took; ``peak_mb`` is the resident memory of its largest process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def adopt_orphans() -> None:
    """Become the parent of processes whose own has ended, so that their time is counted too (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_measured(command: list[str], log: Path) -> Cost:
    """Run a command to its end, with all processes that it started.

    Raises CalledProcessError for an exit code other than 0, what it wrote being in ``log``.
    """
    began, before = perf_counter(), _used()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | ONE_THREAD)
        _, status, used = os.wait4(process.pid, 0)
    wall = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    peaks = [used.ru_maxrss, *_reaped()]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall, _used() - before, max(peaks) / 1024)


def best(work: Callable[[], object], rounds: int) -> float:
    """Return the least processors' time of several rounds."""
    times = []
    for _ in range(rounds):
        began = process_time()
        work()
        times.append(process_time() - began)
    return min(times)


def run_alone(script: str, *words: str) -> list[float]:
    """Run a script with ``--alone`` in a process of its own, whose peak of memory is then its own; return its figures.

    The script prints them as a JSON list in its last line.
    """
    path = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)  # children must find its modules too
    command = [sys.executable, script, "--alone", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path})
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _reaped() -> list[int]:
    """Wait for the processes that outlived their parent, and return the memory of each."""
    peaks = []
    while True:
        try:
            _, _, used = os.wait4(-1, 0)
        except ChildProcessError:
            return peaks
        peaks.append(used.ru_maxrss)

"""What goes to the workers and what comes back: tasks and jobs, limits and failures."""

import pickle
import pkgutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Self, TypeVar, cast

from pipeline.cluster.options import ClusterOptions
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

J = TypeVar("J")
"""A job: small and picklable; it names what to work on and does not hold it."""

R = TypeVar("R")
"""The result of a job: small and picklable too."""


@dataclass(frozen=True)
class Task(Generic[J, R]):
    """A function that is called with each job, and how Dask's tools show it.

    ``function`` is a dotted path such as ``package.module:name``: only the processes that call it import its module.
    ``label`` tells one job from another, without it they are numbered; ``memory_mb`` estimates what a job will take.
    """

    name: str
    function: str
    label: Callable[[J], str] | None = None
    memory_mb: Callable[[J], float | None] = lambda _: None

    def resolve(self) -> Callable[[J], R]:
        """Import the function into this process."""
        return resolve_function(self.function)


def resolve_function(path: str) -> Callable[[Any], Any]:
    """Return the function at a dotted path; raises ImportError or AttributeError where there is none."""
    return cast("Callable[[Any], Any]", pkgutil.resolve_name(path))


def pack_job(job: Any) -> bytes:
    """Return a job as it travels: compressed, because the scheduler keeps many, and slices of a series are alike."""
    return zlib.compress(pickle.dumps(job), 1)


def unpack_job(packed: bytes) -> Any:
    """Return the job that was packed by our own parent."""
    return pickle.loads(zlib.decompress(packed))  # noqa: S301  our own


@dataclass(frozen=True)
class JobLimits:
    """The time and the memory of one job; memory counts from what its process holds when idle."""

    timeout_seconds: int
    memory_bytes: int

    @classmethod
    def of(cls, options: ClusterOptions, limits: Limits) -> Self:
        """Return the stricter of ``limits`` and ``cluster.memory_limit``."""
        memory_bytes = limits.series_memory_mb << 20
        if options.memory_limit_bytes is not None:
            memory_bytes = min(memory_bytes, options.memory_limit_bytes)
        return cls(limits.series_timeout_seconds, memory_bytes)


@dataclass(frozen=True)
class JobFailure:
    """Why a job has no result.

    ``detail`` and ``traceback`` name exceptions, functions and lines of code, never a message or a value: those may
    hold what identifies a person.
    """

    reason: Reason
    detail: str
    traceback: str | None = None


@dataclass(frozen=True)
class Capacity:
    """How many jobs may be submitted at once, and how much memory they may take together."""

    n_jobs: int
    memory_bytes: int


class PendingJobs(Generic[J]):
    """Jobs taken from an iterable only as there is capacity for them; none overtakes another."""

    def __init__(self, jobs: Iterable[J], memory_mb: Callable[[J], float | None]) -> None:
        self._jobs = iter(jobs)
        self._memory_mb = memory_mb
        self._next: list[J] = []

    def __bool__(self) -> bool:
        """Whether there is another job."""
        if not self._next:
            self._next = list(islice(self._jobs, 1))
        return bool(self._next)

    def take(self, submitted: Sequence[J], capacity: Capacity) -> Iterator[J]:
        """Yield the jobs that may run beside those submitted; one that is too large for any company runs alone."""
        n_jobs, memory_bytes = len(submitted), sum(map(self._memory_bytes, submitted))
        while self:
            memory_bytes += self._memory_bytes(self._next[0])
            if n_jobs and (n_jobs >= capacity.n_jobs or memory_bytes > capacity.memory_bytes):
                return
            n_jobs += 1
            yield self._next.pop()

    def _memory_bytes(self, job: J) -> int:
        return int((self._memory_mb(job) or 0) * 2**20)

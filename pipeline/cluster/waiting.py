"""Jobs that wait for their turn: as many go at once as there is room for, in their order."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic

from pipeline.cluster.outcome import J


@dataclass(frozen=True)
class Room:
    """How many jobs may be on their way at once, and how much memory they may take together.

    A job may tell its ``memory_mb``, an estimate; one that tells none counts as nothing.
    """

    n_jobs: int
    memory_bytes: int

    def holds(self, job: object, others: Collection[object]) -> bool:
        """Tell whether a job may join others; one that is too large for any company goes alone."""
        together = sum(map(memory_of, others), memory_of(job))
        return not others or (len(others) < self.n_jobs and together <= self.memory_bytes)


def memory_of(job: object) -> int:
    """Return how many bytes a job says that it will take."""
    return int((getattr(job, "memory_mb", None) or 0) * 2**20)


class Waiting(Generic[J]):
    """Jobs taken from an iterable only as there is room for them; none overtakes another."""

    def __init__(self, jobs: Iterable[J]) -> None:
        self._jobs = iter(jobs)
        self._first: list[J] = []

    def fitting(self, running: Collection[J], room: Room) -> Iterator[J]:
        """Yield the jobs that may start beside those that run."""
        others = list(running)
        while len(others) < room.n_jobs and self._has_more() and room.holds(self._first[0], others):
            others.append(self._first[0])
            yield self._first.pop()

    def _has_more(self) -> bool:
        if not self._first:
            self._first = list(islice(self._jobs, 1))
        return bool(self._first)

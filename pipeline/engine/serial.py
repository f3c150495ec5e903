"""One job at a time, in one guarded child process."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Self

from pipeline.engine.guard import Guard
from pipeline.engine.guarded import GuardedProcess
from pipeline.engine.outcome import J, Lost, R


class SerialEngine:
    """Works jobs in the order they come; starts its child with the first."""

    def __init__(self, guard: Guard) -> None:
        self._process = GuardedProcess(guard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.close()

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with what became of it."""
        packed = pickle.dumps(function)
        for job in jobs:
            yield job, pickle.loads(self._process.run(packed, pickle.dumps(job)))  # noqa: S301 - our own child's

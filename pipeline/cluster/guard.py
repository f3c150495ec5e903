"""What one job may cost, in every engine alike."""

from dataclasses import dataclass
from typing import Self

from pipeline.cluster.options import ClusterOptions
from pipeline.limits import Limits


@dataclass(frozen=True)
class Guard:
    """The time and the memory of one job; memory counts from what its process holds when idle."""

    timeout_seconds: int
    memory_bytes: int

    @classmethod
    def of(cls, options: ClusterOptions, limits: Limits) -> Self:
        """Return the stricter of ``limits`` and ``cluster.memory_limit``."""
        series = limits.series_memory_mb << 20
        asked = options.memory_limit_bytes
        return cls(limits.series_timeout_seconds, series if asked is None else min(series, asked))

"""Limit the values to a range of Hounsfield units."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

from pipeline.program.changes import Barrier, LineChange
from pipeline.program.step import Step, require_hu
from pipeline.volume import ClampedLine, Scale, VolumeSpec


@dataclass(frozen=True)
class Clip(Step):
    """Clamp values to ``low_hu`` and ``high_hu``, or to percentiles of the training split's HU.

    The second takes ``percentiles`` and ``statistics: cohort``.  Law: twice is once.
    """

    name: ClassVar = "clip"
    low_hu: float | None = None
    high_hu: float | None = None
    percentiles: tuple[float, float] | None = None
    statistics: Literal["cohort"] | None = None

    def __post_init__(self) -> None:
        limits = (self.low_hu, self.high_hu)
        if self.percentiles is None:
            _check_limits(limits)
        elif limits != (None, None):
            msg = "clip takes low_hu and high_hu, or percentiles, not both"
            raise ValueError(msg)
        elif not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            msg = f"percentiles must be two rising numbers between 0 and 100, not {list(self.percentiles)}"
            raise ValueError(msg)
        if (self.percentiles is None) != (self.statistics is None):
            msg = "percentiles and statistics: cohort belong together"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> LineChange | Barrier:
        """Return one clamp for every channel."""
        require_hu(spec, self.name)
        if self.low_hu is None or self.high_hu is None:
            return Barrier(Scale.HU, None)
        return LineChange((ClampedLine(low=self.low_hu, high=self.high_hu),) * len(spec.lines), Scale.HU)


def _check_limits(limits: tuple[float | None, float | None]) -> None:
    """Refuse limits that are absent, infinite or not in order."""
    low_hu, high_hu = limits
    if low_hu is None or high_hu is None:
        msg = "clip needs low_hu and high_hu, or percentiles and statistics: cohort"
        raise ValueError(msg)
    if not (low_hu < high_hu and isfinite(low_hu) and isfinite(high_hu)):
        msg = f"low_hu must be below high_hu, and both finite; they are {low_hu} and {high_hu}"
        raise ValueError(msg)

"""Scale HU to [0, 1], [-1, 1] or z-scores."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar, Literal, Never

from pipeline.features.statistics import compute_extremes, compute_mean_and_std
from pipeline.program.changes import Barrier, LineChange
from pipeline.program.step import Step, StepOrderError, require_hu
from pipeline.volume import ClampedLine, Mask, Scale, VolumeSpec, Voxels

RANGE = "range"
"""The name of a channel of a window whose range is that of the volume, found once the volume is known."""

TARGETS = {"zero_one": (0.0, 1.0), "minus_one_one": (-1.0, 1.0)}


@dataclass(frozen=True)
class Normalise(Step):
    """Map a range onto [0, 1] or [-1, 1], or subtract the mean and divide by the standard deviation.

    The range is that of the clip or window before (``statistics: range``, the default), of the valid voxels
    (``volume``, the default of z_score), or of the training split (``cohort``).  Channels are independent.  Of z_score,
    ``mean`` and ``std`` may be given instead, in HU.
    """

    name: ClassVar = "normalise"
    to: Literal["zero_one", "minus_one_one", "z_score"]
    statistics: Literal["range", "volume", "cohort"] | None = None
    mean: float | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        if (self.mean, self.std) != (None, None):
            self._check_constants()
        elif self.statistics is None:
            object.__setattr__(self, "statistics", "volume" if self.to == "z_score" else "range")
        if (self.to, self.statistics) == ("z_score", "range"):
            msg = "z_score needs statistics: volume or cohort; a range has no mean"
            raise ValueError(msg)

    def _check_constants(self) -> None:
        """Refuse a mean and a standard deviation that cannot be used."""
        if self.to != "z_score" or self.statistics is not None:
            msg = "mean and std go with to: z_score, instead of statistics"
            raise ValueError(msg)
        if self.mean is None or self.std is None or not (isfinite(self.mean) and 0 < self.std < inf):
            msg = f"mean must be finite and std above 0, not {self.mean} and {self.std}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> LineChange | Barrier:
        """Return lines from known limits, or a barrier that computes the statistic."""
        require_hu(spec, self.name)
        if self.mean is not None and self.std is not None:
            line = ClampedLine(a=1 / self.std, b=-self.mean / self.std)
            return LineChange((line,) * len(spec.lines), Scale.NORMALISED)
        if self.statistics == "range" and None in spec.lines and RANGE in (spec.channels or ()):
            return Barrier(Scale.NORMALISED, _wait_for_range)
        if self.statistics == "range":
            return LineChange(tuple(self._from_range(line) for line in spec.lines), Scale.NORMALISED)
        return Barrier(Scale.NORMALISED, self._from_volume if self.statistics == "volume" else None)

    def _from_range(self, line: ClampedLine | None) -> ClampedLine:
        """Return the line from the clamps of the steps before."""
        if line is None or not line.bounded or line.low == line.high:
            msg = "normalise by range needs known limits; put a clip or window before it"
            raise StepOrderError(msg)
        return ClampedLine.between((line.low, line.high), TARGETS[self.to])

    def _from_volume(self, voxels: Voxels, mask: Mask) -> ClampedLine:
        """Return the line from the valid voxels [z, y, x]."""
        if self.to != "z_score":
            return ClampedLine.between(compute_extremes(voxels, mask), TARGETS[self.to])
        mean, std = compute_mean_and_std(voxels, mask)
        return ClampedLine(a=1 / std, b=-mean / std)


def _wait_for_range(voxels: Voxels, mask: Mask) -> Never:
    """Raise: a range that a step before has to find is known when this step is compiled again."""
    del voxels, mask
    msg = "the range is found by a step before"
    raise ValueError(msg)

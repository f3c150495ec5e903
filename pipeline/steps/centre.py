"""Subtract a mean."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

from pipeline.features.statistics import compute_mean
from pipeline.program.changes import Barrier, LineChange
from pipeline.program.step import Step
from pipeline.volume import ClampedLine, Mask, Scale, VolumeSpec, Voxels


@dataclass(frozen=True)
class Centre(Step):
    """Subtract the mean of the volume's valid voxels, channel by channel, or a given number.

    The result is no longer HU.
    """

    name: ClassVar = "centre"
    mean: Literal["volume"] | float

    def __post_init__(self) -> None:
        if self.mean != "volume" and not isfinite(self.mean):
            msg = f"mean must be volume or a finite number, not {self.mean}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> LineChange | Barrier:
        """Return the lines, or a barrier where the mean is that of the volume."""
        if self.mean == "volume":
            return Barrier(Scale.NORMALISED, _minus_mean)
        return LineChange((ClampedLine(b=-self.mean),) * len(spec.lines), Scale.NORMALISED)


def _minus_mean(voxels: Voxels, mask: Mask) -> ClampedLine:
    """Return the line that subtracts the mean of the valid voxels [z, y, x]."""
    return ClampedLine(b=-compute_mean(voxels, mask))

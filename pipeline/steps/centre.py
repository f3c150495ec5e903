"""Subtract a mean."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

from pipeline.features.spread import compute_mean
from pipeline.program.changes import Barrier, LineChange
from pipeline.program.step import Step
from pipeline.volume import ClampedLine, Mask, Scale, VolumeSpec, Voxels


@dataclass(frozen=True)
class Centre(Step):
    """Subtract the mean of the volume's measured voxels, each channel's own, or a given number.

    What comes out is not HU any more.
    """

    name: ClassVar = "centre"
    mean: Literal["volume"] | float

    def __post_init__(self) -> None:
        if self.mean != "volume" and not isfinite(self.mean):
            msg = f"mean must be volume or a finite number, not {self.mean}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> LineChange | Barrier:
        """Return the lines, or a wait for the mean."""
        if self.mean == "volume":
            return Barrier(Scale.NORMALISED, _minus_mean)
        return LineChange((ClampedLine(b=-self.mean),) * len(spec.lines), Scale.NORMALISED)


def _minus_mean(voxels: Voxels, mask: Mask) -> ClampedLine:
    """Return the line that subtracts the mean of the measured voxels [z, y, x]."""
    return ClampedLine(b=-compute_mean(voxels, mask))

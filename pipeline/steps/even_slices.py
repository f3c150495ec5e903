"""The repairs of a stack with uneven spacing: planes at an even step, linear between the slices around them."""

from abc import abstractmethod
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np

from pipeline.geometry import Zyx
from pipeline.program.axis import RIM_TOLERANCE, AxisMap
from pipeline.program.changes import GridChange
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec

MICROMETRES = 3
"""Decimals of a millimetre in parameters."""


@dataclass(frozen=True)
class EvenSlices(Step):
    """Put planes ``step_mm`` apart, from the first slice to the last, between slices that lie at ``positions_mm``.

    Positions run along the normal, from the first slice; the volume's z spacing is taken to be ``step_mm``.  A plane is
    valid if a slice lies within half a step, or the slices around it are at most 1.5 steps apart; else interpolated.
    """

    positions_mm: tuple[float, ...]
    step_mm: float

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """The figures of the repair; the positions of single slices are in the table of slices."""

    @property
    def planes(self) -> AxisMap:
        """Where the planes lie among the slices, in steps."""
        at = tuple(round(position / self.step_mm, 9) for position in self.positions_mm)
        n = ceil(at[-1] - RIM_TOLERANCE) + 1
        return AxisMap(n, len(at), antialias=False, samples=at)

    @property
    def interpolated_share(self) -> float:
        """The share of the planes that are interpolated."""
        return 1 - float(self.planes.supported.mean())

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the change along z; rows and columns stay."""
        _, y, x = spec.geometry.shape
        planes = self.planes
        grid = spec.geometry.regrid(Zyx(0.0, 0.0, 0.0), Zyx(1.0, 1.0, 1.0), Zyx(planes.n, y, x))
        return GridChange(Zyx(0, 1, 2), Zyx(planes, AxisMap(y, y), AxisMap(x, x)), grid)


@dataclass(frozen=True)
class InterpolateGap(EvenSlices):
    """Fill the planes of missing slices; every present slice keeps its bits and its plane."""

    name: ClassVar = "interpolate_gap"

    @property
    def parameters(self) -> dict[str, Any]:
        """The number of missing planes, the step, and the widest interval."""
        return {
            "n_missing": self.planes.n - len(self.positions_mm),
            "step_mm": round(self.step_mm, MICROMETRES),
            "widest_mm": round(float(np.diff(self.positions_mm).max()), MICROMETRES),
        }


@dataclass(frozen=True)
class ResampleSlices(EvenSlices):
    """Resample slices whose intervals change along the stack."""

    name: ClassVar = "resample_slices"

    @property
    def parameters(self) -> dict[str, Any]:
        """The step, and the narrowest and widest interval before."""
        gaps = np.diff(self.positions_mm)
        return {
            "n_slices": len(self.positions_mm),
            "step_mm": round(self.step_mm, MICROMETRES),
            "narrowest_mm": round(float(gaps.min()), MICROMETRES),
            "widest_mm": round(float(gaps.max()), MICROMETRES),
        }

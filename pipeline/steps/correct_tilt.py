"""The repair of a tilted stack: each slice is moved in its own plane until the stack is upright."""

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, ClassVar

import numpy as np

from pipeline.geometry import Xyz, Zyx
from pipeline.program.axis import AxisMap
from pipeline.program.changes import Shear
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec

WHOLE = 1e-4
"""In pixels: an offset this near to a whole number is taken as that number, so that no voxel is blended."""


@dataclass(frozen=True)
class CorrectTilt(Step):
    """Move each slice by its own offset onto one grid at right angles, in the slices' frame; slice k stays plane k.

    ``offsets_mm`` [k] is the offset of slice k from the first, along the rows (x) and down the columns (y).  Values are
    blended linearly within a slice, never between slices; offsets of whole pixels change no bit.  The grid grows until
    it covers every slice; outside a slice lies padding, which is not valid.

    ``told_deg`` is the value of GantryDetectorTilt, where it differs from the measured tilt.
    """

    name: ClassVar = "correct_tilt"
    tilt_deg: float
    offsets_mm: tuple[tuple[float, float], ...]
    told_deg: float | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The figures of the repair; the offsets of single slices are in the table of slices."""
        figures = {
            "tilt_deg": round(self.tilt_deg, 3),
            "told_deg": self.told_deg,
            "largest_offset_mm": round(max(float(np.hypot(*offset)) for offset in self.offsets_mm), 3),
        }
        return {name: value for name, value in figures.items() if value is not None}

    def change(self, spec: VolumeSpec) -> Shear:
        """Return the shear that undoes that of the stack."""
        sheared = spec.geometry
        y, x = (
            _map_slices([offset[axis] / mm for offset in self.offsets_mm], n)
            for axis, mm, n in ((1, sheared.spacing_mm.y, sheared.shape.y), (0, sheared.spacing_mm.x, sheared.shape.x))
        )
        normal = np.cross(sheared.axes.x, sheared.axes.y)
        corner, shape = Zyx(0.0, y[0].start, x[0].start), Zyx(sheared.shape.z, y[0].n, x[0].n)
        upright = replace(
            sheared.regrid(corner, Zyx(1.0, 1.0, 1.0), shape),
            spacing_mm=sheared.spacing_mm._replace(z=round(sheared.spacing_mm.z * float(normal @ sheared.axes.z), 9)),
            axes=sheared.axes._replace(z=Xyz(*(float(value) for value in normal))),
        )
        return Shear(tuple(zip(y, x, strict=True)), upright)


def _map_slices(offsets: list[float], n: int) -> list[AxisMap]:
    """Return each slice's map of one axis onto the pixels of the first slice, extended to cover all slices."""
    whole = [round(offset) if abs(offset - round(offset)) <= WHOLE else offset for offset in offsets]
    low, high = floor(min(whole)), ceil(max(whole))
    return [AxisMap(n + high - low, n, start=low - offset) for offset in whole]

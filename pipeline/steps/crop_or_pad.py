"""A fixed shape."""

from dataclasses import dataclass
from math import floor, isfinite
from typing import ClassVar

import numpy as np

from pipeline.geometry import Geometry, Zyx
from pipeline.program.axis import TIE
from pipeline.program.changes import GridChange
from pipeline.program.step import Step
from pipeline.steps.crop import shift_grid
from pipeline.volume import VolumeSpec


@dataclass(frozen=True)
class CropOrPad(Step):
    """Cut or fill on both sides: evenly, so that the centre stays, or so that the centre lies at ``around``.

    ``around`` is a point (x, y, z) in LPS millimetres, met within half a voxel.  Without it, an odd number of voxels
    puts one more on the last side.  Added voxels are padding: not valid, and of the value of ``padding_hu`` after the
    steps before.  The other voxels keep every bit.  Law: twice is once.
    """

    name: ClassVar = "crop_or_pad"
    shape: tuple[int, int, int]
    around: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if not all(1 <= n <= 100_000 for n in self.shape):
            msg = f"shape must be three numbers of voxels, for z, y and x, from 1 to 100000, not {list(self.shape)}"
            raise ValueError(msg)
        if not all(isfinite(mm) for mm in self.around or ()):
            msg = f"around must be a point in millimetres, x, y and z, not {list(self.around or ())}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the shift of each axis."""
        geometry, shape = spec.geometry, Zyx(*self.shape)
        if self.around is None:
            # Truncation towards zero, so that a crop undoes a pad and a pad puts back what a crop left.
            start = Zyx(*(int((n - new) / 2) for n, new in zip(geometry.shape, shape, strict=True)))
        else:
            middle = _index(geometry, self.around)
            start = Zyx(*(floor(at - (n - 1) / 2 + 0.5 + TIE) for at, n in zip(middle, shape, strict=True)))
        return shift_grid(geometry, start, shape)


def _index(geometry: Geometry, point: tuple[float, float, float]) -> list[float]:
    """Return the fractional index of a point in LPS millimetres."""
    index: list[float] = np.linalg.solve(geometry.affine_lps, (*point, 1.0))[:3].tolist()
    return index

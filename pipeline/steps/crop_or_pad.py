"""A fixed shape."""

from dataclasses import dataclass, replace
from math import floor, isfinite
from typing import ClassVar, Literal

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
    cuts or adds one more on the last side, or with ``odd: before`` on the first.  Added voxels are padding: not valid,
    and of the value of ``padding_hu`` after the steps before, or of ``value``, in the units at that point.  The other
    voxels keep every bit.  Law: twice is once.
    """

    name: ClassVar = "crop_or_pad"
    unsaid: ClassVar = ("odd",)
    shape: tuple[int, int, int]
    around: tuple[float, float, float] | None = None
    value: float | None = None
    odd: Literal["after", "before"] = "after"

    def __post_init__(self) -> None:
        if not all(1 <= n <= 100_000 for n in self.shape):
            msg = f"shape must be three numbers of voxels, for z, y and x, from 1 to 100000, not {list(self.shape)}"
            raise ValueError(msg)
        if not all(isfinite(mm) for mm in self.around or ()):
            msg = f"around must be a point in millimetres, x, y and z, not {list(self.around or ())}"
            raise ValueError(msg)

        if self.around is not None and self.odd == "before":
            msg = "odd says what stays in the middle, and with around that is the point"
            raise ValueError(msg)
        if self.value is not None and not isfinite(self.value):
            msg = f"value must be finite, not {self.value}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the shift of each axis."""
        geometry, shape = spec.geometry, Zyx(*self.shape)
        if self.around is None:
            # Truncation towards zero, so that a crop undoes a pad and a pad puts back what a crop left.
            start = Zyx(*(self._cut(n, new) for n, new in zip(geometry.shape, shape, strict=True)))
        else:
            middle = _index(geometry, self.around)
            start = Zyx(*(floor(at - (n - 1) / 2 + 0.5 + TIE) for at, n in zip(middle, shape, strict=True)))
        return replace(shift_grid(geometry, start, shape), fill=self.value)

    def _cut(self, n: int, new: int) -> int:
        """Return how many voxels are cut on the first side; negative if they are added."""
        extra = (n - new) % 2 if self.odd == "before" else 0
        return int((n - new + (extra if n > new else -extra)) / 2)


def _index(geometry: Geometry, point: tuple[float, float, float]) -> list[float]:
    """Return the fractional index of a point in LPS millimetres."""
    index: list[float] = np.linalg.solve(geometry.affine_lps, (*point, 1.0))[:3].tolist()
    return index

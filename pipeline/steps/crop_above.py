"""A box around all that is above a value."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import numpy as np

from pipeline.geometry import Zyx
from pipeline.program.changes import Search
from pipeline.program.step import Step, StepOrderError, require_hu
from pipeline.steps.crop import FoundBox, bound_hits
from pipeline.volume import Volume, VolumeSpec


@dataclass(frozen=True)
class FoundAbove(FoundBox):
    """The crop, its box found."""

    name: ClassVar = "crop_above"
    hu: float
    margin_voxels: int
    found: bool
    start: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class CropAbove(Step):
    """Cut to the box of all voxels above ``hu``, wider by ``margin_voxels`` on each side as far as the volume goes.

    Every voxel counts: a single bright one, the table, and extrapolated ones too (MONAI's CropForeground).  The voxels
    that stay keep every bit.  Where nothing is above, nothing is cut, and the trail says ``found: false``.
    """

    name: ClassVar = "crop_above"
    hu: float
    margin_voxels: int = 0

    def __post_init__(self) -> None:
        if not (isfinite(self.hu) and 0 <= self.margin_voxels <= 10_000):
            msg = f"hu must be finite and margin_voxels from 0 to 10000, not {self.hu} and {self.margin_voxels}"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> Search:
        """Return the search; until it is done, the result is described as if nothing were cut."""
        require_hu(spec, self.name)
        if not all(line and line.low <= self.hu < line.high for line in spec.lines):
            msg = f"nothing or all is above {self.hu:g} HU after the clip or window before; put {self.name} before it"
            raise StepOrderError(msg)
        _, rows, columns = spec.geometry.shape
        return Search(2 * rows * columns)

    def find(self, volume: Volume) -> FoundAbove:
        """Return the crop to the box around what is above the value in the first channel."""
        along = [np.zeros(n, np.bool_) for n in volume.geometry.shape]
        for z, plane in enumerate(volume.by_channel[0]):
            above = plane > np.float32(self.hu)
            along[0][z] = above.any()
            along[1] |= above.any(axis=1)
            along[2] |= above.any(axis=0)
        box = bound_hits(along, (self.margin_voxels,) * 3)
        start, shape = box or (Zyx(0, 0, 0), volume.geometry.shape)
        return FoundAbove(self.hu, self.margin_voxels, box is not None, start, shape)

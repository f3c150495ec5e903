"""A volume: voxels, which of them were measured, and where they lie; and its description without voxels."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pipeline.axes import Zyx
from pipeline.geometry import Geometry
from pipeline.lines import ClampedLine

Voxels = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Scale(StrEnum):
    """What a voxel's number means."""

    STORED = "stored"
    HU = "HU"
    NORMALISED = "normalised"


@dataclass(frozen=True)
class VolumeSpec:
    """Everything that is known of a volume before its voxels are.

    ``lines`` holds, for each channel, all that was done to its intensities since they were HU.  So a line's clamps are
    the limits of the values, its inverse leads back to HU, and its value at ``padding_hu`` is what padding has become.
    It is None while it waits for a statistic of voxels not yet read.  ``channels`` names a leading c axis, if any.
    ``invented`` says that planes were put where no slice comes near.  ``reach`` says, in samples and along each axis,
    how far from a sample its measurement speaks: half a slice's thickness; None where samples touch.
    """

    geometry: Geometry
    padding_hu: float = -1024
    scale: Scale = Scale.HU
    lines: tuple[ClampedLine | None, ...] = (ClampedLine(),)
    channels: tuple[str, ...] | None = None
    invented: bool = False
    reach: Zyx[float | None] = Zyx(None, None, None)  # noqa: RUF009  a tuple of nothing

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape: [z, y, x], or [c, z, y, x] with channels."""
        return tuple(self.geometry.shape) if self.channels is None else (len(self.channels), *self.geometry.shape)

    @property
    def padding(self) -> tuple[float | None, ...]:
        """What padding has become, a channel; None where that is not known yet."""
        return tuple(None if line is None else line.at(self.padding_hu) for line in self.lines)


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels [z, y, x] or [c, z, y, x] in float32, and a mask [z, y, x] that is True where the scanner measured them.

    What is not measured is padding, or was extrapolated or invented; its voxels hold a value all the same.  ``usable``
    is True where that value may enter interpolation: where it was measured, or invented between measured ones (a gap
    that was filled).  None where nothing was invented.
    """

    voxels: Voxels
    measured: Mask
    geometry: Geometry
    usable: Mask | None = None

    def __post_init__(self) -> None:
        if not self.voxels.shape[-3:] == self.measured.shape == tuple(self.geometry.shape):
            shapes = (self.voxels.shape, self.measured.shape, tuple(self.geometry.shape))
            msg = f"shapes of voxels, mask and grid must agree: {shapes}"
            raise ValueError(msg)

    @property
    def by_channel(self) -> Voxels:
        """The voxels as [c, z, y, x], a view; one channel where there is no channel axis."""
        return self.voxels.reshape(-1, *self.measured.shape)

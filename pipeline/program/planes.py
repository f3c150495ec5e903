"""A volume plane by plane: planes stream through a program, so that only a few of them are in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.geometry import Zyx
from pipeline.volume import Mask, Volume, VolumeSpec, Voxels


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane: voxels [c, y, x] in float32, and where they are valid [y, x], None if everywhere.

    ``usable`` is True where a value may enter interpolation, as in a `Volume`; None where that is the valid mask.
    """

    voxels: Voxels
    valid: Mask | None = None
    usable: Mask | None = None

    @property
    def mask(self) -> Mask:
        """The valid mask, as an array."""
        return np.ones(self.voxels.shape[1:], np.bool_) if self.valid is None else self.valid


Planes = Callable[[int], Plane]
"""A function from z to a plane.  If z only rises or only falls, each source plane is read once."""


def cut_planes(volume: Volume, order: Zyx[int] = Zyx(0, 1, 2)) -> Planes:  # noqa: B008  a tuple
    """Return the planes of a volume in memory, along axis ``order.z``."""
    voxels = volume.by_channel.transpose(0, *(1 + axis for axis in order))
    valid = volume.valid.transpose(order)
    usable = None if volume.usable is None else volume.usable.transpose(order)
    return lambda z: Plane(voxels[:, z], drop_full_mask(valid[z]), None if usable is None else usable[z])


def drop_full_mask(valid: Mask) -> Mask | None:
    """Return None for a mask that is True everywhere, else the mask."""
    return None if valid.all() else valid


def gather_volume(planes: Planes, spec: VolumeSpec) -> Volume:
    """Read all planes into one volume of this description."""
    shape = spec.geometry.shape
    voxels = np.empty((len(spec.lines), *shape), np.float32)
    valid = np.empty(shape, np.bool_)
    usable = np.empty(shape, np.bool_) if spec.has_interpolated else None
    for z in range(shape.z):
        plane = planes(z)
        voxels[:, z], valid[z] = plane.voxels, plane.mask
        if usable is not None:
            usable[z] = plane.mask if plane.usable is None else plane.usable
    return Volume(voxels if spec.channels else voxels[0], valid, spec.geometry, usable)

"""A volume: voxels, a valid mask, and where they lie; its planes; its description without voxels; the clamped line."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf, isfinite
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx


@dataclass(frozen=True)
class ClampedLine:
    """``y = clip(a * x + b, low, high)`` with a > 0.

    Law: ``first.then(second)(x) == second(first(x))``, up to rounding.
    """

    a: float = 1.0
    b: float = 0.0
    low: float = -inf
    high: float = inf

    def __post_init__(self) -> None:
        if not 0 < self.a < inf:
            msg = f"a clamped line rises: a is {self.a}"
            raise ValueError(msg)
        if not isfinite(self.b):
            msg = f"a clamped line has a finite offset: b is {self.b}"
            raise ValueError(msg)
        if not self.low <= self.high:
            msg = f"low {self.low} is above high {self.high}"
            raise ValueError(msg)

    @classmethod
    def between(cls, source: tuple[float, float], target: tuple[float, float]) -> Self:
        """Return the line that maps one interval onto another and clamps at the ends of the second."""
        (x0, x1), (y0, y1) = source, target
        a = (y1 - y0) / (x1 - x0)
        return cls(a, y0 - a * x0, y0, y1)

    @property
    def straight(self) -> bool:
        """Whether values between the clamps pass unchanged."""
        return self.a == 1 and self.b == 0

    @property
    def bounded(self) -> bool:
        """Whether both clamps are finite, so that the range of the result is known."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def inverse(self) -> tuple[float, float] | None:
        """``(slope, intercept)`` with x = slope * y + intercept between the clamps; None where nothing lies between."""
        return (1 / self.a, -self.b / self.a) if self.low < self.high else None

    def then(self, other: "ClampedLine") -> "ClampedLine":
        """Return the one line that does this and then the other."""
        return ClampedLine(self.a * other.a, other.a * self.b + other.b, other.at(self.low), other.at(self.high))

    def at(self, x: float) -> float:
        """Return what one value becomes."""
        return min(max(self.a * x + self.b, self.low), self.high)

    def __call__(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what an array becomes, computed in float32: no more than three roundings of about 1e-7 each.

        The input is not changed; a line that does nothing returns it as it is.
        """
        moved = array if self.straight else _moved(array, self.a, self.b)
        if self.low == -inf and self.high == inf:
            return moved
        return np.clip(moved, self.low, self.high, out=None if moved is array else moved)


def _moved(array: NDArray[np.float32], a: float, b: float) -> NDArray[np.float32]:
    """Return ``a * array + b`` with one allocation."""
    moved = np.multiply(array, np.float32(a))
    moved += np.float32(b)
    return moved


Voxels = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Scale(StrEnum):
    """The meaning of a voxel's number."""

    STORED = "stored"
    HU = "HU"
    NORMALISED = "normalised"


@dataclass(frozen=True)
class VolumeSpec:
    """Everything that is known of a volume before its voxels are.

    ``lines`` holds the intensity transform of each channel, from HU to its values.  A line's clamps are the limits of
    the values, its inverse leads back to HU, and its value at ``padding_hu`` is the value of padding.  It is None while
    it waits for a statistic of voxels not yet read.  ``channels`` names a leading c axis, if any.
    ``has_interpolated``: some planes were interpolated where no slice is near.  ``reach``: how far from a sample's
    centre its measurement reaches along each axis, in samples (half a slice's thickness); None where samples touch.
    ``fill`` is what padding is worth in each channel where a step has set it, None as long as the lines say it.
    ``acquired`` is the geometry of the first description, which stays through every change: that of the images.
    """

    geometry: Geometry
    padding_hu: float = -1024
    scale: Scale = Scale.HU
    lines: tuple[ClampedLine | None, ...] = (ClampedLine(),)
    channels: tuple[str, ...] | None = None
    has_interpolated: bool = False
    reach: Zyx[float | None] = Zyx(None, None, None)  # noqa: RUF009  a tuple of nothing
    fill: tuple[float | None, ...] | None = None
    acquired: Geometry | None = None

    def __post_init__(self) -> None:
        if self.acquired is None:
            object.__setattr__(self, "acquired", self.geometry)

    @property
    def images(self) -> Geometry:
        """The geometry of the images that the volume came from."""
        return self.acquired or self.geometry

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape: [z, y, x], or [c, z, y, x] with channels."""
        return tuple(self.geometry.shape) if self.channels is None else (len(self.channels), *self.geometry.shape)

    @property
    def padding(self) -> tuple[float | None, ...]:
        """The value of padding in each channel; None where it is not known yet."""
        if self.fill is not None:
            return self.fill
        return tuple(None if line is None else line.at(self.padding_hu) for line in self.lines)


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels [z, y, x] or [c, z, y, x] in float32, and a mask [z, y, x] that is True where the scanner measured them.

    Voxels that are not valid are padding, extrapolated, or interpolated across a gap; they hold a value all the same.
    ``usable`` is True where a value may enter further interpolation: where it is valid, or was interpolated between
    valid ones.  None where nothing was interpolated across a gap.
    """

    voxels: Voxels
    valid: Mask
    geometry: Geometry
    usable: Mask | None = None

    def __post_init__(self) -> None:
        if not self.voxels.shape[-3:] == self.valid.shape == tuple(self.geometry.shape):
            shapes = (self.voxels.shape, self.valid.shape, tuple(self.geometry.shape))
            msg = f"shapes of voxels, mask and grid must agree: {shapes}"
            raise ValueError(msg)

    @property
    def by_channel(self) -> Voxels:
        """The voxels as [c, z, y, x], a view; one channel where there is no channel axis."""
        return self.voxels.reshape(-1, *self.valid.shape)


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

"""Turn the array so that its axes run along the patient's, or along those of the images."""

from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar, Literal, get_args

import numpy as np

from pipeline.geometry import LPS_AXES, Geometry, Orientation, Xyz, Zyx, find_direction, match_axes
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, Warp
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec

STRAIGHT_DEG = 0.01
"""A grid rotated by less is left as it is: over 500 mm, that is less than 0.1 mm."""

Frame = Literal["nifti", "image"]


@dataclass(frozen=True)
class Orient(Step):
    """Permute and flip so that the array's axes run to given sides.

    ``to`` names them for x, y and z: in ``LPS`` x grows to the patient's left, y to the back, z to the head.  Each axis
    takes the patient axis nearest to it.  Two frames follow the images instead: ``nifti`` is that of the file that
    dcm2niix writes (x along the rows, y against the columns, z along their normal), and ``image`` has rows and columns
    as they are, slices from the feet up.

    No bit changes.  The angle that remains is kept, or with ``oblique: resample`` removed by trilinear sampling on a
    grid of the same spacing and centre that covers the rotated volume.  Law: twice is once.
    """

    name: ClassVar = "orient"
    to: Orientation | Frame
    oblique: Literal["keep", "resample"] = "keep"

    def __post_init__(self) -> None:
        if self.oblique == "resample" and self.to in get_args(Frame):
            msg = f"oblique: resample needs patient axes, such as LPS; {self.to} is the frame of the images"
            raise ValueError(msg)

    def change(self, spec: VolumeSpec) -> GridChange | Warp:
        """Return a permutation with flips, or a warp onto the patient's axes."""
        wanted = self._axes(spec)
        turn = find_nearest_turn(spec.geometry, wanted)
        if self.oblique == "keep" or spec.geometry.obliquity_deg <= STRAIGHT_DEG:
            return turn
        return Warp(spec.geometry, straighten(turn.geometry, wanted))

    def _axes(self, spec: VolumeSpec) -> Zyx[Xyz]:
        """Return the direction in which each axis of the result is to grow."""
        z, y, x = spec.images.axes
        if self.to == "nifti":
            return Zyx(z, _reverse(y), x)
        if self.to == "image":
            return Zyx(z if z.z >= 0 else _reverse(z), y, x)
        return Zyx(*(find_direction(letter) for letter in reversed(self.to)))


@dataclass(frozen=True)
class StoreAxes(Step):
    """Put the axes of the array in the order of ``store.axes``: of ``xyz``, x is the first and z the last.

    No bit changes.  It is no step of a configuration, and the last of every program that needs it.
    """

    name: ClassVar = "store_axes"
    axes: str

    def change(self, spec: VolumeSpec) -> GridChange:
        """Return the permutation."""
        order = Zyx(*("zyx".index(axis) for axis in self.axes))
        turned = spec.geometry.permute(order)
        return GridChange(order, Zyx(*(AxisMap(n, n) for n in turned.shape)), turned)


def find_nearest_turn(geometry: Geometry, wanted: Zyx[Xyz] = LPS_AXES) -> GridChange:
    """Return the permutation and the flips that bring each array axis to the wanted direction nearest to it."""
    basis = sorted(wanted, key=lambda axis: int(np.argmax(np.abs(axis))))
    nearest = match_axes(geometry.axes, basis)
    order = Zyx(*(nearest.index(basis.index(axis)) for axis in wanted))
    turned = geometry.permute(order)
    axes = Zyx(
        *(
            AxisMap(n, n) if np.dot(axis, target) > 0 else AxisMap(n, n, start=n - 1, step=-1)
            for n, axis, target in zip(turned.shape, turned.axes, wanted, strict=True)
        )
    )
    start, step = Zyx(*(axis.start for axis in axes)), Zyx(*(axis.step for axis in axes))
    return GridChange(order, axes, turned.regrid(start, step, turned.shape))


def straighten(geometry: Geometry, wanted: Zyx[Xyz] = LPS_AXES) -> Geometry:
    """Return the grid along wanted patient axes with a turned grid's spacing and centre, covering its extent."""
    sides_mm = np.array(geometry.shape) * np.array(geometry.spacing_mm)
    extent_mm = np.abs(np.array(wanted) @ np.array(geometry.axes).T) @ sides_mm
    shape = Zyx(*(max(1, ceil(mm / step - 1e-6)) for mm, step in zip(extent_mm, geometry.spacing_mm, strict=True)))
    straight = replace(geometry, shape=shape, axes=wanted)
    shift = np.subtract(geometry.centre_mm, straight.centre_mm)
    return replace(straight, origin_mm=Xyz(*(float(value) for value in np.add(straight.origin_mm, shift))))


def _reverse(axis: Xyz) -> Xyz:
    return Xyz(*(0.0 - value for value in axis))

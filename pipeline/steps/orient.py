"""Turn the array so that its axes run along the patient's."""

from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar, Literal

import numpy as np

from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.program.axis import AxisMap
from pipeline.program.changes import GridChange, Warp
from pipeline.program.step import Step
from pipeline.volume import VolumeSpec

STRAIGHT_DEG = 0.01
"""A grid rotated by less is left as it is: over 500 mm, that is less than 0.1 mm."""

PATIENT_AXIS_OF = Zyx(2, 1, 0)
"""In LPS, array axis z runs along the patient's z (to the head), y along y (to the back), x along x (to the left)."""


@dataclass(frozen=True)
class Orient(Step):
    """Permute and flip to the nearest patient axes: z grows towards the head, y to the back, x to the patient's left.

    No bit changes.  The angle that remains is kept, or with ``oblique: resample`` removed by trilinear sampling on a
    grid of the same spacing and centre that covers the rotated volume.  Law: twice is once.
    """

    name: ClassVar = "orient"
    to: Literal["LPS"]
    oblique: Literal["keep", "resample"] = "keep"

    def change(self, spec: VolumeSpec) -> GridChange | Warp:
        """Return a permutation with flips, or a warp onto the patient's axes."""
        turn = find_nearest_turn(spec.geometry)
        if self.oblique == "keep" or spec.geometry.obliquity_deg <= STRAIGHT_DEG:
            return turn
        return Warp(spec.geometry, straighten(turn.geometry))


def find_nearest_turn(geometry: Geometry) -> GridChange:
    """Return the permutation and the flips that bring each array axis to the patient axis nearest to it."""
    order = Zyx(*(geometry.nearest_patient_axes.index(patient_axis) for patient_axis in PATIENT_AXIS_OF))
    turned = geometry.permute(order)
    axes = Zyx(
        *(
            AxisMap(n, n) if axis[patient_axis] > 0 else AxisMap(n, n, start=n - 1, step=-1)
            for n, axis, patient_axis in zip(turned.shape, turned.axes, PATIENT_AXIS_OF, strict=True)
        )
    )
    start, step = Zyx(*(axis.start for axis in axes)), Zyx(*(axis.step for axis in axes))
    return GridChange(order, axes, turned.regrid(start, step, turned.shape))


def straighten(geometry: Geometry) -> Geometry:
    """Return the grid along the patient's axes with an oriented grid's spacing and centre, covering its extent."""
    sides_mm = np.array(geometry.shape) * np.array(geometry.spacing_mm)
    extent_mm = np.abs(np.array(geometry.axes)).T @ sides_mm
    shape = Zyx(
        *(
            max(1, ceil(extent_mm[patient_axis] / mm - 1e-6))
            for patient_axis, mm in zip(PATIENT_AXIS_OF, geometry.spacing_mm, strict=True)
        )
    )
    straight = replace(geometry, shape=shape, axes=LPS_AXES)
    shift = np.subtract(geometry.centre_mm, straight.centre_mm)
    return replace(straight, origin_mm=Xyz(*(float(value) for value in np.add(straight.origin_mm, shift))))

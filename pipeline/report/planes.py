"""The three planes through the middle of a volume, each turned the way a radiologist looks at it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry

SIDES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
"""Left, right, posterior, anterior, head, feet: the patient axis, and whether its coordinate grows towards it."""


@dataclass(frozen=True)
class View:
    """A plane by its name and by the sides of the patient that its four edges show."""

    name: str
    left: str
    right: str
    top: str
    bottom: str


VIEWS = (
    View("axial", left="R", right="L", top="A", bottom="P"),
    View("coronal", left="R", right="L", top="H", bottom="F"),
    View("sagittal", left="A", right="P", top="H", bottom="F"),
)
"""The radiological convention: the patient faces the viewer, or is seen from the feet, so right is on the left."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The values of one plane, rows downwards, and its size in the patient."""

    view: View
    values: NDArray[Any]
    height_mm: float
    width_mm: float


def plane_of(array: Any, geometry: Geometry, view: View) -> Plane:
    """Cut the middle plane out of an array [z, y, x] or [c, z, y, x] (its first channel), reading no other plane.

    Any orientation of the array gives the same picture; where the array is oblique its nearest axes are meant.
    """
    patient_axes = geometry.nearest_patient_axes
    rows = patient_axes.index(SIDES[view.bottom][0])
    columns = patient_axes.index(SIDES[view.right][0])
    across = 3 - rows - columns
    index: list[slice | int] = [slice(None)] * 3
    index[across] = _middle(geometry, across)
    values = np.asarray(array[(0,) * (array.ndim - 3) + tuple(index)])
    upright = values if rows < columns else values.T
    return Plane(
        view=view,
        values=upright[_direction(geometry, rows, view.bottom), _direction(geometry, columns, view.right)],
        height_mm=geometry.shape[rows] * geometry.spacing_mm[rows],
        width_mm=geometry.shape[columns] * geometry.spacing_mm[columns],
    )


def _middle(geometry: Geometry, array_axis: int) -> int:
    """Return the middle index; of the two in the middle of an even axis the same plane, whichever way the axis runs."""
    runs_back = geometry.axes[array_axis][geometry.nearest_patient_axes[array_axis]] < 0
    return (geometry.shape[array_axis] - runs_back) // 2


def _direction(geometry: Geometry, array_axis: int, side: str) -> slice:
    """Return the slice that makes an array axis run towards a side of the patient."""
    patient_axis, sign = SIDES[side]
    return slice(None, None, 1 if geometry.axes[array_axis][patient_axis] * sign > 0 else -1)

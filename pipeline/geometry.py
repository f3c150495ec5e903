"""The geometry of a volume in the patient: shape, spacing, origin and axes, without the array."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from math import acos, degrees
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Zyx(NamedTuple, Generic[T]):
    """Three values in the order of an array's axes."""

    z: T
    y: T
    x: T


class Xyz(NamedTuple):
    """A point or direction in the patient, in LPS millimetres."""

    x: float
    y: float
    z: float


PATIENT_AXES = ("LR", "PA", "SI")
"""For x, y and z: the letter an axis gets when its coordinate grows, then when it falls (DICOM PS3.3 C.7.6.1.1.1)."""

# fmt: off
Orientation = Literal[
    "LPS", "LPI", "LAS", "LAI", "RPS", "RPI", "RAS", "RAI", "LSP", "LSA", "LIP", "LIA",
    "RSP", "RSA", "RIP", "RIA", "PLS", "PLI", "PRS", "PRI", "ALS", "ALI", "ARS", "ARI",
    "PSL", "PSR", "PIL", "PIR", "ASL", "ASR", "AIL", "AIR", "SLP", "SLA", "SRP", "SRA",
    "ILP", "ILA", "IRP", "IRA", "SPL", "SPR", "SAL", "SAR", "IPL", "IPR", "IAL", "IAR",
]
# fmt: on
"""The 48 ways in which an array may lie in the patient: the sides to which its x, y and z grow."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts x to the left and y to the back; NIfTI counts x to the right and y to the front.  Its own inverse."""

LPS_AXES = Zyx(Xyz(0.0, 0.0, 1.0), Xyz(0.0, 1.0, 0.0), Xyz(1.0, 0.0, 0.0))
"""The axes of an array in LPS order: z grows towards the head, y towards the back, x towards the patient's left."""


@dataclass(frozen=True)
class Geometry:
    """An even grid in the patient.

    ``origin_mm`` is the centre of voxel [0, 0, 0]; ``axes`` are unit vectors, the directions in the patient in which
    the array's indices z, y and x grow.
    """

    shape: Zyx[int]
    spacing_mm: Zyx[float]
    origin_mm: Xyz
    axes: Zyx[Xyz]

    @cached_property
    def affine_lps(self) -> NDArray[np.float64]:
        """4 x 4, from index (z, y, x, 1) to LPS millimetres (x, y, z, 1)."""
        affine = np.eye(4)
        affine[:3, :3] = np.array(self.axes).T * np.array(self.spacing_mm)
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def affine_ras(self) -> NDArray[np.float64]:
        """4 x 4, from index (z, y, x, 1) to RAS millimetres, the world of NIfTI."""
        return LPS_TO_RAS @ self.affine_lps

    def world(self, index: Zyx[float]) -> Xyz:
        """Return the position of a (fractional) index, in LPS millimetres."""
        return Xyz(*(float(value) for value in (self.affine_lps @ (*index, 1.0))[:3]))

    @property
    def centre_mm(self) -> Xyz:
        """The middle of the grid, in LPS millimetres."""
        return self.world(Zyx(*((n - 1) / 2 for n in self.shape)))

    @property
    def nearest_patient_axes(self) -> Zyx[int]:
        """For each array axis, which patient axis (0 = x, 1 = y, 2 = z) it runs along, all three different."""
        return match_axes(self.axes, np.eye(3).tolist())

    @property
    def sides(self) -> tuple[str, str, str]:
        """For each array axis the letter of the side of the patient towards which its index grows."""
        first, second, third = (
            PATIENT_AXES[patient_axis][0 if axis[patient_axis] >= 0 else 1]
            for axis, patient_axis in zip(self.axes, self.nearest_patient_axes, strict=True)
        )
        return first, second, third

    @property
    def orientation(self) -> str:
        """Three letters for the x, y and z of an array [z, y, x]."""
        return "".join(reversed(self.sides))

    @property
    def obliquity_deg(self) -> float:
        """The largest angle between an array axis and the patient axis nearest to it."""
        cosines = (
            min(1.0, abs(axis[patient_axis]))
            for axis, patient_axis in zip(self.axes, self.nearest_patient_axes, strict=True)
        )
        return degrees(max(acos(cosine) for cosine in cosines))

    def permute(self, order: Zyx[int]) -> "Geometry":
        """Return the same grid with its array axes in another order; old axis ``order[i]`` becomes axis i."""
        return replace(
            self,
            shape=Zyx(*(self.shape[axis] for axis in order)),
            spacing_mm=Zyx(*(self.spacing_mm[axis] for axis in order)),
            axes=Zyx(*(self.axes[axis] for axis in order)),
        )

    def regrid(self, start: Zyx[float], step: Zyx[float], shape: Zyx[int]) -> "Geometry":
        """Return the grid whose index i lies at ``start + step * i`` of this one; a negative step flips the axis."""
        return Geometry(
            shape=shape,
            spacing_mm=Zyx(*(abs(s) * mm for s, mm in zip(step, self.spacing_mm, strict=True))),
            origin_mm=self.world(start),
            axes=Zyx(
                *(
                    axis if s > 0 else Xyz(*(0.0 - value for value in axis))
                    for s, axis in zip(step, self.axes, strict=True)
                )
            ),
        )


def match_axes(axes: Sequence[Sequence[float]], basis: Sequence[Sequence[float]]) -> Zyx[int]:
    """Return for each array axis the direction of a basis that it runs along, all three different."""
    cosines = np.abs(np.array(axes) @ np.array(basis).T)
    best = max(permutations(range(3)), key=lambda order: sum(cosines[i, axis] for i, axis in enumerate(order)))
    return Zyx(*best)


def find_direction(side: str) -> Xyz:
    """Return the direction towards a side of the patient, given by its letter."""
    letters = next(letters for letters in PATIENT_AXES if side in letters)
    direction = [0.0, 0.0, 0.0]
    direction[PATIENT_AXES.index(letters)] = 1.0 if side == letters[0] else -1.0
    return Xyz(*direction)

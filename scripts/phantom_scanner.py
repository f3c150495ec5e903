"""A body on the table: sampled on the slices of a scanner, and, as the truth, on an upright grid."""

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from phantom_body import Organ, hu_at

Affine = NDArray[np.float64]
"""4 x 4, from index (z, y, x, 1) to LPS millimetres (x, y, z, 1)."""

FIELD_MM = 200.0
NOISE_HU = 15.0
PADDING_STORED = -2000
PADDING_HU = -1024


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How a scanner lays the patient down and writes numbers.

    ``padding`` says how the stored -2000 outside the scan field is declared; with None the field has no outside.
    ``windows`` are pairs of centre and width; ``names`` says how file names run.
    """

    position: Literal["HFS", "FFS", "HFP"] = "HFS"
    signed: bool = True
    slope: float = 1
    intercept: float = -1024
    padding: Literal["SS", "US", "undeclared"] | None = None
    windows: tuple[tuple[int, int], ...] = ((40, 400),)
    names: Literal["with z", "against z", "uid"] = "with z"

    @property
    def flipped(self) -> tuple[int, ...]:
        """Which of the axes z, y, x of a slice stack run against the patient's (z up, y to the back, x to the left)."""
        return {"HFS": (), "FFS": (0, 2), "HFP": (1, 2)}[self.position]

    def stored(self, hu: NDArray[np.float64], measured: NDArray[np.bool_]) -> NDArray[np.int16]:
        """Return what the scanner stores for these Hounsfield values."""
        low, high = (-(1 << 15), (1 << 15) - 1) if self.signed else (0, (1 << 12) - 1)
        values = np.rint((hu - self.intercept) / self.slope).clip(low, high)
        return np.where(measured, values, PADDING_STORED).astype(np.int16)

    def hu(self, stored: NDArray[np.int16], measured: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the Hounsfield values that the stored ones stand for, padding as -1024."""
        return np.where(measured, stored * self.slope + self.intercept, PADDING_HU).astype(np.float32)


@dataclass(frozen=True)
class Protocol:
    """How slices are taken: ``shape`` and ``spacing_mm`` in the order z, y, x; ``height_mm`` is their middle's z."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    height_mm: float
    tilt_deg: float = 0.0

    @classmethod
    def of(cls, n_slices: int, step_mm: float, pixels: int, height_mm: float, tilt_deg: float) -> "Protocol":
        """Return the slices of ``pixels`` squared that cover the field."""
        pixel_mm = round(FIELD_MM / pixels, 4)
        return cls((n_slices, pixels, pixels), (step_mm, pixel_mm, pixel_mm), height_mm, tilt_deg)

    @property
    def upright(self) -> Affine:
        """The grid along the patient's axes: z to the head, y to the back, x to the left."""
        affine = np.zeros((4, 4))
        affine[[2, 1, 0], [0, 1, 2]] = self.spacing_mm
        middle = (np.array(self.shape) - 1) / 2 * self.spacing_mm
        affine[:, 3] = (*np.round(np.array([3.1, 5.3, self.height_mm]) - middle[::-1], 3), 1)
        return affine

    @property
    def leaning(self) -> Affine:
        """The slices of a tilted gantry: they turn about their rows, keep the middle, and advance along z."""
        affine = self.upright
        middle = (*((n - 1) / 2 for n in self.shape), 1)
        moved = affine @ middle
        y_mm, tilt = affine[1, 1], radians(self.tilt_deg)
        affine[:3, 1] = 0, y_mm * cos(tilt), -y_mm * sin(tilt)
        affine[:3, 3] += (moved - affine @ middle)[:3]
        return affine


@dataclass(frozen=True, eq=False)
class Acquisition:
    """What the scanner stored, slice by slice, where ``affine`` says; and the truth [z, y, x] on the upright grid."""

    protocol: Protocol
    habits: Habits
    stored: NDArray[np.int16]
    affine: Affine
    true_hu: NDArray[np.float32]
    measured: NDArray[np.bool_]


def acquire(organs: tuple[Organ, ...], protocol: Protocol, habits: Habits, rng: np.random.Generator) -> Acquisition:
    """Scan a body.

    An upright gantry's truth is what was stored, voxel by voxel; a tilted one's is the body itself, without noise.
    """
    shape, affine = protocol.shape, protocol.leaning
    measured = np.broadcast_to(scan_field(*shape[1:]) if habits.padding else True, shape)
    hu = np.maximum(hu_at(organs, places_mm(affine, shape)) + rng.normal(0, NOISE_HU, shape), -1024)
    stored = habits.stored(hu, measured)
    truth = habits.hu(stored, measured)
    if protocol.tilt_deg:
        truth = hu_at(organs, places_mm(protocol.upright, shape)).astype(np.float32)
    return Acquisition(
        protocol=protocol,
        habits=habits,
        stored=np.flip(stored, habits.flipped),
        affine=_flipped(affine, shape, habits.flipped),
        true_hu=truth,
        measured=measured,
    )


def places_mm(affine: Affine, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the place of every voxel: [z, y, x, 3] in LPS millimetres."""
    return np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]


def scan_field(rows: int, columns: int) -> NDArray[np.bool_]:
    """Return where the scanner measures within a slice: a circle, a little off the middle so that a flip shows."""
    row, column = np.ogrid[:rows, :columns]
    return np.hypot((row + 0.5) / rows - 0.51, (column + 0.5) / columns - 0.48) < 0.47


def _flipped(affine: Affine, shape: tuple[int, int, int], axes: tuple[int, ...]) -> Affine:
    """Return the affine of the same grid with some of its index axes running the other way."""
    flipped = affine.copy()
    for axis in axes:
        flipped[:, 3] += (shape[axis] - 1) * affine[:, axis]
        flipped[:, axis] = -affine[:, axis]
    return flipped

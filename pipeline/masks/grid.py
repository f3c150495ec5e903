"""The grid that a mask must lie on: a series' own slices, as they came, before any repair."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.vocabulary import MaskReason

Floats = NDArray[np.float64]
Labels = NDArray[np.integer]

OFF_SHARE, OFF_MM = 0.1, 0.06
"""A mask's plane may lie this far from the slice's, in pixels and millimetres: places are often written to 0.1 mm."""

TURNED = 1e-3
"""Directions that differ by more than this, as cosines, are not the same."""


class MaskMismatchError(Exception):
    """A mask of this series does not lie on its slices, or cannot be read; the message holds no text of the mask."""

    def __init__(self, message: str, reason: MaskReason = MaskReason.OFF_GRID) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """Slices in the order of their stack; millimetres in LPS.

    ``corners`` [n, 3] are the centres of each slice's first pixel; ``row`` and ``column`` are the unit vectors along
    which x and y grow; ``spacing_mm`` is that of y and x, between slices it follows from the corners.  ``missing`` are
    the corners of planes that a repair puts in for slices that were not scanned, by their place in the repaired stack:
    contours may lie on them too.
    """

    shape: Zyx[int]
    corners: Floats
    row: Floats
    column: Floats
    spacing_mm: tuple[float, float]
    frame_of_reference_uid: str = ""
    series_uid: str = ""
    missing: Mapping[int, Floats] = field(default_factory=dict)

    @cached_property
    def all_corners(self) -> Floats:
        """The corners of the slices [n, 3], and after them those of missing slices."""
        return np.concatenate([self.corners, *(corner[None] for corner in self.missing.values())])

    @cached_property
    def normal(self) -> Floats:
        """The unit vector along which slices follow each other."""
        return np.cross(self.row, self.column)

    @property
    def tolerance_mm(self) -> float:
        """How far from a slice something may lie and still be meant to lie on it."""
        return max(OFF_SHARE * min(self.spacing_mm), OFF_MM)

    @cached_property
    def affine_lps(self) -> Floats | None:
        """4 x 4, from index (z, y, x, 1) to LPS millimetres; None where the slices are not evenly spaced."""
        n = len(self.corners)
        advance = (self.corners[-1] - self.corners[0]) / max(1, n - 1)
        even = self.corners[0] + np.arange(n)[:, None] * advance
        if np.abs(even - self.corners).max() > self.tolerance_mm:
            return None
        affine = np.eye(4)
        affine[:3, :3] = np.stack([advance, self.spacing_mm[0] * self.column, self.spacing_mm[1] * self.row], axis=1)
        affine[:3, 3] = self.corners[0]
        return affine

    def slice_at(self, corner: Floats) -> int:
        """Return the slice whose first pixel lies there, counted over `all_corners`.

        Raises MaskMismatchError where none does.
        """
        distances = np.linalg.norm(self.all_corners - corner, axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] > self.tolerance_mm:
            msg = f"a plane of the mask lies {distances[nearest]:.2f} mm from the nearest slice"
            raise MaskMismatchError(msg)
        return nearest

    def require_directions(self, row: Floats, column: Floats) -> None:
        """Refuse planes that are turned against the slices; raises MaskMismatchError."""
        if max(np.abs(row - self.row).max(), np.abs(column - self.column).max()) > TURNED:
            msg = "the planes of the mask are turned against the slices"
            raise MaskMismatchError(msg)

    def has_frame_of_reference(self, uid: str) -> bool:
        """Tell whether something in a frame of reference lies on the grid; none counts as the same."""
        return not (uid and self.frame_of_reference_uid) or uid == self.frame_of_reference_uid

    def require_frame_of_reference(self, uid: str) -> None:
        """Refuse another frame of reference; raises MaskMismatchError."""
        if not self.has_frame_of_reference(uid):
            msg = "the mask has another frame of reference"
            raise MaskMismatchError(msg)


def smallest_dtype(low: int, high: int) -> "np.dtype[np.unsignedinteger[Any]]":
    """Return the smallest unsigned integers that hold labels; raises MaskMismatchError where none does."""
    for dtype in (np.uint8, np.uint16, np.uint32):
        if low >= 0 and high <= np.iinfo(dtype).max:
            return np.dtype(dtype)
    msg = f"the mask holds values from {low} to {high}; labels are whole numbers from 0"
    raise MaskMismatchError(msg, MaskReason.UNREADABLE)

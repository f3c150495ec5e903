"""Truncation: the share of the body's outline that runs along the edge of the field of view."""

from dataclasses import dataclass

import numpy as np

from pipeline.features.tissue import BODY_ABOVE_HU
from pipeline.kernels.slices import measure_outline
from pipeline.kernels.walks import find_joined_to_border, find_largest_piece
from pipeline.volume import Mask, Voxels

LEAST_BODY_SHARE = 0.01
"""A slice with less body shows no patient, or little more than a table."""

FRAME = 5
"""Invalid regions narrower than this are voxels of air that look like padding, not an edge of the field."""

IS_PLACE, IS_NO_PLACE = np.array([False, True]), np.array([True, False])


@dataclass(frozen=True)
class BodyOutline:
    """The number of voxels in the outline of a body, and of those at the edge of the field of view."""

    length: int = 0
    cut: int = 0

    @property
    def cut_share(self) -> float | None:
        """The share at the edge of the field of view; None without a body."""
        return self.cut / self.length if self.length else None

    def __add__(self, other: "BodyOutline") -> "BodyOutline":
        return BodyOutline(self.length + other.length, self.cut + other.cut)


def measure_body_outline(plane: Voxels, valid: Mask) -> BodyOutline:
    """Measure the outline of the body in a slice [y, x].

    The body is the largest connected piece above -300 HU, its holes (lungs, bowel) filled; its outline are its voxels
    with a neighbour, up, down, left or right, that is not of it or lies beyond the field.
    """
    return BodyOutline(*measure_outline(_body(plane, valid), _field(valid)))


def _body(plane: Voxels, valid: Mask) -> Mask:
    dense = (plane > BODY_ABOVE_HU) & valid
    largest = find_largest_piece(dense.view(np.uint8), IS_PLACE)
    if largest.sum() < LEAST_BODY_SHARE * largest.size:
        return np.zeros(plane.shape, bool)
    return ~find_joined_to_border(largest.view(np.uint8), IS_NO_PLACE)


def _field(valid: Mask) -> Mask:
    """Return the field of view: valid voxels, and single voxels among them that look like padding."""
    if valid.all():
        return valid
    outside = np.pad(~valid, FRAME - 1, mode="edge")
    return ~_any_of_frame(_all_of_frame(outside))


def _all_of_frame(places: Mask) -> Mask:
    """Return where every place of a frame is one of ``places``; smaller than those by the frame less one."""
    return ~_any_of_frame(~places)


def _any_of_frame(places: Mask) -> Mask:
    rows = np.logical_or.reduce([places[at : len(places) - FRAME + 1 + at] for at in range(FRAME)])
    width = places.shape[1] - FRAME + 1
    found: Mask = np.logical_or.reduce([rows[:, at : at + width] for at in range(FRAME)])
    return found

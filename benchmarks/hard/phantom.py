"""A body whose Hounsfield units are known at every point, and what a result must hold to be right.

Smooth on purpose: linear interpolation between true neighbours stays within the judge's tolerance, a slice that lies
one step from its place does not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AIR_HU = -1000.0
TISSUE_HU = -700.0
"""Above it a point counts: air is the same everywhere, so it cannot tell right from wrong."""
BLOBS = (
    (-760.0, (6.0, -6.0, -8.0), 6.0),
    (620.0, (-5.0, 8.0, 5.0), 5.0),
    (-600.0, (-6.0, -6.0, 12.0), 6.0),
    (500.0, (4.0, 7.0, -14.0), 5.0),
    (-650.0, (1.0, 2.0, 20.0), 6.0),
)
"""What lies in the body: HU more or less than tissue, centre in LPS mm, width in mm."""
SECOND_PHASE = (260.0, (2.0, 2.0, 0.0), 10.0)
"""The contrast medium that a second phase adds."""
METAL = (2600.0, (-2.0, 4.0, 1.0), 4.0)
"""An implant, for series whose values need more than twelve bits."""


def hu_at(points: Array, *, contrast: float = 0.0, has_metal: bool = False) -> Array:
    """Return the HU at points [..., 3] in LPS mm; a second phase has a contrast of 1."""
    x, y, z = np.moveaxis(points, -1, 0)
    radius = np.hypot((x - 0.08 * z) / 17, (y + 0.05 * z) / 21)
    inside = 1 / (1 + np.exp(-np.clip((1 - radius) * 7.6, -30, 30)))
    tissue = 1040.0 + sum(_blob(points, *blob) for blob in (*BLOBS, *([METAL] if has_metal else [])))
    tissue = tissue + contrast * _blob(points, *SECOND_PHASE)
    return AIR_HU + inside * tissue


def _blob(points: Array, hu: float, centre: tuple[float, float, float], width_mm: float) -> Array:
    return hu * np.exp(-np.square(points - centre).sum(-1) / (2 * width_mm**2))


@dataclass(frozen=True, eq=False)
class Part:
    """One volume that a series holds: HU at measured points in LPS mm.

    ``padding`` are points outside the reconstruction circle, ``centre`` is the middle of the stack.  Where the files
    hold no position, ``placed`` is False and a result is judged after its centre is laid on the truth's.
    """

    points: Array
    hu: Array
    padding: Array
    centre: Array
    placed: bool = True


def part_of(
    points: Array, *, padding: Array | None = None, placed: bool = True, between: bool = False, **body: Any
) -> Part:
    """Return the truth of a stack whose voxels lie at ``points`` [z, y, x, 3]; ``body`` are keywords of ``hu_at``.

    The outermost slices and a rim of two pixels are not judged: another grid may blend them with what lies outside.
    ``between`` judges the middle between two slices too, where slices of another volume may have been put.
    """
    planes = points[1:-1, 2:-2, 2:-2]
    inner = (np.concatenate([planes, (planes[:-1] + planes[1:]) / 2]) if between else planes).reshape(-1, 3)
    hu = hu_at(inner, **body)
    counts = hu > TISSUE_HU
    outside = np.empty((0, 3)) if padding is None else padding
    return Part(inner[counts], hu[counts], outside, points.mean((0, 1, 2)), placed)

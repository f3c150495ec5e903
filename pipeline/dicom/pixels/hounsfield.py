"""Stored values to Hounsfield units: rescale and padding (DICOM PS3.3 C.11.1.1.2 and C.7.5.1.1.2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.dicom.headers.slice import Rescale, SliceHeader
from pipeline.dicom.pixels.stored import Stored
from pipeline.dicom.policy import HounsfieldOptions
from pipeline.volume import Mask, Voxels

UNDECLARED_BELOW_HU = -1100
"""No tissue and no air lies below: a plateau of one such value in a slice's corner is padding, declared or not."""
PLATEAU = 3
"""So many voxels to each side of a corner must be equal: noise never is."""
AIR_HU = (-1100, -900)
"""A padding value of this kind is air wherever it is kept, in a bowel or a windpipe, and not worth a warning."""


@dataclass(frozen=True, eq=False)
class HounsfieldSlice:
    """One slice in HU [y, x], where it was measured, and whether its padding is worth a warning."""

    hu: Voxels
    measured: Mask
    has_odd_padding: bool


def to_hounsfield(stored: Stored, header: SliceHeader, options: HounsfieldOptions) -> HounsfieldSlice:
    """Rescale one slice by its own slope and intercept, and put ``padding_hu`` where it was not measured.

    Rescaling is done in float64 and kept in float32, exact for whole numbers up to 2**24.
    """
    rescale = header.rescale
    hu = (stored * rescale.slope + rescale.intercept).astype(np.float32)
    padding, is_odd = _padding(stored, hu, header)
    hu[padding] = options.padding_hu
    return HounsfieldSlice(hu, ~padding, is_odd)


def _padding(stored: Stored, hu: Voxels, header: SliceHeader) -> tuple[Mask, bool]:
    """Find padding: voxels of a padding value that hang together with the border, or lie outside the circle.

    Equal values inside the body stay.  Odd are these, unless they are air, and repaired and undeclared padding.
    """
    declared = _declared(stored, header.rescale)
    undeclared = _undeclared(stored, hu, declared)
    candidates = declared | undeclared
    if not candidates.any():
        return candidates, False
    padding = _joined_to_border(candidates) | (candidates & _outside_circle(header))
    is_repaired = header.rescale.padding_repaired and declared.any()
    return padding, bool(is_repaired or undeclared.any() or _has_kept_tissue(hu[candidates & ~padding]))


def _has_kept_tissue(kept_hu: Voxels) -> bool:
    low, high = AIR_HU
    return bool(((kept_hu < low) | (kept_hu > high)).any())


def _declared(stored: Stored, rescale: Rescale) -> Mask:
    if rescale.padding is None:
        return np.zeros(stored.shape, bool)
    if rescale.padding_limit is None:
        return np.equal(stored, rescale.padding)
    low, high = sorted((rescale.padding, rescale.padding_limit))
    return (stored >= low) & (stored <= high)


def _undeclared(stored: Stored, hu: Voxels, declared: Mask) -> Mask:
    found = {
        int(corner[0, 0])
        for corner, corner_hu, known in zip(_corners(stored), _corners(hu), _corners(declared), strict=True)
        if corner_hu[0, 0] < UNDECLARED_BELOW_HU and not known[0, 0] and (corner == corner[0, 0]).all()
    }
    return np.isin(stored, list(found)) if found else np.zeros(stored.shape, bool)


def _corners(plane: NDArray[Any]) -> list[NDArray[Any]]:
    ends = (slice(None, PLATEAU), slice(-PLATEAU, None))
    return [plane[y, x] for y in ends for x in ends]


def _joined_to_border(candidates: Mask) -> Mask:
    labels, _ = ndimage.label(candidates)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(edges[edges > 0]))


def _outside_circle(header: SliceHeader) -> Mask:
    """Where a slice lies beyond the circle of ReconstructionDiameter; nowhere without one."""
    rows, columns = header.pixels.rows, header.pixels.columns
    if not header.reconstruction_diameter:
        return np.zeros((rows, columns), bool)
    y_mm = _from_centre(rows, header.plane.row_spacing)[:, None]
    x_mm = _from_centre(columns, header.plane.column_spacing)[None, :]
    return np.hypot(y_mm, x_mm) > header.reconstruction_diameter / 2


def _from_centre(n: int, spacing_mm: float) -> NDArray[np.float64]:
    return (np.arange(n, dtype=np.float64) - (n - 1) / 2) * spacing_mm

"""Slices read in plain numpy and scipy, whole planes at a time: what `pipeline.dicom.pixels` must come to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.dicom.headers.slice import Rescale, SliceHeader

Plane = NDArray[Any]

UNDECLARED_BELOW_HU, AIR_HU = -1100, (-1100, -900)


@dataclass(frozen=True, eq=False)
class PlainSlice:
    hu: Plane
    measured: Plane
    has_odd_padding: bool


def put_right(frame: Plane, header: SliceHeader) -> tuple[Plane, bool]:
    """Return the stored values of a frame, and whether bits above BitsStored were set."""
    values, pixels = frame.astype(np.int64), header.pixels
    low = values & ((1 << pixels.bits_stored) - 1)
    if pixels.signed:
        sign_bit = 1 << (pixels.bits_stored - 1)
        low = (low ^ sign_bit) - sign_bit
    differs = low != values
    if header.rescale.padding is not None:
        differs &= values != header.rescale.padding
    return np.where(differs, low, values), bool(differs.any())


def to_hounsfield(stored: Plane, header: SliceHeader, padding_hu: float) -> PlainSlice:
    """Rescale stored values [y, x], and put ``padding_hu`` where they are padding."""
    rescale = header.rescale
    hu = (stored * rescale.slope + rescale.intercept).astype(np.float32)
    declared = _declared(stored, rescale)
    undeclared = _undeclared(stored, hu, declared)
    candidates = declared | undeclared
    padding = _joined_to_border(candidates) | (candidates & _outside_circle(header))
    kept_hu = hu[candidates & ~padding]
    is_repaired = rescale.padding_repaired and declared.any()
    is_odd = is_repaired or undeclared.any() or ((kept_hu < AIR_HU[0]) | (kept_hu > AIR_HU[1])).any()
    hu[padding] = padding_hu
    return PlainSlice(hu, ~padding, bool(is_odd))


def _declared(stored: Plane, rescale: Rescale) -> Plane:
    if rescale.padding is None:
        return np.zeros(stored.shape, bool)
    if rescale.padding_limit is None:
        return np.equal(stored, rescale.padding)
    low, high = sorted((rescale.padding, rescale.padding_limit))
    return (stored >= low) & (stored <= high)


def _undeclared(stored: Plane, hu: Plane, declared: Plane) -> Plane:
    found = {
        int(corner[0, 0])
        for corner, corner_hu, known in zip(_corners(stored), _corners(hu), _corners(declared), strict=True)
        if corner_hu[0, 0] < UNDECLARED_BELOW_HU and not known[0, 0] and (corner == corner[0, 0]).all()
    }
    return np.isin(stored, list(found))


def _corners(plane: Plane) -> list[Plane]:
    return [plane[y, x] for y in (slice(None, 3), slice(-3, None)) for x in (slice(None, 3), slice(-3, None))]


def _joined_to_border(candidates: Plane) -> Plane:
    labels, _ = ndimage.label(candidates)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.unique(edges[edges > 0]))


def _outside_circle(header: SliceHeader) -> Plane:
    rows, columns = header.pixels.rows, header.pixels.columns
    if not header.reconstruction_diameter:
        return np.zeros((rows, columns), bool)
    y_mm = (np.arange(rows) - (rows - 1) / 2) * header.plane.row_spacing
    x_mm = (np.arange(columns) - (columns - 1) / 2) * header.plane.column_spacing
    return np.hypot(y_mm[:, None], x_mm[None, :]) > header.reconstruction_diameter / 2

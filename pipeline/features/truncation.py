"""How much of the patient lies beyond the field of view: where the body's outline runs along the edge of the image."""

import numpy as np
from scipy import ndimage

from pipeline.volume import Mask, Volume, Voxels

BODY_HU = -300
"""Everything denser is body, or table: halfway between lung and fat."""

TRUNCATION_SLICES = 16
"""The outline is drawn on at most so many slices, spread over the volume."""

LEAST_BODY_SHARE = 0.01
"""A slice with less body than this shows no patient, or hardly more than a table."""

FRAME = np.ones((5, 5), bool)
"""Unmeasured places narrower than this are single voxels of air that read like padding, not an edge of the field."""


def truncated_share(volume: Volume) -> float | None:
    """Return the share of the body's outline that runs along the image's border or along padding, None without a body.

    The body of a slice is the largest connected piece above -300 HU, its holes (lungs, bowel) filled; its outline are
    its voxels with a neighbour, up, down, left or right, that is not of it or lies beyond the field.
    """
    n_slices = len(volume.voxels)
    chosen = np.unique(np.linspace(0, n_slices - 1, min(n_slices, TRUNCATION_SLICES)).round().astype(int))
    n_outline = n_cut = 0
    for z in chosen:
        body = _body(volume.voxels[z], volume.measured[z])
        cut = body & _beside(~_field(volume.measured[z]))
        n_cut += int(cut.sum())
        n_outline += int((cut | (body & _beside(~body))).sum())
    return n_cut / n_outline if n_outline else None


def _body(plane: Voxels, measured: Mask) -> Mask:
    pieces, n_pieces = ndimage.label((plane > BODY_HU) & measured)
    if not n_pieces:
        return np.zeros(plane.shape, bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest: Mask = pieces == sizes.argmax()
    if largest.sum() < LEAST_BODY_SHARE * largest.size:
        return np.zeros(plane.shape, bool)
    filled: Mask = ndimage.binary_fill_holes(largest)
    return filled


def _field(measured: Mask) -> Mask:
    """Return the field of view: what was measured, and single voxels within it that read like padding."""
    if measured.all():
        return measured
    outside = np.pad(~measured, FRAME.shape[0], mode="edge")
    opened: Mask = ndimage.binary_opening(outside, FRAME)
    inner = slice(FRAME.shape[0], -FRAME.shape[0])
    return ~opened[inner, inner]


def _beside(places: Mask) -> Mask:
    """Return where one of the four neighbours is one of ``places``, or beyond the border."""
    around = np.pad(places, 1, constant_values=True)
    beside: Mask = around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
    return beside

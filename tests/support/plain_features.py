"""The features of a volume in plain numpy and scipy, the whole in memory: what `pipeline.features` must come to."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.volume import Mask, Volume, Voxels

BODY_HU, SOFT_TISSUE_HU = -300, (-150.0, 150.0)


def chosen(n_slices: int) -> NDArray[np.intp]:
    """Return the slices that are looked at closer."""
    return np.unique(np.linspace(0, n_slices - 1, min(n_slices, 16)).round().astype(int))


def noise(volume: Volume) -> float | None:
    """Return the noise in soft tissue."""
    parts = [roughness(volume.voxels[z], volume.valid[z]) for z in chosen(len(volume.voxels))]
    rough = np.concatenate(parts)
    return float(np.median(rough)) * 1.4826 if rough.size >= 1000 else None


def roughness(plane: Voxels, valid: Mask) -> Voxels:
    """Return the absolute second difference of each soft-tissue place of a slice."""
    if min(plane.shape) < 3:
        return np.zeros(0, np.float32)
    mean = _sum_of_nine(plane) / 9
    low, high = SOFT_TISSUE_HU
    tissue = (mean >= low) & (mean <= high) & (_sum_of_nine(valid.astype(np.float32)) == 9)
    rough: Voxels = np.abs(np.diff(np.diff(plane, n=2, axis=0), n=2, axis=1)[tissue]) / np.float32(6)
    return rough


def _sum_of_nine(plane: Voxels) -> Voxels:
    rows = plane[:-2] + plane[1:-1] + plane[2:]
    total: Voxels = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total


def outline(plane: Voxels, valid: Mask) -> tuple[int, int]:
    """Return how many voxels the body's outline has in a slice, and how many lie at the edge of the field."""
    body = _body(plane, valid)
    cut = body & _beside(~_field(valid))
    return int((cut | (body & _beside(~body))).sum()), int(cut.sum())


def _body(plane: Voxels, valid: Mask) -> Mask:
    pieces, n_pieces = ndimage.label((plane > BODY_HU) & valid)
    if not n_pieces:
        return np.zeros(plane.shape, bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest: Mask = pieces == sizes.argmax()
    if largest.sum() < 0.01 * largest.size:
        return np.zeros(plane.shape, bool)
    filled: Mask = ndimage.binary_fill_holes(largest)
    return filled


def _field(valid: Mask) -> Mask:
    outside = np.pad(~valid, 5, mode="edge")
    opened: Mask = ndimage.binary_opening(outside, np.ones((5, 5), bool))
    return ~opened[5:-5, 5:-5]


def _beside(places: Mask) -> Mask:
    cross = ndimage.generate_binary_structure(2, 1)
    cross[1, 1] = False
    beside: Mask = ndimage.binary_dilation(places, cross, border_value=1)
    return beside

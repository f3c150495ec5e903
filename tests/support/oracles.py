"""Reference implementations in plain numpy, scipy and Pillow: slow, obvious, and written from the definitions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.geometry import Geometry
from pipeline.volume import ClampedLine, Mask, Volume, Voxels

Floats = NDArray[np.float64]


def line(x: Floats, change: ClampedLine) -> Floats:
    """Return a clamped line's values in float64."""
    return np.clip(change.a * np.asarray(x, np.float64) + change.b, change.low, change.high)


def trilinear(volume: Volume, target: Geometry) -> Voxels:
    """Return the volume on another grid by scipy's trilinear interpolation; beyond the source, its rim."""
    affine = np.linalg.inv(volume.geometry.affine_lps) @ target.affine_lps
    shape = tuple(target.shape)
    return ndimage.affine_transform(volume.voxels, affine, output_shape=shape, order=1, mode="nearest")


def pillow(plane: NDArray[np.float32], shape: tuple[int, int], method: Image.Resampling) -> NDArray[np.float32]:
    """Return a plane [y, x] resized by Pillow, which filters when it makes coarser and keeps the outer faces."""
    return np.asarray(Image.fromarray(plane).resize((shape[1], shape[0]), method))


def triangle_row(position: float, half_width: float, samples: Floats) -> Floats:
    """Return the normalised triangle of a half-width around a position, sample by sample."""
    weights = np.array([max(0.0, 1 - abs(at - position) / half_width) for at in samples])
    return weights / weights.sum()


def cubic_row(position: float, half_width: float, samples: Floats) -> Floats:
    """Return Keys' normalised kernel, a = -0.5, as many samples wide as told (IEEE Trans. ASSP 29(6), 1981, (15))."""
    a, at = -0.5, np.abs(samples - position) / half_width
    near = (a + 2) * at**3 - (a + 3) * at**2 + 1
    far = a * at**3 - 5 * a * at**2 + 8 * a * at - 4 * a
    weights = np.where(at <= 1, near, np.where(at < 2, far, 0))
    return weights / weights.sum()


def nearest_row(position: float, samples: Floats) -> Floats:
    """Return 1 for the nearest sample, of two equally near the later, and 0 for all others."""
    distance = np.abs(samples - position)
    return np.arange(len(samples)) == np.flatnonzero(distance <= distance.min() + 1e-6)[-1]


def weighted_sums(
    voxels: NDArray[np.floating[Any]], valid: Mask, matrices: tuple[Floats, ...], least: float = 1e-6
) -> tuple[Floats, Floats]:
    """Return sums and the share of their weight that was measured, by three dense matrices [n, source_n].

    Sums are of measured voxels, divided by the share; of all where that is not above ``least``.
    """
    plain, sums, share = (
        np.einsum("az,by,cx,zyx->abc", *matrices, np.asarray(array, np.float64), optimize=True)
        for array in (voxels, voxels * valid, valid)
    )
    return np.where(share > least, sums / np.where(share > least, share, 1), plain), share


def band_matrix(first: NDArray[np.intp], weights: Floats, source_n: int) -> Floats:
    """Return a band of weights as a dense matrix [n, source_n]."""
    matrix = np.zeros((len(first), source_n))
    for row, start, taps in zip(matrix, first, weights, strict=True):
        row[start : start + len(taps)] = taps
    return matrix

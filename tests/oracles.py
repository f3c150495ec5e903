"""Reference implementations in plain numpy, scipy and Pillow: slow, obvious, and written from the definitions."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.geometry import Geometry
from pipeline.lines import ClampedLine
from pipeline.volume import Volume, Voxels

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


def weighted_sums(volume: Volume, matrices: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats]:
    """Return sums renormalised over measured voxels, and the measured share, by three dense matrices [n, source_n]."""
    voxels, measured = volume.voxels.astype(np.float64), volume.measured.astype(np.float64)
    plain, sums, share = (
        np.einsum("az,by,cx,zyx->abc", *matrices, array, optimize=True)
        for array in (voxels, voxels * measured, measured)
    )
    return np.where(share > 1e-6, sums / np.where(share > 1e-6, share, 1), plain), share


def band_matrix(first: NDArray[np.intp], weights: Floats, source_n: int) -> Floats:
    """Return a band of weights as a dense matrix [n, source_n]."""
    matrix = np.zeros((len(first), source_n))
    for row, start, taps in zip(matrix, first, weights, strict=True):
        row[start : start + len(taps)] = taps
    return matrix

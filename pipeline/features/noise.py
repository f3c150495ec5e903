"""The noise of a volume, estimated where there is soft tissue."""

import numpy as np

from pipeline.volume import Mask, Volume, Voxels

SOFT_TISSUE_HU = (-150.0, 150.0)
"""Fat to muscle: where noise is estimated."""

NOISE_SLICES = 16
"""Noise is estimated on at most so many slices, spread over the volume: enough voxels, bounded time."""

NOISE_LEAST_VOXELS = 1000
"""Fewer soft-tissue voxels than this give no estimate."""

MEDIAN_TO_SIGMA = 1.4826
"""From the median of absolute values to the standard deviation of a Gaussian."""


def noise(volume: Volume) -> float | None:
    """Estimate the standard deviation of the noise in soft tissue, in HU; correlated noise reads lower than it is.

    The median of the absolute second difference along y and x (Immerkaer, CVIU 1996), where the nine voxels it is made
    of are all measured and their mean is soft tissue.  That mean and the difference are independent for white noise, so
    choosing by the one does not bias the other.
    """
    n_slices = volume.voxels.shape[0]
    chosen = np.unique(np.linspace(0, n_slices - 1, min(n_slices, NOISE_SLICES)).round().astype(int))
    rough = np.concatenate([_roughness(volume.voxels[z], volume.measured[z]) for z in chosen])
    return float(np.median(rough)) * MEDIAN_TO_SIGMA if rough.size >= NOISE_LEAST_VOXELS else None


def _roughness(plane: Voxels, measured: Mask) -> Voxels:
    """Return the absolute second difference, scaled to the noise of one voxel, of each soft-tissue place of a slice."""
    if min(plane.shape) < 3:
        return np.zeros(0, np.float32)
    mean = _sum_of_nine(plane) / 9
    low, high = SOFT_TISSUE_HU
    tissue = (mean >= low) & (mean <= high) & (_sum_of_nine(measured.astype(np.float32)) == 9)
    rough: Voxels = np.abs(np.diff(np.diff(plane, n=2, axis=0), n=2, axis=1)[tissue]) / np.float32(6)
    return rough


def _sum_of_nine(plane: Voxels) -> Voxels:
    rows = plane[:-2] + plane[1:-1] + plane[2:]
    total: Voxels = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return total

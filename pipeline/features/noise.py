"""The noise of a volume, estimated where there is soft tissue."""

from collections.abc import Sequence

import numpy as np

from pipeline.kernels.slices import measure_roughness
from pipeline.volume import Mask, Voxels

SOFT_TISSUE_HU = (-150.0, 150.0)
"""Fat to muscle: where noise is estimated."""

NOISE_LEAST_VOXELS = 1000
"""Fewer soft-tissue voxels than this give no estimate."""

MEDIAN_TO_SIGMA = 1.4826
"""From the median of absolute values to the standard deviation of a Gaussian."""


def measure_soft_tissue_roughness(plane: Voxels, valid: Mask) -> Voxels:
    """Return the absolute second difference along y and x, scaled to the noise of a voxel, of soft-tissue places.

    Taken where the nine voxels it is made of are all measured and their mean is soft tissue.  That mean and the
    difference are independent for white noise, so choosing by the one does not bias the other.
    """
    return measure_roughness(plane, valid, *SOFT_TISSUE_HU)


def estimate_noise(rough: Sequence[Voxels]) -> float | None:
    """Estimate the standard deviation of the noise in HU from slices' roughness, None where there is little of it.

    By the median (Immerkaer, CVIU 1996); correlated noise reads lower than it is.
    """
    together = np.concatenate([*rough, np.zeros(0, np.float32)])
    return _median(together) * MEDIAN_TO_SIGMA if together.size >= NOISE_LEAST_VOXELS else None


def _median(values: Voxels) -> float:
    """Return the median of floats; numpy's own looks for two of them at once, and takes ten times as long."""
    middle = values.size // 2
    ordered = np.partition(values, middle)
    lower = ordered[middle] if values.size % 2 else ordered[:middle].max()
    return float((lower + ordered[middle]) / 2)

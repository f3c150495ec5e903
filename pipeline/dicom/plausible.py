"""Whether values can be Hounsfield units: only a constant, a range no body has, or a named error refuses a series."""

import numpy as np
from numpy.typing import NDArray

LOWEST_HU, HIGHEST_HU = -1100, 3100
"""Below air and above dense metal on a 12-bit scale no tissue reads."""
MOST = 0.5
DENSE_HU, DENSE_SHARE = 800, 0.2
"""More than this share above dense bone is no body: as in images whose intercept was forgotten."""
STRAY_SHARE = 0.01


def implausibility(first_bin_hu: int, counts: NDArray[np.int64]) -> str | None:
    """Say why a histogram of measured voxels in bins of 1 HU cannot be of a CT, None where it can."""
    total = int(counts.sum())
    if np.count_nonzero(counts) <= 1:
        return "every measured voxel has the same value"
    outside = 1 - _share(first_bin_hu, counts, LOWEST_HU, HIGHEST_HU)
    if total and outside > MOST:
        return f"{outside:.0%} of the voxels lie outside {LOWEST_HU} to {HIGHEST_HU} HU"
    return None


def has_odd_range(first_bin_hu: int, counts: NDArray[np.int64]) -> bool:
    """Report values that are unusual, though they may be right: metal, a phantom, an odd intercept."""
    outside = 1 - _share(first_bin_hu, counts, LOWEST_HU, HIGHEST_HU)
    dense = _share(first_bin_hu, counts, DENSE_HU, HIGHEST_HU)
    return outside > STRAY_SHARE or dense > DENSE_SHARE


def _share(first_bin_hu: int, counts: NDArray[np.int64], low_hu: int, high_hu: int) -> float:
    bins = first_bin_hu + np.arange(counts.size)
    inside = counts[(bins >= low_hu) & (bins <= high_hu)].sum()
    return float(inside / max(1, counts.sum()))

"""Whether values can be Hounsfield units: only a constant, a named error, or a range no body has refuses a series."""

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.pixels.named_errors import Reading, Values, is_eight_bit, named_error, share

LOWEST_HU, HIGHEST_HU = -1100, 3100
"""Below air and above dense metal on a 12-bit scale no tissue reads."""
MOST = 0.5
DENSE_HU, DENSE_SHARE = 800, 0.2
"""More than this share above dense bone is no body: as in images whose intercept was forgotten."""
STRAY_SHARE = 0.01


def implausibility(first_bin_hu: int, counts: NDArray[np.int64], reading: Reading | None) -> str | None:
    """Say why a histogram of measured voxels in bins of 1 HU cannot be of a CT, None where it can.

    Errors are named only where all slices were read alike.
    """
    if not counts.sum():
        return "no voxel was measured"
    if np.count_nonzero(counts) == 1:
        return "every measured voxel has the same value"
    hu = bins_hu(first_bin_hu, counts)
    if reading and (named := _named(hu, counts, reading)):
        return named
    outside = 1 - share(hu, counts, LOWEST_HU, HIGHEST_HU)
    return f"{outside:.0%} of the voxels lie outside {LOWEST_HU} to {HIGHEST_HU} HU" if outside > MOST else None


def _named(hu: Values, counts: NDArray[np.int64], reading: Reading) -> str | None:
    if is_eight_bit(hu, counts, reading):
        return "stored values fill 0 to 255: the image was converted to 8 bits"
    found = named_error(hu, counts, reading)
    return found[1] if found else None


def has_odd_range(first_bin_hu: int, counts: NDArray[np.int64]) -> bool:
    """Report values that are unusual, though they may be right: metal, a phantom, an odd intercept."""
    hu = bins_hu(first_bin_hu, counts)
    outside = 1 - share(hu, counts, LOWEST_HU, HIGHEST_HU)
    return outside > STRAY_SHARE or share(hu, counts, DENSE_HU, HIGHEST_HU) > DENSE_SHARE


def bins_hu(first_bin_hu: int, counts: NDArray[np.int64]) -> Values:
    """Return the centres of bins of 1 HU."""
    return first_bin_hu + np.arange(counts.size, dtype=np.float64)

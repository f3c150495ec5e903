"""The histogram of a volume's Hounsfield units, from which the statistics of a cohort are computed."""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from pipeline.features.tissue import AIR_HU

BIN_LIMIT_HU = 1 << 17
"""Values beyond this count in the outermost bin, so that a hostile rescale slope cannot request endless bins."""

AIR_LEAST_SHARE = 0.001
"""With a smaller share of valid voxels in the range of air there is no peak."""

AIR_LEAST_RISE = 1.5
"""A peak stands this many times above the mean of its range; Gaussian noise of 50 HU still gives 1.7, a plain 1."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Valid voxels in bins of 1 HU: ``counts[i]`` of them round to ``first_bin_hu + i``.

    Law: merging is commutative and associative, and the empty histogram changes nothing.
    """

    first_bin_hu: int
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> "Histogram":
        """Return the histogram of no voxel."""
        return cls(0, np.zeros(0, np.int64))

    @classmethod
    def of_bins(cls, bins: NDArray[np.int64]) -> "Histogram":
        """Return the histogram of bins centred at 0, without empty ones at both ends."""
        filled = np.flatnonzero(bins)
        if not filled.size:
            return cls.empty()
        return cls(int(filled[0]) - bins.size // 2, bins[filled[0] : filled[-1] + 1].copy())

    @cached_property
    def total(self) -> int:
        """The number of voxels counted."""
        return int(self.counts.sum())

    @cached_property
    def bins_hu(self) -> NDArray[np.int64]:
        """The centre of every bin, in HU."""
        return self.first_bin_hu + np.arange(self.counts.size)

    @property
    def mean_hu(self) -> float | None:
        """The mean, each voxel counted at the centre of its bin."""
        return float(self.bins_hu @ self.counts / self.total) if self.total else None

    @property
    def std_hu(self) -> float | None:
        """The standard deviation, each voxel counted at the centre of its bin."""
        if self.mean_hu is None:
            return None
        return sqrt(float((self.bins_hu - self.mean_hu) ** 2 @ self.counts) / self.total)

    def percentile(self, percent: float) -> float | None:
        """Return the lowest bin with at least ``percent`` of the voxels in it or below."""
        if not self.total:
            return None
        rank = max(self.total * percent / 100, 1)
        return float(self.bins_hu[np.searchsorted(self.counts.cumsum(), rank)])

    def count_between(self, low_hu: int, high_hu: int) -> NDArray[np.int64]:
        """Return the counts of the bins from ``low_hu`` up to but excluding ``high_hu``; 0 where there is no bin."""
        counts = np.zeros(high_hu - low_hu, np.int64)
        first = max(self.first_bin_hu, low_hu)
        last = min(self.first_bin_hu + self.counts.size, high_hu)
        if first < last:
            counts[first - low_hu : last - low_hu] = self.counts[first - self.first_bin_hu : last - self.first_bin_hu]
        return counts

    def share_above(self, hu: int) -> float | None:
        """Return the share of the voxels in bins above ``hu``."""
        return float(self.counts[self.bins_hu > hu].sum() / self.total) if self.total else None

    def merge(self, other: "Histogram") -> "Histogram":
        """Return the histogram of the voxels of both."""
        if not self.total or not other.total:
            return self if self.total else other
        low = min(self.first_bin_hu, other.first_bin_hu)
        high = max(self.first_bin_hu + self.counts.size, other.first_bin_hu + other.counts.size)
        return Histogram(low, self.count_between(low, high) + other.count_between(low, high))


def find_air_peak(histogram: Histogram) -> float | None:
    """Return where the air around the patient peaks, or None where no peak stands out between -1100 and -900 HU.

    Bins are smoothed with triangular weights, because rescale slopes other than 1 leave bins empty.  A maximum at the
    rim of the range is the flank of another peak (lung above, padding below).
    """
    low, high = AIR_HU
    smooth = np.convolve(histogram.count_between(low - 2, high + 3), (1, 2, 3, 2, 1), mode="valid")
    at = int(smooth.argmax())
    enough = histogram.count_between(low, high + 1).sum() >= AIR_LEAST_SHARE * max(histogram.total, 1)
    stands_out = 0 < at < smooth.size - 1 and smooth[at] >= AIR_LEAST_RISE * smooth.mean()
    return float(low + at) if enough and stands_out else None
